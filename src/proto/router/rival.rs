//! A router that stays Active beside this one, although this one outranks it: it does not hear this
//! one.
//!
//! First it gets the time to find out itself that it is deaf. Then the addresses are left to it:
//! two hosts that answer for them are worse than one. From time to time this router tests with
//! advertisements whether the other one steps down. Until it does, this router takes nothing.

use super::{
    Accepted, Action, Backup, Deference, Duration, Instant, IpAddr, Phase, Priority, Reason, Rival,
    VirtualRouter,
};

impl VirtualRouter {
    /// Tells which of two Active routers stays.
    pub(in crate::proto) fn is_outranked_by(
        &self,
        priority: Priority,
        source: IpAddr,
        own_source: Option<IpAddr>,
    ) -> bool {
        (priority, Some(source)) > (self.effective_priority(), own_source)
    }

    /// Notes that a router is Active beside this one: of several, the first one until it is silent.
    pub(super) fn note_rival(&mut self, heard: &Accepted<'_>, now: Instant) {
        let patience = self.patience(heard.adver_interval);
        match &mut self.rival {
            Some(rival) if rival.source == heard.source && now <= rival.ends_at() => {
                (rival.last_heard, rival.patience) = (now, patience);
            }
            Some(rival) if now <= rival.ends_at() => {}
            rival => {
                let (source, sent, is_unanswered) = (heard.source, 0, false);
                let begin =
                    Rival { source, since: now, last_heard: now, patience, sent, is_unanswered };
                *rival = Some(begin);
            }
        }
    }

    /// Counts an advertisement that a rival should have heard.
    pub(super) fn note_sent_to_rival(&mut self) {
        if let Some(rival) = &mut self.rival {
            rival.sent = rival.sent.saturating_add(1);
        }
    }

    /// Announces the addresses, unless another router stays Active beside this one.
    pub(super) fn announce_beside_rival(&mut self, now: Instant) {
        match &mut self.rival {
            Some(rival) if rival.is_unheeding(now) => rival.is_unanswered = true,
            _ => self.actions.push_back(Action::Announce(self.id)),
        }
    }

    /// Announces the addresses after a rival, for which announcements were withheld, has gone.
    pub(super) fn end_rivalry(&mut self, resigned: Option<IpAddr>, now: Instant) {
        let is_over = |rival: &Rival| resigned == Some(rival.source) || now > rival.ends_at();
        if let Some(rival) = self.rival.take_if(|rival| is_over(rival))
            && rival.is_unanswered
        {
            self.actions.push_back(Action::Announce(self.id));
        }
    }

    /// Returns who has been Active beside this router for so long that it cannot hear this one.
    pub(in crate::proto) fn unheeded_by(&self, now: Instant) -> Option<IpAddr> {
        if let Some(deference) = self.deference() {
            return Some(deference.to);
        }
        let rival = self.rival.filter(|it| self.holds() && now <= it.ends_at())?;
        rival.is_unheeding(now).then_some(rival.source)
    }

    /// Tells whether that router will not find out by itself. A router that did not hear this one
    /// before is not given the time again.
    pub(super) fn is_unheeded_for_good(&self, source: IpAddr, now: Instant) -> bool {
        let rival = self.rival.filter(|it| it.source == source && it.is_unheeding(now));
        let has_deferred = self.deferred.is_some_and(|before| before.is_recent(now));
        rival.is_some_and(|it| {
            has_deferred || now >= it.since + 2 * it.patience.max(SHORTEST_LOOK) + LOOK_DELAY
        })
    }

    /// Leaves the addresses to that router.
    pub(super) fn defer_to(&mut self, heard: &Accepted<'_>, now: Instant) {
        self.resign(now);
        self.actions.push_back(Action::Release(self.id));
        let mut backup = self.listening(heard.adver_interval, now);
        backup.active = Some(super::sender(heard, now));
        let before = self.deferred.filter(|before| before.is_recent(now));
        let mut deference = Deference::to(heard.source, now);
        if let Some(before) = before {
            deference = Deference { pause: before.pause, ..deference };
            deference.pause_longer(now);
        }
        (backup.deference, self.deferred) = (Some(deference), Some(deference));
        self.enter(Phase::Backup(backup), Reason::Unheeded, now);
    }

    /// Tells whether the addresses may be left to a router: to any of lower priority, for all of
    /// them may have taken over together.
    pub(super) fn is_deferred_to(&self, heard: &Accepted<'_>, deference: Deference) -> bool {
        let ours = self.effective_priority();
        heard.priority < ours || heard.priority == ours && heard.source == deference.to
    }

    /// Handles an advertisement of a router of lower rank while the addresses are left to it, and
    /// tests from time to time whether it hears this one.
    pub(super) fn heard_while_deferring(
        &mut self,
        mut backup: Backup,
        mut deference: Deference,
        heard: &Accepted<'_>,
        now: Instant,
    ) {
        let patience = self.patience(heard.adver_interval);
        backup.follow(heard, patience, now);
        // A peer that hears a test steps down: nobody would have the addresses.
        if now < deference.try_at || self.cannot_claim {
            self.phase = Phase::Backup(backup);
            return;
        }
        if !self.would_replace(heard.priority) {
            backup.deference = None;
            return self.enter(Phase::Backup(backup), Reason::Startup, now);
        }
        if deference.has_tried() {
            deference.pause_longer(now);
        } else {
            deference.tries += 1;
            // One that is silent for a shorter time may be as deaf as before: what it sent is lost.
            backup.takeover = Reason::Preempted;
            self.advertise(self.effective_priority());
        }
        (backup.deference, self.deferred) = (Some(deference), Some(deference));
        self.phase = Phase::Backup(backup);
    }

    /// Returns the router to which the addresses are left.
    pub(super) fn deference(&self) -> Option<Deference> {
        match self.phase {
            Phase::Backup(Backup { deference, .. }) => deference,
            Phase::Initialize { .. } | Phase::Active { .. } | Phase::Leaving(_) => None,
        }
    }
}

impl Rival {
    /// Returns what a successor believes of it.
    pub(super) fn inherited(self, now: Instant) -> Self {
        let [since, last_heard] = [self.since, self.last_heard].map(|at| at.min(now));
        Self { since, last_heard, ..self }
    }

    fn ends_at(&self) -> Instant {
        self.last_heard + self.patience
    }

    fn is_unheeding(&self, now: Instant) -> bool {
        now >= self.since + self.patience && self.sent >= FEW_ADVERTISEMENTS
    }
}

/// A peer that hears any of so many steps down.
const FEW_ADVERTISEMENTS: u32 = 3;
/// A router of this module that is Active and hears nobody looks at its link after its patience,
/// and for as long, but for no less than this.
const SHORTEST_LOOK: Duration = Duration::from_secs(1);
/// How much longer that takes it at most.
const LOOK_DELAY: Duration = Duration::from_secs(2);
