//! Keeps this host from answering on the addresses of routers with `accept = false`.
//!
//! The rules are in force as long as the engine runs, whoever has the addresses: so it adds none
//! without them. Those that it is given by the engine before stay while the rules are being put in
//! force for the first time. The guard has a descriptor of their socket, too: they
//! outlive an engine that was killed until the guard has removed the addresses.
//!
//! A change of `nf_tables` may wait for other programs, and is made by a thread of its own.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use crate::net::AcceptRules;
use crate::runtime::failpoint::failpoint;

/// The rules of an engine. They go with the last descriptor of their socket.
#[derive(Debug)]
pub struct AcceptFilter {
    shared: Arc<Shared>,
    /// The places of the routers with these addresses.
    routers: BTreeSet<usize>,
}

#[derive(Debug)]
struct Shared {
    /// `None` if the kernel has no `nf_tables`.
    rules: Option<AcceptRules>,
    state: Mutex<FilterState>,
    changed: Condvar,
}

/// What has become of the rules.
#[derive(Debug, Default)]
struct FilterState {
    enforcement: Enforcement,
    /// The engine has ended.
    is_over: bool,
}

/// Whether the rules are in force.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) enum Enforcement {
    /// It is being tried for the first time.
    #[default]
    Pending,
    InForce,
    /// They are not, and it is tried again: the problem.
    Failed(String),
}

impl AcceptFilter {
    /// Begins to put the rules for the addresses of some routers in force.
    #[must_use]
    pub fn start(routers: BTreeSet<usize>, addresses: BTreeSet<IpAddr>) -> Self {
        let (rules, problem) = match AcceptRules::new(addresses) {
            Ok(rules) => (Some(rules), None),
            Err(error) => (None, Some(error.with_cause())),
        };
        let state = FilterState {
            enforcement: problem.map_or(Enforcement::Pending, Enforcement::Failed),
            ..FilterState::default()
        };
        let (state, changed) = (Mutex::new(state), Condvar::new());
        let shared = Arc::new(Shared { rules, state, changed });
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("vrrp-accept".to_owned());
        if let Err(error) = thread.spawn(move || theirs.enforce()) {
            shared.state().enforcement = Enforcement::Failed(format!("no thread: {error}"));
        }
        Self { shared, routers }
    }

    /// Returns another descriptor of the socket, which keeps the rules in force; `None` without
    /// rules, and where this process has no room for it.
    #[must_use]
    pub fn share(&self) -> Option<OwnedFd> {
        self.shared.rules.as_ref()?.share().ok()
    }

    /// Returns why a router cannot have its addresses, if it cannot.
    #[must_use]
    pub fn problem_of(&self, router: usize) -> Option<String> {
        if !self.routers.contains(&router) {
            return None;
        }
        match self.enforcement() {
            Enforcement::Failed(problem) => Some(format!("{NEEDED}: {problem}")),
            Enforcement::Pending | Enforcement::InForce => None,
        }
    }

    pub(super) fn enforcement(&self) -> Enforcement {
        self.shared.state().enforcement.clone()
    }
}

impl Drop for AcceptFilter {
    fn drop(&mut self) {
        self.shared.state().is_over = true;
        self.shared.changed.notify_all();
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, FilterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The main function of the thread: tries until the rules are in force.
    fn enforce(&self) {
        let Some(rules) = &self.rules else { return };
        for attempt in 1.. {
            let enforced = failpoint("accept")
                .and_then(|()| rules.enforce().map_err(|error| error.with_cause()));
            let mut state = self.state();
            let (enforcement, pause) = after(attempt, enforced);
            state.enforcement = enforcement;
            let Some(pause) = pause else { return };
            let waiting = self.changed.wait_timeout_while(state, pause, |state| !state.is_over);
            if waiting.unwrap_or_else(PoisonError::into_inner).0.is_over {
                return;
            }
        }
    }
}

/// Returns what has become of the rules after so many attempts, and the pause before the next one.
///
/// What has failed may succeed a moment later: memory was short, or another program has changed
/// rules meanwhile. The addresses that the engine before has handed over stay until then.
fn after(attempt: u32, enforced: Result<(), String>) -> (Enforcement, Option<Duration>) {
    match enforced {
        Ok(()) => (Enforcement::InForce, None),
        Err(_) if attempt < QUICK_ATTEMPTS => (Enforcement::Pending, Some(QUICK_PAUSE)),
        Err(problem) => (Enforcement::Failed(problem), Some(RETRY_PAUSE)),
    }
}

pub(super) const NEEDED: &str = "accept = false needs rules of nf_tables (Linux 5.12 or later), or \
                                 this host would answer on the addresses";

/// Attempts before the addresses are given up.
const QUICK_ATTEMPTS: u32 = 5;
const QUICK_PAUSE: Duration = Duration::from_millis(40);
/// A kernel without support looks for a module each time.
const RETRY_PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fails_for_a_moment_is_tried_again_at_once_and_is_no_fault() {
        let refused = || Err("out of memory".to_owned());

        for attempt in 1..QUICK_ATTEMPTS {
            assert_eq!(after(attempt, refused()), (Enforcement::Pending, Some(QUICK_PAUSE)));
        }
        assert_eq!(after(3, Ok(())), (Enforcement::InForce, None));
        let failed = Enforcement::Failed("out of memory".to_owned());
        assert_eq!(after(QUICK_ATTEMPTS, refused()), (failed, Some(RETRY_PAUSE)));
    }
}
