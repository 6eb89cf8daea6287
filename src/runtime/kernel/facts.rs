//! The facts about the kernel, as the election gets them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use crate::net::LinkSignal;
use crate::types::{NoLinkLocal, Sources, VirtualAddress};

/// The facts about the kernel.
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
    /// The findings on this host.
    pub findings: Arc<BTreeMap<HostFinding, String>>,
}

/// A finding about this host, or its links.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum HostFinding {
    /// Addresses cannot be announced on a link.
    CannotAnnounce,
    /// A setting under `/proc/sys` cannot be written.
    SettingRefused,
    /// The kernel may drop what peers send to a link.
    ReversePath,
    /// Another program speaks VRRP.
    OtherSpeaker,
    /// A program listens on a virtual address, and could not start while another node has it.
    BoundAddress,
}

/// A link as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkView {
    /// Its index; `None` if there is no such link.
    pub index: Option<u32>,
    /// See [`KernelLink::generation`](crate::net::KernelLink::generation); `None` if not known.
    pub generation: Option<u64>,
    /// Whether the link is up.
    pub carrier: LinkSignal,
    /// Its hardware address.
    pub mac: Option<[u8; 6]>,
    /// The addresses to send from.
    pub sources: Sources,
    /// Why there is none of IPv6; `None` if there is, or if it is not known.
    pub no_link_local: Option<NoLinkLocal>,
}

/// The result of the claim of a virtual router.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RouterFacts {
    /// In the order of [`PlannedRouter::addresses`](super::PlannedRouter::addresses).
    pub addresses: Vec<AddressFacts>,
    /// Announcements sent, one per address and time.
    pub announcements_sent: u64,
    /// Announcements that could not be sent; each is tried again.
    pub announcements_failed: u64,
    /// The present refusal of the kernel.
    pub problem: Option<String>,
    /// How often in a row it has refused that.
    pub refusals: u32,
    /// Why it cannot have the link that is to be made for it.
    pub macvlan_problem: Option<String>,
    /// What is wrong with the prefix of an address, if it is not that of its network.
    pub prefix_problem: Option<String>,
    /// Addresses that another program has added on this host, by their place.
    pub foreign: BTreeMap<usize, ForeignAddress>,
    /// Those of [`PlannedRouter::endpoints`](super::PlannedRouter::endpoints) that this host has;
    /// `None` before the kernel was asked, and where there are none.
    pub own_addresses: Option<Vec<IpAddr>>,
}

/// A virtual address that another program has added on this host.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ForeignAddress {
    /// The address with its prefix.
    pub address: VirtualAddress,
    /// The name of the link that has it.
    pub link: String,
}

/// The result of the claim for one address.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AddressFacts {
    /// Whether the link has it.
    pub assigned: bool,
    /// Whether this engine has added or adopted it.
    pub ours: bool,
    /// How often another program removed it while it was wanted.
    pub lost: u64,
    /// Whether another program keeps removing it.
    pub contested: bool,
}

impl RouterFacts {
    /// Returns the facts about a router of so many addresses, none of which is assigned.
    pub(super) fn of(addresses: usize) -> Self {
        Self { addresses: vec![AddressFacts::default(); addresses], ..Self::default() }
    }
}

impl ForeignAddress {
    /// Returns what an operator should know, and do, about this address and others like it.
    pub(in crate::runtime) fn complaint(&self, others: usize) -> String {
        let Self { address, link } = self;
        let what = match others {
            0 => address.to_string(),
            others => format!("{address} and {others} more"),
        };
        format!(
            "something else put {what} on {link} of this host, which answers for it in every \
             state. Take it out of the network configuration, or stop the other VRRP daemon, \
             then remove it: ip address delete {address} dev {link}"
        )
    }
}
