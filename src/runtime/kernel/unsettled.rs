//! The links and addresses that have to be compared with the kernel again.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::VirtualAddress;

/// The links and addresses of which something has changed: only these are compared.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    links: BTreeMap<usize, Scope>,
    is_retry: bool,
}

/// How much of a link is compared, besides the link itself.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum Scope {
    /// Some addresses, or none.
    Addresses(BTreeSet<VirtualAddress>),
    /// Every address that may be ours.
    All,
}

impl Unsettled {
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty() && !self.is_retry
    }

    /// Marks a link, without its addresses.
    pub(super) fn link(&mut self, link: usize) {
        self.links.entry(link).or_default();
    }

    /// Marks an address of a link.
    pub(super) fn address(&mut self, link: usize, address: VirtualAddress) {
        self.links.entry(link).or_default().add(address);
    }

    /// Marks a link with all of its addresses.
    pub(super) fn whole_link(&mut self, link: usize) {
        self.links.insert(link, Scope::All);
    }

    /// Marks everything that the kernel has refused.
    pub(super) fn refused(&mut self) {
        self.is_retry = true;
    }

    /// Takes the links, with how much of each is compared.
    pub(super) fn take(&mut self) -> BTreeMap<usize, Scope> {
        std::mem::take(self).links
    }
}

impl Default for Scope {
    fn default() -> Self {
        Self::Addresses(BTreeSet::new())
    }
}

impl Scope {
    fn add(&mut self, address: VirtualAddress) {
        match self {
            Self::Addresses(addresses) => {
                addresses.insert(address);
            }
            Self::All => {}
        }
    }
}
