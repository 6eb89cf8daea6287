//! The loop of an engine, as the driver turns it, and what it carries out.

use std::collections::BTreeSet;
use std::time::Duration;

use resty_vrrp::proto::{Action, Bequests, Datagram, Health, Input, LinkCarrier, LinkId};
use resty_vrrp::succession::{
    Backlog, Beginning, Command, DoorOpening, DoorState, Ending, HandoverMessage, Incident, PeerId,
    Question,
};
use resty_vrrp::types::{HeldAddress, KnownLink};

use super::engine::{Fate, LifeModel};
use super::world::{EngineIndex, LoopEvent, World, our_facts};
use crate::packet::encoded;
use crate::setup::ms;

/// What an engine is told as soon as it may have to give the addresses away.
const WORKER_TIMEOUT: Duration = Duration::from_secs(2);
const LINK: LinkId = LinkId(0);

impl World {
    /// Turns the loop of an engine for something that concerns one of its runs.
    pub(super) fn turn(&mut self, engine: EngineIndex, run: u32, event: LoopEvent) {
        let it = &mut self.engines[engine];
        if it.run != run || it.life != LifeModel::Running {
            if let LoopEvent::Visited { connection } = event {
                self.accept(connection, None);
            }
            return;
        }
        match event {
            LoopEvent::Deadline => {
                it.alarm = None;
                self.turn_for(engine, |_| {});
            }
            // It is looked at when the engine has anything to do with it.
            LoopEvent::LinksKnown if it.succession.is_retired() => {
                self.post(ms(10), engine, event);
            }
            LoopEvent::LinksKnown => self.turn_for(engine, |world| {
                let now = world.now;
                let it = &mut world.engines[engine];
                it.node.handle(Input::Link { link: LINK, facts: our_facts() }, now);
                it.succession.handle(Incident::LinksKnown, now);
            }),
            LoopEvent::Judged(health) => {
                self.engines[engine].health = health;
                self.turn_for(engine, |world| world.judge(engine));
            }
            LoopEvent::Beat => {
                self.post(ms(100), engine, LoopEvent::Beat);
                self.turn_for(engine, |world| world.beat(engine));
            }
            LoopEvent::LetGo => {
                if self.engines[engine].succession.needs_the_kernel() {
                    self.turn_with(engine, Incident::KernelEnded);
                }
            }
            LoopEvent::Datagram(bytes) => self.turn_for(engine, |world| {
                let now = world.now;
                let input = Input::Datagram { link: LINK, received: Datagram::parse_ipv4(&bytes) };
                world.engines[engine].node.handle(input, now);
            }),
            LoopEvent::Visited { connection } => {
                if self.engines[engine].door.is_none() {
                    return self.accept(connection, None);
                }
                let peer = self.engines[engine].next_peer();
                self.accept(connection, Some(peer));
                self.turn_with(engine, Incident::Visited(peer));
            }
        }
    }

    /// Turns the loop for something that concerns the succession.
    pub(super) fn turn_with(&mut self, engine: EngineIndex, incident: Incident) {
        if self.engines[engine].life == LifeModel::Running {
            let mut incident = Some(incident);
            self.turn_for(engine, |world| {
                incident.take().into_iter().for_each(|incident| world.tell(engine, incident));
            });
            // It was interrupted before it came to that.
            self.engines[engine].interrupted_by = incident;
        }
    }

    fn turn_for(&mut self, engine: EngineIndex, event: impl FnOnce(&mut Self)) {
        let run = self.engines[engine].run;
        self.beat_the_board(engine);
        self.begin_turn(engine);
        self.perform_commands(engine);
        if !self.goes_on(engine, run) {
            return;
        }
        let now = self.now;
        let it = &mut self.engines[engine];
        if !it.succession.is_retired() {
            it.node.handle_timeout(now);
        }
        event(self);
        self.perform_commands(engine);
        if self.goes_on(engine, run) {
            self.settle(engine);
        }
    }

    fn begin_turn(&mut self, engine: EngineIndex) {
        let is_superseded = self.boards[self.engines[engine].board].is_superseded;
        self.tell(engine, Incident::Turned { is_superseded });
    }

    fn goes_on(&self, engine: EngineIndex, run: u32) -> bool {
        self.engines[engine].run == run && self.engines[engine].life == LifeModel::Running
    }

    pub(super) fn tell(&mut self, engine: EngineIndex, incident: Incident) {
        self.trace(|| format!("engine {engine} is told {}", brief(&incident)));
        if let Incident::Heard(_, HandoverMessage::State(state) | HandoverMessage::Return(state)) =
            &incident
        {
            self.take_links_of(engine, state);
        }
        let now = self.now;
        self.engines[engine].succession.handle(incident, now);
    }

