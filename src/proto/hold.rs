//! What keeps a virtual router from taking part.

use super::event::{Reason, State};

/// What holds a router in Initialize.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Hold {
    /// The node has not started, or was shut down.
    Stopped,
    /// Nobody has said yet how the link is, or whether nginx serves.
    Unknown,
    /// The interface does not exist.
    LinkMissing,
    /// The interface is down.
    LinkDown,
    /// The interface has no primary address.
    NoPrimaryAddress,
    /// nginx does not serve.
    Unhealthy,
}

impl Hold {
    /// Tells whether a resignation can still be sent.
    pub(super) fn leaves_the_link_usable(self) -> bool {
        match self {
            Self::Stopped | Self::Unknown | Self::Unhealthy => true,
            Self::LinkMissing | Self::LinkDown | Self::NoPrimaryAddress => false,
        }
    }

    pub(super) fn state(self) -> State {
        match self {
            Self::Stopped | Self::Unknown => State::Initialize,
            Self::LinkMissing | Self::LinkDown | Self::NoPrimaryAddress | Self::Unhealthy => {
                State::Fault
            }
        }
    }

    pub(super) fn reason(self) -> Reason {
        match self {
            Self::Stopped => Reason::Shutdown,
            Self::LinkMissing => Reason::LinkMissing,
            Self::LinkDown => Reason::LinkDown,
            Self::NoPrimaryAddress => Reason::NoPrimaryAddress,
            Self::Unknown | Self::Unhealthy => Reason::Unhealthy,
        }
    }
}
