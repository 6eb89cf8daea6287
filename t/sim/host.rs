//! One host: the core, the clock it reads, and the addresses a kernel would have.

use std::collections::{BTreeSet, VecDeque};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use resty_vrrp::config::{InstanceConfig, SyncGroupConfig};
use resty_vrrp::proto::{
    Action, Bequests, Datagram, Health, Input, LinkCarrier, LinkFacts, LinkId, Node, RouterId,
    SendOutcome, State,
};
use resty_vrrp::types::{Family, Instant, Priority, Sources, Version, Vrid};

use crate::packet::{family, link_local, vrid};

/// The only link there is.
pub(crate) const LINK: LinkId = LinkId(0);

/// Datagrams that wait in the socket while the host is paused; further ones are dropped.
const MAILBOX: usize = 32;

pub(crate) struct Host {
    pub(crate) name: &'static str,
    pub(crate) instances: Vec<InstanceConfig>,
    pub(crate) primary: Option<Ipv4Addr>,
    pub(crate) carrier: LinkCarrier,
    /// Links that are down whatever the carrier says.
    pub(crate) dark: BTreeSet<LinkId>,
    pub(crate) groups: Vec<SyncGroupConfig>,
    pub(crate) health: Health,
    pub(crate) condition: Condition,
    /// When it was last paused, on the clock of the LAN.
    pub(crate) paused_at: Duration,
    pub(crate) node: Node,
    /// The addresses of these routers are on the link.
    pub(crate) table: BTreeSet<RouterId>,
    pub(crate) mailbox: VecDeque<Vec<u8>>,
    /// Told to keep away from the addresses.
    pub(crate) draining: bool,
    /// Told to leave for good.
    pub(crate) leaves: bool,
    pub(crate) last_one_standing: bool,
    /// What its engine last wrote where a successor finds it after a crash.
    will: Option<Bequests>,
    /// The longest interval it was ever configured with.
    pub(crate) slowest: Duration,
    /// The deadline the host sleeps for, and when, on the clock of the LAN, it will really wake.
    pub(crate) alarm: Option<(Instant, Duration)>,
    priorities: Vec<Priority>,
    /// What the host's clock shows when that of the LAN shows zero.
    clock_offset: Duration,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Condition {
    Running,
    /// Nothing is handled; the socket fills.
    Paused,
    /// nginx lives and the addresses stay, but nobody is there who would handle anything.
    Crashed,
    /// Shut down in an orderly way.
    Stopped,
    /// Without power.
    Dead,
}

/// What made a host act.
#[derive(Clone, Debug)]
pub(crate) enum Cause {
    Timeout,
    Datagram(Vec<u8>),
    Startup,
    /// Nothing was handled since that moment of the LAN's clock.
    Slept(Duration),
    Link,
    Health,
    Priority(RouterId, Priority),
    Drain(bool),
    Leave,
    /// Another engine goes on where the last one was, or where that last said it was.
    Succeed,
    /// Whether addresses would have to wait for the kernel.
    Stall(bool),
    Shutdown,
}

impl Host {
    pub(crate) fn new(
        name: &'static str,
        primary: Ipv4Addr,
        instances: Vec<InstanceConfig>,
        clock_offset: Duration,
    ) -> Self {
        Self {
            name,
            primary: Some(primary),
            carrier: LinkCarrier::Up,
            dark: BTreeSet::new(),
            groups: Vec::new(),
            health: Health::Serving,
            condition: Condition::Dead,
            paused_at: Duration::ZERO,
            node: Node::new(&instances),
            table: BTreeSet::new(),
            mailbox: VecDeque::new(),
            draining: false,
            leaves: false,
            last_one_standing: false,
            will: None,
            slowest: slowest(&instances),
            alarm: None,
            priorities: instances.iter().map(|instance| instance.priority).collect(),
            clock_offset,
            instances,
        }
    }

