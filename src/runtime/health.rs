//! nginx's own liveness: the heartbeats of the workers, and the life of the master.

use std::time::Duration;

use super::checks::{Findings, PlannedCheck};
use crate::config::HealthConfig;
use crate::proto::Health;
use crate::status::Workers;
use crate::types::Instant;

/// Judges whether nginx serves.
#[derive(Debug)]
pub(super) struct Liveness {
    config: HealthConfig,
    /// Until then, workers without a heartbeat are no fault: they were forked a moment ago.
    patience_until: Instant,
    /// When the workers were last counted.
    looked_at: Instant,
    /// Until then, silence does not count: after a pause of the machine this engine may wake first.
    waking_until: Instant,
    /// Until then, nginx does not serve while a check has no verdict, without a fault. `None` for
    /// routers that an earlier engine had started: a missing verdict is no reason to stop them.
    checked_until: Option<Instant>,
    master_died: bool,
    last: Health,
}

impl Liveness {
    /// `goes_on`: whether an earlier engine had started routers.
    pub(super) fn new(
        config: HealthConfig,
        planned: &[PlannedCheck],
        goes_on: bool,
        now: Instant,
    ) -> Self {
        let patience_until = now + config.worker_timeout;
        let longest = planned.iter().map(|check| check.timeout).max().unwrap_or_default();
        let checked_until = (!goes_on).then_some(now + longest + CHECKS_BEGIN);
        let last = Health::Unknown;
        Self {
            config,
            patience_until,
            looked_at: now,
            waking_until: now,
            checked_until,
            master_died: false,
            last,
        }
    }

    /// Notes that the master has died: workers may live on, but are not replaced any more.
    pub(super) fn master_died(&mut self) {
        self.master_died = true;
    }

    /// Tells whether the master has died.
    pub(super) fn has_lost_master(&self) -> bool {
        self.master_died
    }

    /// Returns how many workers must beat.
    pub(super) fn min_workers(&self) -> u32 {
        self.config.min_workers.into()
    }

    /// Returns how long a worker may be silent.
    pub(super) fn worker_timeout(&self) -> Duration {
        self.config.worker_timeout
    }

    /// Notes that the workers are counted now. Tells whether this engine was paused, too, so that
    /// silence does not count.
    pub(super) fn is_waking(&mut self, now: Instant) -> bool {
        if now.since(self.looked_at) > 2 * pace(self.config) {
            self.waking_until = now + self.config.worker_timeout;
        }
        self.looked_at = now;
        now < self.waking_until
    }

    /// Returns the health if it differs from what was returned last. `findings` is the result of
    /// the checks.
    pub(super) fn changed(
        &mut self,
        workers: Workers,
        findings: Findings,
        now: Instant,
    ) -> Option<Health> {
        let health = self.judge(workers, findings, now);
        if health == self.last {
            return None;
        }
        self.last = health.clone();
        Some(health)
    }

    fn judge(&self, workers: Workers, findings: Findings, now: Instant) -> Health {
        if self.master_died {
            return Health::Failing("the nginx master process has died".to_owned());
        }
        let missing = u32::from(self.config.min_workers).saturating_sub(workers.alive);
        if missing == 0 {
            return self.judge_checks(findings, now);
        }
        // On a reload idle workers of the old generation end at once, before its engine does. That
        // is no fault: nginx ends the engine soon.
        if workers.ended >= missing {
            return self.last.clone();
        }
        let beginning = self.last == Health::Unknown && now < self.patience_until;
        if beginning || now < self.waking_until {
            return self.last.clone();
        }
        let timeout_ms = self.config.worker_timeout.as_millis();
        Health::Failing(format!(
            "{} of {} workers have beaten within {timeout_ms} ms, {} needed",
            workers.alive, workers.total, self.config.min_workers
        ))
    }

    fn judge_checks(&self, findings: Findings, now: Instant) -> Health {
        match (findings, self.checked_until) {
            (Findings::Fine, _) | (Findings::Awaited(_), None) => Health::Serving,
            (Findings::Awaited(_), Some(until)) if now < until => Health::Unknown,
            (Findings::Awaited(why) | Findings::Failing(why), _) => Health::Failing(why),
        }
    }
}

/// Returns how often the workers must be counted: as often as they renew their heartbeat.
pub(super) fn pace(config: HealthConfig) -> Duration {
    config.worker_timeout / 4
}

