//! Where strict reverse path filtering drops what peers send.

use crate::net::{KernelLink, LinkSignal, Links};
use crate::types::VirtualAddress;

/// Returns another link that has an address of a network of the link of that index, and which one.
///
/// The kernel has one route to that network, so datagrams of a peer on the other link do not arrive
/// where an answer would be sent.
pub(super) fn rival(links: &Links, index: u32) -> Option<(&str, VirtualAddress)> {
    let own: Vec<_> = links.at(index)?.addresses().keys().filter_map(network).collect();
    // The macvlan of a virtual router has routes that come after all others.
    let is_ours = |link: &KernelLink| link.macvlan().is_some_and(|it| it.tag.is_some());
    let is_other = |other: u32, link: &KernelLink| {
        other != index && link.carrier() == LinkSignal::Up && !is_ours(link)
    };
    let others = links.iter().filter(|(other, link)| is_other(*other, link));
    let mut all = others.flat_map(|(_, link)| link.addresses().keys().map(move |it| (link, it)));
    let found = all.find(|(_, held)| network(held).is_some_and(|it| own.contains(&it)));
    found.map(|(link, held)| (link.name(), *held))
}

/// Returns the network of an IPv4 address, if there can be peers in it.
fn network(held: &VirtualAddress) -> Option<VirtualAddress> {
    (held.address.is_ipv4() && (1..32).contains(&held.prefix)).then(|| held.network())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::samples::{self, parse};

    #[test]
    fn two_links_of_one_network_are_rivals() {
        let links = links(&["192.0.2.1/24", "192.0.2.200/24", "198.51.100.1/24"]);

        assert_eq!(rival(&links, 2), Some(("eth1", parse("192.0.2.200/24"))));
        assert_eq!(rival(&links, 3), Some(("eth0", parse("192.0.2.1/24"))));
        assert_eq!(rival(&links, 4), None);
        assert_eq!(rival(&links, 9), None);
    }

    #[test]
    fn a_virtual_address_without_a_network_is_no_rival() {
        let links = links(&["192.0.2.1/24", "192.0.2.100/32", "2001:db8::1/64"]);

        assert_eq!(rival(&links, 2), None);
    }

    /// Returns eth0, eth1 and so on, with one address each, from index 2 on.
    fn links(addresses: &[&str]) -> Links {
        let mut links = Links::default();
        for (place, address) in addresses.iter().enumerate() {
            let index = u32::try_from(place).unwrap() + 2;
            links.handle(samples::link(index, &format!("eth{place}")));
            links.handle(samples::address(index, address));
        }
        links
    }
}
