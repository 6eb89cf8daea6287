//! The states of a virtual router in the status, and the reasons of their changes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The state of a virtual router in the status (RFC 9568 §6.4), and `Fault`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Not started, or waiting to learn whether nginx serves.
    #[default]
    Initialize,
    /// Listening to the Active router.
    Backup,
    /// Holds the addresses.
    Active,
    /// Held in Initialize by a fault.
    Fault,
}

/// Why a virtual router changed state.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(into = "&'static str", from = "String")]
pub enum Reason {
    /// The node started, or the last reason to hold the router in Initialize has ended.
    Startup,
    /// The owner of the addresses is Active as soon as it starts (RFC 9568 §6.4.1).
    Owner,
    /// The Active router has not been heard for `Active_Down_Interval`.
    NoResponse,
    /// The Active router resigned (priority 0).
    Resigned,
    /// The Active router has a lower priority than ours.
    Preempted,
    /// A router of higher priority, or of equal priority and higher address, is Active.
    HigherPriority,
    /// The node stops.
    Shutdown,
    /// The interface does not exist.
    LinkMissing,
    /// The interface is down.
    LinkDown,
    /// The interface has no primary address.
    NoPrimaryAddress,
    /// nginx does not serve.
    Unhealthy,
    /// This host was paused or starved for longer than `Active_Down_Interval`: it listens anew.
    Overslept,
    /// An operator drains the node.
    Drained,
    /// nginx does not serve, but no other router serves either.
    LastOneStanding,
    /// Another interface that the router depends on does not work.
    TrackedLinkDown,
    /// The kernel does not send our advertisements, and another router is Active.
    CannotSend,
    /// Another engine of this host has the router.
    AlreadyHere,
    /// The kernel refuses the addresses, or may remove them.
    AddressesUnavailable,
    /// Advertisements of peers cannot be received.
    CannotListen,
    /// A router of lower rank stays Active beside this one: it does not hear this one.
    Unheeded,
    /// One of the peers is this host itself.
    OwnPeer,
    /// Another router of the sync group is in fault, or another node is Active for it.
    SyncGroup,
}

impl State {
    /// Returns the name in the status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Initialize => "initialize",
            Self::Backup => "backup",
            Self::Active => "active",
            Self::Fault => "fault",
        }
    }
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 22] = [
        Self::Startup,
        Self::Owner,
        Self::NoResponse,
        Self::Resigned,
        Self::Preempted,
        Self::HigherPriority,
        Self::Shutdown,
        Self::LinkMissing,
        Self::LinkDown,
        Self::NoPrimaryAddress,
        Self::Unhealthy,
        Self::Overslept,
        Self::Drained,
        Self::LastOneStanding,
        Self::TrackedLinkDown,
        Self::CannotSend,
        Self::AlreadyHere,
        Self::AddressesUnavailable,
        Self::CannotListen,
        Self::Unheeded,
        Self::OwnPeer,
        Self::SyncGroup,
    ];

    /// Returns the name in the status.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Owner => "owner",
            Self::NoResponse => "no_response",
            Self::Resigned => "resigned",
            Self::Preempted => "preempted",
            Self::HigherPriority => "higher_priority",
            Self::Shutdown => "shutdown",
            Self::LinkMissing => "link_missing",
            Self::LinkDown => "link_down",
            Self::NoPrimaryAddress => "no_primary_address",
            Self::Unhealthy => "unhealthy",
            Self::Overslept => "overslept",
            Self::Drained => "drained",
            Self::LastOneStanding => "last_one_standing",
            Self::TrackedLinkDown => "tracked_link_down",
            Self::CannotSend => "cannot_send",
            Self::AlreadyHere => "already_here",
            Self::AddressesUnavailable => "addresses_unavailable",
            Self::CannotListen => "cannot_listen",
            Self::Unheeded => "peer_does_not_hear_us",
            Self::OwnPeer => "own_peer",
            Self::SyncGroup => "sync_group",
        }
    }
}

impl From<Reason> for &'static str {
    fn from(reason: Reason) -> Self {
        reason.name()
    }
}

/// An unknown name of another version must not make the rest of the state unreadable.
impl From<String> for Reason {
    fn from(name: String) -> Self {
        let known = Self::ALL.into_iter().find(|reason| reason.name() == name);
        known.unwrap_or(Self::Startup)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_listed_at_its_place() {
        for (place, &reason) in Reason::ALL.iter().enumerate() {
            assert_eq!(reason as usize, place, "{reason}");
        }
        assert_eq!(Reason::ALL.last(), Some(&Reason::SyncGroup), "the last one declared");
    }
}
