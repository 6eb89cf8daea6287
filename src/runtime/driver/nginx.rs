//! Checks whether nginx serves.

use super::Driver;
use crate::net::{Process, clock, has_memfd, has_pidfd};
use crate::proto::{Health, Input};
use crate::runtime::checks::{self, Check};
use crate::runtime::report;
use crate::runtime::warnings::{WARNING_OLD_KERNEL, WarningScope};
use crate::succession::Incident;
use crate::types::Instant;

impl Driver<'_> {
    /// Watches the master, which may have died just after it started this process.
    pub(super) fn watch_master(&mut self, pid: u32) {
        self.judge_kernel(clock::now());
        match Process::watch(pid) {
            Ok(master) => self.master = Some(master),
            Err(error) if error.source.raw_os_error() == Some(libc::ESRCH) => {
                self.liveness.master_died();
            }
            Err(error) => tracing::warn!("its death would go unnoticed: {}", report::chain(&error)),
        }
    }

    /// Warns of what the kernel lacks.
    fn judge_kernel(&mut self, now: Instant) {
        let has = [has_memfd(), has_pidfd()];
        let lacks = has.iter().zip(LACKS).filter(|(has, _)| !**has).map(|(_, lack)| lack);
        let lacks = lacks.collect::<Vec<_>>().join("; ");
        let problem = (!lacks.is_empty())
            .then(|| format!("this kernel has {lacks}. Linux 5.3 or later has all of it"));
        self.warnings.set(WarningScope::Node, WARNING_OLD_KERNEL, problem, now);
    }

    /// Informs the core when nginx begins or ceases to serve, and of priorities after weights.
    pub(super) fn judge_health(&mut self, now: Instant) {
        // The workers of an engine that is stopping end before it: they do not count any more.
        let outgoing = self.board.is_superseded() || self.succession.is_leaving();
        if outgoing && !self.liveness.has_lost_master() {
            return;
        }
        let workers = self.board.workers(now, self.liveness.worker_timeout());
        let checks = self.latest_checks(now);
        let findings = checks::findings(&self.planned, &checks);
        if let Some(health) = self.liveness.changed(workers, findings, now) {
            self.board.set_healthy(health == Health::Serving);
            self.node.handle(Input::Health(health.clone()), now);
            self.succession.handle(Incident::HealthChanged(health), now);
        }
        if self.succession.is_holding() {
            for (router, priority) in self.weighing.changes(&checks, now) {
                self.node.handle(Input::Priority { router, priority }, now);
            }
        }
        self.view.take_checks(checks, workers.alive >= self.liveness.min_workers());
    }

    fn latest_checks(&mut self, now: Instant) -> Vec<Check> {
        let known = self.checks.borrow_and_update().clone();
        let timeout = self.liveness.worker_timeout();
        let waking = self.liveness.is_waking(now);
        if !waking && self.board.is_carrier_silent(now, timeout) {
            return checks::blocked(&self.planned, &known, timeout);
        }
        known
    }
}

/// What the kernel may lack, and the harm.
const LACKS: [&str; 2] = [
    "no memfd_create (Linux 3.17): the status is in /dev/shm, and a worker of nginx that was \
     broken into could cut it off, which ends the process of the engine",
    "no pidfd_open (Linux 5.3): the death of nginx's master is noticed up to 20 ms later",
];
