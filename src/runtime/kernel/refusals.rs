//! The additions and removals of addresses that the kernel refuses.

use std::collections::{BTreeMap, BTreeSet};

use crate::types::VirtualAddress;

/// Addresses that the kernel did not add or remove at the last attempt, by index of the link.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    links: BTreeMap<u32, BTreeMap<VirtualAddress, Refusal>>,
    /// The last line of the log: the first refusal, and how many others there were.
    logged: Option<(String, usize)>,
}

/// An address that the kernel does not add or remove.
#[derive(Debug)]
pub(super) struct Refusal {
    /// Why.
    pub(super) problem: String,
    /// How many attempts in a row have failed.
    pub(super) times: u32,
}

impl Refusals {
    /// Tells whether nothing is refused.
    pub(super) fn is_empty(&self) -> bool {
        self.links.is_empty()
    }

    /// Keeps the result of an attempt to correct some addresses of a link.
    pub(super) fn settled(
        &mut self,
        index: u32,
        addresses: &BTreeSet<VirtualAddress>,
        refused: impl IntoIterator<Item = (VirtualAddress, String)>,
    ) {
        let before = self.links.remove(&index).unwrap_or_default();
        let again = |(address, problem)| {
            let times = before.get(&address).map_or(1, |known| known.times.saturating_add(1));
            (address, Refusal { problem, times })
        };
        let refused: Vec<_> = refused.into_iter().map(again).collect();
        let mut link = before;
        link.retain(|address, _| !addresses.contains(address));
        link.extend(refused);
        if !link.is_empty() {
            self.links.insert(index, link);
        }
    }

    /// Forgets the refusals on links that are of no interest any more.
    pub(super) fn retain_links(&mut self, is_of_interest: impl Fn(u32) -> bool) {
        self.links.retain(|index, _| is_of_interest(*index));
    }

    /// Returns the links on which something is refused.
    pub(super) fn links(&self) -> impl Iterator<Item = u32> {
        self.links.keys().copied()
    }

    /// Returns the addresses of a link that are refused.
    pub(super) fn on(&self, index: u32) -> impl Iterator<Item = VirtualAddress> {
        self.links.get(&index).into_iter().flat_map(|link| link.keys().copied())
    }

    /// Returns why an address of a link is refused, if it is.
    pub(super) fn of(&self, index: u32, address: &VirtualAddress) -> Option<&Refusal> {
        self.links.get(&index)?.get(address)
    }

    /// Logs the refusals, if they have changed.
    pub(super) fn log(&mut self) {
        let first = self.links.values().flat_map(BTreeMap::values).next();
        let others = self.links.values().map(BTreeMap::len).sum::<usize>().saturating_sub(1);
        let refusal = first.map(|refusal| (refusal.problem.clone(), others));
        if self.logged != refusal {
            if let Some((problem, others)) = &refusal {
                tracing::error!(others, "{problem}");
            }
            self.logged = refusal;
        }
    }
}
