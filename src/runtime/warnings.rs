//! The warnings of the status, and their lines in the log.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::time::Duration;

use super::kernel::{HostFinding, accusation};
use super::report;
use super::view::View;
use super::words::BoardWord as _;
use crate::proto::{Node, RouterId, Snapshot, State};
use crate::status::Board;
use crate::status::layout::{NODE, WARNINGS, WarningSlot, text, untext};
use crate::types::Instant;

/// What a warning is about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum WarningScope {
    /// The whole node.
    Node,
    /// One virtual router.
    Router(RouterId),
}

/// The warnings that there are now.
///
/// Each is known by its scope and name. It is one line in the log when it appears. Warnings of one
/// name that appear together are one line, and a name that comes and goes has one line for each
/// [`QUIET`].
pub(super) struct Warnings {
    current: BTreeMap<(WarningScope, &'static str), Warning>,
    topics: BTreeMap<&'static str, Topic>,
    /// The warnings of an earlier engine, and since when. They keep their time if this engine
    /// raises them again soon.
    earlier: BTreeMap<(WarningScope, String), Instant>,
    earlier_until: Instant,
    changed: bool,
}

#[derive(Debug)]
struct Warning {
    since: Instant,
    text: String,
}

/// The lines of the log about the warnings of one name.
#[derive(Debug, Default)]
struct Topic {
    unlogged: BTreeSet<WarningScope>,
    is_logged: bool,
    /// How many have come and gone without a line.
    suppressed: u64,
    quiet_until: Instant,
}

/// A line of the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum WarningLine {
    /// A warning has appeared, and so have so many others of its name.
    Began { scope: WarningScope, others: usize, line: String },
    /// There is no warning of this name any more.
    Ended(&'static str),
}

impl Warnings {
    /// Begins with none. Those that an earlier engine left on the board keep their time, and are
    /// not logged again.
    pub(super) fn new(board: &Board, now: Instant) -> Self {
        let earlier = board.warnings().filter_map(|slot| {
            let place = usize::try_from(slot.instance).unwrap_or(usize::MAX);
            let is_node = slot.instance == NODE;
            let scope =
                if is_node { WarningScope::Node } else { WarningScope::Router(RouterId(place)) };
            Some(((scope, untext(&slot.name)), Instant::from_board(&slot.since_ms)?.min(now)))
        });
        Self {
            current: BTreeMap::new(),
            topics: BTreeMap::new(),
            earlier: earlier.collect(),
            earlier_until: now + REDISCOVERY,
            changed: true,
        }
    }

    /// Raises a warning, or gives it another text; `None` clears it.
    pub(super) fn set(
        &mut self,
        scope: WarningScope,
        name: &'static str,
        text: Option<String>,
        now: Instant,
    ) {
        let Some(text) = text else { return self.clear(scope, name) };
        if let Some(warning) = self.current.get_mut(&(scope, name)) {
            self.changed |= warning.text != text;
            warning.text = text;
            return;
        }
        let earlier = self.earlier.remove(&(scope, name.to_owned()));
        let earlier = earlier.filter(|_| now < self.earlier_until);
        self.current.insert((scope, name), Warning { since: earlier.unwrap_or(now), text });
        let topic = self.topics.entry(name).or_default();
        if earlier.is_some() {
            topic.is_logged = true;
        } else {
            topic.unlogged.insert(scope);
        }
        self.changed = true;
    }

    fn clear(&mut self, scope: WarningScope, name: &'static str) {
        if self.current.remove(&(scope, name)).is_none() {
            return;
        }
        self.changed = true;
        let topic = self.topics.entry(name).or_default();
        topic.suppressed += u64::from(topic.unlogged.remove(&scope));
    }

