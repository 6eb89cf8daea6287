//! The module on real hosts: real kernel, real nginx, real keepalived. Takes root.
#![expect(
    clippy::disallowed_methods,
    reason = "a test of the real thing reads clocks and starts processes"
)]

mod bench;
mod beside;
mod blink;
mod connections;
mod crowd;
mod dumps;
mod faults;
mod fight;
mod guard;
mod keepalived;
mod kernel;
mod lifetime;
mod many;
mod moving;
mod owner;
mod owners;
mod pair;
mod router;
mod segment;
mod sockets;
