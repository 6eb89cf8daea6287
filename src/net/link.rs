//! What the kernel has told about links and their addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use crate::types::{LinkName, VirtualAddress};

/// Every link of this host, and the addresses on them.
///
/// A table that messages are fed to in the order the kernel sent them. It keeps the links nobody
/// asked for too: any of them may be given a name that somebody did ask for.
#[derive(Debug, Default)]
pub struct Links {
    by_index: BTreeMap<u32, Link>,
    arrivals: u64,
}

impl Links {
    /// Forgets everything and believes a dump instead.
    pub fn reset(&mut self, dump: Vec<Event>) {
        self.by_index.clear();
        for event in dump {
            self.handle(event);
        }
    }

    /// Handles one message of the kernel. Hearing it twice changes nothing.
    pub fn handle(&mut self, event: Event) {
        match event {
            Event::Link { index, name, carrier, mac } => {
                let link = self.by_index.entry(index).or_default();
                link.name = name;
                link.carrier = carrier;
                link.mac = mac;
            }
            Event::LinkGone { index } => {
                self.by_index.remove(&index);
            }
            Event::Address { index, address, secondary, protocol } => {
                self.arrivals += 1;
                let arrival = self.arrivals;
                // An address of a link not heard of is one of a link that has gone.
                let Some(link) = self.by_index.get_mut(&index) else { return };
                let fresh = Present { secondary, protocol, arrival };
                let present = link.addresses.entry(address).or_insert(fresh);
                *present = Present { arrival: present.arrival, ..fresh };
            }
            Event::AddressGone { index, address } => {
                if let Some(link) = self.by_index.get_mut(&index) {
                    link.addresses.remove(&address);
                }
            }
        }
    }

    /// Returns the link that has the name now, and its index.
    #[must_use]
    pub fn named(&self, name: &LinkName) -> Option<(u32, &Link)> {
        let found = self.by_index.iter().find(|(_, link)| link.name == name.as_str());
        found.map(|(index, link)| (*index, link))
    }

    /// Returns the link of that index.
    #[must_use]
    pub fn at(&self, index: u32) -> Option<&Link> {
        self.by_index.get(&index)
    }
}

/// A link and the addresses on it.
#[derive(Debug, Default)]
pub struct Link {
    name: String,
    carrier: Carrier,
    mac: Option<[u8; 6]>,
    addresses: BTreeMap<VirtualAddress, Present>,
}

impl Link {
    /// Returns the name it has now.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells whether frames can pass.
    #[must_use]
    pub fn carrier(&self) -> Carrier {
        self.carrier
    }

    /// Returns the hardware address, if the link has one of six octets.
    #[must_use]
    pub fn mac(&self) -> Option<[u8; 6]> {
        self.mac
    }

    /// Returns the addresses on the link.
    #[must_use]
    pub fn addresses(&self) -> &BTreeMap<VirtualAddress, Present> {
        &self.addresses
    }

    /// Returns the IPv4 address to speak from: the first one that is not virtual.
    ///
    /// Secondary ones come later, but count: an address that was removed and put back while a
    /// virtual one of its network is on the link comes back as secondary. A virtual one comes last,
    /// and only if it is not `ours`: the owner of an address speaks from it.
    #[must_use]
    pub fn primary(
        &self,
        ours: &BTreeSet<VirtualAddress>,
        is_virtual: impl Fn(IpAddr) -> bool,
    ) -> Option<Ipv4Addr> {
        let theirs = self.addresses.iter().filter(|(held, present)| {
            held.address.is_ipv4() && present.protocol != PROTOCOL && !ours.contains(held)
        });
        let first = theirs.min_by_key(|(held, present)| {
            (is_virtual(held.address), present.secondary, present.arrival)
        });
        match first?.0.address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        }
    }
}

/// How an address is present on a link.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Present {
    /// Another address of the same network came first.
    pub secondary: bool,
    /// Who added it (`IFA_PROTO`), 0 if nobody said or the kernel does not keep it (before 5.18).
    pub protocol: u8,
    arrival: u64,
}

/// Whether frames can pass a link.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Carrier {
    /// It is switched off, or has no signal.
    #[default]
    Down,
    /// It is up and has a signal.
    Up,
}

