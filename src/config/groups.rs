//! Reads sync groups.

use std::collections::BTreeMap;

use serde_json::Value;

use super::table::{Problems, Table, similar, text};
use super::{InstanceConfig, MAX_INSTANCES, SyncGroupConfig};

/// Reads the groups of the instances, if these can be read.
pub(super) fn read(
    table: &mut Table<'_>,
    instances: Option<&[InstanceConfig]>,
    problems: &Problems,
) -> Vec<SyncGroupConfig> {
    let groups = table.list("sync_groups", MAX_INSTANCES / 2, group).unwrap_or_default();
    let Some(instances) = instances else { return Vec::new() };
    let places: BTreeMap<_, _> = instances.iter().map(|it| it.name.as_str()).zip(0..).collect();
    let mut names = BTreeMap::new();
    let mut groups_of = BTreeMap::new();
    let mut read = Vec::with_capacity(groups.len());
    for (index, (name, members)) in groups.into_iter().enumerate() {
        let path = format!("sync_groups[{}]", index + 1);
        if let Some(other) = names.insert(name.clone(), index) {
            let problem = format!("{name:?} is the name of sync_groups[{}], too", other + 1);
            problems.add(format!("{path}.name"), problem);
        }
        let mut group = Vec::with_capacity(members.len());
        for (place, member) in members.iter().enumerate() {
            let path = format!("{path}.members[{}]", place + 1);
            let Some(&router) = places.get(member.as_str()) else {
                let hint = similar(member, places.keys().copied());
                let hint = hint.map(|name| format!("; did you mean {name:?}?"));
                let hint = hint.unwrap_or_default();
                problems.add(path, format!("there is no instance {member:?}{hint}"));
                continue;
            };
            match groups_of.insert(router, index) {
                Some(other) if other == index => {
                    problems.add(path, format!("{member:?} is given twice"));
                }
                Some(other) => {
                    let problem =
                        format!("{member:?} is a member of sync_groups[{}], too", other + 1);
                    problems.add(path, problem);
                }
                None => group.push(router),
            }
        }
        refuse_priorities(&path, &group, instances, problems);
        read.push(SyncGroupConfig { name, members: group });
    }
    read
}

fn group(value: &Value, path: &str, problems: &Problems) -> Option<(String, Vec<String>)> {
    let mut table = Table::new(value, path, problems)?;
    let name = table.required("name", text(1..=63));
    let members = table.list("members", MAX_INSTANCES, member);
    if !table.has("members") {
        table.refuse("members", "required, but not given");
    }
    if members.as_ref().is_some_and(|members| members.len() < 2) {
        table.refuse("members", "at least two instances are needed: one has nobody to move with");
    }
    table.finish();
    Some((name?, members?))
}

fn member(value: &Value, path: &str, problems: &Problems) -> Option<String> {
    text(1..=63)(value).map_err(|problem| problems.add(path, problem)).ok()
}

/// With one priority there is one winner for the whole group.
fn refuse_priorities(
    path: &str,
    group: &[usize],
    instances: &[InstanceConfig],
    problems: &Problems,
) {
    let Some((&first, others)) = group.split_first() else { return };
    let first = &instances[first];
    for other in others.iter().map(|it| &instances[*it]) {
        if other.priority != first.priority {
            let problem = format!(
                "{:?} has priority {}, {:?} has {}: members of a group need the same one",
                other.name, other.priority, first.name, first.priority
            );
            problems.add(format!("{path}.members"), problem);
        }
    }
}
