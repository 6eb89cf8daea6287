//! An Active router whose priority a weight has lowered: does that move the addresses?

use super::{Duration, Instant, Phase, Problem, VirtualRouter};
use crate::proto::bequest::Lowering;

impl VirtualRouter {
    /// Reports, once for each lowering of the priority, that no peer has taken over. Call it after
    /// every other call.
    ///
    /// A node does not know the priorities of its peers; their silence shows that none is higher
    /// than ours.
    pub(in crate::proto) fn watch_weight(&mut self, now: Instant) {
        let (configured, lowered) = (self.config.priority, self.priority);
        let competes = matches!(self.phase, Phase::Active { last_resort: false, .. });
        if !competes || lowered >= configured {
            self.lowering = None;
            return;
        }
        let known = self.lowering.filter(|known| known.priority <= lowered);
        let begin = Lowering { priority: lowered, since: now, in_vain: false };
        let mut lowering = known.unwrap_or(begin);
        if !lowering.in_vain && now >= lowering.since + self.longest_takeover() {
            lowering.in_vain = true;
            self.report(Problem::WeightInVain { configured, lowered }, None, now);
        }
        self.lowering = Some(lowering);
    }

    /// Returns the warning about it.
    pub(in crate::proto) fn warning(&self) -> Option<Problem> {
        let (configured, lowered) = (self.config.priority, self.priority);
        let in_vain = self.lowering.is_some_and(|lowering| lowering.in_vain);
        in_vain.then_some(Problem::WeightInVain { configured, lowered })
    }

    /// Returns how long a Backup of higher priority that is configured as we are takes at most.
    ///
    /// It hears of the lowered priority within an interval, tolerates that for `preempt_delay`, and
    /// then waits for less than we would; one interval more is for the way.
    fn longest_takeover(&self) -> Duration {
        let adver_interval = self.config.adver_interval;
        self.patience(adver_interval) + 2 * adver_interval.duration() + self.config.preempt_delay
    }
}
