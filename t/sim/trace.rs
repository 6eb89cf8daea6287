//! What happened on the LAN, in order: tests read it, and two runs of one seed must agree on it.

use std::fmt;
use std::time::Duration;

use resty_vrrp::proto::{Reason, Report, RouterId, State};

use crate::packet::Packet;

/// One thing that one host did, or that was done to it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Record {
    /// On the clock of the LAN.
    pub(crate) at: Duration,
    pub(crate) host: &'static str,
    pub(crate) deed: Deed,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Deed {
    /// The test did something to the host.
    Touched(String),
    Sent(RouterId, Packet),
    /// An advertisement was wanted while it could not leave.
    Unsent(RouterId, u8),
    Claimed(RouterId),
    Released(RouterId),
    Announced(RouterId),
    Became(RouterId, State, Reason),
    Reported(Report),
}

impl Deed {
    pub(crate) const fn report(&self) -> Option<&Report> {
        if let Self::Reported(report) = self { Some(report) } else { None }
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>14.6} {} ", self.at.as_secs_f64(), self.host)?;
        match &self.deed {
            Deed::Touched(what) => write!(f, "<- {what}"),
            Deed::Sent(router, packet) => {
                write!(f, "[{}] sends {} every {}", router.0, packet.priority, packet.interval)
            }
            Deed::Unsent(router, priority) => write!(f, "[{}] cannot send {priority}", router.0),
            Deed::Claimed(router) => write!(f, "[{}] claims", router.0),
            Deed::Released(router) => write!(f, "[{}] releases", router.0),
            Deed::Announced(router) => write!(f, "[{}] announces again", router.0),
            Deed::Became(router, state, reason) => {
                write!(f, "[{}] is {state}: {reason}", router.0)
            }
            Deed::Reported(report) => write!(f, "reports {:?}", report.problem),
        }
    }
}
