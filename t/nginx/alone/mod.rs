//! Tests that have the machine to themselves.
//!
//! They count single milliseconds, or put all the load on the machine that it bears.

mod drain;
mod gate;
mod ipv6;
pub(crate) mod killed;
mod reloads;
