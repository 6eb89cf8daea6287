//! One process that carries an engine, and what can happen to it.

use std::collections::BTreeSet;
use std::time::Duration;

use resty_vrrp::config::InstanceConfig;
use resty_vrrp::proto::{Bequests, Health, Input, Node};
use resty_vrrp::succession::{Beginning, Incident, PeerId, Succession};
use resty_vrrp::types::{HeldAddress, Instant};

use super::world::{EngineIndex, Happening, LoopEvent, World};
use crate::setup::{ms, us};

pub(super) struct EngineModel {
    pub(super) master: usize,
    pub(super) board: usize,
    pub(super) conf: Vec<InstanceConfig>,
    pub(super) life: LifeModel,
    /// How often its loop has begun.
    pub(super) run: u32,
    pub(super) node: Node,
    pub(super) succession: Succession,
    pub(super) net: NetModel,
    pub(super) guard: GuardModel,
    pub(super) door: Option<u64>,
    pub(super) knocked_at: Option<u64>,
    pub(super) alarm: Option<Instant>,
    /// The moment nginx wanted it to stop.
    pub(super) stop_asked_at: Option<Instant>,
    /// What its workers show; not known before they beat.
    pub(super) health: Health,
    /// How many commands are carried out before something happens to it.
    pub(super) fuse: Option<(u32, Fate)>,
    /// It was interrupted while it carried out commands; or while it answered one.
    pub(super) is_interrupted: bool,
    pub(super) answer: Option<Incident>,
    /// What it was about to look at then.
    pub(super) interrupted_by: Option<Incident>,
    /// How it begins again after a failure.
    next: Option<Beginning>,
    connections: u64,
    put_off: Vec<Happening>,
}

/// Whether a process runs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum LifeModel {
    Running,
    Hung,
    /// Its loop has failed, and begins again in a moment.
    Failed,
    Dead,
}

/// What happens to a process in the middle of its work.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fate {
    Dies,
    Hangs(Duration),
    Fails,
}

/// `vrrp-net`: what it is to hold, and what it holds.
#[derive(Clone, Debug, Default)]
pub(super) struct NetModel {
    pub(super) claims: BTreeSet<u8>,
    pub(super) owned: BTreeSet<u8>,
    /// What the election has given up since it last looked.
    pub(super) released: BTreeSet<u8>,
    pub(super) confirmed_at: Option<Instant>,
    /// What another engine held, when it is to be removed.
    pub(super) inherited: Option<BTreeSet<u8>>,
    pub(super) is_abandoned: bool,
    pub(super) has_ended: bool,
    pub(super) is_due: bool,
}

/// The guard of an engine.
#[derive(Clone, Debug, Default)]
pub(super) struct GuardModel {
    pub(super) has_gone: bool,
    pub(super) claims: BTreeSet<u8>,
    pub(super) door: Option<u64>,
    pub(super) looked_at: Option<Instant>,
    pub(super) awake_since: Option<Instant>,
}

impl EngineModel {
    pub(super) fn new(master: usize, board: usize, conf: Vec<InstanceConfig>) -> Self {
        Self {
            master,
            board,
            life: LifeModel::Running,
            run: 0,
            node: Node::new(&conf),
            succession: Succession::new(Beginning::First, None, true, Instant::default()),
            net: NetModel::default(),
            guard: GuardModel::default(),
            door: None,
            knocked_at: None,
            alarm: None,
            stop_asked_at: None,
            health: Health::Unknown,
            fuse: None,
            is_interrupted: false,
            answer: None,
            interrupted_by: None,
            next: None,
            connections: 0,
            put_off: Vec::new(),
            conf,
        }
    }

    /// Tells whether the process exists.
    pub(super) fn is_alive(&self) -> bool {
        self.life != LifeModel::Dead
    }

    pub(super) fn is_hung(&self) -> bool {
        self.life == LifeModel::Hung
    }

    /// Tells whether its loop turns.
    pub(super) fn is_able(&self) -> bool {
        self.life == LifeModel::Running
    }

