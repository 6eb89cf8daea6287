//! The engine's end of the guard: informs it of what it has to withdraw if this engine dies.
//!
//! Starting a program takes as long as reading its file. So a thread of its own does it,
//! `vrrp-spawn`. A guard counts once it has sent that it guards: before, its program may refuse.
//! Until then the guard that it replaces is kept.
//!
//! What was sent is compared with the present claims, and the difference is sent, so that an order
//! that finds no room is only late. A guard that died is started again, and everything is sent
//! anew.

mod next;
mod process;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::next::NextGuard;
use self::process::{GuardProcess, GuardSign};
pub(super) use self::process::{Held, HeldSite};
use super::backoff::Backoff;
use super::handover::Place;
use super::kernel::AcceptFilter;
use super::report;
use super::surroundings::{Program, Surroundings};
use crate::guard::{self, Claim, DoorId, GuardStart, Kept};
use crate::net::spawn::ErrorOutput;
use crate::net::{Channel, HeldMutex, Lock};
use crate::proto::RouterId;
use crate::types::Instant;

/// The guard of this engine, if there is one, and the lock that marks this engine as the one in
/// charge.
#[derive(Debug, Default)]
pub(super) struct Guard {
    program: Option<Program>,
    /// The guard in service, and since when, until a failure after that.
    current: Option<GuardProcess>,
    guards_since: Option<Instant>,
    /// The guard being started.
    next: Option<NextGuard>,
    /// Why there is none.
    problem: Option<String>,
    /// Why the last attempt to start one failed.
    failure: Option<String>,
    start_at: Instant,
    backoff: Backoff,
    master_pid: u32,
    /// Where the engines of this host meet.
    door: Option<PathBuf>,
    lock_file: PathBuf,
    lock: Option<Lock>,
    in_charge: bool,
    /// The rules that are to stay in force until the addresses are gone.
    filter: Option<Arc<AcceptFilter>>,
    /// The mutex by which the guard learns within a millisecond that this thread died.
    mutex: Option<HeldMutex>,
    /// The door of this engine.
    opened: Option<DoorId>,
    claimed: BTreeSet<RouterId>,
    /// Released routers whose addresses the kernel may still have. They are in `claimed`, too.
    releasing: BTreeSet<RouterId>,
    /// When to compare everything again: some changes of an order are not reported.
    compare_at: Instant,
}

impl Guard {
    /// Takes the lock and starts a guard, if possible. Must be called within a tokio runtime.
    pub(super) fn new(
        surroundings: &Surroundings,
        place: Option<&Place>,
        filter: Option<Arc<AcceptFilter>>,
        now: Instant,
    ) -> Self {
        let mut guard = Self {
            program: surroundings.guard.clone(),
            master_pid: surroundings.master_pid,
            door: place.map(|place| place.path().to_owned()),
            lock_file: surroundings.board.clone(),
            start_at: now,
            filter,
            ..Self::default()
        };
        guard.take_lock();
        if guard.program.as_ref().is_some_and(Program::exists) {
            guard.start(now);
        } else {
            guard.fail("there is no resty/vrrp/guard beside core.so".to_owned(), now);
        }
        guard
    }

    /// Returns why there is no guard, if there is none.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Tells whether there is a guard, or may be one at any moment.
    pub(super) fn is_possible(&self) -> bool {
        self.current.is_some() || self.next.is_some()
    }

    /// Sends the guard the identity of this engine's door: another door is another engine's.
    pub(super) fn opened(&mut self, door: DoorId) {
        self.opened = Some(door);
        self.processes().for_each(|(guard, _)| guard.forget_door());
        self.tell_door();
    }

    /// Sends the guard everything anew: it has forgotten the routers that it has withdrawn.
    pub(super) fn tell_anew(&mut self) {
        self.processes().for_each(|(guard, claimed)| guard.tell_anew(claimed));
    }

