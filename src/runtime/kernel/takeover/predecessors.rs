//! The hardware addresses of hosts that have just yielded addresses of both families.
//!
//! The election knows such a host by an address of one family. Segments of the other one can be
//! sent to its hardware address, which the kernel knows, or can ask for.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{RouterSite, Takeover};
use crate::net::HostOnLink;
use crate::runtime::kernel::PlannedAddress;
use crate::types::{Family, Instant};

impl Takeover {
    /// Finds the hardware addresses that the moves of this moment need.
    ///
    /// Each is looked for once, at the beginning of a move: if it were found after connections have
    /// been opened on this host, their segments would be sent to the other one.
    pub(super) fn look_for_predecessors(&mut self, now: Instant) {
        let wanted = self.predecessors_of_moves(now);
        self.predecessors.retain(|known, _| wanted.contains(known));
        let new: BTreeSet<_> =
            wanted.into_iter().filter(|it| !self.predecessors.contains_key(it)).collect();
        let Some(kernel) = &mut self.kernel else { return };
        match kernel.find_neighbours(&new, PATIENCE) {
            Ok(found) => {
                let found = new.into_iter().map(|host| (host, found.get(&host).copied()));
                self.predecessors.extend(found);
            }
            // The correction opens another socket.
            Err(_) => self.kernel = None,
        }
    }

    /// Returns the host whose hardware address has to be known: one that yields addresses of the
    /// family in which it is not known otherwise.
    pub(super) fn predecessor(&self, router: &RouterSite, now: Instant) -> Option<HostOnLink> {
        let host = self.relay_of(router, now)?.to;
        let site = &self.links[router.planned.site.link];
        self.forwarded(router).next()?;
        // There may be a router on the way to one with which this one speaks by unicast.
        site.networks.contain(host).then_some((site.index?, host))
    }

    /// Returns the addresses of a router whose segments can be sent on to a hardware address: those
    /// that are on the link of its election.
    pub(super) fn forwarded<'a>(
        &'a self,
        router: &'a RouterSite,
    ) -> impl Iterator<Item = &'a PlannedAddress> {
        let RouterSite { planned, claim, .. } = router;
        let host = claim.relays.map(|relay| Family::of(relay.to));
        planned.addresses.iter().filter(move |address| {
            let is_known = host == Some(Family::of(address.held.address));
            let is_there = address.link == planned.site.addresses_on;
            !is_known && is_there && self.links[address.link].index.is_some()
        })
    }

    fn predecessors_of_moves(&self, now: Instant) -> BTreeSet<HostOnLink> {
        let moving = self.moving.iter().map(|router| &self.routers[*router]);
        moving.filter_map(|router| self.predecessor(router, now)).collect()
    }
}

/// Time in which a host answers. Until then the other host has the addresses, and serves.
const PATIENCE: Duration = Duration::from_millis(5);
