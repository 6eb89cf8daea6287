//! A lock that the kernel gives back when its holder dies.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

/// A file on which one holder at a time may have the lock (`flock`).
///
/// Each [`open`](Self::open) is a possible holder of its own, in whatever process.
#[derive(Debug)]
pub struct Lock {
    file: OwnedFd,
}

impl Lock {
    /// Opens the file without taking the lock; it can be read and written, too.
    ///
    /// # Errors
    ///
    /// When there is no such file.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(OpenOptions::new().read(true).write(true).open(path)?.into())
    }

    /// Takes the lock, for as long as the file is open, unless another process has it.
    ///
    /// # Errors
    ///
    /// When the file system has no locks.
    pub fn try_take(&self) -> io::Result<bool> {
        match flock(self.file.as_fd(), FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl From<File> for Lock {
    fn from(file: File) -> Self {
        Self { file: file.into() }
    }
}

impl From<Lock> for OwnedFd {
    fn from(lock: Lock) -> Self {
        lock.file
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_has_one_holder_at_a_time() {
        let path = Path::new("Cargo.toml");
        let (first, second) = (Lock::open(path).unwrap(), Lock::open(path).unwrap());

        assert!(first.try_take().unwrap());
        assert!(!second.try_take().unwrap());
        drop(first);
        assert!(second.try_take().unwrap());
    }
}
