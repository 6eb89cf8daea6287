//! Moves the addresses from one living router to another without a failed connection: the one that
//! leaves resigns, and answers for them until the next one does; then each ends the connections
//! that it has.

use super::{
    Accepted, Action, Centiseconds, Duration, Hold, Instant, IpAddr, Leaving, Phase, Priority,
    VirtualRouter, next_tick,
};

impl VirtualRouter {
    /// Leaves with grace; if it is leaving already, replaces the reason.
    pub(super) fn leave(&mut self, hold: Hold, now: Instant) {
        let leaving = match self.phase {
            Phase::Leaving(leaving) => Leaving { hold, ..leaving },
            Phase::Initialize { .. } | Phase::Backup(_) | Phase::Active { .. } => {
                self.advertise(Priority::RESIGN);
                let resign_at = now + self.config.adver_interval.duration();
                Leaving { hold, resign_at, release_at: now + self.longest_grace() }
            }
        };
        self.phase = Phase::Leaving(leaving);
    }

    /// Handles the passing of time while leaving.
    ///
    /// The resignation may have been lost, so it is repeated until another router takes over.
    pub(super) fn leave_further(&mut self, mut leaving: Leaving, now: Instant) {
        if now >= leaving.release_at {
            self.actions.push_back(Action::Release(self.id));
            let hold = leaving.hold;
            let phase = Phase::Initialize { hold, listen_first: true };
            return self.enter(phase, hold.reason(), now);
        }
        if now >= leaving.resign_at {
            self.advertise(Priority::RESIGN);
            leaving.resign_at = next_tick(leaving.resign_at, self.config.adver_interval, now);
            self.phase = Phase::Leaving(leaving);
        }
    }

    /// Handles an advertisement while leaving: its sender is Active now.
    pub(super) fn heard_while_leaving(
        &mut self,
        leaving: Leaving,
        heard: &Accepted<'_>,
        now: Instant,
    ) {
        if heard.priority.is_resigning() {
            return;
        }
        self.yield_to(heard, now);
        let hold = leaving.hold;
        self.enter(Phase::Initialize { hold, listen_first: true }, hold.reason(), now);
    }

    /// Leaves the addresses to a router that is Active from now on.
    ///
    /// Hosts and switches learn of it within a moment; open connections of this host get the time
    /// to end.
    pub(super) fn yield_to(&mut self, heard: &Accepted<'_>, now: Instant) {
        let until = now + linger(heard.adver_interval);
        self.actions.push_back(Action::Yield { router: self.id, until });
    }

    /// Takes over from a router that lives and has [yielded](Self::yield_to): both count from our
    /// first advertisement.
    pub(super) fn relay_to(&mut self, predecessor: Option<IpAddr>, now: Instant) {
        if let Some(to) = predecessor {
            let until = now + linger(self.config.adver_interval);
            self.actions.push_back(Action::Relay { router: self.id, to, until });
        }
    }

    /// Goes on leaving in place of a predecessor.
    pub(super) fn inherit_leaving(&mut self, mut leaving: Leaving, now: Instant) {
        leaving.release_at = leaving.release_at.min(now + self.longest_grace());
        leaving.resign_at = leaving.resign_at.max(now);
        self.phase = Phase::Leaving(leaving);
        self.actions.push_back(Action::Claim(self.id));
    }

    /// Returns how long the addresses stay at most: every Backup that there is must have taken
    /// over by then, even if it missed resignations.
    fn longest_grace(&self) -> Duration {
        let adver_interval = self.config.adver_interval;
        3 * adver_interval.duration() + self.skew_time(Priority::new(1), adver_interval)
    }
}

/// Returns how long connections that are open may go on where they are, after a router of this
/// interval has become Active elsewhere.
#[must_use]
pub fn linger(adver_interval: Centiseconds) -> Duration {
    adver_interval.duration().min(LONGEST_LINGER)
}

/// Longer than most responses take.
const LONGEST_LINGER: Duration = Duration::from_millis(500);
