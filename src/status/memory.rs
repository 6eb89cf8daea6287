//! Shared memory that Lua has made: how it is opened and kept at its length.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use rustix::fs::{SealFlags, fcntl_add_seals, fcntl_get_seals};
use rustix::io::Errno;

pub(super) fn open_shared(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Fixes the length: a worker that cut the memory off would have the engine trip over its end.
pub(super) fn seal(file: &File) -> io::Result<()> {
    match fcntl_add_seals(file, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL) {
        // A file that is no memfd has no seals.
        Ok(()) | Err(Errno::INVAL) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Tells whether the length is fixed: else who has the memory could cut it off while it is read.
pub(super) fn is_sealed(file: &File) -> bool {
    fcntl_get_seals(file).is_ok_and(|seals| seals.contains(SealFlags::SHRINK))
}
