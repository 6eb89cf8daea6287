//! How an engine hands the routers over, or gives them to a peer.

use super::stage::{Departure, Stage, Standing, Tenure};
use super::{
    Backlog, Command, DoorState, Ending, HANDOVER_TIMEOUT, HANG_TIMEOUT, HandoverMessage,
    LEAVE_TIMEOUT, LONG_PAUSE, PeerId, Question, Succession,
};
use crate::types::Instant;

/// Inputs while an engine has the routers.
impl Succession {
    /// Checks after a pause whether another engine has taken over without this one.
    pub(super) fn detect_pause(&mut self, now: Instant) {
        let was_paused = now.since(self.turned_at) > LONG_PAUSE;
        self.turned_at = now;
        if !was_paused {
            return;
        }
        self.stage.extend_deadlines(now + HANG_TIMEOUT);
        if let Some(tenure) = self.stage.tenure_mut().filter(|tenure| tenure.has_door) {
            tenure.was_paused = true;
            self.ask(Question::LookAtDoor);
        }
    }

    /// Handles the result of a check of the door.
    pub(super) fn handle_door_sight(&mut self, sight: DoorState, now: Instant) {
        let Some(tenure) = self.stage.tenure_mut() else { return };
        if sight != DoorState::Foreign {
            tenure.was_paused = false;
        }
        match (sight, &tenure.departure) {
            (DoorState::Foreign, _) => self.ask(Question::Knock),
            (DoorState::Own | DoorState::Missing, Departure::CheckingDoor) => self.leave(now),
            (DoorState::Own, _) | (DoorState::Missing, Departure::Failing) => {}
            (DoorState::Missing, _) => self.ask(Question::OpenDoor),
        }
    }

    /// Handles which engine answers at the door that replaced the one of this engine. It may have
    /// died before it had the routers, or it may be about to confirm that it has them.
    pub(super) fn handle_replacement(&mut self, holder: Option<PeerId>, now: Instant) {
        let Some(tenure) = self.stage.tenure_mut() else { return };
        let was_paused = std::mem::take(&mut tenure.was_paused);
        match (holder, &tenure.departure) {
            (
                Some(other),
                Departure::NotYet | Departure::AwaitingHeir { .. } | Departure::Offering { .. },
            ) if !was_paused && tenure.has_successor() => {
                self.command(Command::Disconnect(other));
            }
            (Some(holder), _) => {
                tracing::warn!("this engine was paused, and another one has the routers now");
                self.step_aside(holder);
            }
            (None, Departure::CheckingDoor) => self.leave(now),
            (None, Departure::Failing) => {}
            (None, _) => self.ask(Question::OpenDoor),
        }
    }

    /// Adds an engine that has connected, if this one has the routers.
    pub(super) fn welcome(&mut self, peer: PeerId) {
        let evicted = match self.stage.tenure_mut() {
            Some(tenure) => tenure.add(peer),
            None => Some(peer),
        };
        self.commands.extend(evicted.map(Command::Disconnect));
    }

    pub(super) fn hear_heir(&mut self, peer: PeerId, message: HandoverMessage, now: Instant) {
        match message {
            HandoverMessage::Hello => self.offer_if_awaited(now),
            HandoverMessage::Standby => {
                if let Some(heir) = self.stage.tenure_mut().and_then(|tenure| tenure.heir(peer)) {
                    heir.standing = Standing::Predecessor(Backlog::Everything);
                }
                self.clear_leftovers();
            }
            HandoverMessage::Take => self.give(Command::Give { to: peer, ends: false }),
            HandoverMessage::Delivered(number) => self.command(Command::ResumeEvents(number)),
            HandoverMessage::Took { not_inherited } => {
                let request = self.stage.tenure_mut().and_then(|tenure| tenure.request.take());
                self.command(Command::FallSilent { not_inherited });
                tracing::info!("the next engine has the routers");
                // The state that it was given is older than the request.
                if let Some(draining) = request {
                    self.send(peer, HandoverMessage::Drain(draining));
                }
                self.step_aside(peer);
            }
            HandoverMessage::Drain(draining) => self.drain(draining),
            HandoverMessage::NotComing => self.remove_leaving_heir(peer, now),
            // A predecessor that had to stop has sent this before it read the confirmation.
            HandoverMessage::State(_) | HandoverMessage::Return(_) | HandoverMessage::Unknown => {}
        }
    }

    /// Removes an heir whose connection broke. If it was offered the routers, nginx starts another
    /// one in its place.
    pub(super) fn lose_heir(&mut self, peer: PeerId, now: Instant) {
        let Some(tenure) = self.stage.tenure_mut() else { return };
        tenure.remove(peer);
        let was_offered = match tenure.departure {
            Departure::Offering { heir, until } => (heir == peer).then_some(until),
            Departure::NotYet
            | Departure::AwaitingHeir { .. }
            | Departure::CheckingDoor
            | Departure::Leaving { .. }
            | Departure::Failing => None,
        };
        if !tenure.has_successor() {
            self.commands.push_back(Command::ResumeEvents(0));
        }
        // It may have replaced the door of this engine before it ended.
        if tenure.has_door {
            self.commands.push_back(Command::Answer(Question::LookAtDoor));
        }
        match was_offered {
            Some(until) if self.is_superseded => {
                tenure.departure = Departure::AwaitingHeir { until }
            }
            Some(until) => self.offer(until, now),
            None => {}
        }
    }