    /// Raises the warnings about a virtual router.
    pub(super) fn look_at(
        &mut self,
        router: RouterId,
        snapshot: &Snapshot<'_>,
        view: &View,
        now: Instant,
    ) {
        let contested = view.contested(router).and_then(|(first, others)| {
            let mut all = snapshot.addresses.iter().chain(snapshot.addresses_excluded);
            Some(accusation(all.nth(first)?, others, snapshot.link))
        });
        let in_vain = snapshot.warning.as_ref().map(report::problem);
        let interrupted = snapshot.interruption.as_ref().map(|what| {
            format!(
                "{what}: this node keeps its addresses as long as no peer can have taken over. If \
                 that happens often, look for the cause on the host or the switch"
            )
        });
        let conflict = snapshot.conflict.as_ref().map(report::problem);
        let discarded = snapshot.discarded_peer.map(|(source, why)| {
            format!(
                "what {source} advertises for this virtual router is discarded: {why}. Each takes \
                 the other for dead, and both may be active: configure them alike"
            )
        });
        let awaited = snapshot.awaited.map(|(member, active)| {
            let active = active.map_or(String::new(), |it| format!(", where {it} is active"));
            format!(
                "no router is active, and this one waits for {member} of its sync group{active}: \
                 members become active together. Look whether the nodes hear each other on every \
                 interface of the group, and have the same groups"
            )
        });
        let unheeded = snapshot.unheeded_by.map(|source| {
            let then = match snapshot.state {
                State::Active => "both answer hosts, and soon the addresses are left to it",
                State::Initialize | State::Backup | State::Fault => {
                    "the addresses are left to it, and now and then it is tried whether it does"
                }
            };
            format!(
                "{source} stays active although this node outranks it: it does not hear this node; \
                 {then}. Look there for a firewall on input that drops IP protocol 112, and at the \
                 switch"
            )
        });
        // The owner's addresses are those of its host.
        let foreign = view.foreign(router).filter(|_| !snapshot.priority.is_owner());
        let foreign = foreign.map(|(first, others)| first.complaint(others));
        let prefix = view.prefix_problem(router).map(str::to_owned);
        let scope = WarningScope::Router(router);
        self.set(scope, WARNING_PREFIX, prefix, now);
        self.set(scope, WARNING_INTERRUPTED, interrupted, now);
        self.set(scope, WARNING_UNHEEDED, unheeded, now);
        self.set(scope, WARNING_FOREIGN, foreign, now);
        self.set(scope, WARNING_VRID_CONFLICT, conflict, now);
        self.set(scope, WARNING_DISCARDED, discarded, now);
        self.set(scope, WARNING_AWAITED, awaited, now);
        self.set(scope, WARNING_CONTESTED, contested, now);
        self.set(scope, WARNING_IN_VAIN, in_vain, now);
    }

    /// Raises the warnings about the host.
    pub(super) fn look_at_host(&mut self, view: &View, now: Instant) {
        let names = [
            (HostFinding::CannotAnnounce, WARNING_CANNOT_ANNOUNCE),
            (HostFinding::SettingRefused, WARNING_SETTING_REFUSED),
            (HostFinding::ReversePath, WARNING_REVERSE_PATH),
            (HostFinding::OtherSpeaker, WARNING_OTHER_VRRP),
        ];
        for (finding, name) in names {
            self.set(WarningScope::Node, name, view.finding(finding).cloned(), now);
        }
    }

    /// Returns the lines to log now.
    pub(super) fn lines(&mut self, now: Instant) -> Vec<WarningLine> {
        let Self { current, topics, .. } = self;
        let mut lines = Vec::new();
        for (&name, topic) in topics.iter_mut().filter(|(_, topic)| topic.quiet_until <= now) {
            let others = topic.unlogged.len().saturating_sub(1);
            let first = mem::take(&mut topic.unlogged).pop_first();
            let warning = first.and_then(|scope| Some((scope, current.get(&(scope, name))?)));
            if let Some((scope, warning)) = warning {
                let line = topic.line(name, &warning.text);
                lines.push(WarningLine::Began { scope, others, line });
                (topic.is_logged, topic.quiet_until) = (true, now + QUIET);
            } else if topic.is_logged && !current.keys().any(|(_, known)| *known == name) {
                topic.is_logged = false;
                lines.push(WarningLine::Ended(name));
            }
        }
        lines
    }

    /// Returns all of them, those of the node first: what each is about, its name and its text.
    pub(super) fn all(&self) -> impl Iterator<Item = (WarningScope, &'static str, &str)> {
        self.current.iter().map(|((scope, name), it)| (*scope, *name, it.text.as_str()))
    }

    /// Shows the warnings on the board if they have changed.
    pub(super) fn show(&mut self, board: &mut Board) {
        if mem::take(&mut self.changed) {
            board.publish_warnings(self.slots());
        }
    }

