//! Checks whether nginx serves.

use super::Driver;
use crate::net::Process;
use crate::proto::{Health, Input};
use crate::runtime::checks::{self, Check};
use crate::runtime::report;
use crate::succession::Incident;
use crate::types::Instant;

impl Driver<'_> {
    /// Watches the master, which may have died just after it started this process.
    pub(super) fn watch_master(&mut self, pid: u32) {
        match Process::watch(pid) {
            Ok(master) => self.master = Some(master),
            Err(error) if error.source.raw_os_error() == Some(libc::ESRCH) => {
                self.liveness.master_died();
            }
            Err(error) => tracing::warn!("its death would go unnoticed: {}", report::chain(&error)),
        }
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
