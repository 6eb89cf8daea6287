//! How an engine takes the routers over.

use super::stage::{Inheritance, Leftovers, Retired, Stage, Tenure, Waiting};
use super::{
    Beginning, Command, DoorOpening, Ending, HANG_TIMEOUT, HandoverMessage, LONG_PAUSE,
    MAX_ATTEMPTS, PeerId, Question, Succession, Will, will,
};
use crate::proto::{Bequests, Health, RouterKey};
use crate::types::Instant;

impl Succession {
    /// Handles the result of a knock: whether another engine has the routers.
    pub(super) fn handle_answer(&mut self, peer: Option<PeerId>, now: Instant) {
        match (&mut self.stage, peer) {
            (Stage::Waiting(Waiting::Knocking { will }), Some(predecessor)) => {
                let will = will.take().map(Will::of_living_engine);
                self.ask_for_the_routers(predecessor, will);
            }
            (Stage::Waiting(Waiting::Knocking { will }), None) => {
                let state = will.take().map(Will::of_dead_engine);
                self.stage = Stage::Waiting(Waiting::Alone { state });
            }
            (Stage::Waiting(Waiting::PredecessorLost { state }), Some(predecessor)) => {
                let will = state.take();
                self.ask_for_the_routers(predecessor, will);
            }
            (Stage::Waiting(Waiting::PredecessorLost { state }), None) => {
                let mut state = state.take();
                if let Some(state) = &mut state {
                    will::cancel_later_withdrawal(state, now);
                }
                self.stage = Stage::Waiting(Waiting::Alone { state });
            }
            (Stage::Retired(Retired::Knocking), Some(holder)) => {
                self.stage = Stage::Retired(Retired::StandingBy { holder });
                self.send(holder, HandoverMessage::Standby);
            }
            (Stage::Retired(Retired::Knocking), None) => {
                self.stage = Stage::Waiting(Waiting::Alone { state: None });
            }
            (Stage::Holding(_), peer) => self.handle_replacement(peer, now),
            _ => {}
        }
    }

    /// Handles a message of the predecessor: only its state matters.
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

    /// Handles that the connection to the predecessor broke: looks for the engine that has the
    /// routers now, which may be the same one.
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
            self.stage = Stage::Waiting(Waiting::PredecessorLost { state });
            self.ask(Question::Knock);
        } else {
            self.stage = Stage::Waiting(Waiting::Alone { state });
        }
    }

    fn ask_for_the_routers(&mut self, predecessor: PeerId, will: Option<Box<Bequests>>) {
        self.stage = Stage::Waiting(Waiting::Asking { predecessor, will });
        self.send(predecessor, HandoverMessage::Hello);
    }

    /// Asks, or takes the routers over, as far as what is known allows it.
    pub(super) fn settle(&mut self, now: Instant) {
        let may_begin = self.may_begin();
        let is_known = self.health != Health::Unknown;
        let serves = self.health == Health::Serving;
        match self.take_stage() {
            Stage::Waiting(Waiting::Alone { state }) if may_begin && is_known => {
                self.open(None, Inheritance::Found(state));
            }
            // Its statement that nginx serves is enough until the workers here have a heartbeat.
            Stage::Waiting(Waiting::Given { predecessor, state })
                if may_begin && (is_known || state.serving) =>
            {
                self.inherit(predecessor, state, now);
            }
            // No need to know the links first: the state names them, too.
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
                // If it was only slow, it finds the door of this engine in place of its own.
                tracing::warn!("the engine before this one hangs; it is done without");
                self.open(Some(predecessor), Inheritance::Found(will));
            }
            stage @ (Stage::Waiting(_) | Stage::Holding(_) | Stage::Retired(_) | Stage::Gone) => {
                self.stage = stage;
            }
        }
    }

    /// Takes the routers over from a predecessor that has given its state. A state that is too old
    /// is asked for again: its giver may have stopped waiting, or may hang.
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
        let until = now + HANG_TIMEOUT;
        self.stage = Stage::Waiting(Waiting::Asked { predecessor, will, until });
        self.send(predecessor, HandoverMessage::Take);
    }

    /// Opens the door before the board is read: the guard of an engine that hangs looks for another
    /// door before it withdraws anything. What it has not withdrawn by now, it does not any more.
    fn open(&mut self, predecessor: Option<PeerId>, inheritance: Inheritance) {
        self.stage = Stage::Waiting(Waiting::Opening { predecessor, inheritance });
        if self.can_meet {
            self.ask(Question::OpenDoor);
        } else {
            self.handle_door_opening(DoorOpening::Refused);
        }
    }

    /// Handles the result of opening the door: goes on unless another engine was first. Two that
    /// were started one after the other may both have found no holder, or been given its state.
    pub(super) fn handle_door_opening(&mut self, opening: DoorOpening) {
        let has_door = opening == DoorOpening::Opened;
        match self.take_stage() {
            Stage::Holding(mut tenure) => {
                tenure.has_door = has_door;
                self.stage = Stage::Holding(tenure);
                if opening == DoorOpening::Foreign {
                    self.ask(Question::Knock);
                }
            }
            Stage::Waiting(Waiting::Opening { predecessor, inheritance })
                if opening == DoorOpening::Foreign =>
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

    /// Takes the routers over, with the state of an earlier engine if there is one.
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
        let leftovers = Leftovers { clear_at: now + HANG_TIMEOUT, addresses };
        let tenure = Tenure::new(has_door, predecessor, leftovers);
        self.stage = match predecessor {
            Some(_) => Stage::Waiting(Waiting::Assuming { tenure, since: now }),
            None => Stage::Holding(tenure),
        };
        self.ask(Question::Assume(state));
    }

    /// Confirms the takeover to the predecessor. Addresses of the predecessor that no router claims
    /// are removed when its `vrrp-net` has ended; without a predecessor, at once.
    ///
    /// After a pause since the state was read, the predecessor may be active again: this engine
    /// starts again from the beginning.
    pub(super) fn confirm_takeover(&mut self, not_inherited: Vec<RouterKey>, now: Instant) {
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
            Some(predecessor) => self.send(predecessor, HandoverMessage::Took { not_inherited }),
            None => self.clear_leftovers(),
        }
    }
}
