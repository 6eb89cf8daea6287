//! Reads `health.reach`.

use std::net::IpAddr;

use serde_json::Value;

use super::ReachConfig;
use super::address::may_be_another_host;
use super::table::{Problems, Read, Table, interface, shown, text, weight};
use super::timing::timing;

/// Reads the list in the table `health`.
pub(super) fn read(health: &mut Table<'_>) -> Vec<ReachConfig> {
    let list = health.list("reach", MAX_REACH, element).unwrap_or_default();
    for (index, reach) in list.iter().enumerate() {
        if let Some(other) = list[..index].iter().position(|other| other.name == reach.name) {
            let problem = format!("reach[{}] has the name {:?}, too", other + 1, reach.name);
            health.refuse(&format!("reach[{}].name", index + 1), problem);
        }
    }
    list
}

fn element(value: &Value, path: &str, problems: &Problems) -> Option<ReachConfig> {
    let mut table = Table::new(value, path, problems)?;
    let address = table.required("address", address);
    let name = table.optional("name", text(1..=MAX_NAME));
    let link = table.optional("interface", interface);
    let timing = timing(&mut table, 3);
    let weight = table.optional("weight", weight);
    let is_named = name.is_some() || table.has("name");
    if let Some(IpAddr::V6(address)) = address {
        if address.is_unicast_link_local() && !table.has("interface") {
            table.refuse("interface", format!("{address} is link-local: say on which interface"));
        }
        if !is_named && address.to_string().len() > MAX_NAME {
            table.refuse("name", format!("needed where the address is longer than {MAX_NAME}"));
        }
    }
    table.finish();
    let address = address?;
    let name = name.unwrap_or_else(|| address.to_string());
    Some(ReachConfig { name, address, interface: link, timing, weight })
}

fn address(value: &Value) -> Read<IpAddr> {
    let parsed: Option<IpAddr> = value.as_str().and_then(|text| text.parse().ok());
    parsed.filter(may_be_another_host).ok_or_else(|| {
        format!(
            "expected the address of another host, such as \"192.168.56.1\", got {}",
            shown(value)
        )
    })
}

/// Most addresses that a node can have to reach.
const MAX_REACH: usize = 4;
/// Longest name, in bytes: behind the word `reach` it fits where the status keeps it.
const MAX_NAME: usize = 25;
