//! What the kernel has, as the election is told of it.

use std::sync::Arc;

use crate::net::LinkSignal;
use crate::types::Sources;

/// What the kernel has.
///
/// A copy costs one count of references for each virtual router. Facts of a router that are still
/// the same `Arc` have not changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// In the order of [`KernelPlan::links`](super::KernelPlan::links). Empty until the kernel was
    /// asked for the first time.
    pub links: Vec<LinkView>,
    /// In the order of [`KernelPlan::routers`](super::KernelPlan::routers).
    pub routers: Vec<Arc<RouterFacts>>,
    /// Why nothing can be read or changed at present.
    pub problem: Option<String>,
}

/// A link as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkView {
    /// Its index; `None` if there is no such link.
    pub index: Option<u32>,
    /// Whether frames can pass.
    pub carrier: LinkSignal,
    /// Its hardware address.
    pub mac: Option<[u8; 6]>,
    /// The addresses to send from.
    pub sources: Sources,
}

/// What became of the claim of a virtual router.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RouterFacts {
    /// In the order of [`PlannedRouter::addresses`](super::PlannedRouter::addresses).
    pub addresses: Vec<AddressFacts>,
    /// Announcements sent, one per address and time.
    pub announcements_sent: u64,
    /// Announcements that the link did not take; each is tried again.
    pub announcements_failed: u64,
    /// What the kernel refused last, as long as it does.
    pub problem: Option<String>,
    /// How often in a row it has refused that.
    pub refusals: u32,
}

/// What became of one address.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AddressFacts {
    /// Whether the link has it.
    pub assigned: bool,
    /// Whether this engine has put it there, or has adopted it.
    pub ours: bool,
    /// How often somebody else removed it while it was wanted here.
    pub lost: u64,
    /// Whether somebody else keeps removing it.
    pub contested: bool,
}

impl RouterFacts {
    /// Returns the facts about a router of so many addresses, none of which is here.
    pub(super) fn of(addresses: usize) -> Self {
        Self { addresses: vec![AddressFacts::default(); addresses], ..Self::default() }
    }
}
