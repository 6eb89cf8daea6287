//! What the doctor has seen of the virtual routers: of each kind the first one, and how many more.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Finding;
use crate::proto::{ActiveRouter, Discard, Reason, Snapshot, State, linger};
use crate::types::Instant;

/// The routers that were looked at in an examination.
#[derive(Debug)]
pub(super) struct RouterTally {
    states: BTreeMap<&'static str, usize>,
    faults: Noted,
    /// Have heard a peer.
    hearing: Noted,
    /// Active, and have never heard a peer.
    alone: Noted,
    /// Hear a peer of their own priority.
    equal: Noted,
    /// Discard what a peer of another version sends.
    of_other_version: Noted,
    pub(super) longest_linger: Duration,
    pub(super) shortest_interval: Duration,
}

/// What is to be said of the first router of a kind, and how many others are of that kind.
#[derive(Debug, Default)]
struct Noted {
    first: Option<String>,
    others: usize,
}

impl Default for RouterTally {
    fn default() -> Self {
        Self {
            states: BTreeMap::new(),
            faults: Noted::default(),
            hearing: Noted::default(),
            alone: Noted::default(),
            equal: Noted::default(),
            of_other_version: Noted::default(),
            longest_linger: Duration::ZERO,
            shortest_interval: Duration::MAX,
        }
    }
}

impl RouterTally {
    pub(super) fn look_at(&mut self, snapshot: &Snapshot<'_>, now: Instant) {
        let interval = snapshot.adver_interval;
        self.longest_linger = self.longest_linger.max(linger(interval));
        self.shortest_interval = self.shortest_interval.min(interval.duration());
        *self.states.entry(snapshot.state.name()).or_default() += 1;
        if snapshot.state == State::Fault {
            self.faults.note(|| fault(snapshot));
        }
        if let Some((source, Discard::Version)) = snapshot.discarded_peer {
            self.of_other_version.note(|| {
                format!(
                    "{}: {source} does not speak version {}, as this node does, and each takes \
                     the other for dead. Set version to the same number on both (keepalived: \
                     vrrp_version)",
                    snapshot.name,
                    snapshot.version.number(),
                )
            });
        }
        match snapshot.active {
            Some(ActiveRouter { is_self: true, .. }) => self.look_at_active(snapshot),
            Some(active) => self.look_at_backup(snapshot, &active, now),
            None => {}
        }
    }

    fn look_at_active(&mut self, snapshot: &Snapshot<'_>) {
        let (name, link) = (snapshot.name, snapshot.link);
        match snapshot.counters.received.accepted {
            0 => self.alone.note(|| {
                format!(
                    "{name}: this node is active, and has never heard a peer. Only an active \
                     router speaks, so whether this node is heard is for the doctor of the other \
                     one to say. If that one is active, too, a firewall or the switch drops IP \
                     protocol 112: tcpdump -ni {link} proto 112 on both"
                )
            }),
            count => self
                .hearing
                .note(|| format!("{name}: {count} advertisements of peers have arrived")),
        }
    }

    fn look_at_backup(&mut self, snapshot: &Snapshot<'_>, active: &ActiveRouter, now: Instant) {
        let (name, ActiveRouter { address, priority, .. }) = (snapshot.name, active);
        if let Some(heard) = active.last_heard {
            let ago_ms = now.since(heard).as_millis();
            self.hearing.note(|| format!("{name}: {address} was heard {ago_ms} ms ago"));
        }
        if *priority == snapshot.effective_priority {
            self.equal.note(|| {
                format!(
                    "{name}: {address} has priority {priority}, too: the higher address decides, \
                     and two backups may take over at once. Give each node a priority of its own"
                )
            });
        }
    }

    /// Returns what was found.
    pub(super) fn findings(&self, is_draining: bool) -> Vec<Finding> {
        vec![self.state(is_draining), self.peers(), self.priorities(), self.versions()]
    }

