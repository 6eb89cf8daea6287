//! Compares the wanted addresses with those of the kernel, and corrects the difference.

mod accept;
mod announce;
mod ending;
mod endpoints;
mod foreign;
mod macvlans;
mod moving;
mod observe;
mod predecessors;
mod settle;
mod strays;
mod survey;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use self::endpoints::endpoints;
use self::foreign::virtual_addresses;
use self::moving::{families, shared_addresses};
use super::accept::AcceptFilter;
use super::announcements::Announcements;
use super::fight::Fights;
use super::holders::Holders;
use super::link_sites::{AddressIndex, LinkSites};
use super::orders::{NetSigns, NewOrders, OrderReader, RouterClaim};
use super::passage::Passage;
use super::plan::KernelPlan;
use super::publication::FactsWriter;
use super::refusals::Refusals;
use super::retry::Retry;
use super::router_site::RouterSite;
use super::unsettled::{Scope, Unsettled};
use crate::net::address::PROTOCOL;
use crate::net::{
    HostOnLink, KernelChange, KernelEvent, KernelLink, Links, NetError, Netlink, Speaker,
};
use crate::runtime::clock;
use crate::runtime::failpoint::failpoint;
use crate::types::{HeldAddress, Instant, MacAddress, VirtualAddress};

/// The state of the thread.
#[derive(Debug)]
pub(super) struct Takeover {
    routers: Vec<RouterSite>,
    links: LinkSites,
    lifetime: Option<Duration>,
    /// For the addresses on which this host does not answer.
    filter: Option<Arc<AcceptFilter>>,
    /// See [`KernelPlan::place`].
    place: String,
    /// The macvlans of earlier engines that are in no plan any more were deleted.
    macvlans_are_cleared: bool,
    /// The macvlans that cannot be had.
    troubled_macvlans: BTreeSet<usize>,
    /// The thread is about to end, and all macvlans with it.
    is_ending: bool,
    holders: Holders<AddressIndex>,
    /// Where the addresses are that routers with peers speak from and to.
    endpoints: Holders<usize>,
    /// Addresses of more than one virtual router, with their places in these.
    shared_addresses: Vec<(IpAddr, Vec<AddressIndex>)>,
    shortest_patience: Duration,
    /// When the election last confirmed all claims; `None` if they are another engine's now.
    confirmed_at: Option<Instant>,
    /// The addresses that an earlier engine held. Once they are known, the unclaimed ones are
    /// removed.
    inherited: Option<Arc<[HeldAddress]>>,
    /// The same list, until those of it are known that are on links where this engine has none.
    strays: Option<Arc<[HeldAddress]>>,
    kernel: Option<Netlink>,
    kernel_links: Links,
    /// An address with a tag was seen: this kernel keeps tags.
    tags_are_kept: bool,
    unsettled: Unsettled,
    /// Links with addresses of ours whose carrier has come back, by index.
    came_up: BTreeSet<u32>,
    /// Virtual routers whose addresses are moving between hosts.
    moving: BTreeSet<usize>,
    /// The hosts that have just yielded addresses, as far as their hardware addresses are needed;
    /// `None` of those that did not answer.
    predecessors: BTreeMap<HostOnLink, Option<MacAddress>>,
    passage: Passage,
    announcements: Announcements,
    quiet_until: Instant,
    fights: Fights,
    refresh_at: Option<Instant>,
    /// Addresses that may have been added, adopted or refreshed, by index of the link. They are
    /// ours if they are present once all earlier events of the kernel have been read.
    gained: BTreeSet<(u32, VirtualAddress)>,
    refusals: Refusals,
    /// When to survey the host next, and which link first.
    survey_at: Instant,
    surveyed: usize,
    /// Other programs with sockets for VRRP at the last survey, and the finding about them.
    speakers: Vec<Speaker>,
    other_speaker: Option<String>,
    /// The finding about programs that listen on virtual addresses.
    bound_address: Option<String>,
    retry: Retry,
    facts: FactsWriter,
}

/// The orders were read, and the rules for moving addresses follow them.
#[derive(Debug)]
struct Current {
    at: Instant,
}

/// The kernel was corrected.
#[derive(Debug)]
struct Corrected;

