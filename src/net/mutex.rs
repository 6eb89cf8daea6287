//! A mutex in shared memory that tells another process of its holder's death.
//!
//! The kernel lets go of the robust mutexes of a thread at the very start of the thread's death. A
//! pidfd becomes readable at the end, when memory, sockets and asynchronous input and output have
//! been torn down: 5 to 70 ms later. A thread that was stopped, or that hangs, keeps its mutexes.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::os::fd::{FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::mpsc::sync_channel;
use std::thread;

use memmap2::{Advice, MmapRaw};
use rustix::fs::{FallocateFlags, MemfdFlags, fallocate, memfd_create};
use rustix::io::Errno;
use tokio::sync::watch;

/// A mutex that the calling thread holds until it drops this, or dies.
///
/// It is of one thread: a mutex must not be unlocked by another.
#[derive(Debug)]
pub struct HeldMutex {
    mutex: SharedMutex,
    file: File,
    not_send: PhantomData<*const ()>,
}

impl HeldMutex {
    /// Makes a mutex in memory of its own and takes it.
    ///
    /// # Errors
    ///
    /// When there is no memory or file descriptor left.
    pub fn new() -> io::Result<Self> {
        let file = memory()?;
        file.set_len(size_of::<libc::pthread_mutex_t>() as u64)?;
        let mutex = SharedMutex::map(&file)?;
        mutex.init()?;
        mutex.lock()?;
        Ok(Self { mutex, file, not_send: PhantomData })
    }

    /// Returns the memory of the mutex, for a [`HolderWatch`] in another process.
    ///
    /// # Errors
    ///
    /// When there is no file descriptor left.
    pub fn memory(&self) -> io::Result<OwnedFd> {
        Ok(self.file.try_clone()?.into())
    }
}

impl Drop for HeldMutex {
    fn drop(&mut self) {
        self.mutex.unlock();
    }
}

/// Makes shared memory without a name. A kernel before Linux 3.17 has no memfd: there it is a file.
fn memory() -> io::Result<File> {
    match memfd_create("vrrp-mutex", MemfdFlags::CLOEXEC) {
        Err(Errno::NOSYS) => file_in_memory(),
        made => Ok(File::from(made?)),
    }
}

/// Tells whether the kernel makes memory that is no file.
#[must_use]
pub fn has_memfd() -> bool {
    !matches!(memfd_create("vrrp-test", MemfdFlags::CLOEXEC), Err(Errno::NOSYS))
}

