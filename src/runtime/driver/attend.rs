//! Checks whether this host has the addresses that the election claims.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Driver;
use crate::proto::{Input, RouterId};
use crate::runtime::attendance::Attends;
use crate::runtime::warnings::{WARNING_NET_STALLED, WARNING_UNREADABLE, WarningScope};
use crate::types::Instant;

impl Driver<'_> {
    /// Informs the core which routers cannot have their addresses on this host, and which can
    /// again.
    pub(super) fn judge_addresses(&mut self, now: Instant) {
        let signs = self.kernel.signs();
        if self.attendance.is_to_ask(signs, now) {
            self.kernel.ask();
        }
        let problem = self.view.problem().map(str::to_owned);
        let attends = self.attendance.judge(signs, problem.is_none(), now);
        self.warn_of_attendance(attends, problem.as_deref(), now);
        if !self.succession.is_holding() {
            return;
        }
        self.node.handle(Input::CannotClaim(attends != Attends::Yes), now);
        let troubles = self.troubles(attends, problem, now);
        let before = std::mem::replace(&mut self.troubled, troubles.keys().copied().collect());
        for router in before.union(&self.troubled) {
            let trouble = troubles.get(router).map(String::as_str);
            self.node.handle(Input::Addresses { router: *router, trouble }, now);
        }
    }

    /// Returns why this engine cannot start: it cannot read the list of links.
    pub(super) fn is_blind(&self) -> Option<String> {
        let is_blind = self.succession.is_waiting() && self.attendance.is_missed();
        self.view.problem().filter(|_| is_blind).map(str::to_owned)
    }

    fn troubles(
        &mut self,
        attends: Attends,
        problem: Option<String>,
        now: Instant,
    ) -> BTreeMap<RouterId, String> {
        if attends == Attends::No {
            let why = problem.unwrap_or_else(|| STALLED.to_owned());
            return self.node.routers().map(|router| (router, why.clone())).collect();
        }
        let Self { view, node, attendance, .. } = self;
        let refused = view.refused().filter(|(router, _)| node.holds(*router));
        let refused: Vec<_> = refused
            .filter(|(router, facts)| attendance.note_refusals(*router, facts, now))
            .map(|(router, _)| router)
            .collect();
        for router in refused {
            self.node.handle(Input::Tolerate { router, until: now + AFTER_A_REFUSAL }, now);
        }
        let empty_handed = self.attendance.empty_handed(self.kernel.signs(), now).into_iter();
        let refused = self.attendance.refused(now).into_iter();
        let refused = refused.chain(self.view.without_macvlan());
        let refused = refused.map(|(router, problem)| (router, problem.to_owned()));
        let empty_handed = empty_handed.map(|router| (router, STALLED.to_owned()));
        let mut all: BTreeMap<_, _> = empty_handed.chain(refused).collect();
        all.extend(self.node.routers().filter_map(|it| Some((it, self.unanswered(it)?))));
        all
    }

    /// Returns why a router cannot keep this host from answering on its addresses, if it has to and
    /// cannot.
    pub(super) fn unanswered(&self, router: RouterId) -> Option<String> {
        self.filter.as_ref()?.problem_of(router.0)
    }

    fn warn_of_attendance(&mut self, attends: Attends, problem: Option<&str>, now: Instant) {
        let is_late = attends != Attends::Yes;
        let stalled = (is_late && problem.is_none()).then(|| {
            format!(
                "{STALLED}: no address can be added, refreshed or removed here. Look for what \
                 holds the kernel's lock of this network namespace, or starves nginx"
            )
        });
        let unreadable = problem.filter(|_| is_late).map(|problem| {
            format!(
                "{problem}: no address can be added, refreshed or removed here. Look for a \
                 sandbox that forbids it: a systemd unit's RestrictAddressFamilies must list \
                 AF_NETLINK"
            )
        });
        self.warnings.set(WarningScope::Node, WARNING_NET_STALLED, stalled, now);
        self.warnings.set(WarningScope::Node, WARNING_UNREADABLE, unreadable, now);
    }
}

/// A peer that is active keeps the addresses for so long after the kernel has refused them here:
/// each attempt takes them away from it.
const AFTER_A_REFUSAL: Duration = Duration::from_secs(3_600);
const STALLED: &str = "the thread vrrp-net waits for the kernel";