    /// Tells whether it has sockets open.
    pub(super) fn hears(&self) -> bool {
        matches!(self.life, LifeModel::Running | LifeModel::Hung) && !self.succession.is_retired()
    }

    pub(super) fn next_peer(&mut self) -> PeerId {
        self.connections += 1;
        PeerId(self.connections)
    }

    /// Keeps something for when the process goes on.
    pub(super) fn put_off(&mut self, happening: Happening) {
        self.put_off.push(happening);
    }
}

impl World {
    /// Begins to run the loop of an engine.
    pub(super) fn begin_run(
        &mut self,
        engine: EngineIndex,
        beginning: Beginning,
        kept: Option<PeerId>,
    ) {
        let will = self.boards[self.engines[engine].board].will();
        self.keep_only(engine, kept);
        let door = self.door.map(|(id, _)| id);
        let it = &mut self.engines[engine];
        it.run += 1;
        it.life = LifeModel::Running;
        it.node = Node::new(&it.conf);
        let given = match &beginning {
            Beginning::GivenBack { state, .. } => Some(state.clone()),
            Beginning::First | Beginning::AfterFailure | Beginning::Orphaned => None,
        };
        it.succession = Succession::new(beginning, will, true, self.now);
        it.net = NetModel::default();
        it.guard = GuardModel::default();
        it.succession.handle(Incident::NeighboursKnown, self.now);
        (it.door, it.knocked_at, it.alarm) = (None, door, None);
        (it.health, it.is_interrupted, it.answer) = (Health::Unknown, false, None);
        let run = it.run;
        let links = ms(1) + self.weather.links_delay + self.rng.up_to(self.weather.net_delay * 2);
        self.post(links, engine, LoopEvent::LinksKnown);
        if let Some(state) = given {
            self.take_links_of(engine, &state);
        }
        // The workers of a configuration that goes on beat already.
        let is_first = self.boards[self.engines[engine].board].beat_at.is_none()
            || self.engines.iter().filter(|it| it.board == self.engines[engine].board).count() < 2;
        let workers = if is_first { self.rng.up_to(self.weather.workers_delay) } else { ms(0) };
        self.post(us(300) + workers, engine, LoopEvent::Judged(Health::Serving));
        self.post(us(200), engine, LoopEvent::Beat);
        self.schedule(ms(100), Happening::GuardLook { engine, run });
        self.perform_commands(engine);
        self.settle(engine);
    }

    /// Kills a process.
    pub(super) fn kill(&mut self, engine: EngineIndex) {
        if !self.engines[engine].is_alive() {
            return;
        }
        self.trace(|| format!("engine {engine} is killed"));
        self.end_process(engine);
    }

    /// Ends a process, whatever it was about to do.
    fn end_process(&mut self, engine: EngineIndex) {
        self.engines[engine].life = LifeModel::Dead;
        self.keep_only(engine, None);
        let run = self.engines[engine].run;
        let since = self.now;
        self.schedule(us(300), Happening::GuardWait { engine, run, since });
        self.carrier_ended(engine);
    }

    /// Stops a process for a while, both its threads.
    pub(super) fn hang(&mut self, engine: EngineIndex, duration: Duration) {
        if self.engines[engine].life == LifeModel::Running {
            self.trace(|| format!("engine {engine} hangs for {duration:?}"));
            self.engines[engine].life = LifeModel::Hung;
            self.schedule(duration, Happening::Resume(engine));
        }
    }

    pub(super) fn resume(&mut self, engine: EngineIndex) {
        if !self.engines[engine].is_hung() {
            return;
        }
        self.trace(|| format!("engine {engine} goes on"));
        self.engines[engine].life = LifeModel::Running;
        if std::mem::take(&mut self.engines[engine].is_interrupted) {
            if let Some(answer) = self.engines[engine].answer.take() {
                self.tell(engine, answer);
            }
            self.perform_commands(engine);
            self.settle(engine);
        }
        if let Some(incident) = self.engines[engine].interrupted_by.take() {
            self.turn_with(engine, incident);
        }
        // As the loop looks at what it waits for; what arrived on one connection stays in order.
        let mut put_off = std::mem::take(&mut self.engines[engine].put_off);
        put_off.sort_by_key(Happening::urgency);
        for happening in put_off {
            self.schedule(Duration::ZERO, happening);
        }
    }

