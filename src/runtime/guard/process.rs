//! One guard as its engine sees it: what it was told, and what it has said.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::guard::{Claim, DoorId, Order, Resignation};
use crate::net::Channel;
use crate::net::spawn::ErrorOutput;
use crate::proto::{LinkId, Node, RouterId};
use crate::types::Priority;

/// The engine's end of one guard.
#[derive(Debug)]
pub(super) struct GuardProcess {
    channel: Channel,
    /// The log that it was given.
    pub(super) log: Option<ErrorOutput>,
    /// The claim of each router, as it was last sent.
    pub(super) sent: BTreeMap<RouterId, Box<[u8]>>,
    /// Routers whose claim may have changed since it was sent.
    pub(super) stale: BTreeSet<RouterId>,
    is_door_sent: bool,
    order: Vec<u8>,
    answer: Vec<u8>,
}

/// What a guard lets its engine know.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum GuardSign {
    Guards,
    Ended,
}

impl GuardProcess {
    /// A guard that was told nothing, and is to be told of everything that is claimed.
    pub(super) fn new(
        channel: Channel,
        log: Option<ErrorOutput>,
        claimed: &BTreeSet<RouterId>,
    ) -> Self {
        Self {
            channel,
            log,
            sent: BTreeMap::new(),
            stale: claimed.clone(),
            is_door_sent: false,
            order: Vec::new(),
            answer: Vec::with_capacity(1),
        }
    }

    /// Returns what it has let know since the last time.
    pub(super) fn sign(&mut self) -> Option<GuardSign> {
        if !self.channel.may_have_news() {
            return None;
        }
        match self.channel.try_recv(&mut self.answer) {
            Ok(()) if !self.answer.is_empty() => Some(GuardSign::Guards),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Ok(()) | Err(_) => Some(GuardSign::Ended),
        }
    }

    /// Has it told everything anew: it has forgotten what it has acted upon.
    pub(super) fn tell_anew(&mut self, claimed: &BTreeSet<RouterId>) {
        self.sent.clear();
        self.look_at_all(claimed);
    }

    /// Has everything compared with what it knows.
    pub(super) fn look_at_all(&mut self, claimed: &BTreeSet<RouterId>) {
        self.stale.extend(claimed.iter().chain(self.sent.keys()));
    }

    /// Tells what has changed; what finds no room is told later.
    pub(super) fn tell(&mut self, claimed: &BTreeSet<RouterId>, held: &Held<'_>) {
        let (kept, released): (BTreeSet<_>, BTreeSet<_>) =
            self.stale.iter().partition(|router| claimed.contains(router));
        for router in released {
            if self.tell_release(router).is_err() {
                return;
            }
            self.stale.remove(&router);
        }
        for router in kept {
            if self.tell_claim(router, held).is_err() {
                return;
            }
            self.stale.remove(&router);
        }
    }

    /// Tells which door is this engine's, unless that is known; if there is no room, then later.
    pub(super) fn tell_door(&mut self, door: DoorId) {
        if !self.is_door_sent {
            self.is_door_sent = self.send(&Order::Door(door)).is_ok();
        }
    }

    /// Has the door told anew: there is another one.
    pub(super) fn forget_door(&mut self) {
        self.is_door_sent = false;
    }

    /// Lets it end without doing anything.
    pub(super) fn dismiss(mut self) {
        // A guard that is not there any more needs no farewell.
        self.send(&Order::Bye).ok();
    }

    fn tell_release(&mut self, router: RouterId) -> io::Result<()> {
        if self.sent.contains_key(&router) {
            self.send(&Order::Release { router: number(router) })?;
            self.sent.remove(&router);
        }
        Ok(())
    }

    /// Sends the claim of a router unless it is the one that was sent.
    fn tell_claim(&mut self, router: RouterId, held: &Held<'_>) -> io::Result<()> {
        let Some(claim) = held.claim(router, self.sent.contains_key(&router)) else {
            return Ok(());
        };
        self.write(&Order::Claim { router: number(router), claim });
        if self.sent.get(&router).is_some_and(|sent| **sent == *self.order) {
            return Ok(());
        }
        self.channel.send(&self.order)?;
        self.sent.insert(router, self.order.as_slice().into());
        Ok(())
    }

    /// Fails if there is no room, or no guard: the next beat sees which, and tells again.
    pub(super) fn send(&mut self, order: &Order) -> io::Result<()> {
        self.write(order);
        self.channel.send(&self.order)
    }

    fn write(&mut self, order: &Order) {
        self.order.clear();
        order.emit(&mut self.order);
    }
}

/// Where the guard finds what there is to guard.
pub(in crate::runtime) struct Held<'a> {
    pub(in crate::runtime) node: &'a Node,
    pub(in crate::runtime) index_of: &'a dyn Fn(LinkId) -> Option<u32>,
    /// Tells whether somebody else has put an address where it is: router, then place in its list.
    pub(in crate::runtime) is_foreign: &'a dyn Fn(RouterId, usize) -> bool,
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
            interface: *snapshot.link,
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

fn number(router: RouterId) -> u32 {
    u32::try_from(router.0).unwrap_or(u32::MAX)
}
