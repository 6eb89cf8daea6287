//! Many hosts on one link, a clock that jumps from event to event, and everything that goes wrong.
//!
//! The LAN carries out what each core asks for: advertisements travel as octets, claims and
//! releases change the host's table of addresses. After every step the [oracle](crate::oracle)
//! looks at it all.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use resty_vrrp::config::InstanceConfig;
use resty_vrrp::proto::{Action, Health, LinkCarrier, LinkId, RouterId};
use resty_vrrp::types::{Priority, Vrid};

use crate::host::{Cause, Condition, Host};
use crate::network::{Fate, Network};
use crate::oracle::Oracle;
use crate::packet::{GROUP, Packet, cross, encoded};
use crate::setup::{US, Vary as _, b3};
use crate::trace::{Deed, Record};
use crate::unity::Unity;
use harness::Rng;

pub(crate) struct Lan {
    pub(crate) now: Duration,
    pub(crate) hosts: Vec<Host>,
    pub(crate) network: Network,
    pub(crate) trace: Vec<Record>,
    /// How late a host may wake for a deadline.
    pub(crate) lateness: Duration,
    /// Whether a host that wakes from a pause looks at its socket before its clock.
    pub(crate) reads_before_waking: Option<bool>,
    pub(crate) rng: Rng,
    seed: u64,
    /// Frames under way, by arrival and then by order of sending.
    under_way: BTreeMap<(Duration, u64), (usize, Vec<u8>)>,
    frames: u64,
    oracle: Oracle,
    unity: Unity,
}

/// Building.
impl Lan {
    /// A perfect LAN without hosts.
    pub(crate) fn seeded(seed: u64) -> Self {
        Self {
            now: Duration::ZERO,
            hosts: Vec::new(),
            network: Network::perfect(),
            trace: Vec::new(),
            lateness: Duration::ZERO,
            reads_before_waking: None,
            rng: Rng::seeded(seed),
            seed,
            under_way: BTreeMap::new(),
            frames: 0,
            oracle: Oracle::default(),
            unity: Unity::default(),
        }
    }

    /// One host, `us`, with this one virtual router, started at time zero.
    pub(crate) fn of(instance: InstanceConfig) -> Self {
        Self::seeded(0).with("us", US, vec![instance])
    }

    /// Adds and starts a host with one virtual router of this priority.
    pub(crate) fn host(self, name: &'static str, priority: u8) -> Self {
        let last = u8::try_from(self.hosts.len()).expect("few hosts") + 2;
        self.with(name, Ipv4Addr::new(192, 0, 2, last), vec![b3().priority(priority)])
    }

    /// Adds and starts a host.
    pub(crate) fn with(
        mut self,
        name: &'static str,
        primary: Ipv4Addr,
        instances: Vec<InstanceConfig>,
    ) -> Self {
        self.add(name, primary, instances);
        self.restart(name);
        self
    }

    /// Adds a host that is still switched off. Its clock differs from everybody's by up to a day.
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        primary: Ipv4Addr,
        instances: Vec<InstanceConfig>,
    ) {
        let offset = self.rng.up_to(Duration::from_secs(86_400));
        self.hosts.push(Host::new(name, primary, instances, offset));
    }
}

/// What can happen to a host.
impl Lan {
    /// Switches a host on: a new process that knows nothing.
    pub(crate) fn restart(&mut self, name: &str) {
        let host = self.touch(name, "restart");
        assert_ne!(self.hosts[host].condition, Condition::Running, "{name} is running");
        self.hosts[host].boot();
        self.oracle.forget(host);
        let mut causes = vec![Cause::Startup, Cause::Health, Cause::Link];
        while !causes.is_empty() {
            let next = self.rng.index(causes.len());
            self.act(host, &causes.remove(next));
        }
    }

    /// Cuts the power.
    pub(crate) fn kill(&mut self, name: &str) {
        let host = self.touch(name, "kill");
        self.hosts[host].die();
        self.oracle.forget(host);
        self.observe();
    }

    /// Shuts a host down in an orderly way.
    pub(crate) fn stop(&mut self, name: &str) {
        let host = self.touch(name, "stop");
        self.act(host, &Cause::Shutdown);
        self.hosts[host].condition = Condition::Stopped;
        self.observe();
    }

