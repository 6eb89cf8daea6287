//! The configuration of the thread. It never changes while the thread runs.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use super::accept::AcceptFilter;
use crate::config::AnnounceConfig;
use crate::proto::Site;
use crate::types::{LinkName, VirtualAddress};

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
}

/// A virtual router and its addresses.
#[derive(Clone, Debug)]
pub struct PlannedRouter {
    /// Its links, whose identifiers are places in [`KernelPlan::links`].
    pub site: Site,
    /// The addresses that are on the link while the router is Active.
    pub addresses: Arc<[VirtualAddress]>,
    /// The addresses that it speaks from and to, if it has peers: see
    /// [`RouterFacts::own_addresses`](super::RouterFacts::own_addresses).
    pub endpoints: Arc<[IpAddr]>,
    /// Whether this host answers on its addresses.
    pub accepts: bool,
    /// Age of the last [confirmation](super::KernelThread::confirm) after which a claim does not
    /// count: peers may have taken over, or the guard may have removed the addresses.
    pub patience: Duration,
}
