//! What instances, each of which is right, must not have in common.

use std::collections::BTreeMap;

use super::table::Problems;
use super::{InstanceConfig, ProbeConfig, ReachConfig};

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
        for address in instance.addresses.iter().chain(&instance.addresses_excluded) {
            let other = *owners.entry(address.address).or_insert(index);
            if other != index {
                let problem =
                    format!("{} belongs to instances[{}], too", address.address, other + 1);
                problems.add(format!("{here}.addresses"), problem);
            }
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
        let is_asked = |instance: &&InstanceConfig| {
            let mut all = instance.addresses.iter().chain(&instance.addresses_excluded);
            all.any(|held| held.address == asked)
        };
        if let Some(instance) = moving.find(is_asked) {
            let name = &instance.name;
            let whose = format!("{asked} is an address of {name:?}, which may be on another node");
            problems.add(path, format!("{whose}; {instead}"));
        }
    }
}
