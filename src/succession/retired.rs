//! What an engine does after it has handed over.

use super::stage::{Departure, Retired, Stage};
use super::{Beginning, Command, Ending, HandoverMessage, PeerId, Question, Succession};
use crate::types::Instant;

impl Succession {
    /// Leaves the routers to another engine.
    pub(super) fn step_aside(&mut self, holder: PeerId) {
        let ends = self.is_leaving();
        self.command(Command::StepAside { holder });
        self.stage = Stage::Retired(Retired::LettingGo { holder });
        if ends {
            self.stop_without_routers();
        }
    }

    /// Informs the holder that this engine puts no address back any more.
    pub(super) fn stand_by(&mut self) {
        if let Stage::Retired(Retired::LettingGo { holder }) = self.stage {
            self.stage = Stage::Retired(Retired::StandingBy { holder });
            self.send(holder, HandoverMessage::Standby);
        }
    }

    pub(super) fn hear_holder(&mut self, holder: PeerId, message: HandoverMessage) {
        match message {
            HandoverMessage::State(state) => self.command(Command::Mirror(state)),
            HandoverMessage::Return(state) => {
                self.stage = Stage::Retired(Retired::LoopEnds);
                let given_back = Beginning::GivenBack { state, holder };
                self.command(Command::End(Ending::Again(given_back)));
            }
            HandoverMessage::Hello
            | HandoverMessage::Standby
            | HandoverMessage::Take
            | HandoverMessage::Took { .. }
            | HandoverMessage::NotComing
            | HandoverMessage::Drain(_)
            | HandoverMessage::Delivered(_)
            | HandoverMessage::Unknown => {}
        }
    }

    pub(super) fn lose_holder(&mut self) {
        self.stage = Stage::Retired(Retired::LoopEnds);
        self.command(Command::End(Ending::Again(Beginning::Orphaned)));
    }

    /// Looks for the engine that nginx has started in place of the one that died.
    pub(super) fn knock_again(&mut self, now: Instant) {
        if matches!(self.stage, Stage::Retired(Retired::Orphaned { knock_at }) if knock_at <= now) {
            self.stage = Stage::Retired(Retired::Knocking);
            self.ask(Question::Knock);
        }
    }

    /// Passes a request on to the engine that has the routers: an operator asked workers of this
    /// nginx.
    pub(super) fn pass_on(&mut self, draining: bool) {
        match self.stage.holder() {
            Some(holder) => self.send(holder, HandoverMessage::Drain(draining)),
            None => self.drain(draining),
        }
    }

    /// Ends an engine without routers. Requests of its workers are not passed on any more.
    pub(super) fn stop_without_routers(&mut self) {
        let holder = self.stage.holder();
        let waits = self.is_waiting();
        self.command(Command::ShowStopped);
        if let Some(holder) = holder {
            self.ask(Question::TakeRequest);
            // All of this nginx ends: the predecessor need not wait.
            if waits && !self.is_superseded {
                self.send(holder, HandoverMessage::NotComing);
            }
        }
        self.command(Command::End(Ending::Stopped));
    }

    /// Ends an engine after its loop. One that has handed over sends which events this nginx has
    /// delivered: the holder has waited for that, and delivers the others.
    pub(super) fn end_the_loop(&mut self) {
        let holder = self.stage.holder();
        match &mut self.stage {
            Stage::Retired(_) => {
                self.commands.extend(holder.map(|to| Command::SendDelivered { to }));
            }
            Stage::Holding(tenure) if tenure.has_door => {
                tenure.departure = Departure::Failing;
                self.ask(Question::LookAtDoor);
            }
            Stage::Holding(_) | Stage::Waiting(_) | Stage::Gone => {}
        }
    }
}
