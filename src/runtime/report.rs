//! The lines of the error log about the election.

use std::any::Any;
use std::error::Error;

use crate::proto::{Node, Problem, Reason, Report, RouterId, State, Transition};

/// Logs a change of state, at `warn` if it matters to an operator.
pub(super) fn transition(node: &Node, transition: &Transition) {
    let snapshot = node.snapshot(transition.router);
    let why = match &snapshot.fault {
        Some(fault) => format!("{} ({fault})", transition.reason),
        None => transition.reason.to_string(),
    };
    let line = format!(
        "{} (vrid {} on {}): {} -> {}, reason: {why}, priority {}",
        snapshot.name,
        snapshot.vrid,
        snapshot.link,
        transition.from,
        transition.to,
        snapshot.effective_priority
    );
    let unexpected = transition.to == State::Fault
        || (transition.to == State::Active && transition.reason == Reason::NoResponse);
    if unexpected {
        tracing::warn!("{line}");
    } else {
        tracing::info!("{line}");
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
        Problem::VridConflict { source, address } => format!(
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
