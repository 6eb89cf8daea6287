//! The connection to one guard: what was sent, and what it has answered.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use crate::guard::{Claim, ClaimedPlace, DoorId, Order, Resignation};
use crate::net::Channel;
use crate::net::spawn::ErrorOutput;
use crate::proto::{Node, RouterId};
use crate::types::{LinkName, MacAddress, Priority};

/// The engine's end of one guard.
#[derive(Debug)]
pub(super) struct GuardProcess {
    channel: Channel,
    /// The log that was passed to it.
    pub(super) log: Option<ErrorOutput>,
    /// The claim of each router, as it was last sent.
    pub(super) sent: BTreeMap<RouterId, Box<[u8]>>,
    /// Routers whose claim may have changed since it was sent.
    pub(super) stale: BTreeSet<RouterId>,
    is_door_sent: bool,
    order: Vec<u8>,
    answer: Vec<u8>,
}

/// A sign of a guard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum GuardSign {
    Guards,
    Ended,
}

impl GuardProcess {
    /// A guard that was sent nothing yet, and gets all claims.
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

    /// Returns its sign since the last call.
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

    /// Sends it everything anew: it has forgotten the routers that it has withdrawn.
    pub(super) fn tell_anew(&mut self, claimed: &BTreeSet<RouterId>) {
        self.sent.clear();
        self.look_at_all(claimed);
    }

    /// Has everything compared with what was sent.
    pub(super) fn look_at_all(&mut self, claimed: &BTreeSet<RouterId>) {
        self.stale.extend(claimed.iter().chain(self.sent.keys()));
    }

    /// Sends what has changed; what finds no room is sent later.
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

    /// Sends this engine's door, unless it was sent; without room, later.
    pub(super) fn tell_door(&mut self, door: DoorId) {
        if !self.is_door_sent {
            self.is_door_sent = self.send(&Order::Door(door)).is_ok();
        }
    }

    /// Has the door sent anew: there is another one.
    pub(super) fn forget_door(&mut self) {
        self.is_door_sent = false;
    }

    /// Lets it end without doing anything.
    pub(super) fn dismiss(mut self) {
        // A guard that has ended needs no message.
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

    /// Fails if there is no room, or no guard: the next beat finds out which, and sends again.
    pub(super) fn send(&mut self, order: &Order) -> io::Result<()> {
        self.write(order);
        self.channel.send(&self.order)
    }

    fn write(&mut self, order: &Order) {
        self.order.clear();
        order.emit(&mut self.order);
    }
}

/// Where the claims of the routers are taken from.
pub(in crate::runtime) struct Held<'a> {
    pub(in crate::runtime) node: &'a Node,
    /// Finds the links of a router; `None` while that on which it advertises is missing.
    pub(in crate::runtime) site_of: &'a dyn Fn(RouterId) -> Option<HeldSite>,
    /// Finds the link of an address: router, then place in its list; `None` while it is missing.
    pub(in crate::runtime) link_of: &'a dyn Fn(RouterId, usize) -> Option<(u32, LinkName)>,
    /// Tells whether another process has added an address: router, then place in its list.
    pub(in crate::runtime) is_foreign: &'a dyn Fn(RouterId, usize) -> bool,
}

/// The links of a router, by their present indices.
#[derive(Clone, Copy, Debug)]
pub(in crate::runtime) struct HeldSite {
    /// The link on which it advertises.
    pub(in crate::runtime) speaks_on: u32,
    /// The link that has its addresses, unless they are elsewhere, and its name; `None` while it is
    /// missing.
    pub(in crate::runtime) addresses_on: Option<(u32, LinkName)>,
    /// The hardware address from which it advertises, if it is not that of the link.
    pub(in crate::runtime) virtual_mac: Option<MacAddress>,
}

impl Held<'_> {
    /// Returns what has to be withdrawn for a router that holds its addresses, without addresses
    /// that another process has added: that is known only a moment after the claim.
    fn claim(&self, router: RouterId, is_known: bool) -> Option<Claim> {
        let HeldSite { speaks_on, addresses_on, virtual_mac } = (self.site_of)(router)?;
        let snapshot = self.node.snapshot(router);
        let resignations = self.node.destinations(router).filter_map(|destination| {
            let mut message = Vec::new();
            let envelope = self.node.encode(router, Priority::RESIGN, destination, &mut message)?;
            Some(Resignation { envelope, message })
        });
        let [active_down_interval, longest_down_interval] = self.node.patience_of_peers(router);
        let all = snapshot.addresses.iter().chain(snapshot.addresses_excluded).enumerate();
        let counts = |place| !(is_known && (self.is_foreign)(router, place));
        let mut places: BTreeMap<_, Vec<_>> =
            addresses_on.map(|it| (it, vec![])).into_iter().collect();
        for (place, address) in all.filter(|(place, _)| counts(*place)) {
            if let Some(link) = (self.link_of)(router, place) {
                places.entry(link).or_default().push(*address);
            }
        }
        let places = places.into_iter().map(|((link, name), addresses)| ClaimedPlace {
            link,
            name,
            addresses,
        });
        Some(Claim {
            interface: *snapshot.link,
            family: snapshot.family,
            vrid: snapshot.vrid,
            speaks_on,
            virtual_mac,
            active_down_interval,
            longest_down_interval,
            resignations: resignations.collect(),
            places: places.collect(),
        })
    }
}

fn number(router: RouterId) -> u32 {
    u32::try_from(router.0).unwrap_or(u32::MAX)
}