impl Takeover {
    pub(super) fn new(plan: KernelPlan, facts: FactsWriter) -> Self {
        let patience = plan.routers.iter().map(|router| router.patience).min();
        Self {
            holders: Holders::new(virtual_addresses(&plan.routers)),
            endpoints: Holders::new(endpoints(&plan.routers)),
            shared_addresses: shared_addresses(&plan.routers),
            passage: Passage::new(families(&plan.routers)),
            shortest_patience: patience.unwrap_or_default(),
            links: LinkSites::new(&plan),
            routers: plan.routers.into_iter().map(RouterSite::new).collect(),
            lifetime: plan.lifetime,
            filter: plan.filter,
            place: plan.place,
            macvlans_are_cleared: false,
            troubled_macvlans: BTreeSet::new(),
            is_ending: false,
            confirmed_at: Some(Instant::default()),
            inherited: None,
            strays: None,
            kernel: None,
            kernel_links: Links::default(),
            tags_are_kept: false,
            unsettled: Unsettled::default(),
            came_up: BTreeSet::new(),
            moving: BTreeSet::new(),
            predecessors: BTreeMap::new(),
            announcements: Announcements::new(plan.announce),
            quiet_until: Instant::default(),
            fights: Fights::default(),
            refresh_at: None,
            gained: BTreeSet::new(),
            refusals: Refusals::default(),
            survey_at: Instant::default(),
            surveyed: 0,
            speakers: Vec::new(),
            other_speaker: None,
            bound_address: None,
            retry: Retry::default(),
            facts,
        }
    }

    /// Corrects the kernel by the present orders, then announces, then publishes the facts.
    ///
    /// Each step reads the clock again: the one before may have waited for the kernel.
    pub(super) fn turn(&mut self, orders: &OrderReader) {
        // The rules first: connections must be noted from the first one that is opened on this
        // host.
        let current = self.follow_orders(orders);
        let corrected = self.correct(&current);
        // The correction may have taken long: what is announced must still be claimed.
        let current = self.follow_orders(orders);
        self.announce(&corrected, &current);
        self.look_for_foreign_addresses();
        self.look_for_endpoints();
        self.survey(current.at);
        self.report_findings();
        self.publish();
        self.passage.prepare(clock::now());
        self.links.close_disused();
        if self.kernel.is_some() {
            orders.note_turn(NetSigns {
                turned_at: Some(clock::now()),
                held_until: self.held_until(),
            });
        }
    }

    /// Forgets all but the addresses that are ours: after a panic nothing else is reliable.
    pub(super) fn start_over(&mut self, plan: KernelPlan) {
        let fresh = Self::new(plan, self.facts.clone());
        let before = std::mem::replace(self, fresh);
        self.links.inherit(before.links);
        self.gained = before.gained;
        self.tags_are_kept = before.tags_are_kept;
        // An address that was being added may be present without being noted.
        self.inherited = before.inherited;
        for (router, before) in self.routers.iter_mut().zip(before.routers) {
            router.facts = before.facts;
        }
    }

    /// Publishes why the thread ends.
    pub(super) fn fail(&mut self, failure: String) {
        self.facts.set_problem(Some(failure));
        self.publish();
    }

    /// Tells whether no address on this host is ours.
    pub(super) fn owns_nothing(&self) -> bool {
        self.kernel.is_some() && self.links.own_nothing() && self.gained.is_empty()
    }

