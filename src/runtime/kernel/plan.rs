//! What the thread is given to do; it never changes while the thread lives.

use std::sync::Arc;
use std::time::Duration;

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
    /// How long the kernel keeps an address that is no longer refreshed; `None` is for ever.
    pub lifetime: Option<Duration>,
}

/// A virtual router and its addresses.
#[derive(Clone, Debug)]
pub struct PlannedRouter {
    /// Its links, whose identifiers are places in [`KernelPlan::links`].
    pub site: Site,
    /// Everything that belongs on the link while the router is Active.
    pub addresses: Arc<[VirtualAddress]>,
    /// How old a claim may be that the election has not
    /// [confirmed](super::KernelThread::confirm): after that time peers may have taken over, or
    /// the guard may have removed the addresses.
    pub patience: Duration,
}
