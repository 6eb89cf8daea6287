//! The only clock of the crate.

use rustix::time::{ClockId, clock_gettime};

use std::time::Duration;

use crate::types::Instant;

/// Reads `CLOCK_MONOTONIC`.
#[must_use]
pub fn now() -> Instant {
    Instant::from_nanos(nanos(ClockId::Monotonic))
}

/// Returns how long this machine has been suspended since its start: for so long `CLOCK_MONOTONIC`
/// has stood still, and `CLOCK_BOOTTIME` has not. It is that, or less by what passes between two
/// readings.
#[must_use]
pub fn suspended() -> Duration {
    let all = nanos(ClockId::Boottime);
    Duration::from_nanos(all.saturating_sub(nanos(ClockId::Monotonic)))
}

fn nanos(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    // Neither part is ever negative: the clocks count from the start of the machine.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}
