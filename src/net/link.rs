//! The links of this host and their addresses, as the kernel has reported them.

mod addresses;
mod macvlan;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use rustix::net::netdevice::name_to_index;
use rustix::net::{AddressFamily, SocketType, socket};

pub use self::addresses::{DuplicateDetection, KernelLink, Present};
pub use self::macvlan::{ArpSettings, Macvlan, Tag};
use crate::types::{AddressLook, Families, LinkName, VirtualAddress};

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
    /// Forgets everything and believes a dump instead. Links that are as they were are of the same
    /// generation.
    pub fn reset(&mut self, dump: Vec<KernelEvent>) {
        let before = std::mem::take(&mut self.by_index);
        self.by_name.clear();
        for event in dump {
            self.handle(event);
        }
        for (index, link) in &mut self.by_index {
            if let Some(before) = before.get(index).filter(|before| link.goes_on_from(before)) {
                link.generation = before.generation;
            }
        }
    }

    /// Handles one message of the kernel, and returns what it has changed. A message that is heard
    /// twice changes nothing; nor does one about the lifetime of an address.
    pub fn handle(&mut self, event: KernelEvent) -> Option<KernelChange> {
        match event {
            KernelEvent::Link { index, name, carrier, hardware, families, mtu, macvlan } => {
                let link = self.by_index.entry(index).or_default();
                link.mtu = mtu;
                let before = (&link.name, link.carrier, link.hardware, link.families);
                let is_same = before == (&name, carrier, hardware, families);
                if is_same && link.macvlan == macvlan {
                    return None;
                }
                if families.iter().any(|family| !link.families.has(family)) {
                    self.generations += 1;
                    link.generation = self.generations;
                }
                link.families = families;
                (link.carrier, link.hardware, link.macvlan) = (carrier, hardware, macvlan);
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
            KernelEvent::Address {
                index,
                address,
                secondary,
                protocol,
                detection,
                created,
                look,
            } => {
                self.arrivals += 1;
                let arrival = self.arrivals;
                let mut present =
                    Present { secondary, protocol, detection, look, created, arrival };
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

/// Returns the index of the link of that name, or of that alternative name (`ip link property`).
#[must_use]
pub fn index_by_any_name(name: &LinkName) -> Option<u32> {
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
    name_to_index(socket, name.as_str()).ok()
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
        /// The families for which its MTU is large enough.
        families: Families,
        /// The octets of the longest datagram, if the kernel tells.
        mtu: Option<u32>,
        /// What it is if it is a macvlan.
        macvlan: Option<Macvlan>,
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
        /// When it was added, in hundredths of a second since the host was started.
        created: u32,
        /// See [`Present::detection`].
        detection: DuplicateDetection,
        /// See [`Present::look`].
        look: AddressLook,
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
