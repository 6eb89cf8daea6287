//! How long the engine has been silent, and whether that proves that it hangs.

use std::time::Duration;

use crate::types::Instant;

/// Measures the silence of an engine, without the time in which the guard slept itself.
///
/// When the whole machine was paused, the guard may wake first: by the clock the engine was silent
/// for long, but it is about to go on. So the guard checks at regular times, and when it is late
/// itself, the silence before does not count.
///
/// The time after which all peers have taken over is another bound: then this host must not keep
/// the addresses, whatever the reason of the silence. The engine itself would give them up as soon
/// as it woke.
#[derive(Debug)]
pub(super) struct Silence {
    worker_timeout: Duration,
    /// The silence after which peers have taken all routers of the engine over.
    active_down_interval: Duration,
    looked_at: Instant,
    /// Since when every check was in time.
    awake_since: Instant,
}

impl Silence {
    pub(super) fn new(worker_timeout: Duration, now: Instant) -> Self {
        let active_down_interval = Duration::MAX;
        Self { worker_timeout, active_down_interval, looked_at: now, awake_since: now }
    }

    /// Sets the time after which all peers have taken over.
    pub(super) fn set_active_down_interval(&mut self, longest: Option<Duration>) {
        self.active_down_interval = longest.unwrap_or(Duration::MAX);
    }

    /// Begins to check.
    pub(super) fn begin(&mut self, now: Instant) {
        (self.looked_at, self.awake_since) = (now, now);
    }

    /// Returns when to check next.
    pub(super) fn next_look(&self, last_beat: Instant) -> Instant {
        let regular = self.looked_at + self.pace();
        let decisive = last_beat.max(self.awake_since) + self.patience();
        // After a decision it checks at the regular times again.
        if decisive > self.looked_at { regular.min(decisive) } else { regular }
    }

    /// Checks, and returns the silence of the engine if it is too long.
    pub(super) fn look(&mut self, last_beat: Instant, now: Instant) -> Option<Duration> {
        if now.since(self.looked_at) > 2 * self.pace() {
            self.awake_since = now;
        }
        self.looked_at = now;
        let counted = now.since(last_beat.max(self.awake_since));
        (counted >= self.patience()).then(|| now.since(last_beat))
    }

    fn pace(&self) -> Duration {
        self.worker_timeout / 4
    }

    fn patience(&self) -> Duration {
        self.worker_timeout.min(self.active_down_interval) + CHECK
    }
}

/// The interval in which an engine checks its workers, and longer than one between two heartbeats.
const CHECK: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_nanos(1_000_000_000);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn an_engine_is_missed_one_check_after_the_timeout_and_not_before() {
        let mut silence = Silence::new(2 * SECOND, START);

        let (missed, silent) = watch(&mut silence, START, |_| START);

        assert_eq!((missed - START, silent), (millis(2100), millis(2100)));
    }

    #[test]
    fn an_engine_that_beats_late_but_in_time_is_not_missed() {
        let mut silence = Silence::new(2 * SECOND, START);
        let until = START + 60 * SECOND;

        // Every two seconds, for a minute.
        let (missed, _) = watch(&mut silence, START, |now| {
            let last = now.min(until).since(START).as_secs() / 2 * 2;
            START + Duration::from_secs(last)
        });

        assert_eq!(missed, until + millis(2100));
    }

    #[test]
    fn what_the_guard_slept_through_itself_does_not_count() {
        let mut silence = Silence::new(2 * SECOND, START);
        let woken = START + 60 * SECOND;

        assert_eq!(silence.look(START, woken), None);
        let (missed, silent) = watch(&mut silence, woken, |_| START);

        assert_eq!((missed - woken, silent), (millis(2100), 60 * SECOND + millis(2100)));
    }

    #[test]
    fn pauses_that_come_again_and_again_are_never_taken_for_a_silence() {
        let mut silence = Silence::new(2 * SECOND, START);
        let mut now = START;

        for _ in 0..100 {
            now = now + millis(1100);
            assert_eq!(silence.look(START, now), None);
        }
    }

    #[test]
    fn silence_from_before_there_was_anything_to_guard_does_not_count() {
        let mut silence = Silence::new(2 * SECOND, START);
        let begun = START + 60 * SECOND;

        silence.begin(begun);

        assert_eq!(silence.next_look(START), begun + millis(500));
        assert_eq!(silence.look(START, begun + millis(500)), None);
    }

    #[test]
    fn a_guard_that_has_decided_goes_on_looking_at_its_pace() {
        let mut silence = Silence::new(2 * SECOND, START);
        let (missed, _) = watch(&mut silence, START, |_| START);

        assert_eq!(silence.next_look(START), missed + millis(500));
    }

    #[test]
    fn an_engine_whose_peers_have_all_taken_over_is_not_waited_for() {
        let mut silence = Silence::new(2 * SECOND, START);
        silence.set_active_down_interval(Some(millis(360)));

        let (missed, silent) = watch(&mut silence, START, |_| START);

        assert_eq!((missed - START, silent), (millis(460), millis(460)));
    }

    #[test]
    fn peers_that_are_more_patient_than_the_timeout_change_nothing() {
        let mut silence = Silence::new(2 * SECOND, START);
        silence.set_active_down_interval(Some(millis(3_400)));

        let (missed, _) = watch(&mut silence, START, |_| START);

        assert_eq!(missed - START, millis(2_100));
    }

    #[test]
    fn the_shortest_timeout_leaves_an_engine_time_for_several_beats() {
        let mut silence = Silence::new(millis(100), START);

        let (missed, _) = watch(&mut silence, START, |_| START);

        assert_eq!(missed - START, millis(200));
    }

    /// Looks whenever it is time to, until the engine is missed: returns when, and for how long.
    fn watch(
        silence: &mut Silence,
        mut now: Instant,
        last_beat: impl Fn(Instant) -> Instant,
    ) -> (Instant, Duration) {
        loop {
            let next = silence.next_look(last_beat(now));
            assert!(next > now, "it would look all the time");
            now = next;
            if let Some(silent) = silence.look(last_beat(now), now) {
                return (now, silent);
            }
        }
    }

    fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }
}
