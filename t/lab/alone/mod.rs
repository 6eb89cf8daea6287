//! Tests that have the machine to themselves.
//!
//! They put all the load on the machine that it bears, or check what measures all the others.

mod crowd;
mod death;
mod dumps;
mod flood;
mod many;
mod probe;
mod resignation;
