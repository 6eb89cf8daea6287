//! Reads whether a virtual router has a hardware address of its own, and on which interface.

use std::net::IpAddr;

use serde_json::Value;

use super::AdvertMac;
use super::table::{Read, Table, one_of, shown};
use crate::types::{Family, LinkName, VirtualAddress, Vrid, virtual_link_local};

/// Reads from which hardware address advertisements come.
pub(super) fn advert_mac(table: &mut Table<'_>, written: VirtualMac) -> AdvertMac {
    let given = table.optional("advert_mac", one_of(ADVERT_MACS));
    if given.is_some() && written == VirtualMac::No {
        table.refuse("advert_mac", "only with virtual_mac: there is no other");
    }
    given.unwrap_or(AdvertMac::Virtual)
}

/// What was written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum VirtualMac {
    /// The virtual router has none.
    No,
    /// It has one, on an interface of the usual name.
    Yes,
    /// It has one, on an interface of this name.
    Named(LinkName),
}

impl VirtualMac {
    /// Reads the option.
    pub(super) fn read(table: &mut Table<'_>) -> Self {
        table.or("virtual_mac", Self::No, written)
    }

    /// Returns the interface of the virtual router.
    pub(super) fn name(self, family: Family, vrid: Vrid) -> Option<LinkName> {
        match self {
            Self::No => None,
            Self::Yes => usual_name(family, vrid),
            Self::Named(name) => Some(name),
        }
    }

    /// Adds the link-local address that an IPv6 virtual router has to advertise (RFC 9568 §5.2.9),
    /// unless one is given.
    pub(super) fn complete(
        self,
        mut addresses: Vec<VirtualAddress>,
        vrid: Option<Vrid>,
    ) -> Vec<VirtualAddress> {
        let lacks_it = addresses.first().is_some_and(|first| match first.address {
            IpAddr::V4(_) => false,
            IpAddr::V6(address) => !address.is_unicast_link_local(),
        });
        if let Some(vrid) = vrid.filter(|_| self != Self::No && lacks_it) {
            let address = virtual_link_local(vrid).into();
            addresses.insert(0, VirtualAddress { address, prefix: 64 });
        }
        addresses
    }
}

fn written(value: &Value) -> Read<VirtualMac> {
    match value {
        Value::Bool(false) => Ok(VirtualMac::No),
        Value::Bool(true) => Ok(VirtualMac::Yes),
        Value::String(name) => LinkName::new(name).map(VirtualMac::Named).ok_or_else(|| {
            let length = name.len();
            format!(
                "an interface cannot be called {} ({length} bytes): write a name of 1 to 15 bytes \
                 without '/', ':' and white space, or true",
                shown(value)
            )
        }),
        Value::Null | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            let expected = "expected true, false or the name of the interface to be made";
            Err(format!("{expected}, got {}", shown(value)))
        }
    }
}

/// Returns the name of the interface of a virtual router, if none is given: `vrrp4.51`.
fn usual_name(family: Family, vrid: Vrid) -> Option<LinkName> {
    let family = match family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 6,
    };
    LinkName::new(&format!("vrrp{family}.{vrid}"))
}

const ADVERT_MACS: &[(&str, AdvertMac)] =
    &[("virtual", AdvertMac::Virtual), ("interface", AdvertMac::Interface)];
