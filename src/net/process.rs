//! Another process, watched until it ends.
//!
//! The kernel tells of the end by a pidfd. One before Linux 5.3 has none: there `/proc/<pid>/stat`
//! is held open, and read every [`LOOK_PAUSE`].

use std::cell::Cell;
use std::fs::{self, File};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{PROC_SUPER_MAGIC, fstatfs};
use rustix::io::{Errno, pread};
use rustix::process::{Pid, PidfdFlags, getpid, pidfd_open, test_kill_process};
use rustix::thread::gettid;

use crate::net::NetError;
use crate::net::clock;
use crate::net::timer::Timer;
use crate::net::watched::Watched;
use crate::types::Instant;

/// A process that another process reaps: its descriptor never means another process of the same
/// number.
#[derive(Debug)]
pub struct Process {
    source: Source,
}

/// What tells of the end of a process.
#[derive(Debug)]
enum Source {
    Pidfd(Watched),
    Stat(StatFile),
}

/// `/proc/<pid>/stat`, open since the process was there: `hidepid` does not matter any more.
#[derive(Debug)]
struct StatFile {
    fd: OwnedFd,
    timer: Timer,
    next_look: Cell<Instant>,
}

impl Process {
    /// Watches the process of that number. Must be called within a tokio runtime.
    ///
    /// # Errors
    ///
    /// `ESRCH` when there is none.
    pub fn watch(pid: u32) -> Result<Self, NetError> {
        Self::of(pidfd(pid)?)
            .map_err(|error| NetError::new("watch", format!("process {pid}"), error))
    }

    /// Watches the process of a descriptor that [`pidfd`] has opened. Must be called within a tokio
    /// runtime.
    ///
    /// # Errors
    ///
    /// When the descriptor cannot be waited on.
    pub fn of(pidfd: OwnedFd) -> io::Result<Self> {
        let is_of_proc = fstatfs(&pidfd)?.f_type == PROC_SUPER_MAGIC;
        let source = if is_of_proc {
            Source::Stat(StatFile::new(pidfd)?)
        } else {
            Source::Pidfd(Watched::new(pidfd)?)
        };
        Ok(Self { source })
    }

    /// Waits for the end of the process. Cancel-safe.
    ///
    /// # Errors
    ///
    /// When the runtime shuts down.
    pub async fn exited(&self) -> io::Result<()> {
        match &self.source {
            Source::Pidfd(fd) => fd.readable().await,
            Source::Stat(stat) => stat.exited().await,
        }
    }

    /// Tells whether the process has ended: only from then on does its parent know.
    #[must_use]
    pub fn has_exited(&self) -> bool {
        match &self.source {
            Source::Pidfd(fd) => {
                let mut polled = [PollFd::new(fd, PollFlags::IN)];
                let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
                poll(&mut polled, Some(&at_once)).is_ok_and(|ready| ready > 0)
            }
            Source::Stat(stat) => stat.has_exited(),
        }
    }

    /// Waits until the process runs no more code of its own: it has ended, or it was killed and is
    /// being torn down, which takes milliseconds. Cancel-safe.
    ///
    /// The kernel tells of the end. For what comes before, `/proc` is looked at, ever less often.
    ///
    /// # Errors
    ///
    /// When there is no file descriptor left, or the runtime shuts down.
    pub async fn killed(&self) -> io::Result<()> {
        let timer = Timer::new()?;
        let mut pause = FIRST_PAUSE;
        while !self.is_killed() {
            timer.set(Some(clock::now() + pause))?;
            tokio::select! {
                exited = self.exited() => return exited,
                expired = timer.expired() => expired?,
            }
            pause = (pause * 5 / 4).min(LONGEST_PAUSE);
        }
        Ok(())
    }

    /// Tells whether `/proc` shows that the process was killed or exits.
    ///
    /// That its number may be another process's by now does no harm: then this one has ended.
    fn is_killed(&self) -> bool {
        let pid = match &self.source {
            Source::Stat(stat) => {
                let stat = stat.read().unwrap_or_default();
                stat.split_once(" (").and_then(|(pid, _)| pid.parse::<u32>().ok())
            }
            Source::Pidfd(fd) => {
                let about = format!("/proc/self/fdinfo/{}", fd.as_fd().as_raw_fd());
                let about = fs::read_to_string(about).unwrap_or_default();
                // Of a process that was reaped it is -1.
                field(&about, "Pid:").and_then(|pid| pid.parse().ok())
            }
        };
        let Some(pid) = pid else { return false };
        let read = |name| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        is_exiting(&read("stat")) || has_kill_pending(&read("status"))
    }
}

