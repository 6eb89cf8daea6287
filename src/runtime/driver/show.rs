//! Shows the state on the board, and the warnings in the log, too.

use std::collections::BTreeSet;
use std::io;

use super::Driver;
use crate::proto::RouterId;
use crate::runtime::warnings::{
    WARNING_CANNOT_LISTEN, WARNING_CANNOT_SEND, WARNING_NO_GUARD, WARNING_REFUSED,
    WARNING_UNREACHABLE, WarningScope,
};
use crate::types::Instant;

impl Driver<'_> {
    /// Shows whether the addresses of routers are assigned.
    pub(super) fn show_addresses(&mut self, changed: BTreeSet<RouterId>) {
        let waits = self.succession.is_waiting();
        self.board_writer.show_addresses(self.board, &self.view, changed, waits);
    }

    /// Shows everything that has changed, and logs new warnings.
    pub(super) fn show_all(&mut self, now: Instant) {
        let mut changed = self.node.take_changed();
        changed.append(&mut self.view.take_changed());
        for &router in &changed {
            let Self { node, view, warnings, .. } = self;
            warnings.look_at(router, &node.snapshot(router), view, now);
            self.look_at_sending(router, now);
            self.look_at_refusals(router, now);
        }
        self.warnings.look_at_host(&self.view, now);
        self.look_at_guard(now);
        self.look_at_listening(now);
        for line in self.warnings.lines(now) {
            line.log(&self.node);
        }
        self.warnings.show(self.board);
        self.board_writer.beat(self.board, &self.view, &self.node, &changed);
    }

    fn look_at_sending(&mut self, router: RouterId, now: Instant) {
        let mute = self.node.is_mute(router).then(|| {
            let link = self.node.link_of(router);
            let family = self.node.key_of(router).family;
            let refusal = self.links.refusal(link, family);
            let is_too_long =
                refusal.as_ref().and_then(io::Error::raw_os_error) == Some(libc::EMSGSIZE);
            let help = if is_too_long {
                "Raise the MTU of the interface, or move addresses to addresses_excluded, on all \
                 nodes"
            } else {
                "Look for a firewall of this host that drops IP protocol 112 on output (nft list \
                 ruleset)"
            };
            format!(
                "the kernel does not send the advertisements on {}{}: peers take this node for \
                 dead. {help}",
                self.node.links()[link.0],
                refusal.map(|error| format!(" ({error})")).unwrap_or_default()
            )
        });
        let scope = WarningScope::Router(router);
        self.warnings.set(scope, WARNING_CANNOT_SEND, mute, now);
        let unreachable = self.unreachable_peers(router).filter(|_| self.node.holds(router));
        self.warnings.set(scope, WARNING_UNREACHABLE, unreachable, now);
    }

    fn look_at_refusals(&mut self, router: RouterId, now: Instant) {
        let problem = self.view.refusal(router).or(self.attendance.refusal(router, now));
        let problem = problem.map(str::to_owned).or_else(|| self.unanswered(router));
        let refused = problem.map(|problem| {
            format!(
                "{problem}. An address that is refused twice is a fault, and tried again after a \
                 pause. The kernel's answer says what is in the way: a right, a policy, or \
                 another address"
            )
        });
        self.warnings.set(WarningScope::Router(router), WARNING_REFUSED, refused, now);
    }

    fn look_at_guard(&mut self, now: Instant) {
        let missing = self.guard.problem().map(|problem| {
            format!(
                "{problem}: if all of nginx is killed, or hangs, peers wait for \
                 Active_Down_Interval, and the addresses stay for address_lifetime_s. make install \
                 puts the guard there; it is tried again"
            )
        });
        self.warnings.set(WarningScope::Node, WARNING_NO_GUARD, missing, now);
        let timeout = self.liveness.worker_timeout();
        self.board.set_guarded(self.guard.is_possible().then_some(timeout));
    }

    fn look_at_listening(&mut self, now: Instant) {
        let deaf = self.links.deafness().map(|(link, why, others)| {
            let more = if others > 0 { format!(" and {others} more links") } else { String::new() };
            format!(
                "nothing can be received on {}{more}: {why}. Its routers take no part until it \
                 can; it is tried again",
                self.node.links()[link.0]
            )
        });
        self.warnings.set(WarningScope::Node, WARNING_CANNOT_LISTEN, deaf, now);
    }
}
