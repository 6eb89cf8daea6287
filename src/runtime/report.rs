//! The lines of the error log about the election.

use std::any::Any;
use std::error::Error;

use crate::proto::{Node, Problem, Reason, Report, RouterId, State, Transition};

/// Logs a change of state: at `error` if clients have noticed it, at `warn` if nobody asked for it.
pub(super) fn transition(node: &Node, transition: &Transition) {
    let snapshot = node.snapshot(transition.router);
    let Transition { from, to, reason, .. } = *transition;
    let replaced = snapshot.replaced.filter(|_| to == State::Active);
    let why = match (&snapshot.fault, replaced) {
        (Some(fault), _) => format!("{reason} ({fault})"),
        (None, Some(replaced)) => format!("{reason} (before: {replaced})"),
        (None, None) => reason.to_string(),
    };
    let router = subject(node, transition.router);
    let (priority, next) = (snapshot.effective_priority, what_follows(from, to));
    let line = format!("{router}: {from} -> {to}, reason: {why}, priority {priority}; {next}");
    if was_noticed(from, to, reason, replaced.is_some()) {
        tracing::error!("{line}");
    } else if to == State::Fault || to == State::Active && reason == Reason::NoResponse {
        tracing::warn!("{line}");
    } else {
        tracing::info!("{line}");
    }
}

/// Tells whether clients have had to wait for a change of state, or do from now on. nginx logs that
/// unless it was told otherwise.
const fn was_noticed(from: State, to: State, reason: Reason, has_replaced: bool) -> bool {
    match (from, to) {
        (_, State::Active) => {
            matches!(reason, Reason::LastOneStanding)
                || matches!(reason, Reason::NoResponse) && has_replaced
        }
        (State::Active, State::Fault) => true,
        (State::Active, State::Backup) => matches!(reason, Reason::Overslept),
        (_, State::Initialize | State::Backup | State::Fault) => false,
    }
}

/// Returns what the router does next.
const fn what_follows(from: State, to: State) -> &'static str {
    match (from, to) {
        (_, State::Active) => "it adds and announces its addresses",
        (State::Active, State::Fault) => {
            "it gives its addresses up, for another node if there is one, until this has ended"
        }
        (State::Active, State::Backup) => "it gives its addresses up, and listens",
        (State::Active, State::Initialize) => "it gives its addresses away",
        (_, State::Fault) => "it takes no part until this has ended",
        (_, State::Backup) => "it listens",
        (_, State::Initialize) => "it takes no part",
    }
}

/// Logs a report of the core, which has limited their rate.
pub(super) fn report(node: &Node, report: &Report) {
    let subject = match report.router {
        Some(router) => subject(node, router),
        None => node.links()[report.link.0].to_string(),
    };
    let mut line = format!("{subject}: {}", problem(&report.problem));
    if let Some(source) = report.source {
        line += &format!(", from {source}");
    }
    if report.suppressed > 0 {
        line += &format!(" ({} more like this since the last report)", report.suppressed);
    }
    tracing::warn!("{line}");
}

/// Returns how the log names a virtual router.
pub(super) fn subject(node: &Node, router: RouterId) -> String {
    let snapshot = node.snapshot(router);
    format!("{} (vrid {} on {})", snapshot.name, snapshot.vrid, snapshot.link)
}

/// Returns an error with all its causes: `cannot add 192.0.2.1/24 to eth0: no such device`.
#[must_use]
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text += &format!(": {error}");
        cause = error.source();
    }
    text
}

/// Returns the panic's message.
#[must_use]
pub fn panic_text(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("panic: {}", text.unwrap_or("no message"))
}

/// Returns what a report is about, in words.
pub(super) fn problem(problem: &Problem) -> String {
    match problem {
        Problem::Discarded(discard) => format!("discarded an advertisement: {discard}"),
        Problem::IntervalDiffers { theirs_ms, ours_ms } => {
            format!("a peer advertises every {theirs_ms} ms, configured here are {ours_ms} ms")
        }
        Problem::AddressesDiffer => "a peer advertises other addresses than ours".to_owned(),
        Problem::AddressesDisordered => {
            "a peer does not advertise its link-local address first (RFC 9568 §5.2.9)".to_owned()
        }
        Problem::DuplicateOwner => "another router, too, says it owns the addresses".to_owned(),
        Problem::AnotherActive { priority } => {
            format!("another router is active although this one is, with priority {priority}")
        }
        Problem::VridConflict { source, address, one_yields: true } => format!(
            "{source} uses this VRID for other addresses ({address}): as both have its hardware \
             address, the one of lower rank yields. Give one of the two virtual routers another \
             VRID"
        ),
        Problem::VridConflict { source, address, one_yields: false } => format!(
            "{source} uses this VRID for other addresses ({address}): it is no peer, and its \
             advertisements are ignored. Give one of the two virtual routers another VRID"
        ),
        Problem::WeightInVain { configured, lowered } => format!(
            "a weight lowered the priority from {configured} to {lowered}, but nobody took over: \
             no other router has a priority above {lowered} and preempts. A weight moves the \
             addresses if it takes the priority below that of a peer"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_clients_have_noticed_is_told_from_what_they_have_not() {
        let noticed = |from, to| {
            move |reason: &Reason| was_noticed(from, to, *reason, true).then_some(*reason)
        };
        let all = |from, to| Reason::ALL.iter().filter_map(noticed(from, to)).collect::<Vec<_>>();

        let (active, backup) = (State::Active, State::Backup);
        assert_eq!(all(backup, active), [Reason::NoResponse, Reason::LastOneStanding]);
        assert_eq!(all(active, State::Fault), Reason::ALL);
        assert_eq!(all(active, backup), [Reason::Overslept]);
        assert_eq!(all(active, State::Initialize), []);
        assert_eq!(all(backup, State::Fault), []);
        assert!(!was_noticed(backup, active, Reason::NoResponse, false), "a node that begins");
    }
}
