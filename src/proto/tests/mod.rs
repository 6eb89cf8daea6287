//! One node, driven by hand: what it sends, claims and shows.

mod addresses;
mod blink;
mod election;
mod families;
mod groups;
mod handover;
mod holds;
mod invariants;
mod last_resort;
mod leaving;
mod mute;
mod reception;
mod sight;
mod table;
mod timers;
mod unheeded;
mod unicast;
mod weight;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use super::*;
use crate::config::{Config, InstanceConfig};
use crate::types::{
    AddressList, Centiseconds, ChecksumForm, ChecksumPolicy, Family, GROUP_IPV4, HOP_LIMIT,
    Instant, LinkName, Priority, Sources, Version, VirtualAddress, Vrid,
};
use crate::wire::advertisement::Outgoing;
use crate::wire::ip::{Datagram, Endpoints, Envelope};

const ROUTER: RouterId = RouterId(0);
const LINK: LinkId = LinkId(0);
/// Our primary address.
const OURS: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
const LOWER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const HIGHER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 200);
const SECOND: Duration = Duration::from_secs(1);
/// Version 3, priority 100, one second: `Active_Down_Interval` and `Skew_Time`.
const DOWN: Duration = Duration::from_micros(3_609_375);
const SKEW: Duration = Duration::from_micros(609_375);

const CLAIM: Action = Action::Claim(ROUTER);
const RELEASE: Action = Action::Release(ROUTER);
const ANNOUNCE: Action = Action::Announce(ROUTER);

/// A node with its clock; it begins at some moment other than zero.
struct Subject {
    node: Node,
    now: Instant,
}

impl Subject {
    /// A node of one virtual router that was started, on a good link, under an nginx that serves.
    fn started(config: &InstanceConfig) -> Self {
        let mut subject = Self::stopped(config);
        subject.handle(Input::Startup);
        subject
    }

    /// The same before its start.
    fn stopped(config: &InstanceConfig) -> Self {
        Self::unstarted(config, Instant::from_nanos(77_000_000_000))
    }

    /// The same on a node that serves badly rather than not at all.
    fn willing(config: &InstanceConfig) -> Self {
        let Self { node, now } = Self::stopped(config);
        Self { node: node.with_last_one_standing(true), now }
    }

    fn unstarted(config: &InstanceConfig, now: Instant) -> Self {
        let node = Node::new(std::slice::from_ref(config));
        let mut subject = Self { node, now };
        subject.handle(Input::Health(Health::Serving));
        subject.handle(link_up(OURS));
        subject
    }

    /// An Active router that has done what Active routers do at first.
    fn active(config: &InstanceConfig) -> Self {
        let mut subject = Self::started(config);
        let patience = subject.timeout().unwrap();
        subject.run(patience);
        assert_eq!(subject.state(), State::Active);
        subject
    }

    fn handle(&mut self, input: Input<'_>) -> Vec<Action> {
        self.node.handle(input, self.now);
        self.drain()
    }

    fn hears(&mut self, advert: &Advert) -> Vec<Action> {
        let (envelope, payload) = advert.sent();
        let received = Ok(Datagram { envelope, payload: &payload });
        self.handle(Input::Datagram { link: LINK, received })
    }

    /// Lets time pass and wakes the node whenever it wants to be woken.
    fn run(&mut self, duration: Duration) -> Vec<(Duration, Action)> {
        let (begin, end) = (self.now, self.now + duration);
        let mut done = Vec::new();
        while let Some(at) = self.node.poll_timeout().filter(|&at| at <= end) {
            self.now = self.now.max(at);
            self.node.handle_timeout(self.now);
            done.extend(self.drain().into_iter().map(|action| (self.now - begin, action)));
        }
        self.now = end;
        done
    }

    /// Lets time pass without waking the node, then wakes it.
    fn oversleep(&mut self, duration: Duration) -> Vec<Action> {
        self.now = self.now + duration;
        self.wake()
    }

    /// Lets time pass in which the host does not run.
    fn sleep(&mut self, duration: Duration) {
        let since = self.now;
        self.now = self.now + duration;
        let suspended = Duration::ZERO;
        assert_eq!(self.handle(Input::Slept { since, late: duration, suspended }), []);
    }

    /// Lets time pass at whose end the host wakes late.
    fn wake_late(&mut self, duration: Duration, late: Duration) {
        let since = self.now;
        self.now = self.now + duration;
        self.handle(Input::Slept { since, late, suspended: Duration::ZERO });
        self.wake();
    }

    /// Suspends the machine: the clock stands still meanwhile.
    fn suspend(&mut self, suspended: Duration) -> Vec<Action> {
        self.handle(Input::Slept { since: self.now, late: Duration::ZERO, suspended })
    }

    fn wake(&mut self) -> Vec<Action> {
        self.node.handle_timeout(self.now);
        self.drain()
    }

    /// Returns when the node goes from Backup to Active if nothing more is heard.
    fn takes_over_after(&mut self) -> Duration {
        assert_eq!(self.state(), State::Backup);
        let claims = self.run(1000 * SECOND).into_iter().find(|(_, action)| *action == CLAIM);
        claims.expect("a Backup that hears nothing takes over").0
    }

    /// Returns the advertisement of the router with a priority.
    fn encoded(&self, priority: u8) -> Vec<u8> {
        let mut payload = Vec::new();
        let (group, priority) = (GROUP_IPV4.into(), Priority::new(priority));
        let envelope = self.node.encode(ROUTER, priority, group, &mut payload).unwrap();
        octets(Datagram { envelope, payload: &payload })
    }

