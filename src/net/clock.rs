//! The only clock of the crate.

use rustix::time::{ClockId, clock_gettime};

use std::time::Duration;

use crate::types::Instant;

/// Reads `CLOCK_MONOTONIC`.
#[must_use]
pub fn now() -> Instant {
    Instant::from_nanos(nanos(ClockId::Monotonic))
}

/// Reads `CLOCK_REALTIME`, in milliseconds since 1970: for people alone, since it may be set.
#[must_use]
pub fn wall_ms() -> u64 {
    nanos(ClockId::Realtime) / 1_000_000
}

/// Tells whether the kernel takes its wall clock for synchronised.
#[must_use]
pub fn is_synchronised() -> bool {
    let mut time = std::mem::MaybeUninit::<libc::timex>::zeroed();
    // SAFETY: zeros ask for nothing to be set, and the kernel writes no more than the structure.
    let state = unsafe { libc::adjtimex(time.as_mut_ptr()) };
    state != libc::TIME_ERROR && state >= 0
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
    // Neither part is ever negative: the clocks count from the start of the machine, or from 1970.
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}