/// One message of the kernel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Event {
    /// A link was made or changed.
    Link {
        /// Its index, which it keeps for life.
        index: u32,
        /// Its name, which it does not.
        name: String,
        /// Whether frames can pass.
        carrier: Carrier,
        /// Its hardware address.
        mac: Option<[u8; 6]>,
    },
    /// A link was deleted, or left for another network namespace.
    LinkGone {
        /// Its index.
        index: u32,
    },
    /// An address was added or changed.
    Address {
        /// The index of the link it is on.
        index: u32,
        /// The address.
        address: VirtualAddress,
        /// See [`Present::secondary`].
        secondary: bool,
        /// See [`Present::protocol`].
        protocol: u8,
    },
    /// An address was removed.
    AddressGone {
        /// The index of the link it was on.
        index: u32,
        /// The address.
        address: VirtualAddress,
    },
}

/// The tag of our addresses: VRRP's number, as nobody else has a use for it here.
pub const PROTOCOL: u8 = 112;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_primary_address_is_the_first_that_is_not_virtual() {
        let mut links = links(&[link(2, "eth0")]);

        links.handle(address(2, "192.0.2.100/24", false));
        links.handle(address(2, "192.0.2.7/24", true));
        links.handle(address(2, "192.0.2.3/24", true));

        assert_eq!(primary(&links), Some(Ipv4Addr::new(192, 0, 2, 7)));
    }

    #[test]
    fn a_first_address_is_preferred_to_a_secondary_one() {
        let mut links = links(&[link(2, "eth0")]);

        links.handle(address(2, "192.0.2.7/24", true));
        links.handle(address(2, "198.51.100.3/24", false));

        assert_eq!(primary(&links), Some(Ipv4Addr::new(198, 51, 100, 3)));
    }

    #[test]
    fn hearing_of_an_address_again_does_not_change_its_turn() {
        let mut links = links(&[link(2, "eth0")]);
        links.handle(address(2, "192.0.2.3/24", false));
        links.handle(address(2, "198.51.100.3/24", false));

        links.handle(address(2, "192.0.2.3/24", false));

        assert_eq!(primary(&links), Some(Ipv4Addr::new(192, 0, 2, 3)));
    }

    #[test]
    fn a_link_made_again_under_another_index_starts_without_addresses() {
        let mut links = links(&[link(2, "eth0"), address(2, "192.0.2.3/24", false)]);

        links.handle(Event::LinkGone { index: 2 });
        assert!(links.named(&eth0()).is_none());
        links.handle(link(5, "eth0"));

        let (index, link) = links.named(&eth0()).unwrap();
        assert_eq!(index, 5);
        assert!(link.addresses().is_empty());
    }

    #[test]
    fn a_link_renamed_keeps_index_and_addresses() {
        let mut links = links(&[link(2, "eth7"), address(2, "192.0.2.3/24", false)]);
        assert!(links.named(&eth0()).is_none());

        links.handle(link(2, "eth0"));

        assert_eq!(links.named(&eth0()).unwrap().0, 2);
        assert_eq!(primary(&links), Some(Ipv4Addr::new(192, 0, 2, 3)));
    }

    #[test]
    fn an_address_of_a_link_that_has_gone_is_ignored() {
        let mut links = links(&[link(2, "eth0")]);

        links.handle(Event::LinkGone { index: 2 });
        links.handle(address(2, "192.0.2.3/24", false));
        links.handle(link(2, "eth0"));

        assert_eq!(primary(&links), None);
    }

    #[test]
    fn events_that_a_dump_already_knew_end_in_the_same_table() {
        let mut links = links(&[link(2, "eth0"), address(2, "192.0.2.3/24", false)]);

        links.handle(link(2, "eth0"));
        links.handle(Event::AddressGone { index: 2, address: parse("192.0.2.9/24") });
        links.handle(address(2, "192.0.2.3/24", false));

        let (_, link) = links.named(&eth0()).unwrap();
        assert_eq!(link.addresses().keys().copied().collect::<Vec<_>>(), [parse("192.0.2.3/24")]);
    }

    fn links(dump: &[Event]) -> Links {
        let mut links = Links::default();
        links.reset(dump.to_vec());
        links
    }

    fn link(index: u32, name: &str) -> Event {
        Event::Link { index, name: name.to_owned(), carrier: Carrier::Up, mac: Some([2; 6]) }
    }

    fn address(index: u32, address: &str, secondary: bool) -> Event {
        Event::Address { index, address: parse(address), secondary, protocol: 0 }
    }

    fn primary(links: &Links) -> Option<Ipv4Addr> {
        let is_virtual = |address| address == IpAddr::from([192, 0, 2, 100]);
        let ours = BTreeSet::new();
        links.named(&eth0()).and_then(|(_, link)| link.primary(&ours, is_virtual))
    }

    fn eth0() -> LinkName {
        LinkName::new("eth0").unwrap()
    }

    fn parse(text: &str) -> VirtualAddress {
        let (address, prefix) = text.split_once('/').unwrap();
        VirtualAddress { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
    }
}
