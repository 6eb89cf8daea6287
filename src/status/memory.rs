//! Shared memory that Lua has made: how it is opened and kept at its length.

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;

use rustix::fs::{
    FallocateFlags, MemfdFlags, SealFlags, fallocate, fcntl_add_seals, fcntl_get_seals,
    memfd_create,
};
use rustix::io::Errno;

pub(super) fn open_shared(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).open(path)
}

/// Fixes the length: a worker that cut the memory off would have the engine trip over its end.
///
/// A file that is no memfd has no seals, as on a kernel before Linux 3.17. It gets its room now:
/// whoever writes where a full file system has none would be killed.
pub(super) fn seal(file: &File) -> io::Result<()> {
    let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
    match fcntl_add_seals(file, seals) {
        Ok(()) => Ok(()),
        Err(Errno::INVAL | Errno::PERM) if !is_sealed(file) => {
            Ok(fallocate(file, FallocateFlags::empty(), 0, file.metadata()?.len())?)
        }
        Err(error) => Err(error.into()),
    }
}

/// Tells whether the length is fixed: else who has the memory could cut it off while it is read. A
/// kernel that cannot fix it is believed.
pub(super) fn is_sealed_if_possible(file: &File) -> bool {
    is_sealed(file) || !has_memfd()
}

fn is_sealed(file: &File) -> bool {
    fcntl_get_seals(file).is_ok_and(|seals| seals.contains(SealFlags::SHRINK))
}

fn has_memfd() -> bool {
    !matches!(memfd_create("vrrp-test", MemfdFlags::CLOEXEC), Err(Errno::NOSYS))
}
