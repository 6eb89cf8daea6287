//! The election; pure: no I/O, no clock, no randomness.

mod deadlines;
mod event;
mod interval;
mod node;
mod receive;
mod report;
mod router;
mod snapshot;

pub use event::*;
pub use node::Node;
pub use receive::{Accepted, Discard, Expectations, Heard, ReceiveCounters};
pub use router::HISTORY_LENGTH;
pub use snapshot::{ActiveRouter, Counters, Snapshot};