/// How long it may take until the first checks begin.
const CHECKS_BEGIN: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_nanos(1_000_000_000);

    fn liveness() -> Liveness {
        let config = HealthConfig { min_workers: 2, worker_timeout: Duration::from_secs(2) };
        Liveness::new(config, &[], true, START)
    }

    fn workers(alive: u32) -> Workers {
        Workers { total: 4, alive, ended: 0 }
    }

    #[test]
    fn workers_that_were_just_forked_are_given_time_to_beat() {
        let mut liveness = liveness();

        assert_eq!(liveness.changed(workers(0), Findings::Fine, START), None);
        assert_eq!(liveness.changed(workers(2), Findings::Fine, START), Some(Health::Serving));
    }

    #[test]
    fn too_few_beating_workers_fail_with_the_numbers_and_recover_by_themselves() {
        let mut liveness = liveness();
        assert_eq!(liveness.changed(workers(4), Findings::Fine, START), Some(Health::Serving));

        let failing = liveness.changed(workers(1), Findings::Fine, START);

        let reason = "1 of 4 workers have beaten within 2000 ms, 2 needed".to_owned();
        assert_eq!(failing, Some(Health::Failing(reason)));
        assert_eq!(liveness.changed(workers(1), Findings::Fine, START), None);
        assert_eq!(liveness.changed(workers(2), Findings::Fine, START), Some(Health::Serving));
    }

    #[test]
    fn the_shortest_silence_there_is_ends_in_a_fault_when_looked_at_in_time() {
        let config = HealthConfig { min_workers: 1, worker_timeout: Duration::from_millis(100) };
        let mut liveness = Liveness::new(config, &[], true, START);
        assert_eq!(liveness.changed(workers(4), Findings::Fine, START), Some(Health::Serving));

        let mut looks = (1..10).map(|beat| {
            let now = START + beat * pace(config);
            assert!(!liveness.is_waking(now));
            liveness.changed(workers(0), Findings::Fine, now)
        });

        assert!(matches!(looks.next(), Some(Some(Health::Failing(_)))));
    }

    #[test]
    fn workers_that_leave_in_order_are_no_fault_and_those_that_die_are() {
        let mut liveness = liveness();
        assert_eq!(liveness.changed(workers(4), Findings::Fine, START), Some(Health::Serving));

        let ended =
            liveness.changed(Workers { total: 4, alive: 0, ended: 4 }, Findings::Fine, START);
        let died =
            liveness.changed(Workers { total: 4, alive: 0, ended: 1 }, Findings::Fine, START);

        assert_eq!(ended, None);
        assert!(matches!(died, Some(Health::Failing(_))), "{died:?}");
    }

    #[test]
    fn workers_that_were_paused_together_with_the_engine_are_given_time_to_beat() {
        let mut liveness = liveness();
        assert_eq!(liveness.changed(workers(4), Findings::Fine, START), Some(Health::Serving));
        let woken = START + Duration::from_secs(10);

        assert!(liveness.is_waking(woken));
        assert_eq!(liveness.changed(workers(0), Findings::Fine, woken), None);

        let mut now = woken;
        while now < woken + Duration::from_secs(2) {
            now = now + Duration::from_millis(100);
            liveness.is_waking(now);
        }
        assert!(matches!(
            liveness.changed(workers(0), Findings::Fine, now),
            Some(Health::Failing(_))
        ));
    }

    #[test]
    fn workers_that_never_beat_fail_after_the_timeout() {
        let mut liveness = liveness();

        let health = liveness.changed(
            Workers { total: 0, alive: 0, ended: 0 },
            Findings::Fine,
            START + Duration::from_secs(2),
        );

        assert!(matches!(health, Some(Health::Failing(_))), "{health:?}");
    }

    #[test]
    fn a_failing_check_is_a_fault_although_workers_beat() {
        let mut liveness = liveness();
        let why = "check app fails".to_owned();

        let health = liveness.changed(workers(4), Findings::Failing(why.clone()), START);

        assert_eq!(health, Some(Health::Failing(why)));
        assert_eq!(liveness.changed(workers(4), Findings::Fine, START), Some(Health::Serving));
    }

    #[test]
    fn a_check_that_was_not_made_yet_is_waited_for_at_a_first_start_and_not_for_ever() {
        let config = HealthConfig { min_workers: 2, worker_timeout: Duration::from_secs(2) };
        let mut liveness = Liveness::new(config, &[], false, START);
        let awaited = || Findings::Awaited("it was not made yet".to_owned());
        let late = START + CHECKS_BEGIN;

        assert_eq!(liveness.changed(workers(4), awaited(), START), None);
        assert!(matches!(liveness.changed(workers(4), awaited(), late), Some(Health::Failing(_))));
        assert_eq!(liveness.changed(workers(4), awaited(), late), None);
        assert_eq!(liveness.changed(workers(4), Findings::Fine, late), Some(Health::Serving));
    }

    #[test]
    fn a_check_that_was_not_made_yet_stops_no_router_that_runs() {
        let mut liveness = liveness();

        let health = liveness.changed(workers(4), Findings::Awaited(String::new()), START);

        assert_eq!(health, Some(Health::Serving));
    }

    #[test]
    fn a_dead_master_is_a_fault_although_its_workers_live_on() {
        let mut liveness = liveness();
        liveness.master_died();

        assert!(matches!(
            liveness.changed(workers(4), Findings::Fine, START),
            Some(Health::Failing(_))
        ));
    }
}
