//! The election; pure: no I/O, no clock, no randomness.
//!
//! [`Node`] takes what happened ([`Input`]), with the time, and returns what to do ([`Action`]).
//! The same inputs at the same times give the same actions, on every machine and in every run.
//!
//! The states of a virtual router (RFC 9568 §6.4):
//!
//! ```text
//!                     +---------------+
//!          +--------->|               |<-------------+
//!          |          |  Initialize   |              |
//!          |   +------|   (Fault)     |----------+   |
//!          |   |      +---------------+          |   |
//!          |   | startup            startup,     |   |
//!     hold |   |                    as owner     |   | hold: resign,
//!          |   v                                 v   | release
//!   +---------------+     silence, resignation, +---------------+
//!   |               |     lower priority:       |               |
//!   |               |     advertise, claim      |               |
//!   |    Backup     |-------------------------->|    Active     |
//!   |               |<--------------------------|               |
//!   |               |     outranked: advertise, |               |
//!   +---------------+     release; overslept:   +---------------+
//!                         release
//! ```
//!
//! A router starts when nothing holds it in Initialize any more: the node is stopped, drained or
//! has left; the addresses are unavailable; the link is missing, down or without an address;
//! nothing can be sent while another router is Active; nginx does not serve. All but the first
//! three show as Fault. Four things are not in the diagram:
//!
//! * A node that is drained or leaves does so with [grace](Leaving): an Active router resigns, but
//!   keeps the addresses until another router is heard, and shows as Active until then.
//! * A node that may be the [last one standing](Backup::last_resort) goes on listening while nginx
//!   does not serve, and takes over at priority 1 where it hears nobody.
//! * An Active router whose link or primary address is gone goes on for a [moment](Blink): it shows
//!   as Active until a peer may have taken over.
//! * A node can [go on where another one ended](Node::inherit); no state changes by that.
//!
//! | RFC 9568 | here |
//! |---|---|
//! | `VRID` | [`Vrid`](crate::types::Vrid) |
//! | `Priority` | [`InstanceConfig::priority`]; in use: [`Snapshot::effective_priority`] |
//! | `Advertisement_Interval` | [`InstanceConfig::adver_interval`] |
//! | `Active_Adver_Interval` | `adver_interval` of the state Backup |
//! | `Skew_Time` | `interval::skew_time` |
//! | `Active_Down_Interval` | [`Snapshot::active_down_interval`] |
//! | `Active_Down_Timer` | `down_at` of the state Backup |
//! | `Adver_Timer` | `adver_at` of the state Active |
//! | `Preempt_Mode` | [`InstanceConfig::preempt`], and [`InstanceConfig::preempt_delay`] |
//! | Startup event | [`Input::Startup`], [`Node::inherit`], and every end of a hold |
//! | Shutdown event | [`Input::Shutdown`], and every begin of a hold |
//! | primary IPv4 address, link-local IPv6 address | [`LinkFacts::sources`] |
//!
//! [`InstanceConfig::priority`]: crate::config::InstanceConfig::priority
//! [`InstanceConfig::adver_interval`]: crate::config::InstanceConfig::adver_interval
//! [`InstanceConfig::preempt`]: crate::config::InstanceConfig::preempt
//! [`InstanceConfig::preempt_delay`]: crate::config::InstanceConfig::preempt_delay

mod bequest;
mod deadlines;
mod event;
mod history;
mod hold;
mod interval;
mod lenient;
mod node;
mod phase;
mod receive;
mod report;
mod router;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;

pub use bequest::{Bequest, BequestError, Bequests, Lowering, Rival, RouterKey, UndeliveredEvents};
pub use event::*;
pub use history::{HISTORY_LENGTH, ReasonCounters};
pub use hold::Hold;
pub use node::{Node, Sighted, Sighting};
pub use phase::{Backup, Blink, Deference, Leaving, Phase};
pub use receive::{Accepted, AddressLists, Discard, Expectations, Heard, ReceiveCounters};
pub use router::linger;
pub use snapshot::{ActiveRouter, Counters, PeerRouter, Snapshot};
pub use state::{Reason, State};

pub use crate::wire::ip::{Datagram, Envelope, Malformed};
