//! Finds out which addresses of routers with peers are those of this host.

use std::net::IpAddr;

use super::Takeover;
use crate::runtime::kernel::PlannedRouter;
use crate::types::is_link_local;

impl Takeover {
    /// Notes of each router with peers whether this host has the address that it speaks from, and
    /// those of its peers.
    pub(super) fn look_for_endpoints(&mut self) {
        for changed in self.endpoints.take_changed() {
            for router in changed.slots {
                let link = self.routers[router].planned.site.link;
                let index = self.links[link].index;
                // A link-local address of another link is another address.
                let is_here = |on: u32| !is_link_local(&changed.address) || Some(on) == index;
                let own = self.routers[router].facts.own_addresses.get_or_insert_default();
                own.retain(|address| *address != changed.address);
                if changed.holders.iter().any(|(on, _)| is_here(*on)) {
                    own.push(changed.address);
                }
                self.facts.router_changed(router);
            }
        }
    }
}

/// Returns every address that a router speaks from or to, with the place of the router.
pub(super) fn endpoints(routers: &[PlannedRouter]) -> impl Iterator<Item = (IpAddr, usize)> {
    let all = routers.iter().enumerate();
    all.flat_map(|(router, planned)| planned.endpoints.iter().map(move |it| (*it, router)))
}
