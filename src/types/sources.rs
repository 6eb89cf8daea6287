//! The addresses of this host that it sends from.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use super::Family;

/// The addresses that this host sends from on a link, as far as there are any.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
pub struct Sources {
    /// The primary IPv4 address: the first one on the link that is not virtual.
    pub ipv4: Option<Ipv4Addr>,
    /// The link-local IPv6 address that is not virtual (RFC 9568 §5.1.2.1).
    pub ipv6: Option<Ipv6Addr>,
    /// The first other IPv6 address that is not virtual: peers may be beyond the link.
    #[serde(default)]
    pub global: Option<Ipv6Addr>,
}

impl Sources {
    /// Returns the address of a family for what stays on the link.
    #[must_use]
    pub fn of(self, family: Family) -> Option<IpAddr> {
        match family {
            Family::Ipv4 => self.ipv4.map(IpAddr::V4),
            Family::Ipv6 => self.ipv6.map(IpAddr::V6),
        }
    }

    /// Returns an address of a family that is this host's own, whatever it reaches.
    #[must_use]
    pub fn any_of(self, family: Family) -> Option<IpAddr> {
        let global = self.global.filter(|_| family == Family::Ipv6);
        self.of(family).or(global.map(IpAddr::V6))
    }

    /// Returns these, and in place of those that are missing the ones of `before`.
    #[must_use]
    pub fn or(self, before: Self) -> Self {
        Self {
            ipv4: self.ipv4.or(before.ipv4),
            ipv6: self.ipv6.or(before.ipv6),
            global: self.global.or(before.global),
        }
    }
}

/// Tells whether an address is only known together with a link.
#[must_use]
pub fn is_link_local(address: &IpAddr) -> bool {
    matches!(address, IpAddr::V6(address) if address.is_unicast_link_local())
}

/// Why there is no link-local IPv6 address to send from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoLinkLocal {
    /// IPv6 is disabled on the link.
    Disabled,
    /// The kernel still asks whether another host has this one (RFC 4862 §5.4).
    Tentative(Ipv6Addr),
    /// Another host has this one.
    Duplicated(Ipv6Addr),
    /// The link has none.
    Absent,
}
