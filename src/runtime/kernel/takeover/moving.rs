//! Sees to connections that are open while addresses move between living hosts.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use super::Takeover;
use crate::net::Rules;
use crate::types::{Instant, VirtualAddress};

impl Takeover {
    /// Gets ready for the next move, when everything else is done.
    pub(in crate::runtime::kernel) fn prepare_to_move(&mut self, now: Instant) {
        self.passage.prepare(now);
    }

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

    /// Returns what is claimed on each link.
    pub(super) fn claimed(&self) -> BTreeSet<(u32, VirtualAddress)> {
        let routers = self.plan.routers.iter().zip(&self.claims);
        let claimed = routers.filter(|(_, claim)| claim.claimed);
        let placed = claimed.filter_map(|(planned, _)| {
            self.places[planned.link].index.map(|index| (index, &planned.addresses))
        });
        placed.flat_map(|(index, all)| all.iter().map(move |held| (index, *held))).collect()
    }

    fn rules(&self, now: Instant) -> Rules {
        let mut rules = Rules::default();
        for (router, planned) in self.plan.routers.iter().enumerate() {
            let claim = &self.claims[router];
            let relays = claim.relays.filter(|relay| claim.claimed && now < relay.until);
            if let Some(relay) = relays.filter(|relay| !self.is_virtual(relay.to)) {
                let all = planned.addresses.iter().filter_map(ipv4);
                rules.relayed.extend(all.map(|address| (address, relay.to)));
            }
            let primary = self.facts.links.get(planned.link).and_then(|view| view.primary);
            if let (Some(primary), false) = (primary, claim.claimed) {
                // For as long as it is here, whatever that is due to.
                let all = planned.addresses.iter().zip(&self.facts.routers[router].addresses);
                let left = all.filter(|(_, facts)| facts.ours).filter_map(|(held, _)| ipv4(held));
                rules.silent.extend(left.map(|address| (address, primary)));
            }
        }
        if !rules.silent.is_empty() {
            // Another virtual router may have it here.
            for (_, held) in self.claimed() {
                ipv4(&held).and_then(|address| rules.silent.remove(&address));
            }
        }
        rules
    }

    fn is_virtual(&self, address: Ipv4Addr) -> bool {
        self.virtual_addresses.contains(&IpAddr::V4(address))
    }
}

fn ipv4(held: &VirtualAddress) -> Option<Ipv4Addr> {
    match held.address {
        IpAddr::V4(address) => Some(address),
        IpAddr::V6(_) => None,
    }
}
