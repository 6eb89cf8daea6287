//! All virtual routers of this host.

mod groups;
mod hear;
mod held;
mod inherit;
mod sight;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;

use self::groups::SyncGroups;
use self::held::Obstacle;
pub use self::sight::{Sighted, Sighting};
use super::deadlines::Deadlines;
use super::event::{
    Action, Health, Input, LinkCarrier, LinkFacts, LinkId, Problem, Report, RouterId,
};
use super::hold::Hold;
use super::receive::{Discard, Expectations, Heard, ReceiveCounters};
use super::report::{self, Limiter};
use super::router::VirtualRouter;
use super::snapshot::Snapshot;
use crate::config::InstanceConfig;
use crate::types::{Families, Family, Instant, LinkName, Priority, Sources, Vrid};
use crate::wire::advertisement::Outgoing;
use crate::wire::ip::{Endpoints, Envelope};

/// The election of one host: a function of its inputs.
///
/// After every [`handle`](Self::handle) and [`handle_timeout`](Self::handle_timeout), drain
/// [`poll_action`](Self::poll_action), then wait for an input or until
/// [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub struct Node {
    names: Vec<LinkName>,
    links: Vec<Link>,
    by_name: BTreeMap<LinkName, LinkId>,
    routers: Vec<VirtualRouter>,
    by_vrid: BTreeMap<(LinkId, Family, Vrid), RouterId>,
    deadlines: Deadlines,
    actions: VecDeque<Action>,
    life: Life,
    draining: bool,
    last_one_standing: bool,
    health: Health,
    /// What keeps single routers from taking part, with the text for the status.
    obstacles: BTreeMap<(RouterId, Obstacle), String>,
    /// Of each router with peers, which of its source and its peers are addresses of this host.
    own_addresses: BTreeMap<RouterId, Vec<IpAddr>>,
    groups: SyncGroups,
    /// The latest moment. An earlier one counts as this one.
    now: Instant,
    settled: u64,
    changed: BTreeSet<RouterId>,
    changed_links: BTreeSet<LinkId>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Life {
    Stopped,
    Running,
    Leaving,
}

#[derive(Debug, Default)]
struct Link {
    /// `None` until the first [`Input::Link`].
    facts: Option<LinkFacts>,
    /// The addresses to send from, present or last known.
    sources: Sources,
    routers: Vec<RouterId>,
    /// Counts what arrived on the link for no router of this node.
    counters: ReceiveCounters,
    limiter: Limiter,
}

impl Node {
    /// Creates the virtual routers, all in Initialize.
    ///
    /// No two `instances` may have the same interface, family and VRID; of such, only the last one
    /// receives.
    #[must_use]
    pub fn new(instances: &[InstanceConfig]) -> Self {
        let mut node = Self::with_room_for(instances.len());
        for config in instances {
            node.add(config);
        }
        node
    }

    fn with_room_for(routers: usize) -> Self {
        Self {
            names: Vec::new(),
            links: Vec::new(),
            by_name: BTreeMap::new(),
            routers: Vec::with_capacity(routers),
            by_vrid: BTreeMap::new(),
            deadlines: Deadlines::new(routers),
            actions: VecDeque::new(),
            life: Life::Stopped,
            draining: false,
            last_one_standing: false,
            health: Health::Unknown,
            obstacles: BTreeMap::new(),
            own_addresses: BTreeMap::new(),
            groups: SyncGroups::default(),
            now: Instant::default(),
            settled: 0,
            changed: (0..routers).map(RouterId).collect(),
            changed_links: BTreeSet::new(),
        }
    }

    fn add(&mut self, config: &InstanceConfig) {
        let id = RouterId(self.routers.len());
        let link = self.find_or_add_link(&config.interface);
        self.links[link.0].routers.push(id);
        self.by_vrid.insert((link, config.family(), config.vrid), id);
        self.routers.push(VirtualRouter::new(id, link, config));
    }

    fn find_or_add_link(&mut self, name: &LinkName) -> LinkId {
        let next = LinkId(self.links.len());
        let link = *self.by_name.entry(*name).or_insert(next);
        if link == next {
            self.names.push(*name);
            self.links.push(Link::default());
        }
        link
    }

    /// Sets whether the node is Active at the lowest priority while nginx does not serve, if no
    /// other router is.
    #[must_use]
    pub fn with_last_one_standing(mut self, last_one_standing: bool) -> Self {
        for router in &mut self.routers {
            router.reserve_the_lowest_priority(last_one_standing);
        }
        Self { last_one_standing, ..self }
    }

    /// Returns the interfaces in use, each once; [`LinkId`] is the place in this list.
    #[must_use]
    pub fn links(&self) -> &[LinkName] {
        &self.names
    }

    /// Returns the virtual routers, in the order of the configuration.
    #[must_use]
    pub fn routers(&self) -> impl ExactSizeIterator<Item = RouterId> + use<> {
        (0..self.routers.len()).map(RouterId)
    }

    /// Returns the link on which a router listens and advertises.
    #[must_use]
    pub fn link_of(&self, router: RouterId) -> LinkId {
        self.routers[router.0].link
    }

