//! The hardware address of a virtual router, and what follows from it (RFC 9568 §7.3).

use std::net::Ipv6Addr;

use super::{Family, Vrid};

/// A hardware address of Ethernet.
pub type MacAddress = [u8; 6];

/// Returns the hardware address of a virtual router: 00-00-5E-00-01-{VRID} for IPv4,
/// 00-00-5E-00-02-{VRID} for IPv6.
#[must_use]
pub const fn virtual_mac(family: Family, vrid: Vrid) -> MacAddress {
    let family = match family {
        Family::Ipv4 => 1,
        Family::Ipv6 => 2,
    };
    [0, 0, 0x5e, 0, family, vrid.get()]
}

/// Returns the link-local address of an IPv6 virtual router: its hardware address as an interface
/// identifier (RFC 9568 §5.2.9, RFC 4291 appendix A).
#[must_use]
pub const fn virtual_link_local(vrid: Vrid) -> Ipv6Addr {
    // The first octet with the bit inverted that says whether an identifier is universal.
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0x0200, 0x5eff, 0xfe00, 0x0200 | vrid.get() as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_two_octets_are_family_and_vrid() {
        let vrid = Vrid::new(51).unwrap();

        assert_eq!(virtual_mac(Family::Ipv4, vrid), [0, 0, 0x5e, 0, 1, 51]);
        assert_eq!(virtual_mac(Family::Ipv6, vrid), [0, 0, 0x5e, 0, 2, 51]);
    }

    #[test]
    fn the_link_local_address_is_made_of_the_hardware_address() {
        let vrid = Vrid::new(255).unwrap();

        assert_eq!(virtual_link_local(vrid).to_string(), "fe80::200:5eff:fe00:2ff");
    }
}
