//! The guard: a small process outside of nginx that clears up when all of nginx is killed.
//!
//! An address that outlives its nginx swallows every connection made to it. The kernel removes ours
//! by itself after some seconds; the guard does it within milliseconds, and sends the resignations
//! (priority 0) that the dead can no longer send. It does the same for an engine that hangs. It
//! decides nothing else, and never claims.
//!
//! ```text
//!  engine ──orders──► guard        claim: addresses and resignation of a virtual router that is
//!                                  Active; release; door; bye
//!  engine ──beats──► board ··pulse··► guard
//!  master, carrier ··pidfd··► guard
//! ```
//!
//! It acts when the carrier has ended without a bye
//!
//! * and the master has ended, too: at once;
//! * and the master has not started another engine within the time after which peers take over by
//!   themselves (the shortest `Active_Down_Interval` claimed).
//!
//! Two things tell whether there is another engine. The engines of one configuration, of which
//! nginx starts one after the other, take a lock on a file when they start, and the kernel gives
//! it back when they die; the guard acts only while it holds that lock itself, so it never takes
//! away what a living engine is just adopting. And whoever has the routers, be it in another
//! nginx, keeps a socket open at the place where engines meet; while somebody answers there, the
//! guard does not act.
//!
//! It also acts when the carrier lives, but its engine has not beaten on the board for
//! `worker_timeout_ms`, or for as long as all peers wait (`Active_Down_Interval`), and one check:
//! it hangs, and whoever hangs does not resign. The lock and the door are its own then, which says
//! nothing; but another engine that has done without it has opened another door. The guard marks
//! the last beat before it acts, so that either the engine has beaten in the last moment, and
//! nothing is done; or it finds the mark as soon as it wakes, before anything else, and listens
//! before it claims anew. The next engine finds the mark, too.
//!
//! After a bye, or when the dead need nothing more, or when another engine is in charge, it ends.
//! One that loses its engine while the carrier lives on ends as well: there will be another.

mod door;
mod order;
mod silence;
mod watch;
mod withdraw;

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::net::{Channel, Lock, NetError, Rights, pidfd, spawn};

pub use door::DoorId;
pub use order::{Claim, Order};
pub use watch::run;

/// Starts a guard for this carrier and returns the way to give it [`Order`]s.
///
/// `lock` is the board, whose lock says that an engine is in charge, opened for the guard alone;
/// `door` is the path of the socket of whoever has the routers. Must be called within a tokio
/// runtime.
///
/// # Errors
///
/// When the program is not there, or cannot be executed.
pub fn start(
    program: &Path,
    carrier: u32,
    master: u32,
    lock: Lock,
    door: Option<&Path>,
) -> Result<Channel, NetError> {
    let failed = |error: io::Error| NetError::new("start", "the guard", error);
    let (here, there) = Channel::pair().map_err(failed)?;
    let fds = [there, pidfd(carrier)?, pidfd(master)?, OwnedFd::from(lock)];
    let door = door.map(|path| CString::new(path.as_os_str().as_bytes())).transpose();
    let door = door.map_err(|error| failed(error.into()))?.unwrap_or_default();
    let _lent = Rights::NETWORK.lend().map_err(failed)?;
    spawn::detached(program, &[TITLE, PROTOCOL, &door], &fds)?;
    Ok(here)
}

const TITLE: &CStr = c"resty-vrrp-guard";
/// An engine and a guard of different versions must not misunderstand each other.
const PROTOCOL: &CStr = c"2";
