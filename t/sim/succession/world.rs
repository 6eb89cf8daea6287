//! One host with its engines, one peer, and a clock that jumps from event to event.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use resty_vrrp::config::InstanceConfig;
use resty_vrrp::proto::{
    Action, Datagram, Health, Input, LinkCarrier, LinkFacts, LinkId, Node, RouterId, State,
};
use resty_vrrp::types::{Instant, Sources};

use super::engine::EngineModel;
use super::links::ConnectionModel;
use super::nginx::{BoardModel, MasterModel};
use super::oracle::WorldOracle;
use crate::packet::encoded;
use crate::setup::{A, US, Vary as _, b3, ms, us, vip};
use harness::Rng;

/// An engine: its place in [`World::engines`].
pub(super) type EngineIndex = usize;

pub(super) struct World {
    pub(super) now: Instant,
    pub(super) rng: Rng,
    pub(super) weather: Weather,
    pub(super) engines: Vec<EngineModel>,
    pub(super) masters: Vec<MasterModel>,
    pub(super) boards: Vec<BoardModel>,
    /// The door at the place where engines meet, and the engine that opened it.
    pub(super) door: Option<(u64, EngineIndex)>,
    pub(super) doors_opened: u64,
    /// The virtual routers whose addresses the kernel has.
    pub(super) addresses: BTreeSet<u8>,
    pub(super) connections: Vec<ConnectionModel>,
    pub(super) oracle: WorldOracle,
    queue: BTreeMap<(Instant, u64), Happening>,
    scheduled: u64,
    peer: Node,
    is_traced: bool,
    seed: u64,
}

/// How busy the host is, and how unreliable.
#[derive(Clone, Debug)]
pub(super) struct Weather {
    /// How long a message between engines is under way at most.
    pub(super) latency: Duration,
    /// How many messages of a hundred arrive twice.
    pub(super) doubled_percent: u64,
    /// How late an engine may wake.
    pub(super) lateness: Duration,
    /// How long `vrrp-net` may take for a turn.
    pub(super) net_delay: Duration,
    /// How long `vrrp-net` of a new engine waits for the kernel before it knows the links.
    pub(super) links_delay: Duration,
    /// How long the workers of a new generation may take to beat.
    pub(super) workers_delay: Duration,
}

/// Something that is about to happen.
#[derive(Clone, Debug)]
pub(super) enum Happening {
    Spawn {
        master: usize,
        board: usize,
        conf: Vec<InstanceConfig>,
    },
    /// Something for the loop of an engine, in one of its runs.
    Turn {
        engine: EngineIndex,
        run: u32,
        event: LoopEvent,
    },
    /// nginx tells an engine to stop.
    Stop(EngineIndex),
    /// nginx waits no longer for an engine to stop.
    StopTimeout(EngineIndex),
    /// An engine begins again after a failure.
    Restart {
        engine: EngineIndex,
        run: u32,
    },
    Resume(EngineIndex),
    NetTurn {
        engine: EngineIndex,
        run: u32,
    },
    GuardLook {
        engine: EngineIndex,
        run: u32,
    },
    /// The guard of a dead engine looks whether nginx has started another one.
    GuardWait {
        engine: EngineIndex,
        run: u32,
        since: Instant,
    },
    /// The first message under way on a connection arrives at one of its ends.
    Deliver {
        connection: usize,
        end: usize,
    },
    PeerHears(Vec<u8>),
    PeerWakes,
    Refuse(usize),
}

/// What the loop of an engine waits for.
#[derive(Clone, Debug)]
pub(super) enum LoopEvent {
    Deadline,
    LinksKnown,
    Judged(Health),
    Beat,
    LetGo,
    Datagram(Vec<u8>),
    Visited { connection: usize },
}

