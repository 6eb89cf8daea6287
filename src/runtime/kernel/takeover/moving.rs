//! The rules of `nf_tables` that keep connections open while addresses move between living hosts.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::foreign::virtual_addresses;
use super::{RouterClaim, RouterSite, Takeover};
use crate::net::Rules;
use crate::runtime::kernel::link_sites::AddressIndex;
use crate::runtime::kernel::orders::Relay;
use crate::runtime::kernel::{PlannedAddress, PlannedRouter};
use crate::types::{Families, Family, Instant};

impl Takeover {
    /// Updates whether the addresses of a virtual router are moving, after its claim has changed or
    /// a move may be over.
    pub(super) fn note_move(&mut self, router: usize, now: Instant) {
        let site = &mut self.routers[router];
        let yields = site.claim.yields.is_some_and(|it| now < self.passage.end_of(&it));
        let keeps = site.claim.claimed || yields;
        let kept = std::mem::replace(&mut site.keeps_addresses, keeps);
        if site.is_moving(now) {
            self.moving.insert(router);
        } else {
            self.moving.remove(&router);
        }
        if keeps != kept {
            self.unsettle_router(router);
        }
    }

    /// Updates the routers whose move may be over.
    pub(super) fn note_moves(&mut self, now: Instant) {
        for router in self.moving.clone() {
            self.note_move(router, now);
        }
    }

    /// Returns when the next move is over.
    pub(super) fn end_of_move(&self, now: Instant) -> Option<Instant> {
        let ends = self.moving.iter().flat_map(|router| {
            let claim = &self.routers[*router].claim;
            let yielded = claim.yields.map(|yielded| self.passage.end_of(&yielded));
            [yielded, claim.relays.map(|relay| relay.until)]
        });
        ends.flatten().filter(|end| now < *end).min()
    }

    /// Returns the rules for the moves that are under way.
    pub(super) fn rules(&self, now: Instant) -> Rules {
        let mut rules = Rules::default();
        for router in &self.moving {
            let router = &self.routers[*router];
            let claim = &router.claim;
            if let Some(relay) = self.relay_of(router, now) {
                let all = router.planned.addresses.iter();
                let reached = all.filter(|it| router.planned.reaches_by(it, relay.to));
                rules.relayed.extend(reached.map(|it| (it.held.address, relay.to)));
            }
            let predecessor = self.predecessor(router, now);
            if let Some(mac) = predecessor.and_then(|it| *self.predecessors.get(&it)?) {
                for address in self.forwarded(router) {
                    let link = rules.forwarded.entry(self.links[address.link].name).or_default();
                    link.insert(address.held.address, mac);
                }
            }
            if !claim.claimed {
                // While this host has the address, for any reason.
                let all = router.planned.addresses.iter().zip(&router.facts.addresses);
                let ours = all.filter(|(_, facts)| facts.ours).map(|(address, _)| address);
                let source = |it: &PlannedAddress| {
                    let sources = self.links.with_networks_of(it.link).view?.sources;
                    let address = it.held.address;
                    Some((address, sources.any_of(Family::of(address))?))
                };
                rules.silent.extend(ours.filter_map(source));
            }
        }
        for (address, slots) in &self.shared_addresses {
            // Another virtual router of this host may claim it.
            if slots.iter().any(|slot| self.has_claimed(*slot)) {
                rules.silent.remove(address);
            }
        }
        rules
    }

    /// Returns the relay that is under way.
    pub(super) fn relay_of(&self, router: &RouterSite, now: Instant) -> Option<Relay> {
        let RouterClaim { claimed, relays, .. } = router.claim;
        let relay = relays.filter(|relay| claimed && now < relay.until)?;
        // Nobody has a connection to addresses on which nobody answers.
        (router.planned.accepts && !self.holders.looks_for(relay.to)).then_some(relay)
    }

    fn has_claimed(&self, (router, place): AddressIndex) -> bool {
        let router = &self.routers[router];
        router.claim.claimed && self.links[router.planned.addresses[place].link].index.is_some()
    }
}

/// Returns the addresses of more than one virtual router, with their places in these.
pub(super) fn shared_addresses(routers: &[PlannedRouter]) -> Vec<(IpAddr, Vec<AddressIndex>)> {
    let mut all: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for (address, slot) in virtual_addresses(routers) {
        all.entry(address).or_default().push(slot);
    }
    all.into_iter().filter(|(_, slots)| slots.len() > 1).collect()
}

/// Returns the families of the addresses of all virtual routers.
pub(super) fn families(routers: &[PlannedRouter]) -> Families {
    let all = routers.iter().flat_map(|planned| planned.addresses.iter());
    all.map(|address| Family::of(address.held.address)).collect()
}
