//! The known facts besides the election: about the kernel, the checks, and the counters of earlier
//! engines.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use super::checks::Check;
use super::kernel::{AddressFacts, Facts, ForeignAddress, HostFinding, PlannedRouter, RouterFacts};
use super::words::{address_places, countable};
use crate::config::Config;
use crate::proto::RouterId;
use crate::status::Board;
use crate::types::{HeldAddress, LinkName};

/// The facts about the virtual routers, and which routers have changed.
pub(super) struct View {
    /// The kernel's facts about each router. Empty before the first dump.
    routers: Vec<Arc<RouterFacts>>,
    /// Why the kernel's links and addresses cannot be read.
    problem: Option<String>,
    findings: Arc<BTreeMap<HostFinding, String>>,
    tracked: BTreeMap<RouterId, Vec<Check>>,
    /// The checks of every router.
    common_checks: Vec<Check>,
    has_enough_workers: bool,
    counted_before: Vec<CountedBefore>,
    changed: BTreeSet<RouterId>,
}

/// The counters of earlier engines for one router.
struct CountedBefore {
    announcements: u64,
    /// How often each address was lost.
    losses: Vec<u64>,
}

impl View {
    /// Creates the view of an engine that starts, with the counters that earlier ones left on the
    /// board.
    pub(super) fn new(board: &Board, config: &Config) -> Self {
        let losses =
            |place: usize| board.addresses().get(place).map(|slot| slot.lost.load(Relaxed));
        let places = address_places(config).into_iter().enumerate();
        let counted_before = places.map(|(router, places)| CountedBefore {
            announcements: board
                .instance(router)
                .map_or(0, |slot| countable(slot.counters.announcements_sent)),
            losses: places.map(|place| countable(losses(place).unwrap_or_default())).collect(),
        });
        Self {
            routers: Vec::new(),
            problem: None,
            findings: Arc::default(),
            tracked: BTreeMap::new(),
            common_checks: Vec::new(),
            has_enough_workers: false,
            counted_before: counted_before.collect(),
            changed: BTreeSet::new(),
        }
    }

    /// Keeps the facts about the kernel. Returns the routers that have changed.
    pub(super) fn take_facts(&mut self, facts: &Facts) -> BTreeSet<RouterId> {
        let mut changed = BTreeSet::new();
        self.problem.clone_from(&facts.problem);
        self.findings = Arc::clone(&facts.findings);
        self.routers.resize_with(facts.routers.len(), Default::default);
        for (router, (known, new)) in self.routers.iter_mut().zip(&facts.routers).enumerate() {
            if known != new {
                known.clone_from(new);
                changed.insert(RouterId(router));
            }
        }
        self.changed.extend(&changed);
        changed
    }

    /// Keeps the checks of every router.
    pub(super) fn take_checks(&mut self, checks: Vec<Check>, has_enough_workers: bool) {
        if (&self.common_checks, self.has_enough_workers) != (&checks, has_enough_workers) {
            self.change_all();
        }
        (self.common_checks, self.has_enough_workers) = (checks, has_enough_workers);
    }

    /// Keeps the checks of the tracked interfaces of a router.
    pub(super) fn take_tracked(&mut self, router: RouterId, tracked: Vec<Check>) {
        self.tracked.insert(router, tracked);
        self.changed.insert(router);
    }

    fn change_all(&mut self) {
        self.changed.extend((0..self.counted_before.len()).map(RouterId));
    }

    /// Returns the routers that have changed since the last call.
    #[must_use]
    pub(super) fn take_changed(&mut self) -> BTreeSet<RouterId> {
        mem::take(&mut self.changed)
    }

