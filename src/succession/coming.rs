//! How an engine comes by the routers.

use super::stage::{Inheritance, Leftovers, Retired, Stage, Tenure, Waiting};
use super::{
    Beginning, Command, DoorOpening, Ending, HandoverMessage, LONG_PAUSE, MAX_ATTEMPTS, PATIENCE,
    PeerId, Question, Succession, Will, will,
};
use crate::proto::{Bequests, Health, RouterKey};
use crate::types::Instant;

impl Succession {
    /// Learns whether an engine has the routers.
    pub(super) fn be_answered(&mut self, peer: Option<PeerId>, now: Instant) {
        match (&mut self.stage, peer) {
            (Stage::Waiting(Waiting::Knocking { will }), Some(predecessor)) => {
                let will = will.take().map(Will::of_the_living);
                self.ask_for_the_routers(predecessor, will);
            }
            (Stage::Waiting(Waiting::Knocking { will }), None) => {
                let state = will.take().map(Will::of_the_dead);
                self.stage = Stage::Waiting(Waiting::Alone { state });
            }
            (Stage::Waiting(Waiting::Bereft { state }), Some(predecessor)) => {
                let will = state.take();
                self.ask_for_the_routers(predecessor, will);
            }
            (Stage::Waiting(Waiting::Bereft { state }), None) => {
                let mut state = state.take();
                if let Some(state) = &mut state {
                    will::forgive(state, now);
                }
                self.stage = Stage::Waiting(Waiting::Alone { state });
            }
            (Stage::Retired(Retired::Knocking), Some(holder)) => {
                self.stage = Stage::Retired(Retired::StandingBy { holder });
                self.say(holder, HandoverMessage::Standby);
            }
            (Stage::Retired(Retired::Knocking), None) => {
                self.stage = Stage::Waiting(Waiting::Alone { state: None });
            }
            (Stage::Holding(_), peer) => self.learn_who_replaced_it(peer, now),
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

    /// Loses the engine before this one, and looks for the one that has the routers now: it may be
    /// the same, and only the connection has broken.
    pub(super) fn lose_predecessor(&mut self) {
        let state = match self.take_stage() {
            Stage::Waiting(Waiting::Asking { will, .. } | Waiting::Asked { will, .. }) => will,
            Stage::Waiting(Waiting::Given { state, .. }) => Some(state),
            stage @ (Stage::Waiting(_) | Stage::Holding(_) | Stage::Retired(_) | Stage::Gone) => {
                return self.stage = stage;
            }
        };
        self.look_for_another(state);
    }

    fn look_for_another(&mut self, state: Option<Box<Bequests>>) {
        self.attempts += 1;
        if self.attempts < MAX_ATTEMPTS {
            self.stage = Stage::Waiting(Waiting::Bereft { state });
            self.ask(Question::Knock);
        } else {
            self.stage = Stage::Waiting(Waiting::Alone { state });
        }
    }

    fn ask_for_the_routers(&mut self, predecessor: PeerId, will: Option<Box<Bequests>>) {
        self.stage = Stage::Waiting(Waiting::Asking { predecessor, will });
        self.say(predecessor, HandoverMessage::Hello);
    }

    /// Goes on asking, or takes the routers over.
    pub(super) fn settle(&mut self, now: Instant) {
        let may_begin = self.may_begin();
        let is_known = self.health != Health::Unknown;
        let serves = self.health == Health::Serving;
        match self.take_stage() {
            Stage::Waiting(Waiting::Alone { state }) if may_begin && is_known => {
                self.open(None, Inheritance::Found(state));
            }
            // Its word is enough while the workers here are about to begin.
            Stage::Waiting(Waiting::Given { predecessor, state })
                if may_begin && (is_known || state.serving) =>
            {
                self.inherit(predecessor, state, now);
            }
            // Its answer may tell of the links, too.
            Stage::Waiting(Waiting::Asking { predecessor, will })
                if serves && !self.is_superseded =>
            {
                self.ask_for_the_state(predecessor, will, now);
            }
            Stage::Waiting(Waiting::Asked { predecessor, will, .. }) if self.is_superseded => {
                self.stage = Stage::Waiting(Waiting::Asking { predecessor, will });
            }
            Stage::Waiting(Waiting::Asked { predecessor, will, until })
                if may_begin && until <= now =>
            {
                // Should it only be slow, it will hear that it was done without.
                tracing::warn!("the engine before this one hangs; it is done without");
                self.open(Some(predecessor), Inheritance::Found(will));
            }
            stage @ (Stage::Waiting(_) | Stage::Holding(_) | Stage::Retired(_) | Stage::Gone) => {
                self.stage = stage;
            }
        }
    }

    /// Takes the routers over from a predecessor that has given its state, unless so much time has
    /// passed that it may have given us up since, or hangs: then it is asked anew.
    fn inherit(&mut self, predecessor: PeerId, state: Box<Bequests>, now: Instant) {
        if will::is_fresh(&state, now) || self.attempts >= MAX_ATTEMPTS {
            return self.open(Some(predecessor), Inheritance::Given(state));
        }
        self.attempts += 1;
        self.ask_for_the_state(predecessor, None, now);
    }

    fn ask_for_the_state(
        &mut self,
        predecessor: PeerId,
        will: Option<Box<Bequests>>,
        now: Instant,
    ) {
        let until = now + PATIENCE;
        self.stage = Stage::Waiting(Waiting::Asked { predecessor, will, until });
        self.say(predecessor, HandoverMessage::Take);
    }

    /// Opens the door before the board is read: the guard of an engine that hangs looks for another
    /// door before it gives anything away. What it has not given away by now, it will not.
    fn open(&mut self, predecessor: Option<PeerId>, inheritance: Inheritance) {
        self.stage = Stage::Waiting(Waiting::Opening { predecessor, inheritance });
        if self.can_meet {
            self.ask(Question::OpenDoor);
        } else {
            self.have_opened(DoorOpening::Refused);
        }
    }

    /// Goes on taking over, unless another engine has done so: two that were started one after the
    /// other may both have found no holder, or may both have been given its state.
    pub(super) fn have_opened(&mut self, opening: DoorOpening) {
        let has_door = opening == DoorOpening::Opened;
        match self.take_stage() {
            Stage::Holding(mut tenure) => {
                tenure.has_door = has_door;
                self.stage = Stage::Holding(tenure);
                if opening == DoorOpening::Anothers {
                    self.ask(Question::Knock);
                }
            }
            Stage::Waiting(Waiting::Opening { predecessor, inheritance })
                if opening == DoorOpening::Anothers =>
            {
                self.commands.extend(predecessor.map(Command::Disconnect));
                self.look_for_another(inheritance.into_state());
            }
            Stage::Waiting(Waiting::Opening { predecessor, inheritance }) => {
                let taking = Waiting::TakingBoard { predecessor, inheritance, has_door };
                self.stage = Stage::Waiting(taking);
                self.ask(Question::TakeBoard);
            }
            stage @ (Stage::Waiting(_) | Stage::Retired(_) | Stage::Gone) => {
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
        let is_found = matches!(inheritance, Inheritance::Found(_));
        let mut state = inheritance.into_state();
        if let Some(state) = state.as_mut().filter(|_| is_found && is_withdrawn) {
            state.withdrawn_at.get_or_insert(now);
        }
        let addresses = state.as_ref().map(|state| state.addresses.clone()).unwrap_or_default();
        let leftovers = Leftovers { clear_at: now + PATIENCE, addresses };
        let tenure = Tenure::new(has_door, predecessor, leftovers);
        self.stage = match predecessor {
            Some(_) => Stage::Waiting(Waiting::Assuming { tenure, since: now }),
            None => Stage::Holding(tenure),
        };
        self.ask(Question::Assume(state));
    }

    /// Tells the predecessor. What it held, and nobody claims, is removed when it has let go of it:
    /// at once if there is none.
    ///
    /// One that was paused since it read the state knows nothing of what the predecessor has done
    /// meanwhile, which may be well: it begins anew.
    pub(super) fn tell_what_was_assumed(&mut self, heirless: Vec<RouterKey>, now: Instant) {
        let predecessor = self.stage.holder();
        match self.take_stage() {
            Stage::Waiting(Waiting::Assuming { tenure, since }) => {
                if now.since(since) > LONG_PAUSE {
                    self.stage = Stage::Waiting(Waiting::Assuming { tenure, since });
                    return self.command(Command::End(Ending::Again(Beginning::First)));
                }
                self.stage = Stage::Holding(tenure);
            }
            Stage::Holding(tenure) => self.stage = Stage::Holding(tenure),
            stage @ (Stage::Waiting(_) | Stage::Retired(_) | Stage::Gone) => {
                return self.stage = stage;
            }
        }
        match predecessor {
            Some(predecessor) => self.say(predecessor, HandoverMessage::Took { heirless }),
            None => self.clear_leftovers(),
        }
    }
}
