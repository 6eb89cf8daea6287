//! The engine's end of the guard: keeps it told of what this host would leave behind.
//!
//! To start a program takes as long as its file is read. So that is an [errand](Errand) for the
//! thread `vrrp-net`, which may wait.
//!
//! What was told is compared with what is so, and the difference sent, so that an order that finds
//! no room is only late. A guard that died is started again, with everything to be told anew.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::time::Duration;

use super::failpoint::failpoint;
use super::handover::Place;
use super::kernel::Errand;
use super::report;
use super::surroundings::Surroundings;
use crate::guard::{self, Claim, DoorId, GuardStart, Order, Resignation};
use crate::net::{Channel, HeldMutex, Lock};
use crate::proto::{LinkId, Node, RouterId};
use crate::types::{Instant, Priority};

/// The guard of this engine, if there is one, and the lock that says that this engine is in charge.
#[derive(Debug, Default)]
pub(super) struct Guard {
    program: Option<PathBuf>,
    master_pid: u32,
    /// Where the engines of this host meet.
    door: Option<PathBuf>,
    lock_file: PathBuf,
    lock: Option<Lock>,
    in_charge: bool,
    /// By this the guard learns within a millisecond that this thread dies.
    mutex: Option<HeldMutex>,
    channel: Option<Channel>,
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
        if guard.program.is_none() {
            tracing::warn!(
                "there is no resty/vrrp/guard beside core.so: if all of nginx is killed, peers \
                 wait for Active_Down_Interval and addresses stay for address_lifetime_s"
            );
        }
        guard.take_lock();
        guard.start(now);
        guard
    }

    /// Returns the start of a guard, if one is to be started: `vrrp-net` is to do that.
    pub(super) fn take_errand(&mut self) -> Option<Errand> {
        self.errand.take()
    }

    /// Tells whether there is, or will be, a guard.
    pub(super) fn is_possible(&self) -> bool {
        self.program.is_some()
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
        self.hear_of_start();
        if self.channel.as_ref().is_some_and(|channel| has_ended(channel, &mut self.answer)) {
            self.lose(now);
        }
        if now >= self.start_at {
            self.start(now);
        }
        self.tell_door();
        if now >= self.compare_at {
            self.compare_at = now + COMPARISON_PAUSE;
            self.look_at_all();
        }
        self.tell(held);
    }

    /// Lets the guard end without doing anything: this engine ends as planned, or another one has
    /// the routers.
    pub(super) fn dismiss(&mut self) {
        self.order.clear();
        Order::Bye.emit(&mut self.order);
        if let Some(channel) = self.channel.take() {
            // A guard that is not there any more needs no farewell.
            channel.send(&self.order).ok();
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
        self.channel = None;
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
        let (Some(program), None) = (&self.program, &self.channel) else { return };
        self.start_at = now + RESTART_PAUSE;
        let program = program.clone();
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
            Err(error) => self.give_up(&error),
        }
    }

    /// Hears whether the guard could be started.
    fn hear_of_start(&mut self) {
        let Some(outcome) = self.outcome.as_ref().map(Receiver::try_recv) else { return };
        match outcome {
            Err(TryRecvError::Empty) => {}
            Ok(Ok(())) | Err(TryRecvError::Disconnected) => self.outcome = None,
            Ok(Err(error)) => {
                (self.outcome, self.channel) = (None, None);
                self.give_up(&error);
            }
        }
    }

    /// What cannot be executed now cannot be later: says so once.
    fn give_up(&mut self, error: &str) {
        tracing::warn!("nobody would clear up if all of nginx is killed: {error}");
        self.program = None;
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
        self.told.clear();
        self.is_door_told = false;
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

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::config::Config;

    #[test]
    fn a_change_of_one_router_is_all_that_is_looked_at_until_a_second_has_passed() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _context = runtime.enter();
        let (channel, _other_end) = Channel::pair().unwrap();
        let mut guard = guard_with(channel);
        let node = node_of(100);
        let looks = Cell::new(0);
        let index_of = |_| {
            looks.set(looks.get() + 1);
            Some(1)
        };

        for router in node.routers() {
            guard.claim(router);
            guard.tell(&held(&node, &index_of));
        }

        assert_eq!((looks.get(), guard.told.len()), (100, 100));
        let mut looks_after = |ms: u64| {
            looks.set(0);
            guard.beat(&held(&node, &index_of), Instant::default() + Duration::from_millis(ms));
            looks.get()
        };
        assert_eq!([0, 100, 900, 1_000, 1_100].map(&mut looks_after), [100, 0, 0, 100, 0]);
    }

    #[test]
    fn what_finds_no_room_is_told_as_soon_as_there_is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _context = runtime.enter();
        let (channel, other_end) = Channel::pair().unwrap();
        let (mut guard, other_end) = (guard_with(channel), Channel::of(other_end).unwrap());
        let node = node_of(250);
        while guard.send(&Order::Bye).is_ok() {}
        node.routers().for_each(|router| guard.claim(router));
        let held = held(&node, &|_| Some(1));
        guard.tell(&held);
        assert_eq!(guard.told.len(), 0);

        let mut order = Vec::with_capacity(1024);
        for _ in 0..1_000 {
            while other_end.try_recv(&mut order).is_ok() {}
            guard.tell(&held);
        }

        assert_eq!((guard.told.len(), guard.stale.len()), (250, 0));
    }

    #[test]
    fn a_guard_that_has_acted_is_told_everything_anew() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _context = runtime.enter();
        let (channel, other_end) = Channel::pair().unwrap();
        let (mut guard, other_end) = (guard_with(channel), Channel::of(other_end).unwrap());
        let node = node_of(1);
        guard.claim(RouterId(0));
        let mut orders_of_a_beat = || {
            guard.beat(&held(&node, &|_| Some(1)), Instant::default());
            guard.tell_anew();
            let mut order = Vec::with_capacity(1024);
            std::iter::from_fn(|| {
                other_end.try_recv(&mut order).ok()?;
                Order::parse(&order)
            })
            .count()
        };

        assert_eq!([orders_of_a_beat(), orders_of_a_beat()], [1, 1]);
    }

    #[test]
    fn an_address_that_somebody_else_has_put_there_is_not_told() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _context = runtime.enter();
        let (channel, other_end) = Channel::pair().unwrap();
        let (mut guard, other_end) = (guard_with(channel), Channel::of(other_end).unwrap());
        let node = node_of(1);
        let held = Held { is_foreign: &|_, _| true, ..held(&node, &|_| Some(1)) };
        guard.claim(RouterId(0));
        // What is claimed is not there yet, or is about to be adopted.
        guard.tell(&held);

        guard.beat(&held, Instant::default());

        let mut order = Vec::with_capacity(1024);
        let told = std::iter::from_fn(|| {
            other_end.try_recv(&mut order).ok()?;
            match Order::parse(&order)? {
                Order::Claim { claim, .. } => Some(claim.addresses.len()),
                Order::Release { .. } | Order::Door(_) | Order::Bye => None,
            }
        });
        assert_eq!(told.collect::<Vec<_>>(), [1, 0]);
    }

    fn held<'a>(node: &'a Node, index_of: &'a dyn Fn(LinkId) -> Option<u32>) -> Held<'a> {
        Held { node, index_of, is_foreign: &|_, _| false }
    }

    fn guard_with(channel: Channel) -> Guard {
        let answer = Vec::with_capacity(1);
        Guard { in_charge: true, channel: Some(channel), answer, ..Guard::default() }
    }

    fn node_of(count: u8) -> Node {
        let instance = |vrid| {
            serde_json::json!({ "name": format!("VI_{vrid}"), "interface": "eth0", "vrid": vrid,
                "addresses": [format!("192.0.2.{vrid}/24")] })
        };
        let all: Vec<_> = (1..=count).map(instance).collect();
        let options = serde_json::json!({ "instances": all }).to_string();
        Node::new(&Config::from_json(&options).unwrap().instances)
    }
}