    /// Has routers compared with what was sent, at the next [`tell`](Self::tell): they may have
    /// changed.
    pub(super) fn look_at(&mut self, routers: impl IntoIterator<Item = RouterId>) {
        for router in routers {
            for (guard, claimed) in self.processes() {
                if claimed.contains(&router) {
                    guard.stale.insert(router);
                }
            }
        }
    }

    /// Has all routers compared with what was sent.
    pub(super) fn look_at_all(&mut self) {
        self.processes().for_each(|(guard, claimed)| guard.look_at_all(claimed));
    }

    /// Notes that a router holds its addresses; sent with the next [`tell`](Self::tell).
    pub(super) fn claim(&mut self, router: RouterId) {
        self.claimed.insert(router);
        self.releasing.remove(&router);
        self.look_at([router]);
    }

    /// Notes that a router gives its addresses up. It is guarded until they are
    /// [removed](Self::forget).
    pub(super) fn release(&mut self, router: RouterId) {
        self.releasing.insert(router);
    }

    /// Notes which of the released routers hold no address any more.
    pub(super) fn forget(&mut self, holds_nothing: impl Fn(RouterId) -> bool) {
        let gone: Vec<_> =
            self.releasing.iter().copied().filter(|router| holds_nothing(*router)).collect();
        self.look_at(gone.iter().copied());
        for router in gone {
            self.releasing.remove(&router);
            self.claimed.remove(&router);
        }
    }

    /// Sends the guard what has changed; what finds no room is sent later.
    pub(super) fn tell(&mut self, held: &Held<'_>) {
        self.processes().for_each(|(guard, claimed)| guard.tell(claimed, held));
    }

    /// Starts a guard where there is none, and compares everything with what was sent from time to
    /// time.
    pub(super) fn beat(&mut self, held: &Held<'_>, now: Instant) {
        self.take_lock();
        self.hear(now);
        let compares = now >= self.compare_at;
        if compares {
            self.compare_at = now + COMPARISON_PAUSE;
            self.look_at_all();
        }
        if self.is_start_due(compares, now) {
            self.start(now);
        }
        self.tell_door();
        self.tell(held);
    }

    /// Lets the guard end without doing anything: this engine ends as planned, or another one has
    /// the routers.
    pub(super) fn dismiss(&mut self) {
        let next = self.next.take().map(NextGuard::into_process);
        for guard in self.current.take().into_iter().chain(next) {
            guard.dismiss();
        }
        (self.mutex, self.filter) = (None, None);
        self.program = None;
        self.claimed.clear();
        self.releasing.clear();
    }

    /// Leaves the rest to the guard, which acts when the carrier ends.
    pub(super) fn let_go(&mut self) {
        self.mutex = None;
        (self.current, self.next) = (None, None);
        (self.program, self.filter) = (None, None);
    }

    fn take_lock(&mut self) {
        if self.in_charge {
            return;
        }
        if self.lock.is_none() {
            self.lock = Lock::open(&self.lock_file).ok();
        }
        // A guard that has the lock is withdrawing the routers of a dead engine, and ends soon.
        self.in_charge = self.lock.as_ref().is_some_and(|lock| lock.try_take().unwrap_or(false));
    }

    /// Tells whether to start a guard: there is none; or, if that is compared, nginx has opened
    /// another log since, and its messages would go into the rotated file.
    fn is_start_due(&self, compares: bool, now: Instant) -> bool {
        let is_outdated = |guard: &GuardProcess| compares && guard.log != ErrorOutput::now();
        now >= self.start_at
            && self.program.is_some()
            && self.next.is_none()
            && self.current.as_ref().is_none_or(is_outdated)
    }

    fn start(&mut self, now: Instant) {
        let Some(program) = self.program.clone() else { return };
        let log = ErrorOutput::now();
        let started = self.prepare(program).and_then(|(channel, start)| {
            NextGuard::start(start, GuardProcess::new(channel, log, &self.claimed), now)
        });
        match started {
            Ok(next) => self.next = Some(next),
            Err(error) => self.fail(error, now),
        }
    }

