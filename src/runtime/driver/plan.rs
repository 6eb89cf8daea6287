//! The links and routers that the thread `vrrp-net` works on.

use std::sync::Arc;

use crate::config::{AdvertMac, Config, InstanceConfig};
use crate::guard::DoorId;
use crate::proto::{LinkId, Node, RouterId};
use crate::runtime::kernel::{AcceptFilter, KernelPlan, PlannedAddress, PlannedRouter, Site};
use crate::types::{Families, LinkName, VirtualAddress, virtual_mac};

/// Creates the election of a configuration.
pub(super) fn node_of(config: &Config) -> Node {
    Node::new(&config.instances)
        .with_last_one_standing(config.last_one_standing)
        .with_sync_groups(&config.sync_groups)
}

/// Returns what `vrrp-net` has to watch, and what may be claimed. The links of the election come
/// first, then those that are made for routers, then others that have addresses.
///
/// `place` is where engines of this host meet; without one, no other engine knows this one's links.
pub(super) fn plan(config: &Config, node: &Node, place: Option<DoorId>) -> KernelPlan {
    let mut links = node.links().to_vec();
    let sites: Vec<_> =
        node.routers().zip(&config.instances).map(|it| site(node, it, &mut links)).collect();
    let all = config.instances.iter().zip(sites).enumerate();
    let routers = all.map(|(index, (instance, site))| PlannedRouter {
        site,
        endpoints: instance.source().iter().chain(instance.peers()).copied().collect(),
        addresses: instance
            .moving()
            .map(|held| address(instance, held, site, &mut links))
            .collect(),
        accepts: instance.accepts(),
        patience: node
            .snapshot(RouterId(index))
            .active_down_interval
            .min(config.health.worker_timeout),
    });
    let of_this_process = || format!("pid-{}", std::process::id());
    KernelPlan {
        routers: routers.collect(),
        links,
        announce: config.announce,
        lifetime: config.address_lifetime,
        filter: start_filter(config),
        place: place.map_or_else(of_this_process, |place| place.to_string()),
    }
}

/// Returns an address of a router; a link that only this one needs is added to `links`.
fn address(
    instance: &InstanceConfig,
    held: &VirtualAddress,
    site: Site,
    links: &mut Vec<LinkName>,
) -> PlannedAddress {
    let placement = instance.placement(held);
    let link = placement.interface.map_or(site.addresses_on, |name| {
        links.iter().position(|known| *known == name).unwrap_or_else(|| {
            links.push(name);
            links.len() - 1
        })
    });
    PlannedAddress { held: *held, link, look: placement.look(held) }
}

/// Returns the families that each link needs, and those whose group is heard there.
pub(super) fn families(node: &Node) -> impl Iterator<Item = [Families; 2]> {
    let links = (0..node.links().len()).map(LinkId);
    links.map(|link| [node.families_on(link), node.groups_on(link)])
}

/// Begins to keep this host from answering on the addresses that are not to be answered on.
fn start_filter(config: &Config) -> Option<Arc<AcceptFilter>> {
    let all = config.instances.iter().enumerate();
    let unanswered: Vec<_> = all.filter(|(_, instance)| !instance.accepts()).collect();
    let moving = unanswered.iter().flat_map(|(_, instance)| instance.moving());
    let addresses = moving.map(|held| held.address);
    let routers = unanswered.iter().map(|(router, _)| *router).collect();
    (!unanswered.is_empty()).then(|| Arc::new(AcceptFilter::start(routers, addresses.collect())))
}

/// Returns the links of a router; one that is to be made for it is added to `links`.
fn site(
    node: &Node,
    (router, instance): (RouterId, &InstanceConfig),
    links: &mut Vec<LinkName>,
) -> Site {
    let LinkId(link) = node.link_of(router);
    let Some(macvlan) = instance.macvlan else { return Site::on(link) };
    links.push(macvlan);
    let virtual_mac = Some(virtual_mac(instance.family(), instance.vrid));
    let advertises_from = virtual_mac.filter(|_| instance.advert_mac == AdvertMac::Virtual);
    Site { link, addresses_on: links.len() - 1, virtual_mac, advertises_from }
}
