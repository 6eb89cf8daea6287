//! The engine's end of the guard: keeps it told of what this host would leave behind.
//!
//! To start a program takes as long as its file is read. So that is an [errand](Errand) for the
//! thread `vrrp-net`, which has another one do it.
//!
//! What was told is compared with what is so, and the difference sent, so that an order that finds
//! no room is only late. A guard that died is started again, with everything to be told anew.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use super::backoff::Backoff;
use super::failpoint::failpoint;
use super::handover::Place;
use super::kernel::Errand;
use super::report;
use super::surroundings::Surroundings;
use crate::guard::{self, Claim, DoorId, GuardStart, Order, Resignation};
use crate::net::spawn::ErrorOutput;
use crate::net::{Channel, HeldMutex, Lock};
use crate::proto::{LinkId, Node, RouterId};
use crate::types::{Instant, Priority};

/// The guard of this engine, if there is one, and the lock that says that this engine is in charge.
#[derive(Debug, Default)]
pub(super) struct Guard {
    program: Option<PathBuf>,
    /// Why the last attempt to start it failed.
    problem: Option<String>,
    backoff: Backoff,
    master_pid: u32,
    /// Where the engines of this host meet.
    door: Option<PathBuf>,
    lock_file: PathBuf,
    lock: Option<Lock>,
    in_charge: bool,
    /// By this the guard learns within a millisecond that this thread dies.
    mutex: Option<HeldMutex>,
    channel: Option<Channel>,
    /// The guard that is to be replaced, until the next one has started.
    before: Option<Channel>,
    /// The log that the guard was given.
    log: Option<ErrorOutput>,
    /// The start of a guard, for `vrrp-net`, and what came of it there.
    errand: Option<Errand>,
    outcome: Option<Receiver<Result<(), String>>>,
    start_at: Instant,
    /// The door of this engine.
    opened: Option<DoorId>,
    is_door_told: bool,
    claimed: BTreeSet<RouterId>,
    /// Released, but the kernel may have the addresses yet; these are claimed, too.
    releasing: BTreeSet<RouterId>,
    told: BTreeMap<RouterId, Claim>,
    /// What the guard knows of these may not be so any more.
    stale: BTreeSet<RouterId>,
    /// When to compare everything again: not all that changes an order is worth a word.
    compare_at: Instant,
    order: Vec<u8>,
    answer: Vec<u8>,
}

impl Guard {
    /// Takes the lock and starts a guard, if possible. Must be called within a tokio runtime.
    pub(super) fn new(surroundings: &Surroundings, place: Option<&Place>, now: Instant) -> Self {
        let mut guard = Self {
            program: surroundings.guard.clone(),
            master_pid: surroundings.master_pid,
            door: place.map(|place| place.path().to_owned()),
            lock_file: surroundings.board.clone(),
            start_at: now,
            answer: Vec::with_capacity(1),
            ..Self::default()
        };
        guard.take_lock();
        if guard.program.as_ref().is_some_and(|program| program.exists()) {
            guard.start(now);
        } else {
            guard.fail("there is no resty/vrrp/guard beside core.so".to_owned(), now);
        }
        guard
    }

    /// Returns why there is no guard, if there is none and the last attempt to start one failed.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Returns the start of a guard, if one is to be started: `vrrp-net` is to do that.
    pub(super) fn take_errand(&mut self) -> Option<Errand> {
        self.errand.take()
    }

    /// Tells whether there is, or will be, a guard.
    pub(super) fn is_possible(&self) -> bool {
        self.program.is_some() && self.problem.is_none()
    }

    /// Tells the guard which door is this engine's: by another one it knows another engine.
    pub(super) fn opened(&mut self, door: DoorId) {
        self.opened = Some(door);
        self.is_door_told = false;
        self.tell_door();
    }

    /// Has the guard told everything anew: it has forgotten what it has acted upon.
    pub(super) fn tell_anew(&mut self) {
        self.told.clear();
        self.look_at_all();
    }

    /// Has the virtual routers compared with what the guard knows of them, at the next
    /// [`tell`](Self::tell): something about them has changed.
    pub(super) fn look_at(&mut self, routers: impl IntoIterator<Item = RouterId>) {
        let Self { claimed, stale, .. } = self;
        stale.extend(routers.into_iter().filter(|router| claimed.contains(router)));
    }

    /// Has all virtual routers compared with what the guard knows of them.
    pub(super) fn look_at_all(&mut self) {
        self.stale.extend(self.claimed.iter().chain(self.told.keys()));
    }

    /// Notes that a virtual router holds its addresses; told with the next
    /// [`tell`](Self::tell).
    pub(super) fn claim(&mut self, router: RouterId) {
        self.claimed.insert(router);
        self.releasing.remove(&router);
        self.stale.insert(router);
    }

