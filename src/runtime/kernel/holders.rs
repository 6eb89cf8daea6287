//! The links of this host that have some addresses, whoever added them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::net::KernelEvent;
use crate::types::VirtualAddress;

/// The links of this host that have an address of interest, with any prefix. `T` tells who is
/// interested.
#[derive(Debug)]
pub(super) struct Holders<T> {
    slots: BTreeMap<IpAddr, Vec<T>>,
    seen: BTreeMap<IpAddr, Vec<Holder>>,
    /// Addresses whose holders may have changed.
    stale: BTreeSet<IpAddr>,
}

/// A link, by its index, and the address with its prefix there.
pub(super) type Holder = (u32, VirtualAddress);

/// An address whose holders may have changed.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct ChangedHolders<T> {
    pub(super) address: IpAddr,
    /// Who is interested in it.
    pub(super) slots: Vec<T>,
    /// The links that have it.
    pub(super) holders: Vec<Holder>,
}

impl<T: Clone> Holders<T> {
    pub(super) fn new(all: impl IntoIterator<Item = (IpAddr, T)>) -> Self {
        let mut slots: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for (address, slot) in all {
            slots.entry(address).or_default().push(slot);
        }
        Self { slots, seen: BTreeMap::new(), stale: BTreeSet::new() }
    }

    /// Tells whether anybody is interested in an address.
    pub(super) fn looks_for(&self, address: IpAddr) -> bool {
        self.slots.contains_key(&address)
    }

    /// Replaces everything by a dump.
    pub(super) fn reset(&mut self, dump: &[KernelEvent]) {
        self.seen.clear();
        for event in dump {
            self.handle(event);
        }
        self.look_at_all();
    }

    /// Handles one message of the kernel.
    pub(super) fn handle(&mut self, event: &KernelEvent) {
        match event {
            KernelEvent::Address { index, address, .. } => {
                if self.looks_for(address.address) {
                    let holders = self.seen.entry(address.address).or_default();
                    if !holders.contains(&(*index, *address)) {
                        holders.push((*index, *address));
                        self.stale.insert(address.address);
                    }
                }
            }
            KernelEvent::AddressGone { index, address } => {
                let Some(holders) = self.seen.get_mut(&address.address) else { return };
                let before = holders.len();
                holders.retain(|holder| holder != &(*index, *address));
                if holders.len() < before {
                    self.stale.insert(address.address);
                }
            }
            KernelEvent::LinkGone { index } => {
                for (address, holders) in &mut self.seen {
                    let before = holders.len();
                    holders.retain(|(held_by, _)| held_by != index);
                    if holders.len() < before {
                        self.stale.insert(*address);
                    }
                }
            }
            KernelEvent::Link { .. } => {}
        }
    }

    /// Marks an address: it may have become ours, or ceased to be.
    pub(super) fn look_at(&mut self, address: IpAddr) {
        self.stale.insert(address);
    }

    /// Marks every address.
    pub(super) fn look_at_all(&mut self) {
        self.stale.extend(self.slots.keys());
    }

    /// Returns the addresses marked since the last call.
    pub(super) fn take_changed(&mut self) -> Vec<ChangedHolders<T>> {
        let stale = std::mem::take(&mut self.stale).into_iter();
        let changed = stale.map(|address| ChangedHolders {
            address,
            slots: self.slots.get(&address).cloned().unwrap_or_default(),
            holders: self.seen.get(&address).cloned().unwrap_or_default(),
        });
        changed.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::samples::{address, parse};

    #[test]
    fn an_address_is_found_on_any_link_and_with_any_prefix() {
        let mut holders = holders();
        holders.handle(&address(2, "192.0.2.1/24"));
        holders.handle(&address(7, "192.0.2.1/32"));
        holders.handle(&address(2, "192.0.2.9/24"));

        let expected = [(2, parse("192.0.2.1/24")), (7, parse("192.0.2.1/32"))];
        let address = parse("192.0.2.1/24").address;
        let changed = ChangedHolders { address, slots: vec![7], holders: expected.into() };
        assert_eq!(holders.take_changed(), [changed]);
        assert_eq!(holders.take_changed(), [], "nothing has changed");
    }

    #[test]
    fn it_is_news_when_the_address_or_its_link_has_gone() {
        let mut holders = holders();
        holders.handle(&address(2, "192.0.2.1/24"));
        holders.handle(&address(7, "192.0.2.1/32"));
        holders.take_changed();

        holders.handle(&KernelEvent::LinkGone { index: 7 });
        assert_eq!(holders.take_changed()[0].holders, [(2, parse("192.0.2.1/24"))]);
        let address = parse("192.0.2.1/24");
        holders.handle(&KernelEvent::AddressGone { index: 2, address });
        assert_eq!(holders.take_changed()[0].holders, []);
    }

    #[test]
    fn after_a_dump_everything_is_new() {
        let mut holders = holders();
        holders.handle(&address(2, "192.0.2.1/24"));

        holders.reset(&[address(3, "192.0.2.1/24")]);

        assert_eq!(holders.take_changed()[0].holders, [(3, parse("192.0.2.1/24"))]);
    }

    fn holders() -> Holders<u8> {
        Holders::new([(parse("192.0.2.1/24").address, 7)])
    }
}
