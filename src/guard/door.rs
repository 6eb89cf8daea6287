//! The identity of the socket where the engines of a host meet.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Distinguishes two doors that were opened in one place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct DoorId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

impl DoorId {
    /// Returns the identity of the door.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn at(path: &Path) -> io::Result<Self> {
        let found = fs::metadata(path)?;
        Ok(Self { device: found.dev(), inode: found.ino() })
    }

    /// Removes the door from its place, unless another one has replaced it.
    pub fn remove_from(self, path: &Path) {
        if Self::at(path).is_ok_and(|found| found == self) {
            fs::remove_file(path).ok();
        }
    }
}

impl fmt::Display for DoorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}-{:x}", self.device, self.inode)
    }
}
