//! Reads where, and how, a virtual address is put, if that is said.

use std::net::Ipv4Addr;

use serde_json::Value;

use super::virtual_address;
use crate::config::table::{Problems, Read, Table, interface, shown};
use crate::types::{AddressLabel, AddressLook, LinkName, VirtualAddress};

/// Where, and how, a virtual address is put.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Placement {
    /// The interface that has it; `None` is that of the other addresses.
    pub interface: Option<LinkName>,
    /// Its label; `None` is the name of the interface.
    pub label: Option<AddressLabel>,
    /// Its broadcast address.
    pub broadcast: Broadcast,
}

impl Placement {
    /// Returns how an address that is put so is shown.
    #[must_use]
    pub fn look(&self, held: &VirtualAddress) -> AddressLook {
        AddressLook { label: self.label, broadcast: self.broadcast.of(held) }
    }
}

/// The broadcast address of a virtual address.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Broadcast {
    /// That of its network. A /31 or /32, and IPv6, have none.
    #[default]
    Network,
    /// None.
    Absent,
    /// Another one.
    Address(Ipv4Addr),
}

impl Broadcast {
    /// Returns it for an address.
    #[must_use]
    pub fn of(self, held: &VirtualAddress) -> Option<Ipv4Addr> {
        match self {
            Self::Network => held.broadcast(),
            Self::Absent => None,
            Self::Address(address) => Some(address),
        }
    }
}

/// An address as it was written.
#[derive(Debug)]
pub(in crate::config) struct Given {
    pub(in crate::config) held: VirtualAddress,
    pub(in crate::config) placement: Placement,
    /// Where it stands.
    pub(in crate::config) path: String,
}

impl Given {
    /// Reads an address that stands alone, or in a table.
    pub(in crate::config) fn read(value: &Value, path: &str, problems: &Problems) -> Option<Self> {
        if value.is_object() {
            return Self::in_table(Table::new(value, path, problems)?, path);
        }
        match virtual_address(value) {
            Ok(held) => Some(Self { held, placement: Placement::default(), path: path.to_owned() }),
            Err(problem) => {
                problems.add(path, problem);
                None
            }
        }
    }

    fn in_table(mut table: Table<'_>, path: &str) -> Option<Self> {
        let held = table.required("address", virtual_address);
        let interface = table.optional("interface", interface);
        let label = table.optional("label", label);
        let broadcast = table.optional("broadcast", broadcast);
        if let Some(held) = held {
            refuse_what_it_has_not(&held, broadcast, &table);
        }
        table.finish();
        let placement = Placement { interface, label, broadcast: broadcast.unwrap_or_default() };
        Some(Self { held: held?, placement, path: path.to_owned() })
    }
}

/// Refuses what an address of its kind has not.
fn refuse_what_it_has_not(held: &VirtualAddress, given: Option<Broadcast>, table: &Table<'_>) {
    if held.address.is_ipv6() {
        for name in ["label", "broadcast"].into_iter().filter(|name| table.has(name)) {
            table.refuse(name, format!("{held} is of IPv6, which has none: leave it out"));
        }
    } else if given == Some(Broadcast::Network) && held.broadcast().is_none() {
        table.refuse("broadcast", format!("the network of {held} has none: leave it out"));
    }
}

/// Returns why an address on an interface cannot have a label, if so: other programs take one for
/// the name of an interface (ip-address(8)).
pub(super) fn why_not_label(label: &AddressLabel, interface: &LinkName) -> Option<String> {
    let label = label.as_str();
    let rest = label.strip_prefix(interface.as_str());
    if rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(':')) {
        return None;
    }
    let end = label.rsplit(':').next().unwrap_or_default();
    let likely = [format!("{interface}:{end}"), format!("{interface}:0"), interface.to_string()];
    let instead = likely.iter().find(|it| AddressLabel::new(it).is_some());
    let instead = instead.map(|it| format!(": write {it:?}")).unwrap_or_default();
    Some(format!(
        "{label:?} is not the name of the interface, {:?}, with a colon and a few letters behind \
         it, as ifconfig wants it{instead}",
        interface.as_str()
    ))
}

fn label(value: &Value) -> Read<AddressLabel> {
    value.as_str().and_then(AddressLabel::new).ok_or_else(|| {
        format!(
            "expected the name of the interface with a colon and a few letters behind it, such as \
             \"eth0:web\" (1 to {} bytes), got {}",
            AddressLabel::LONGEST,
            shown(value)
        )
    })
}

fn broadcast(value: &Value) -> Read<Broadcast> {
    let text = value.as_str().unwrap_or_default();
    match (text, text.parse::<Ipv4Addr>()) {
        ("+", _) => Ok(Broadcast::Network),
        ("-", _) => Ok(Broadcast::Absent),
        (_, Ok(address)) if is_possible(address) => Ok(Broadcast::Address(address)),
        (_, Ok(_) | Err(_)) => Err(format!(
            "expected \"+\" (that of the network), \"-\" (none) or an address such as \
             \"192.168.56.255\", got {}",
            shown(value)
        )),
    }
}

fn is_possible(address: Ipv4Addr) -> bool {
    !address.is_unspecified() && !address.is_loopback() && !address.is_multicast()
}
