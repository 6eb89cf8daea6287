//! How the nodes of a pair speak to each other, and which addresses everything has there.

use harness::Host;

/// A network, and what the nodes make of it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Network {
    /// Multicast over IPv4.
    Ipv4,
    /// Multicast over IPv6.
    Ipv6,
    /// Unicast over IPv4.
    Unicast,
    /// Unicast over IPv6.
    UnicastIpv6,
    /// Multicast over IPv4; an address of IPv6 moves with that of IPv4.
    Dual,
}

impl Network {
    pub(crate) const ALL: [Self; 5] =
        [Self::Ipv4, Self::Ipv6, Self::Unicast, Self::UnicastIpv6, Self::Dual];

    /// Returns what `NETWORK` calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
            Self::Unicast => "unicast",
            Self::UnicastIpv6 => "unicast-ipv6",
            Self::Dual => "dual",
        }
    }

    /// Tells whether the nodes speak to each other one by one.
    pub(crate) fn is_unicast(self) -> bool {
        matches!(self, Self::Unicast | Self::UnicastIpv6)
    }

    /// Tells whether anything has addresses of IPv6.
    pub(crate) fn has_ipv6(self) -> bool {
        matches!(self, Self::Ipv6 | Self::UnicastIpv6 | Self::Dual)
    }

    /// Returns the virtual addresses that clients ask. The first is of the family of the election.
    pub(crate) fn services(self) -> &'static [&'static str] {
        match self {
            Self::Ipv4 | Self::Unicast => &[ADDRESS],
            Self::Ipv6 | Self::UnicastIpv6 => &[ADDRESS_OF_IPV6],
            Self::Dual => &[ADDRESS, ADDRESS_OF_IPV6],
        }
    }

    /// Returns where clients find them.
    pub(crate) fn servers(self) -> Vec<String> {
        let server = |address: &&str| {
            if address.contains(':') { format!("[{address}]:80") } else { format!("{address}:80") }
        };
        self.services().iter().map(server).collect()
    }

    /// Returns what one of many virtual routers has: an address, or one of each family, with its
    /// prefix.
    pub(crate) fn router_addresses(self, link: usize, vrid: u8) -> Vec<String> {
        let ipv4 = format!("10.77.{link}.{vrid}/32");
        let ipv6 = format!("2001:db8:77:{link:x}::{vrid:x}/128");
        match self {
            Self::Ipv4 | Self::Unicast => vec![ipv4],
            Self::Ipv6 | Self::UnicastIpv6 => vec![ipv6],
            Self::Dual => vec![ipv4, ipv6],
        }
    }

    /// Returns so many addresses of one virtual router, each with its prefix, and how many of them
    /// an advertisement is to carry.
    pub(crate) fn addresses(self, count: usize) -> (Vec<String>, usize) {
        let ipv4 = |n: usize| format!("10.77.{}.{}/32", n / 250, n % 250 + 1);
        let ipv6 = |n: usize| format!("2001:db8:77::{:x}/128", n + 1);
        let (all, most): (Vec<String>, usize) = match self {
            Self::Ipv4 | Self::Unicast => ((0..count).map(ipv4).collect(), 250),
            Self::Ipv6 | Self::UnicastIpv6 => ((0..count).map(ipv6).collect(), MOST_OF_IPV6),
            Self::Dual => {
                let half = count / 2;
                ((0..half).map(ipv4).chain((half..count).map(ipv6)).collect(), half.min(250))
            }
        };
        (all, most.min(count))
    }

    /// Returns the address of IPv4 that a host has on a link.
    pub(crate) fn host_address(link: usize, host: u8) -> String {
        match link {
            0 => format!("192.168.56.{host}"),
            _ => format!("10.78.{link}.{host}"),
        }
    }

    /// Returns the one of two hosts that hears all advertisements: where they are sent to nobody
    /// else, the second node hears those of the first and its own.
    pub(crate) fn listener<'a>(self, client: &'a Host, second: &'a Host) -> &'a Host {
        if self.is_unicast() { second } else { client }
    }

    /// Returns the address by which the other node of a pair knows one on a link.
    pub(crate) fn peer_address(self, link: usize, host: u8) -> String {
        if self.has_ipv6() { address_of_ipv6(link, host) } else { Self::host_address(link, host) }
    }

    /// Gives a host its addresses of IPv6, where there are any.
    ///
    /// The kernel would make link-local ones out of MAC addresses, and take a second. These are
    /// there at once, and their last octet is the host's number.
    pub(crate) fn set_up(self, host: &Host, links: usize, number: u8) {
        if !self.has_ipv6() {
            return;
        }
        for link in 0..links {
            host.ip(&format!("link set eth{link} down"));
            host.ip(&format!("link set eth{link} addrgenmode none"));
            host.ip(&format!("link set eth{link} up"));
            for address in [format!("fe80::{number:x}"), address_of_ipv6(link, number)] {
                host.ip(&format!("address add {address}/64 dev eth{link} nodad"));
            }
        }
    }
}

/// Returns the address of IPv6 that a host has on a link.
fn address_of_ipv6(link: usize, host: u8) -> String {
    match link {
        0 => format!("2001:db8::{host:x}"),
        _ => format!("2001:db8:78:{link:x}::{host:x}"),
    }
}

/// The address that clients ask.
pub(crate) const ADDRESS: &str = "192.168.56.100";
/// The one that they ask over IPv6.
const ADDRESS_OF_IPV6: &str = "2001:db8::100";
/// An advertisement has no room for more addresses of IPv6.
const MOST_OF_IPV6: usize = 90;
/// Last octet of the addresses of the first node and of the second, on every link.
pub(crate) const NUMBERS: [u8; 2] = [101, 102];
/// That of the client.
pub(crate) const CLIENT_NUMBER: u8 = 10;
