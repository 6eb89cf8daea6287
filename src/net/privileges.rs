//! The rights and signals of one thread. Linux gives both to threads, not to processes.

use std::fmt;
use std::fs;
use std::io;

use nix::sys::signal::{SigSet, SigmaskHow, Signal};
use rustix::io::Errno;
use rustix::process::{DumpableBehavior, Pid, geteuid, set_dumpable_behavior};
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    configure_capability_in_ambient_set, set_capabilities,
};

/// A set of the rights that this program has a use for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Rights(CapabilitySet);

impl Rights {
    /// No right at all.
    pub const NONE: Self = Self(CapabilitySet::empty());
    /// `CAP_NET_ADMIN` and `CAP_NET_RAW`: what the threads need.
    pub const NETWORK: Self = Self(CapabilitySet::NET_ADMIN.union(CapabilitySet::NET_RAW));

    /// Returns those of these rights that the calling thread does not have.
    ///
    /// # Errors
    ///
    /// When the kernel does not tell.
    pub fn missing(self) -> io::Result<Self> {
        let held = capabilities(None)?.effective;
        Ok(Self(self.0.difference(held)))
    }

    /// Tells whether any thread of a process has all of these rights.
    ///
    /// # Errors
    ///
    /// When there is no such process.
    pub fn are_held_by(self, pid: i32) -> io::Result<bool> {
        for task in fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
            let thread = task.file_name().to_str().and_then(|name| name.parse().ok());
            // A thread may have ended meanwhile.
            let held = thread.and_then(Pid::from_raw).map(|thread| capabilities(Some(thread)));
            if held.and_then(Result::ok).is_some_and(|held| held.permitted.contains(self.0)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes every other right from the calling thread, for good.
    ///
    /// Rights that the thread does not have are not gained. Other threads keep theirs.
    ///
    /// # Errors
    ///
    /// When the kernel refuses, which it does to no thread that gives rights away.
    pub fn keep_only(self) -> io::Result<()> {
        let held = capabilities(None)?;
        clear_ambient()?;
        let kept = CapabilitySets {
            effective: held.effective & self.0,
            permitted: held.permitted & self.0,
            inheritable: held.inheritable & self.0,
        };
        set_capabilities(None, kept)?;
        Ok(())
    }

    /// Lets programs that the calling thread executes have these rights, until dropped.
    ///
    /// Other threads are not concerned, nor is what they execute.
    ///
    /// # Errors
    ///
    /// When the thread does not have them itself; before Linux 4.3, when it is not root's.
    pub fn lend(self) -> io::Result<Lent> {
        let held = capabilities(None)?;
        let inheritable = held.inheritable | (held.permitted & self.0);
        set_capabilities(None, CapabilitySets { inheritable, ..held })?;
        let lent = Lent { before: held };
        for right in self.0.iter() {
            match configure_capability_in_ambient_set(right, true) {
                // What root executes has all rights anyway.
                Err(Errno::INVAL) if geteuid().is_root() => {}
                raised => raised?,
            }
        }
        Ok(lent)
    }

    /// Tells whether the set is empty.
    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Display for Rights {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names =
            [(CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN"), (CapabilitySet::NET_RAW, "CAP_NET_RAW")];
        let mut separator = "";
        for (_, name) in names.iter().filter(|(right, _)| self.0.contains(*right)) {
            write!(f, "{separator}{name}")?;
            separator = " and ";
        }
        Ok(())
    }
}

/// A kernel before Linux 4.3 has no ambient rights.
fn clear_ambient() -> Result<(), Errno> {
    match clear_ambient_capability_set() {
        Err(Errno::INVAL) => Ok(()),
        cleared => cleared,
    }
}

/// Closes the memory of this process to other processes of its user, for good: they could make its
/// threads use their rights. There are no core dumps of it then.
///
/// Root's needs that not: nobody else may look into it.
///
/// # Errors
///
/// When the kernel refuses.
pub fn close_memory() -> io::Result<()> {
    if geteuid().is_root() {
        return Ok(());
    }
    Ok(set_dumpable_behavior(DumpableBehavior::NotDumpable)?)
}

/// Rights lent to the programs that one thread executes. See [`Rights::lend`].
#[derive(Debug)]
#[must_use = "dropping it takes the rights back"]
pub struct Lent {
    before: CapabilitySets,
}

impl Drop for Lent {
    fn drop(&mut self) {
        let restored = clear_ambient().and_then(|()| set_capabilities(None, self.before));
        if let Err(error) = restored {
            tracing::error!(%error, "cannot take back the rights that were lent");
        }
    }
}

/// Blocks the signals of the calling thread until dropped; a thread spawned meanwhile inherits it.
///
/// nginx handles its signals in its main thread: a handler that ran in another would not wake it.
#[derive(Debug)]
#[must_use = "dropping it unblocks the signals again"]
pub struct SignalsBlocked {
    before: SigSet,
}

impl SignalsBlocked {
    /// Blocks everything except the signals that a fault of the thread itself raises.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn new() -> io::Result<Self> {
        let mut blocked = SigSet::all();
        for fault in [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGFPE, Signal::SIGILL] {
            blocked.remove(fault);
        }
        Ok(Self { before: blocked.thread_swap_mask(SigmaskHow::SIG_SETMASK)? })
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        if let Err(error) = self.before.thread_set_mask() {
            tracing::error!(%error, "cannot restore the signal mask");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn rights_given_away_are_missing_in_that_thread_alone() {
        let before = Rights::NETWORK.missing().unwrap();

        let after = thread::spawn(|| {
            Rights::NONE.keep_only().unwrap();
            Rights::NETWORK.missing().unwrap()
        });

        assert_eq!(after.join().unwrap(), Rights::NETWORK);
        assert_eq!(Rights::NETWORK.missing().unwrap(), before);
    }

    #[test]
    fn rights_are_named_as_an_operator_writes_them() {
        assert_eq!(Rights::NETWORK.to_string(), "CAP_NET_ADMIN and CAP_NET_RAW");
        assert_eq!(Rights::NONE.to_string(), "");
    }

    #[test]
    fn a_thread_spawned_under_the_guard_blocks_signals_and_its_parent_gets_them_back() {
        let before = SigSet::thread_get_mask().unwrap();

        let guard = SignalsBlocked::new().unwrap();
        let inside = thread::spawn(|| SigSet::thread_get_mask().unwrap()).join().unwrap();
        drop(guard);

        assert!(inside.contains(Signal::SIGTERM) && inside.contains(Signal::SIGCHLD));
        assert!(!inside.contains(Signal::SIGSEGV));
        assert_eq!(SigSet::thread_get_mask().unwrap(), before);
    }
}
