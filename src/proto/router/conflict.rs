//! A router that is no peer: it uses our VRID for other addresses.

use super::{Accepted, Duration, Instant, IpAddr, Problem, VirtualRouter};

/// Such a router, for as long as it is heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct VridConflict {
    source: IpAddr,
    address: IpAddr,
    /// When it counts as gone if it is not heard again.
    ends_at: Instant,
}

impl VirtualRouter {
    /// Notes an advertisement for addresses none of which is ours. Of several such routers the
    /// first one is shown until it is gone.
    pub(super) fn meet_stranger(&mut self, heard: &Accepted<'_>, now: Instant) {
        let Some(address) = heard.advertisement.addresses().next() else { return };
        let source = heard.source;
        if self.conflict.is_some_and(|known| known.source != source) {
            return;
        }
        let ends_at = now + self.patience(heard.adver_interval).max(SHORTEST_CONFLICT);
        let known = self.conflict.replace(VridConflict { source, address, ends_at });
        if let (None, Some(problem)) = (known, self.conflict()) {
            self.report(problem, None, now);
        }
    }

    /// Forgets the other router if it has not been heard for long enough.
    pub(super) fn end_conflict(&mut self, now: Instant) {
        self.conflict = self.conflict.filter(|known| now < known.ends_at);
    }

    /// Returns when to [end](Self::end_conflict) the conflict.
    pub(super) fn end_of_conflict(&self) -> Option<Instant> {
        self.conflict.map(|known| known.ends_at)
    }

    /// Returns the warning about the other router.
    pub(in crate::proto) fn conflict(&self) -> Option<Problem> {
        let VridConflict { source, address, .. } = self.conflict?;
        let one_yields = self.config.macvlan.is_some();
        Some(Problem::VridConflict { source, address, one_yields })
    }
}

/// Shortest time for which the other router is shown: its advertisements may be lost.
const SHORTEST_CONFLICT: Duration = Duration::from_secs(10);
