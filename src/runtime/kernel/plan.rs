//! What the thread is given to do; it never changes while the thread lives.

use std::sync::Arc;
use std::time::Duration;

use crate::config::AnnounceConfig;
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
    /// How long the kernel keeps an address that is no longer refreshed; `None` is for ever.
    pub lifetime: Option<Duration>,
}

/// A virtual router and its addresses.
#[derive(Clone, Debug)]
pub struct PlannedRouter {
    /// Its links.
    pub site: Site,
    /// Everything that belongs on the link while the router is Active.
    pub addresses: Arc<[VirtualAddress]>,
    /// How old a claim may be that the election has not
    /// [confirmed](super::KernelThread::confirm): after that time peers may have taken over, or
    /// the guard may have removed the addresses.
    pub patience: Duration,
}

/// The links of a virtual router, as places in [`KernelPlan::links`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Site {
    /// The link on which it receives advertisements.
    pub listens_on: usize,
    /// The link that has its addresses, and on which it advertises and announces them.
    pub speaks_on: usize,
}

impl Site {
    /// Returns the site of a router that listens and speaks on the same link.
    #[must_use]
    pub fn on(link: usize) -> Self {
        Self { listens_on: link, speaks_on: link }
    }
}
