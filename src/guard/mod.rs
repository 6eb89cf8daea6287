//! The guard: a small process outside of nginx that withdraws the routers when all of nginx is
//! killed.
//!
//! An address that outlives its nginx makes every connection to it fail. The kernel removes ours by
//! itself after some seconds; the guard does it within milliseconds, and sends the resignations
//! (priority 0) in place of the dead engine. It does the same for an engine that hangs. It decides
//! nothing else, and never claims.
//!
//! ```text
//!  engine ──orders──► guard        claim: addresses and resignation of a virtual router that is
//!                                  Active; release; door; bye
//!  engine ◄──guards── guard         from now on; it says nothing else
//!  engine ──beats──► board ··pulse··► guard
//!  engine ··mutex··► guard         unlocked by the kernel, within 0.2 ms, when its thread dies
//!  master, carrier ··pidfd··► guard         readable when all of the process is torn down
//! ```
//!
//! It acts when the engine has died without a bye
//!
//! * and the master was killed, too: at once;
//! * and the master has not started another engine within the time after which peers take over by
//!   themselves (the shortest `Active_Down_Interval` claimed).
//!
//! It also gives the claims of its engine to the next one (`memory`): they are on the board, too,
//! but workers may have written there.
//!
//! # How the guard learns of a death
//!
//! The thread of the engine holds a robust mutex (`net::mutex`) in memory that only engine and
//! guard map. A mutex whose owner has died proves the death of the carrier. A core dump delays
//! that; then the heartbeat decides, as for an engine that hangs. The master holds no mutex:
//! `/proc` shows whether it has a `SIGKILL` pending or exits (`Process::killed`). The pidfds of
//! both become readable 5 to 70 ms later, whatever the cause.
//!
//! # Whether another engine is in charge
//!
//! The engines of one configuration take a lock on its board when they start, and the kernel
//! releases it when they die. The engine that has the routers, even in another nginx, keeps a
//! socket open at the place where engines meet: its door.
//!
//! While the carrier is torn down, the lock is still held, and its door still takes connections. So
//! the guard uses other facts in that time:
//!
//! * *May the master have replaced the carrier?* No: it learns of the death when the pidfd becomes
//!   readable, not earlier. The guard first checks that the master was killed, and runs no code any
//!   more, then that the pidfd of the carrier is not readable.
//! * *May an engine of another configuration, or of another nginx, have the routers?* Only if its
//!   door has replaced this engine's. One that has not done so yet finds the mark of the guard on
//!   the board of the dead engine, and listens before it claims. Only one that was given the
//!   routers less than a millisecond before goes on with them, and puts the addresses back.
//!
//! When the carrier has been torn down, lock and door are evidence again. The guard acts only while
//! it holds the lock itself, so that it never removes what a living engine is adopting, and while
//! no engine answers at another door.
//!
//! It also acts when the carrier lives, but its engine has not beaten on the board for
//! `worker_timeout_ms`, or for as long as all peers wait (`Active_Down_Interval`), and one check:
//! it hangs, and cannot resign. Its lock and its door prove nothing then; but another engine that
//! has taken over without it has opened another door. The guard marks the last heartbeat before it
//! acts. So either the engine renews its heartbeat first, and nothing is done; or it finds the mark
//! as soon as it wakes, before anything else, and listens before it claims again. The next engine
//! finds the mark, too.
//!
//! After a bye, after a withdrawal, or when another engine is in charge, it ends. A guard whose
//! engine ends while the carrier lives on ends as well: the next engine starts another.

mod calls;
mod check;
mod door;
mod memory;
mod order;
mod silence;
mod watch;
mod withdraw;

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::net::spawn::{self, Program};
use crate::net::{Channel, Lock, NetError, Rights, pidfd};

pub use check::check;
pub use door::DoorId;
pub use memory::recall;
pub use order::{Claim, ClaimedPlace, Order, Resignation};
pub use watch::run;

/// A guard that is about to be started, with everything that is passed to it.
#[derive(Debug)]
pub struct GuardStart {
    program: Program,
    door: CString,
    fds: [OwnedFd; GIVEN],
}

/// What a guard gets from its engine, and keeps as long as it lives.
#[derive(Debug)]
pub struct Kept {
    /// The memory of the mutex that the guarded thread holds.
    pub mutex: OwnedFd,
    /// The board, whose lock marks the engine in charge, opened for the guard alone.
    pub lock: Lock,
    /// The socket of rules that stay in force until the addresses are removed.
    pub filter: Option<OwnedFd>,
}

impl GuardStart {
    /// Starts the guard. The calling thread blocks until the program has been loaded, and lends it
    /// its capabilities.
    ///
    /// # Errors
    ///
    /// When the program is not there, or cannot be executed.
    pub fn run(self) -> Result<(), NetError> {
        let lent = Rights::NETWORK.lend();
        let _lent = lent.map_err(|error| NetError::new("start", "the guard", error))?;
        spawn::detached(&self.program, &[TITLE, PROTOCOL, &self.door], &self.fds)?;
        Ok(())
    }
}

/// Prepares a guard for this carrier, and returns the way to give it [`Order`]s, which are buffered
/// until it has been started. It sends one octet back: that it guards.
///
/// `door` is the path of the socket of the engine that has the routers. Must be called within a
/// tokio runtime.
///
/// # Errors
///
/// When the processes of this nginx cannot be watched.
pub fn prepare(
    program: Program,
    carrier: u32,
    master: u32,
    kept: Kept,
    door: Option<&Path>,
) -> Result<(Channel, GuardStart), NetError> {
    let failed = |error: io::Error| NetError::new("start", "the guard", error);
    let (here, there) = Channel::pair().map_err(failed)?;
    let Kept { mutex, lock, filter } = kept;
    let filter = filter.map_or_else(nothing, Ok).map_err(failed)?;
    let fds = [there, pidfd(carrier)?, pidfd(master)?, OwnedFd::from(lock), mutex, filter];
    let door = door.map(|path| CString::new(path.as_os_str().as_bytes())).transpose();
    let door = door.map_err(|error| failed(error.into()))?.unwrap_or_default();
    Ok((here, GuardStart { program, door, fds }))
}

/// Opens what stands in place of a descriptor that is not needed.
fn nothing() -> io::Result<OwnedFd> {
    Ok(File::open("/dev/null")?.into())
}

/// The descriptors that a guard is given.
const GIVEN: usize = 6;
const TITLE: &CStr = c"resty-vrrp-guard";
/// An engine and a guard of different versions must not misunderstand each other.
const PROTOCOL: &CStr = c"8";
/// The one message of a guard to its engine: from now on it guards.
const GUARDS: &[u8] = b"g";
