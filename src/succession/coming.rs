//! How an engine comes by the routers.

use super::stage::{Inheritance, Leftovers, Retired, Stage, Tenure, Waiting};
use super::{
    Beginning, Command, Ending, FRESH, HandoverMessage, PATIENCE, PeerId, Question, Succession,
    Will, will,
};
use crate::proto::{Health, RouterKey};
use crate::types::Instant;

impl Succession {
    /// Learns whether an engine has the routers.
    pub(super) fn be_answered(&mut self, peer: Option<PeerId>) {
        match (&mut self.stage, peer) {
            (Stage::Waiting(Waiting::Knocking { will }), Some(predecessor)) => {
                let will = will.take().map(Will::of_the_living);
                self.stage = Stage::Waiting(Waiting::Asking { predecessor, will });
                self.say(predecessor, HandoverMessage::Hello);
            }
            (Stage::Waiting(Waiting::Knocking { will }), None) => {
                let state = will.take().map(Will::of_the_dead);
                self.stage = Stage::Waiting(Waiting::Alone { state });
            }
            (Stage::Retired(Retired::Knocking), Some(holder)) => {
                self.stage = Stage::Retired(Retired::StandingBy { holder });
                self.say(holder, HandoverMessage::Standby);
            }
            (Stage::Retired(Retired::Knocking), None) => {
                self.stage = Stage::Waiting(Waiting::Alone { state: None });
            }
            _ => {}
        }
    }

    /// Hears the engine before this one: only its state matters.
    pub(super) fn hear_predecessor(&mut self, message: HandoverMessage) {
        let (HandoverMessage::State(state) | HandoverMessage::Return(state)) = message else {
            return;
        };
        match &mut self.stage {
            Stage::Waiting(
                Waiting::Asking { predecessor, .. }
                | Waiting::Asked { predecessor, .. }
                | Waiting::Given { predecessor, .. },
            ) => {
                let predecessor = *predecessor;
                self.stage = Stage::Waiting(Waiting::Given { predecessor, state });
            }
            Stage::Waiting(_) | Stage::Holding(_) | Stage::Retired(_) | Stage::Gone => {}
        }
    }

    /// Loses the engine before this one. One that has another door came first, and is to be asked.
    pub(super) fn lose_predecessor(&mut self, now: Instant) {
        let state = match self.take_stage() {
            Stage::Waiting(Waiting::Asking { mut will, .. } | Waiting::Asked { mut will, .. }) => {
                if let Some(state) = &mut will {
                    will::forgive(state, now);
                }
                will
            }
            Stage::Waiting(Waiting::Given { state, .. }) => Some(state),
            stage @ (Stage::Waiting(_) | Stage::Holding(_) | Stage::Retired(_) | Stage::Gone) => {
                return self.stage = stage;
            }
        };
        self.stage = Stage::Waiting(Waiting::Bereft { state });
        self.ask(Question::LookAtDoor);
    }

    /// Learns whether another engine came first, after the one before has gone.
    pub(super) fn see_who_came_first(&mut self, is_anothers: bool) {
        let Stage::Waiting(Waiting::Bereft { state }) = &mut self.stage else { return };
        if is_anothers {
            return self.command(Command::End(Ending::Again(Beginning::First)));
        }
        self.stage = Stage::Waiting(Waiting::Alone { state: state.take() });
    }

