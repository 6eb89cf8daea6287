//! The module on real hosts: real kernel, real nginx, real keepalived.
//!
//! Takes root. Tests run two at a time, those in [`beside`] four, those in [`alone`] one.
#![expect(
    clippy::disallowed_methods,
    reason = "a test of the real thing reads clocks and starts processes"
)]

mod alone;
mod bench;
mod beside;
mod blink;
mod connections;
mod faults;
mod fight;
mod guard;
mod ipv6;
mod keepalived;
mod kernel;
mod lifetime;
mod moving;
mod owner;
mod pair;
mod router;
mod segment;
mod sockets;
mod stalls;
mod sync;