    /// Returns the families of the routers on a link.
    #[must_use]
    pub fn families_on(&self, link: LinkId) -> Families {
        let routers = self.links[link.0].routers.iter();
        routers.map(|router| self.routers[router.0].config.family()).collect()
    }

    /// Returns the families whose group is heard on a link: those of routers without peers.
    #[must_use]
    pub fn groups_on(&self, link: LinkId) -> Families {
        let routers = self.links[link.0].routers.iter().map(|id| &self.routers[id.0]);
        let to_group = routers.filter(|router| router.config.unicast.is_none());
        to_group.map(|router| router.config.family()).collect()
    }

    /// Returns whether frames can pass the link of a router; `None` if that is not known yet.
    #[must_use]
    pub fn carrier_of(&self, router: RouterId) -> Option<LinkCarrier> {
        let family = self.routers[router.0].config.family();
        self.facts(self.link_of(router)).map(|facts| facts.carrier_for(family))
    }

    /// Returns the address that a router sends from: the one that it is told to, or one of its
    /// link, also one that was there: what has to be said when it goes comes from it.
    #[must_use]
    pub fn source_of(&self, router: RouterId) -> Option<IpAddr> {
        let router = &self.routers[router.0];
        router.config.source_among(self.links[router.link.0].sources)
    }

    /// Tells whether a router holds its addresses.
    #[must_use]
    pub fn holds(&self, router: RouterId) -> bool {
        self.routers[router.0].holds()
    }

    /// Tells whether the kernel refuses to send a router's advertisements, for so long that peers
    /// take the router for dead.
    #[must_use]
    pub fn is_mute(&self, router: RouterId) -> bool {
        self.routers[router.0].is_mute(self.now)
    }

    /// Tells whether a router leaves the addresses to another one as long as it
    /// [cannot send](Self::is_mute).
    #[must_use]
    pub fn yields_as_mute(&self, router: RouterId) -> bool {
        self.routers[router.0].yields_as_mute()
    }

