//! The doctor: examines this node again and again, and says in words what is well and how that is
//! known, what is not, and what helps.
//!
//! To look at thousands of routers takes less than a millisecond.

mod routers;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::time::Duration;

use self::routers::RouterTally;
use super::kernel::HostFinding;
use super::view::View;
use super::warnings::{
    WARNING_ALREADY_HERE, WARNING_AWAITED, WARNING_CANNOT_ANNOUNCE, WARNING_CANNOT_LISTEN,
    WARNING_CANNOT_SEND, WARNING_CONTESTED, WARNING_DISCARDED, WARNING_FOREIGN, WARNING_IN_VAIN,
    WARNING_INTERRUPTED, WARNING_NET_STALLED, WARNING_NO_GUARD, WARNING_NO_PLACE,
    WARNING_OTHER_VRRP, WARNING_PEER_DROPPED, WARNING_PEER_OTHERWISE, WARNING_PREFIX,
    WARNING_REFUSED, WARNING_REVERSE_PATH, WARNING_SETTING_REFUSED, WARNING_STRANGER,
    WARNING_UNHEEDED, WARNING_UNREACHABLE, WARNING_UNREADABLE, WARNING_VRID_CONFLICT, WarningScope,
    Warnings,
};
use crate::proto::{Node, RouterId};
use crate::status::Workers;
use crate::status::layout::{FindingSlot, text, verdict};
use crate::succession::LEAVE_TIMEOUT;
use crate::types::Instant;

/// What one test has found.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Finding {
    test: &'static str,
    verdict: u32,
    text: String,
}

/// What the doctor is told of the node, besides its routers and warnings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Vitals {
    /// The workers of nginx.
    pub(super) workers: Workers,
    /// Whether the node is drained.
    pub(super) is_draining: bool,
    /// Whether the kernel takes its wall clock for synchronised.
    pub(super) is_synchronised: bool,
    /// How many turns came late, and by how much in all.
    pub(super) late: (u64, Duration),
    /// See [`Header::shutdown_timeout_ms`](crate::status::layout::Header::shutdown_timeout_ms).
    pub(super) shutdown_timeout_ms: u32,
}

/// Examines this node: all of its routers, the warnings, and what else is known.
pub(super) fn examine(
    node: &Node,
    view: &View,
    warnings: &Warnings,
    vitals: &Vitals,
    now: Instant,
) -> Vec<Finding> {
    let mut tally = RouterTally::default();
    for router in node.routers() {
        tally.look_at(&node.snapshot(router), now);
    }
    let mut findings = tally.findings(vitals.is_draining);
    findings.push(workers(vitals.workers));
    findings.extend(from_warnings(warnings, |router| node.snapshot(router).name));
    findings.push(listening(view.finding(HostFinding::BoundAddress)));
    findings.push(shutdown_timeout(vitals.shutdown_timeout_ms, tally.longest_linger));
    findings.push(late_turns(vitals.late, tally.shortest_interval));
    findings.push(clock(vitals.is_synchronised));
    findings
}

impl Finding {
    fn ok(name: &'static str, text: impl Into<String>) -> Self {
        Self { test: name, verdict: verdict::OK, text: text.into() }
    }

    fn warning(name: &'static str, text: impl Into<String>) -> Self {
        Self { test: name, verdict: verdict::WARNING, text: text.into() }
    }

    fn fault(name: &'static str, text: impl Into<String>) -> Self {
        Self { test: name, verdict: verdict::FAULT, text: text.into() }
    }

    /// Returns what an engine says that has handed its routers over.
    pub(super) fn of_a_retired_engine() -> Self {
        Self::warning(
            "examination",
            "another engine of this host has taken over, after a reload or in an upgrade: ask \
             again, or use resty-vrrp doctor, which asks that one",
        )
    }

    /// Returns what the board says of it.
    pub(super) fn to_board(&self) -> FindingSlot {
        let Self { test, verdict, text: words } = self;
        FindingSlot { verdict: *verdict, test: text(test), text: text(words), ..FindingSlot::EMPTY }
    }
}

fn workers(Workers { total, alive, .. }: Workers) -> Finding {
    let text = format!("{alive} of {total} workers beat");
    if alive == total {
        return Finding::ok("workers", text);
    }
    let help = "look for what blocks or kills the others: nginx's error log, dmesg";
    Finding::warning("workers", format!("{text}: {help}"))
}

/// Returns a finding for each test of what the engine watches: the first of its warnings, or that
/// there is none.
fn from_warnings<'a>(warnings: &Warnings, name_of: impl Fn(RouterId) -> &'a str) -> Vec<Finding> {
    // There may be thousands of warnings: each is looked at once.
    let mut known = BTreeMap::new();
    for (scope, name, text) in warnings.all() {
        known.entry(name).or_insert(SameWarnings { scope, name, text, count: 0 }).count += 1;
    }
    let mut findings = Vec::new();
    for (test, names, well) in WATCHED {
        let its: Vec<_> = names.iter().filter_map(|name| known.remove(name)).collect();
        let words = in_words(&its, &name_of);
        let well = Finding::ok(test, *well);
        findings.push(words.map_or(well, |words| Finding::warning(test, words)));
    }
    let others: Vec<_> = known.into_values().collect();
    let words = in_words(&others, name_of);
    findings.extend(words.map(|words| Finding::warning("other", words)));
    findings
}

