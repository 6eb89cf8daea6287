//! What holds after any sequence of events.

use super::*;
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    /// Time passes, and the node is woken if it wants to be.
    Sleep {
        millis: u64,
    },
    /// Time passes, and the node is woken exactly when it wants to be.
    SleepUntilTimeout,
    Hear {
        router: usize,
        priority: u8,
        last_octet: u8,
        centiseconds: u16,
    },
    Octets(Vec<u8>),
    Link(LinkCarrier, bool),
    Health(bool),
    Priority {
        router: usize,
        priority: u8,
    },
    Startup,
    Shutdown,
    Drain(bool),
    /// Time passes in which the host does not run.
    Slept {
        millis: u64,
        suspended: u64,
    },
    Withdrawn,
    Leave,
    /// A successor goes on.
    Succeed {
        millis: u64,
    },
    /// The clock of one call is behind.
    Earlier {
        millis: u64,
    },
}

fn op() -> impl Strategy<Value = Op> {
    let carrier =
        prop_oneof![Just(LinkCarrier::Missing), Just(LinkCarrier::Down), Just(LinkCarrier::Up)];
    prop_oneof![
        4 => (0_u64..5_000).prop_map(|millis| Op::Sleep { millis }),
        1 => (0_u64..100_000).prop_map(|millis| Op::Sleep { millis }),
        6 => Just(Op::SleepUntilTimeout),
        6 => (0_usize..3, any::<u8>(), 1_u8..9, 1_u16..400).prop_map(
            |(router, priority, last_octet, centiseconds)| Op::Hear {
                router, priority, last_octet, centiseconds
            }
        ),
        1 => prop::collection::vec(any::<u8>(), 0..60).prop_map(Op::Octets),
        1 => (carrier, any::<bool>()).prop_map(|(carrier, address)| Op::Link(carrier, address)),
        2 => Just(Op::Link(LinkCarrier::Up, true)),
        2 => prop::bool::weighted(0.8).prop_map(Op::Health),
        1 => (0_usize..3, any::<u8>()).prop_map(|(router, priority)| {
            Op::Priority { router, priority }
        }),
        2 => Just(Op::Startup),
        1 => Just(Op::Shutdown),
        2 => any::<bool>().prop_map(Op::Drain),
        1 => Just(Op::Withdrawn),
        1 => (0_u64..9_000, 0_u64..9_000)
            .prop_map(|(millis, suspended)| Op::Slept { millis, suspended }),
        1 => Just(Op::Leave),
        2 => (0_u64..3_000).prop_map(|millis| Op::Succeed { millis }),
        1 => (0_u64..5_000).prop_map(|millis| Op::Earlier { millis }),
    ]
}

/// Three routers: one that preempts, one of version 2 that does not, and an owner.
fn configs(delay: u64, hold: u64) -> Vec<InstanceConfig> {
    let vrid = |vrid| Vrid::new(vrid).unwrap();
    let delay = millis(delay);
    vec![
        InstanceConfig { preempt_delay: delay, startup_hold: millis(hold), ..config() },
        InstanceConfig { vrid: vrid(11), preempt: false, ..v2() },
        InstanceConfig { vrid: vrid(12), ..owner() },
    ]
}

/// A node, its clock, and what its routers have done so far.
struct Run {
    node: Node,
    now: Instant,
    configs: Vec<InstanceConfig>,
    claimed: [bool; 3],
    /// Which routers have released the addresses without a resignation since.
    owes: [bool; 3],
    /// What each router looked like after the last event.
    looks: Vec<String>,
    log: Vec<Action>,
}

impl Run {
    fn new(configs: &[InstanceConfig]) -> Self {
        let now = Instant::from_nanos(1_000_000_000_000);
        let mut run = Self {
            node: Node::new(configs),
            now,
            configs: configs.to_vec(),
            claimed: [false; 3],
            owes: [false; 3],
            looks: vec![String::new(); 3],
            log: Vec::new(),
        };
        for op in [Op::Startup, Op::Health(true), Op::Link(LinkCarrier::Up, true)] {
            run.apply(&op);
        }
        run
    }

    fn apply(&mut self, op: &Op) {
        let was: Vec<_> = self.states();
        match op {
            Op::Sleep { millis } => self.wake(self.now + Duration::from_millis(*millis)),
            Op::SleepUntilTimeout => {
                let at = self.node.poll_timeout().unwrap_or(self.now);
                self.wake(at.max(self.now));
            }
            Op::Earlier { millis } => {
                let at = self.now - Duration::from_millis(*millis);
                self.node.handle_timeout(at);
            }
            Op::Hear { router, priority, last_octet, centiseconds } => {
                let source = Ipv4Addr::new(192, 0, 2, *last_octet);
                let vrid = 10 + u8::try_from(*router).unwrap();
                let advert = Advert { vrid, ..Advert::new(*priority).from(source) };
                let advert = if *router == 1 { advert.v2() } else { advert.every(*centiseconds) };
                self.handle(arrival(LINK, &advert.datagram()));
            }
            Op::Octets(bytes) => self.handle(arrival(LINK, bytes)),
            Op::Link(carrier, address) => self.handle(link(*carrier, address.then_some(OURS))),
            Op::Health(true) => self.handle(Input::Health(Health::Serving)),
            Op::Health(false) => self.handle(failing()),
            Op::Priority { router, priority } => self.handle(Input::Priority {
                router: RouterId(*router),
                priority: Priority::new(*priority),
            }),
            Op::Startup => self.handle(Input::Startup),
            Op::Shutdown => self.handle(Input::Shutdown),
            Op::Drain(draining) => self.handle(Input::Drain(*draining)),
            Op::Slept { millis, suspended } => {
                let since = self.now;
                let [late, suspended] = [*millis, *suspended].map(Duration::from_millis);
                self.now = self.now + late;
                self.handle(Input::Slept { since, late, suspended });
            }
            Op::Withdrawn => self.handle(Input::Withdrawn),
            Op::Leave => self.handle(Input::Leave),
            Op::Succeed { millis } => return self.succeed(Duration::from_millis(*millis)),
        }
        self.check(&was);
    }

