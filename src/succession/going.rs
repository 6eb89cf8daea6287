//! How an engine hands the routers over, or gives them up.

use super::stage::{Farewell, Stage, Standing, Tenure};
use super::{
    Backlog, Command, DoorSight, Ending, GRACE, HandoverMessage, LONG_PAUSE, PATIENCE, PUNCTUAL,
    PeerId, Question, Succession,
};
use crate::types::Instant;

/// What happens while an engine has the routers.
impl Succession {
    /// Sees after a pause whether another engine has done without this one.
    pub(super) fn notice_a_pause(&mut self, now: Instant) {
        let was_paused = now.since(self.turned_at) > LONG_PAUSE;
        self.turned_at = now;
        if !was_paused {
            return;
        }
        self.stage.bear_silence_until(now + PATIENCE);
        if let Some(tenure) = self.stage.tenure_mut().filter(|tenure| tenure.has_door) {
            tenure.was_paused = true;
            self.ask(Question::LookAtDoor);
        }
    }

    pub(super) fn see_the_door(&mut self, sight: DoorSight, now: Instant) {
        let Some(tenure) = self.stage.tenure_mut() else { return };
        if sight != DoorSight::Anothers {
            tenure.was_paused = false;
        }
        match (sight, &tenure.farewell) {
            (DoorSight::Anothers, _) => self.ask(Question::Knock),
            (DoorSight::Known | DoorSight::Missing, Farewell::Parting) => self.leave(now),
            (DoorSight::Known, _) | (DoorSight::Missing, Farewell::Failing) => {}
            (DoorSight::Missing, _) => self.ask(Question::OpenDoor),
        }
    }

