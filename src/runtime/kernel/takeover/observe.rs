//! Reads from the kernel what has changed about links and addresses.

use std::collections::BTreeSet;
use std::time::Duration;

use super::{Scope, Takeover};
use crate::net::{KernelLink, LinkSignal, sysctl};
use crate::runtime::kernel::LinkView;
use crate::runtime::kernel::link_sites::Settling;
use crate::runtime::kernel::networks::Networks;
use crate::runtime::kernel::router_site::RouterSite;
use crate::types::{Instant, NoLinkLocal, VirtualAddress};

impl Takeover {
    /// Reads everything that is marked, and returns what to correct on each link.
    pub(super) fn observe(&mut self, now: Instant) -> Vec<Settling> {
        let mut scopes = self.unsettled.take();
        for link in self.find_links(scopes.keys().copied().collect()) {
            scopes.insert(link, Scope::All);
            self.endpoints.look_at_all();
        }
        let mut all = Vec::with_capacity(scopes.len());
        for (link, scope) in scopes {
            self.observe_link(link, now);
            let site = &self.links[link];
            let kernel = site.index.and_then(|index| self.kernel_links.at(index));
            let inherited = self.inherited.as_deref();
            let mut settling = site.settling(link, scope, kernel, inherited, self.tags_are_kept);
            // Any change of the link may end a refusal.
            settling.addresses.extend(site.index.into_iter().flat_map(|it| self.refusals.on(it)));
            all.push(settling);
        }
        let in_doubt = self.is_in_doubt(now);
        for settling in &all {
            for address in &settling.addresses {
                self.observe_address(settling.link, address, in_doubt, now);
            }
            for router in self.links[settling.link].routers_of(&settling.addresses) {
                self.note_move(router, now);
            }
        }
        for line in self.fights.lines(now) {
            let address = &self.routers[line.slot.0].planned.addresses[line.slot.1];
            line.log(&address.held, &self.links[line.link].name);
        }
        all
    }

    /// Finds the present index of some links, and returns those that have another one now: links
    /// first, then what is made on them.
    fn find_links(&mut self, links: BTreeSet<usize>) -> BTreeSet<usize> {
        let (made, others): (BTreeSet<_>, BTreeSet<_>) =
            links.into_iter().partition(|link| self.links[*link].macvlan.is_some());
        let mut moved = self.find_each(others);
        let on_moved = moved.iter().flat_map(|link| &self.links[*link].macvlans).copied();
        let made = made.into_iter().chain(on_moved).collect();
        let is_new: BTreeSet<_> = self.find_each(made);
        moved.extend(is_new);
        moved
    }

    fn find_each(&mut self, links: BTreeSet<usize>) -> BTreeSet<usize> {
        let present = links.into_iter().map(|link| (link, self.present_index(link)));
        let present: Vec<_> = present.collect();
        let moved = self.links.find(present);
        for &link in &moved {
            // One that we have made, and that somebody else has deleted, is a loss.
            let parent = self.links[link].macvlan.map(|planned| planned.parent);
            let is_deleted = parent.is_some_and(|parent| self.links[parent].index.is_some());
            if !is_deleted {
                self.forget_assignments(link);
            }
        }
        moved
    }

    /// The addresses were on another link of that name: this is no loss.
    fn forget_assignments(&mut self, link: usize) {
        for &router in &self.links[link].routers {
            let RouterSite { planned, facts, .. } = &mut self.routers[router];
            let all = planned.addresses.iter().zip(&mut facts.addresses);
            for (_, held) in all.filter(|(address, _)| address.link == link) {
                held.assigned = false;
            }
            self.facts.router_changed(router);
        }
    }