    /// Begins with what the engine before knew of the link, after a while.
    pub(super) fn take_links_of(&mut self, engine: EngineIndex, state: &Bequests) {
        let it = &self.engines[engine];
        let is_news = it.succession.is_waiting() && it.node.facts(LINK).is_none();
        if is_news && !state.links.is_empty() {
            self.post(ms(300), engine, LoopEvent::LinksKnown);
        }
    }

    /// Does what the driver does at the end of every turn.
    pub(super) fn settle(&mut self, engine: EngineIndex) {
        let run = self.engines[engine].run;
        if !self.goes_on(engine, run) {
            return;
        }
        // It may have been interrupted since the turn began.
        self.begin_turn(engine);
        self.perform_commands(engine);
        if !self.goes_on(engine, run) {
            return;
        }
        self.beat_the_board(engine);
        let now = self.now;
        let it = &mut self.engines[engine];
        if !it.succession.is_retired() {
            it.node.handle_timeout(now);
        }
        self.perform_actions(engine);
        let it = &mut self.engines[engine];
        if it.succession.is_leaving() && !it.node.holds_any() {
            it.succession.handle(Incident::Released, now);
        }
        it.succession.handle_timeout(now);
        self.perform_commands(engine);
        if !self.goes_on(engine, run) {
            return;
        }
        self.perform_actions(engine);
        self.engines[engine].net.confirmed_at = Some(now);
        self.arm(engine);
    }

    fn arm(&mut self, engine: EngineIndex) {
        let it = &self.engines[engine];
        let election = it.node.poll_timeout().filter(|_| !it.succession.is_retired());
        let due = election.into_iter().chain(it.succession.poll_timeout()).min();
        assert!(due.is_none_or(|due| due > self.now), "engine {engine} does not wait");
        if due.is_some_and(|due| it.alarm.is_none_or(|alarm| due < alarm)) {
            self.engines[engine].alarm = due;
            let late = self.rng.up_to(self.weather.lateness);
            let delay = due.map(|due| due.since(self.now)).unwrap_or_default();
            self.post(delay + late, engine, LoopEvent::Deadline);
        }
    }

    /// Says on the board that the engine lives, and hears whether its guard has given up on it.
    fn beat_the_board(&mut self, engine: EngineIndex) {
        let it = &mut self.engines[engine];
        let board = &mut self.boards[it.board];
        board.beat_at = Some(self.now);
        if it.succession.is_waiting() {
            return;
        }
        if std::mem::take(&mut board.is_withdrawn) && it.succession.is_holding() {
            it.node.handle(Input::Withdrawn, self.now);
        }
    }

    fn judge(&mut self, engine: EngineIndex) {
        let now = self.now;
        let it = &mut self.engines[engine];
        let master_lives = self.masters[it.master].is_alive;
        let is_outgoing = self.boards[it.board].is_superseded || it.succession.is_leaving();
        let is_known = it.health != Health::Unknown;
        if !is_known || it.succession.is_retired() || is_outgoing && master_lives {
            return;
        }
        it.node.handle(Input::Health(it.health.clone()), now);
        it.succession.handle(Incident::HealthChanged(it.health.clone()), now);
    }

    /// Lets an engine beat before its time.
    pub(super) fn beat_now(&mut self, engine: EngineIndex) {
        self.turn_for(engine, |world| world.beat(engine));
    }

    fn beat(&mut self, engine: EngineIndex) {
        let now = self.now;
        self.engines[engine].succession.handle(Incident::Beat { unsent: Vec::new() }, now);
        self.judge(engine);
        if self.engines[engine].succession.is_holding() {
            self.show(engine);
        }
    }

    /// Carries out what the succession asks for, until something happens to the process.
    pub(super) fn perform_commands(&mut self, engine: EngineIndex) {
        let run = self.engines[engine].run;
        let mut ending = None;
        while self.goes_on(engine, run) {
            let Some(command) = self.engines[engine].succession.poll_command() else { break };
            self.trace(|| format!("engine {engine} does {}", brief(&command)));
            let is_question = matches!(command, Command::Answer(_));
            ending = self.perform(engine, command).or(ending);
            self.observe();
            if !is_question {
                self.burn(engine);
            }
        }
        if let Some(ending) = ending.filter(|_| self.engines[engine].is_alive()) {
            self.end_loop(engine, ending);
        }
    }

    /// Lets happen what is to happen to the process in the middle of its work.
    fn burn(&mut self, engine: EngineIndex) {
        match self.engines[engine].fuse.take() {
            Some((0, Fate::Dies)) => self.kill(engine),
            Some((0, Fate::Fails)) => self.fail(engine),
            Some((0, Fate::Hangs(duration))) => {
                self.engines[engine].is_interrupted = true;
                self.hang(engine, duration);
            }
            fuse => self.engines[engine].fuse = fuse.map(|(left, fate)| (left - 1, fate)),
        }
    }

