//! Starts a program outside of nginx's process tree.
//!
//! nginx must not notice: it is never copied (a fork of a large one takes milliseconds), and its
//! handler of `SIGCHLD` never finds a stranger. So the program is started by a child that shares
//! nginx's memory, lives for a moment while the calling thread waits, and ends without a signal.

use std::ffi::{CStr, CString};
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::sched::{CloneFlags, clone};
use nix::spawn::{PosixSpawnAttr, PosixSpawnFileActions, posix_spawn};
use nix::sys::wait::{WaitPidFlag, waitpid};
use rustix::fs::fstat;
use rustix::io::fcntl_dupfd_cloexec;
use rustix::process::{chdir, setsid};
use rustix::stdio::stderr;
use rustix::thread::set_name;

use crate::net::NetError;

/// The number that the first descriptor given to a program has there; the others follow.
pub const FIRST_FD: RawFd = 3;

/// A program that nginx has found, and may hold open since: then it is that file which is started,
/// whatever was installed in its place, or if it was removed.
#[derive(Clone, Debug)]
pub struct Program {
    /// Where it was found.
    pub path: PathBuf,
    /// A path that leads to the file that is held open: `/proc/self/fd/9`.
    pub held: Option<PathBuf>,
}

impl Program {
    /// Tells whether there is such a program.
    #[must_use]
    pub fn exists(&self) -> bool {
        self.held.is_some() || self.path.exists()
    }

    /// Opens the file that is held where it is another one than that at the path.
    fn replaced(&self) -> io::Result<Option<OwnedFd>> {
        let Some(held) = &self.held else { return Ok(None) };
        let file = File::open(held)?;
        let is_there = identity(&file.metadata()?);
        if fs::metadata(&self.path).is_ok_and(|found| identity(&found) == is_there) {
            return Ok(None);
        }
        Ok(Some(fcntl_dupfd_cloexec(&file, ABOVE_ALL_GIVEN)?))
    }
}

fn identity(found: &fs::Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}

/// Starts a program without waiting for its end, and returns its process id.
///
/// It gets `fds` from [`FIRST_FD`] on, the error output of this process, no environment, and the
/// rights and blocked signals of the calling thread. It has to close what else it inherits.
///
/// # Errors
///
/// When the program cannot be executed.
pub fn detached(program: &Program, arguments: &[&CStr], fds: &[OwnedFd]) -> Result<i32, NetError> {
    try_detached(program, arguments, fds)
        .map_err(|error| NetError::new("start", program.path.display().to_string(), error))
}

/// Tells apart the files that the error output of this process may lead to: a program that was
/// started before nginx opened another log still writes into the old one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ErrorOutput {
    device: u64,
    inode: u64,
}

impl ErrorOutput {
    /// Returns which file it is now, or `None` if the kernel does not say.
    #[must_use]
    pub fn now() -> Option<Self> {
        let found = fstat(stderr()).ok()?;
        Some(Self { device: found.st_dev, inode: found.st_ino })
    }
}

/// Closes every descriptor from `first` on: nginx's sockets must not live on in another program.
///
/// # Errors
///
/// When they cannot be listed.
pub fn close_from(first: RawFd) -> io::Result<()> {
    let names = fs::read_dir("/proc/self/fd")?.flatten().map(|entry| entry.file_name());
    let all: Vec<RawFd> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
    for fd in all.into_iter().filter(|fd| *fd >= first) {
        // SAFETY: nothing of this program has opened one yet; closing one that is not open, as that
        // of the list by now, only fails.
        unsafe { libc::close(fd) };
    }
    Ok(())
}

/// Takes the `N` descriptors that this program was given from [`FIRST_FD`] on.
///
/// # Errors
///
/// When one of them is not open.
pub fn given<const N: usize>() -> io::Result<[OwnedFd; N]> {
    let mut numbers = (FIRST_FD..).take(N);
    let open = numbers.clone().all(|fd| Path::new(&format!("/proc/self/fd/{fd}")).exists());
    if !open {
        return Err(io::Error::other("it is started by nginx, not by hand"));
    }
    // SAFETY: all are open, as was just seen, and were given to this program to own.
    Ok(std::array::from_fn(|_| unsafe { OwnedFd::from_raw_fd(numbers.next().unwrap_or(-1)) }))
}

/// Leaves session and directory of the parent, and takes a name in the list of processes.
///
/// # Errors
///
/// When the kernel refuses.
pub fn stand_alone(name: &CStr) -> io::Result<()> {
    setsid()?;
    chdir("/")?;
    set_name(name)?;
    Ok(())
}

fn try_detached(program: &Program, arguments: &[&CStr], fds: &[OwnedFd]) -> io::Result<i32> {
    let replaced = program.replaced()?;
    let path = match &replaced {
        Some(file) => CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?,
        None => CString::new(program.path.as_os_str().as_bytes())?,
    };
    // Out of the way of the numbers that they get in the program.
    let fds: Vec<OwnedFd> = fds
        .iter()
        .map(|fd| fcntl_dupfd_cloexec(fd.as_fd(), ABOVE_ALL_GIVEN))
        .collect::<Result<_, _>>()?;
    let mut files = PosixSpawnFileActions::init()?;
    let null: OwnedFd = OpenOptions::new().read(true).write(true).open("/dev/null")?.into();
    let null = fcntl_dupfd_cloexec(null, ABOVE_ALL_GIVEN)?;
    for input_or_output in [0, 1] {
        files.add_dup2(null.as_raw_fd(), input_or_output)?;
    }
    for (number, fd) in (FIRST_FD..).zip(&fds) {
        files.add_dup2(fd.as_raw_fd(), number)?;
    }
    let attributes = PosixSpawnAttr::init()?;
    let environment: [&CStr; 0] = [];
    by_a_silent_child(|| {
        posix_spawn(path.as_c_str(), &files, &attributes, arguments, &environment)
            .map(nix::unistd::Pid::as_raw)
    })
}

/// Does `work` in a child that sends no signal when it ends, and waits for it.
fn by_a_silent_child<T>(mut work: impl FnMut() -> nix::Result<T>) -> io::Result<T> {
    let mut outcome = Err(Errno::ECHILD);
    let mut stack = vec![0; STACK];
    let flags = CloneFlags::CLONE_VM | CloneFlags::CLONE_VFORK;
    let child = {
        let run = Box::new(|| {
            outcome = work();
            0
        });
        // SAFETY: this thread stands still until the child has ended, so that the child may use all
        // that is the thread's; the stack is larger than what `posix_spawn` takes.
        unsafe { clone(run, &mut stack, flags, None) }?
    };
    // Without a signal at its end, only such a wait finds it: never the one of nginx.
    waitpid(child, Some(WaitPidFlag::__WALL))?;
    Ok(outcome?)
}

const ABOVE_ALL_GIVEN: RawFd = 16;
const STACK: usize = 256 << 10;
