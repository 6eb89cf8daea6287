//! Keeps connections open while addresses move from one living host to another.
//!
//! A change of `nf_tables` waits for the changes of other programs, for seconds if one loads large
//! sets. No address waits for that: a thread of its own, `vrrp-nft`, changes the rules, and
//! `vrrp-net` waits for it only as long as it usually takes.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::orders::Yield;
use crate::net::{Firewall, NetError, Rules};
use crate::runtime::failpoint::failpoint;
use crate::runtime::report::panic_text;
use crate::types::{Families, Instant};

/// The rules for moving addresses, as far as this kernel supports them.
#[derive(Debug)]
pub(super) struct Passage {
    /// Of the addresses that may move.
    families: Families,
    desk: Option<Arc<Desk>>,
    /// Addresses are moving.
    is_under_way: bool,
    /// When to check again whether the kernel supports them.
    retry_at: Instant,
}

/// The state that both threads share.
#[derive(Debug, Default)]
struct Desk {
    state: Mutex<PassageState>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct PassageState {
    /// The wanted rules, and the number of this order.
    wanted: Rules,
    orders: u64,
    /// The number of the last order that was carried out or has failed.
    done: u64,
    access: Access,
    /// The thread has to end.
    is_over: bool,
    /// The thread has ended.
    has_ended: bool,
}

/// Whether `nf_tables` supports the rules.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Access {
    /// It has not been tried, or not since it failed.
    #[default]
    Untried,
    /// It is to be tried.
    Wanted,
    Works,
    /// The kernel cannot do it.
    Refused,
}

impl Passage {
    pub(super) fn new(families: Families) -> Self {
        Self { families, desk: None, is_under_way: false, retry_at: Instant::default() }
    }

    /// Prepares for the next move. A host without support goes on without rules.
    pub(super) fn prepare(&mut self, now: Instant) {
        if self.is_under_way {
            return;
        }
        let desk = match &self.desk {
            Some(desk) => desk,
            None => match start(self.families) {
                Ok(desk) => self.desk.insert(desk),
                // A later turn may start the thread.
                Err(_) => return,
            },
        };
        let mut state = desk.state();
        let is_due = match state.access {
            Access::Untried => true,
            Access::Refused => now >= self.retry_at,
            Access::Wanted | Access::Works => false,
        };
        if is_due {
            state.access = Access::Wanted;
            self.retry_at = now + RETRY_PAUSE;
            desk.changed.notify_all();
        }
    }

    /// Returns until when yielded addresses stay here. Without the rules that is a short time: this
    /// host would answer ARP for them, too.
    pub(super) fn end_of(&self, yielded: &Yield) -> Instant {
        let is_quiet = self.desk.as_ref().is_some_and(|desk| {
            let state = desk.state();
            state.access == Access::Works && state.is_idle()
        });
        if is_quiet {
            yielded.until
        } else {
            yielded.until.min(yielded.since + LONGEST_DISTURBANCE)
        }
    }

    /// Replaces the rules by those that the moves of this moment need. Waits for that at most
    /// [`USUAL`], and not at all where the rules before are not in force yet.
    pub(super) fn keep(&mut self, rules: &Rules) {
        self.is_under_way = *rules != Rules::default();
        let Some(desk) = &self.desk else { return };
        let mut state = desk.state();
        if state.wanted == *rules {
            return;
        }
        let is_prompt = state.access == Access::Works && state.is_idle();
        state.wanted.clone_from(rules);
        state.orders += 1;
        desk.changed.notify_all();
        if is_prompt {
            desk.wait(state, |state| !state.is_idle());
        }
    }
}

impl Drop for Passage {
    /// The rules end with the thread.
    fn drop(&mut self) {
        let Some(desk) = &self.desk else { return };
        let mut state = desk.state();
        let is_prompt = !state.has_work();
        state.is_over = true;
        desk.changed.notify_all();
        if is_prompt {
            desk.wait(state, |state| !state.has_ended);
        }
    }
}

