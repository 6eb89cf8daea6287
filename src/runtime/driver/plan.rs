//! The links and routers that the thread `vrrp-net` works on.

use crate::config::Config;
use crate::proto::{Node, RouterId};
use crate::runtime::kernel::{KernelPlan, PlannedRouter};

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
    }
}