    /// Notes that a virtual router gives its addresses away: there is nothing to guard any more
    /// once they are [gone](Self::forget).
    pub(super) fn release(&mut self, router: RouterId) {
        self.releasing.insert(router);
    }

    /// Notes which of the virtual routers that were released hold nothing any more.
    pub(super) fn forget(&mut self, holds_nothing: impl Fn(RouterId) -> bool) {
        let Self { releasing, claimed, stale, .. } = self;
        releasing.retain(|router| {
            let is_gone = holds_nothing(*router);
            if is_gone && claimed.remove(router) {
                stale.insert(*router);
            }
            !is_gone
        });
    }

    /// Tells the guard what has changed; what finds no room is told later.
    pub(super) fn tell(&mut self, held: &Held<'_>) {
        if self.channel.is_none() {
            return;
        }
        let (claimed, released): (BTreeSet<_>, BTreeSet<_>) =
            self.stale.iter().partition(|router| self.claimed.contains(router));
        for router in released.into_iter().chain(claimed) {
            if self.tell_of(router, held).is_err() {
                return;
            }
            self.stale.remove(&router);
        }
    }

    /// Sees to it that there is a guard, and that what it knows is so.
    pub(super) fn beat(&mut self, held: &Held<'_>, now: Instant) {
        self.take_lock();
        self.hear_of_start(now);
        if self.channel.as_ref().is_some_and(|channel| has_ended(channel, &mut self.answer)) {
            self.lose(now);
        }
        if now >= self.start_at {
            self.start(now);
        }
        if now >= self.compare_at {
            self.compare_at = now + COMPARISON_PAUSE;
            self.follow_log(now);
            self.look_at_all();
        }
        self.tell_door();
        self.tell(held);
    }

    /// Lets the guard end without doing anything: this engine ends as planned, or another one has
    /// the routers.
    pub(super) fn dismiss(&mut self) {
        for guard in [self.channel.take(), self.before.take()].into_iter().flatten() {
            farewell(&guard, &mut self.order);
        }
        self.errand = None;
        self.mutex = None;
        self.program = None;
        self.claimed.clear();
        self.releasing.clear();
    }

    /// Leaves it to the guard to clear up when the carrier ends: something is left to do.
    pub(super) fn let_go(&mut self) {
        self.mutex = None;
        (self.channel, self.before) = (None, None);
        self.program = None;
    }

    fn take_lock(&mut self) {
        if self.in_charge {
            return;
        }
        if self.lock.is_none() {
            self.lock = Lock::open(&self.lock_file).ok();
        }
        // A guard that has it withdraws what a dead engine held, and will be done in a moment.
        self.in_charge = self.lock.as_ref().is_some_and(|lock| lock.try_take().unwrap_or(false));
    }

    fn start(&mut self, now: Instant) {
        let (Some(program), None) = (self.program.clone(), &self.channel) else { return };
        self.start_at = now + RESTART_PAUSE;
        self.log = ErrorOutput::now();
        match self.prepare(&program) {
            Ok((channel, start)) => {
                let (told, outcome) = sync_channel(1);
                let run = move || start.run().map_err(|error| report::chain(&error));
                self.errand = Some(Errand::new(move || {
                    // Who has not waited for it needs no guard any more.
                    told.send(failpoint("guard").and_then(|()| run())).ok();
                }));
                (self.channel, self.outcome) = (Some(channel), Some(outcome));
                self.look_at_all();
            }
            Err(error) => self.fail(error, now),
        }
    }

    /// Hears whether the guard could be started.
    fn hear_of_start(&mut self, now: Instant) {
        let Some(outcome) = self.outcome.as_ref().map(Receiver::try_recv) else { return };
        match outcome {
            Err(TryRecvError::Empty) => {}
            Ok(Ok(())) => {
                (self.outcome, self.problem) = (None, None);
                if let Some(before) = self.before.take() {
                    farewell(&before, &mut self.order);
                }
            }
            Err(TryRecvError::Disconnected) => self.outcome = None,
            Ok(Err(error)) => {
                (self.outcome, self.channel) = (None, None);
                self.fail(error, now);
            }
        }
    }

    /// Notes that no guard could be started; that is tried again after a while. A guard that was to
    /// be replaced stays.
    fn fail(&mut self, error: String, now: Instant) {
        self.forget_told();
        self.start_at = now + self.backoff.after_a_run_of(Duration::ZERO);
        self.channel = self.before.take();
        if self.channel.is_some() {
            tracing::warn!("the guard goes on writing into the log before this one: {error}");
        } else {
            self.problem = Some(error);
        }
    }

    /// Replaces the guard if nginx has opened another log since: its words would go into the file
    /// that was rotated.
    fn follow_log(&mut self, now: Instant) {
        let is_there = self.channel.is_some() && self.program.is_some() && self.outcome.is_none();
        if !is_there || now < self.start_at || self.log == ErrorOutput::now() {
            return;
        }
        self.before = self.channel.take();
        self.forget_told();
        self.start(now);
    }