    fn drain(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.node.poll_action()).collect()
    }

    fn snapshot(&self) -> Snapshot<'_> {
        self.node.snapshot(ROUTER)
    }

    fn state(&self) -> State {
        self.snapshot().state
    }

    fn reason(&self) -> Option<Reason> {
        self.snapshot().reason
    }

    /// Returns how long until the node wants to be woken.
    fn timeout(&self) -> Option<Duration> {
        self.node.poll_timeout().map(|at| at - self.now)
    }

    fn discarded(&self, discard: Discard) -> u64 {
        self.snapshot().discarded(discard)
    }
}

/// An advertisement of virtual router 10, as a peer sends it.
#[derive(Clone, Debug)]
struct Advert {
    version: Version,
    vrid: u8,
    priority: u8,
    source: IpAddr,
    centiseconds: u16,
    addresses: Vec<VirtualAddress>,
    form: ChecksumForm,
    /// The group, unless it is for one peer.
    destination: Option<IpAddr>,
    hop_limit: u8,
}

impl Advert {
    fn new(priority: u8) -> Self {
        Self {
            version: Version::V3,
            vrid: 10,
            priority,
            source: LOWER.into(),
            centiseconds: 100,
            addresses: addresses(),
            form: ChecksumForm::PseudoHeader,
            destination: None,
            hop_limit: HOP_LIMIT,
        }
    }

    fn to(self, destination: impl Into<IpAddr>) -> Self {
        Self { destination: Some(destination.into()), ..self }
    }

    fn v2(self) -> Self {
        Self { version: Version::V2, ..self }
    }

    fn from(self, source: impl Into<IpAddr>) -> Self {
        Self { source: source.into(), ..self }
    }

    fn every(self, centiseconds: u16) -> Self {
        Self { centiseconds, ..self }
    }

    /// Returns the whole datagram as it goes over IPv4.
    fn datagram(&self) -> Vec<u8> {
        let (envelope, payload) = self.sent();
        octets(Datagram { envelope, payload: &payload })
    }

    fn sent(&self) -> (Envelope, Vec<u8>) {
        let outgoing = Outgoing {
            version: self.version,
            vrid: Vrid::new(self.vrid).unwrap(),
            priority: Priority::new(self.priority),
            adver_interval: Centiseconds::new(self.centiseconds).unwrap(),
            auth: None,
            addresses: &self.addresses,
            checksum: self.form,
        };
        let destination = self.destination.unwrap_or(Family::of(self.source).group());
        let endpoints = Endpoints::new(self.source, destination).unwrap();
        let mut message = Vec::new();
        outgoing.emit(endpoints, &mut message);
        (Envelope { endpoints, hop_limit: self.hop_limit }, message)
    }
}

/// Version 3, virtual router 10, priority 100, one second, preempting.
fn config() -> InstanceConfig {
    let options = r#"{ "instances": [{ "name": "VI_1", "interface": "eth0", "vrid": 10,
        "addresses": ["192.0.2.1/24", "192.0.2.9/24"] }] }"#;
    Config::from_json(options).expect("it is valid").instances.remove(0)
}

fn v2() -> InstanceConfig {
    InstanceConfig { version: Version::V2, ..config() }
}

fn owner() -> InstanceConfig {
    InstanceConfig { priority: Priority::OWNER, ..config() }
}

fn addresses() -> Vec<VirtualAddress> {
    let address = |last| Ipv4Addr::new(192, 0, 2, last).into();
    [1, 9].map(|last| VirtualAddress { address: address(last), prefix: 24 }).to_vec()
}

/// Returns a datagram as it goes over IPv4.
fn octets(datagram: Datagram<'_>) -> Vec<u8> {
    [datagram.header().as_ref(), datagram.payload].concat()
}

/// Returns the arrival of an IPv4 datagram, header first.
fn arrival(link: LinkId, bytes: &[u8]) -> Input<'_> {
    Input::Datagram { link, received: Datagram::parse_ipv4(bytes) }
}

fn link_up(primary: Ipv4Addr) -> Input<'static> {
    link(LinkCarrier::Up, Some(primary))
}

fn link(carrier: LinkCarrier, source: Option<Ipv4Addr>) -> Input<'static> {
    Input::Link { link: LINK, facts: LinkFacts::new(carrier, over_ipv4(source)) }
}

fn over_ipv4(source: Option<Ipv4Addr>) -> Sources {
    Sources { ipv4: source, ..Sources::default() }
}

fn failing() -> Input<'static> {
    Input::Health(Health::Failing("2 of 2 workers silent for 2000 ms".to_owned()))
}

fn advertise(priority: u8) -> Action {
    Action::Advertise { router: ROUTER, priority: Priority::new(priority) }
}

/// What a router asks for that has just heard who is to have the addresses from now on.
fn yields(at: Instant, linger: Duration) -> Action {
    Action::Yield { router: ROUTER, until: at + linger }
}

/// Leaves out what is for the operator: what remains can be seen on the link and on the host.
fn effects(actions: Vec<Action>) -> Vec<Action> {
    let seen = |action: &Action| !matches!(action, Action::Transition(_) | Action::Report(_));
    actions.into_iter().filter(seen).collect()
}

fn timed_effects(actions: Vec<(Duration, Action)>) -> Vec<(Duration, Action)> {
    let seen = |action: &Action| !matches!(action, Action::Transition(_) | Action::Report(_));
    actions.into_iter().filter(|(_, action)| seen(action)).collect()
}

fn reports(actions: &[Action]) -> Vec<&Report> {
    let reports = actions.iter().map(|action| match action {
        Action::Report(report) => Some(report),
        Action::Advertise { .. }
        | Action::Claim(_)
        | Action::Release(_)
        | Action::Announce(_)
        | Action::Yield { .. }
        | Action::Relay { .. }
        | Action::Transition(_) => None,
    });
    reports.flatten().collect()
}

fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
