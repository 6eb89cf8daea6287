//! How a turn of the loop begins: checks for a pause in which others may have acted.

use std::time::Duration;

use super::{Driver, End};
use crate::proto::Input;
use crate::runtime::clock;
use crate::succession::Incident;
use crate::types::Instant;

impl Driver<'_> {
    /// Handles what happened during a wait before any new event: first the guard's mark, then
    /// another engine that has taken over, then received datagrams, then deadlines.
    pub(super) fn catch_up(&mut self) -> Option<End> {
        let now = clock::now();
        self.beat(now);
        let end = self.notice_a_pause(now);
        let due = self.node.poll_timeout().filter(|_| !self.succession.is_retired());
        if due.is_some_and(|due| due <= now) {
            self.receive_all();
            self.node.handle_timeout(now);
        }
        end
    }

    /// Checks whether another engine has taken over, before the core may notice the pause: what it
    /// would give up then may be the other engine's.
    pub(super) fn notice_a_pause(&mut self, now: Instant) -> Option<End> {
        let is_superseded = self.board.is_superseded();
        self.succession.handle(Incident::Turned { is_superseded }, now);
        self.perform_commands()
    }

    /// Informs the election if this host did not run for a while.
    fn notice_a_sleep(&mut self, now: Instant) {
        let since = std::mem::replace(&mut self.awake_at, now);
        let late = now.since(since.max(self.wake_by));
        let suspended = self.suspensions.since_the_last_look(clock::suspended());
        if late >= SHORTEST_SLEEP {
            self.board.count_late_turn(late);
        }
        let is_news = late >= SHORTEST_SLEEP || !suspended.is_zero();
        if is_news && !self.succession.is_retired() {
            self.node.handle(Input::Slept { since, late, suspended }, now);
        }
    }

    /// Renews the heartbeat, and checks whether the guard has withdrawn the routers.
    pub(super) fn beat(&mut self, now: Instant) {
        self.notice_a_sleep(now);
        if self.succession.is_waiting() {
            return self.board.beat_while_waiting(now);
        }
        if self.board.beat(now) && self.succession.is_holding() {
            tracing::warn!("this engine hung, and its guard has removed the addresses");
            self.guard.tell_anew();
            self.node.handle(Input::Withdrawn, now);
        }
    }
}

/// How long the machine was suspended up to the last reading.
#[derive(Debug)]
pub(super) struct Suspensions(Duration);

impl Suspensions {
    pub(super) const fn new(known: Duration) -> Self {
        Self(known)
    }

    /// Returns what has been added. `all` may be too small by the time that a reading takes.
    fn since_the_last_look(&mut self, all: Duration) -> Duration {
        let new = all.saturating_sub(self.0);
        if new < SHORTEST_SUSPENSION {
            return Duration::ZERO;
        }
        self.0 = all;
        new
    }
}

/// Less may be the time between two readings of the clocks.
const SHORTEST_SUSPENSION: Duration = Duration::from_millis(50);
/// A quarter of the shortest advertisement interval: no router is deaf for less.
const SHORTEST_SLEEP: Duration = Duration::from_micros(2_500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suspension_is_noticed_once_and_a_slow_reading_is_none() {
        let mut suspensions = Suspensions::new(ms(70_000));

        let noticed = [69_980, 70_004, 75_000, 74_990, 75_030, 76_000]
            .map(|all| suspensions.since_the_last_look(ms(all)));

        assert_eq!(noticed, [0, 0, 5_000, 0, 0, 1_000].map(ms));
    }

    const fn ms(milliseconds: u64) -> Duration {
        Duration::from_millis(milliseconds)
    }
}