    fn end_loop(&mut self, engine: EngineIndex, ending: Ending) {
        self.leave_loop(engine);
        match ending {
            Ending::Stopped => self.exit(engine),
            Ending::Again(beginning) => {
                let kept = match &beginning {
                    Beginning::GivenBack { holder, .. } => Some(*holder),
                    Beginning::First | Beginning::AfterFailure | Beginning::Orphaned => None,
                };
                self.begin_run(engine, beginning, kept);
            }
        }
    }

    pub(super) fn perform(&mut self, engine: EngineIndex, command: Command) -> Option<Ending> {
        let now = self.now;
        match command {
            Command::Answer(question) => {
                let answer = self.answer(engine, question);
                let run = self.engines[engine].run;
                self.burn(engine);
                if self.engines[engine].run == run && self.engines[engine].is_interrupted {
                    self.engines[engine].answer = Some(answer);
                } else if self.goes_on(engine, run) {
                    self.tell(engine, answer);
                }
            }
            Command::Send { to, message } => self.send(engine, to, &message),
            Command::Give { to, ends: _ } => {
                let state = self.bequeath(engine);
                self.send(engine, to, &HandoverMessage::State(state));
            }
            Command::GiveBack { to } => {
                let state = self.bequeath(engine);
                self.send(engine, to, &HandoverMessage::Return(state));
            }
            Command::SendChanges { to, backlog } => {
                let node = &self.engines[engine].node;
                let changes = match backlog {
                    Backlog::Nothing => node.bequeath_only([], now),
                    Backlog::Of(routers) => node.bequeath_only(routers, now),
                    Backlog::Everything => node.bequeath_only(node.routers(), now),
                };
                self.send(engine, to, &HandoverMessage::State(Box::new(changes)));
            }
            Command::SendDelivered { to } => self.send(engine, to, &HandoverMessage::Delivered(0)),
            Command::Disconnect(peer) => self.disconnect(engine, peer),
            Command::Mirror(state) => {
                let board = self.engines[engine].board;
                self.boards[board].mirror(&state);
            }
            Command::ClearLeftovers(addresses) => {
                let inherited = addresses.iter().map(router_of).collect();
                self.engines[engine].net.inherited = Some(inherited);
                self.wake_net(engine);
            }
            Command::Drain(draining) => {
                self.engines[engine].node.handle(Input::Drain(draining), now);
                self.engines[engine].succession.handle(Incident::Drained, now);
            }
            Command::FallSilent { not_inherited } => {
                self.engines[engine].node.hand_over(&not_inherited, now);
                self.perform_actions(engine);
            }
            Command::StepAside { holder } => self.step_aside(engine, holder),
            Command::Leave => self.engines[engine].node.handle(Input::Leave, now),
            Command::End(ending) => return Some(ending),
            Command::ShowStandby | Command::ShowStopped | Command::ResumeEvents(_) => {}
        }
        None
    }

    fn answer(&mut self, engine: EngineIndex, question: Question) -> Incident {
        match question {
            Question::Knock => {
                self.engines[engine].knocked_at = self.door.map(|(id, _)| id);
                self.connect(engine).map_or(Incident::NobodyAnswered, Incident::Answered)
            }
            Question::OpenDoor => {
                let found = self.door.map(|(id, _)| id);
                let it = &self.engines[engine];
                if found.is_some() && found != it.door && found != it.knocked_at {
                    return Incident::DoorOpened(DoorOpening::Foreign);
                }
                self.doors_opened += 1;
                let id = self.doors_opened;
                self.door = Some((id, engine));
                let it = &mut self.engines[engine];
                (it.door, it.guard.door) = (Some(id), Some(id));
                Incident::DoorOpened(DoorOpening::Opened)
            }
            Question::TakeBoard => {
                let board = &mut self.boards[self.engines[engine].board];
                board.guarded = Some(WORKER_TIMEOUT);
                board.beat_at = Some(self.now);
                Incident::BoardTaken { is_withdrawn: std::mem::take(&mut board.is_withdrawn) }
            }
            Question::Assume(state) => self.assume(engine, state.as_deref()),
            Question::LookAtDoor => {
                let found = self.door.map(|(id, _)| id);
                let it = &self.engines[engine];
                let known = it.door.or(it.knocked_at);
                Incident::DoorSeen(match found {
                    None => DoorState::Missing,
                    found if found == known => DoorState::Own,
                    Some(_) => DoorState::Foreign,
                })
            }
            Question::TakeRequest => {
                let board = self.engines[engine].board;
                Incident::Requested(self.boards[board].request.take())
            }
        }
    }

