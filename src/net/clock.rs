//! The only clock of the crate.

use rustix::time::{ClockId, clock_gettime};

use crate::types::Instant;

/// Reads `CLOCK_MONOTONIC`.
#[must_use]
pub fn now() -> Instant {
    let time = clock_gettime(ClockId::Monotonic);
    // Neither part is ever negative: the clock counts from the start of the machine.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    Instant::from_nanos(seconds * 1_000_000_000 + nanos)
}