    /// Starts a host that was stopped, in the same process.
    pub(crate) fn start(&mut self, name: &str) {
        let host = self.touch(name, "start");
        self.hosts[host].condition = Condition::Running;
        self.act(host, &Cause::Startup);
    }

    /// Replaces the engine of a host, as a reload of nginx does.
    pub(crate) fn reload(&mut self, name: &str, instances: Vec<InstanceConfig>) {
        let host = self.touch(name, "reload");
        self.hosts[host].bequeath(self.now);
        self.hosts[host].configure(instances);
        self.succeed(host);
    }

    /// Kills the engine of a host, and nothing else.
    pub(crate) fn crash(&mut self, name: &str) {
        let host = self.touch(name, "crash");
        self.hosts[host].condition = Condition::Crashed;
        self.observe();
    }

    /// Replaces an engine that crashed.
    pub(crate) fn respawn(&mut self, name: &str) {
        let host = self.touch(name, "respawn");
        self.hosts[host].condition = Condition::Running;
        self.succeed(host);
    }

    fn succeed(&mut self, host: usize) {
        self.oracle.succeed(host, &self.hosts[host]);
        self.act(host, &Cause::Succeed);
    }

    /// Tells a host to keep away from the addresses, or that it need not any more.
    pub(crate) fn drain(&mut self, name: &str, draining: bool) {
        let host = self.touch(name, &format!("drain {draining}"));
        self.hosts[host].draining = draining;
        self.act(host, &Cause::Drain(draining));
    }

    /// Tells a host whether addresses would have to wait for its kernel.
    pub(crate) fn stall(&mut self, name: &str, stalls: bool) {
        let host = self.touch(name, &format!("stall {stalls}"));
        self.act(host, &Cause::Stall(stalls));
    }

    /// Lets a host leave for good: it stops when it has.
    pub(crate) fn leave(&mut self, name: &str) {
        let host = self.touch(name, "leave");
        self.hosts[host].leaves = true;
        self.act(host, &Cause::Leave);
    }

    /// Lets a host handle nothing until [`resume`](Self::resume).
    pub(crate) fn pause(&mut self, name: &str) {
        let host = self.touch(name, "pause");
        self.hosts[host].condition = Condition::Paused;
        self.hosts[host].paused_at = self.now;
        self.observe();
    }

    pub(crate) fn resume(&mut self, name: &str) {
        let host = self.touch(name, "resume");
        self.hosts[host].condition = Condition::Running;
        self.act(host, &Cause::Slept(self.hosts[host].paused_at));
        let reads_first = self.reads_before_waking.unwrap_or_else(|| self.rng.chance(50));
        if !reads_first {
            self.act(host, &Cause::Timeout);
        }
        while let Some(datagram) = self.hosts[host].mailbox.pop_front() {
            self.act(host, &Cause::Datagram(datagram));
        }
        self.act(host, &Cause::Timeout);
        self.act(host, &Cause::Link);
    }

    pub(crate) fn link_down(&mut self, name: &str) {
        self.set_carrier(name, LinkCarrier::Down);
    }

    pub(crate) fn link_up(&mut self, name: &str) {
        self.set_carrier(name, LinkCarrier::Up);
    }

    pub(crate) fn set_carrier(&mut self, name: &str, carrier: LinkCarrier) {
        let host = self.touch(name, &format!("link {carrier:?}"));
        self.hosts[host].carrier = carrier;
        self.tell_link(host);
    }

    /// Darkens or mends the link of one virtual router.
    pub(crate) fn set_dark(&mut self, name: &str, link: usize, is_dark: bool) {
        let host = self.touch(name, &format!("link {link} dark: {is_dark}"));
        let dark = &mut self.hosts[host].dark;
        if is_dark {
            dark.insert(LinkId(link))
        } else {
            dark.remove(&LinkId(link))
        };
        self.tell_link(host);
    }

    pub(crate) fn set_primary(&mut self, name: &str, primary: Option<Ipv4Addr>) {
        let host = self.touch(name, &format!("primary address {primary:?}"));
        self.hosts[host].primary = primary;
        self.tell_link(host);
    }

    pub(crate) fn set_health(&mut self, name: &str, health: Health) {
        let host = self.touch(name, &format!("health {health:?}"));
        self.hosts[host].health = health;
        self.act(host, &Cause::Health);
    }

