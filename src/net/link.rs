//! The links of this host and their addresses, as the kernel has reported them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketType, socket};

use crate::types::{LinkName, Sources, VirtualAddress};

/// Every link of this host, and the addresses on them.
///
/// A table that messages are fed to in the order the kernel sent them. It keeps links that are not
/// needed, too: any of them may get a name that is.
#[derive(Debug, Default)]
pub struct Links {
    by_index: BTreeMap<u32, KernelLink>,
    /// A link may be renamed while a dump is read: until the end two may seem to have a name.
    by_name: BTreeMap<String, BTreeSet<u32>>,
    arrivals: u64,
    generations: u64,
}

/// What a message has changed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KernelChange {
    /// The link itself: it was made, deleted, renamed, or its signal or hardware address changed.
    Link {
        /// Its index.
        index: u32,
    },
    /// An address was added or removed, or is present in another way.
    Address {
        /// The index of the link.
        index: u32,
        /// The address.
        address: VirtualAddress,
    },
}

impl Links {
    /// Forgets everything and believes a dump instead.
    pub fn reset(&mut self, dump: Vec<KernelEvent>) {
        self.by_index.clear();
        self.by_name.clear();
        for event in dump {
            self.handle(event);
        }
    }

    /// Handles one message of the kernel, and returns what it has changed. A message that is heard
    /// twice changes nothing; nor does one about the lifetime of an address.
    pub fn handle(&mut self, event: KernelEvent) -> Option<KernelChange> {
        match event {
            KernelEvent::Link { index, name, carrier, hardware, has_ip } => {
                let link = self.by_index.entry(index).or_default();
                let before = (&link.name, link.carrier, link.hardware, link.has_ip);
                if before == (&name, carrier, hardware, has_ip) {
                    return None;
                }
                if has_ip && !link.has_ip {
                    self.generations += 1;
                    link.generation = self.generations;
                }
                link.has_ip = has_ip;
                (link.carrier, link.hardware) = (carrier, hardware);
                let before = std::mem::replace(&mut link.name, name.clone());
                self.forget_name(&before, index);
                self.by_name.entry(name).or_default().insert(index);
                Some(KernelChange::Link { index })
            }
            KernelEvent::LinkGone { index } => {
                let link = self.by_index.remove(&index)?;
                self.forget_name(&link.name, index);
                Some(KernelChange::Link { index })
            }
            KernelEvent::Address { index, address, secondary, protocol } => {
                self.arrivals += 1;
                let mut present = Present { secondary, protocol, arrival: self.arrivals };
                // An address of a link not heard of is one of a link that has gone.
                let addresses = &mut self.by_index.get_mut(&index)?.addresses;
                let before = addresses.get(&address);
                present.arrival = before.map_or(present.arrival, |before| before.arrival);
                let is_news = before != Some(&present);
                addresses.insert(address, present);
                is_news.then_some(KernelChange::Address { index, address })
            }
            KernelEvent::AddressGone { index, address } => {
                self.by_index.get_mut(&index)?.addresses.remove(&address)?;
                Some(KernelChange::Address { index, address })
            }
        }
    }

    /// Returns the link that has the name now, and its index.
    #[must_use]
    pub fn named(&self, name: &LinkName) -> Option<(u32, &KernelLink)> {
        let index = *self.by_name.get(name.as_str())?.first()?;
        self.at(index).map(|link| (index, link))
    }

    /// Returns all links with their indices.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &KernelLink)> {
        self.by_index.iter().map(|(index, link)| (*index, link))
    }

    /// Returns the link of that index.
    #[must_use]
    pub fn at(&self, index: u32) -> Option<&KernelLink> {
        self.by_index.get(&index)
    }

    fn forget_name(&mut self, name: &str, index: u32) {
        let Some(indices) = self.by_name.get_mut(name) else { return };
        indices.remove(&index);
        if indices.is_empty() {
            self.by_name.remove(name);
        }
    }
}

/// A link and the addresses on it.
#[derive(Debug, Default)]
pub struct KernelLink {
    name: String,
    carrier: LinkSignal,
    hardware: HardwareAddress,
    has_ip: bool,
    generation: u64,
    addresses: BTreeMap<VirtualAddress, Present>,
}

impl KernelLink {
    /// Returns the name it has now.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells whether frames can pass.
    #[must_use]
    pub fn carrier(&self) -> LinkSignal {
        self.carrier
    }

