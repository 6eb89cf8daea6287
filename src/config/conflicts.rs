//! What instances, each of which is right, must not have in common.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;

use super::table::Problems;
use super::{InstanceConfig, ProbeConfig, ReachConfig};
use crate::types::is_link_local;

/// Refuses two instances with one name, one (interface, family, vrid), or one address.
pub(super) fn refuse_common(instances: &[InstanceConfig], problems: &Problems) {
    let mut names = BTreeMap::new();
    let mut routers = BTreeMap::new();
    let mut owners = BTreeMap::new();
    for (index, instance) in instances.iter().enumerate() {
        let here = format!("instances[{}]", index + 1);
        if let Some(other) = names.insert(&instance.name, index) {
            let problem =
                format!("{:?} is the name of instances[{}], too", instance.name, other + 1);
            problems.add(format!("{here}.name"), problem);
        }
        let key = (&instance.interface, instance.family(), instance.vrid);
        if let Some(other) = routers.insert(key, index) {
            let problem = format!(
                "instances[{}] is already virtual router {} on {}",
                other + 1,
                instance.vrid,
                instance.interface
            );
            problems.add(format!("{here}.vrid"), problem);
        }
        for address in instance.moving() {
            // One that means something on its link alone may be there on each.
            let link = is_link_local(&address.address).then(|| instance.interface_of(address));
            let other = *owners.entry((address.address, link)).or_insert(index);
            if other != index {
                let problem =
                    format!("{} belongs to instances[{}], too", address.address, other + 1);
                problems.add(format!("{here}.addresses"), problem);
            }
        }
    }
}

/// Refuses an interface that is to be made for a virtual router, and has another purpose, too.
pub(super) fn refuse_macvlans_in_use(instances: &[InstanceConfig], problems: &Problems) {
    let mut in_use = BTreeMap::new();
    for (index, instance) in instances.iter().enumerate() {
        let place = index + 1;
        let own = (instance.interface, format!("the interface of instances[{place}]"));
        let tracked = instance.track.iter();
        let tracked = tracked.map(|it| (it.interface, format!("tracked by instances[{place}]")));
        let placed = instance.placements.values().filter_map(|it| it.interface);
        let placed = placed.map(|it| (it, format!("that of an address of instances[{place}]")));
        for (name, use_of_it) in std::iter::once(own).chain(tracked).chain(placed) {
            in_use.entry(name).or_insert(use_of_it);
        }
    }
    for (index, instance) in instances.iter().enumerate() {
        let Some(name) = instance.macvlan else { continue };
        let use_of_it = format!("made for instances[{}]", index + 1);
        match in_use.entry(name) {
            Entry::Vacant(free) => drop(free.insert(use_of_it)),
            Entry::Occupied(other) => {
                let path = format!("instances[{}].virtual_mac", index + 1);
                let other = other.get();
                let instead = "give it a name of its own, such as virtual_mac = \"vrrp.lan\"";
                problems.add(path, format!("{name} is {other}, too: {instead}"));
            }
        }
    }
}

/// Refuses peers and sources that are virtual addresses of this node: whoever is Active has those.
/// The owner of an address may speak from it.
pub(super) fn refuse_speakers_that_move(instances: &[InstanceConfig], problems: &Problems) {
    if instances.iter().all(|instance| instance.unicast.is_none()) {
        return;
    }
    let mut moving = BTreeMap::new();
    for instance in instances {
        moving.extend(instance.moving().map(|held| (held.address, instance)));
    }
    for (index, instance) in instances.iter().enumerate() {
        let here = format!("instances[{}]", index + 1);
        let refuse = |option: String, address: &IpAddr, name: &str| {
            let problem =
                format!("{address} is a virtual address of {name:?}: write one that stays");
            problems.add(format!("{here}.{option}"), problem);
        };
        for (index, peer) in instance.peers().iter().enumerate() {
            if let Some(router) = moving.get(peer) {
                refuse(format!("peers[{}]", index + 1), peer, &router.name);
            }
        }
        let source = instance.source();
        let source = source.and_then(|source| Some((source, moving.get(&source)?)));
        if let Some((source, router)) = source.filter(|(_, it)| !it.priority.is_owner()) {
            refuse("source".to_owned(), &source, &router.name);
        }
    }
}

/// A virtual address answers on the Active router: a Backup would judge itself by its peer.
pub(super) fn refuse_questions_to_a_peer(
    probe: Option<&ProbeConfig>,
    reach: &[ReachConfig],
    instances: &[InstanceConfig],
    problems: &Problems,
) {
    let probed = probe.into_iter().map(|probe| {
        let instead = "probe 127.0.0.1, or an address that stays here";
        ("health.probe.url".to_owned(), probe.server.ip(), instead)
    });
    let reached = reach.iter().enumerate().map(|(index, reach)| {
        let path = format!("health.reach[{}].address", index + 1);
        (path, reach.address, "name a host that is no node of this router")
    });
    for (path, asked, instead) in probed.chain(reached) {
        let mut moving = instances.iter().filter(|instance| !instance.priority.is_owner());
        let is_asked =
            |instance: &&InstanceConfig| instance.moving().any(|held| held.address == asked);
        if let Some(instance) = moving.find(is_asked) {
            let name = &instance.name;
            let whose = format!("{asked} is an address of {name:?}, which may be on another node");
            problems.add(path, format!("{whose}; {instead}"));
        }
    }
}
