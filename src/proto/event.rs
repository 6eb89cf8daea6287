//! The inputs and outputs of the core.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lenient::known_or_default;
use super::receive::Discard;
use super::state::{Reason, State};
use crate::types::{Families, Family, Instant, NoLinkLocal, Priority, Sources};
use crate::wire::ip::{Datagram, Malformed};

/// A virtual router of this node: its place in the configuration.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct RouterId(pub usize);

/// An interface of this node: its place in [`Node::links`](super::Node::links).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct LinkId(pub usize);

/// An input of the core.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// The node starts: no virtual router leaves Initialize before this, or before
    /// [`Node::inherit`](super::Node::inherit).
    Startup,
    /// A datagram was received on a link.
    Datagram {
        /// The link it arrived on.
        link: LinkId,
        /// The datagram, or why it could not be parsed: that is counted, too.
        received: Result<Datagram<'a>, Malformed>,
    },
    /// The facts about a link changed.
    Link {
        /// The link.
        link: LinkId,
        /// All facts about it.
        facts: LinkFacts,
    },
    /// nginx began or ceased to serve.
    Health(Health),
    /// The effective priority of one virtual router changed (tracking, checks).
    Priority {
        /// The virtual router.
        router: RouterId,
        /// The priority to use from now on, 1–254; an owner ignores it.
        priority: Priority,
    },
    /// An interface that one virtual router depends on besides its own failed, or works again.
    Tracked {
        /// The virtual router.
        router: RouterId,
        /// The problem: `interface eth1 is down`.
        down: Option<&'a str>,
    },
    /// The addresses of one virtual router became unavailable on this host, or available again.
    Addresses {
        /// The virtual router.
        router: RouterId,
        /// Why not: `cannot add 192.0.2.1/24 to eth0: not permitted`.
        trouble: Option<&'a str>,
    },
    /// One virtual router may not get its addresses: it preempts no living router before a moment,
    /// or until the node was drained and is drained no longer.
    Tolerate {
        /// The virtual router.
        router: RouterId,
        /// Until when.
        until: Instant,
    },
    /// Whether addresses that are [claimed](Action::Claim) now have to wait for the kernel. No
    /// router takes over as long as that is so; nothing changes for an Active one.
    CannotClaim(bool),
    /// Which of the addresses that one virtual router speaks from and to this host has itself: the
    /// source and the peers of its configuration. To be told of each router that has peers.
    OwnAddresses {
        /// The virtual router.
        router: RouterId,
        /// Those that this host has, in any order.
        addresses: &'a [IpAddr],
    },
    /// This host drops what peers send to one virtual router, and an Active one of them outranks
    /// it; or that has ended.
    Deaf {
        /// The virtual router.
        router: RouterId,
        /// The problem: `192.0.2.7 is active, and this host drops …`.
        why: Option<&'a str>,
    },
    /// The result of an [`Action::Advertise`].
    Sent {
        /// The virtual router.
        router: RouterId,
        /// The priority of the advertisement.
        priority: Priority,
        /// Whether the kernel took it.
        outcome: SendOutcome,
    },
    /// The result of a test advertisement, which reaches no host, of a router that
    /// [yields](super::Node::yields_as_mute).
    Tried {
        /// The virtual router.
        router: RouterId,
        /// Whether the kernel took it.
        outcome: SendOutcome,
    },
    /// Another engine of this host has one virtual router (`true`), or has it no more (`false`).
    AlreadyHere {
        /// The virtual router.
        router: RouterId,
        /// Whether another engine has it.
        is_so: bool,
    },
    /// An operator drains the node (`true`), or lets it take part again (`false`).
    ///
    /// An Active router resigns, but answers for the addresses until another router is Active.
    Drain(bool),
    /// The host did not run for a while: advertisements of peers may be lost. Comes before the next
    /// datagram.
    Slept {
        /// When the node was last awake.
        since: Instant,
        /// How much later than intended it woke.
        late: Duration,
        /// How long the machine was suspended: `CLOCK_MONOTONIC` stood still meanwhile.
        suspended: Duration,
    },
    /// The guard has withdrawn the routers, because the node was silent for too long. It runs
    /// again.
    Withdrawn,
    /// The node stops for good, with grace as when it is drained.
    Leave,
    /// The node stops: resign, release, stay in Initialize.
    Shutdown,
}

/// What the core must know about a link.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LinkFacts {
    /// Whether frames can pass.
    pub carrier: LinkCarrier,
    /// The families of which nothing can be received although frames can pass.
    pub deaf_to: Families,
    /// The addresses to send from.
    pub sources: Sources,
    /// Why there is none of IPv6; `None` if there is, or if it is not known.
    pub no_link_local: Option<NoLinkLocal>,
}

impl LinkFacts {
    /// Returns the facts of a link on which all families can be received.
    #[must_use]
    pub const fn new(carrier: LinkCarrier, sources: Sources) -> Self {
        Self { carrier, deaf_to: Families::NONE, sources, no_link_local: None }
    }

