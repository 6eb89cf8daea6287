//! The state of a virtual router for the status, at one moment.

use std::borrow::Cow;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::event::{Problem, Transition};
use super::history::{History, ReasonCounters};
use super::receive::{Discard, ReceiveCounters};
use super::state::{Reason, State};
use crate::types::{
    Centiseconds, ChecksumForm, Family, Instant, LinkName, Priority, Version, VirtualAddress, Vrid,
};

/// The state of one virtual router.
#[derive(Clone, Debug)]
pub struct Snapshot<'a> {
    /// Name of the instance.
    pub name: &'a str,
    /// The interface it runs on.
    pub link: &'a LinkName,
    /// Protocol version.
    pub version: Version,
    /// The family of its advertisements.
    pub family: Family,
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// The state.
    pub state: State,
    /// When the state was entered; `None` until the first transition.
    pub since: Option<Instant>,
    /// Why the state was entered; `None` until the first transition.
    pub reason: Option<Reason>,
    /// What is wrong, while the state is [`State::Fault`].
    pub fault: Option<Cow<'a, str>>,
    /// What is gone, while the router is Active all the same: for so short a time that no peer can
    /// have taken over.
    pub interruption: Option<Cow<'a, str>>,
    /// A problem that does not hold the router in Fault.
    pub warning: Option<Problem>,
    /// Another router uses the VRID for other addresses.
    pub conflict: Option<Problem>,
    /// The peer whose advertisements are discarded all the time, and why.
    pub discarded_peer: Option<(IpAddr, Discard)>,
    /// The router that has been Active beside this one for so long that it cannot hear this one.
    pub unheeded_by: Option<IpAddr>,
    /// The sync group that it is a member of.
    pub sync_group: Option<&'a str>,
    /// The member of that group for which this router has been waiting for too long, and who is
    /// Active there.
    pub awaited: Option<(&'a str, Option<IpAddr>)>,
    /// Transitions since the node was made, those of its predecessors included.
    pub transitions: u64,
    /// Configured priority.
    pub priority: Priority,
    /// Priority in use: the configured one unless tracking changed it.
    pub effective_priority: Priority,
    /// Whether a router of higher priority takes over from a living one.
    pub preempt: bool,
    /// Time between two of our own advertisements while Active.
    pub adver_interval: Centiseconds,
    /// `Active_Down_Interval` as it is now: by the interval of the Active router while Backup, else
    /// by ours.
    pub active_down_interval: Duration,
    /// `Active_Down_Interval` of a peer of the lowest priority: after so long a silence of ours,
    /// each peer has taken this router for dead.
    pub longest_down_interval: Duration,
    /// Who is Active, as far as this router knows.
    pub active: Option<ActiveRouter>,
    /// Who was Active when this router last became it, as far as it knew.
    pub replaced: Option<IpAddr>,
    /// The peers that it speaks to one by one; none if it speaks to the group.
    pub peers: &'a [PeerRouter],
    /// The checksum form of our next advertisement.
    pub checksum: ChecksumForm,
    /// Addresses carried in advertisements.
    pub addresses: &'a [VirtualAddress],
    /// Addresses that move with the others but are not carried in advertisements.
    pub addresses_excluded: &'a [VirtualAddress],
    /// Everything counted for this router.
    pub counters: &'a Counters,
    /// The counters of its link for datagrams of no router.
    pub unattributed: &'a ReceiveCounters,
    pub(super) history: &'a History,
}

impl<'a> Snapshot<'a> {
    /// Returns the last transitions, oldest first: at most
    /// [`HISTORY_LENGTH`](super::HISTORY_LENGTH).
    #[must_use]
    pub fn history(&self) -> impl ExactSizeIterator<Item = &'a Transition> + use<'a> {
        self.history.iter()
    }

    /// Returns how many datagrams were discarded for a reason: those for this router, and those on
    /// its link that were for no router of this node.
    #[must_use]
    pub fn discarded(&self, discard: Discard) -> u64 {
        self.counters.received.discarded(discard) + self.unattributed.discarded(discard)
    }
}

/// The Active router of a virtual router.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct ActiveRouter {
    /// The address it sends from.
    pub address: IpAddr,
    /// The priority it advertises.
    pub priority: Priority,
    /// Whether it is this node.
    pub is_self: bool,
    /// When it was last heard; `None` if it is this node.
    pub last_heard: Option<Instant>,
}

/// A router that is spoken to by its address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct PeerRouter {
    /// Its address.
    pub address: IpAddr,
    /// When an advertisement of it last counted; one that is not Active sends none.
    pub last_heard: Option<Instant>,
}

/// The counters of one virtual router (RFC 8347 `statistics`). Nothing resets them.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Counters {
    /// Advertisements that the kernel took, those of priority 0 included.
    pub advertisements_sent: u64,
    /// Of these: with priority 0.
    pub priority_zero_sent: u64,
    /// The counters of received datagrams.
    pub received: ReceiveCounters,
    /// Of these: advertisements of another Active router, heard while this one was Active.
    pub rivals: u64,
    /// How often it became Active.
    pub became_active: ReasonCounters,
    /// How often it was Active no longer.
    pub left_active: ReasonCounters,
}
