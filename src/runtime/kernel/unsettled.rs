//! What has to be compared with the kernel again.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::VirtualAddress;

/// The links and addresses about which something is new: only these are looked at.
#[derive(Debug, Default)]
pub(super) struct Unsettled {
    links: BTreeMap<usize, Scope>,
    is_retry: bool,
}

/// How much of a link is to be looked at, besides the link itself.
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

    /// Has the link itself looked at.
    pub(super) fn link(&mut self, link: usize) {
        self.links.entry(link).or_default();
    }

    /// Has an address of a link looked at.
    pub(super) fn address(&mut self, link: usize, address: VirtualAddress) {
        self.links.entry(link).or_default().add(address);
    }

    /// Has a link looked at with all of its addresses.
    pub(super) fn whole_link(&mut self, link: usize) {
        self.links.insert(link, Scope::All);
    }

    /// Has whatever the kernel refused tried again.
    pub(super) fn refused(&mut self) {
        self.is_retry = true;
    }

    /// Returns the links and how much of each, and forgets them.
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