    /// Tells whether an operator drains the node.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.draining
    }

    /// Tells whether any router holds its addresses.
    #[must_use]
    pub fn holds_any(&self) -> bool {
        self.routers.iter().any(VirtualRouter::holds)
    }

    /// Returns the latest facts about a link; `None` before the first.
    #[must_use]
    pub fn facts(&self, link: LinkId) -> Option<LinkFacts> {
        self.links[link.0].facts
    }

    /// Returns how often a router was settled since the node was made: the work that inputs about
    /// links, tracked interfaces, health and the node itself have cost.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.settled
    }

    /// Returns the routers whose [`snapshot`](Self::snapshot) may have changed since the last call.
    #[must_use]
    pub fn take_changed(&mut self) -> BTreeSet<RouterId> {
        for link in std::mem::take(&mut self.changed_links) {
            self.changed.extend(&self.links[link.0].routers);
        }
        std::mem::take(&mut self.changed)
    }

    /// Handles something that happened.
    pub fn handle(&mut self, input: Input<'_>, now: Instant) {
        self.now = self.now.max(now);
        self.handle_input(input);
        self.settle_groups();
    }

    fn handle_input(&mut self, input: Input<'_>) {
        match input {
            Input::Startup => {
                self.life = Life::Running;
                self.settle_all();
            }
            Input::Datagram { link, received } => self.handle_datagram(link, received),
            Input::Link { link, facts } => {
                let known = &mut self.links[link.0].sources;
                *known = facts.sources.or(*known);
                if self.links[link.0].facts.replace(facts) != Some(facts) {
                    self.settle_link(link);
                }
            }
            Input::Health(health) => {
                self.health = health;
                self.settle_all();
            }
            Input::Priority { router, priority } => self.set_priority(router, priority),
            Input::Tracked { router, down } => {
                self.note_obstacle(router, Obstacle::Tracked, down);
            }
            Input::Addresses { router, trouble } => {
                self.note_obstacle(router, Obstacle::Addresses, trouble);
            }
            Input::CannotClaim(is_so) => self.postpone_takeovers(is_so),
            Input::Tolerate { router, until } => self.routers[router.0].tolerate(until),
            Input::OwnAddresses { router, addresses } => {
                self.note_own_addresses(router, addresses);
            }
            Input::Deaf { router, why } => self.note_obstacle(router, Obstacle::Deafness, why),
            Input::Sent { router, priority, outcome } => {
                self.routers[router.0].note_sent(priority, outcome, self.now);
                self.changed.insert(router);
            }
            Input::Tried { router, outcome } => {
                self.routers[router.0].note_tried(outcome, self.now);
                self.settle(router);
            }
            Input::AlreadyHere { router, is_so } => {
                let why = is_so.then_some("another engine of this host has it");
                self.note_obstacle(router, Obstacle::AnotherEngine, why);
            }
            Input::Drain(draining) => {
                self.drain(draining);
            }
            Input::Slept { since, late, suspended } => {
                for id in self.routers() {
                    if self.routers[id.0].slept(since, late, suspended, self.now) {
                        self.collect(id);
                    }
                }
            }
            Input::Withdrawn => self.withdraw_all(),
            Input::Leave => {
                self.life = Life::Leaving;
                self.settle_all();
            }
            Input::Shutdown => {
                self.life = Life::Stopped;
                self.settle_all();
            }
        }
    }

    /// Handles the passing of time. Calling it late, early or twice is harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = self.now.max(now);
        while let Some((at, router)) = self.deadlines.earliest() {
            if at > self.now {
                break;
            }
            self.routers[router.0].handle_timeout(self.now);
            self.collect(router);
        }
        self.settle_groups();
    }

    /// Returns the next thing to do, oldest first.
    ///
    /// Poll until `None` after every [`handle`](Self::handle) and
    /// [`handle_timeout`](Self::handle_timeout): each appends a few actions for every router it
    /// concerns, and nothing else bounds the queue.
    #[must_use]
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front();
        if action.is_none() {
            self.actions.shrink_to(USUAL_ACTIONS);
        }
        action
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout); `None` while every router is
    /// in Initialize. Poll again after every other call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.deadlines.earliest().map(|(at, _)| at)
    }

    /// Returns where the advertisements of a router go.
    pub fn destinations(&self, router: RouterId) -> impl Iterator<Item = IpAddr> {
        self.routers[router.0].config.destinations()
    }

    /// Encodes an advertisement of a router to one of its [destinations](Self::destinations),
    /// replacing `message`, and returns its envelope.
    ///
    /// Returns `None` if there is no address to send it from.
    pub fn encode(
        &self,
        router: RouterId,
        priority: Priority,
        destination: IpAddr,
        message: &mut Vec<u8>,
    ) -> Option<Envelope> {
        message.clear();
        let endpoints = Endpoints::new(self.source_of(router)?, destination)?;
        let router = &self.routers[router.0];
        let advertisement = Outgoing {
            version: router.config.version,
            vrid: router.config.vrid,
            priority,
            adver_interval: router.config.adver_interval,
            auth: router.config.auth,
            addresses: &router.config.addresses,
            checksum: router.form,
        };
        advertisement.emit(endpoints, message);
        Some(Envelope { endpoints, hop_limit: router.config.hop_limit() })
    }

    /// Returns what a router looks like now.
    #[must_use]
    pub fn snapshot(&self, router: RouterId) -> Snapshot<'_> {
        let own_source = self.source_of(router);
        let router = &self.routers[router.0];
        let link = &self.links[router.link.0];
        let last = router.history.latest();
        Snapshot {
            name: &router.config.name,
            link: &router.config.interface,
            version: router.config.version,
            family: router.config.family(),
            vrid: router.config.vrid,
            state: router.state(),
            since: last.map(|transition| transition.at),
            reason: last.map(|transition| transition.reason),
            fault: self.fault(router),
            interruption: self.interruption(router),
            warning: router.warning(),
            conflict: router.conflict(),
            discarded_peer: router.discarded_peer(),
            sync_group: self.name_of_group(router.id),
            awaited: self.awaited(router.id),
            unheeded_by: router.unheeded_by(self.now),
            transitions: router.history.total(),
            priority: router.config.priority,
            effective_priority: router.effective_priority(),
            preempt: router.config.preempt,
            adver_interval: router.config.adver_interval,
            active_down_interval: router.active_down_interval(),
            longest_down_interval: router.longest_down_interval(),
            active: router.active_router(own_source),
            replaced: router.replaced,
            peers: &router.peers,
            checksum: router.form,
            addresses: &router.config.addresses,
            addresses_excluded: &router.config.addresses_excluded,
            counters: &router.counters,
            unattributed: &link.counters,
            history: &router.history,
        }
    }

    fn drain(&mut self, draining: bool) {
        if draining {
            self.routers.iter_mut().for_each(|router| router.tolerate(Instant::default()));
        }
        self.draining = draining;
        self.settle_all();
    }

    fn postpone_takeovers(&mut self, cannot_claim: bool) {
        for id in self.routers() {
            self.routers[id.0].postpone_takeovers(cannot_claim);
            self.note_standing(id);
        }
    }

    fn withdraw_all(&mut self) {
        for id in self.routers() {
            self.routers[id.0].withdraw(self.now);
            self.collect(id);
        }
    }

    fn settle_all(&mut self) {
        let all = self.routers().collect();
        self.settle_each(all);
    }

    fn settle_link(&mut self, link: LinkId) {
        let all = self.links[link.0].routers.clone();
        self.settle_each(all);
    }

    fn settle_each(&mut self, mut routers: Vec<RouterId>) {
        self.put_faulty_members_first(&mut routers);
        for id in routers {
            self.settle(id);
            self.settle_fault_of_group(id);
        }
    }

    /// Takes over the actions of a router, and its next deadline.
    fn collect(&mut self, id: RouterId) {
        let router = &mut self.routers[id.0];
        router.watch_weight(self.now);
        router.forget_refusal_unless_held();
        router.drain_actions(&mut self.actions);
        self.deadlines.set(id, router.poll_timeout());
        self.note_standing(id);
        self.changed.insert(id);
    }
}

/// Room for actions that is kept; many routers that change their states at once need more.
const USUAL_ACTIONS: usize = 64;
