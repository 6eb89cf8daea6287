//! Adds and removes addresses until the kernel matches what is wanted, and refreshes them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::{RouterSite, Takeover};
use crate::net::address::{self, Applied, Changes, Target};
use crate::net::{KernelLink, NetError, Present};
use crate::runtime::kernel::link_sites::Settling;
use crate::types::{Instant, VirtualAddress};

impl Takeover {
    /// Adds and removes the marked addresses until the kernel matches what is wanted.
    pub(super) fn settle(&mut self, all: &[Settling], now: Instant) -> Result<(), NetError> {
        let in_doubt = self.is_in_doubt(now);
        // At the end addresses go with their macvlan, and all macvlans by one request.
        let stay = |it: &&Settling| !(self.is_ending && self.has_macvlan(it.link));
        let all: Vec<_> = all.iter().filter(stay).collect();
        // The kernel takes milliseconds for each macvlan that is switched off: no turn waits for
        // many, nor does an address of another router if it can be removed before that.
        let mut rested = 0;
        for settling in &all {
            if self.is_to_rest_first(settling.link) {
                if rested == MOST_RESTED {
                    self.unsettled.whole_link(settling.link);
                    continue;
                }
                rested += usize::from(self.rest_macvlan(settling.link)?);
            }
            self.settle_macvlan(settling.link, in_doubt)?;
            self.settle_link(settling, in_doubt, now)?;
        }
        for settling in &all {
            if rested < MOST_RESTED {
                rested += usize::from(self.rest_macvlan(settling.link)?);
            } else if self.links[settling.link].macvlan.is_some() {
                self.unsettled.link(settling.link);
            }
        }
        self.clear_misplaced()?;
        let Self { links, refusals, .. } = self;
        refusals
            .retain_links(|it| links.at_index(it).is_some() || links.misplaced.contains_key(&it));
        for Settling { link, addresses, .. } in all {
            self.note_refusals(*link, addresses);
        }
        self.refusals.log();
        Ok(())
    }

    fn settle_link(
        &mut self,
        Settling { link, addresses, leftovers }: &Settling,
        in_doubt: bool,
        now: Instant,
    ) -> Result<(), NetError> {
        let unanswered = self.unanswered();
        let Self { links, routers, kernel_links, unsettled, .. } = self;
        let site = &mut links[*link];
        let found = site.index.and_then(|index| Some((index, kernel_links.at(index)?)));
        let Some((index, kernel_link)) = found else { return Ok(()) };
        let any = |held: &_, is_such: &dyn Fn(&RouterSite) -> bool| {
            site.slots(held).iter().any(|slot| is_such(&routers[slot.0]))
        };
        let keeps = |it: &RouterSite| it.keeps_addresses && unanswered.permit(it);
        let adds = |it: &RouterSite| it.claim.claimed && unanswered.permit_more(it);
        let wanted = addresses.iter().filter(|held| any(held, &keeps));
        let present = present(addresses, kernel_link);
        let wanted = wanted.copied().collect();
        let at = Target { looks: Some(&site.looks), ..Target::of(index, kernel_link) };
        let mut changes = address::reconcile(&wanted, &present, &site.owned, leftovers);
        changes.renew_unlike(&wanted, &present, &site.owned, at);
        changes.renew.retain(|held| !site.looked_after.contains(held));
        let mut unlike: BTreeSet<_> = changes.renew.iter().copied().collect();
        // A yielded address may stay, but is not added.
        for all in [&mut changes.add, &mut changes.renew] {
            all.retain(|held| any(held, &adds));
        }
        // The kernel tells of an address of IPv6 a moment after it was added.
        changes.add.retain(|held| !self.gained.contains(&(index, *held)));
        // Until the engine before has ended, it would put back what is removed.
        changes.renew.retain(|_| self.inherited.is_some());
        if in_doubt {
            let put_off = changes.add.drain(..).chain(changes.renew.drain(..));
            put_off.for_each(|held| unsettled.address(*link, held));
        }
        // A link that was created anew may have got addresses before its creation was seen.
        if !wanted.is_empty() {
            site.prepare();
        }
        if site.macvlan.is_some_and(|planned| !planned.is_ready) {
            changes.add.clear();
            changes.renew.clear();
        }
        unlike.retain(|held| !changes.renew.contains(held));
        let Applied { gained, refused } = self.apply(*link, &changes, now)?;
        let site = &mut self.links[*link];
        site.looked_after.extend(gained.into_iter().filter(|held| !unlike.contains(held)));
        if self.inherited.is_some() {
            site.leftovers_cleared();
        }
        let refused = refused.into_iter().map(|(held, error)| (held, error.with_cause()));
        let is_present = |held: &_| present.contains_key(held);
        let waiting = unanswered.refused(site, &self.routers, addresses, is_present);
        self.refusals.settled(index, addresses, refused.chain(waiting));
        Ok(())
    }

