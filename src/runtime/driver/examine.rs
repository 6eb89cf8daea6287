//! Has the doctor examine this node, and shows what is found.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::Driver;
use crate::runtime::clock;
use crate::runtime::doctor::{self, Finding, Vitals};
use crate::types::Instant;

impl Driver<'_> {
    /// Examines this node, when it is due, and shows the findings.
    pub(super) fn examine(&mut self, now: Instant) {
        if now < self.examine_at {
            return;
        }
        self.examine_at = now + doctor::PAUSE;
        let vitals = self.vitals(now);
        let findings = doctor::examine(&self.node, &self.view, &self.warnings, &vitals, now);
        self.board.publish_findings(findings.iter().map(Finding::to_board));
    }

    /// Shows that another engine has the routers now, and is to be asked.
    pub(super) fn refer(&mut self, now: Instant) {
        if now >= self.examine_at {
            self.examine_at = now + doctor::PAUSE;
            self.board.publish_findings(std::iter::once(Finding::of_a_retired_engine().to_board()));
        }
    }

    fn vitals(&self, now: Instant) -> Vitals {
        let header = self.board.header();
        let late = Duration::from_micros(header.late_us.load(Relaxed));
        Vitals {
            workers: self.board.workers(now, self.liveness.worker_timeout()),
            is_draining: self.node.is_draining(),
            is_synchronised: clock::is_synchronised(),
            late: (header.late_turns.load(Relaxed), late),
            shutdown_timeout_ms: header.shutdown_timeout_ms.load(Relaxed),
        }
    }
}