    /// Returns why the kernel's links and addresses cannot be read, if they cannot.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
    }

    /// Returns the text of a finding on this host.
    pub(super) fn finding(&self, finding: HostFinding) -> Option<&String> {
        self.findings.get(&finding)
    }

    /// Returns the routers to which the kernel refuses an address, with their facts.
    pub(super) fn refused(&self) -> impl Iterator<Item = (RouterId, &RouterFacts)> {
        let all = self.routers.iter().enumerate().filter(|(_, facts)| facts.refusals > 0);
        all.map(|(router, facts)| (RouterId(router), &**facts))
    }

    /// Returns what the kernel refuses to a router.
    pub(super) fn refusal(&self, router: RouterId) -> Option<&str> {
        let facts = self.routers.get(router.0)?;
        facts.macvlan_problem.as_deref().or(facts.problem.as_deref())
    }

    /// Returns the routers that cannot have the link that is to be made for them, and why.
    pub(super) fn without_macvlan(&self) -> impl Iterator<Item = (RouterId, &str)> {
        let all = self.routers.iter().enumerate();
        all.filter_map(|(router, it)| Some((RouterId(router), it.macvlan_problem.as_deref()?)))
    }

    /// Returns which of the addresses that a router with peers speaks from and to this host has.
    pub(super) fn own_addresses(&self, router: RouterId) -> Option<&[IpAddr]> {
        self.routers.get(router.0)?.own_addresses.as_deref()
    }

    /// Returns what is wrong with the prefix of an address of a router.
    pub(super) fn prefix_problem(&self, router: RouterId) -> Option<&str> {
        self.routers.get(router.0)?.prefix_problem.as_deref()
    }

    /// Returns the first address of a router that another program has added on this host, and how
    /// many others there are.
    pub(super) fn foreign(&self, router: RouterId) -> Option<(&ForeignAddress, usize)> {
        let foreign = &self.routers.get(router.0)?.foreign;
        Some((foreign.values().next()?, foreign.len() - 1))
    }

    /// Tells whether enough workers have a heartbeat.
    pub(super) fn has_enough_workers(&self) -> bool {
        self.has_enough_workers
    }

    /// Returns the checks that a router depends on: first those of its own.
    pub(super) fn checks(&self, router: RouterId) -> impl Iterator<Item = &Check> {
        self.tracked.get(&router).into_iter().flatten().chain(&self.common_checks)
    }

    /// Returns the facts about the addresses of a router; none before the first dump.
    pub(super) fn addresses(&self, router: RouterId) -> &[AddressFacts] {
        self.routers.get(router.0).map_or(&[], |facts| &facts.addresses)
    }

    /// Returns how often an address was lost, also by earlier engines.
    pub(super) fn losses(&self, router: RouterId, place: usize) -> u64 {
        let before = self.counted_before.get(router.0).and_then(|it| it.losses.get(place));
        let since = self.addresses(router).get(place).map_or(0, |address| address.lost);
        before.map_or(since, |before| before + since)
    }

    /// Returns how many announcements were sent for a router, by earlier engines too.
    pub(super) fn announcements(&self, router: RouterId) -> u64 {
        let before = self.counted_before.get(router.0).map_or(0, |it| it.announcements);
        before + self.routers.get(router.0).map_or(0, |facts| facts.announcements_sent)
    }

    /// Returns the first contested address of a router, and how many others there are.
    pub(super) fn contested(&self, router: RouterId) -> Option<(usize, usize)> {
        let all = self.addresses(router).iter().enumerate().filter(|(_, it)| it.contested);
        let mut places = all.map(|(place, _)| place);
        places.next().map(|first| (first, places.count()))
    }

    /// Tells whether the kernel has an address of a router from this engine.
    pub(super) fn holds_any(&self, router: RouterId) -> bool {
        self.addresses(router).iter().any(|address| address.ours)
    }

    /// Tells whether the kernel has all addresses of a router that it takes from this engine.
    pub(super) fn holds_what_it_can(&self, router: RouterId) -> bool {
        let is_refused = self.routers.get(router.0).is_some_and(|facts| facts.problem.is_some());
        let has_all = || self.addresses(router).iter().all(|address| address.assigned);
        self.holds_any(router) && (is_refused || has_all())
    }

    /// Tells whether the kernel has an address of a router from another process.
    pub(super) fn is_foreign(&self, router: RouterId, place: usize) -> bool {
        let address = self.addresses(router).get(place);
        address.is_some_and(|address| address.assigned && !address.ours)
    }

    /// Returns the addresses that this engine has put on links.
    pub(super) fn held_addresses(
        &self,
        routers: &[PlannedRouter],
        links: &[LinkName],
    ) -> Vec<HeldAddress> {
        let mut held = Vec::new();
        for (router, planned) in routers.iter().enumerate() {
            let all = planned.addresses.iter().zip(self.addresses(RouterId(router)));
            let ours = all.filter(|(_, facts)| facts.ours);
            let ours = ours.map(|(it, _)| HeldAddress { link: links[it.link], address: it.held });
            held.extend(ours);
        }
        held
    }
}
