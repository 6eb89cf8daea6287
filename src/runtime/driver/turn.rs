//! How a turn of the loop begins: this engine may have slept, and is no more what it was then.

use std::time::Duration;

use super::{Driver, End};
use crate::proto::Input;
use crate::runtime::clock;
use crate::succession::Incident;
use crate::types::Instant;

impl Driver<'_> {
    /// Lets what happened meanwhile act before anything else is heard or judged: deadlines that
    /// passed, and first of all the word of the guard, and another engine that has done without
    /// this one. What peers said in that time counts before the deadlines.
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

    /// Sees whether another engine has done without this one, before the core may find that it has
    /// overslept: what it gives up then may be the other one's.
    pub(super) fn notice_a_pause(&mut self, now: Instant) -> Option<End> {
        self.succession.handle(Incident::Turned, now);
        self.perform_commands()
    }

    /// Tells the election if this host did not run for a while.
    fn notice_a_sleep(&mut self, now: Instant) {
        let since = std::mem::replace(&mut self.awake_at, now);
        let late = now.since(since.max(self.wake_by));
        if late >= SHORTEST_SLEEP && !self.succession.is_retired() {
            self.node.handle(Input::Slept { since, late }, now);
        }
    }

    /// Says that this engine lives, and hears whether its guard has given up on it.
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

/// A quarter of the shortest advertisement interval: no router is deaf for less.
const SHORTEST_SLEEP: Duration = Duration::from_micros(2_500);
