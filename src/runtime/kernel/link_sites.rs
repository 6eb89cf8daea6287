//! The links of the plan.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::{Index, IndexMut};
use std::time::Duration;

use super::facts::{HostFinding, LinkView};
use super::networks::Networks;
use super::plan::{KernelPlan, Site};
use super::unsettled::Scope;
use crate::net::{Announcer, KernelLink, NetError, address, sysctl};
use crate::types::{
    AddressLook, Families, Family, HeldAddress, Instant, Ipv6Role, LinkName, MacAddress,
    VirtualAddress,
};

/// An address of a virtual router: the router, then the place in its list.
pub(super) type AddressIndex = (usize, usize);

/// The links of the plan, found by place, by name and by their present index.
#[derive(Debug)]
pub(super) struct LinkSites {
    sites: Vec<LinkSite>,
    by_name: BTreeMap<String, usize>,
    by_index: BTreeMap<u32, usize>,
    /// Addresses of ours on links that have lost their planned name: they have to be removed.
    pub(super) misplaced: BTreeMap<u32, BTreeSet<VirtualAddress>>,
    /// Sockets of links that have gone.
    disused: Vec<Announcer>,
}

/// A link of the plan.
#[derive(Debug)]
pub(super) struct LinkSite {
    pub(super) name: LinkName,
    /// The virtual routers that have addresses here.
    pub(super) routers: Vec<usize>,
    /// The virtual routers that listen and advertise here.
    pub(super) speakers: Vec<usize>,
    /// What it is to be, if it is the macvlan of a virtual router.
    pub(super) macvlan: Option<PlannedMacvlan>,
    /// The macvlans of virtual routers that are to be on it.
    pub(super) macvlans: Vec<usize>,
    /// Every virtual address of the link, and its routers.
    pub(super) planned: BTreeMap<VirtualAddress, Vec<AddressIndex>>,
    /// How those of them are shown that are not shown as usual.
    pub(super) looks: BTreeMap<VirtualAddress, AddressLook>,
    /// The networks of the link.
    pub(super) networks: Networks,
    /// The link as the election knows it; `None` before the first dump.
    pub(super) view: Option<LinkView>,
    /// The index that the name stands for now. All that follows is about the link of that index.
    pub(super) index: Option<u32>,
    /// The addresses that this process added or adopted.
    pub(super) owned: BTreeSet<VirtualAddress>,
    /// The addresses that this process has put there as they should look, or has found so. It
    /// renews none of them again: what changes them later is the next engine.
    pub(super) looked_after: BTreeSet<VirtualAddress>,
    /// How many addresses another program has just removed: they are added again.
    pub(super) removed_by_others: usize,
    announcer: Option<Announcer>,
    pub(super) ipv6_role: Ipv6Role,
    /// The findings on this link.
    findings: BTreeMap<HostFinding, String>,
    findings_changed: bool,
    announcing_fails_since: Option<Instant>,
    is_prepared: bool,
    leftovers_are_cleared: bool,
}

/// What the macvlan of a virtual router is to be.
#[derive(Clone, Copy, Debug)]
pub(super) struct PlannedMacvlan {
    /// The link that it is on.
    pub(super) parent: usize,
    pub(super) mac: MacAddress,
    /// The families of its addresses.
    pub(super) families: Families,
    /// Whether the link of the present index has got its settings.
    pub(super) is_prepared: bool,
    /// Whether it can have addresses now.
    pub(super) is_ready: bool,
}

/// The link that a name stood for before.
struct LinkBefore {
    index: Option<u32>,
    owned: BTreeSet<VirtualAddress>,
    announcer: Option<Announcer>,
}

/// What is compared with the kernel in one step, of one link.
#[derive(Debug)]
pub(super) struct Settling {
    pub(super) link: usize,
    pub(super) addresses: BTreeSet<VirtualAddress>,
    /// Those of the addresses that an earlier engine left on the link.
    pub(super) leftovers: BTreeSet<VirtualAddress>,
}

