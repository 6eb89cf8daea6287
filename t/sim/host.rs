//! One host: the core, the clock it reads, and the addresses a kernel would have.

use std::collections::{BTreeSet, VecDeque};
use std::net::Ipv4Addr;
use std::time::Duration;

use resty_vrrp::config::InstanceConfig;
use resty_vrrp::proto::{
    Action, Health, Input, LinkCarrier, LinkFacts, LinkId, Node, RouterId, State,
};
use resty_vrrp::types::{Instant, Priority, Vrid};

/// The only link there is.
pub(crate) const LINK: LinkId = LinkId(0);

/// Datagrams that wait in the socket while the host is paused; further ones are dropped.
const MAILBOX: usize = 32;

pub(crate) struct Host {
    pub(crate) name: &'static str,
    pub(crate) instances: Vec<InstanceConfig>,
    pub(crate) primary: Option<Ipv4Addr>,
    pub(crate) carrier: LinkCarrier,
    pub(crate) health: Health,
    pub(crate) condition: Condition,
    pub(crate) node: Node,
    /// The addresses of these routers are on the link.
    pub(crate) table: BTreeSet<RouterId>,
    pub(crate) mailbox: VecDeque<Vec<u8>>,
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
    Link,
    Health,
    Priority(RouterId, Priority),
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
            health: Health::Serving,
            condition: Condition::Dead,
            node: Node::new(&instances),
            table: BTreeSet::new(),
            mailbox: VecDeque::new(),
            alarm: None,
            priorities: instances.iter().map(|instance| instance.priority).collect(),
            clock_offset,
            instances,
        }
    }

    /// Switches the power on: everything the last life knew is forgotten.
    pub(crate) fn boot(&mut self) {
        self.node = Node::new(&self.instances);
        self.priorities = self.instances.iter().map(|instance| instance.priority).collect();
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
            Cause::Datagram(bytes) => self.node.handle(Input::Datagram { link: LINK, bytes }, now),
            Cause::Startup => self.node.handle(Input::Startup, now),
            Cause::Link => self.node.handle(Input::Link { link: LINK, facts: self.facts() }, now),
            Cause::Health => self.node.handle(Input::Health(self.health.clone()), now),
            Cause::Priority(router, priority) => {
                if !self.priorities[router.0].is_owner() {
                    self.priorities[router.0] = Priority::new(priority.get().clamp(1, 254));
                }
                self.node.handle(Input::Priority { router: *router, priority: *priority }, now);
            }
            Cause::Shutdown => self.node.handle(Input::Shutdown, now),
        }
        self.drain()
    }

    pub(crate) fn drain(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.node.poll_action()).collect()
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
        self.is_running()
            && self.carrier == LinkCarrier::Up
            && self.primary.is_some()
            && self.health == Health::Serving
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
        self.priorities[router.0]
    }

    pub(crate) fn state(&self, router: RouterId) -> State {
        self.node.snapshot(router).state
    }

    fn facts(&self) -> LinkFacts {
        LinkFacts { carrier: self.carrier, primary: self.primary }
    }
}