    /// Learns which engine has opened a door over the one of this engine. It may have died before
    /// it had the routers, or it may be about to say that it has them.
    pub(super) fn learn_who_replaced_it(&mut self, holder: Option<PeerId>, now: Instant) {
        let Some(tenure) = self.stage.tenure_mut() else { return };
        let was_paused = std::mem::take(&mut tenure.was_paused);
        match (holder, &tenure.farewell) {
            (
                Some(other),
                Farewell::NotYet | Farewell::AwaitingHeir { .. } | Farewell::Offering { .. },
            ) if !was_paused && tenure.has_successor() => {
                self.command(Command::Disconnect(other));
            }
            (Some(holder), _) => {
                tracing::warn!("this engine was paused, and another one has the routers now");
                self.step_aside(holder);
            }
            (None, Farewell::Parting) => self.leave(now),
            (None, Farewell::Failing) => {}
            (None, _) => self.ask(Question::OpenDoor),
        }
    }

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
            HandoverMessage::Told(number) => self.command(Command::ResumeEvents(number)),
            HandoverMessage::Took { heirless } => {
                let request = self.stage.tenure_mut().and_then(|tenure| tenure.request.take());
                self.command(Command::FallSilent { heirless });
                tracing::info!("the next engine has the routers");
                // Its state was older than that.
                if let Some(draining) = request {
                    self.say(peer, HandoverMessage::Drain(draining));
                }
                self.step_aside(peer);
            }
            HandoverMessage::Drain(draining) => self.drain(draining),
            HandoverMessage::Over => self.let_heir_go(peer, now),
            // A predecessor that was told to stop has said so before it heard that they are taken.
            HandoverMessage::State(_) | HandoverMessage::Return(_) | HandoverMessage::Unknown => {}
        }
    }

    /// Forgets an heir that has gone. If it was about to have the routers, nginx starts another in
    /// its place.
    pub(super) fn lose_heir(&mut self, peer: PeerId, now: Instant) {
        let Some(tenure) = self.stage.tenure_mut() else { return };
        tenure.remove(peer);
        let was_offered = match tenure.farewell {
            Farewell::Offering { heir, until } => (heir == peer).then_some(until),
            Farewell::NotYet
            | Farewell::AwaitingHeir { .. }
            | Farewell::Parting
            | Farewell::Leaving { .. }
            | Farewell::Failing => None,
        };
        if !tenure.has_successor() {
            self.commands.push_back(Command::ResumeEvents(0));
        }
        // It may have opened its door over the one of this engine, and no more.
        if tenure.has_door {
            self.commands.push_back(Command::Answer(Question::LookAtDoor));
        }
        match was_offered {
            Some(until) if self.is_superseded => tenure.farewell = Farewell::AwaitingHeir { until },
            Some(until) => self.offer(until, now),
            None => {}
        }
    }

    /// Forgets an heir that ends with all of its nginx: no other one comes in its place.
    fn let_heir_go(&mut self, peer: PeerId, now: Instant) {
        self.command(Command::Disconnect(peer));
        let Some(tenure) = self.stage.tenure_mut() else { return };
        tenure.remove(peer);
        if tenure.farewell.is_for_an_heir() && !tenure.has_successor() {
            self.part(now);
        }
    }

    /// Does as an operator has asked, and has the next engine do so that was given an older state.
    pub(super) fn drain(&mut self, draining: bool) {
        if let Some(tenure) = self.stage.tenure_mut() {
            tenure.request = Some(draining);
        }
        self.command(Command::Drain(draining));
    }

    /// Notes that something is new to engines that had the routers before.
    pub(super) fn note(&mut self, add: impl Fn(&mut Backlog)) {
        self.stage.backlogs().for_each(|(_, backlog)| add(backlog));
    }

    /// Keeps the boards true of engines that had the routers before: their workers may still serve.
    /// One that does not listen hears the latest when it does.
    pub(super) fn tell_news(&mut self, unsent: &[PeerId]) {
        for (to, backlog) in self.stage.backlogs().filter(|(peer, _)| !unsent.contains(peer)) {
            let backlog = std::mem::take(backlog);
            if backlog != Backlog::Nothing {
                self.commands.push_back(Command::TellNews { to, backlog });
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

/// What happens after nginx wanted this engine to stop.
impl Succession {
    pub(super) fn begin_to_stop(&mut self, now: Instant) {
        let Some(tenure) = self.stage.tenure_mut() else { return self.stop_with_nothing() };
        if tenure.ends() {
            return;
        }
        let until = now + PUNCTUAL;
        // One that had the routers before gets them back only if none is about to come after.
        if tenure.has_door && self.is_superseded && !tenure.has_successor() {
            tenure.farewell = Farewell::AwaitingHeir { until };
        } else {
            self.offer(until, now);
        }
    }

    /// Handles the passing of time while stopping.
    pub(super) fn stop_waiting(&mut self, now: Instant) {
        let Some(tenure) = self.stage.tenure() else { return };
        match tenure.farewell {
            Farewell::AwaitingHeir { until } | Farewell::Offering { until, .. } if until <= now => {
                self.part(now);
            }
            Farewell::Leaving { until } if until <= now => self.have_left(),
            Farewell::NotYet
            | Farewell::AwaitingHeir { .. }
            | Farewell::Offering { .. }
            | Farewell::Parting
            | Farewell::Leaving { .. }
            | Farewell::Failing => {}
        }
    }

    /// Ends an engine whose routers have left.
    pub(super) fn have_left(&mut self) {
        if let Stage::Holding(Tenure { farewell: Farewell::Leaving { .. }, .. }) = self.stage {
            self.stage = Stage::Gone;
            self.command(Command::End(Ending::Stopped));
        }
    }

    fn offer_if_awaited(&mut self, now: Instant) {
        let Some(tenure) = self.stage.tenure() else { return };
        if let Farewell::AwaitingHeir { .. } = tenure.farewell {
            self.offer(now + PUNCTUAL, now);
        }
    }

    /// Gives the state to whoever is to have the routers next.
    fn offer(&mut self, until: Instant, now: Instant) {
        let Some(tenure) = self.stage.tenure_mut() else { return };
        let Some(heir) = tenure.next() else { return self.part(now) };
        let to = heir.peer;
        let command = if heir.is_successor() {
            Command::Give { to, ends: true }
        } else {
            heir.standing = Standing::Returning;
            Command::GiveBack { to }
        };
        tenure.farewell = Farewell::Offering { heir: to, until };
        self.give(command);
    }

    fn give(&mut self, command: Command) {
        if let Some(tenure) = self.stage.tenure_mut() {
            tenure.request = None;
        }
        self.command(command);
    }

    /// Gives up on other engines, unless one has taken over without asking.
    fn part(&mut self, now: Instant) {
        let Some(tenure) = self.stage.tenure_mut() else { return };
        if tenure.has_door {
            tenure.farewell = Farewell::Parting;
            self.ask(Question::LookAtDoor);
        } else {
            self.leave(now);
        }
    }

    fn leave(&mut self, now: Instant) {
        let Some(tenure) = self.stage.tenure_mut() else { return };
        tenure.farewell = Farewell::Leaving { until: now + GRACE };
        self.command(Command::Leave);
    }
}