/// The first warning of a name, and how many there are.
struct SameWarnings<'a> {
    scope: WarningScope,
    name: &'static str,
    text: &'a str,
    count: usize,
}

fn in_words<'a>(
    warnings: &[SameWarnings<'_>],
    name_of: impl Fn(RouterId) -> &'a str,
) -> Option<String> {
    let SameWarnings { scope, name, text, .. } = warnings.first()?;
    let about = match scope {
        WarningScope::Node => String::new(),
        WarningScope::Router(router) => format!("{}: ", name_of(*router)),
    };
    let more = match warnings.iter().map(|it| it.count).sum::<usize>() - 1 {
        0 => String::new(),
        others => format!(" ({others} more: see the warnings of the status)"),
    };
    Some(format!("{about}{name}: {text}{more}"))
}

fn listening(bound: Option<&String>) -> Finding {
    match bound {
        Some(problem) => Finding::warning("listen", problem.as_str()),
        None => Finding::ok(
            "listen",
            "no program listens on a virtual address that it could not bind without having it",
        ),
    }
}

/// Open connections end with their worker. They may go on while this node leaves, and for the
/// linger of its slowest router after that.
fn shutdown_timeout(timeout_ms: u32, linger: Duration) -> Finding {
    const TEST: &str = "shutdown_timeout";
    const NAME: &str = "worker_shutdown_timeout";
    let needed_ms = (LEAVE_TIMEOUT + linger).as_millis();
    match timeout_ms {
        0 => Finding::ok(TEST, format!("{NAME} is not set: workers end with their connections")),
        u32::MAX => Finding::warning(
            TEST,
            format!(
                "nginx's configuration could not be read when nginx did: {NAME} should be \
                 {needed_ms} ms or more, or not be set"
            ),
        ),
        timeout_ms if u128::from(timeout_ms) < needed_ms => Finding::warning(
            TEST,
            format!(
                "{NAME} is {timeout_ms} ms: when nginx is stopped, open connections are cut then, \
                 although the addresses can stay for them for {needed_ms} ms. Set it to 2s or more"
            ),
        ),
        timeout_ms => Finding::ok(
            TEST,
            format!("{NAME} is {timeout_ms} ms, and addresses stay for {needed_ms} ms at most"),
        ),
    }
}

/// Turns that come late by a quarter of the shortest interval come close to what peers notice.
fn late_turns((turns, late): (u64, Duration), shortest_interval: Duration) -> Finding {
    let mean_us = late.as_micros().checked_div(u128::from(turns)).unwrap_or_default();
    let by_ms = mean_us / 1000;
    let text = format!("turns of the engine that came late: {turns}, by {by_ms} ms on average");
    if turns == 0 || mean_us < shortest_interval.as_micros() / 4 {
        return Finding::ok("late_turns", text);
    }
    let help = "give nginx more of the processor, or set realtime = true";
    Finding::warning("late_turns", format!("{text}: {help}"))
}

/// The election needs no wall clock, but who compares the logs of two nodes does.
fn clock(is_synchronised: bool) -> Finding {
    if is_synchronised {
        return Finding::ok("clock", "the kernel says that its clock is synchronised");
    }
    Finding::warning(
        "clock",
        "the kernel's clock is not synchronised, so times in the logs of two nodes cannot be \
         compared (the election needs none): run chrony or systemd-timesyncd",
    )
}

/// A test of what the engine watches: its name, the warnings of which none may be there, and what
/// their absence says.
const WATCHED: &[(&str, &[&str], &str)] = &[
    ("run_dir", &[WARNING_NO_PLACE], "a reload hands over: engines of this host meet there"),
    ("guard", &[WARNING_NO_GUARD], "a guard withdraws the routers if nginx dies or hangs"),
    (
        "sockets",
        &[WARNING_CANNOT_LISTEN, WARNING_CANNOT_ANNOUNCE],
        "the kernel refuses no socket to listen, to send or to announce",
    ),
    (
        "firewall",
        &[WARNING_CANNOT_SEND, WARNING_UNREACHABLE, WARNING_PEER_DROPPED],
        "the kernel sends, and no look at a link has seen a peer that this host drops",
    ),
    (
        "addresses",
        &[
            WARNING_REFUSED,
            WARNING_FOREIGN,
            WARNING_CONTESTED,
            WARNING_PREFIX,
            WARNING_NET_STALLED,
            WARNING_UNREADABLE,
        ],
        "the kernel takes the addresses, and nothing else touches them",
    ),
    ("rp_filter", &[WARNING_REVERSE_PATH], "it drops nothing that peers send"),
    ("sysctl", &[WARNING_SETTING_REFUSED], "the settings that the engine needs are on"),
    ("link", &[WARNING_INTERRUPTED], "no interface of an active router is interrupted"),
    (
        "this_host",
        &[WARNING_OTHER_VRRP, WARNING_ALREADY_HERE, WARNING_STRANGER],
        "nothing else here speaks VRRP, or has these routers",
    ),
    (
        "other_nodes",
        &[WARNING_PEER_OTHERWISE, WARNING_DISCARDED, WARNING_UNHEEDED, WARNING_VRID_CONFLICT],
        "what other routers send fits: interval, addresses, password, VRID",
    ),
    ("weights", &[WARNING_IN_VAIN], "no priority was lowered in vain"),
    ("sync_groups", &[WARNING_AWAITED], "no instance waits for another one"),
];

/// Time between two examinations.
pub(super) const PAUSE: Duration = Duration::from_secs(2);
