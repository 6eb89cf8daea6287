//! The pause before another attempt.

use std::time::Duration;

/// The pauses between attempts: each is twice as long as the one before.
#[derive(Debug)]
pub(super) struct Backoff {
    pause: Duration,
    longest: Duration,
}

impl Backoff {
    /// Creates pauses up to a longest one.
    pub(super) fn up_to(longest: Duration) -> Self {
        Self { pause: SHORTEST, longest }
    }

    /// Returns the pause after a failure.
    ///
    /// After [`LONG_RUN`] without a failure it counts as the first one.
    pub(super) fn after_a_run_of(&mut self, run: Duration) -> Duration {
        if run >= LONG_RUN {
            self.pause = SHORTEST;
        }
        let pause = self.pause;
        self.pause = (pause * 2).min(self.longest);
        pause
    }
}

impl Default for Backoff {
    fn default() -> Self {
        Self::up_to(LONGEST)
    }
}

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);
/// Time without a failure that resets the pause.
const LONG_RUN: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_one_second_to_a_minute() {
        let mut backoff = Backoff::default();

        let pauses = [0; 8].map(|_| backoff.after_a_run_of(Duration::ZERO).as_secs());

        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
    }

    #[test]
    fn a_failure_after_a_long_good_run_is_the_first_one() {
        let mut backoff = Backoff::default();

        let runs = [5, 5, LONG_RUN.as_secs(), 5, LONG_RUN.as_secs() - 1];
        let pauses = runs.map(|run| backoff.after_a_run_of(Duration::from_secs(run)).as_secs());

        assert_eq!(pauses, [1, 2, 1, 2, 4]);
    }
}
