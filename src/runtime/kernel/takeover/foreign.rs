//! Finds virtual addresses that another program has added on this host.

use std::net::IpAddr;

use super::Takeover;
use crate::net::address::PROTOCOL;
use crate::runtime::kernel::holders::Holder;
use crate::runtime::kernel::link_sites::AddressIndex;
use crate::runtime::kernel::{ForeignAddress, PlannedRouter};

impl Takeover {
    /// Notes which virtual addresses on this host are not ours. The host answers for them in every
    /// state.
    ///
    /// An address with our tag is another engine's. Without tags, any address may be, until the
    /// list of the predecessor is known.
    pub(super) fn look_for_foreign_addresses(&mut self) {
        if self.inherited.is_none() {
            return;
        }
        for changed in self.holders.take_changed() {
            let foreign = changed.holders.iter().find(|holder| self.is_foreign(holder));
            let foreign = foreign.and_then(|(index, address)| {
                let link = self.kernel_links.at(*index)?.name().to_owned();
                Some(ForeignAddress { address: *address, link })
            });
            for (router, place) in changed.slots {
                let facts = &mut self.routers[router].facts;
                let before = facts.foreign.get(&place);
                if before == foreign.as_ref() {
                    continue;
                }
                match &foreign {
                    Some(foreign) => facts.foreign.insert(place, foreign.clone()),
                    None => facts.foreign.remove(&place),
                };
                self.facts.router_changed(router);
            }
        }
    }

    fn is_foreign(&self, (index, address): &Holder) -> bool {
        let link = self.links.at_index(*index);
        let is_owned = link.is_some_and(|link| self.links[link].owned.contains(address));
        let misplaced = self.links.misplaced.get(index);
        let is_misplaced = misplaced.is_some_and(|owned| owned.contains(address));
        let present = self.kernel_links.at(*index).and_then(|it| it.addresses().get(address));
        !is_owned && !is_misplaced && present.is_some_and(|it| it.protocol != PROTOCOL)
    }
}

/// Returns every virtual address with the place of its router, and its own in the router's list.
pub(super) fn virtual_addresses(
    routers: &[PlannedRouter],
) -> impl Iterator<Item = (IpAddr, AddressIndex)> {
    routers.iter().enumerate().flat_map(|(router, planned)| {
        let all = planned.addresses.iter().enumerate();
        all.map(move |(place, address)| (address.held.address, (router, place)))
    })
}