impl StatFile {
    fn new(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self { fd, timer: Timer::new()?, next_look: Cell::new(clock::now()) })
    }

    async fn exited(&self) -> io::Result<()> {
        loop {
            // However often the caller begins to wait anew.
            if clock::now() >= self.next_look.get() {
                if self.has_exited() {
                    return Ok(());
                }
                self.next_look.set(clock::now() + LOOK_PAUSE);
            }
            self.timer.set(Some(self.next_look.get()))?;
            self.timer.expired().await?;
        }
    }

    fn has_exited(&self) -> bool {
        match self.read() {
            Ok(stat) => is_dead(&stat),
            // It was reaped.
            Err(error) => error == Errno::SRCH,
        }
    }

    fn read(&self) -> Result<String, Errno> {
        let mut text = [0; LONGEST_STAT];
        let length = pread(&self.fd, &mut text[..], 0)?;
        Ok(String::from_utf8_lossy(&text[..length]).into_owned())
    }
}

/// Tells whether `/proc/<pid>/stat` shows a process of which no thread is left, and that its parent
/// has yet to reap.
fn is_dead(stat: &str) -> bool {
    let state = stat_field(stat, STAT_STATE);
    let threads = stat_field(stat, STAT_THREADS).and_then(|threads| threads.parse::<u32>().ok());
    matches!(state, Some("Z" | "X")) && threads.is_none_or(|threads| threads <= 1)
}

/// Tells whether `/proc/<pid>/stat` shows the flag `PF_EXITING`.
fn is_exiting(stat: &str) -> bool {
    let flags = stat_field(stat, STAT_FLAGS).and_then(|flags| flags.parse::<u32>().ok());
    flags.is_some_and(|flags| flags & PF_EXITING != 0)
}

/// Returns a field of `/proc/<pid>/stat` by its place behind the name.
fn stat_field(stat: &str, place: usize) -> Option<&str> {
    // The name in parentheses may hold anything, parentheses and spaces, too.
    stat.rsplit_once(") ")?.1.split(' ').nth(place)
}

/// Tells whether `/proc/<pid>/status` shows a `SIGKILL` that the process has yet to act upon.
fn has_kill_pending(status: &str) -> bool {
    ["SigPnd:", "ShdPnd:"].into_iter().any(|name| {
        let pending = field(status, name).and_then(|set| u64::from_str_radix(set, 16).ok());
        pending.is_some_and(|set| set & 1 << (libc::SIGKILL - 1) != 0)
    })
}

fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// Opens a descriptor by which [`Process::of`] knows the end of a process.
///
/// # Errors
///
/// `ESRCH` when there is none of that number.
pub fn pidfd(pid: u32) -> Result<OwnedFd, NetError> {
    open(pid).map_err(|error| NetError::new("watch", format!("process {pid}"), error))
}

/// Returns the path of a file in `/proc` about the calling thread, such as `net/unix`: that of the
/// process is about its first thread. `/proc/thread-self` is there since Linux 3.17.
#[must_use]
pub fn file_of_thread(name: &str) -> String {
    format!("/proc/self/task/{}/{name}", gettid())
}

/// Tells whether the kernel tells of the end of a process by itself.
#[must_use]
pub fn has_pidfd() -> bool {
    !matches!(pidfd_open(getpid(), PidfdFlags::empty()), Err(Errno::NOSYS))
}

fn open(pid: u32) -> io::Result<OwnedFd> {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).ok_or(io::ErrorKind::InvalidInput)?;
    // A pidfd is always close-on-exec.
    match pidfd_open(pid, PidfdFlags::empty()) {
        Err(Errno::NOSYS) => open_stat(pid),
        opened => Ok(opened?),
    }
}

fn open_stat(pid: Pid) -> io::Result<OwnedFd> {
    let path = format!("/proc/{}/stat", pid.as_raw_nonzero());
    match (File::open(path), test_kill_process(pid)) {
        (Ok(file), _) => Ok(file.into()),
        (Err(_), Err(Errno::SRCH)) => Err(Errno::SRCH.into()),
        (Err(error), _) if error.kind() == io::ErrorKind::NotFound => {
            Err(io::Error::other("/proc hides it: look for hidepid"))
        }
        (Err(error), _) => Err(error),
    }
}