    /// Switches the power on: everything the last life knew is forgotten.
    pub(crate) fn boot(&mut self) {
        self.node = self.engine();
        self.priorities = self.instances.iter().map(|instance| instance.priority).collect();
        (self.draining, self.leaves, self.will) = (false, false, None);
        self.health = Health::Serving;
        self.condition = Condition::Running;
        self.mailbox.clear();
    }

    /// Cuts the power.
    pub(crate) fn die(&mut self) {
        self.condition = Condition::Dead;
        self.table.clear();
        self.mailbox.clear();
        self.alarm = None;
    }

    /// Lets the core handle one thing, and returns all that it asks for.
    pub(crate) fn handle(&mut self, cause: &Cause, lan_now: Duration) -> Vec<Action> {
        let now = self.local(lan_now);
        match cause {
            Cause::Timeout => self.node.handle_timeout(now),
            Cause::Datagram(bytes) => {
                let received = match family(bytes) {
                    Family::Ipv4 => Datagram::parse_ipv4(bytes),
                    Family::Ipv6 => Datagram::parse_with(bytes).map(|(_, datagram)| datagram),
                };
                let link = self.link_of(bytes);
                self.node.handle(Input::Datagram { link, received }, now);
            }
            Cause::Startup => self.node.handle(Input::Startup, now),
            Cause::Slept(since) => {
                let since = self.local(*since);
                let (late, suspended) = (now.since(since), Duration::ZERO);
                self.node.handle(Input::Slept { since, late, suspended }, now);
            }
            Cause::Link => self.tell_link(now),
            Cause::Health => self.node.handle(Input::Health(self.health.clone()), now),
            Cause::Priority(router, priority) => {
                if !self.priorities[router.0].is_owner() {
                    let lowest = self.lowest_priority(self.instance(*router));
                    self.priorities[router.0] = Priority::new(priority.get().clamp(lowest, 254));
                }
                self.node.handle(Input::Priority { router: *router, priority: *priority }, now);
            }
            Cause::Drain(draining) => self.node.handle(Input::Drain(*draining), now),
            Cause::Leave => self.node.handle(Input::Leave, now),
            Cause::Succeed => self.succeed(now),
            Cause::Stall(stalls) => self.node.handle(Input::CannotClaim(*stalls), now),
            Cause::Shutdown => self.node.handle(Input::Shutdown, now),
        }
        let actions = self.drain();
        self.write_will(cause, &actions, now);
        actions
    }

    /// Configures the next engine. What tracking has done to a priority remains.
    pub(crate) fn configure(&mut self, instances: Vec<InstanceConfig>) {
        let lowest: Vec<u8> = instances.iter().map(|it| self.lowest_priority(it)).collect();
        for ((priority, lowest), (old, new)) in
            self.priorities.iter_mut().zip(lowest).zip(self.instances.iter().zip(&instances))
        {
            let [used, old, new] = [*priority, old.priority, new.priority].map(Priority::get);
            let moved = i16::from(new) + i16::from(used) - i16::from(old);
            *priority = match (old, new) {
                (255, _) | (_, 255) => Priority::new(new),
                _ => {
                    let moved = moved.clamp(i16::from(lowest), 254);
                    Priority::new(u8::try_from(moved).expect("it is clamped"))
                }
            };
        }
        self.slowest = self.slowest.max(slowest(&instances));
        self.instances = instances;
    }

    /// The lowest priority that tracking leaves to a router.
    fn lowest_priority(&self, instance: &InstanceConfig) -> u8 {
        let lowest = if self.last_one_standing { 2 } else { 1 };
        lowest.min(instance.priority.get())
    }

    /// Lets the engine say where it is, to its successor.
    pub(crate) fn bequeath(&mut self, lan_now: Duration) {
        self.will = Some(self.node.bequeath(self.local(lan_now)));
    }

    /// The advertisements that the last engine says it has sent.
    pub(crate) fn advertisements_willed(&self, router: RouterId) -> u64 {
        let will = self.will.as_ref().expect("only an engine that ran has a successor");
        will.routers[router.0].counters.advertisements_sent
    }

