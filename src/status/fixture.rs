//! Boards for unit tests.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{MemfdFlags, memfd_create};

use super::layout::{AddressSlot, InstanceSlot};
use super::{Board, Plan};

/// Makes shared memory, and returns the path that leads to it while it is open.
pub(crate) fn memory(name: &str) -> (File, PathBuf) {
    let memory = memfd_create(name, MemfdFlags::ALLOW_SEALING).expect("there is memory");
    let path = PathBuf::from(format!("/proc/self/fd/{}", memory.as_raw_fd()));
    (memory.into(), path)
}

/// Returns the plan of some virtual routers and their addresses.
pub(crate) fn plan(instances: Vec<InstanceSlot>, addresses: Vec<AddressSlot>) -> Plan {
    Plan {
        router_id: "a".to_owned(),
        worker_timeout: Duration::from_secs(2),
        control: false,
        token: String::new(),
        shutdown_timeout_ms: 0,
        instances,
        addresses,
        peers: Vec::new(),
    }
}

/// Makes the board of a plan.
pub(crate) fn board(plan: &Plan) -> Board {
    let (_memory, path) = memory("board");
    Board::create(&path, plan).expect("it is small")
}
