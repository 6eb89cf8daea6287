//! Has the doctor examine this node, and shows what is found.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use super::Driver;
use crate::proto::RouterId;
use crate::runtime::clock;
use crate::runtime::doctor::{Finding, Vitals};
use crate::types::Instant;

impl Driver<'_> {
    /// Looks at a few routers. Once all have been looked at, shows the findings.
    pub(super) fn examine(&mut self, now: Instant) {
        let count = self.node.routers().len();
        for router in self.doctor.next_routers(count, now) {
            self.doctor.look_at(&self.node.snapshot(RouterId(router)), now);
        }
        if !self.doctor.has_seen_all(count, now) {
            return;
        }
        let vitals = self.vitals(now);
        let Self { node, doctor, view, warnings, .. } = self;
        let name_of = |router| node.snapshot(router).name;
        let findings = doctor.conclude(&vitals, view, warnings, name_of, now);
        self.board.publish_findings(findings.iter().map(Finding::to_board));
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
