//! The shell around the core: two threads, the clock, and the way back to nginx.
//!
//! | thread | owns | waits for |
//! | --- | --- | --- |
//! | `vrrp` | the core, the VRRP sockets, a timer, the board | packets, the timer, facts, stop |
//! | `vrrp-net` | netlink, addresses, announcements | the wanted state, the kernel |
//!
//! They communicate by two channels that hold the latest value only: orders one way, facts the
//! other. Netlink may wait for seconds for a lock that another program holds in the kernel. The
//! election must not, so an advertisement never waits for an address.

pub mod kernel;
pub mod log;

mod attendance;
mod backoff;
mod board_writer;
mod checks;
mod doctor;
mod driver;
mod events;
mod failpoint;
mod guard;
mod handover;
mod health;
mod lookout;
mod migrate;
mod nginx_conf;
mod probe;
mod probing;
mod reach;
mod repeat;
mod report;
mod surroundings;
mod survey;
mod thread;
mod tracking;
mod view;
mod warnings;
mod will;
mod words;
mod written;

use crate::net::clock;

pub use checks::{Check, PlannedCheck};
pub use migrate::migrate;
pub use nginx_conf::shutdown_timeout;
pub use report::{chain, panic_text};
pub use surroundings::{Program, Surroundings};
pub use survey::{Survey, survey};
pub use thread::{Engine, StartError, start};
pub use words::BoardWord;
pub use written::Written;
