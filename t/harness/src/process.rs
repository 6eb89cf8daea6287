//! Child processes that do not outlive the one who started them.

use std::os::unix::process::CommandExt;
use std::panic::resume_unwind;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::time::Duration;
use std::{fs, io, thread};

use nix::sys::ptrace;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::Pid;

use crate::wait::eventually;

/// A child process. Dropping it kills it.
#[derive(Debug)]
pub struct Process {
    child: Child,
}

impl Process {
    pub(crate) fn new(child: Child) -> Self {
        Self { child }
    }

    /// Returns the process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        i32::try_from(self.child.id()).expect("a process id is positive and fits")
    }

    /// Tells whether it still runs.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Sends a signal to this process alone.
    pub fn signal(&self, signal: Signal) {
        crate::process::signal(self.pid(), signal);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self, within: Duration) -> ExitStatus {
        let pid = self.pid();
        eventually(&format!("process {pid} ends"), within, || {
            self.child.try_wait().ok().flatten().ok_or("it runs")
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Sends a signal; that the process has gone meanwhile is no error.
pub fn signal(pid: i32, signal: Signal) {
    kill(Pid::from_raw(pid), signal).ok();
}

/// Tells whether a process exists and is more than a zombie.
#[must_use]
pub fn is_alive(pid: i32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// Returns the state letter and the parent of a process.
pub(crate) fn stat(pid: i32) -> Option<(char, i32)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything, also spaces and parentheses.
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((state, fields.next()?.parse().ok()?))
}

/// Returns the ids of all processes.
pub(crate) fn all_pids() -> Vec<i32> {
    let entries = fs::read_dir("/proc").expect("/proc is mounted");
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Runs a command to its end and returns its standard output; panics when it fails.
#[track_caller]
pub(crate) fn run(command: &mut Command) -> String {
    try_run(command).unwrap_or_else(|problem| panic!("{problem}"))
}

/// Runs a command to its end and returns its standard output, or what went wrong.
pub(crate) fn try_run(command: &mut Command) -> Result<String, String> {
    let ended = output(command);
    verdict(command, ended)
}

/// Turns the end of a command into its standard output, or what went wrong.
pub(crate) fn verdict(command: &Command, output: io::Result<Output>) -> Result<String, String> {
    let line = format!("{command:?}").replace('"', "");
    match output {
        Ok(output) if output.status.success() => {
            Ok(String::from_utf8_lossy(&output.stdout).into_owned())
        }
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            Err(format!("`{line}` failed ({}): {}", output.status, said.trim()))
        }
        Err(error) => Err(format!("cannot run `{line}`: {error}")),
    }
}

/// Keeps a command from the terminal: Ctrl-C is meant for us, and we end it in good order.
pub(crate) fn on_its_own(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).process_group(0)
}

pub(crate) fn output(command: &mut Command) -> io::Result<Output> {
    on_its_own(command).output()
}

/// Does something in a thread that goes before all others; so do the threads and processes that it
/// starts.
///
/// Otherwise whoever watches would measure how long it had to wait for a core itself.
pub fn urgently<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    let inside = || {
        let thread = fs::read_link("/proc/thread-self").unwrap_or_default();
        let thread = thread.file_name().unwrap_or_default().to_owned();
        let status = Command::new("chrt").args(["--fifo", "--pid", "20"]).arg(thread).status();
        if !status.is_ok_and(|status| status.success()) {
            eprintln!("a watcher has no priority: what it sees may look later than it was");
        }
        work()
    };
    thread::scope(|scope| scope.spawn(inside).join()).unwrap_or_else(|panic| resume_unwind(panic))
}

/// A thread that stands still while the others of its process go on: one that the kernel keeps
/// waiting, say. It goes on when the thread of the test ends.
#[derive(Debug)]
pub struct StuckThread(Pid);

impl StuckThread {
    /// Stops the thread of that name.
    #[must_use]
    #[track_caller]
    pub fn of(pid: i32, name: &str) -> Self {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).expect("the process lives");
        let mut tids = threads.flatten().filter_map(|it| it.file_name().to_str()?.parse().ok());
        let is_called = |tid: &i32| {
            let comm = fs::read_to_string(format!("/proc/{pid}/task/{tid}/comm"));
            comm.is_ok_and(|comm| comm.trim_end() == name)
        };
        let thread = Pid::from_raw(tids.find(is_called).expect("it has such a thread"));
        ptrace::seize(thread, ptrace::Options::empty()).expect("root may stop a thread");
        ptrace::interrupt(thread).expect("it is ours to stop");
        waitpid(thread, Some(WaitPidFlag::__WALL)).expect("it stops");
        Self(thread)
    }

    /// Lets it go on.
    #[track_caller]
    pub fn release(self) {
        ptrace::detach(self.0, None).expect("it is stopped");
    }

    /// Waits until it has ended with its process, which cannot end before.
    #[track_caller]
    pub fn wait_for_the_end(self) {
        waitpid(self.0, Some(WaitPidFlag::__WALL)).expect("it ends with its process");
    }
}