    fn handle(&mut self, input: Input<'_>) {
        self.node.handle(input, self.now);
    }

    /// Lets another node go on, which knows as much as this one.
    fn succeed(&mut self, pause: Duration) {
        let was = self.states();
        let bequests = self.node.bequeath(self.now);
        let mut heir = Node::new(&self.configs);
        if let Some(facts) = self.node.facts(LINK) {
            heir.handle(Input::Link { link: LINK, facts }, self.now);
        }
        let serving = Health::Serving;
        heir.handle(Input::Health(serving), self.now);
        self.now = self.now + pause;
        assert_eq!(heir.inherit(&bequests, self.now), Ok(Vec::new()));
        self.node = heir;
        self.claimed = [false; 3];
        self.check(&was);
    }

    fn wake(&mut self, now: Instant) {
        self.now = now;
        self.node.handle_timeout(now);
        let next = self.node.poll_timeout();
        assert!(next.is_none_or(|at| at > now), "a timer is left in the past");
    }

    fn states(&self) -> Vec<State> {
        self.node.routers().map(|id| self.node.snapshot(id).state).collect()
    }

    fn check(&mut self, was: &[State]) {
        let actions: Vec<_> = std::iter::from_fn(|| self.node.poll_action()).collect();
        assert!(actions.len() <= 3 * 8, "too much to do: {actions:?}");
        for action in &actions {
            self.check_action(action, was);
        }
        self.log.extend(actions);

        let states = self.states();
        for (claimed, state) in self.claimed.iter().zip(&states) {
            assert_eq!(*claimed, *state == State::Active, "who is Active holds the addresses");
        }
        let rests = |state: &State| matches!(state, State::Initialize | State::Fault);
        assert_eq!(self.node.poll_timeout().is_none(), states.iter().all(rests));
        for id in self.node.routers() {
            let snapshot = self.node.snapshot(id);
            assert_eq!(snapshot.fault.is_some(), snapshot.state == State::Fault);
            assert!(snapshot.history().len() <= HISTORY_LENGTH);
        }
        let looks = |id| format!("{:?}", self.node.snapshot(id));
        let looks: Vec<_> = self.node.routers().map(looks).collect();
        let changed = self.node.take_changed();
        for id in self.node.routers().filter(|id| !changed.contains(id)) {
            assert_eq!(looks[id.0], self.looks[id.0], "changed without a word");
        }
        self.looks = looks;
    }

    fn check_action(&mut self, action: &Action, was: &[State]) {
        match action {
            Action::Claim(id) => {
                assert!(!self.claimed[id.0], "claimed twice");
                self.claimed[id.0] = true;
            }
            Action::Release(id) | Action::Yield { router: id, .. } => {
                let inherited = was[id.0] == State::Active;
                assert!(self.claimed[id.0] || inherited, "released what was not claimed");
                self.claimed[id.0] = false;
                self.owes[id.0] = true;
            }
            Action::Advertise { router, priority } if priority.is_resigning() => {
                let owed = std::mem::take(&mut self.owes[router.0]);
                assert!(owed || was[router.0] == State::Active, "only an Active router resigns");
            }
            Action::Announce(id) => assert!(self.claimed[id.0], "announced what it does not hold"),
            Action::Relay { router, .. } => {
                assert!(!self.claimed[router.0], "relays what it holds already");
            }
            Action::Advertise { .. } | Action::Transition(_) | Action::Report(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_events_keeps_the_promises(
        ops in prop::collection::vec(op(), 0..60),
        delay in 0_u64..9_000,
        hold in 0_u64..9_000,
    ) {
        let configs = configs(delay, hold);
        let (mut first, mut second) = (Run::new(&configs), Run::new(&configs));

        for op in &ops {
            first.apply(op);
            second.apply(op);
        }

        prop_assert_eq!(first.log, second.log, "the same events have the same consequences");
    }

    #[test]
    fn waking_early_or_in_the_past_changes_nothing(ops in prop::collection::vec(op(), 0..60)) {
        let (mut plain, mut woken) = (Run::new(&configs(0, 0)), Run::new(&configs(0, 0)));

        for op in &ops {
            if woken.node.poll_timeout().is_none_or(|at| at > woken.now) {
                woken.apply(&Op::Sleep { millis: 0 });
                woken.apply(&Op::Earlier { millis: 700 });
            }
            plain.apply(op);
            woken.apply(op);
        }

        prop_assert_eq!(plain.log, woken.log);
    }
}