    /// Reads the signs of the guards.
    fn hear(&mut self, now: Instant) {
        if self.current.as_mut().and_then(GuardProcess::sign) == Some(GuardSign::Ended) {
            self.lose(now);
        }
        let Some(mut next) = self.next.take() else { return };
        match next.guards() {
            Ok(true) => {
                if let Some(before) = self.current.replace(next.into_process()) {
                    before.dismiss();
                }
                (self.problem, self.failure) = (None, None);
                self.guards_since = Some(now);
            }
            Ok(false) => {
                if self.current.is_none() && self.problem.is_none() && next.is_late(now) {
                    self.problem = Some("the guard takes long to start".to_owned());
                }
                self.next = Some(next);
            }
            Err(error) => self.fail(error, now),
        }
    }

    /// Notes that no guard could be started. It is tried again after a pause. A guard that was to
    /// be replaced stays.
    fn fail(&mut self, error: String, now: Instant) {
        let run = self.end_run(now);
        self.start_at = now + self.backoff.after_a_run_of(run);
        if self.current.is_none() {
            self.problem = Some(error);
        } else if self.failure.as_ref() != Some(&error) {
            tracing::warn!("the guard goes on writing into the log before this one: {error}");
            self.failure = Some(error);
        }
    }

    /// Notes that the guard has ended. One that guarded for long is replaced at once.
    fn lose(&mut self, now: Instant) {
        self.current = None;
        self.problem = Some("the guard has ended".to_owned());
        // Otherwise an attempt to replace it has failed, and the next one is due anyway.
        if self.guards_since.is_some() {
            let run = self.end_run(now);
            self.start_at = now + self.backoff.after_a_run_of(run).saturating_sub(run);
        }
    }

    /// Returns for how long a guard has been in service.
    fn end_run(&mut self, now: Instant) -> Duration {
        self.guards_since.take().map_or(Duration::ZERO, |since| now.since(since))
    }

    fn prepare(&mut self, program: Program) -> Result<(Channel, GuardStart), String> {
        let lock = Lock::open(&self.lock_file)
            .map_err(|error| format!("cannot open the file of its lock: {error}"))?;
        let mutex = self.hold_mutex().map_err(|error| format!("cannot hold a mutex: {error}"))?;
        let carrier = std::process::id();
        let filter = self.filter.as_ref().and_then(|filter| filter.share());
        let kept = Kept { mutex, lock, filter };
        guard::prepare(program, carrier, self.master_pid, kept, self.door.as_deref())
            .map_err(|error| report::chain(&error))
    }

    /// Holds the mutex, from before the first guard starts, and returns its memory.
    fn hold_mutex(&mut self) -> io::Result<OwnedFd> {
        let mutex = match self.mutex.take() {
            Some(mutex) => mutex,
            None => HeldMutex::new()?,
        };
        self.mutex.insert(mutex).memory()
    }

    fn tell_door(&mut self) {
        if let Some(door) = self.opened {
            self.processes().for_each(|(guard, _)| guard.tell_door(door));
        }
    }

    /// Returns each guard that gets orders, and the claims.
    fn processes(&mut self) -> impl Iterator<Item = (&mut GuardProcess, &BTreeSet<RouterId>)> {
        let Self { current, next, claimed, .. } = self;
        let next = next.iter_mut().map(|next| &mut next.process);
        let claimed = &*claimed;
        current.iter_mut().chain(next).map(move |guard| (guard, claimed))
    }
}

/// Returns what the predecessor holds, as its guard states it.
pub(super) fn recall(place: Option<&Place>) -> Vec<Claim> {
    place.map(|place| guard::recall(place.path())).unwrap_or_default()
}

/// Such as another checksum form of the peers.
const COMPARISON_PAUSE: Duration = Duration::from_secs(1);