    fn state(&self, is_draining: bool) -> Finding {
        const TEST: &str = "state";
        if let Some(faults) = self.faults.text() {
            return Finding::fault(TEST, faults);
        }
        if is_draining {
            let text = "the node is drained: it takes no address before resty-vrrp undrain";
            return Finding::warning(TEST, text);
        }
        let counts = self.states.iter().map(|(state, count)| format!("{count} {state}"));
        Finding::ok(TEST, format!("instances: {}", counts.collect::<Vec<_>>().join(", ")))
    }

    fn peers(&self) -> Finding {
        const TEST: &str = "peers";
        match (self.alone.text(), self.hearing.text()) {
            (Some(alone), _) => Finding::warning(TEST, alone),
            (None, Some(hearing)) => Finding::ok(TEST, hearing),
            (None, None) => Finding::ok(TEST, "no instance has had to hear a peer yet"),
        }
    }

    fn priorities(&self) -> Finding {
        const TEST: &str = "priorities";
        let well = "no active router that is heard has the priority of this node (a backup is \
                    never heard)";
        self.equal
            .text()
            .map_or_else(|| Finding::ok(TEST, well), |equal| Finding::warning(TEST, equal))
    }

    fn versions(&self) -> Finding {
        const TEST: &str = "versions";
        let well = "no peer that is heard speaks another version of VRRP";
        self.of_other_version
            .text()
            .map_or_else(|| Finding::ok(TEST, well), |other| Finding::warning(TEST, other))
    }
}

impl Noted {
    fn note(&mut self, text: impl FnOnce() -> String) {
        match self.first {
            Some(_) => self.others += 1,
            None => self.first = Some(text()),
        }
    }

    fn text(&self) -> Option<String> {
        let first = self.first.as_ref()?;
        Some(match self.others {
            0 => first.clone(),
            others => format!("{first} ({others} more instances are like this)"),
        })
    }
}

fn fault(snapshot: &Snapshot<'_>) -> String {
    let reason = snapshot.reason.map(|it| format!(" ({it})")).unwrap_or_default();
    let what = snapshot.fault.as_deref().map(|it| format!(": {it}")).unwrap_or_default();
    let help = snapshot.reason.map_or(OTHERWISE, remedy);
    format!("{}: fault{reason}{what}. {help}", snapshot.name)
}

/// Returns what to do about a fault.
const fn remedy(reason: Reason) -> &'static str {
    match reason {
        Reason::LinkMissing => "Compare the option interface with ip link",
        Reason::LinkDown => "Look at the cable and the port of the switch, and at ip -s link",
        Reason::NoPrimaryAddress => {
            "Look at ip address, and at what configures the network of this host"
        }
        Reason::OwnPeer => "Take the address out of peers, or off this host",
        Reason::SyncGroup => "Look at the other instances of its sync group: it follows them",
        Reason::TrackedLinkDown => {
            "The checks in the status show which interface: look at its cable and its port"
        }
        Reason::AddressesUnavailable => "See addresses below for the kernel's answer",
        Reason::CannotListen => "See sockets and firewall below",
        Reason::CannotSend => {
            "Allow IP protocol 112 in the chain output: nft list ruleset, iptables -S OUTPUT"
        }
        Reason::Unheeded => {
            "Look at that peer for a firewall on input, and at the switch: tcpdump -n proto 112"
        }
        Reason::AlreadyHere => "Stop one of the two engines, or give both the same run_dir",
        Reason::Unhealthy => "The checks in the status show what fails, the error log says why",
        Reason::Startup
        | Reason::Owner
        | Reason::NoResponse
        | Reason::Resigned
        | Reason::Preempted
        | Reason::HigherPriority
        | Reason::Shutdown
        | Reason::Overslept
        | Reason::Drained
        | Reason::LastOneStanding => OTHERWISE,
    }
}

const OTHERWISE: &str = "resty-vrrp log says more";
