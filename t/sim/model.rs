//! The election without time: who may be Active once everything has been quiet for a while.

use std::net::Ipv4Addr;

use resty_vrrp::types::Vrid;

use crate::host::Host;

/// A router that nothing keeps from being Active.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate {
    pub(crate) name: &'static str,
    pub(crate) priority: u8,
    pub(crate) address: Ipv4Addr,
    pub(crate) preempts: bool,
}

impl Candidate {
    /// The candidate that a host puts up for a virtual router, if it has that router.
    pub(crate) fn of(host: &Host, vrid: Vrid) -> Option<Self> {
        let router = host.router_of(vrid)?;
        let priority = host.priority(router);
        Some(Self {
            name: host.name,
            priority: priority.get(),
            address: host.address_on(host.node.link_of(router))?,
            preempts: host
                .together(router)
                .into_iter()
                .all(|it| (host.instance(it).preempt || priority.is_owner()) && !host.defers(it)),
        })
    }

    /// Tells which of two Active routers stays Active when they hear each other.
    pub(crate) fn outranks(&self, other: &Self) -> bool {
        (self.priority, self.address) > (other.priority, other.address)
    }
}

/// Whoever is Active may stay so unless somebody of higher priority preempts.
///
/// Equal priority preempts nobody, whatever the addresses.
pub(crate) fn may_be_active(candidates: &[Candidate]) -> Vec<&'static str> {
    let usurper = candidates.iter().filter(|one| one.preempts).map(|one| one.priority).max();
    candidates.iter().filter(|one| Some(one.priority) >= usurper).map(|one| one.name).collect()
}