    /// Goes on asking, or takes the routers over.
    pub(super) fn settle(&mut self, now: Instant) {
        if !self.links_are_known {
            return;
        }
        let is_known = self.health != Health::Unknown;
        let serves = self.health == Health::Serving;
        match self.take_stage() {
            Stage::Waiting(Waiting::Alone { state }) if is_known => {
                self.open(None, Inheritance::Found(state));
            }
            // Whoever gave it may have given us up since.
            Stage::Waiting(Waiting::Given { predecessor, state })
                if now.since(state.at) > FRESH =>
            {
                self.stage = Stage::Waiting(Waiting::Asking { predecessor, will: None });
                self.settle(now);
            }
            // Its word is enough while the workers here are about to begin.
            Stage::Waiting(Waiting::Given { predecessor, state }) if is_known || state.serving => {
                self.open(Some(predecessor), Inheritance::Given(state));
            }
            Stage::Waiting(Waiting::Asking { predecessor, will })
                if serves && !self.is_superseded =>
            {
                self.stage =
                    Stage::Waiting(Waiting::Asked { predecessor, will, until: now + PATIENCE });
                self.say(predecessor, HandoverMessage::Take);
            }
            Stage::Waiting(Waiting::Asked { predecessor, will, .. }) if self.is_superseded => {
                self.stage = Stage::Waiting(Waiting::Asking { predecessor, will });
            }
            Stage::Waiting(Waiting::Asked { predecessor, will, until }) if until <= now => {
                // Should it only be slow, it will hear that it was done without.
                tracing::warn!("the engine before this one hangs; it is done without");
                self.open(Some(predecessor), Inheritance::Found(will));
            }
            stage @ (Stage::Waiting(_) | Stage::Holding(_) | Stage::Retired(_) | Stage::Gone) => {
                self.stage = stage;
            }
        }
    }

    /// Opens the door before the board is read: the guard of an engine that hangs looks for another
    /// door before it gives anything away. What it has not given away by now, it will not.
    fn open(&mut self, predecessor: Option<PeerId>, inheritance: Inheritance) {
        self.stage = Stage::Waiting(Waiting::Opening { predecessor, inheritance });
        if self.can_meet {
            self.ask(Question::OpenDoor);
        } else {
            self.take_the_board(false);
        }
    }

    pub(super) fn take_the_board(&mut self, has_door: bool) {
        match self.take_stage() {
            Stage::Waiting(Waiting::Opening { predecessor, inheritance }) => {
                let taking = Waiting::TakingBoard { predecessor, inheritance, has_door };
                self.stage = Stage::Waiting(taking);
                self.ask(Question::TakeBoard);
            }
            stage @ (Stage::Waiting(_) | Stage::Holding(_) | Stage::Retired(_) | Stage::Gone) => {
                self.stage = stage;
            }
        }
    }

    /// Takes the routers over, with what an earlier engine knew of them.
    pub(super) fn assume(&mut self, is_withdrawn: bool, now: Instant) {
        let (predecessor, inheritance, has_door) = match self.take_stage() {
            Stage::Waiting(Waiting::TakingBoard { predecessor, inheritance, has_door }) => {
                (predecessor, inheritance, has_door)
            }
            stage @ (Stage::Waiting(_) | Stage::Holding(_) | Stage::Retired(_) | Stage::Gone) => {
                return self.stage = stage;
            }
        };
        let state = match inheritance {
            Inheritance::Given(state) => Some(state),
            Inheritance::Found(mut state) => {
                if let Some(state) = state.as_mut().filter(|_| is_withdrawn) {
                    state.withdrawn_at.get_or_insert(now);
                }
                state
            }
        };
        let addresses = state.as_ref().map(|state| state.addresses.clone()).unwrap_or_default();
        let leftovers = Leftovers { clear_at: now + PATIENCE, addresses };
        self.stage = Stage::Holding(Tenure::new(has_door, predecessor, leftovers));
        self.ask(Question::Assume(state));
    }

    /// Tells the predecessor. What it held, and nobody claims, is removed when it has let go of it:
    /// at once if there is none.
    pub(super) fn tell_what_was_assumed(&mut self, heirless: Vec<RouterKey>) {
        let Some(tenure) = self.stage.tenure_mut() else { return };
        let predecessor = tenure.heirs_mut().next().map(|heir| heir.peer);
        match predecessor {
            Some(predecessor) => self.say(predecessor, HandoverMessage::Took { heirless }),
            None => self.clear_leftovers(),
        }
    }
}
