//! The state that a node hands to its successor.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::event::PastTransition;
use super::lenient::known_or_default;
use super::phase::{Deference, Phase};
use super::receive::ReceiveCounters;
use super::snapshot::{Counters, PeerRouter};
use crate::config::MAX_INSTANCES;
use crate::types::{
    Centiseconds, ChecksumForm, Family, HeldAddress, Instant, KnownLink, LinkName, Priority, Vrid,
};

/// The state of a whole node.
///
/// Moments are of `CLOCK_MONOTONIC`, so it means something on the same host until that is switched
/// off.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Bequests {
    /// [`Bequests::VERSION`] of its writer; no other one is accepted.
    pub version: u32,
    /// Until when the node heard what it was sent, and kept its deadlines.
    pub at: Instant,
    /// From when on peers may have the addresses, because the guard may have withdrawn the routers;
    /// `None` if it cannot have.
    #[serde(default)]
    pub withdrawn_at: Option<Instant>,
    /// Whether an operator drains the node.
    pub draining: bool,
    /// Whether nginx served on that side: this counts while it is not known yet on ours.
    #[serde(default)]
    pub serving: bool,
    /// The virtual routers.
    pub routers: Vec<Bequest>,
    /// What arrived on each link for no router of the node.
    pub unattributed: Vec<(LinkName, ReceiveCounters)>,
    /// Transitions that were not yet delivered as events.
    #[serde(default, rename = "untold")]
    pub undelivered: UndeliveredEvents,
    /// What the process around the node has put on links and not removed. The node cannot know.
    #[serde(default)]
    pub addresses: Vec<HeldAddress>,
    /// What the process around the node knows of its links: a successor that may wait for the
    /// kernel begins with it. Empty where an earlier version wrote it.
    #[serde(default)]
    pub links: Vec<KnownLink>,
    /// The last lines of the log of that engine: when, nginx's number for the level, and the text.
    #[serde(default)]
    pub lines: Vec<(Instant, u8, String)>,
}

/// Transitions of the node that were not yet delivered as events.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct UndeliveredEvents {
    /// The number of the last transition.
    pub last: u64,
    /// The number of the last one that was delivered.
    #[serde(rename = "told")]
    pub delivered: u64,
    /// Whether the process may deliver more before it ends.
    pub open: bool,
    /// The transitions between, as far as they are known: number, name of the router, transition.
    pub waiting: Vec<(u64, String, PastTransition)>,
}

impl Bequests {
    /// The version of this form. Fields may be added to it, none may change its meaning.
    pub const VERSION: u32 = 1;

    /// Tells whether any router took part in the election.
    #[must_use]
    pub fn has_running_routers(&self) -> bool {
        self.routers.iter().any(|router| router.phase.is_running())
    }

    /// Refuses a state that no node can have written.
    pub(super) fn check(&self, now: Instant) -> Result<(), BequestError> {
        if self.version != Self::VERSION {
            return Err(BequestError::Version(self.version));
        }
        if self.routers.len() > MAX_INSTANCES {
            return Err(BequestError::TooMany(self.routers.len()));
        }
        let mut keys = BTreeSet::new();
        let twice = self.routers.iter().find(|bequest| !keys.insert(&bequest.key));
        if let Some(twice) = twice {
            return Err(BequestError::Twice(twice.key.clone()));
        }
        let past = |bequest: &Bequest| bequest.history.iter().all(|it| it.at <= now);
        if self.at > now || !self.routers.iter().all(past) {
            return Err(BequestError::FromTheFuture);
        }
        Ok(())
    }
}

/// The state of one virtual router.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Bequest {
    /// Which router it is, whatever its name or place in the configuration.
    pub key: RouterKey,
    /// Its state with the deadlines.
    #[serde(deserialize_with = "known_or_default")]
    pub phase: Phase,
    /// Its configured priority.
    pub priority: Priority,
    /// The priority in use: the configured one unless tracking changed it.
    pub effective_priority: Priority,
    /// Of a member of a sync group, the priority that weights leave to it alone.
    #[serde(default)]
    pub own_priority: Option<Priority>,
    /// What came of a priority lower than configured.
    #[serde(default)]
    pub lowering: Option<Lowering>,
    /// A router that is Active beside it.
    #[serde(default)]
    pub rival: Option<Rival>,
    /// The router to which it left the addresses last because that one did not hear it.
    #[serde(default)]
    pub deferred: Option<Deference>,
    /// The interval of its own advertisements: how patient its peers are.
    pub adver_interval: Centiseconds,
    /// The checksum form of its next advertisement.
    pub checksum: ChecksumForm,
    /// Everything counted for it.
    pub counters: Counters,
    /// Its last transitions, oldest first.
    pub history: Vec<PastTransition>,
    /// How many transitions there ever were.
    pub transitions: u64,
    /// Its peers, as far as they were heard.
    #[serde(default)]
    pub peers: Vec<PeerRouter>,
}

/// A priority that is lower than configured, of an Active router.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Lowering {
    /// The lowest it was meanwhile.
    pub priority: Priority,
    /// Since when it was that low.
    pub since: Instant,
    /// Whether everybody who would take over for it has had the time to.
    pub in_vain: bool,
}

/// A router that is heard while this one is Active.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Rival {
    /// The address that it speaks from.
    pub source: IpAddr,
    /// Since when.
    pub since: Instant,
    /// When it was heard last.
    pub last_heard: Instant,
    /// How long it may be silent, and within which time a peer steps down.
    pub patience: Duration,
    /// Our advertisements since then that left the host.
    pub sent: u32,
    /// Whether announcements were withheld in its favour.
    pub is_unanswered: bool,
}

/// What tells one virtual router of a host from another (RFC 9568 §5.2.3).
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct RouterKey {
    /// The interface it runs on.
    pub interface: LinkName,
    /// Address family.
    pub family: Family,
    /// Virtual router identifier.
    pub vrid: Vrid,
}

/// Why a node does not accept a bequest. It has not started then.
#[derive(Clone, Debug, Eq, Error, PartialEq)]
pub enum BequestError {
    /// It was written by a node of another kind.
    #[error("the state handed over is of version {0}, known is {known}", known = Bequests::VERSION)]
    Version(u32),
    /// More routers than any node has.
    #[error("the state handed over has {0} virtual routers")]
    TooMany(usize),
    /// Two routers with one key.
    #[error("the state handed over has vrid {} on {} twice", .0.vrid, .0.interface)]
    Twice(RouterKey),
    /// Something in it has not happened yet.
    #[error("the state handed over is from the future")]
    FromTheFuture,
    /// Not all is known that could hold a router in Initialize.
    #[error("it is not known yet how the links are and whether nginx serves")]
    TooEarly,
    /// The node runs already.
    #[error("the node has started already")]
    Started,
}
