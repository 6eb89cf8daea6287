//! What an engine does that has handed over, or has nothing yet.

use super::stage::{Farewell, Retired, Stage};
use super::{Beginning, Command, Ending, HandoverMessage, PeerId, Question, Succession};
use crate::types::Instant;

impl Succession {
    /// Lets another engine have the routers.
    pub(super) fn step_aside(&mut self, holder: PeerId) {
        let ends = self.is_leaving();
        self.command(Command::StepAside { holder });
        self.stage = Stage::Retired(Retired::LettingGo { holder });
        if ends {
            self.stop_with_nothing();
        }
    }

    /// Says that nothing here puts addresses back any more: what the next engine does not want is
    /// gone as soon as it removes it.
    pub(super) fn stand_by(&mut self) {
        if let Stage::Retired(Retired::LettingGo { holder }) = self.stage {
            self.stage = Stage::Retired(Retired::StandingBy { holder });
            self.say(holder, HandoverMessage::Standby);
        }
    }

    pub(super) fn hear_holder(&mut self, holder: PeerId, message: HandoverMessage) {
        match message {
            HandoverMessage::State(state) => self.command(Command::Mirror(state)),
            HandoverMessage::Return(state) => {
                self.stage = Stage::Retired(Retired::Unheard);
                let given_back = Beginning::GivenBack { state, holder };
                self.command(Command::End(Ending::Again(given_back)));
            }
            HandoverMessage::Hello
            | HandoverMessage::Standby
            | HandoverMessage::Take
            | HandoverMessage::Took { .. }
            | HandoverMessage::Over
            | HandoverMessage::Drain(_)
            | HandoverMessage::Told(_)
            | HandoverMessage::Unknown => {}
        }
    }

    pub(super) fn lose_holder(&mut self) {
        self.stage = Stage::Retired(Retired::Unheard);
        self.command(Command::End(Ending::Again(Beginning::Orphaned)));
    }

    /// Looks for the engine that nginx has started in the place of the one that died.
    pub(super) fn knock_again(&mut self, now: Instant) {
        if matches!(self.stage, Stage::Retired(Retired::Orphaned { knock_at }) if knock_at <= now) {
            self.stage = Stage::Retired(Retired::Knocking);
            self.ask(Question::Knock);
        }
    }

    /// Passes on what an operator asked of the workers beside us: it is for the engine that has the
    /// routers.
    pub(super) fn pass_on(&mut self, draining: bool) {
        match self.stage.holder() {
            Some(holder) => self.say(holder, HandoverMessage::Drain(draining)),
            None => self.drain(draining),
        }
    }

    /// Ends an engine that has nothing. From here on, no worker beside it is promised anything.
    pub(super) fn stop_with_nothing(&mut self) {
        let holder = self.stage.holder();
        let waits = self.is_waiting();
        self.command(Command::ShowStopped);
        if let Some(holder) = holder {
            self.ask(Question::TakeRequest);
            // nginx as a whole is about to end: the one before need not wait for us.
            if waits && !self.is_superseded {
                self.say(holder, HandoverMessage::Over);
            }
        }
        self.command(Command::End(Ending::Stopped));
    }

    /// Ends an engine, whatever ended its loop. One that has handed over says which events were
    /// told here: the holder tells the others, and has waited for this.
    pub(super) fn end_the_loop(&mut self) {
        let holder = self.stage.holder();
        match &mut self.stage {
            Stage::Retired(_) => {
                self.commands.extend(holder.map(|to| Command::SayWhatWasTold { to }));
            }
            Stage::Holding(tenure) if tenure.has_door => {
                tenure.farewell = Farewell::Failing;
                self.ask(Question::LookAtDoor);
            }
            Stage::Holding(_) | Stage::Waiting(_) | Stage::Gone => {}
        }
    }
}
