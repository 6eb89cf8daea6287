//! How an engine hands the routers over, or gives them up.

use super::stage::{Farewell, Stage, Standing, Tenure};
use super::{
    Backlog, Command, Ending, GRACE, HandoverMessage, LONG_PAUSE, PUNCTUAL, PeerId, Question,
    Succession,
};
use crate::types::Instant;

/// What happens while an engine has the routers.
impl Succession {
    /// Sees after a pause whether another engine has done without this one.
    pub(super) fn notice_a_pause(&mut self, now: Instant) {
        let paused = now.since(self.turned_at) > LONG_PAUSE;
        self.turned_at = now;
        if paused && self.stage.tenure().is_some_and(|tenure| tenure.has_door) {
            self.ask(Question::LookAtDoor);
        }
    }

    pub(super) fn see_the_door(&mut self, is_anothers: bool, now: Instant) {
        let Some(tenure) = self.stage.tenure_mut() else {
            return self.see_who_came_first(is_anothers);
        };
        if is_anothers {
            tracing::warn!("this engine was paused, and another one has the routers now");
            self.step_aside(None);
        } else if let Farewell::Parting = tenure.farewell {
            self.leave(now);
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
            HandoverMessage::Take => self.command(Command::Give { to: peer, ends: false }),
            HandoverMessage::Told(number) => self.command(Command::ResumeEvents(number)),
            HandoverMessage::Took { heirless } => {
                self.command(Command::FallSilent { heirless });
                tracing::info!("the next engine has the routers");
                self.step_aside(Some(peer));
            }
            HandoverMessage::Drain(draining) => self.command(Command::Drain(draining)),
            HandoverMessage::Over => self.let_heir_go(peer, now),
            // Only an engine that has the routers says so.
            HandoverMessage::State(_) | HandoverMessage::Return(_) => {
                self.command(Command::Disconnect(peer));
                self.lose_heir(peer, now);
            }
            HandoverMessage::Unknown => {}
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
            | Farewell::Leaving { .. } => None,
        };
        if !tenure.has_successor() {
            self.commands.push_back(Command::ResumeEvents(0));
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

    /// Notes that something is new to engines that had the routers before.
    pub(super) fn note(&mut self, add: impl Fn(&mut Backlog)) {
        for heir in self.stage.tenure_mut().into_iter().flat_map(Tenure::heirs_mut) {
            if let Standing::Predecessor(backlog) = &mut heir.standing {
                add(backlog);
            }
        }
    }

    /// Keeps the boards true of engines that had the routers before: their workers may still serve.
    /// One that does not listen hears the latest when it does.
    pub(super) fn tell_news(&mut self, unsent: &[PeerId]) {
        let Some(tenure) = self.stage.tenure_mut() else { return };
        for heir in tenure.heirs_mut().filter(|heir| !unsent.contains(&heir.peer)) {
            let Standing::Predecessor(backlog) = &mut heir.standing else { continue };
            let backlog = std::mem::take(backlog);
            if backlog != Backlog::Nothing {
                self.commands.push_back(Command::TellNews { to: heir.peer, backlog });
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
            | Farewell::Leaving { .. } => {}
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
        self.commands.push_back(if heir.is_successor() {
            Command::Give { to, ends: true }
        } else {
            heir.standing = Standing::Returning;
            Command::GiveBack { to }
        });
        tenure.farewell = Farewell::Offering { heir: to, until };
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