    /// Returns the next deadline.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let announcement = self.announcements.next_due().map(|due| due.max(self.quiet_until));
        // Without a netlink socket only the next attempt to open one matters.
        let reached = self.kernel.is_some();
        let unsettled = (reached && !self.unsettled.is_empty()).then_some(Instant::default());
        let refresh = self.refresh_at.filter(|_| reached);
        let calm = self.fights.next_due().filter(|_| reached);
        let (retry, facts) = (self.retry.at, self.facts.next_due());
        let survey = Some(self.survey_at).filter(|_| reached);
        let all =
            [survey, unsettled, announcement, refresh, calm, retry, facts, self.end_of_move(now)];
        let rest = if self.is_in_doubt(now) { now + DOUBT_PAUSE } else { Instant::default() };
        all.into_iter().flatten().min().map(|due| due.max(rest))
    }

    /// Waits until the kernel has sent a message.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match &self.kernel {
            Some(kernel) => kernel.readable().await,
            None => future::pending().await,
        }
    }

    /// Reads the orders, and sets the rules for moving addresses.
    fn follow_orders(&mut self, orders: &OrderReader) -> Current {
        let now = clock::now();
        self.note_orders(orders.read(), now);
        self.look_for_predecessors(now);
        self.passage.keep(&self.rules(now));
        Current { at: clock::now() }
    }

    fn note_orders(&mut self, orders: NewOrders, now: Instant) {
        self.confirmed_at = Some(orders.confirmed_at);
        if self.inherited.is_none() && orders.inherited.is_some() {
            self.inherited = orders.inherited;
            self.strays = self.inherited.clone();
            self.holders.look_at_all();
            self.unsettle_everything();
        }
        for (router, claim) in orders.claims {
            let before = std::mem::replace(&mut self.routers[router].claim, claim);
            if before.claimed != claim.claimed {
                self.unsettle_router(router);
            }
            if before.claimed && !claim.claimed {
                self.announcements.cease_all(router);
            }
            if claim.announce_epoch != before.announce_epoch {
                self.announcements.repeat(router, now);
            }
            self.note_move(router, now);
        }
        self.note_moves(now);
    }

    /// Tells whether the last confirmation of the election is so old that peers may have taken
    /// over. Then nothing is added, refreshed or announced.
    fn is_in_doubt(&self, now: Instant) -> bool {
        let Some(confirmed_at) = self.confirmed_at else { return true };
        now.since(confirmed_at) > self.shortest_patience
            && self.routers.iter().any(|router| router.is_in_doubt(confirmed_at, now))
    }

    /// Adds and removes addresses until the kernel has those that are wanted; what fails is tried
    /// again later.
    fn correct(&mut self, current: &Current) -> Corrected {
        let now = current.at;
        // A pause, so that a kernel that refuses everything is not asked all the time.
        if self.kernel.is_none() && self.retry.at.is_some_and(|at| now < at) {
            return Corrected;
        }
        let result = self.try_correct(now);
        let problem = result.as_ref().err().map(NetError::with_cause);
        if result.is_err() {
            // The next attempt opens another socket and dumps everything again.
            self.kernel = None;
        }
        let is_refused = !self.refusals.is_empty() || !self.troubled_macvlans.is_empty();
        self.retry.after(problem.is_some() || is_refused, now);
        self.note_problem(problem);
        Corrected
    }

    fn try_correct(&mut self, now: Instant) -> Result<(), NetError> {
        if self.kernel.is_none() {
            self.connect()?;
        }
        self.read_events()?;
        self.own_strays();
        self.clear_macvlans()?;
        self.unsettle_due(now);
        // What the corrections caused is read at once, so that it can be announced at once: first a
        // link that was made, then its addresses.
        for _ in 0..3 {
            if !self.unsettled.is_empty() {
                let observed = self.observe(now);
                self.settle(&observed, now)?;
                self.ask_for_neighbours()?;
                self.read_events()?;
            }
        }
        self.refresh(now)
    }

    fn ask_for_neighbours(&mut self) -> Result<(), NetError> {
        let came_up = std::mem::take(&mut self.came_up);
        match &mut self.kernel {
            Some(kernel) if !came_up.is_empty() => kernel.ask_anew_for_neighbours(&came_up),
            _ => Ok(()),
        }
    }

    fn connect(&mut self) -> Result<(), NetError> {
        let refused =
            |why| NetError::new("open", "a netlink socket", io::Error::other::<String>(why));
        failpoint("netlink").map_err(refused)?;
        let mut kernel = Netlink::open()?;
        let dump = kernel.dump()?;
        self.tags_are_kept |= dump.iter().any(KernelEvent::is_tagged);
        self.holders.reset(&dump);
        self.endpoints.reset(&dump);
        self.kernel_links.reset(dump);
        self.kernel = Some(kernel);
        self.own_gained_addresses();
        self.gained.clear();
        let Self { kernel_links, links, tags_are_kept, .. } = self;
        // Without a socket no event was seen: an address of ours may have been replaced.
        links.retain_owned(|index, address| {
            let mark = kernel_links.at(index).and_then(|link| link.addresses().get(address));
            mark.is_some_and(|mark| mark.protocol == PROTOCOL || !*tags_are_kept)
        });
        self.unsettle_everything();
        Ok(())
    }

    /// Reads what has happened in the kernel.
    fn read_events(&mut self) -> Result<(), NetError> {
        let Some(kernel) = &mut self.kernel else { return Ok(()) };
        for event in kernel.events()? {
            // A name that is free now may be one of the plan.
            if let KernelEvent::Link { index, .. } | KernelEvent::LinkGone { index } = &event {
                let named = self.kernel_links.at(*index).map(KernelLink::name);
                if let Some(link) = named.and_then(|name| self.links.named(name)) {
                    self.unsettled.link(link);
                }
            }
            self.tags_are_kept |= event.is_tagged();
            self.holders.handle(&event);
            self.endpoints.handle(&event);
            match &event {
                KernelEvent::AddressGone { index, address } => {
                    self.links.address_gone(*index, address);
                    // One of IPv4 may have been renewed: whether it is there shows in the end.
                    let is_waited_for = address.address.is_ipv6();
                    self.gained.retain(|it| !is_waited_for || *it != (*index, *address));
                }
                KernelEvent::LinkGone { index } => {
                    self.gained.retain(|(on, _)| on != index);
                    if let Some(link) = self.links.link_gone(*index) {
                        self.unsettled.whole_link(link);
                    }
                }
                KernelEvent::Link { .. } | KernelEvent::Address { .. } => {}
            }
            match self.kernel_links.handle(event) {
                None => {}
                Some(KernelChange::Address { index, address }) => {
                    if let Some(link) = self.links.at_index(index) {
                        self.unsettled.address(link, address);
                    }
                }
                Some(KernelChange::Link { index }) => self.unsettle_index(index),
            }
        }
        self.own_gained_addresses();
        Ok(())
    }

    /// Notes that gained addresses which are present are ours. The kernel tells of an address of
    /// IPv6 a moment after it has answered: until then it is not known to be present.
    fn own_gained_addresses(&mut self) {
        let Self { links, kernel_links, tags_are_kept, holders, unsettled, .. } = self;
        self.gained.retain(|(index, held)| {
            holders.look_at(held.address);
            let Some(link) = links.at_index(*index) else { return false };
            let present = kernel_links.at(*index).and_then(|link| link.addresses().get(held));
            let is_ours = present.is_some_and(|it| it.protocol == PROTOCOL || !*tags_are_kept);
            if is_ours && links[link].owned.insert(*held) {
                unsettled.address(link, *held);
            }
            present.is_none() && held.address.is_ipv6()
        });
    }

    /// Marks what has to be tried again now.
    fn unsettle_due(&mut self, now: Instant) {
        if self.retry.at.is_some_and(|at| at <= now) {
            self.unsettled.refused();
            for index in self.refusals.links() {
                if let Some(link) = self.links.at_index(index) {
                    self.unsettled.link(link);
                }
            }
            self.troubled_macvlans.iter().for_each(|link| self.unsettled.link(*link));
        }
        for (router, place) in self.fights.age(now) {
            let address = &self.routers[router].planned.addresses[place];
            self.unsettled.address(address.link, address.held);
        }
    }

    fn unsettle_router(&mut self, router: usize) {
        for address in self.routers[router].planned.addresses.iter() {
            self.unsettled.address(address.link, address.held);
        }
    }

    /// Marks the links of the plan that have the index, or will have it by their name.
    fn unsettle_index(&mut self, index: u32) {
        let named = self.kernel_links.at(index).and_then(|link| self.links.named(link.name()));
        for link in self.links.at_index(index).into_iter().chain(named) {
            self.unsettled.link(link);
        }
    }

    fn unsettle_everything(&mut self) {
        for link in 0..self.links.len() {
            self.unsettled.whole_link(link);
        }
    }

    fn note_problem(&mut self, problem: Option<String>) {
        if self.facts.set_problem(problem.clone()) {
            if let Some(problem) = problem {
                tracing::error!("{problem}");
            } else {
                tracing::info!("links and addresses can be read again");
            }
        }
    }

    /// Publishes what has changed.
    pub(super) fn publish(&mut self) {
        self.facts.publish(&self.links, &self.routers, clock::now());
    }
}

/// Time between two checks for a confirmation of the election.
const DOUBT_PAUSE: Duration = Duration::from_millis(10);