    /// Tells whether datagrams of a family can pass.
    #[must_use]
    pub fn carrier_for(&self, family: Family) -> LinkCarrier {
        let is_deaf = self.carrier == LinkCarrier::Up && self.deaf_to.has(family);
        if is_deaf { LinkCarrier::Deaf } else { self.carrier }
    }
}

/// Whether frames can pass a link, the worst first.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum LinkCarrier {
    /// There is no interface of that name.
    Missing,
    /// It is switched off, or its cable has no signal.
    Down,
    /// It is up and has a signal, but nothing can be received from it.
    Deaf,
    /// It is up and has a signal.
    Up,
}

/// The result of sending an advertisement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum SendOutcome {
    /// The kernel took it.
    Sent,
    /// The kernel refused it.
    Refused,
}

/// Whether this nginx serves.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Health {
    /// Not known yet: routers stay in Initialize without being in fault.
    Unknown,
    /// It serves.
    Serving,
    /// It does not, with the reason: `2 of 2 workers silent for 2000 ms`.
    Failing(String),
}

/// An output of the core. Carry them out in the order given.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Send one advertisement now, or drop and count it: an advertisement is never queued.
    Advertise {
        /// The virtual router.
        router: RouterId,
        /// The priority to put on the wire; 0 resigns.
        priority: Priority,
    },
    /// Add the addresses of the router to this host, then announce them.
    Claim(RouterId),
    /// Remove the addresses of the router from this host.
    Release(RouterId),
    /// Announce the addresses again: hosts may have learned another router.
    Announce(RouterId),
    /// Another host has the addresses of the router now. Until then (or until they are claimed or
    /// released) this host may keep them for open connections, but does not answer ARP for them.
    Yield {
        /// The virtual router.
        router: RouterId,
        /// When they have to be removed.
        until: Instant,
    },
    /// The addresses that are [claimed](Self::Claim) next come from a host that keeps its open
    /// connections: relay their segments to it.
    Relay {
        /// The virtual router.
        router: RouterId,
        /// The address that host sends from.
        to: IpAddr,
        /// When the relay ends.
        until: Instant,
    },
    /// A router changed state.
    Transition(Transition),
    /// A report for the operator. Already rate limited.
    Report(Report),
}

/// A change of state.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Transition {
    /// The virtual router.
    pub router: RouterId,
    /// When.
    pub at: Instant,
    /// From which state.
    pub from: State,
    /// To which state.
    pub to: State,
    /// Why.
    pub reason: Reason,
}

/// A [`Transition`] without the place of its router, which another node may have elsewhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct PastTransition {
    /// When.
    pub at: Instant,
    /// From which state.
    #[serde(deserialize_with = "known_or_default")]
    pub from: State,
    /// To which state.
    #[serde(deserialize_with = "known_or_default")]
    pub to: State,
    /// Why.
    pub reason: Reason,
}

impl From<&Transition> for PastTransition {
    fn from(transition: &Transition) -> Self {
        let &Transition { router: _, at, from, to, reason } = transition;
        Self { at, from, to, reason }
    }
}

/// A report for the operator.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Report {
    /// The link it happened on.
    pub link: LinkId,
    /// The virtual router, if one is concerned.
    pub router: Option<RouterId>,
    /// The sender, if it could be read.
    pub source: Option<IpAddr>,
    /// The problem.
    pub problem: Problem,
    /// How many reports of the same kind were suppressed since the last one.
    pub suppressed: u64,
}

/// What a [`Report`] is about.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Problem {
    /// A datagram was discarded.
    Discarded(Discard),
    /// A peer advertises another interval than ours; version 3 follows it while Backup.
    IntervalDiffers {
        /// What the peer advertised, in milliseconds.
        theirs_ms: u32,
        /// What is configured here, in milliseconds.
        ours_ms: u32,
    },
    /// A peer advertises other addresses than ours.
    AddressesDiffer,
    /// A peer advertises our addresses, but not the link-local one first.
    AddressesDisordered,
    /// Another router claims to own the addresses that are ours.
    DuplicateOwner,
    /// Another router is Active beside this one.
    AnotherActive {
        /// Its priority.
        priority: Priority,
    },
    /// Another virtual router uses our VRID on our link.
    VridConflict {
        /// Who advertises it.
        source: IpAddr,
        /// The first of its addresses.
        address: IpAddr,
        /// Whether the one of lower rank yields all the same, as both have one hardware address.
        one_yields: bool,
    },
    /// A weight has lowered the priority of an Active router, but no peer has taken over.
    WeightInVain {
        /// The priority as configured.
        configured: Priority,
        /// The priority in use.
        lowered: Priority,
    },
}

impl Problem {
    /// Tells whether the problem is shown for as long as it lasts, in
    /// [`Snapshot::warning`](super::Snapshot::warning).
    #[must_use]
    pub fn lasts(&self) -> bool {
        matches!(self, Self::WeightInVain { .. } | Self::VridConflict { .. })
    }
}
