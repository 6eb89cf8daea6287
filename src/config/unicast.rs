//! Reads which peers a virtual router speaks to, one by one, in place of the group.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value;

use super::address::may_be_another_host;
use super::table::{Problems, Read, Table, shown, whole};
use super::{MAX_PEERS, UnicastConfig};
use crate::types::{Family, HOP_LIMIT};

/// Reads the options of an instance whose election is of a family, if that is known.
pub(super) fn read(table: &mut Table<'_>, family: Option<Family>) -> Option<UnicastConfig> {
    let is_unicast = table.has("peers");
    let peers = table.list("peers", MAX_PEERS, peer);
    let source = table.optional("source", host_address);
    let hop_limit = table.optional("hop_limit", whole(1..=255, ""));
    let min_hop_limit = table.optional("min_hop_limit", whole(1..=255, ""));
    if !is_unicast {
        for name in ["source", "hop_limit", "min_hop_limit"] {
            if table.has(name) {
                table.refuse(name, "only with peers: without them, this node speaks to the group");
            }
        }
        return None;
    }
    let peers = peers?;
    if peers.is_empty() {
        table.refuse("peers", "at least one peer is needed; leave it out to speak to the group");
    }
    let mut seen = BTreeSet::new();
    for (index, peer) in peers.iter().enumerate() {
        let name = format!("peers[{}]", index + 1);
        refuse_other_family(table, &name, *peer, family);
        if !seen.insert(peer) {
            table.refuse(&name, format!("{peer} is given twice"));
        }
        if Some(*peer) == source {
            table.refuse(&name, format!("{peer} is the source: list the other nodes alone"));
        }
    }
    if let Some(source) = source {
        refuse_other_family(table, "source", source, family);
    }
    let narrow = |given: Option<u64>| given.map_or(Some(HOP_LIMIT), |it| u8::try_from(it).ok());
    let (hop_limit, min_hop_limit) = (narrow(hop_limit)?, narrow(min_hop_limit)?);
    Some(UnicastConfig { peers, source, hop_limit, min_hop_limit })
}

fn refuse_other_family(table: &Table<'_>, name: &str, address: IpAddr, family: Option<Family>) {
    if let Some(family) = family.filter(|family| Family::of(address) != *family) {
        table.refuse(name, format!("{address} is not of the family of addresses: {family}"));
    }
}

fn peer(value: &Value, path: &str, problems: &Problems) -> Option<IpAddr> {
    host_address(value).map_err(|problem| problems.add(path, problem)).ok()
}

/// Reads the address of one host.
fn host_address(value: &Value) -> Read<IpAddr> {
    let text = value.as_str().unwrap_or_default();
    let address: IpAddr = text.parse().map_err(|_| {
        let hint = match text.split_once(['/', '%', ' ']) {
            Some((address, _)) if address.parse::<IpAddr>().is_ok() => {
                format!(": write \"{address}\"")
            }
            _ => String::new(),
        };
        format!("expected an IP address such as \"192.168.56.102\", got {}{hint}", shown(value))
    })?;
    if !may_be_another_host(&address) {
        return Err(format!("{address} is not the address of another host"));
    }
    Ok(address)
}