    /// Returns the hardware address, if the link has one of six octets.
    #[must_use]
    pub fn mac(&self) -> Option<[u8; 6]> {
        match self.hardware {
            HardwareAddress::Ethernet(mac) => Some(mac),
            HardwareAddress::None | HardwareAddress::Other(_) => None,
        }
    }

    /// Returns the hardware address.
    #[must_use]
    pub fn hardware(&self) -> HardwareAddress {
        self.hardware
    }

    /// Returns a number that changes when the kernel has made the link anew, or its part in IP:
    /// memberships, and sockets that are bound to it, end then, although its index may stay.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Returns the addresses on the link.
    #[must_use]
    pub fn addresses(&self) -> &BTreeMap<VirtualAddress, Present> {
        &self.addresses
    }

    /// Returns the addresses to send from: of each family the first one that is not virtual.
    ///
    /// Secondary ones come later, but count: an address that was removed and put back while a
    /// virtual one of its network is on the link comes back as secondary. A virtual one comes last,
    /// and only if it is not `ours`: the owner of an address sends from it.
    #[must_use]
    pub fn sources(
        &self,
        ours: &BTreeSet<VirtualAddress>,
        is_virtual: impl Fn(IpAddr) -> bool,
    ) -> Sources {
        let (mut ipv4, mut ipv6) = (None, None);
        for (held, present) in &self.addresses {
            if present.protocol == PROTOCOL || ours.contains(held) {
                continue;
            }
            let turn = (is_virtual(held.address), present.secondary, present.arrival);
            match held.address {
                IpAddr::V4(address) => ipv4 = Some(earlier(ipv4, (turn, address))),
                IpAddr::V6(address) if address.is_unicast_link_local() => {
                    ipv6 = Some(earlier(ipv6, (turn, address)));
                }
                IpAddr::V6(_) => {}
            }
        }
        Sources { ipv4: ipv4.map(|(_, it)| it), ipv6: ipv6.map(|(_, it)| it) }
    }
}

/// Returns the index of the link of that name, or of that alternative name (`ip link property`).
#[must_use]
pub fn index_by_any_name(name: &LinkName) -> Option<u32> {
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    name_to_index(socket, name.as_str()).ok()
}

/// Returns the lesser of two, if there is any before.
fn earlier<T: Ord>(before: Option<T>, other: T) -> T {
    match before {
        Some(before) => before.min(other),
        None => other,
    }
}

/// How an address is present on a link.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Present {
    /// Another address of the same network came first.
    pub secondary: bool,
    /// Its tag (`IFA_PROTO`), 0 if it has none or the kernel does not keep it (before 5.18).
    pub protocol: u8,
    arrival: u64,
}

/// Whether frames can pass a link.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum LinkSignal {
    /// It is switched off, or has no signal.
    #[default]
    Down,
    /// It is up and has a signal.
    Up,
}

