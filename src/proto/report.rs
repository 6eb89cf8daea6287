//! The rate limit of reports.

use std::mem;
use std::time::Duration;

use super::event::Problem;
use super::receive::Discard;
use crate::types::Instant;

/// The rate limit of the reports of one virtual router, or of one link.
///
/// A peer that sends malformed datagrams a thousand times a second causes one line in the log, then
/// one every [`QUIET`] with the number of suppressed ones. The table has a slot for every kind of
/// problem, so it cannot grow; the counters are not limited. Most routers never need it.
#[derive(Debug, Default)]
pub(super) struct Limiter {
    slots: Option<Box<[Slot; KINDS]>>,
}

impl Limiter {
    /// Admits a report, with the number of its kind suppressed since the last one, or suppresses
    /// it.
    pub(super) fn admit(&mut self, problem: &Problem, now: Instant) -> Option<u64> {
        let slots = self.slots.get_or_insert_default();
        let slot = &mut slots[kind(problem)];
        if now < slot.quiet_until {
            slot.suppressed += 1;
            return None;
        }
        slot.quiet_until = now + QUIET;
        Some(mem::take(&mut slot.suppressed))
    }
}

/// Tells whether a discarded datagram is reported: not one for a neighbour's virtual router on the
/// same link, nor one that arrives while ours does not run.
pub(super) fn worth_reading(discard: Discard) -> bool {
    !matches!(discard, Discard::Vrid | Discard::NotRunning)
}

#[derive(Clone, Copy, Debug, Default)]
struct Slot {
    quiet_until: Instant,
    suppressed: u64,
}

fn kind(problem: &Problem) -> usize {
    match problem {
        Problem::Discarded(discard) => *discard as usize,
        Problem::IntervalDiffers { .. } => DISCARDS,
        Problem::AddressesDiffer => DISCARDS + 1,
        Problem::DuplicateOwner => DISCARDS + 2,
        Problem::AnotherActive { .. } => DISCARDS + 3,
        Problem::WeightInVain { .. } => DISCARDS + 4,
        Problem::VridConflict { .. } => DISCARDS + 5,
        Problem::AddressesDisordered => DISCARDS + 6,
    }
}

const DISCARDS: usize = Discard::ALL.len();
const KINDS: usize = DISCARDS + 7;

/// How long a kind of problem is not reported again.
const QUIET: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Priority;

    #[test]
    fn a_repeated_problem_is_reported_every_ten_seconds_with_the_number_kept_back() {
        let mut limiter = Limiter::default();
        let at = |millis: u64| Instant::from_nanos(1_000_000 * millis);

        let admitted: Vec<_> = (0..=20_000)
            .filter_map(|millis| limiter.admit(&Problem::AddressesDiffer, at(5_000 + millis)))
            .collect();

        assert_eq!(admitted, [0, 9_999, 9_999]);
    }

    #[test]
    fn one_kind_of_problem_does_not_hide_another() {
        let mut limiter = Limiter::default();
        let now = Instant::from_nanos(1);

        let rival = Problem::AnotherActive { priority: Priority::new(1) };
        let stronger = Problem::AnotherActive { priority: Priority::new(2) };

        assert_eq!(limiter.admit(&rival, now), Some(0));
        assert_eq!(limiter.admit(&Problem::DuplicateOwner, now), Some(0));
        assert_eq!(limiter.admit(&stronger, now), None, "another number is the same kind");
    }
}
