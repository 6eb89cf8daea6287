//! When the loop does its periodic work: if possible, when something else wakes it anyway.

use std::time::Duration;

use crate::types::Instant;

/// The beats of the loop, at most an interval and a little apart.
///
/// A router that advertises as often as the loop beats would be woken twice as often if each had
/// its own time. So a beat that nothing else shares moves to the next turn of the loop, and stays
/// with it.
#[derive(Debug)]
pub(super) struct Pulse {
    interval: Duration,
    /// From then on a beat may share a turn that the loop makes for another reason.
    may_share_at: Instant,
    due_at: Instant,
}

impl Pulse {
    /// Creates the beats, the first of which is due now.
    pub(super) fn new(interval: Duration, now: Instant) -> Self {
        Self { interval, may_share_at: now, due_at: now }
    }

    /// Tells whether a beat is due. `next_deadline` is when the loop will be woken otherwise.
    pub(super) fn is_due(&self, now: Instant, next_deadline: Option<Instant>) -> bool {
        let is_alone = next_deadline.is_none_or(|deadline| deadline > self.due_at);
        now >= self.due_at || now >= self.may_share_at && is_alone
    }

    /// Notes a beat.
    pub(super) fn note(&mut self, now: Instant) {
        let was_alone = now >= self.wake_at();
        let pause = if was_alone { self.interval / 5 } else { self.interval * 9 / 10 };
        self.may_share_at = now + pause;
        self.due_at = now + self.interval;
    }

    /// Returns when to wake the loop for a beat: a datagram that comes as regularly is waited for.
    pub(super) fn wake_at(&self) -> Instant {
        self.due_at + self.interval / 20
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(100);

    #[test]
    fn beats_move_to_advertisements_of_the_same_interval() {
        let deadlines = |ms: u64| Some(at(ms / 100 * 100 + 130 - u64::from(ms % 100 < 30) * 100));

        let (turns, beats) = run(&(0..100).map(|n| 30 + 100 * n).collect::<Vec<_>>(), deadlines);

        assert!(turns <= 102, "{turns} turns of the loop in ten seconds");
        assert!((99..=102).contains(&beats), "{beats} beats");
    }

    #[test]
    fn beats_move_to_datagrams_of_the_same_interval() {
        let (turns, beats) = run(&(0..100).map(|n| 60 + 100 * n).collect::<Vec<_>>(), |_| None);

        assert!(turns <= 103, "{turns} turns of the loop in ten seconds");
        assert!((99..=103).contains(&beats), "{beats} beats");
    }

    #[test]
    fn a_loop_that_turns_all_the_time_beats_no_more_often() {
        let (_, beats) = run(&(0..10_000).collect::<Vec<_>>(), |_| None);

        assert!((95..=112).contains(&beats), "{beats} beats");
    }

    #[test]
    fn a_loop_that_nothing_else_wakes_beats_at_its_pace() {
        let (turns, beats) = run(&[], |_| None);

        assert_eq!(turns, beats);
        assert!((95..=100).contains(&beats), "{beats} beats");
    }

    /// Turns a loop for ten seconds, for its beats and at moments in milliseconds. Returns how
    /// often it turned, and how often it beat.
    fn run(moments: &[u64], deadline: impl Fn(u64) -> Option<Instant>) -> (u32, u32) {
        let mut pulse = Pulse::new(INTERVAL, at(0));
        let (mut turns, mut beats) = (0, 0);
        for ms in 0..10_000 {
            if moments.binary_search(&ms).is_err() && pulse.wake_at() > at(ms) {
                continue;
            }
            turns += 1;
            if pulse.is_due(at(ms), deadline(ms)) {
                pulse.note(at(ms));
                beats += 1;
            }
        }
        (turns, beats)
    }

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(1_000_000_000 + ms * 1_000_000)
    }
}