    /// Has a thread of the engine panic: its loop releases what it has, and begins again.
    pub(super) fn fail(&mut self, engine: EngineIndex) {
        if self.engines[engine].life != LifeModel::Running {
            return;
        }
        self.trace(|| format!("engine {engine} fails"));
        let next = self.leave_loop(engine);
        self.keep_only(engine, None);
        if self.engines[engine].stop_asked_at.is_some() {
            return self.exit(engine);
        }
        let it = &mut self.engines[engine];
        (it.life, it.next) = (LifeModel::Failed, Some(next));
        it.run += 1;
        let run = it.run;
        self.schedule(ms(1000), Happening::Restart { engine, run });
    }

    pub(super) fn restart(&mut self, engine: EngineIndex, run: u32) {
        let it = &mut self.engines[engine];
        if it.run == run && it.life == LifeModel::Failed {
            let next = it.next.take().expect("it has failed");
            self.begin_run(engine, next, None);
        }
    }

    pub(super) fn ask_to_stop(&mut self, engine: EngineIndex) {
        if self.engines[engine].stop_asked_at.is_some() || !self.engines[engine].is_alive() {
            return;
        }
        self.trace(|| format!("engine {engine} is told to stop"));
        self.engines[engine].stop_asked_at = Some(self.now);
        self.schedule(ms(2500), Happening::StopTimeout(engine));
        match self.engines[engine].life {
            LifeModel::Failed => self.end_process(engine),
            LifeModel::Running => self.turn_with(engine, Incident::StopAsked),
            LifeModel::Hung | LifeModel::Dead => {}
        }
    }

    pub(super) fn stop_is_overdue(&mut self, engine: EngineIndex) {
        let it = &self.engines[engine];
        assert!(!it.is_able(), "engine {engine} has not stopped after 2.5 s");
        self.kill(engine);
    }

    /// Leaves the loop, as the driver does whatever ended it.
    pub(super) fn leave_loop(&mut self, engine: EngineIndex) -> Beginning {
        self.tell(engine, Incident::LoopEnded);
        while let Some(command) = self.engines[engine].succession.poll_command() {
            self.perform(engine, command);
        }
        if self.engines[engine].succession.is_retired() {
            self.net_lets_go(engine);
        } else if self.engines[engine].succession.is_waiting() {
            self.engines[engine].net.is_abandoned = true;
            self.engines[engine].guard.has_gone = true;
        } else {
            self.engines[engine].node.handle(Input::Shutdown, self.now);
            self.perform_actions(engine);
            self.net_releases(engine);
            self.engines[engine].guard.has_gone = true;
        }
        self.close_door(engine);
        self.engines[engine].succession.after_a_failure()
    }

    /// Ends a process whose loop has ended as it was told to.
    pub(super) fn exit(&mut self, engine: EngineIndex) {
        self.trace(|| format!("engine {engine} ends"));
        self.engines[engine].guard.has_gone = true;
        self.end_process(engine);
    }

    /// Shows on the board what the engine knows.
    pub(super) fn show(&mut self, engine: EngineIndex) {
        let it = &self.engines[engine];
        let addresses = self.held_addresses(engine);
        let shown = Bequests { addresses, ..it.node.bequeath(self.now) };
        self.boards[it.board].shown = Some(shown);
    }

    /// Returns what an engine has put on the link.
    pub(super) fn held_addresses(&self, engine: EngineIndex) -> Vec<HeldAddress> {
        let it = &self.engines[engine];
        let owned = it.conf.iter().filter(|conf| it.net.owned.contains(&conf.vrid.get()));
        let held = owned.flat_map(|conf| {
            let link = conf.interface;
            conf.addresses.iter().map(move |it| HeldAddress { link, address: *it })
        });
        held.collect()
    }
}