    /// Starts an engine as the successor of the one before.
    fn succeed(&mut self, now: Instant) {
        self.node = self.engine();
        self.tell_link(now);
        self.node.handle(Input::Health(self.health.clone()), now);
        let will = self.will.take().expect("only an engine that ran has a successor");
        assert_eq!(self.node.inherit(&will, now), Ok(Vec::new()));
    }

    /// Tells the engine of the link, and of those of its addresses that routers speak from or to.
    fn tell_link(&mut self, now: Instant) {
        let own: Vec<IpAddr> = self.primary.into_iter().flat_map(both).collect();
        for router in self.routers().filter(|it| self.instances[it.0].unicast.is_some()) {
            self.node.handle(Input::OwnAddresses { router, addresses: &own }, now);
        }
        for link in (0..self.node.links().len()).map(LinkId) {
            self.node.handle(Input::Link { link, facts: self.facts(link) }, now);
        }
    }

    /// Leaves word for a successor after every change, and every now and then.
    fn write_will(&mut self, cause: &Cause, actions: &[Action], now: Instant) {
        let changed = matches!(cause, Cause::Priority(..))
            || actions.iter().any(|action| matches!(action, Action::Transition(_)));
        let written = self.will.as_ref().map(|will| will.at);
        if changed || written.is_none_or(|at| now >= at + WILL_INTERVAL) {
            self.will = Some(self.node.bequeath(now));
        }
    }

    fn engine(&self) -> Node {
        Node::new(&self.instances)
            .with_last_one_standing(self.last_one_standing)
            .with_sync_groups(&self.groups)
    }

    /// Returns all that the core asks for. The kernel takes every advertisement.
    pub(crate) fn drain(&mut self) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(action) = self.node.poll_action() {
            if let Action::Advertise { router, priority } = action {
                let outcome = SendOutcome::Sent;
                let sent = Input::Sent { router, priority, outcome };
                // At the moment of the last input: time does not run backwards.
                self.node.handle(sent, Instant::default());
            }
            actions.push(action);
        }
        actions
    }

    pub(crate) fn keep(&mut self, datagram: Vec<u8>) {
        if self.mailbox.len() < MAILBOX {
            self.mailbox.push_back(datagram);
        }
    }

    /// What the host's own clock shows.
    pub(crate) fn local(&self, lan_now: Duration) -> Instant {
        Instant::default() + self.clock_offset + lan_now
    }

    /// When, on the clock of the LAN, the host's own clock shows `instant`.
    pub(crate) fn lan_time(&self, instant: Instant) -> Duration {
        instant.since(Instant::default() + self.clock_offset)
    }

    pub(crate) fn is_running(&self) -> bool {
        self.condition == Condition::Running
    }

    /// Tells whether nothing keeps the host's routers from taking part in an election.
    pub(crate) fn is_able(&self) -> bool {
        self.is_running() && self.has_link() && self.health == Health::Serving && !self.is_leaving()
    }

    /// Tells whether anything can be sent from the host's own address.
    pub(crate) fn has_link(&self) -> bool {
        self.carrier == LinkCarrier::Up && self.primary.is_some() && self.dark.is_empty()
    }

    /// Tells whether the host is to get rid of the addresses, with grace.
    pub(crate) fn is_leaving(&self) -> bool {
        self.draining || self.leaves
    }

    /// Tells whether a router hears nobody: the owner in version 2 (RFC 3768 §7.1).
    pub(crate) fn is_deaf(&self, router: RouterId) -> bool {
        let instance = self.instance(router);
        instance.version == Version::V2 && instance.priority.is_owner()
    }

    /// Tells whether what another host sends counts here, once it has crossed so many routers.
    pub(crate) fn would_hear(&self, other: &Self, vrid: Vrid, routers: u8) -> bool {
        let config = |host: &Self| host.router_of(vrid).map(|it| host.instance(it).clone());
        let (Some(ours), Some(theirs)) = (config(self), config(other)) else { return false };
        let lists = |config: &InstanceConfig, host: &Self| {
            let mut own = host.primary.into_iter().flat_map(both);
            config.unicast.is_none() || own.any(|it| config.peers().contains(&it))
        };
        ours.unicast.is_some() == theirs.unicast.is_some()
            && lists(&ours, other)
            && lists(&theirs, self)
            && theirs.hop_limit() - routers >= ours.min_hop_limit()
    }

