//! One node, told what it hears octet by octet.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use resty_vrrp::config::InstanceConfig;
use resty_vrrp::proto::{
    Action, Datagram, Discard, Health, Input, LinkCarrier, LinkFacts, LinkId, Node, Problem,
    ReceiveCounters, RouterId, SendOutcome, Snapshot, State,
};
use resty_vrrp::types::{Instant, Sources};

use crate::packet::encoded;
use crate::setup::US;

/// A node that has started, on links that are up, in an nginx that serves.
pub(super) struct Station {
    node: Node,
    now: Instant,
    /// What it sent, and when.
    pub(super) sent: Vec<(Instant, Vec<u8>)>,
    /// What it told its operator.
    pub(super) told: Vec<Problem>,
}

impl Station {
    /// Starts with one virtual router, at the address that all the bases have.
    pub(super) fn of(instance: InstanceConfig) -> Self {
        Self::at(US, &[instance])
    }

    /// Starts with these virtual routers and this primary address on every link.
    pub(super) fn at(primary: Ipv4Addr, instances: &[InstanceConfig]) -> Self {
        let mut station = Self::stopped(primary, instances);
        station.tell(Input::Startup);
        station
    }

    /// Does not start.
    pub(super) fn stopped(primary: Ipv4Addr, instances: &[InstanceConfig]) -> Self {
        let node = Node::new(instances);
        let links = node.links().len();
        let now = Instant::from_nanos(1_000_000_000_000);
        let mut station = Self { node, now, sent: Vec::new(), told: Vec::new() };
        let sources = Sources { ipv4: Some(primary), ..Sources::default() };
        let facts = LinkFacts::new(LinkCarrier::Up, sources);
        for link in (0..links).map(LinkId) {
            station.tell(Input::Link { link, facts });
        }
        station.tell(Input::Health(Health::Serving));
        station
    }

    /// Hears a datagram on the first link.
    pub(super) fn hear(&mut self, bytes: &[u8]) {
        self.hear_on(LinkId(0), bytes);
    }

    pub(super) fn hear_on(&mut self, link: LinkId, bytes: &[u8]) {
        self.tell(Input::Datagram { link, received: Datagram::parse_ipv4(bytes) });
    }

    pub(super) fn shut_down(&mut self) {
        self.tell(Input::Shutdown);
    }

    /// Lets time pass, and wakes the node whenever it wants to be woken.
    pub(super) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(at) = self.node.poll_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.node.handle_timeout(self.now);
            self.carry_out();
        }
        self.now = end;
    }

    /// Lets time pass until the first router is Active, and returns how long that took.
    pub(super) fn run_until_active(&mut self) -> Duration {
        let start = self.now;
        while self.state() != State::Active {
            let at = self.node.poll_timeout().expect("a Backup has a deadline");
            self.run_for(at - self.now);
        }
        self.now - start
    }

    /// The first router as it is now.
    pub(super) fn snapshot(&self) -> Snapshot<'_> {
        self.snapshot_of(0)
    }

    pub(super) fn snapshot_of(&self, router: usize) -> Snapshot<'_> {
        self.node.snapshot(RouterId(router))
    }

    pub(super) fn state(&self) -> State {
        self.snapshot().state
    }

    /// What the first router counted of what it heard.
    pub(super) fn heard(&self) -> ReceiveCounters {
        self.snapshot().counters.received
    }

    /// Every reason for which something was discarded for the first router or on its link, and how
    /// often.
    pub(super) fn discarded(&self) -> Vec<(Discard, u64)> {
        let snapshot = self.snapshot();
        let counted = Discard::ALL.map(|discard| (discard, snapshot.discarded(discard)));
        counted.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// The last VRRP message sent.
    pub(super) fn last_message(&self) -> &[u8] {
        let (_, datagram) = self.sent.last().expect("something was sent");
        &datagram[20..]
    }

    /// Everything about the first router that a datagram may move, but for counters.
    pub(super) fn standing(&self) -> Standing {
        let snapshot = self.snapshot();
        Standing {
            state: snapshot.state,
            transitions: snapshot.transitions,
            deadline: self.node.poll_timeout(),
            active: snapshot.active.map(|active| active.address),
            active_down_interval: snapshot.active_down_interval,
            sent: self.sent.len(),
        }
    }

    fn tell(&mut self, input: Input<'_>) {
        self.node.handle(input, self.now);
        self.carry_out();
    }

    fn carry_out(&mut self) {
        while let Some(action) = self.node.poll_action() {
            match action {
                Action::Advertise { router, priority } => {
                    for octets in encoded(&self.node, router, priority) {
                        self.sent.push((self.now, octets));
                    }
                    let outcome = SendOutcome::Sent;
                    self.node.handle(Input::Sent { router, priority, outcome }, self.now);
                }
                Action::Report(report) => self.told.push(report.problem),
                Action::Claim(_)
                | Action::Release(_)
                | Action::Announce(_)
                | Action::Yield { .. }
                | Action::Relay { .. }
                | Action::Transition(_) => {}
            }
        }
    }
}

/// What must not change when something is discarded.
#[derive(Debug, PartialEq)]
pub(super) struct Standing {
    state: State,
    transitions: u64,
    deadline: Option<Instant>,
    active: Option<IpAddr>,
    active_down_interval: Duration,
    sent: usize,
}
