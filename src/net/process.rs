//! Another process, watched until it ends.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::net::NetError;
use crate::net::watched::Watched;

/// A process that somebody else reaps: a pidfd never means another process of the same number.
#[derive(Debug)]
pub struct Process {
    fd: Watched,
}

impl Process {
    /// Watches the process of that number. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// `ESRCH` when there is none.
    pub fn watch(pid: u32) -> Result<Self, NetError> {
        let fd = pidfd(pid)?;
        let fd = Watched::new(fd)
            .map_err(|error| NetError::new("watch", format!("process {pid}"), error))?;
        Ok(Self { fd })
    }

    /// Watches the process of a pidfd. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// When the descriptor cannot be waited on.
    pub fn of(pidfd: OwnedFd) -> io::Result<Self> {
        Ok(Self { fd: Watched::new(pidfd)? })
    }

    /// Waits for the end of the process. Ready ever after.
    ///
    /// # Errors
    ///
    /// When the runtime shuts down.
    pub fn poll_exited(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.fd.poll_readable(cx)
    }

    /// Waits for the end of the process, as [`poll_exited`](Self::poll_exited). Cancel-safe.
    ///
    /// # Errors
    ///
    /// When the runtime shuts down.
    pub async fn exited(&self) -> io::Result<()> {
        self.fd.readable().await
    }
}

/// Opens a descriptor that becomes readable at the end of a process.
///
/// # Errors
///
/// `ESRCH` when there is none of that number.
pub fn pidfd(pid: u32) -> Result<OwnedFd, NetError> {
    open(pid).map_err(|error| NetError::new("watch", format!("process {pid}"), error))
}

fn open(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    // A pidfd is always close-on-exec.
    Ok(pidfd_open(pid, PidfdFlags::empty())?)
}
