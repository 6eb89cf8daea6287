//! The election; pure: no I/O, no clock, no randomness.

mod event;
mod receive;

pub use event::*;
pub use receive::{Accepted, Discard, Expectations, Heard, ReceiveCounters};