    /// Returns the slots of the board: as many as there are, the node's first.
    fn slots(&self) -> impl Iterator<Item = WarningSlot> {
        let left_out = self.current.len().saturating_sub(WARNINGS);
        let all = self.current.iter().map(|((scope, name), it)| slot(*scope, name, it));
        let shown = if left_out > 0 { WARNINGS - 1 } else { WARNINGS };
        let more = (left_out > 0).then(|| {
            let text = format!(
                "{} more warnings than the status has room for: mend those shown first",
                left_out + 1
            );
            let since = self.current.values().map(|warning| warning.since).max();
            let warning = Warning { since: since.unwrap_or_default(), text };
            slot(WarningScope::Node, WARNING_MORE, &warning)
        });
        more.into_iter().chain(all.take(shown))
    }
}

impl WarningLine {
    /// Writes it into the log.
    pub(super) fn log(&self, node: &Node) {
        match self {
            Self::Began { scope: WarningScope::Node, line, .. } => tracing::warn!("{line}"),
            Self::Began { scope: WarningScope::Router(router), others: 0, line } => {
                tracing::warn!("{}: {line}", report::subject(node, *router));
            }
            Self::Began { scope: WarningScope::Router(router), others, line } => {
                tracing::warn!("{} and {others} others: {line}", report::subject(node, *router));
            }
            Self::Ended(name) => tracing::info!("{name}: no longer the case"),
        }
    }
}

impl Topic {
    fn line(&mut self, name: &str, text: &str) -> String {
        match mem::take(&mut self.suppressed) {
            0 => format!("{name}: {text}"),
            more => format!("{name}: {text} ({more} more like this have come and gone)"),
        }
    }
}

fn slot(scope: WarningScope, name: &str, warning: &Warning) -> WarningSlot {
    let instance = match scope {
        WarningScope::Node => NODE,
        WarningScope::Router(RouterId(place)) => u32::try_from(place).unwrap_or(NODE),
    };
    WarningSlot {
        since_ms: warning.since.to_board(),
        instance,
        name: text(name),
        text: text(&warning.text),
        ..WarningSlot::EMPTY
    }
}

/// The kernel refuses to send advertisements, for so long that peers take the router for dead.
pub(super) const WARNING_CANNOT_SEND: &str = "cannot_send";
/// The kernel refuses to send advertisements to a peer, and sends them to others.
pub(super) const WARNING_UNREACHABLE: &str = "peer_unreachable";
/// The kernel does not add or remove an address.
pub(super) const WARNING_REFUSED: &str = "address_refused";
/// The thread `vrrp-net` stands still.
pub(super) const WARNING_NET_STALLED: &str = "vrrp_net_stalled";
/// The links and addresses of this host cannot be read.
pub(super) const WARNING_UNREADABLE: &str = "kernel_unreadable";
/// There is no guard: if all of nginx is killed, no process resigns and removes the addresses.
pub(super) const WARNING_NO_GUARD: &str = "no_guard";
/// Addresses cannot be announced on a link.
pub(super) const WARNING_CANNOT_ANNOUNCE: &str = "cannot_announce";
/// A setting under `/proc/sys` cannot be written.
pub(super) const WARNING_SETTING_REFUSED: &str = "sysctl_not_set";
/// The kernel may drop what peers send to a link.
pub(super) const WARNING_REVERSE_PATH: &str = "rp_filter_in_the_way";
/// Another program of this host speaks VRRP.
pub(super) const WARNING_OTHER_VRRP: &str = "other_vrrp";
/// This host drops what a peer sends.
pub(super) const WARNING_PEER_DROPPED: &str = "peer_dropped_here";
/// Another router advertises with settings that this node does not accept.
pub(super) const WARNING_PEER_OTHERWISE: &str = "peer_speaks_otherwise";
/// A router is Active beside this one, which outranks it.
pub(super) const WARNING_UNHEEDED: &str = "peer_does_not_hear_us";
/// Advertisements of peers cannot be received on a link.
pub(super) const WARNING_CANNOT_LISTEN: &str = "cannot_listen";
/// Another program has added a virtual address on this host.
pub(super) const WARNING_FOREIGN: &str = "address_is_foreign";
/// A virtual address does not have the prefix of its network.
pub(super) const WARNING_PREFIX: &str = "prefix_differs";
/// Another program of this host keeps removing an address.
pub(super) const WARNING_CONTESTED: &str = "address_contested";
/// A weight has lowered the priority of the active router, and no peer has taken over.
pub(super) const WARNING_IN_VAIN: &str = "weight_in_vain";
/// The link or the primary address of the active router is gone, but not for long yet.
pub(super) const WARNING_INTERRUPTED: &str = "link_interrupted";
/// A peer sends what this node discards.
pub(super) const WARNING_DISCARDED: &str = "peer_discarded";
/// A router would be Active, but another one of its sync group is not ready.
pub(super) const WARNING_AWAITED: &str = "sync_group_waits";
/// Another router on the link uses the VRID for other addresses.
pub(super) const WARNING_VRID_CONFLICT: &str = "vrid_conflict";
/// Another engine of this host has a virtual router, and does not come to the door of this one.
pub(super) const WARNING_ALREADY_HERE: &str = "already_here";
/// Engines of this host cannot hand over: there is no directory where they could meet.
pub(super) const WARNING_NO_PLACE: &str = "no_place_to_meet";
/// A process that is no engine has a socket as engines have.
pub(super) const WARNING_STRANGER: &str = "strange_neighbour";
/// The kernel lacks what the engine has to do without.
pub(super) const WARNING_OLD_KERNEL: &str = "old_kernel";
/// There are more warnings than the board has room for.
pub(super) const WARNING_MORE: &str = "warnings_left_out";

/// How long a name is not logged again.
const QUIET: Duration = Duration::from_secs(10);
/// How long an engine may need to raise the warnings of its predecessor again.
const REDISCOVERY: Duration = Duration::from_secs(60);
