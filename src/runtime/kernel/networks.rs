//! The networks of a link, and virtual addresses whose prefix is not that of their network.

use std::collections::BTreeSet;
use std::net::IpAddr;

use crate::net::{KernelLink, address};
use crate::types::VirtualAddress;

/// The addresses of this host on a link, with their prefixes, without the virtual ones.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(in crate::runtime) struct Networks(BTreeSet<VirtualAddress>);

impl Networks {
    pub(in crate::runtime) fn of(link: &KernelLink, is_virtual: impl Fn(IpAddr) -> bool) -> Self {
        let own = link.addresses().iter().filter(|(held, present)| {
            present.protocol != address::PROTOCOL && !is_virtual(held.address)
        });
        Self(own.map(|(held, _)| *held).collect())
    }

    /// Tells whether a host is in one of them.
    pub(in crate::runtime) fn contain(&self, host: IpAddr) -> bool {
        let beside = |own: &VirtualAddress| VirtualAddress { address: host, ..*own };
        self.0.iter().any(|own| beside(own).network() == own.network())
    }

    /// Returns how the prefix of a virtual address changes the routes of the host that has it, if
    /// it is not the prefix of its network. A /32 or /128 changes no route; nor does a narrower
    /// network of IPv6, as nothing is sent from there.
    pub(in crate::runtime) fn complaint(
        &self,
        held: &VirtualAddress,
        link: &str,
    ) -> Option<String> {
        let network = self.differing(held)?;
        let does = if held.prefix < network.prefix {
            format!("looks for all of {} there", held.network())
        } else {
            format!("speaks to {} from it", held.network())
        };
        Some(format!(
            "{held} does not have the prefix of {network} on {link}: a host that has it {does}. \
             Write {}/{}, or /{}",
            held.address,
            network.prefix,
            bits(held)
        ))
    }

    fn differing(&self, held: &VirtualAddress) -> Option<&VirtualAddress> {
        let is_network = |own: &&VirtualAddress| {
            let is_such = own.address.is_ipv4() == held.address.is_ipv4();
            is_such && own.prefix < bits(own) - 1 && overlaps(own, held)
        };
        let mut overlapping = self.0.iter().filter(is_network);
        let first = overlapping.next()?;
        let agrees = |own: &VirtualAddress| own.prefix == held.prefix;
        let alone = held.prefix == bits(held);
        let narrower = held.address.is_ipv6() && held.prefix > first.prefix;
        let is_fine = alone || narrower || agrees(first) || overlapping.any(agrees);
        (!is_fine).then_some(first)
    }
}

/// Returns how many bits an address of the family has.
const fn bits(held: &VirtualAddress) -> u8 {
    match held.address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// Tells whether one of two networks contains the other.
fn overlaps(one: &VirtualAddress, other: &VirtualAddress) -> bool {
    let shorter = one.prefix.min(other.prefix);
    let network = |it: &VirtualAddress| VirtualAddress { prefix: shorter, ..*it }.network();
    network(one) == network(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Links, samples};

    fn problem_of(own: &[&str], held: &str) -> Option<String> {
        let mut links = Links::default();
        links.handle(samples::link(2, "eth0"));
        for own in own {
            links.handle(samples::address(2, own));
        }
        let moving = samples::parse(held).address;
        let networks = Networks::of(links.at(2).unwrap(), |address| address == moving);
        networks.complaint(&samples::parse(held), "eth0")
    }

    #[test]
    fn a_prefix_of_its_network_an_address_alone_and_an_unknown_network_are_fine() {
        for (own, held) in [
            (&["192.0.2.1/24"][..], "192.0.2.100/24"),
            (&["192.0.2.1/24"], "192.0.2.100/32"),
            (&["192.0.2.1/24"], "198.51.100.1/25"),
            (&["192.0.2.1/32"], "192.0.2.100/24"),
            (&["192.0.2.1/24", "192.0.2.129/25"], "192.0.2.200/24"),
            (&["192.0.2.100/24"], "192.0.2.100/25"),
            (&[], "192.0.2.100/8"),
            (&["2001:db8::1/64"], "2001:db8::100/64"),
            (&["2001:db8::1/64"], "2001:db8::100/128"),
            (&["2001:db8::1/64"], "2001:db8::100/96"),
            (&["0.0.0.1/1"], "::1/64"),
        ] {
            assert_eq!(problem_of(own, held), None, "{own:?} {held}");
        }
    }

    #[test]
    fn a_wider_and_a_narrower_prefix_are_told_with_what_they_do() {
        let wider = problem_of(&["192.0.2.1/24"], "192.0.2.100/8").unwrap();
        let narrower = problem_of(&["192.0.2.1/24"], "192.0.2.100/25").unwrap();

        assert_eq!(
            wider,
            "192.0.2.100/8 does not have the prefix of 192.0.2.1/24 on eth0: a host that has it \
             looks for all of 192.0.0.0/8 there. Write 192.0.2.100/24, or /32"
        );
        assert!(
            narrower.contains("a host that has it speaks to 192.0.2.0/25 from it"),
            "{narrower}"
        );
        assert!(problem_of(&["192.0.2.1/24"], "192.0.3.1/16").is_some(), "it contains the network");
        let ipv6 = problem_of(&["2001:db8::1/64"], "2001:db8::100/48").unwrap();
        assert!(ipv6.ends_with("Write 2001:db8::100/64, or /128"), "{ipv6}");
    }
}
