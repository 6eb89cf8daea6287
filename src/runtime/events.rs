//! Changes of state on their way to Lua: the thread puts them into a bounded queue and never waits;
//! a timer of the carrier takes them out and calls whoever asked for them.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::proto::{Reason, State, Transition};

/// A change of state, for Lua.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Event {
    /// Its number; there is none without one.
    pub number: u64,
    /// When, in milliseconds of `CLOCK_MONOTONIC`.
    pub at_ms: u64,
    /// The name of the instance.
    pub instance: String,
    /// From which state.
    pub from: State,
    /// To which state.
    pub to: State,
    /// Why.
    pub reason: Reason,
}

/// What [`drain`] takes out of the queue.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Drained {
    /// How many events, older than these, the queue had no room for.
    pub lost: u64,
    /// Oldest first.
    pub events: Vec<Event>,
}

/// Takes at most `max` events out of the queue.
#[must_use]
pub fn drain(max: usize) -> Drained {
    let mut queue = queue();
    let count = queue.waiting.len().min(max);
    Drained {
        lost: std::mem::take(&mut queue.lost),
        events: queue.waiting.drain(..count).collect(),
    }
}

/// Adds a change of state. In a full queue it takes the place of the oldest one, which is counted.
pub(super) fn push(number: u64, instance: &str, transition: &Transition) {
    let mut queue = queue();
    if queue.waiting.len() == CAPACITY {
        queue.waiting.pop_front();
        queue.lost += 1;
    }
    queue.waiting.push_back(Event {
        number,
        at_ms: transition.at.as_millis(),
        instance: instance.to_owned(),
        from: transition.from,
        to: transition.to,
        reason: transition.reason,
    });
}

#[derive(Debug)]
struct Queue {
    waiting: VecDeque<Event>,
    lost: u64,
}

fn queue() -> MutexGuard<'static, Queue> {
    static QUEUE: Mutex<Queue> = Mutex::new(Queue { waiting: VecDeque::new(), lost: 0 });
    QUEUE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Events that wait for Lua; the oldest one makes room, and is counted.
const CAPACITY: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::RouterId;
    use crate::types::Instant;

    #[test]
    fn a_full_queue_keeps_the_newest_events_in_order_and_counts_the_lost_ones() {
        let transition = Transition {
            router: RouterId(0),
            at: Instant::from_nanos(1_000_000),
            from: State::Backup,
            to: State::Active,
            reason: Reason::NoResponse,
        };

        for number in 1..=1027 {
            push(number, "VI_1", &transition);
        }

        let drained = drain(2);
        assert_eq!(drained.lost, 3);
        assert_eq!(drained.events.iter().map(|event| event.number).collect::<Vec<_>>(), [4, 5]);
        let drained = drain(2000);
        assert_eq!((drained.lost, drained.events.len()), (0, 1022));
        assert_eq!(drain(1), Drained::default());
    }
}
