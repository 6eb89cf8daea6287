//! The reasons that hold a virtual router in Initialize.

use serde::{Deserialize, Serialize};

use super::state::{Reason, State};

/// What holds a router in Initialize.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Hold {
    /// The node has not started, or was shut down.
    #[default]
    Stopped,
    /// The link, or whether nginx serves, is not known yet.
    Unknown,
    /// The interface does not exist.
    LinkMissing,
    /// The interface is down.
    LinkDown,
    /// Advertisements of peers cannot be received.
    CannotListen,
    /// The interface has no primary address.
    NoPrimaryAddress,
    /// One of the peers is this host itself.
    OwnPeer,
    /// Another interface that the router depends on does not work.
    Tracked,
    /// The kernel does not send our advertisements, and another router is Active.
    CannotSend,
    /// A router that this one outranks does not hear it, and is Active.
    Unheeded,
    /// Another engine of this host has the router.
    AlreadyHere,
    /// Another router of its sync group is in fault.
    Group,
    /// The addresses are unavailable on this host.
    AddressesUnavailable,
    /// nginx does not serve.
    Unhealthy,
    /// An operator drains the node.
    Drained,
    /// The node has left.
    Left,
}

impl Hold {
    /// Returns what holds a router that entered its state for this reason.
    #[must_use]
    pub fn for_reason(reason: Reason) -> Self {
        let all = [
            Self::LinkMissing,
            Self::LinkDown,
            Self::CannotListen,
            Self::NoPrimaryAddress,
            Self::OwnPeer,
            Self::Tracked,
            Self::CannotSend,
            Self::Unheeded,
            Self::AlreadyHere,
            Self::Group,
            Self::AddressesUnavailable,
            Self::Unhealthy,
            Self::Drained,
        ];
        all.into_iter().find(|hold| hold.reason() == reason).unwrap_or(Self::Stopped)
    }

    /// Tells whether an Active router answers for the addresses until another one is Active.
    pub(super) fn leaves_with_grace(self) -> bool {
        match self {
            Self::Drained | Self::Left => true,
            Self::Stopped
            | Self::Unknown
            | Self::LinkMissing
            | Self::LinkDown
            | Self::NoPrimaryAddress
            | Self::CannotListen
            | Self::OwnPeer
            | Self::Tracked
            | Self::CannotSend
            | Self::Unheeded
            | Self::AlreadyHere
            | Self::Group
            | Self::AddressesUnavailable
            | Self::Unhealthy => false,
        }
    }

    pub(super) fn state(self) -> State {
        match self {
            Self::Stopped | Self::Unknown | Self::Drained | Self::Left => State::Initialize,
            Self::LinkMissing
            | Self::LinkDown
            | Self::CannotListen
            | Self::NoPrimaryAddress
            | Self::OwnPeer
            | Self::Tracked
            | Self::CannotSend
            | Self::Unheeded
            | Self::AlreadyHere
            | Self::Group
            | Self::AddressesUnavailable
            | Self::Unhealthy => State::Fault,
        }
    }

    pub(super) fn reason(self) -> Reason {
        match self {
            Self::Stopped | Self::Left => Reason::Shutdown,
            Self::Drained => Reason::Drained,
            Self::LinkMissing => Reason::LinkMissing,
            Self::LinkDown => Reason::LinkDown,
            Self::CannotListen => Reason::CannotListen,
            Self::NoPrimaryAddress => Reason::NoPrimaryAddress,
            Self::OwnPeer => Reason::OwnPeer,
            Self::Tracked => Reason::TrackedLinkDown,
            Self::CannotSend => Reason::CannotSend,
            Self::Unheeded => Reason::Unheeded,
            Self::AlreadyHere => Reason::AlreadyHere,
            Self::Group => Reason::SyncGroup,
            Self::AddressesUnavailable => Reason::AddressesUnavailable,
            Self::Unknown | Self::Unhealthy => Reason::Unhealthy,
        }
    }
}
