//! A link and the addresses on it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{HardwareAddress, LinkSignal, Macvlan, PROTOCOL};
use crate::types::{AddressLook, Families, Family, NoLinkLocal, Sources, VirtualAddress};

/// A link and the addresses on it.
#[derive(Debug, Default)]
pub struct KernelLink {
    pub(super) name: String,
    pub(super) carrier: LinkSignal,
    pub(super) hardware: HardwareAddress,
    pub(super) families: Families,
    pub(super) mtu: Option<u32>,
    pub(super) generation: u64,
    pub(super) macvlan: Option<Macvlan>,
    pub(super) addresses: BTreeMap<VirtualAddress, Present>,
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

    /// Returns the octets of the longest datagram, if the kernel has told.
    #[must_use]
    pub fn mtu(&self) -> Option<u32> {
        self.mtu
    }

    /// Returns what it is if it is a macvlan.
    #[must_use]
    pub fn macvlan(&self) -> Option<&Macvlan> {
        self.macvlan.as_ref()
    }

    /// Returns a number that changes when the kernel has made the link anew, or its part in a
    /// family: memberships, and sockets bound to it, end then, although its index may stay.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Tells whether this is a link that was known already, although messages about it are lost.
    /// One that was made anew has lost all addresses; if its part in a family was, those of that
    /// family. The same ones may be there again, but were added later.
    pub(super) fn goes_on_from(&self, before: &Self) -> bool {
        let is_kept = |(held, present): (&VirtualAddress, &Present)| {
            self.addresses.get(held).is_some_and(|now| now.created == present.created)
        };
        let goes_on = |family| {
            let of_it = |held: &(&VirtualAddress, _)| Family::of(held.0.address) == family;
            let mut held = before.addresses.iter().filter(of_it).peekable();
            held.peek().is_none() || held.any(is_kept)
        };
        (self.families, self.hardware) == (before.families, before.hardware)
            && !before.addresses.is_empty()
            && Families::ALL.iter().all(goes_on)
    }

    /// Returns the addresses on the link.
    #[must_use]
    pub fn addresses(&self) -> &BTreeMap<VirtualAddress, Present> {
        &self.addresses
    }

    /// Returns the addresses to send from: of each kind the first one that is not virtual.
    ///
    /// Secondary ones come later, but count: an address that was removed and put back while a
    /// virtual one of its network is on the link comes back as secondary. A virtual one comes last,
    /// and only if it is not `ours`: the owner of an address sends from it.
    ///
    /// Of the IPv6 addresses that reach beyond the link, secondary ones are temporary (RFC 8981).
    /// The kernel lists those of a scope from the latest to the first, so the time when one was
    /// added decides: another start must not have the node speak from another address.
    #[must_use]
    pub fn sources(
        &self,
        ours: &BTreeSet<VirtualAddress>,
        is_virtual: impl Fn(IpAddr) -> bool,
    ) -> Sources {
        let (mut ipv4, mut ipv6, mut global) = (None, None, None);
        for (held, present) in &self.addresses {
            if present.protocol == PROTOCOL || ours.contains(held) {
                continue;
            }
            let turn = (is_virtual(held.address), present.secondary, present.arrival);
            match held.address {
                IpAddr::V4(address) => ipv4 = Some(earlier(ipv4, (turn, address))),
                IpAddr::V6(_) if present.detection != DuplicateDetection::Passed => {}
                IpAddr::V6(address) if address.is_unicast_link_local() => {
                    ipv6 = Some(earlier(ipv6, (turn, address)));
                }
                IpAddr::V6(address) => {
                    let turn = (is_virtual(held.address), present.secondary, present.created);
                    global = Some(earlier(global, (turn, address)));
                }
            }
        }
        Sources {
            ipv4: ipv4.map(|(_, it)| it),
            ipv6: ipv6.map(|(_, it)| it),
            global: global.map(|(_, it)| it),
        }
    }

    /// Returns why there is no link-local address among the [sources](Self::sources), as far as the
    /// addresses tell.
    #[must_use]
    pub fn no_link_local(&self) -> NoLinkLocal {
        let mut found = NoLinkLocal::Absent;
        for (held, present) in &self.addresses {
            let IpAddr::V6(address) = held.address else { continue };
            match present.detection {
                _ if !address.is_unicast_link_local() => {}
                DuplicateDetection::Passed => {}
                DuplicateDetection::UnderWay => return NoLinkLocal::Tentative(address),
                DuplicateDetection::Failed => found = NoLinkLocal::Duplicated(address),
            }
        }
        found
    }
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
    /// Another address of the same network came first; of IPv6, it is a temporary one.
    pub secondary: bool,
    /// Its tag (`IFA_PROTO`), 0 if it has none or the kernel does not keep it (before 5.18).
    pub protocol: u8,
    /// What the kernel knows of other hosts that may have it.
    pub detection: DuplicateDetection,
    /// How it is shown.
    pub look: AddressLook,
    /// See [`KernelEvent::Address`](super::KernelEvent::Address).
    pub(super) created: u32,
    pub(super) arrival: u64,
}

/// Whether an IPv6 address is known to be this host's alone (RFC 4862 §5.4).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum DuplicateDetection {
    /// It is, or nobody wants to know.
    #[default]
    Passed,
    /// The kernel still asks. Until then nothing is sent from it.
    UnderWay,
    /// Another host has it.
    Failed,
}
