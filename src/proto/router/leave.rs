//! How an Active router leaves so that no connection fails: it resigns, and goes on answering
//! until the next one does.

use super::{
    Accepted, Action, Duration, Hold, Instant, Leaving, Phase, Priority, Reason, VirtualRouter,
    next_tick,
};

impl VirtualRouter {
    /// Leaves with grace, or goes on doing so for another reason.
    pub(super) fn leave(&mut self, hold: Hold, now: Instant) {
        let leaving = match self.phase {
            Phase::Leaving(leaving) => Leaving { hold, ..leaving },
            Phase::Initialize { .. } | Phase::Backup(_) | Phase::Active { .. } => {
                self.advertise(Priority::RESIGN);
                let resign_at = Some(now + self.config.adver_interval.duration());
                Leaving { hold, resign_at, release_at: now + self.longest_grace() }
            }
        };
        self.phase = Phase::Leaving(leaving);
    }

    /// Handles the passing of time while leaving.
    ///
    /// The resignation may have been lost, so it is repeated until somebody takes over.
    pub(super) fn leave_further(&mut self, mut leaving: Leaving, now: Instant) {
        if now >= leaving.release_at {
            self.actions.push_back(Action::Release(self.id));
            let hold = leaving.hold;
            let phase = Phase::Initialize { hold, listen_first: true };
            return self.enter(phase, hold.reason(), now);
        }
        if let Some(due) = leaving.resign_at.filter(|due| now >= *due) {
            self.advertise(Priority::RESIGN);
            leaving.resign_at = Some(next_tick(due, self.config.adver_interval, now));
            self.phase = Phase::Leaving(leaving);
        }
    }

    /// Handles an advertisement while leaving: whoever sends it is Active now, and will have the
    /// addresses, and the attention of hosts and switches, a moment later.
    pub(super) fn heard_while_leaving(
        &mut self,
        mut leaving: Leaving,
        heard: &Accepted<'_>,
        now: Instant,
    ) {
        if heard.priority.is_resigning() || leaving.resign_at.is_none() {
            return;
        }
        let linger = heard.adver_interval.duration().min(LONGEST_LINGER);
        leaving.release_at = leaving.release_at.min(now + linger);
        leaving.resign_at = None;
        self.phase = Phase::Leaving(leaving);
        // An announcement now would call back the hosts that have just followed the other one's.
        self.actions.push_back(Action::Hush(self.id));
    }

    /// Takes part again before it has left: as if nothing had been unless another router has taken
    /// over already.
    pub(super) fn return_from(&mut self, leaving: Leaving, now: Instant) {
        if leaving.resign_at.is_some() || self.priority.is_owner() {
            self.advertise_anew(false, now);
        } else {
            self.actions.push_back(Action::Release(self.id));
            let backup = self.listening(self.config.adver_interval, now);
            self.enter(Phase::Backup(backup), Reason::Startup, now);
        }
    }

    /// Goes on leaving where a predecessor was.
    pub(super) fn inherit_leaving(&mut self, mut leaving: Leaving, now: Instant) {
        leaving.release_at = leaving.release_at.min(now + self.longest_grace());
        leaving.resign_at = leaving.resign_at.map(|at| at.max(now));
        self.phase = Phase::Leaving(leaving);
        self.actions.push_back(Action::Claim(self.id));
        if leaving.resign_at.is_none() {
            self.actions.push_back(Action::Hush(self.id));
        }
    }

    /// Returns how long the addresses stay at most: every Backup that there is must have taken
    /// over by then, even if it missed resignations.
    fn longest_grace(&self) -> Duration {
        let adver_interval = self.config.adver_interval;
        3 * adver_interval.duration() + self.skew_time(Priority::new(1), adver_interval)
    }
}

/// How long after its first advertisement the next Active router is not yet relied upon.
const LONGEST_LINGER: Duration = Duration::from_millis(200);