/// One message of the kernel.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KernelEvent {
    /// A link was made or changed.
    Link {
        /// Its index, which it keeps for life.
        index: u32,
        /// Its name, which it does not.
        name: String,
        /// Whether frames can pass.
        carrier: LinkSignal,
        /// Its hardware address.
        hardware: HardwareAddress,
        /// Whether its MTU is large enough for IP.
        has_ip: bool,
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

impl KernelEvent {
    /// Tells whether it is about an address with a tag, as 127.0.0.1 has one wherever the kernel
    /// keeps them.
    #[must_use]
    pub fn is_tagged(&self) -> bool {
        matches!(self, Self::Address { protocol, .. } if *protocol != 0)
    }
}

/// The tag of our addresses: VRRP's protocol number.
pub const PROTOCOL: u8 = 112;

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

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

        links.handle(KernelEvent::LinkGone { index: 2 });
        assert!(links.named(&eth0()).is_none());
        links.handle(link(5, "eth0"));

        let (index, link) = links.named(&eth0()).unwrap();
        assert_eq!(index, 5);
        assert!(link.addresses().is_empty());
    }

    #[test]
    fn a_link_that_is_made_anew_under_its_index_is_of_another_generation() {
        let mut links = links(&[link(2, "eth0"), link(3, "eth1")]);
        let generation = |links: &Links| links.at(2).unwrap().generation();
        let mut seen = vec![generation(&links)];

        links.handle(link(2, "lan0"));
        seen.push(generation(&links));
        links.handle(KernelEvent::LinkGone { index: 2 });
        links.handle(link(2, "eth0"));
        seen.push(generation(&links));
        let KernelEvent::Link { index, name, hardware, .. } = link(2, "eth0") else {
            unreachable!()
        };
        let carrier = LinkSignal::Down;
        links.handle(KernelEvent::Link { index, name, carrier, hardware, has_ip: false });
        links.handle(link(2, "eth0"));
        seen.push(generation(&links));

        assert_eq!(seen[0], seen[1], "another name is no other link");
        assert!(seen[1] < seen[2] && seen[2] < seen[3], "{seen:?}");
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

        links.handle(KernelEvent::LinkGone { index: 2 });
        links.handle(address(2, "192.0.2.3/24", false));
        links.handle(link(2, "eth0"));

        assert_eq!(primary(&links), None);
    }

    #[test]
    fn events_that_a_dump_already_knew_end_in_the_same_table() {
        let mut links = links(&[link(2, "eth0"), address(2, "192.0.2.3/24", false)]);

        links.handle(link(2, "eth0"));
        links.handle(KernelEvent::AddressGone { index: 2, address: parse("192.0.2.9/24") });
        links.handle(address(2, "192.0.2.3/24", false));

        let (_, link) = links.named(&eth0()).unwrap();
        assert_eq!(link.addresses().keys().copied().collect::<Vec<_>>(), [parse("192.0.2.3/24")]);
    }

    #[test]
    fn only_what_is_new_counts_as_a_change() {
        let mut links = links(&[link(2, "eth0")]);
        let vip = KernelChange::Address { index: 2, address: parse("192.0.2.3/24") };
        let gone = || KernelEvent::AddressGone { index: 2, address: parse("192.0.2.3/24") };

        let changes = [
            link(2, "eth0"),
            address(2, "192.0.2.3/24", false),
            address(2, "192.0.2.3/24", false),
            address(2, "192.0.2.3/24", true),
            gone(),
            gone(),
            link(2, "eth1"),
            KernelEvent::LinkGone { index: 2 },
            KernelEvent::LinkGone { index: 2 },
        ]
        .map(|event| links.handle(event));

        let moved = Some(KernelChange::Link { index: 2 });
        let vip = Some(vip);
        assert_eq!(changes, [None, vip, None, vip, vip, None, moved, moved, None]);
    }

    #[test]
    fn while_two_links_swap_names_each_name_means_the_one_that_has_it_last() {
        let mut links = links(&[link(2, "eth0"), link(3, "eth1")]);

        for (index, name) in [(2, "tmp"), (3, "eth0"), (2, "eth1")] {
            links.handle(link(index, name));
        }

        assert_eq!(links.named(&eth0()).unwrap().0, 3);
        assert_eq!(links.named(&LinkName::new("eth1").unwrap()).unwrap().0, 2);
        assert!(links.named(&LinkName::new("tmp").unwrap()).is_none());
    }

    #[test]
    fn ipv6_is_sent_from_a_link_local_address() {
        let mut links = links(&[link(2, "eth0")]);

        links.handle(address(2, "2001:db8::1/64", false));
        links.handle(address(2, "fe80::1/64", false));

        let (_, link) = links.named(&eth0()).unwrap();
        let sources = link.sources(&BTreeSet::new(), |_| false);
        assert_eq!(sources, Sources { ipv4: None, ipv6: Some("fe80::1".parse().unwrap()) });
    }

    fn links(dump: &[KernelEvent]) -> Links {
        let mut links = Links::default();
        links.reset(dump.to_vec());
        links
    }

    fn link(index: u32, name: &str) -> KernelEvent {
        KernelEvent::Link {
            index,
            name: name.to_owned(),
            carrier: LinkSignal::Up,
            hardware: HardwareAddress::Ethernet([2; 6]),
            has_ip: true,
        }
    }

    fn address(index: u32, address: &str, secondary: bool) -> KernelEvent {
        KernelEvent::Address { index, address: parse(address), secondary, protocol: 0 }
    }

    fn primary(links: &Links) -> Option<Ipv4Addr> {
        let is_virtual = |address| address == IpAddr::from([192, 0, 2, 100]);
        let ours = BTreeSet::new();
        links.named(&eth0()).and_then(|(_, link)| link.sources(&ours, is_virtual).ipv4)
    }

    fn eth0() -> LinkName {
        LinkName::new("eth0").unwrap()
    }

    fn parse(text: &str) -> VirtualAddress {
        let (address, prefix) = text.split_once('/').unwrap();
        VirtualAddress { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
    }
}
/// The hardware address of a link.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum HardwareAddress {
    /// It has none: a tunnel.
    #[default]
    None,
    /// Six octets.
    Ethernet([u8; 6]),
    /// So many octets: InfiniBand has 20, a tunnel 4 or 16.
    Other(usize),
}
