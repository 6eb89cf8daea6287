//! Another process, watched until it ends.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::net::NetError;
use crate::net::clock;
use crate::net::timer::Timer;
use crate::net::watched::Watched;

/// A process that another process reaps: a pidfd never means another process of the same number.
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

    /// Waits for the end of the process. Cancel-safe.
    ///
    /// # Errors
    ///
    /// When the runtime shuts down.
    pub async fn exited(&self) -> io::Result<()> {
        self.fd.readable().await
    }

    /// Tells whether the process has ended: only from then on does its parent know.
    #[must_use]
    pub fn has_exited(&self) -> bool {
        let mut polled = [PollFd::new(&self.fd, PollFlags::IN)];
        poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|ready| ready > 0)
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
        let read = |path: String| fs::read_to_string(path).unwrap_or_default();
        let info = read(format!("/proc/self/fdinfo/{}", self.fd.as_fd().as_raw_fd()));
        // Of a process that was reaped it is -1.
        let Some(pid) = field(&info, "Pid:").and_then(|pid| pid.parse::<u32>().ok()) else {
            return false;
        };
        is_exiting(&read(format!("/proc/{pid}/stat")))
            || has_kill_pending(&read(format!("/proc/{pid}/status")))
    }
}

/// Tells whether `/proc/<pid>/stat` shows the flag `PF_EXITING`.
fn is_exiting(stat: &str) -> bool {
    // The name in parentheses may hold anything, parentheses and spaces, too.
    let fields = stat.rsplit_once(") ").map(|(_, fields)| fields);
    let flags = fields.and_then(|fields| fields.split(' ').nth(STAT_FLAGS)?.parse::<u32>().ok());
    flags.is_some_and(|flags| flags & PF_EXITING != 0)
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

/// Signals to several processes arrive a fraction of a millisecond apart, or some milliseconds.
const FIRST_PAUSE: Duration = Duration::from_micros(100);
const LONGEST_PAUSE: Duration = Duration::from_millis(10);
/// Place of the flags behind the name; `PF_EXITING` is of `linux/sched.h`, as `ps` knows it.
const STAT_FLAGS: usize = 6;
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