    /// Makes changes on a link.
    fn apply(&mut self, link: usize, changes: &Changes, now: Instant) -> Result<Applied, NetError> {
        let site = &mut self.links[link];
        let removed_by_others = std::mem::take(&mut site.removed_by_others);
        let found = site.index.and_then(|index| Some((index, self.kernel_links.at(index)?)));
        let (Some((index, kernel_link)), Some(kernel), false) =
            (found, &mut self.kernel, changes.is_empty())
        else {
            return Ok(Applied::default());
        };
        let at = Target { looks: Some(&site.looks), ..Target::of(index, kernel_link) };
        // If the request fails, some of them may be present.
        let tried = [&changes.add, &changes.adopt, &changes.renew].into_iter().flatten();
        let tried: BTreeSet<_> = tried.map(|held| (index, *held)).collect();
        self.gained.extend(&tried);
        let applied = address::apply(kernel, at, changes, self.lifetime)?;
        self.gained.retain(|it| !tried.contains(it));
        self.gained.extend(applied.gained.iter().map(|held| (index, *held)));
        if let (Some(lifetime), None) = (self.lifetime, self.refresh_at) {
            self.refresh_at = Some(now + pause_between_refreshes(lifetime));
        }
        // Addresses that were added again are logged by `fight`.
        let removed = changes.remove.len() + changes.renew.len();
        let added = applied.gained.len();
        if added > removed_by_others || removed > 0 {
            tracing::info!(link = kernel_link.name(), added, removed, "addresses changed");
        }
        Ok(applied)
    }

    /// Removes our addresses from links that have lost their planned name.
    fn clear_misplaced(&mut self) -> Result<(), NetError> {
        let Self { links, kernel_links, kernel: Some(kernel), refusals, .. } = self else {
            return Ok(());
        };
        for (&index, owned) in &links.misplaced {
            let Some(link) = kernel_links.at(index) else { continue };
            let nothing = BTreeSet::new();
            let changes = address::reconcile(&nothing, &present(owned, link), owned, &nothing);
            if changes.is_empty() {
                continue;
            }
            let applied = address::apply(kernel, Target::of(index, link), &changes, self.lifetime)?;
            let removed = changes.remove.len();
            tracing::info!(link = link.name(), added = 0, removed, "addresses changed");
            let refused = applied.refused.into_iter();
            refusals.settled(index, owned, refused.map(|(held, error)| (held, error.with_cause())));
        }
        Ok(())
    }

    /// Publishes what is refused to the virtual routers that have some of the addresses.
    fn note_refusals(&mut self, link: usize, addresses: &BTreeSet<VirtualAddress>) {
        let site = &self.links[link];
        for router in site.routers_of(addresses) {
            let RouterSite { planned, facts, .. } = &mut self.routers[router];
            let refusals = planned.addresses.iter().filter_map(|address| {
                self.refusals.of(self.links[address.link].index?, &address.held)
            });
            // Of several, the first of the configuration.
            let refusal = refusals.min_by_key(|refusal| Reverse(refusal.times));
            let times = refusal.map_or(0, |refusal| refusal.times);
            if facts.refusals != times {
                facts.problem = refusal.map(|refusal| refusal.problem.clone());
                facts.refusals = times;
                self.facts.router_changed(router);
            }
        }
    }

    /// Refreshes the lifetime of the addresses before it ends.
    pub(super) fn refresh(&mut self, now: Instant) -> Result<(), NetError> {
        // A refresh would add an address again that has just expired.
        if self.refresh_at.is_none_or(|at| now < at) || self.is_in_doubt(now) {
            return Ok(());
        }
        let Some(lifetime) = self.lifetime else { return Ok(()) };
        self.start_lifetime(lifetime)?;
        self.refresh_at =
            (!self.links.own_nothing()).then(|| now + pause_between_refreshes(lifetime));
        self.read_events()
    }

    /// Returns until when the kernel keeps our addresses without another refresh.
    pub(super) fn held_until(&self) -> Option<Instant> {
        let (lifetime, refresh_at) = (self.lifetime?, self.refresh_at?);
        Some(refresh_at + lifetime.saturating_sub(pause_between_refreshes(lifetime)))
    }

    /// Extends the lifetime of our addresses until the next engine can refresh them.
    pub(super) fn bequeath_lifetime(&mut self) -> Result<(), NetError> {
        self.lifetime.map_or(Ok(()), |lifetime| self.start_lifetime(lifetime.max(BEQUEATHED)))
    }

    fn start_lifetime(&mut self, lifetime: Duration) -> Result<(), NetError> {
        let Self { links, kernel_links, kernel: Some(kernel), gained, .. } = self else {
            return Ok(());
        };
        for site in links.iter() {
            let Some(index) = site.index.filter(|_| !site.owned.is_empty()) else { continue };
            let Some(link) = kernel_links.at(index) else { continue };
            let owned = site.owned.iter().copied();
            let at = Target { looks: Some(&site.looks), ..Target::of(index, link) };
            let refreshed = address::refresh(kernel, at, owned, lifetime)?;
            // The refresh has added an address again that was just removed.
            gained.extend(refreshed.gained.into_iter().map(|held| (index, held)));
            // If that goes on, the address is lost, put back and counted.
            if let Some((_, error)) = refreshed.refused.first() {
                tracing::warn!("{}", error.with_cause());
            }
        }
        Ok(())
    }
}

/// Returns those of some addresses that a link has.
fn present(
    addresses: &BTreeSet<VirtualAddress>,
    link: &KernelLink,
) -> BTreeMap<VirtualAddress, Present> {
    let all = addresses.iter();
    all.filter_map(|held| link.addresses().get_key_value(held)).map(|(a, b)| (*a, *b)).collect()
}

/// Returns when to refresh next. Every refresh is an event for each netlink listener of the host,
/// so there are few; but almost half of the lifetime remains for a refresh that comes late.
fn pause_between_refreshes(lifetime: Duration) -> Duration {
    lifetime / 2 + lifetime / 40
}

/// Macvlans switched off before the kernel's events are read again: some 13 ms for each.
const MOST_RESTED: usize = 2;
/// How long the next engine may have to wait for the kernel.
const BEQUEATHED: Duration = Duration::from_secs(10);