    fn forget_told(&mut self) {
        self.told.clear();
        self.is_door_told = false;
    }

    fn prepare(&mut self, program: &Path) -> Result<(Channel, GuardStart), String> {
        let lock = Lock::open(&self.lock_file)
            .map_err(|error| format!("cannot open the file of its lock: {error}"))?;
        let mutex = self.hold_mutex().map_err(|error| format!("cannot hold a mutex: {error}"))?;
        let carrier = std::process::id();
        guard::prepare(program, carrier, self.master_pid, mutex, lock, self.door.as_deref())
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

    fn lose(&mut self, now: Instant) {
        tracing::warn!("the guard has ended; another one is started");
        self.channel = None;
        self.forget_told();
        self.start_at = self.start_at.max(now);
    }

    fn tell_door(&mut self) {
        if let (Some(door), Some(_), false) = (self.opened, &self.channel, self.is_door_told) {
            self.is_door_told = self.send(&Order::Door(door)).is_ok();
        }
    }

    /// Sends the difference between what is so of a router and what was told.
    fn tell_of(&mut self, router: RouterId, held: &Held<'_>) -> io::Result<()> {
        let told = self.told.get(&router);
        if !self.claimed.contains(&router) {
            if told.is_some() {
                self.send(&Order::Release { router: number(router) })?;
                self.told.remove(&router);
            }
            return Ok(());
        }
        let Some(claim) = held.claim(router, told.is_some()) else { return Ok(()) };
        if told == Some(&claim) {
            return Ok(());
        }
        let order = Order::Claim { router: number(router), claim };
        self.send(&order)?;
        if let Order::Claim { claim, .. } = order {
            self.told.insert(router, claim);
        }
        Ok(())
    }

    fn send(&mut self, order: &Order) -> io::Result<()> {
        self.order.clear();
        order.emit(&mut self.order);
        match &self.channel {
            // No room, or no guard: the next beat sees which, and tells again.
            Some(channel) => channel.send(&self.order),
            None => Ok(()),
        }
    }
}

/// Returns what the engine before this one holds, as its guard says.
pub(super) fn recall(place: Option<&Place>) -> Vec<Claim> {
    place.map(|place| guard::recall(place.path())).unwrap_or_default()
}

/// Lets a guard end without doing anything.
fn farewell(guard: &Channel, order: &mut Vec<u8>) {
    order.clear();
    Order::Bye.emit(order);
    // A guard that is not there any more needs no farewell.
    guard.send(order).ok();
}

/// Where the guard finds what there is to guard.
pub(super) struct Held<'a> {
    pub(super) node: &'a Node,
    pub(super) index_of: &'a dyn Fn(LinkId) -> Option<u32>,
    /// Tells whether somebody else has put an address where it is: router, then place in its list.
    pub(super) is_foreign: &'a dyn Fn(RouterId, usize) -> bool,
}

impl Held<'_> {
    /// Returns what a virtual router that holds its addresses would leave behind: nothing of what
    /// somebody else has put there, which shows only a moment after it was claimed.
    fn claim(&self, router: RouterId, is_known: bool) -> Option<Claim> {
        let link = (self.index_of)(self.node.site_of(router).speaks_on)?;
        let snapshot = self.node.snapshot(router);
        let resignations = self.node.destinations(router).filter_map(|destination| {
            let mut message = Vec::new();
            let envelope = self.node.encode(router, Priority::RESIGN, destination, &mut message)?;
            Some(Resignation { envelope, message })
        });
        let all = snapshot.addresses.iter().chain(snapshot.addresses_excluded).enumerate();
        let addresses = all
            .filter(|(place, _)| !(is_known && (self.is_foreign)(router, *place)))
            .map(|(_, address)| *address);
        Some(Claim {
            interface: snapshot.link.clone(),
            family: snapshot.family,
            vrid: snapshot.vrid,
            link,
            active_down_interval: snapshot.active_down_interval,
            longest_down_interval: snapshot.longest_down_interval,
            resignations: resignations.collect(),
            addresses: addresses.collect(),
        })
    }
}

/// Tells whether the guard has gone. It never says anything, so that silence means that it lives.
fn has_ended(channel: &Channel, answer: &mut Vec<u8>) -> bool {
    if !channel.may_have_news() {
        return false;
    }
    match channel.try_recv(answer) {
        Ok(()) => answer.is_empty(),
        Err(error) => error.kind() != io::ErrorKind::WouldBlock,
    }
}

fn number(router: RouterId) -> u32 {
    u32::try_from(router.0).unwrap_or(u32::MAX)
}

/// Such as another checksum form of the peers.
const COMPARISON_PAUSE: Duration = Duration::from_secs(1);
/// A guard that ends again and again is not started more often.
const RESTART_PAUSE: Duration = Duration::from_secs(2);