impl Access {
    /// A failure stays until it is tried again.
    fn after_a_failure(self) -> Self {
        if self == Self::Works { Self::Untried } else { self }
    }
}

impl PassageState {
    fn is_idle(&self) -> bool {
        self.done == self.orders
    }

    fn has_work(&self) -> bool {
        self.is_over || self.access == Access::Wanted || !self.is_idle()
    }
}

impl Desk {
    fn state(&self) -> MutexGuard<'_, PassageState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the other thread while a condition holds, but not for long.
    fn wait(&self, state: MutexGuard<'_, PassageState>, is_so: impl Fn(&PassageState) -> bool) {
        let waited = self.changed.wait_timeout_while(state, USUAL, |state| is_so(state));
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// The main function of the thread `vrrp-nft`.
    fn serve(&self, families: Families) {
        let mut firewall = None;
        let mut problem = None;
        loop {
            let idle = |state: &mut PassageState| !state.has_work();
            let state = self.changed.wait_while(self.state(), idle);
            let state = state.unwrap_or_else(PoisonError::into_inner);
            if state.is_over {
                return;
            }
            let (rules, orders) = (state.wanted.clone(), state.orders);
            let opens = state.access == Access::Wanted;
            drop(state);
            failpoint("nf_tables").ok();
            if opens && firewall.is_none() {
                firewall = open(families, &mut problem);
            }
            firewall = firewall.and_then(|firewall| keep(firewall, families, &rules));
            let mut state = self.state();
            state.done = orders;
            state.access = match firewall {
                Some(_) => Access::Works,
                None if opens => Access::Refused,
                None => state.access.after_a_failure(),
            };
            self.changed.notify_all();
        }
    }
}

fn start(families: Families) -> io::Result<Arc<Desk>> {
    let desk = Arc::new(Desk::default());
    let theirs = Arc::clone(&desk);
    thread::Builder::new().name("vrrp-nft".to_owned()).spawn(move || {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| theirs.serve(families))) {
            tracing::error!("the thread vrrp-nft has ended: {}", panic_text(&*panic));
        }
        let mut state = theirs.state();
        (state.access, state.has_ended) = (Access::Refused, true);
        theirs.changed.notify_all();
    })?;
    Ok(desk)
}

/// Checks whether the kernel supports the rules. `problem` is the result of the last check.
fn open(families: Families, problem: &mut Option<String>) -> Option<Firewall> {
    match Firewall::open(families) {
        Ok(firewall) => {
            if families == Families::ALL && !firewall.forwards() {
                tracing::info!(
                    "connections of the family that has not the election are cut when addresses of \
                     both families move: nf_tables cannot forward frames"
                );
            }
            *problem = None;
            Some(firewall)
        }
        Err(error) => {
            let told = Some(error.with_cause());
            if *problem != told {
                tracing::info!("connections are cut when addresses move: {}", error.with_cause());
                *problem = told;
            }
            None
        }
    }
}

/// Replaces the rules.
fn keep(mut firewall: Firewall, families: Families, rules: &Rules) -> Option<Firewall> {
    if firewall.set(rules).is_ok() {
        return Some(firewall);
    }
    // Rules may have expired already, and then the change fails as a whole: once more from the
    // beginning. The rules before end with the socket that is replaced.
    drop(firewall);
    let anew = || -> Result<Firewall, NetError> {
        let mut firewall = Firewall::open(families)?;
        firewall.set(rules)?;
        Ok(firewall)
    };
    let anew = anew();
    if let Err(error) = &anew {
        tracing::warn!("connections are cut in this move: {}", error.with_cause());
    }
    anew.ok()
}

/// Some milliseconds are needed: the next host announces the addresses after it has advertised.
const LONGEST_DISTURBANCE: Duration = Duration::from_millis(200);

/// Time that a change of rules takes if no other program makes one.
const USUAL: Duration = Duration::from_millis(20);

/// A kernel without support looks for a module each time.
const RETRY_PAUSE: Duration = Duration::from_secs(600);
