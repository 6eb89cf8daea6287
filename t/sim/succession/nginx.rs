//! What nginx does: masters that start, replace and stop the processes that carry engines.

use std::time::Duration;

use resty_vrrp::config::InstanceConfig;
use resty_vrrp::proto::{Bequests, Health, Phase};
use resty_vrrp::succession::Will;
use resty_vrrp::types::Instant;

use super::engine::EngineModel;
use super::world::{EngineIndex, Happening, LoopEvent, World};
use crate::setup::{ms, us};

/// One master process.
pub(super) struct MasterModel {
    pub(super) is_alive: bool,
    /// It starts no more carriers.
    pub(super) ends: bool,
    pub(super) carrier: Option<EngineIndex>,
    /// Its workers were let go.
    is_idle: bool,
    board: usize,
    conf: Vec<InstanceConfig>,
}

/// The page that outlives its engine.
#[derive(Clone, Default)]
pub(super) struct BoardModel {
    pub(super) beat_at: Option<Instant>,
    /// The guard has given away what the engine of that beat held.
    pub(super) is_withdrawn: bool,
    pub(super) is_superseded: bool,
    pub(super) guarded: Option<Duration>,
    /// What its engine last showed.
    pub(super) shown: Option<Bequests>,
    pub(super) request: Option<bool>,
}

impl BoardModel {
    /// Returns what the last engine left, as `runtime::will` reads it.
    pub(super) fn will(&self) -> Option<Will> {
        let (at, mut state) = (self.beat_at?, self.shown.clone()?);
        state.at = at;
        state.withdrawn_at = self.is_withdrawn.then_some(at);
        state.serving = false;
        for router in &mut state.routers {
            match &mut router.phase {
                Phase::Active { adver_at, .. } => *adver_at = at,
                // The board shows it as Active.
                phase @ Phase::Leaving(_) => {
                    *phase = Phase::Active { adver_at: at, last_resort: false, blink: None };
                }
                Phase::Initialize { .. } | Phase::Backup(_) => {}
            }
        }
        Some(Will { state: Box::new(state), guarded: self.guarded })
    }

    /// Shows what another engine says.
    pub(super) fn mirror(&mut self, told: &Bequests) {
        let Some(shown) = &mut self.shown else { return };
        for router in &mut shown.routers {
            if let Some(news) = told.routers.iter().find(|news| news.key == router.key) {
                *router = news.clone();
            }
        }
        shown.addresses.clear();
    }
}

impl World {
    /// Starts a master, which starts a carrier.
    pub(super) fn start(&mut self, conf: Vec<InstanceConfig>) -> usize {
        self.trace(|| "a master starts".to_owned());
        self.boards.push(BoardModel::default());
        let board = self.boards.len() - 1;
        let (is_alive, ends, carrier) = (true, false, None);
        let starting = conf.clone();
        self.masters.push(MasterModel { is_alive, ends, carrier, is_idle: false, board, conf });
        let master = self.masters.len() - 1;
        self.schedule(ms(5), Happening::Spawn { master, board, conf: starting });
        master
    }

    pub(super) fn spawn(&mut self, master: usize, board: usize, conf: Vec<InstanceConfig>) {
        let nginx = &self.masters[master];
        if !nginx.is_alive || nginx.ends || nginx.is_idle || nginx.board != board {
            return;
        }
        let engine = self.engines.len();
        self.trace(|| format!("master {master} starts engine {engine} on board {board}"));
        self.engines.push(EngineModel::new(master, board, conf));
        self.masters[master].carrier = Some(engine);
        self.begin_run(engine, resty_vrrp::succession::Beginning::First, None);
    }

