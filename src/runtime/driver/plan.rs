//! The links and routers that the thread `vrrp-net` works on.

use std::sync::Arc;

use crate::config::Config;
use crate::proto::{LinkId, Node, RouterId};
use crate::runtime::kernel::{AcceptFilter, KernelPlan, PlannedRouter};
use crate::types::Families;

/// Creates the election of a configuration.
pub(super) fn node_of(config: &Config) -> Node {
    Node::new(&config.instances)
        .with_last_one_standing(config.last_one_standing)
        .with_sync_groups(&config.sync_groups)
}

/// Returns what `vrrp-net` has to watch, and what may be claimed.
pub(super) fn plan(config: &Config, node: &Node) -> KernelPlan {
    let routers = config.instances.iter().enumerate().map(|(index, instance)| PlannedRouter {
        site: node.site_of(RouterId(index)),
        endpoints: instance.source().iter().chain(instance.peers()).copied().collect(),
        addresses: [instance.addresses.as_slice(), &instance.addresses_excluded].concat().into(),
        accepts: instance.accepts(),
        patience: node
            .snapshot(RouterId(index))
            .active_down_interval
            .min(config.health.worker_timeout),
    });
    KernelPlan {
        links: node.links().to_vec(),
        routers: routers.collect(),
        announce: config.announce,
        lifetime: config.address_lifetime,
        filter: None,
    }
}

/// Returns the families that each link needs, and those whose group is heard there.
pub(super) fn families(node: &Node) -> impl Iterator<Item = [Families; 2]> {
    let links = (0..node.links().len()).map(LinkId);
    links.map(|link| [node.families_on(link), node.groups_on(link)])
}

/// Begins to keep this host from answering on the addresses that are not to be answered on.
pub(super) fn start_filter(config: &Config) -> Option<Arc<AcceptFilter>> {
    let all = config.instances.iter().enumerate();
    let unanswered: Vec<_> = all.filter(|(_, instance)| !instance.accepts()).collect();
    let addresses = unanswered.iter().flat_map(|(_, instance)| {
        let all = instance.addresses.iter().chain(&instance.addresses_excluded);
        all.map(|held| held.address)
    });
    let routers = unanswered.iter().map(|(router, _)| *router).collect();
    (!unanswered.is_empty()).then(|| Arc::new(AcceptFilter::start(routers, addresses.collect())))
}
