//! Sees to connections that are open while addresses move between living hosts.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::Takeover;
use crate::net::Rules;
use crate::types::{Instant, VirtualAddress};

impl Takeover {
    /// Lets pass, and keeps back, what the moves of this moment want.
    pub(in crate::runtime::kernel) fn let_pass(&mut self, now: Instant) {
        let rules = self.rules(now);
        self.passage.keep(&rules);
    }

    /// Returns when the next move is over.
    pub(super) fn end_of_move(&self, now: Instant) -> Option<Instant> {
        let ends = self.claims.iter().flat_map(|claim| {
            let yielded = claim.yields.map(|yielded| self.passage.end_of(&yielded));
            [yielded, claim.relays.map(|relay| relay.until)]
        });
        ends.flatten().filter(|end| now < *end).min()
    }

    fn rules(&self, now: Instant) -> Rules {
        let mut rules = Rules::default();
        for (router, planned) in self.plan.routers.iter().enumerate() {
            let claim = &self.claims[router];
            let addresses = &planned.addresses;
            let relays = claim.relays.filter(|relay| claim.claimed && now < relay.until);
            if let Some(relay) = relays {
                insert_all(&mut rules.relayed, addresses, relay.to);
            }
            let primary = self.facts.links.get(planned.link).and_then(|view| view.primary);
            if let (Some(primary), true, false) = (primary, self.here[router], claim.claimed) {
                insert_all(&mut rules.silent, addresses, primary);
            }
        }
        rules
    }
}

fn insert_all(
    into: &mut BTreeMap<Ipv4Addr, Ipv4Addr>,
    addresses: &[VirtualAddress],
    value: Ipv4Addr,
) {
    for held in addresses {
        if let IpAddr::V4(address) = held.address {
            into.insert(address, value);
        }
    }
}
