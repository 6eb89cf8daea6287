//! What the thread `vrrp-net` is given to do.

use crate::config::Config;
use crate::proto::{Node, RouterId};
use crate::runtime::kernel::{KernelPlan, PlannedRouter};

/// Tells the other thread what there is to watch, and what may be claimed.
pub(super) fn plan(config: &Config, node: &Node) -> KernelPlan {
    let routers = config.instances.iter().enumerate().map(|(index, instance)| PlannedRouter {
        site: node.site_of(RouterId(index)),
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
