//! Reads the addresses of an instance.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::placement::{Given, Placement, why_not_label};
use crate::config::table::{Problems, Table};
use crate::config::virtual_mac::VirtualMac;
use crate::config::{MAX_ADDRESSES, MAX_EXCLUDED, MAX_IPV6_ADDRESSES};
use crate::types::{LinkName, VirtualAddress, Vrid};

/// The addresses of an instance as they were written.
#[derive(Debug)]
pub(in crate::config) struct Addresses {
    /// `None` if they cannot be read.
    pub(in crate::config) carried: Option<Vec<VirtualAddress>>,
    pub(in crate::config) excluded: Vec<VirtualAddress>,
    /// Those of which it is said where, or how, they are put, each with its path.
    placed: Vec<Given>,
}

impl Addresses {
    pub(in crate::config) fn read(
        table: &mut Table<'_>,
        virtual_mac: VirtualMac,
        vrid: Option<Vrid>,
    ) -> Self {
        let carried = table.list("addresses", MAX_ADDRESSES, Given::read);
        let excluded = table.list("addresses_excluded", MAX_EXCLUDED, Given::read);
        let is_refused = carried.is_none() && table.has("addresses");
        if !is_refused && carried.as_ref().is_none_or(Vec::is_empty) {
            let problem = "at least one address is needed, such as \"192.168.56.100/24\"";
            table.refuse("addresses", problem);
        }
        let (mut placed, mut seen) = (Vec::new(), BTreeSet::new());
        let mut plain = |all: Vec<Given>| -> Vec<VirtualAddress> {
            let plain = all.iter().map(|given| given.held).collect();
            for given in &all {
                if !seen.insert(given.held.address) {
                    table.refuse("addresses", format!("{} is given twice", given.held.address));
                }
            }
            placed.extend(all.into_iter().filter(|it| it.placement != Placement::default()));
            plain
        };
        let carried = carried.map(&mut plain);
        let excluded = excluded.map(&mut plain).unwrap_or_default();
        let carried = carried.map(link_local_first).map(|all| virtual_mac.complete(all, vrid));
        let advertised = carried.as_deref().map_or(0, ipv6_advertised);
        if advertised > MAX_IPV6_ADDRESSES {
            let problem = format!(
                "{advertised} of IPv6 do not fit into an advertisement, at most \
                 {MAX_IPV6_ADDRESSES} do (MTU 1500): write the others under addresses_excluded"
            );
            table.refuse("addresses", problem);
        }
        Self { carried, excluded, placed }
    }

    /// Returns where, and how, the addresses are put of which that is said. `own` is the interface
    /// of the instance, `usual` the one that has all other addresses.
    pub(in crate::config) fn placements(
        &mut self,
        own: LinkName,
        usual: LinkName,
        problems: &Problems,
    ) -> BTreeMap<IpAddr, Placement> {
        let mut placements = BTreeMap::new();
        for Given { held, mut placement, path } in self.placed.drain(..) {
            placement.interface = placement.interface.filter(|name| ![own, usual].contains(name));
            let interface = placement.interface.unwrap_or(usual);
            let why_not = placement.label.as_ref().and_then(|it| why_not_label(it, &interface));
            if let Some(problem) = why_not {
                problems.add(format!("{path}.label"), problem);
            }
            if placement != Placement::default() {
                placements.insert(held.address, placement);
            }
        }
        placements
    }
}

/// Puts the link-local address of an IPv6 virtual router where it has to be advertised (RFC 9568
/// §5.2.9).
fn link_local_first(mut addresses: Vec<VirtualAddress>) -> Vec<VirtualAddress> {
    if addresses.first().is_some_and(|first| first.address.is_ipv6()) {
        // One of IPv4 must not come first: it would be that of the election.
        addresses.sort_by_key(|held| match held.address {
            IpAddr::V6(address) => !address.is_unicast_link_local(),
            IpAddr::V4(_) => true,
        });
    }
    addresses
}

/// Returns how many addresses of IPv6 are in an advertisement.
fn ipv6_advertised(addresses: &[VirtualAddress]) -> usize {
    let is_of_ipv6 = addresses.first().is_some_and(|first| first.address.is_ipv6());
    addresses.iter().filter(|held| is_of_ipv6 && held.address.is_ipv6()).count()
}
