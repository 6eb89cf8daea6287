//! When to try a failed request to the kernel again.

use std::time::Duration;

use crate::types::Instant;

/// A pause that doubles while everything fails.
#[derive(Debug, Default)]
pub(super) struct Retry {
    /// When to try again, after a failure.
    pub(super) at: Option<Instant>,
    pause: Duration,
}

impl Retry {
    /// Notes the result of an attempt.
    pub(super) fn after(&mut self, failed: bool, now: Instant) {
        if !failed {
            *self = Self::default();
        } else if self.at.is_none_or(|at| at <= now) {
            self.pause = (self.pause * 2).clamp(SHORTEST_RETRY, LONGEST_RETRY);
            self.at = Some(now + self.pause);
        }
    }
}

const SHORTEST_RETRY: Duration = Duration::from_millis(50);
const LONGEST_RETRY: Duration = Duration::from_secs(5);