    pub(crate) fn set_priority(&mut self, name: &str, router: usize, priority: u8) {
        let host = self.touch(name, &format!("priority {priority}"));
        self.act(host, &Cause::Priority(RouterId(router), Priority::new(priority)));
    }

    /// A paused host, or a dead one, learns about its link when it wakes.
    fn tell_link(&mut self, host: usize) {
        if self.hosts[host].is_running() {
            self.act(host, &Cause::Link);
        }
        self.observe();
    }
}

/// What can happen to the link.
impl Lan {
    /// Nothing reaches the host, nothing leaves it.
    pub(crate) fn cut(&mut self, name: &str) {
        let lonely = self.touch(name, "cut off");
        for other in (0..self.hosts.len()).filter(|other| *other != lonely) {
            self.network.cuts.extend([(lonely, other), (other, lonely)]);
        }
        self.observe();
    }

    /// Nothing that `from` sends reaches `to`; the other way remains.
    pub(crate) fn cut_one_way(&mut self, from: &str, to: &str) {
        let from = self.touch(from, &format!("no longer heard by {to}"));
        let to = self.index(to);
        self.network.cuts.insert((from, to));
        self.observe();
    }

    /// Nothing that two hosts send for one virtual router reaches the other one.
    pub(crate) fn break_link(&mut self, vrid: u8, one: &str, other: &str) {
        let one = self.touch(one, &format!("VRID {vrid}: cut off from {other}"));
        let (vrid, other) = (Vrid::new(vrid).expect("it is not 0"), self.index(other));
        self.network.broken.extend([(vrid, one, other), (vrid, other, one)]);
        self.observe();
    }

    /// Hears everything from everybody again.
    pub(crate) fn heal(&mut self) {
        self.record(0, Deed::Touched("heal the link".to_owned()));
        self.network.broken.clear();
        self.network.cuts.clear();
        self.observe();
    }

    /// Lets every host hear a peer that is not simulated.
    pub(crate) fn hear(&mut self, packet: &Packet) {
        self.oracle.hear_stranger();
        self.hear_octets(&packet.octets());
    }

    pub(crate) fn hear_octets(&mut self, octets: &[u8]) {
        for host in 0..self.hosts.len() {
            self.deliver(host, octets.to_vec());
        }
    }
}

/// Time.
impl Lan {
    pub(crate) fn run_for(&mut self, duration: Duration) {
        self.run_until(self.now + duration);
    }