    /// Has a master take on another configuration. The old carrier is told to stop a little later.
    pub(super) fn reload(&mut self, master: usize, conf: Vec<InstanceConfig>) {
        let nginx = &mut self.masters[master];
        if !nginx.is_alive || nginx.ends {
            return;
        }
        self.trace(|| format!("master {master} reloads"));
        let nginx = &mut self.masters[master];
        nginx.is_idle = false;
        let before = nginx.board;
        let carried =
            BoardModel { is_superseded: false, request: None, ..self.boards[before].clone() };
        self.boards[before].is_superseded = true;
        self.boards.push(carried);
        let board = self.boards.len() - 1;
        (nginx.board, nginx.conf) = (board, conf.clone());
        let old = nginx.carrier.take();
        let starts = ms(9) + self.rng.up_to(ms(7));
        self.schedule(starts, Happening::Spawn { master, board, conf });
        if let Some(old) = old {
            let overlap = ms(95) + self.rng.up_to(ms(25));
            self.schedule(overlap, Happening::Stop(old));
        }
    }

    /// Has a master refuse a configuration after its options were found right.
    pub(super) fn reload_in_vain(&mut self, master: usize) {
        let board = self.masters[master].board;
        self.trace(|| format!("master {master} refuses a configuration"));
        self.boards[board].is_superseded = true;
        let later = self.rng.up_to(ms(2500));
        self.schedule(later, Happening::Refuse(board));
    }

    /// Has a master stop its carrier and end.
    pub(super) fn quit(&mut self, master: usize) {
        self.trace(|| format!("master {master} quits"));
        self.masters[master].ends = true;
        if let Some(carrier) = self.masters[master].carrier {
            self.schedule(us(500), Happening::Stop(carrier));
        }
    }

    /// Has a master stop its carrier, and live on.
    pub(super) fn winch(&mut self, master: usize) {
        self.trace(|| format!("master {master} lets its workers go"));
        self.masters[master].is_idle = true;
        if let Some(carrier) = self.masters[master].carrier.take() {
            self.schedule(us(500), Happening::Stop(carrier));
        }
    }

    /// Has a master whose workers have gone start them again.
    pub(super) fn hup_after_winch(&mut self, master: usize) {
        let nginx = &mut self.masters[master];
        if std::mem::take(&mut nginx.is_idle) {
            let (board, conf) = (nginx.board, nginx.conf.clone());
            self.schedule(ms(10), Happening::Spawn { master, board, conf });
        }
    }

    /// Kills a master, and leaves its processes alone.
    pub(super) fn kill_master(&mut self, master: usize) {
        self.trace(|| format!("master {master} is killed"));
        self.masters[master].is_alive = false;
        for engine in 0..self.engines.len() {
            if self.engines[engine].master == master && self.engines[engine].is_alive() {
                let failing = Health::Failing("the nginx master process has died".to_owned());
                self.post(us(100), engine, LoopEvent::Judged(failing));
            }
        }
    }

    pub(super) fn kill_all(&mut self) {
        self.trace(|| "all of nginx is killed".to_owned());
        self.masters.iter_mut().for_each(|master| master.is_alive = false);
        (0..self.engines.len()).for_each(|engine| self.kill(engine));
    }

    /// Takes back what an operator has asked of the engines of a master.
    pub(super) fn undrain(&mut self, master: usize) {
        let board = self.masters[master].board;
        self.boards[board].request = Some(false);
    }

    /// Ends the processes whose master is dead.
    pub(super) fn kill_orphans(&mut self) {
        for engine in 0..self.engines.len() {
            if !self.masters[self.engines[engine].master].is_alive {
                self.kill(engine);
            }
        }
    }

    /// Has a master see that a process has ended.
    pub(super) fn carrier_ended(&mut self, engine: EngineIndex) {
        let master = self.engines[engine].master;
        let nginx = &mut self.masters[master];
        if nginx.carrier != Some(engine) {
            return;
        }
        nginx.carrier = None;
        if nginx.is_alive && !nginx.ends {
            let (board, conf) = (nginx.board, nginx.conf.clone());
            let respawns = ms(2) + self.rng.up_to(ms(2));
            self.schedule(respawns, Happening::Spawn { master, board, conf });
        }
    }
}