/// Building.
impl World {
    /// A host without nginx, beside a peer that is Backup as long as it hears somebody.
    pub(super) fn new(seed: u64) -> Self {
        let mut world = Self {
            now: Instant::from_nanos(1_000_000_000_000),
            rng: Rng::seeded(seed),
            weather: Weather {
                latency: us(200),
                doubled_percent: 0,
                lateness: us(300),
                net_delay: ms(2),
                links_delay: ms(0),
                workers_delay: ms(30),
            },
            engines: Vec::new(),
            masters: Vec::new(),
            boards: Vec::new(),
            door: None,
            doors_opened: 0,
            addresses: BTreeSet::new(),
            connections: Vec::new(),
            oracle: WorldOracle::default(),
            queue: BTreeMap::new(),
            scheduled: 0,
            peer: Node::new(&conf(100)),
            is_traced: std::env::var_os("SEED").is_some(),
            seed,
        };
        world.peer.handle(Input::Link { link: LinkId(0), facts: facts(A) }, world.now);
        world.peer.handle(Input::Health(Health::Serving), world.now);
        world.peer.handle(Input::Startup, world.now);
        world.settle_peer();
        world
    }
}

/// Time.
impl World {
    pub(super) fn run_for(&mut self, duration: Duration) {
        let end = self.now + duration;
        let mut steps = 0;
        while let Some((&(at, _), _)) = self.queue.first_key_value() {
            if at > end {
                break;
            }
            let Some((_, happening)) = self.queue.pop_first() else { break };
            steps = if at > self.now { 0 } else { steps + 1 };
            assert!(steps < 10_000, "time stands still");
            self.now = self.now.max(at);
            self.happen(happening);
            self.observe();
        }
        self.now = end;
        self.observe();
    }

    pub(super) fn schedule(&mut self, delay: Duration, happening: Happening) {
        self.scheduled += 1;
        self.queue.insert((self.now + delay, self.scheduled), happening);
    }

    /// Hands something to the loop of an engine.
    pub(super) fn post(&mut self, delay: Duration, engine: EngineIndex, event: LoopEvent) {
        let run = self.engines[engine].run;
        self.schedule(delay, Happening::Turn { engine, run, event });
    }

    fn happen(&mut self, happening: Happening) {
        if let Some(engine) = happening.process().filter(|it| self.engines[*it].is_hung()) {
            return self.engines[engine].put_off(happening);
        }
        match happening {
            Happening::Spawn { master, board, conf } => self.spawn(master, board, conf),
            Happening::Turn { engine, run, event } => self.turn(engine, run, event),
            Happening::Stop(engine) => self.ask_to_stop(engine),
            Happening::StopTimeout(engine) => self.stop_is_overdue(engine),
            Happening::Restart { engine, run } => self.restart(engine, run),
            Happening::Resume(engine) => self.resume(engine),
            Happening::NetTurn { engine, run } => self.net_turn(engine, run),
            Happening::GuardLook { engine, run } => self.guard_looks(engine, run),
            Happening::GuardWait { engine, run, since } => self.guard_waits(engine, run, since),
            Happening::Deliver { connection, end } => self.deliver(connection, end),
            Happening::PeerHears(bytes) => {
                let received = Datagram::parse_ipv4(&bytes);
                self.peer.handle(Input::Datagram { link: LinkId(0), received }, self.now);
                self.settle_peer();
            }
            Happening::PeerWakes => {
                self.peer.handle_timeout(self.now);
                self.settle_peer();
            }
            Happening::Refuse(board) => self.boards[board].is_superseded = false,
        }
    }

    pub(super) fn latency(&mut self) -> Duration {
        us(20) + self.rng.up_to(self.weather.latency)
    }

    pub(super) fn trace(&self, what: impl FnOnce() -> String) {
        if self.is_traced {
            eprintln!("{:?} {}", self.now.since(Instant::from_nanos(1_000_000_000_000)), what());
        }
    }
}

