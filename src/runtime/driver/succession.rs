//! Connects the loop to [`Succession`](crate::succession): hands it incidents, and carries out its
//! commands. Decides nothing.

use super::{Driver, End};
use crate::proto::{Bequests, Input, RouterKey};
use crate::runtime::clock;
use crate::runtime::events;
use crate::runtime::handover::Peer;
use crate::runtime::log;
use crate::status::EngineState;
use crate::succession::{
    Backlog, Beginning, Command, Ending, HandoverMessage, Incident, PeerId, Question,
};
use crate::types::Instant;

/// How a run of the loop begins.
pub(in crate::runtime) struct Start {
    pub(super) beginning: Beginning,
    /// The connection of [`Beginning::GivenBack`].
    pub(super) holder: Option<(PeerId, Peer)>,
}

impl From<Beginning> for Start {
    fn from(beginning: Beginning) -> Self {
        Self { beginning, holder: None }
    }
}

impl Driver<'_> {
    /// Hands the succession the time, and carries out its commands.
    pub(super) fn settle_succession(&mut self, now: Instant) -> Option<End> {
        if self.succession.is_leaving() && !self.node.holds_any() && !self.kernel.lingers(now) {
            self.succession.handle(Incident::Released, now);
        }
        self.succession.handle_timeout(now);
        self.perform_commands()
    }

    /// Hands an incident to the succession, and carries out its commands.
    pub(super) fn tell(&mut self, incident: Incident) -> Option<End> {
        self.succession.handle(incident, clock::now());
        self.perform_commands()
    }

    /// Carries out all commands of the succession. Returns how the loop ends, if it does.
    pub(super) fn perform_commands(&mut self) -> Option<End> {
        let mut end = None;
        while let Some(command) = self.succession.poll_command() {
            end = self.perform(command).or(end);
        }
        end
    }

    fn answer(&mut self, question: Question) -> Incident {
        match question {
            Question::Knock => self.meeting.knock(),
            Question::OpenDoor => {
                let opening = self.meeting.open_door();
                if let Some(door) = self.meeting.door_id() {
                    self.guard.opened(door);
                }
                Incident::DoorOpened(opening)
            }
            Question::TakeBoard => self.take_the_board(clock::now()),
            Question::Assume(state) => {
                Incident::Assumed { not_inherited: self.assume(state.as_deref()) }
            }
            Question::LookAtDoor => Incident::DoorSeen(self.meeting.look_at_the_door()),
            Question::TakeRequest => Incident::Requested(self.board.take_request()),
        }
    }

    fn perform(&mut self, command: Command) -> Option<End> {
        let now = clock::now();
        match command {
            Command::Answer(question) => {
                let answer = self.answer(question);
                self.succession.handle(answer, now);
            }
            Command::End(ending) => return Some(self.end(ending)),
            Command::Send { to, message } => self.meeting.send(to, &message),
            Command::Give { to, ends } => {
                let state = self.bequeath(ends, now);
                self.meeting.send(to, &HandoverMessage::State(state));
            }
            Command::GiveBack { to } => {
                let state = self.bequeath(true, now);
                self.meeting.send(to, &HandoverMessage::Return(state));
            }
            Command::SendChanges { to, backlog } => {
                let changes = Box::new(self.changes(backlog, now));
                self.meeting.send(to, &HandoverMessage::State(changes));
            }
            Command::SendDelivered { to } => {
                let delivered = events::last_delivered(self.board);
                self.meeting.send(to, &HandoverMessage::Delivered(delivered));
            }
            Command::Disconnect(peer) => drop(self.meeting.take(peer)),
            Command::Mirror(state) => self.board_writer.mirror(self.board, &state),
            Command::ShowStandby => {
                self.board.set_healthy(true);
                self.board.set_engine(EngineState::Running, "");
            }
            Command::ShowStopped => self.board.set_engine(EngineState::Stopped, ""),
            Command::ClearLeftovers(addresses) => self.clear_leftovers(addresses),
            Command::Drain(draining) => self.drain(draining, now),
            Command::ResumeEvents(number) => events::resume(self.board, number),
            Command::FallSilent { not_inherited } => self.fall_silent(&not_inherited, now),
            Command::StepAside { holder } => self.step_aside(holder),
            Command::Leave => self.node.handle(Input::Leave, now),
        }
        None
    }

    fn end(&mut self, ending: Ending) -> End {
        match ending {
            Ending::Stopped => End::Stopped,
            Ending::Again(beginning) => {
                let holder = match &beginning {
                    Beginning::GivenBack { holder, .. } => self.meeting.take(*holder),
                    Beginning::First | Beginning::AfterFailure | Beginning::Orphaned => None,
                };
                End::Again(Start { beginning, holder })
            }
        }
    }

    /// Makes the beat on the board this engine's.
    fn take_the_board(&mut self, now: Instant) -> Incident {
        let timeout = self.liveness.worker_timeout();
        self.board.set_guarded(self.guard.is_possible().then_some(timeout));
        Incident::BoardTaken { is_withdrawn: self.board.beat(now) }
    }

    /// Starts the election where another engine was, or anew. Returns the routers of the state that
    /// are none of ours.
    fn assume(&mut self, state: Option<&Bequests>) -> Vec<RouterKey> {
        let now = clock::now();
        events::begin(self.board, state.map(|state| &state.undelivered), now);
        log::inherit(self.board, state.map(|state| &state.lines[..]).unwrap_or_default());
        let inherited = state.map(|state| self.node.inherit(state, now));
        self.suspect_the_deaf();
        let not_inherited = match inherited {
            Some(Ok(not_inherited)) => {
                tracing::info!("goes on where the engine before this one was");
                not_inherited
            }
            Some(Err(error)) => {
                tracing::warn!("beginning anew: {error}");
                self.node.handle(Input::Startup, now);
                state
                    .into_iter()
                    .flat_map(|state| &state.routers)
                    .map(|it| it.key.clone())
                    .collect()
            }
            None => {
                self.node.handle(Input::Startup, now);
                Vec::new()
            }
        };
        self.perform_actions();
        self.show_all(clock::now());
        not_inherited
    }

    /// Returns all that the next engine must know. `ends` says whether this process ends.
    fn bequeath(&mut self, ends: bool, now: Instant) -> Box<Bequests> {
        let undelivered = events::bequeath(self.board, ends, now);
        let addresses = self.view.held_addresses(&self.planned_routers, &self.watched);
        let links = self.links_for_the_next();
        let state = self.node.bequeath(now);
        Box::new(Bequests {
            undelivered,
            addresses,
            links,
            lines: log::bequeath(self.board),
            ..state
        })
    }

    fn changes(&self, backlog: Backlog, now: Instant) -> Bequests {
        match backlog {
            Backlog::Nothing => self.node.bequeath_only([], now),
            Backlog::Of(routers) => self.node.bequeath_only(routers, now),
            Backlog::Everything => self.node.bequeath_only(self.node.routers(), now),
        }
    }

    fn fall_silent(&mut self, not_inherited: &[RouterKey], now: Instant) {
        if !not_inherited.is_empty() && not_inherited.len() == self.node.routers().len() {
            tracing::warn!(
                "an engine took over that has none of these virtual routers; if it is not this \
                 nginx with a new configuration, give each nginx a run_dir of its own"
            );
        }
        self.node.hand_over(not_inherited, now);
        self.perform_actions();
    }

    fn step_aside(&mut self, holder: PeerId) {
        events::pause(self.board);
        self.guard.dismiss();
        self.kernel.abandon();
        self.links.close();
        self.meeting.keep_only(holder);
        self.neighbourhood.close(clock::now());
    }
}