/// How often a process is looked at whose end the kernel does not tell.
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Signals to several processes arrive a fraction of a millisecond apart, or some milliseconds.
const FIRST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_STAT: usize = 1024;
/// Places behind the name; `PF_EXITING` is of `linux/sched.h`, as `ps` knows it.
const STAT_STATE: usize = 0;
const STAT_FLAGS: usize = 6;
const STAT_THREADS: usize = 17;
const PF_EXITING: u32 = 0x4;

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::{Child, Command};

    use super::*;

    #[test]
    fn a_process_that_runs_or_is_stopped_is_not_killed() {
        let mut child = idle();
        run(async {
            let process = Process::watch(child.id()).unwrap();
            assert!(!process.is_killed());

            signal(&child, libc::SIGSTOP);

            let killed = tokio::time::timeout(Duration::from_millis(50), process.killed());
            assert!(killed.await.is_err());
            assert!(!process.has_exited());
        });
        child.kill().unwrap();
        assert_eq!(child.wait().unwrap().signal(), Some(libc::SIGKILL));
    }

    #[test]
    fn a_process_that_was_killed_is_noticed_reaped_or_not() {
        let mut child = idle();
        run(async {
            let process = Process::watch(child.id()).unwrap();

            signal(&child, libc::SIGKILL);

            process.killed().await.unwrap();
            process.exited().await.unwrap();
            assert!(process.has_exited());
            child.wait().unwrap();
            process.killed().await.unwrap();
        });
    }

    #[test]
    fn without_pidfds_proc_tells_the_same() {
        let mut child = idle();
        run(async {
            let process = Process::of(open_stat(Pid::from_child(&child)).unwrap()).unwrap();
            assert!(!process.is_killed() && !process.has_exited());
            signal(&child, libc::SIGSTOP);
            let exited = tokio::time::timeout(LOOK_PAUSE * 3, process.exited());
            assert!(exited.await.is_err());

            signal(&child, libc::SIGKILL);

            process.killed().await.unwrap();
            process.exited().await.unwrap();
            assert!(process.has_exited());
            child.wait().unwrap();
            process.exited().await.unwrap();
            assert!(process.has_exited());
        });
        let gone = open_stat(Pid::from_child(&child)).unwrap_err();
        assert_eq!(gone.raw_os_error(), Some(libc::ESRCH));
    }

    #[test]
    fn an_end_is_noticed_however_often_the_wait_begins_anew() {
        let mut child = idle();
        run(async {
            let process = Process::of(open_stat(Pid::from_child(&child)).unwrap()).unwrap();
            child.kill().unwrap();
            let began = clock::now();
            let pause = Duration::from_millis(1);
            while tokio::time::timeout(pause, process.exited()).await.is_err() {
                assert!(clock::now().since(began) < Duration::from_secs(10));
            }
        });
        child.wait().unwrap();
    }

    #[test]
    fn a_process_is_dead_when_its_last_thread_is() {
        let stat = |state: &str, threads: u32| {
            format!("7 (a) R) {state} 1 7 7 0 -1 4 0 0 0 0 0 0 0 0 20 0 {threads} 0 99")
        };

        assert!(is_dead(&stat("Z", 1)) && is_dead(&stat("X", 0)));
        assert!(!is_dead(&stat("Z", 2)) && !is_dead(&stat("S", 1)));
    }

    #[test]
    fn a_pending_kill_is_one_in_either_set() {
        for (own, shared, pending) in
            [(0x100, 0, true), (0, 0x100, true), (0x4200, 0, false), (0, 0, false)]
        {
            let status = format!("Name:\tnginx\nSigPnd:\t{own:016x}\nShdPnd:\t{shared:016x}\n");
            assert_eq!(has_kill_pending(&status), pending, "{status}");
        }
    }

    #[test]
    fn a_name_like_a_line_of_proc_does_not_hide_that_a_process_exits() {
        let stat = |flags: u32| format!("7 (a) R 4) S 1 7 7 0 -1 {flags} 0 0");

        assert!(is_exiting(&stat(PF_EXITING | 0x40_0000)));
        assert!(!is_exiting(&stat(0x40_0000)));
    }

    #[expect(clippy::disallowed_methods, reason = "this is a test, not nginx")]
    fn idle() -> Child {
        Command::new("sleep").arg("1000").spawn().unwrap()
    }

    fn signal(child: &Child, signal: i32) {
        let pid = Pid::from_child(child);
        let signal = rustix::process::Signal::from_named_raw(signal).unwrap();
        rustix::process::kill_process(pid, signal).unwrap();
    }

    fn run(test: impl Future<Output = ()>) {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
    }
}