    /// Removes an heir that ends with all of its nginx: no other one comes in its place.
    fn remove_leaving_heir(&mut self, peer: PeerId, now: Instant) {
        self.command(Command::Disconnect(peer));
        let Some(tenure) = self.stage.tenure_mut() else { return };
        tenure.remove(peer);
        if tenure.departure.is_for_an_heir() && !tenure.has_successor() {
            self.stop_offering(now);
        }
    }

    /// Carries out an operator's request, and keeps it for a successor with an older state.
    pub(super) fn drain(&mut self, draining: bool) {
        if let Some(tenure) = self.stage.tenure_mut() {
            tenure.request = Some(draining);
        }
        self.command(Command::Drain(draining));
    }

    /// Notes a change that has to be sent to the predecessors.
    pub(super) fn note_change(&mut self, add: impl Fn(&mut Backlog)) {
        self.stage.backlogs().for_each(|(_, backlog)| add(backlog));
    }

    /// Sends changes to the predecessors, for their boards: their workers may still serve. One that
    /// does not read now gets the latest state when it does.
    pub(super) fn send_changes(&mut self, unsent: &[PeerId]) {
        for (to, backlog) in self.stage.backlogs().filter(|(peer, _)| !unsent.contains(peer)) {
            let backlog = std::mem::take(backlog);
            if backlog != Backlog::Nothing {
                self.commands.push_back(Command::SendChanges { to, backlog });
            }
        }
    }

    pub(super) fn clear_leftovers(&mut self) {
        let leftovers = self.stage.tenure_mut().and_then(|tenure| tenure.leftovers.take());
        if let Some(leftovers) = leftovers {
            self.command(Command::ClearLeftovers(leftovers.addresses));
        }
    }

    pub(super) fn clear_leftovers_due(&mut self, now: Instant) {
        let leftovers = self.stage.tenure().and_then(|tenure| tenure.leftovers.as_ref());
        if leftovers.is_some_and(|leftovers| leftovers.clear_at <= now) {
            self.clear_leftovers();
        }
    }
}

/// Inputs after nginx wanted this engine to stop.
impl Succession {
    pub(super) fn begin_to_stop(&mut self, now: Instant) {
        let Some(tenure) = self.stage.tenure_mut() else { return self.stop_without_routers() };
        if tenure.ends() {
            return;
        }
        let until = now + HANDOVER_TIMEOUT;
        // A predecessor gets the routers back only if no successor is expected.
        if tenure.has_door && self.is_superseded && !tenure.has_successor() {
            tenure.departure = Departure::AwaitingHeir { until };
        } else {
            self.offer(until, now);
        }
    }

    /// Handles the passing of time while stopping.
    pub(super) fn stop_waiting(&mut self, now: Instant) {
        let Some(tenure) = self.stage.tenure() else { return };
        match tenure.departure {
            Departure::AwaitingHeir { until } | Departure::Offering { until, .. }
                if until <= now =>
            {
                self.stop_offering(now);
            }
            Departure::Leaving { until } if until <= now => self.end_after_leaving(),
            Departure::NotYet
            | Departure::AwaitingHeir { .. }
            | Departure::Offering { .. }
            | Departure::CheckingDoor
            | Departure::Leaving { .. }
            | Departure::Failing => {}
        }
    }

    /// Ends an engine whose routers have left.
    pub(super) fn end_after_leaving(&mut self) {
        if let Stage::Holding(Tenure { departure: Departure::Leaving { .. }, .. }) = self.stage {
            self.stage = Stage::Gone;
            self.command(Command::End(Ending::Stopped));
        }
    }

    fn offer_if_awaited(&mut self, now: Instant) {
        let Some(tenure) = self.stage.tenure() else { return };
        if let Departure::AwaitingHeir { .. } = tenure.departure {
            self.offer(now + HANDOVER_TIMEOUT, now);
        }
    }

    /// Gives the state to the engine that gets the routers next.
    fn offer(&mut self, until: Instant, now: Instant) {
        let Some(tenure) = self.stage.tenure_mut() else { return };
        let Some(heir) = tenure.next() else { return self.stop_offering(now) };
        let to = heir.peer;
        let command = if heir.is_successor() {
            Command::Give { to, ends: true }
        } else {
            heir.standing = Standing::Returning;
            Command::GiveBack { to }
        };
        tenure.departure = Departure::Offering { heir: to, until };
        self.give(command);
    }

    fn give(&mut self, command: Command) {
        if let Some(tenure) = self.stage.tenure_mut() {
            tenure.request = None;
        }
        self.command(command);
    }

    /// Stops waiting for other engines, unless one has taken over without asking.
    fn stop_offering(&mut self, now: Instant) {
        let Some(tenure) = self.stage.tenure_mut() else { return };
        if tenure.has_door {
            tenure.departure = Departure::CheckingDoor;
            self.ask(Question::LookAtDoor);
        } else {
            self.leave(now);
        }
    }

    fn leave(&mut self, now: Instant) {
        let Some(tenure) = self.stage.tenure_mut() else { return };
        tenure.departure = Departure::Leaving { until: now + LEAVE_TIMEOUT };
        self.command(Command::Leave);
    }
}
