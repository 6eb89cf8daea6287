//! What the kernel tells, for tests.

use crate::net::{DuplicateDetection, HardwareAddress, KernelEvent, LinkSignal};
use crate::types::{AddressLook, Families, VirtualAddress};

/// A link that is up.
pub(crate) fn link(index: u32, name: &str) -> KernelEvent {
    KernelEvent::Link {
        index,
        name: name.to_owned(),
        carrier: LinkSignal::Up,
        hardware: HardwareAddress::Ethernet([2; 6]),
        families: Families::ALL,
        mtu: Some(1500),
        macvlan: None,
    }
}

/// An address that another program has added.
pub(crate) fn address(index: u32, address: &str) -> KernelEvent {
    KernelEvent::Address {
        index,
        address: parse(address),
        secondary: false,
        protocol: 0,
        detection: DuplicateDetection::Passed,
        created: 100,
        look: AddressLook::default(),
    }
}

/// Reads `192.0.2.1/24`.
pub(crate) fn parse(text: &str) -> VirtualAddress {
    let (address, prefix) = text.split_once('/').unwrap();
    VirtualAddress { address: address.parse().unwrap(), prefix: prefix.parse().unwrap() }
}
