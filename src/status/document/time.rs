//! Times of the board as people read them.

use serde::{Serialize, Serializer};

/// One reading of two clocks.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    /// Milliseconds of `CLOCK_MONOTONIC`, the time of the board.
    pub board_ms: u64,
    /// Milliseconds of `CLOCK_REALTIME` since 1970.
    pub wall_ms: u64,
}

/// Milliseconds since 1970. As text, ISO 8601 in UTC.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct WallTime(pub u64);

impl Clocks {
    /// Returns the time of the reading.
    #[must_use]
    pub fn now(self) -> WallTime {
        WallTime(self.wall_ms)
    }

    /// Returns a time of the board as the wall clock would have shown it; `None` for 0, which is
    /// never.
    #[must_use]
    pub fn wall_time(self, board_ms: u64) -> Option<WallTime> {
        let wall_ms = self.wall_ms.saturating_add(board_ms).saturating_sub(self.board_ms);
        (board_ms > 0).then_some(WallTime(wall_ms))
    }

    /// Returns how long ago a time of the board is; `None` for 0. A clock that was read a moment
    /// earlier on another processor makes it negative.
    pub(super) fn age_ms(self, board_ms: u64) -> Option<i64> {
        let signed = |ms| i64::try_from(ms).unwrap_or(i64::MAX);
        (board_ms > 0).then(|| signed(self.board_ms).saturating_sub(signed(board_ms)))
    }
}

impl std::fmt::Display for WallTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (seconds, ms) = (self.0 / 1000, self.0 % 1000);
        let (days, second) = (seconds / 86_400, seconds % 86_400);
        let (year, month, day) = date_of(days);
        let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
    }
}

impl Serialize for WallTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Returns year, month and day of a day since 1970-01-01 of the Gregorian calendar: eras of 400
/// years, and years that begin in March, so that a leap day is the last one.
fn date_of(days: u64) -> (u64, u64, u64) {
    let since_march_of_0 = days + 719_468;
    let (era, day) = (since_march_of_0 / 146_097, since_march_of_0 % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day_of_month = day - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + next, month, day_of_month)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_399, "2000-02-28T23:59:59.000Z"),
            (951_782_400, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199, "2024-02-29T23:59:59.000Z"),
            (1_735_689_599, "2024-12-31T23:59:59.000Z"),
            (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        ] {
            assert_eq!(WallTime(seconds * 1000).to_string(), text);
        }
    }

    #[test]
    fn a_time_of_the_board_is_told_by_the_wall_clock() {
        let clocks = Clocks { board_ms: 5_000, wall_ms: 1_735_689_600_250 };

        assert_eq!(clocks.wall_time(0), None);
        assert_eq!(clocks.wall_time(4_000).unwrap().to_string(), "2024-12-31T23:59:59.250Z");
        assert_eq!((clocks.age_ms(0), clocks.age_ms(4_990)), (None, Some(10)));
    }
}
