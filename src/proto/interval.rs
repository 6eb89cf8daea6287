//! The timer formulas of RFC 9568 §6.1 and RFC 3768 §6.1, exact to the nanosecond.

use std::time::Duration;

use crate::types::{Centiseconds, Priority, Version};

/// Returns `Active_Down_Interval`: the silence after which the Active router is taken for dead.
///
/// The RFC's constant 3 is `dead_factor` here. `adver_interval` is the Active router's.
pub(super) fn active_down_interval(
    version: Version,
    priority: Priority,
    adver_interval: Centiseconds,
    dead_factor: u8,
) -> Duration {
    u32::from(dead_factor) * adver_interval.duration()
        + skew_time(version, priority, adver_interval)
}

/// Returns `Skew_Time`: the lower the priority, the longer the wait, so that the best Backup is
/// first.
///
/// Version 3 scales it by the interval; version 2 does not.
pub(super) fn skew_time(
    version: Version,
    priority: Priority,
    adver_interval: Centiseconds,
) -> Duration {
    let whole = match version {
        Version::V2 => Duration::from_secs(1),
        Version::V3 => adver_interval.duration(),
    };
    whole * (256 - u32::from(priority.get())) / 256
}

#[cfg(test)]
mod tests {
    use super::*;
    use Version::{V2, V3};

    /// Version, priority, centiseconds; then skew and down interval in nanoseconds.
    const WORKED: &[(Version, u8, u16, u64, u64)] = &[
        (V2, 100, 100, 609_375_000, 3_609_375_000),
        (V2, 100, 500, 609_375_000, 15_609_375_000),
        (V2, 200, 100, 218_750_000, 3_218_750_000),
        (V2, 254, 100, 7_812_500, 3_007_812_500),
        (V2, 1, 100, 996_093_750, 3_996_093_750),
        (V3, 100, 100, 609_375_000, 3_609_375_000),
        (V3, 200, 100, 218_750_000, 3_218_750_000),
        (V3, 100, 10, 60_937_500, 360_937_500),
        (V3, 150, 300, 1_242_187_500, 10_242_187_500),
        (V3, 254, 1, 78_125, 30_078_125),
        (V3, 100, 4095, 24_953_906_250, 147_803_906_250),
    ];

    #[test]
    fn intervals_agree_with_the_worked_values() {
        for &(version, priority, centiseconds, skew, down) in WORKED {
            let priority = Priority::new(priority);
            let interval = Centiseconds::new(centiseconds).unwrap();

            let seen = (
                skew_time(version, priority, interval),
                active_down_interval(version, priority, interval, 3),
            );

            let expected = (Duration::from_nanos(skew), Duration::from_nanos(down));
            assert_eq!(seen, expected, "{version:?} priority {priority} at {centiseconds} cs");
        }
    }

    #[test]
    fn a_larger_dead_factor_tolerates_more_missed_advertisements() {
        let interval = Centiseconds::new(1).unwrap();

        let patient = active_down_interval(V3, Priority::new(254), interval, 10);

        assert_eq!(patient, Duration::from_nanos(100_078_125));
    }
}
