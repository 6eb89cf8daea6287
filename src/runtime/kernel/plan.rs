//! The configuration of the thread. It never changes while the thread runs.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::accept::AcceptFilter;
use crate::config::AnnounceConfig;
use crate::types::{AddressLook, LinkName, MacAddress, VirtualAddress};

/// The links and virtual routers of an engine.
#[derive(Clone, Debug)]
pub struct KernelPlan {
    /// The links to watch.
    pub links: Vec<LinkName>,
    /// The virtual routers.
    pub routers: Vec<PlannedRouter>,
    /// How often addresses are announced.
    pub announce: AnnounceConfig,
    /// The lifetime of an address without a refresh; `None` is for ever.
    pub lifetime: Option<Duration>,
    /// Keeps this host from answering on the addresses of the routers that do not
    /// [accept](PlannedRouter::accepts).
    pub filter: Option<Arc<AcceptFilter>>,
    /// The name of the place where engines of this host meet, by which each knows the interfaces
    /// that one before it has made.
    pub place: String,
}

/// The links of a virtual router, by their places in [`KernelPlan::links`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Site {
    /// The link on which it listens and advertises.
    pub link: usize,
    /// The link that has its addresses, but for those that are [elsewhere](PlannedAddress::link).
    pub addresses_on: usize,
    /// The hardware address of that link, if it is one that the engine makes.
    pub virtual_mac: Option<MacAddress>,
    /// The hardware address from which it advertises, if it is not that of the link.
    pub advertises_from: Option<MacAddress>,
}

impl Site {
    /// Returns the site of a router that does everything on one link.
    #[must_use]
    pub const fn on(link: usize) -> Self {
        Self { link, addresses_on: link, virtual_mac: None, advertises_from: None }
    }
}

/// A virtual address, and where it is put.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlannedAddress {
    /// The address with its prefix.
    pub held: VirtualAddress,
    /// The link that has it, by its place in [`KernelPlan::links`].
    pub link: usize,
    /// How it is shown there.
    pub look: AddressLook,
}

impl PlannedAddress {
    /// Returns an address that is put on a link as usual.
    #[must_use]
    pub fn on(link: usize, held: VirtualAddress) -> Self {
        Self { held, link, look: AddressLook::usual(&held) }
    }
}

/// A virtual router and its addresses.
#[derive(Clone, Debug)]
pub struct PlannedRouter {
    /// Its links.
    pub site: Site,
    /// The addresses that this host has while the router is Active.
    pub addresses: Arc<[PlannedAddress]>,
    /// The addresses that it speaks from and to, if it has peers: see
    /// [`RouterFacts::own_addresses`](super::RouterFacts::own_addresses).
    pub endpoints: Arc<[IpAddr]>,
    /// Whether this host answers on its addresses.
    pub accepts: bool,
    /// Age of the last [confirmation](super::KernelThread::confirm) after which a claim does not
    /// count: peers may have taken over, or the guard may have removed the addresses.
    pub patience: Duration,
}

impl PlannedRouter {
    /// Tells whether what is sent to an address can be passed on to a host that is known on the
    /// link of the election.
    pub(super) fn reaches_by(&self, address: &PlannedAddress, host: IpAddr) -> bool {
        let is_there = host.is_ipv4() || address.link == self.site.addresses_on;
        is_there && address.held.address.is_ipv4() == host.is_ipv4()
    }
}