/// The peer.
impl World {
    fn settle_peer(&mut self) {
        while let Some(action) = self.peer.poll_action() {
            if let Action::Advertise { router, priority } = action {
                let datagrams = encoded(&self.peer, router, priority);
                self.trace(|| format!("peer advertises {router:?} {priority:?}"));
                if !priority.is_resigning() {
                    self.oracle.hear_the_peer(vrid(router), self.now);
                }
                for engine in 0..self.engines.len() {
                    if self.engines[engine].hears() {
                        for bytes in &datagrams {
                            self.post(us(50), engine, LoopEvent::Datagram(bytes.clone()));
                        }
                    }
                }
            }
        }
        if let Some(at) = self.peer.poll_timeout() {
            self.schedule(at.since(self.now), Happening::PeerWakes);
        }
    }

    /// Carries an advertisement of this host to the peer.
    pub(super) fn transmit(&mut self, bytes: Vec<u8>) {
        self.schedule(us(50), Happening::PeerHears(bytes));
    }

    /// Tells whether the peer is Active for any router.
    pub(super) fn peer_is_active(&self) -> bool {
        self.peer.routers().any(|router| self.peer.snapshot(router).state == State::Active)
    }
}

impl Happening {
    /// Returns in which order a loop that wakes looks at what has happened.
    pub(super) fn urgency(&self) -> u8 {
        match self {
            Self::Turn { event: LoopEvent::Deadline, .. } => 0,
            Self::Turn { event: LoopEvent::LinksKnown | LoopEvent::LetGo, .. } => 1,
            Self::Deliver { .. } | Self::Turn { event: LoopEvent::Visited { .. }, .. } => 2,
            Self::Stop(_) => 3,
            Self::Turn { event: LoopEvent::Judged(_), .. } => 4,
            Self::Turn { event: LoopEvent::Beat, .. } => 5,
            Self::Turn { event: LoopEvent::Datagram(_), .. } => 6,
            Self::NetTurn { .. }
            | Self::Spawn { .. }
            | Self::StopTimeout(_)
            | Self::Restart { .. }
            | Self::Resume(_)
            | Self::GuardLook { .. }
            | Self::GuardWait { .. }
            | Self::PeerHears(_)
            | Self::PeerWakes
            | Self::Refuse(_) => 7,
        }
    }

    /// Returns the engine whose process has to run for this.
    fn process(&self) -> Option<EngineIndex> {
        match self {
            Self::Turn { engine, .. }
            | Self::Stop(engine)
            | Self::Restart { engine, .. }
            | Self::NetTurn { engine, .. } => Some(*engine),
            Self::Spawn { .. }
            | Self::StopTimeout(_)
            | Self::Resume(_)
            | Self::GuardLook { .. }
            | Self::GuardWait { .. }
            | Self::Deliver { .. }
            | Self::PeerHears(_)
            | Self::PeerWakes
            | Self::Refuse(_) => None,
        }
    }
}

/// Two virtual routers that advertise ten times a second.
pub(super) fn conf(priority: u8) -> Vec<InstanceConfig> {
    let router = |vrid| InstanceConfig {
        addresses: vec![vip(vrid)],
        ..b3().vrid(vrid).every_cs(10).priority(priority)
    };
    VRIDS.map(router).to_vec()
}

/// Returns the VRID of a router of [`conf`].
pub(super) fn vrid(router: RouterId) -> u8 {
    VRIDS[router.0]
}

pub(super) fn facts(primary: Ipv4Addr) -> LinkFacts {
    let sources = Sources { ipv4: Some(primary), ..Sources::default() };
    LinkFacts::new(LinkCarrier::Up, sources)
}

pub(super) fn our_facts() -> LinkFacts {
    facts(US)
}

impl Drop for World {
    /// Tells how a failure can be seen again.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let thread = std::thread::current();
            let name = thread.name().unwrap_or_default();
            eprintln!("see it again: SEED={} cargo test --test sim {name}", self.seed);
        }
    }
}

pub(super) const VRIDS: [u8; 2] = [10, 11];
pub(super) const INTERVAL: Duration = Duration::from_millis(100);
