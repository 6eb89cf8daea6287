//! Hosts in network namespaces, with real nginx and real keepalived on them.
//!
//! ```no_run
//! use harness::{Lab, Nginx, carriers, conf, wait_until};
//! use std::time::Duration;
//!
//! let lab = Lab::new("one host");
//! let host = lab.host("worker-01", "192.168.56.101/24");
//! let nginx = Nginx::start(&host, &carriers()[0], &conf("two-nodes/worker-01.conf"));
//! wait_until("nginx answers", Duration::from_secs(5), || {
//!     host.get("127.0.0.1:80", "/").is_ok_and(|answer| answer.status == 200)
//! });
//! nginx.assert_no_complaints();
//! ```
//!
//! Everything here panics with a full sentence when the machine refuses something: a test has no
//! better answer, and unwinding takes the namespaces and processes away. Nothing touches the
//! network of the machine itself; nothing is left behind, not even by Ctrl-C, and what a run that
//! was killed outright has left is swept by the next one.
#![expect(
    clippy::disallowed_methods,
    reason = "a test bench reads clocks, waits and starts processes; nothing of it runs in nginx"
)]
#![expect(
    clippy::must_use_candidate,
    reason = "what is run for its effect also returns its output"
)]

mod address_watch;
mod carrier;
mod failpoints;
mod faults;
mod flood;
mod frr;
mod host;
mod http;
mod keepalived;
mod lab;
mod leftovers;
mod namespace;
mod nginx;
mod owners;
mod probe;
mod process;
mod rng;
mod sniffer;
mod wait;

pub use address_watch::{AddressEvent, AddressWatch};
pub use carrier::{Carrier, CarrierKind, best_carrier, carriers, conf, library, project};
pub use failpoints::Failpoints;
pub use faults::Traffic;
pub use flood::Flood;
pub use frr::{Frr, FrrConfig};
pub use host::{Host, Neighbour};
pub use http::{Response, get, request};
pub use keepalived::{Keepalived, KeepalivedConfig, KeepalivedState};
pub use lab::{Lab, why_not};
pub use nginx::{Nginx, Role, StartFailure};
pub use nix::sys::signal::Signal;
pub use owners::Owners;
pub use probe::{Outcome, Probe, Report, Sample};
pub use process::{Process, StuckThread, is_alive, signal, urgently};
pub use rng::Rng;
pub use sniffer::{Advert, Announcement, Checksum, Sniffer};
pub use wait::{eventually, holds_for, wait_until};