    /// Tells whether the host is to be Active, rather than nobody, although nginx does not serve,
    /// as far as it knows of its link.
    pub(crate) fn stands_by(&self) -> bool {
        self.last_one_standing
            && !self.is_leaving()
            && matches!(self.health, Health::Failing(_))
            && self.node.facts(LINK).is_some_and(|known| {
                known.carrier == LinkCarrier::Up && known.sources.ipv4.is_some()
            })
    }

    /// Tells whether a router leaves the addresses to one of lower rank that does not hear it.
    pub(crate) fn defers(&self, router: RouterId) -> bool {
        let seen = self.node.snapshot(router);
        seen.state == State::Fault && seen.unheeded_by.is_some()
    }

    pub(crate) fn routers(&self) -> impl Iterator<Item = RouterId> + use<> {
        (0..self.instances.len()).map(RouterId)
    }

    pub(crate) fn router_of(&self, vrid: Vrid) -> Option<RouterId> {
        self.instances.iter().position(|instance| instance.vrid == vrid).map(RouterId)
    }

    pub(crate) fn holds(&self, vrid: Vrid) -> bool {
        self.router_of(vrid).is_some_and(|router| self.table.contains(&router))
    }

    pub(crate) fn instance(&self, router: RouterId) -> &InstanceConfig {
        &self.instances[router.0]
    }

    /// The priority the router is told to use.
    pub(crate) fn priority(&self, router: RouterId) -> Priority {
        if self.stands_by() {
            return Priority::new(1);
        }
        let together = self.together(router).into_iter();
        together.map(|it| self.priorities[it.0]).min().unwrap_or(Priority::OWNER)
    }

    /// The members of the sync group that a router is in; itself if it is in none.
    pub(crate) fn together(&self, router: RouterId) -> Vec<RouterId> {
        let group = self.groups.iter().find(|group| group.members.contains(&router.0));
        let members = group.map(|group| group.members.iter().copied().map(RouterId).collect());
        members.unwrap_or(vec![router])
    }

    /// The address that the host has on a link. On the second one, the order is the other way
    /// round.
    pub(crate) fn address_on(&self, link: LinkId) -> Option<Ipv4Addr> {
        let [a, b, c, last] = self.primary?.octets();
        Some(if link == LINK { self.primary? } else { Ipv4Addr::new(a, b, c, 250 - last) })
    }

    /// The link that a datagram arrives on: each virtual router of a group has its own.
    fn link_of(&self, datagram: &[u8]) -> LinkId {
        let vrid = vrid(datagram).and_then(Vrid::new);
        vrid.and_then(|vrid| self.router_of(vrid)).map_or(LINK, |it| self.node.link_of(it))
    }

    /// Tells whether a link works for what is sent or received there.
    pub(crate) fn is_dark_for(&self, datagram: &[u8]) -> bool {
        self.dark.contains(&self.link_of(datagram))
    }

    pub(crate) fn state(&self, router: RouterId) -> State {
        self.node.snapshot(router).state
    }

    fn facts(&self, link: LinkId) -> LinkFacts {
        let is_dark = self.dark.contains(&link) && self.carrier == LinkCarrier::Up;
        let carrier = if is_dark { LinkCarrier::Down } else { self.carrier };
        let ipv4 = self.address_on(link);
        let ipv6 = ipv4.map(link_local);
        LinkFacts::new(carrier, Sources { ipv4, ipv6, ..Sources::default() })
    }
}

/// The addresses that a host with this one has.
fn both(primary: Ipv4Addr) -> [IpAddr; 2] {
    [primary.into(), link_local(primary).into()]
}

fn slowest(instances: &[InstanceConfig]) -> Duration {
    instances.iter().map(|it| it.adver_interval.duration()).max().unwrap_or_default()
}

/// How old what an engine has left may be.
const WILL_INTERVAL: Duration = Duration::from_millis(100);