impl LinkSites {
    pub(super) fn new(plan: &KernelPlan) -> Self {
        let mut sites: Vec<_> = plan.links.iter().copied().map(LinkSite::new).collect();
        for (router, planned) in plan.routers.iter().enumerate() {
            let Site { link, addresses_on, virtual_mac, .. } = planned.site;
            sites[link].speakers.push(router);
            if virtual_mac.is_some() {
                sites[link].macvlans.push(addresses_on);
            }
            let there = planned.addresses.iter().filter(|address| address.link == addresses_on);
            sites[addresses_on].routers.push(router);
            sites[addresses_on].macvlan = virtual_mac.map(|mac| PlannedMacvlan {
                parent: link,
                mac,
                families: there.map(|address| Family::of(address.held.address)).collect(),
                is_prepared: false,
                is_ready: false,
            });
            for (place, address) in planned.addresses.iter().enumerate() {
                let site = &mut sites[address.link];
                if site.routers.last() != Some(&router) {
                    site.routers.push(router);
                }
                site.planned.entry(address.held).or_default().push((router, place));
                if address.look != AddressLook::usual(&address.held) {
                    site.looks.insert(address.held, address.look);
                }
            }
        }
        let by_name = plan.links.iter().map(|name| name.as_str().to_owned()).zip(0..).collect();
        Self {
            sites,
            by_name,
            by_index: BTreeMap::new(),
            misplaced: BTreeMap::new(),
            disused: Vec::new(),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.sites.len()
    }

    /// Returns the link that had the index when links were last [found](Self::find).
    pub(super) fn at_index(&self, index: u32) -> Option<usize> {
        self.by_index.get(&index).copied()
    }

    pub(super) fn named(&self, name: &str) -> Option<usize> {
        self.by_name.get(name).copied()
    }

    /// Returns the link whose networks the addresses of a link are in: for a macvlan, the one that
    /// it is on.
    pub(super) fn with_networks_of(&self, link: usize) -> &LinkSite {
        let site = &self.sites[link];
        site.macvlan.map_or(site, |planned| &self.sites[planned.parent])
    }

    /// Takes the present index of some links, and returns those that had another one.
    ///
    /// What is ours on a link goes with the index.
    pub(super) fn find(
        &mut self,
        links: impl IntoIterator<Item = (usize, Option<u32>)>,
    ) -> BTreeSet<usize> {
        let mut moved = BTreeSet::new();
        for (link, index) in links {
            let before = self.sites[link].take_place_of(index);
            let Some(LinkBefore { index, owned, announcer }) = before else { continue };
            moved.insert(link);
            self.disused.extend(announcer);
            if let Some(index) = index {
                self.by_index.remove(&index);
                self.misplaced.insert(index, owned);
            }
        }
        // Two links may have swapped their names: only now all indexes are known.
        for &link in &moved {
            let Some(index) = self.sites[link].index else { continue };
            self.by_index.insert(index, link);
            self.sites[link].owned = self.misplaced.remove(&index).unwrap_or_default();
        }
        self.misplaced.retain(|_, owned| !owned.is_empty());
        moved
    }

    /// Closes the sockets of links that have gone: the kernel takes some 13 ms for each.
    pub(super) fn close_disused(&mut self) {
        self.disused.clear();
    }

    /// Notes that addresses on the link of that index are ours.
    pub(super) fn own(&mut self, index: u32, addresses: BTreeSet<VirtualAddress>) {
        match self.at_index(index) {
            Some(link) => self.sites[link].owned.extend(addresses),
            None => self.misplaced.entry(index).or_default().extend(addresses),
        }
    }

    /// Notes that an address has gone from the link of that index.
    pub(super) fn address_gone(&mut self, index: u32, address: &VirtualAddress) {
        if let Some(link) = self.at_index(index) {
            self.sites[link].owned.remove(address);
        } else if let Some(owned) = self.misplaced.get_mut(&index) {
            owned.remove(address);
            self.misplaced.retain(|_, owned| !owned.is_empty());
        }
    }

    /// Notes that the link of that index has gone, with all of its addresses. Returns which one it
    /// was.
    pub(super) fn link_gone(&mut self, index: u32) -> Option<usize> {
        self.misplaced.remove(&index);
        let link = self.at_index(index)?;
        self.sites[link].owned.clear();
        Some(link)
    }

    /// Removes addresses from ours that are not ours any more.
    pub(super) fn retain_owned(&mut self, is_ours: impl Fn(u32, &VirtualAddress) -> bool) {
        for site in &mut self.sites {
            site.owned.retain(|held| site.index.is_some_and(|index| is_ours(index, held)));
        }
        self.misplaced.retain(|index, owned| {
            owned.retain(|held| is_ours(*index, held));
            !owned.is_empty()
        });
    }

    /// Takes over our addresses, and the published links, from another table of the same links.
    pub(super) fn inherit(&mut self, other: Self) {
        self.misplaced = other.misplaced;
        for (site, other) in self.sites.iter_mut().zip(other.sites) {
            site.view = other.view;
            self.misplaced.extend(other.index.map(|index| (index, other.owned)));
        }
    }

    /// Tells whether nothing on this host is ours.
    pub(super) fn own_nothing(&self) -> bool {
        self.misplaced.is_empty() && self.sites.iter().all(|site| site.owned.is_empty())
    }

    /// Returns the findings of all links, if they have changed since the last call: of each kind
    /// the first one, and how many other links have it.
    pub(super) fn new_findings(&mut self) -> Option<BTreeMap<HostFinding, String>> {
        let changed = |site: &mut LinkSite| std::mem::take(&mut site.findings_changed);
        // Each link has to be asked.
        let changed = self.sites.iter_mut().map(changed).filter(|changed| *changed).count();
        if changed == 0 {
            return None;
        }
        let mut all: BTreeMap<HostFinding, (&String, usize)> = BTreeMap::new();
        for (finding, text) in self.sites.iter().flat_map(|site| &site.findings) {
            all.entry(*finding).and_modify(|(_, others)| *others += 1).or_insert((text, 0));
        }
        let texts = all.into_iter().map(|(finding, (first, others))| match others {
            0 => (finding, first.clone()),
            others => (finding, format!("{first} ({others} more links are like this)")),
        });
        Some(texts.collect())
    }

    /// Has the findings of all links returned again.
    pub(super) fn look_at_findings(&mut self) {
        if let Some(site) = self.sites.first_mut() {
            site.findings_changed = true;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &LinkSite> {
        self.sites.iter()
    }
}

impl Index<usize> for LinkSites {
    type Output = LinkSite;

    fn index(&self, link: usize) -> &LinkSite {
        &self.sites[link]
    }
}

impl IndexMut<usize> for LinkSites {
    fn index_mut(&mut self, link: usize) -> &mut LinkSite {
        &mut self.sites[link]
    }
}

impl LinkSite {
    fn new(name: LinkName) -> Self {
        Self {
            name,
            routers: Vec::new(),
            speakers: Vec::new(),
            macvlan: None,
            macvlans: Vec::new(),
            planned: BTreeMap::new(),
            looks: BTreeMap::new(),
            networks: Networks::default(),
            view: None,
            index: None,
            owned: BTreeSet::new(),
            looked_after: BTreeSet::new(),
            removed_by_others: 0,
            announcer: None,
            ipv6_role: Ipv6Role::Host,
            findings: BTreeMap::new(),
            findings_changed: true,
            announcing_fails_since: None,
            is_prepared: false,
            leftovers_are_cleared: false,
        }
    }

    /// Resets the link to another index, and returns the one before with our addresses there;
    /// `None` if it is the same.
    fn take_place_of(&mut self, index: Option<u32>) -> Option<LinkBefore> {
        if self.index == index {
            return None;
        }
        let fresh = Self { index, ..Self::new(self.name) };
        let before = std::mem::replace(self, fresh);
        let Self {
            routers,
            speakers,
            macvlan,
            macvlans,
            planned,
            looks,
            view,
            index,
            owned,
            announcer,
            ..
        } = before;
        (self.routers, self.planned, self.looks, self.view) = (routers, planned, looks, view);
        (self.speakers, self.macvlans) = (speakers, macvlans);
        self.macvlan = macvlan.map(|planned| PlannedMacvlan {
            is_prepared: false,
            is_ready: false,
            ..planned
        });
        Some(LinkBefore { index, owned, announcer })
    }

    /// Returns what of the link is to be settled.
    ///
    /// `inherited` is what an earlier engine held. Its leftovers are looked for once: addresses
    /// that appear later are foreign. So are those without our tag, where the kernel keeps tags.
    pub(super) fn settling(
        &self,
        link: usize,
        scope: Scope,
        kernel: Option<&KernelLink>,
        inherited: Option<&[HeldAddress]>,
        tags_are_kept: bool,
    ) -> Settling {
        let mut leftovers = BTreeSet::new();
        let addresses = match scope {
            Scope::Addresses(addresses) => addresses,
            Scope::All => {
                if let (Some(kernel), Some(inherited), false) =
                    (kernel, inherited, self.leftovers_are_cleared)
                {
                    let held = inherited.iter().filter(|held| held.link == self.name);
                    let held: BTreeSet<_> = held.map(|held| held.address).collect();
                    let all = self.planned.keys().chain(&held);
                    leftovers = address::tagged(all, kernel.addresses());
                    if !tags_are_kept {
                        leftovers.extend(held);
                    }
                }
                self.planned.keys().chain(&self.owned).chain(&leftovers).copied().collect()
            }
        };
        Settling { link, addresses, leftovers }
    }

    /// Notes that the leftovers of an earlier engine were looked for.
    pub(super) fn leftovers_cleared(&mut self) {
        self.leftovers_are_cleared = true;
    }

    /// Returns the virtual routers that have an address, and its place in their lists.
    pub(super) fn slots(&self, address: &VirtualAddress) -> &[AddressIndex] {
        self.planned.get(address).map_or(&[], Vec::as_slice)
    }

    /// Returns the virtual routers that have any of the addresses.
    pub(super) fn routers_of(&self, addresses: &BTreeSet<VirtualAddress>) -> BTreeSet<usize> {
        addresses.iter().flat_map(|held| self.slots(held)).map(|(router, _)| *router).collect()
    }

    /// Prepares the link for its first virtual address.
    pub(super) fn prepare(&mut self) {
        if !std::mem::replace(&mut self.is_prepared, true) {
            self.look_at_settings();
        }
    }

    /// Has the kernel keep secondary addresses when the primary one of their network goes, and
    /// deliver what the owner of an address sends. Over IPv6 it does so anyway.
    pub(super) fn look_at_settings(&mut self) {
        self.ipv6_role = sysctl::ipv6_role(self.name.as_str());
        if !self.planned.keys().any(|held| held.address.is_ipv4()) {
            return;
        }
        let link = self.name.as_str();
        let settings = [
            (
                sysctl::promote_secondaries(link),
                "the virtual addresses go whenever the first address of their network does, and \
                 are put back",
            ),
            (sysctl::accept_local(link), "an owner of the addresses that comes back is not heard"),
        ];
        let failed = settings.into_iter().filter_map(|(result, harm)| Some((result.err()?, harm)));
        let failed = failed.map(|(error, harm)| format!("{}: {harm}", error.with_cause()));
        let failed: Vec<_> = failed.collect();
        let text = format!("{}. Set it to 1 before nginx starts", failed.join("; "));
        self.note(HostFinding::SettingRefused, (!failed.is_empty()).then_some(text));
    }

    /// Notes whether the last announcement was sent. On a busy link some may fail, but not for
    /// [`LONGEST_FAILURE`].
    pub(super) fn note_announcing(&mut self, failure: Option<&NetError>, now: Instant) {
        let Some(failure) = failure else {
            self.announcing_fails_since = None;
            return self.note(HostFinding::CannotAnnounce, None);
        };
        let since = *self.announcing_fails_since.get_or_insert(now);
        if now >= since + LONGEST_FAILURE {
            let name = &self.name;
            let text = format!(
                "{}: hosts and switches are not told that the addresses are on {name} now, and may \
                 go on sending elsewhere. Look for a sandbox that forbids it: a systemd unit's \
                 RestrictAddressFamilies must list AF_PACKET",
                failure.with_cause()
            );
            self.note(HostFinding::CannotAnnounce, Some(text));
        }
    }

    /// Sets or clears a finding.
    pub(super) fn note(&mut self, finding: HostFinding, text: Option<String>) {
        if self.findings.get(&finding) == text.as_ref() {
            return;
        }
        self.findings_changed = true;
        match text {
            Some(text) => self.findings.insert(finding, text),
            None => self.findings.remove(&finding),
        };
    }

    /// Notes that the kernel has created the link anew: its settings are the defaults again, and
    /// the socket for announcements belongs to the old link.
    pub(super) fn is_made_anew(&mut self) {
        self.announcer = None;
        self.is_prepared = false;
    }

    /// Returns the socket for announcements on the link of that index.
    pub(super) fn announcer(&mut self, index: u32) -> Result<&Announcer, NetError> {
        Ok(match &mut self.announcer {
            Some(announcer) => announcer,
            none => none.insert(Announcer::open(index)?),
        })
    }
}

/// How long announcements may fail before a warning.
const LONGEST_FAILURE: Duration = Duration::from_secs(1);
