//! A router whose nginx does not serve, but which is Active if no other router is.
//!
//! Such routers elect one of them as usual, at a common priority below all others.

use super::{
    Action, Backup, Duration, Hold, Instant, Phase, Priority, Reason, Version, VirtualRouter,
};

impl VirtualRouter {
    /// Handles that nginx ceased to serve: as [`hold`](Self::hold), but listens.
    pub(in crate::proto) fn stand_by(&mut self, now: Instant) {
        // By RFC 3768 §7.1, an owner ignores other Active routers.
        if self.config.priority.is_owner() && self.config.version == Version::V2 {
            return self.hold(Hold::Unhealthy, now);
        }
        if self.is_last_resort() {
            return self.go_on(now);
        }
        if self.holds() {
            self.resign(now);
            self.actions.push_back(Action::Release(self.id));
        }
        let adver_interval = self.active_adver_interval();
        let mut backup = self.listening(adver_interval, now);
        backup.last_resort = true;
        backup.claim_after = now + self.remaining_hold(now);
        backup.down_at = backup.down_at + self.skew_time(LOWEST, adver_interval)
            - self.skew_time(self.priority, adver_interval);
        self.enter(Phase::Backup(backup), Reason::Unhealthy, now);
    }

    /// Handles that nginx serves again.
    ///
    /// An Active router goes on, at its own priority; that is no transition.
    pub(super) fn recover(&mut self, now: Instant) {
        if self.holds() {
            return self.go_on_as(false, now);
        }
        let listen_first = !self.remaining_hold(now).is_zero();
        self.phase = Phase::Initialize { hold: Hold::Unhealthy, listen_first };
        self.let_go(now);
    }

    pub(in crate::proto) fn is_last_resort(&self) -> bool {
        match self.phase {
            Phase::Backup(Backup { last_resort, .. }) | Phase::Active { last_resort, .. } => {
                last_resort
            }
            Phase::Initialize { .. } | Phase::Leaving(_) => false,
        }
    }

    /// Reserves the lowest priority for routers of last resort.
    pub(in crate::proto) fn reserve_the_lowest_priority(&mut self, reserved: bool) {
        self.lowest_is_reserved = reserved;
    }

    /// Tells whether a router of this priority is Active only because no router serves.
    pub(super) fn is_last_one_standing(&self, priority: Priority) -> bool {
        self.lowest_is_reserved && priority == LOWEST
    }

    /// Returns the lowest priority that a weight leaves.
    pub(super) fn lowest_priority(&self) -> Priority {
        let lowest = if self.lowest_is_reserved { LOWEST_THAT_SERVES } else { LOWEST };
        lowest.min(self.config.priority)
    }

    /// Returns the priority in use.
    pub(in crate::proto) fn effective_priority(&self) -> Priority {
        if self.is_last_resort() { LOWEST } else { self.priority }
    }

    /// Returns how long the router may still only listen.
    fn remaining_hold(&self, now: Instant) -> Duration {
        match self.phase {
            Phase::Initialize { listen_first: true, .. } => self.config.startup_hold,
            Phase::Backup(backup) => backup.claim_after.since(now),
            Phase::Initialize { .. } | Phase::Active { .. } | Phase::Leaving(_) => Duration::ZERO,
        }
    }
}

/// What a router of last resort advertises.
pub(super) const LOWEST: Priority = Priority::new(1);
/// The lowest priority of a router that serves, where the lowest of all is reserved.
const LOWEST_THAT_SERVES: Priority = Priority::new(2);
