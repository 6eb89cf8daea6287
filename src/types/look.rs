//! How an address of IPv4 is shown beside its prefix.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use super::VirtualAddress;

/// What the kernel keeps of an address of IPv4 besides its prefix; of IPv6 it keeps none of it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AddressLook {
    /// Its label; `None` is the name of its link.
    pub label: Option<AddressLabel>,
    /// Its broadcast address.
    pub broadcast: Option<Ipv4Addr>,
}

impl AddressLook {
    /// Returns what is usual: no label, and the broadcast address of the network.
    #[must_use]
    pub fn usual(held: &VirtualAddress) -> Self {
        Self { label: None, broadcast: held.broadcast() }
    }
}

impl VirtualAddress {
    /// Returns the broadcast address of its network; a /31 or /32 (RFC 3021), and IPv6, have none.
    #[must_use]
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        let IpAddr::V4(address) = self.address else { return None };
        let hosts = u32::MAX.checked_shr(self.prefix.into()).unwrap_or(0);
        (hosts > 1).then(|| Ipv4Addr::from_bits(address.to_bits() | hosts))
    }
}

/// The label of an address of IPv4: 1–15 bytes without white space and control characters.
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct AddressLabel {
    /// Zeros follow the label.
    octets: [u8; Self::LONGEST],
}

impl AddressLabel {
    /// Bytes of the longest one (Linux's `IFNAMSIZ` without the zero at the end).
    pub const LONGEST: usize = 15;

    /// Returns the label, or `None` if there is none of that text.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let is_valid = !text.is_empty()
            && text.len() <= Self::LONGEST
            && !text.contains(|c: char| c.is_control() || c.is_whitespace());
        let mut octets = [0; Self::LONGEST];
        octets.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
        is_valid.then_some(Self { octets })
    }

    /// Returns the label as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let length = self.octets.iter().position(|&octet| octet == 0).unwrap_or(Self::LONGEST);
        std::str::from_utf8(&self.octets[..length]).unwrap_or_default()
    }
}

impl fmt::Debug for AddressLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AddressLabel").field(&self.as_str()).finish()
    }
}

impl fmt::Display for AddressLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}
