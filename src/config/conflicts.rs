//! What instances, each of which is right, must not have in common.

use std::collections::BTreeMap;

use super::table::Problems;
use super::{InstanceConfig, ProbeConfig};

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

/// A virtual address answers for whoever is Active: a Backup would judge itself by its peer.
pub(super) fn refuse_probe_of_a_peer(
    probe: &ProbeConfig,
    instances: &[InstanceConfig],
    problems: &Problems,
) {
    let mut moving = instances.iter().filter(|instance| !instance.priority.is_owner());
    let probed = probe.server.ip();
    let is_probed = |instance: &&InstanceConfig| {
        let mut all = instance.addresses.iter().chain(&instance.addresses_excluded);
        all.any(|held| held.address == probed)
    };
    if let Some(instance) = moving.find(is_probed) {
        let problem = format!(
            "{probed} is an address of {:?}, which may be on another node; probe 127.0.0.1, or an \
             address that stays here",
            instance.name
        );
        problems.add("health.probe.url", problem);
    }
}