    /// Lets everything happen that happens up to and including `end`.
    pub(crate) fn run_until(&mut self, end: Duration) {
        let mut steps_at_once = 0;
        while let Some(at) = self.next_event().filter(|at| *at <= end) {
            steps_at_once = if at > self.now { 0 } else { steps_at_once + 1 };
            assert!(steps_at_once < 10_000, "time stands still at {:?}", self.now);
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
        self.observe();
    }

    pub(crate) fn next_event(&self) -> Option<Duration> {
        let frame = self.under_way.keys().next().map(|(at, _)| *at);
        frame.into_iter().chain(self.next_alarm().map(|(at, _)| at)).min()
    }

    fn next_alarm(&self) -> Option<(Duration, usize)> {
        let running = self.hosts.iter().enumerate().filter(|(_, host)| host.is_running());
        running.filter_map(|(index, host)| host.alarm.map(|(_, at)| (at, index))).min()
    }

    /// Handles the next event. What has arrived is read before the clock is looked at.
    fn step(&mut self) {
        let frame = self.under_way.keys().next().copied().filter(|(at, _)| *at <= self.now);
        if let Some((host, octets)) = frame.and_then(|frame| self.under_way.remove(&frame)) {
            self.deliver(host, octets);
        } else if let Some((_, host)) = self.next_alarm() {
            self.act(host, &Cause::Timeout);
        }
    }

    fn deliver(&mut self, host: usize, octets: Vec<u8>) {
        if self.hosts[host].carrier != LinkCarrier::Up || self.hosts[host].is_dark_for(&octets) {
            return;
        }
        match self.hosts[host].condition {
            Condition::Running => self.act(host, &Cause::Datagram(octets)),
            Condition::Paused => self.hosts[host].keep(octets),
            Condition::Crashed | Condition::Stopped | Condition::Dead => {}
        }
    }

    /// Lets a host handle one thing, and carries out what its core asks for.
    fn act(&mut self, index: usize, cause: &Cause) {
        let actions = self.hosts[index].handle(cause, self.now);
        for action in &actions {
            self.carry_out(index, action);
        }
        self.oracle.judge(self.now, index, &mut self.hosts[index], cause, &actions);
        self.arm(index);
        let host = &mut self.hosts[index];
        if host.leaves && host.is_running() && !host.node.holds_any() {
            host.condition = Condition::Stopped;
        }
        self.observe();
    }

    fn carry_out(&mut self, index: usize, action: &Action) {
        match action {
            Action::Advertise { router, priority } => self.send(index, *router, *priority),
            Action::Claim(router) => {
                self.hosts[index].table.insert(*router);
                self.record(index, Deed::Claimed(*router));
            }
            // What lingers is no affair of the election.
            Action::Release(router) | Action::Yield { router, .. } => {
                self.hosts[index].table.remove(router);
                self.record(index, Deed::Released(*router));
            }
            Action::Announce(router) => self.record(index, Deed::Announced(*router)),
            Action::Relay { .. } => {}
            Action::Transition(it) => {
                self.record(index, Deed::Became(it.router, it.to, it.reason));
            }
            Action::Report(report) => self.record(index, Deed::Reported(report.clone())),
        }
    }

    fn send(&mut self, from: usize, router: RouterId, priority: Priority) {
        let host = &self.hosts[from];
        let datagrams = encoded(&host.node, router, priority);
        if datagrams.is_empty() || host.carrier != LinkCarrier::Up {
            self.record(from, Deed::Unsent(router, priority.get()));
            return;
        }
        let vrid = host.instance(router).vrid;
        if datagrams.iter().any(|octets| host.is_dark_for(octets)) {
            self.record(from, Deed::Unsent(router, priority.get()));
            return;
        }
        for octets in &datagrams {
            let packet = Packet::read(octets);
            let to_all = packet.destination == GROUP;
            for to in 0..self.hosts.len() {
                let is_meant = to_all || self.hosts[to].primary == Some(packet.destination);
                let is_carried = self.network.carries(vrid, from, to);
                if is_meant && is_carried && (to != from || self.network.reflects) {
                    self.transmit(from, to, octets);
                }
            }
            self.record(from, Deed::Sent(router, packet));
        }
    }

    fn transmit(&mut self, from: usize, to: usize, octets: &[u8]) {
        match self.network.fate(from, to, &mut self.rng) {
            Fate::Cut => {}
            Fate::Lost => self.oracle.excuse(from, to),
            Fate::Arrives(delays) => {
                for delay in delays {
                    self.frames += 1;
                    let arrival = (self.now + delay, self.frames);
                    let mut octets = octets.to_vec();
                    cross(&mut octets, self.network.routers);
                    self.under_way.insert(arrival, (to, octets));
                }
            }
        }
    }

    /// Sets the alarm of a host to the deadline of its core, if that has changed.
    fn arm(&mut self, index: usize) {
        let host = &mut self.hosts[index];
        let deadline = host.node.poll_timeout();
        if deadline != host.alarm.map(|(deadline, _)| deadline) {
            let late = self.rng.up_to(self.lateness);
            host.alarm = deadline.map(|at| (at, host.lan_time(at).max(self.now) + late));
        }
    }

    fn observe(&mut self) {
        let late = *self.network.delay.end() + self.lateness;
        self.oracle.observe(self.now, &self.hosts, &self.network, late);
        self.unity.observe(self.now, &self.hosts, late);
    }

    fn record(&mut self, host: usize, deed: Deed) {
        let host = self.hosts.get(host).map_or("", |host| host.name);
        self.trace.push(Record { at: self.now, host, deed });
    }

    fn touch(&mut self, name: &str, what: &str) -> usize {
        let host = self.index(name);
        self.record(host, Deed::Touched(what.to_owned()));
        host
    }

    pub(crate) fn index(&self, name: &str) -> usize {
        let found = self.hosts.iter().position(|host| host.name == name);
        found.unwrap_or_else(|| panic!("there is no host {name}"))
    }
}

impl Drop for Lan {
    /// Tells how a failure can be seen again.
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let start = self.trace.len().saturating_sub(40);
        for record in &self.trace[start..] {
            eprintln!("{record}");
        }
        let thread = std::thread::current();
        let name = thread.name().unwrap_or_default();
        eprintln!("see it again: SEED={} cargo test --test sim {name}", self.seed);
    }
}
