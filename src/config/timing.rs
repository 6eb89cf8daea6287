//! Reads how often something is asked, and what its answers add up to.

use std::time::Duration;

use super::Timing;
use super::table::{Table, whole};

/// Reads the four options of a table.
pub(super) fn timing(table: &mut Table<'_>, fall: u64) -> Timing {
    let interval_ms = table.or("interval_ms", 1000, whole(50..=3_600_000, "ms"));
    let timeout_ms = table.or("timeout_ms", interval_ms, whole(10..=3_600_000, "ms"));
    let fall = table.or("fall", fall, whole(1..=100, "failures"));
    let rise = table.or("rise", 2, whole(1..=100, "answers"));
    Timing {
        interval: Duration::from_millis(interval_ms),
        timeout: Duration::from_millis(timeout_ms),
        fall: u8::try_from(fall).unwrap_or(u8::MAX),
        rise: u8::try_from(rise).unwrap_or(u8::MAX),
    }
}