    fn observe_link(&mut self, link: usize, now: Instant) {
        let holds_any = |link: &usize| !self.links[*link].owned.is_empty();
        let holds_any = holds_any(&link) || self.links[link].macvlans.iter().any(holds_any);
        let site = &mut self.links[link];
        let found = site.index.and_then(|index| Some((index, self.kernel_links.at(index)?)));
        let view = found.map_or_else(LinkView::default, |(index, link)| {
            let sources = link.sources(&site.owned, |held| self.holders.looks_for(held));
            LinkView {
                index: Some(index),
                generation: Some(link.generation()),
                carrier: link.carrier(),
                mac: link.mac(),
                sources,
                no_link_local: sources.ipv6.is_none().then(|| no_link_local(link)),
            }
        });
        let before = site.view.replace(view);
        if before.and_then(|before| before.generation) != view.generation {
            site.is_made_anew();
        }
        let came_up = before.is_some_and(|it| it.carrier == LinkSignal::Down)
            && view.carrier == LinkSignal::Up
            && holds_any;
        self.came_up.extend(view.index.filter(|_| came_up));
        let mac_before = before.and_then(|before| before.mac);
        let has_another_mac = mac_before.is_some() && mac_before != view.mac;
        for &router in &site.routers {
            // Of the link that it speaks on, the election takes care.
            let is_back = came_up && site.macvlan.is_none() && !site.speakers.contains(&router);
            if has_another_mac || is_back {
                self.announcements.repeat(router, now);
            }
        }
        if before != Some(view) {
            self.facts.link_changed(link);
        }
        if site.macvlan.is_some() {
            return;
        }
        let networks = found.map_or_else(Networks::default, |(_, link)| {
            Networks::of(link, |held| self.holders.looks_for(held))
        });
        if networks != site.networks {
            site.networks = networks;
            self.compare_prefixes(link);
        }
    }

    /// Compares the prefixes of the addresses of routers with those of their networks, after those
    /// of a link have changed.
    fn compare_prefixes(&mut self, link: usize) {
        let site = &self.links[link];
        let on_it = site.macvlans.iter().flat_map(|link| &self.links[*link].routers);
        for &router in site.routers.iter().chain(on_it) {
            let RouterSite { planned, facts, .. } = &mut self.routers[router];
            let problem = planned.addresses.iter().find_map(|address| {
                let site = self.links.with_networks_of(address.link);
                site.networks.complaint(&address.held, site.name.as_str())
            });
            if facts.prefix_problem != problem {
                facts.prefix_problem = problem;
                self.facts.router_changed(router);
            }
        }
    }

    fn observe_address(
        &mut self,
        link: usize,
        address: &VirtualAddress,
        in_doubt: bool,
        now: Instant,
    ) {
        let Self { links, routers, fights, announcements, facts, .. } = self;
        let site = &mut links[link];
        let kernel: Option<&KernelLink> = site.index.and_then(|it| self.kernel_links.at(it));
        let assigned = kernel.is_some_and(|link| link.addresses().contains_key(address));
        for &slot in site.planned.get(address).into_iter().flatten() {
            let router = &mut routers[slot.0];
            let claimed = router.claim.claimed;
            let held = &mut router.facts.addresses[slot.1];
            let before = *held;
            held.assigned = assigned;
            held.ours = assigned && site.owned.contains(address);
            if !claimed {
                fights.forget(slot);
            } else if before.assigned && !assigned && !in_doubt {
                held.lost += 1;
                site.removed_by_others += 1;
                fights.lose(slot, link, now);
            }
            held.contested = fights.is_contested(slot);
            if *held != before {
                facts.router_changed(slot.0);
            }
            if claimed && assigned {
                let pause = if held.contested { FIGHT_PAUSE } else { Duration::ZERO };
                announcements.begin(slot, pause, now);
            } else {
                announcements.cease(slot);
            }
        }
    }
}

/// Returns why a link has no link-local address to send from.
fn no_link_local(link: &KernelLink) -> NoLinkLocal {
    let lack = link.no_link_local();
    let is_disabled = lack == NoLinkLocal::Absent && sysctl::disables_ipv6(link.name());
    if is_disabled { NoLinkLocal::Disabled } else { lack }
}

/// Shortest time between two announcements of an address that is lost again and again.
const FIGHT_PAUSE: Duration = Duration::from_secs(1);