    fn assume(&mut self, engine: EngineIndex, state: Option<&Bequests>) -> Incident {
        let now = self.now;
        let it = &mut self.engines[engine];
        let not_inherited = match state.map(|state| it.node.inherit(state, now)) {
            Some(Ok(not_inherited)) => {
                self.nobody_resigns_for(engine, &not_inherited);
                not_inherited
            }
            Some(Err(error)) => panic!("engine {engine} begins anew: {error}"),
            None => {
                it.node.handle(Input::Startup, now);
                self.begin_anew(engine);
                Vec::new()
            }
        };
        self.perform_actions(engine);
        self.show(engine);
        Incident::Assumed { not_inherited }
    }

    fn bequeath(&self, engine: EngineIndex) -> Box<Bequests> {
        let addresses = self.held_addresses(engine);
        let node = &self.engines[engine].node;
        let known = node.facts(LINK).map(|facts| KnownLink {
            name: node.links()[LINK.0],
            index: Some(1),
            is_up: facts.carrier == LinkCarrier::Up,
            sources: facts.sources,
        });
        let links = known.into_iter().collect();
        Box::new(Bequests { addresses, links, ..node.bequeath(self.now) })
    }

    fn step_aside(&mut self, engine: EngineIndex, holder: PeerId) {
        self.engines[engine].guard.has_gone = true;
        self.engines[engine].net.is_abandoned = true;
        self.wake_net(engine);
        // One that was done without has not heard what the next one has not.
        if let Some((_, owner)) = self.door.filter(|(_, owner)| *owner != engine) {
            let theirs = self.vrids_of(owner);
            let lost: Vec<u8> = self.vrids_of(engine).difference(&theirs).copied().collect();
            self.forget_lost(engine, &lost);
        }
        self.close_door(engine);
        self.keep_only(engine, Some(holder));
    }

    /// Closes the door: it is gone, unless another engine has put its own in its place.
    pub(super) fn close_door(&mut self, engine: EngineIndex) {
        let own = self.engines[engine].door.take();
        if own.is_some() && own == self.door.map(|(id, _)| id) {
            self.door = None;
        }
    }

    /// Carries out what the node asks for.
    pub(super) fn perform_actions(&mut self, engine: EngineIndex) {
        while let Some(action) = self.engines[engine].node.poll_action() {
            match action {
                Action::Advertise { router, priority } => {
                    if self.engines[engine].succession.is_retired() {
                        continue;
                    }
                    let datagrams = encoded(&self.engines[engine].node, router, priority);
                    let vrid = self.vrid_of(engine, router.0);
                    self.trace(|| format!("engine {engine} advertises {vrid} at {priority:?}"));
                    self.hear_an_engine(engine, vrid, priority);
                    for bytes in datagrams {
                        self.transmit(bytes);
                    }
                }
                Action::Claim(router) => {
                    let vrid = self.vrid_of(engine, router.0);
                    let it = &mut self.engines[engine];
                    if !it.net.is_abandoned {
                        it.net.claims.insert(vrid);
                    }
                    self.wake_net(engine);
                }
                Action::Release(router) | Action::Yield { router, .. } => {
                    let vrid = self.vrid_of(engine, router.0);
                    let it = &mut self.engines[engine];
                    if !it.net.is_abandoned {
                        it.net.claims.remove(&vrid);
                        it.net.released.insert(vrid);
                    }
                    self.wake_net(engine);
                }
                Action::Transition(transition) => {
                    self.trace(|| format!("engine {engine}: {transition:?}"));
                    let vrid = self.vrid_of(engine, transition.router.0);
                    self.hear_a_transition(engine, vrid, &transition);
                    self.show(engine);
                    let changed = Incident::Changed(transition.router);
                    self.engines[engine].succession.handle(changed, self.now);
                }
                Action::Announce(_) | Action::Relay { .. } | Action::Report(_) => {}
            }
        }
        // What is assumed is the predecessor's until that one is told.
        let it = &mut self.engines[engine];
        if !it.succession.is_waiting() && !it.net.is_abandoned {
            it.guard.claims.extend(&it.net.claims);
        }
    }

    fn vrids_of(&self, engine: EngineIndex) -> BTreeSet<u8> {
        self.engines[engine].conf.iter().map(|conf| conf.vrid.get()).collect()
    }

    pub(super) fn vrid_of(&self, engine: EngineIndex, router: usize) -> u8 {
        self.engines[engine].conf[router].vrid.get()
    }
}

fn router_of(held: &HeldAddress) -> u8 {
    match held.address.address {
        std::net::IpAddr::V4(address) => address.octets()[3],
        std::net::IpAddr::V6(_) => unreachable!("no test has one"),
    }
}

/// Returns the begin of what something looks like.
fn brief(it: &impl std::fmt::Debug) -> String {
    let mut text = format!("{it:?}");
    text.truncate(100);
    text
}