fn file_in_memory() -> io::Result<File> {
    let mut path = *b"/dev/shm/vrrp-mutex.XXXXXX\0";
    // SAFETY: the path ends with a zero, and the call writes over its last letters alone.
    let fd = unsafe { libc::mkostemp(path.as_mut_ptr().cast(), libc::O_CLOEXEC) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call has just opened it, for us.
    let file = unsafe { File::from_raw_fd(fd) };
    fs::remove_file(OsStr::from_bytes(&path[..path.len() - 1]))?;
    let length = size_of::<libc::pthread_mutex_t>() as u64;
    fallocate(&file, FallocateFlags::empty(), 0, length)?;
    Ok(file)
}

/// Waits for the death of the thread that holds a mutex of another process.
#[derive(Debug)]
pub struct HolderWatch {
    is_dead: watch::Receiver<bool>,
}

impl HolderWatch {
    /// Begins to wait, in a thread that inherits rights and blocked signals of the calling one. The
    /// thread has started when this returns: the calls for that may be forbidden from then on.
    ///
    /// # Errors
    ///
    /// When the memory cannot be mapped, or the thread not be started.
    pub fn start(memory: OwnedFd) -> io::Result<Self> {
        let mutex = SharedMutex::map(&File::from(memory))?;
        let (tell, is_dead) = watch::channel(false);
        let (start, has_started) = sync_channel(0);
        thread::Builder::new().name("holder-watch".to_owned()).spawn(move || {
            start.send(()).ok();
            match mutex.lock() {
                Ok(Before::Died) => drop(tell.send(true)),
                Ok(Before::Unlocked) => mutex.unlock(),
                // A process that waits has a pidfd, too.
                Err(_) => {}
            }
        })?;
        has_started.recv().ok();
        Ok(Self { is_dead })
    }

    /// Waits until the holder has died. Never ready if it unlocked the mutex; ready ever after if
    /// it died. Cancel-safe.
    pub async fn holder_died(&mut self) {
        if self.is_dead.wait_for(|is_dead| *is_dead).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// What the one did that held a mutex before.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Before {
    Unlocked,
    Died,
}

/// A mutex in mapped memory.
#[derive(Debug)]
struct SharedMutex {
    memory: MmapRaw,
}

impl SharedMutex {
    fn map(file: &File) -> io::Result<Self> {
        let memory = MmapRaw::map_raw(file)?;
        if memory.len() < size_of::<libc::pthread_mutex_t>() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        // A process that nginx forks has no use for it.
        memory.advise(Advice::DontFork)?;
        Ok(Self { memory })
    }

    fn init(&self) -> io::Result<()> {
        let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
        let attributes = attributes.as_mut_ptr();
        // SAFETY: the attributes are initialised before anything else is done with them; the mutex
        // has memory of its own, which no other process knows yet.
        let outcomes = unsafe {
            [
                libc::pthread_mutexattr_init(attributes),
                libc::pthread_mutexattr_setpshared(attributes, libc::PTHREAD_PROCESS_SHARED),
                libc::pthread_mutexattr_setrobust(attributes, PTHREAD_MUTEX_ROBUST),
                libc::pthread_mutex_init(self.as_ptr(), attributes),
                libc::pthread_mutexattr_destroy(attributes),
            ]
        };
        match outcomes.into_iter().find(|outcome| *outcome != 0) {
            Some(error) => Err(io::Error::from_raw_os_error(error)),
            None => Ok(()),
        }
    }

    /// Waits until the calling thread has the mutex.
    fn lock(&self) -> io::Result<Before> {
        // SAFETY: it was initialised before anybody else was given its memory, which stays mapped.
        match unsafe { libc::pthread_mutex_lock(self.as_ptr()) } {
            0 => Ok(Before::Unlocked),
            libc::EOWNERDEAD => Ok(Before::Died),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Lets go of the mutex, which the calling thread has.
    fn unlock(&self) {
        // SAFETY: as in `lock`. It would only fail in a thread that does not have the mutex.
        let outcome = unsafe { libc::pthread_mutex_unlock(self.as_ptr()) };
        debug_assert_eq!(outcome, 0, "the mutex is this thread's");
    }

    fn as_ptr(&self) -> *mut libc::pthread_mutex_t {
        self.memory.as_mut_ptr().cast()
    }
}

/// Of `pthread.h`, the same in glibc and musl; the crate `libc` does not have it.
const PTHREAD_MUTEX_ROBUST: libc::c_int = 1;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_thread_that_dies_with_the_mutex_is_noticed() {
        let (died, _) = after_holder(std::mem::forget);

        assert!(died);
    }

    #[test]
    fn a_thread_that_lets_go_of_the_mutex_has_not_died() {
        let (died, _) = after_holder(drop);

        assert!(!died);
    }

    #[test]
    fn whoever_waits_later_learns_the_same() {
        let (_, memory) = after_holder(drop);
        assert!(!dies(HolderWatch::start(memory).unwrap()));

        let mutex = HeldMutex::new().unwrap();
        let watches = [(); 2].map(|()| HolderWatch::start(mutex.memory().unwrap()).unwrap());
        drop(mutex);
        assert!(watches.into_iter().all(|watch| !dies(watch)));
    }

    #[test]
    fn a_file_serves_where_there_is_no_memfd() {
        let file = file_in_memory().unwrap();

        assert_eq!(file.metadata().unwrap().len(), size_of::<libc::pthread_mutex_t>() as u64);
        assert_eq!(file.metadata().unwrap().mode() & 0o7777, 0o600);
        assert_eq!(file.metadata().unwrap().nlink(), 0);
        assert_eq!(SharedMutex::map(&file).unwrap().init().ok(), Some(()));
    }

    #[test]
    fn memory_that_is_too_small_is_refused() {
        let file = File::from(memfd_create("empty", MemfdFlags::CLOEXEC).unwrap());
        file.set_len(1).unwrap();

        assert!(HolderWatch::start(file.into()).is_err());
    }

    /// The type must not leave its thread: this compiles only while it is not `Send`.
    #[test]
    fn the_mutex_cannot_be_sent_to_another_thread() {
        trait Ambiguous<Case> {
            fn resolves() {}
        }
        impl<T> Ambiguous<()> for T {}
        struct Sendable;
        impl<T: Send> Ambiguous<Sendable> for T {}

        <HeldMutex as Ambiguous<_>>::resolves();
    }

    /// Has a thread take a mutex, does something with it, and ends the thread.
    fn after_holder(end: fn(HeldMutex)) -> (bool, OwnedFd) {
        let (give, given) = std::sync::mpsc::channel();
        let holder = thread::spawn(move || {
            let mutex = HeldMutex::new().unwrap();
            let watch = HolderWatch::start(mutex.memory().unwrap()).unwrap();
            give.send((mutex.memory().unwrap(), watch)).unwrap();
            end(mutex);
        });
        let (memory, watch) = given.recv().unwrap();
        holder.join().unwrap();
        (dies(watch), memory)
    }

    fn dies(mut watch: HolderWatch) -> bool {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            tokio::time::timeout(Duration::from_millis(200), watch.holder_died()).await.is_ok()
        })
    }
}
