use std::fmt::Debug;
use std::fs::File;
use std::net::Ipv4Addr;
use std::os::unix::fs::FileExt;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::config::Config;
use crate::proto::{
    Action, Counters, Discard, Health, Input, LinkCarrier, LinkFacts, LinkId, Node, RouterId,
    SendOutcome, Transition,
};
use crate::runtime::board_writer::BoardWriter;
use crate::runtime::checks::PlannedCheck;
use crate::runtime::events;
use crate::runtime::kernel::{AddressFacts, Facts, RouterFacts};
use crate::runtime::view::View;
use crate::runtime::will;
use crate::status::fixture;
use crate::status::layout::{CounterSlot, EVENTS, Header};
use crate::status::{Board, Page};
use crate::succession::Will;
use crate::types::{GROUP_IPV4, Sources};
use crate::wire::ip::Datagram;

const OPTIONS: &str = r#"{"instances":[{"name":"VI_1","interface":"eth0","vrid":51,
    "addresses":["192.168.56.100/24"]}]}"#;
pub(super) const ROUTER: RouterId = RouterId(0);
pub(super) const NOW: Instant = Instant::from_nanos(3_600_123_456_789);
const PEER: Ipv4Addr = Ipv4Addr::new(192, 168, 56, 2);

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_goes_to_the_board_comes_back(
        past in past(),
        number: u64,
        name in "[a-z0-9é]{1,15}",
        verdict: (bool, Option<i16>),
        centiseconds in 1..=u16::MAX,
        address: ([u8; 16], u8),
    ) {
        let (octets, prefix) = address;
        let [a, b, c, d, ..] = octets;
        comes_back(&past)?;
        comes_back(&(number, name.clone(), past))?;
        comes_back(&Check { name, ok: verdict.0, weight: verdict.1, detail: String::new() })?;
        comes_back(&Centiseconds::new(centiseconds).expect("it is not 0"))?;
        comes_back(&ChecksumForm::Message)?;
        comes_back(&ChecksumForm::PseudoHeader)?;
        for address in [IpAddr::from(octets), IpAddr::from([a, b, c, d])] {
            comes_back(&address)?;
            comes_back(&VirtualAddress { address, prefix })?;
        }
    }

    #[test]
    fn an_octet_is_one_word_or_none(octet: u8, octets: [u8; 16]) {
        prop_assert!(State::from_board(&octet).is_none_or(|it| it.to_board() == octet));
        prop_assert!(Reason::from_board(&octet).is_none_or(|it| it.to_board() == octet));
        prop_assert!(ChecksumForm::from_board(&octet).is_none_or(|it| it.to_board() == octet));
        let family = Family::from_board(&octet);
        prop_assert!(family.is_none_or(|it| it.to_board() == octet));
        prop_assert_eq!(IpAddr::from_board(&(octet, octets)).map(Family::of), family);
    }

    #[test]
    fn what_a_killed_engine_showed_is_what_it_would_have_handed_over(
        turns in vec((0_u64..2_000_000_000, turn()), 0..80),
    ) {
        let (mut node, mut now) = (ready(), NOW);
        for (nanos, turn) in turns {
            now = now + Duration::from_nanos(nanos);
            turn.happen(&mut node, now);
        }

        let slot = instance_to_board(&node.snapshot(ROUTER));

        let handed_over = node.bequeath(now).routers.remove(0);
        let shown = as_shown(handed_over, now);
        prop_assert_eq!(bequest_from_board(&slot, now), Some(shown));
    }

    #[test]
    fn what_a_worker_scribbles_on_the_board_is_read_without_harm(
        turns in vec(turn(), 1..8),
        spots in vec((0..3, any::<u32>(), word()), 0..64),
    ) {
        let mut node = ready();
        for turn in turns {
            turn.happen(&mut node, NOW);
        }
        let ([file, _], mut board) = board();
        board.publish(0, &instance_to_board(&node.snapshot(ROUTER)));
        prop_assert!(!board.beat(NOW));
        let end = file.metadata().expect("it is open").len();
        for (region, spot, octets) in spots {
            let (begin, end) = match region {
                0 => (UNCHECKED, size_of::<Header>() as u64),
                1 => (end - SLOTS, end),
                _ => (UNCHECKED, end),
            };
            let at = begin + u64::from(spot) * 8 % (end - begin);
            file.write_all_at(&octets, at).expect("it is not sealed against that");
        }

        read_everything(&mut board, &mut node);
    }
}

#[test]
fn to_whom_a_killed_engine_had_left_the_addresses_is_on_the_board() {
    let (mut node, mut now) = (ready(), NOW);
    for _ in 0..40 {
        now = now + Duration::from_secs(1);
        Turn::Hear(1).happen(&mut node, now);
        while let Some(action) = node.poll_action() {
            if let Action::Advertise { router, priority } = action {
                let outcome = SendOutcome::Sent;
                node.handle(Input::Sent { router, priority, outcome }, now);
            }
        }
    }
    let slot = instance_to_board(&node.snapshot(ROUTER));

    let left = bequest_from_board(&slot, now).expect("the slot is whole");

    let deference = Some(Deference::to(PEER.into(), now));
    assert!(matches!(left.phase, Phase::Backup(it) if it.deference == deference), "{left:?}");
}

#[test]
fn a_backup_that_stands_on_the_board_listens_anew_whatever_else_stands_there() {
    let node = ready();
    let mut slot = instance_to_board(&node.snapshot(ROUTER));
    // The peer was silent for an hour, and would be taken for dead after nothing.
    (slot.active_last_advert_ms, slot.since_ms, slot.active_down_interval_us) = (1, 1, 0);
    (slot.adver_interval_ms, slot.priority, slot.effective_priority) = (10, 1, 254);
    let (_, mut board) = board();
    assert!(!board.beat(NOW));
    board.publish(0, &slot);
    let will = will::read(&board, &[]).map(Will::of_living_engine).expect("an engine wrote it");
    let mut heir = heir();

    heir.inherit(&will, NOW).expect("it is like any other");

    let down_interval = heir.snapshot(ROUTER).active_down_interval;
    let state_after = |heir: &mut Node, pause| {
        heir.handle_timeout(NOW + pause);
        heir.snapshot(ROUTER).state
    };
    assert_eq!(heir.snapshot(ROUTER).effective_priority, Priority::new(100));
    for part in [0, 50, 99] {
        assert_eq!(state_after(&mut heir, down_interval * part / 100), State::Backup);
    }
    assert_eq!(state_after(&mut heir, down_interval), State::Active);
}

#[test]
fn every_reason_to_discard_has_a_counter_on_the_board() {
    let node = ready();
    for discard in Discard::ALL {
        let mut counters = Counters::default();
        counters.received.count_discarded(discard);
        let mut snapshot = node.snapshot(ROUTER);
        snapshot.counters = &counters;

        assert_ne!(counters_to_board(&snapshot), CounterSlot::ZERO, "{discard}");
    }
}

/// Does all that an engine does with what stands on its board.
pub(super) fn read_everything(board: &mut Board, node: &mut Node) {
    let config = Config::from_json(OPTIONS).expect("the options are right");
    let transition = Transition {
        router: ROUTER,
        at: NOW,
        from: State::Initialize,
        to: State::Backup,
        reason: Reason::Startup,
    };

    let will = will::read(board, &[]).map(Will::of_living_engine);
    let checked = will::checks(board, &[planned()]);
    assert!(checked.len() <= 1);
    events::push(board, "VI_1", &transition);
    assert!(events::bequeath(board, true, NOW).waiting.len() <= EVENTS);
    assert!(board.workers(NOW, Duration::from_secs(1)).alive <= 1024);
    let (mut writer, mut view) = (BoardWriter::new(board, &config), View::new(board, &config));
    let address = AddressFacts { assigned: true, lost: 1, ..AddressFacts::default() };
    let facts = RouterFacts { addresses: vec![address], ..RouterFacts::default() };
    let changed = view.take_facts(&Facts { routers: vec![facts.into()], ..Facts::default() });
    writer.show_addresses(board, &view, changed, true);
    let mut changed = node.take_changed();
    changed.append(&mut view.take_changed());
    writer.beat(board, &view, node, &changed);
    writer.mirror(board, &node.bequeath(NOW));

    let Some(will) = will else { return };
    assert!(will.routers.len() <= 1 && will.addresses.is_empty());
    assert!(will.routers.iter().all(|router| !router.phase.holds()), "no guard says so");
    let mut heir = heir();
    if heir.inherit(&will, NOW).is_ok() {
        let configured = config.instances[0].priority;
        assert!(heir.snapshot(ROUTER).effective_priority <= configured, "a better router");
        heir.handle_timeout(NOW + Duration::from_secs(3));
        assert_ne!(heir.snapshot(ROUTER).state, State::Active, "it has not listened");
        heir.handle(Input::Withdrawn, NOW);
        heir.handle_timeout(NOW + Duration::from_secs(100_000));
    }
}

fn comes_back<T: BoardWord + Debug + PartialEq>(value: &T) -> Result<(), TestCaseError> {
    let back = T::from_board(&value.to_board());
    prop_assert_eq!(back.as_ref(), Some(value));
    Ok(())
}

/// Returns what the board keeps of the state of a router: see the head of the module.
fn as_shown(known: Bequest, at: Instant) -> Bequest {
    let at_priority_1 = matches!(
        known.phase,
        Phase::Active { last_resort: true, .. } | Phase::Backup(Backup { last_resort: true, .. })
    );
    let used = if at_priority_1 { known.priority } else { known.effective_priority };
    let used = used.min(known.priority);
    let history: Vec<_> =
        known.history.iter().map(|it| PastTransition { at: rounded(it.at), ..*it }).collect();
    let last = history.last().copied();
    let received = &known.counters.received;
    let mut counters = Counters {
        advertisements_sent: known.counters.advertisements_sent,
        priority_zero_sent: known.counters.priority_zero_sent,
        rivals: known.counters.rivals,
        became_active: known.counters.became_active,
        left_active: known.counters.left_active,
        ..Counters::default()
    };
    (counters.received.accepted, counters.received.priority_zero) =
        (received.accepted, received.priority_zero);
    let phase = match known.phase {
        Phase::Active { last_resort, .. } => {
            Phase::Active { adver_at: at, last_resort, blink: None }
        }
        Phase::Leaving(_) => Phase::Active { adver_at: at, last_resort: false, blink: None },
        Phase::Backup(Backup { last_resort: false, .. }) => Phase::Backup(Backup {
            down_at: at + FOR_EVER,
            doubt: Duration::ZERO,
            claim_after: at,
            adver_interval: known.adver_interval,
            preempt_after: None,
            active: None,
            resigned: None,
            takeover: Reason::NoResponse,
            last_resort: false,
            deference: None,
        }),
        Phase::Backup(_) | Phase::Initialize { .. } => {
            let hold = last.map_or(Hold::Stopped, |last| Hold::for_reason(last.reason));
            Phase::Initialize { hold, listen_first: true }
        }
    };
    Bequest {
        phase,
        counters,
        history,
        effective_priority: used,
        lowering: None,
        rival: None,
        deferred: None,
        ..known
    }
}

fn rounded(at: Instant) -> Instant {
    Instant::from_nanos(at.as_millis() * 1_000_000)
}

/// Something that happens to a router.
#[derive(Clone, Debug)]
enum Turn {
    Hear(u8),
    Serve(bool),
    Drain(bool),
    Weigh(u8),
    Plug(bool),
    Withdraw,
    Wake,
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        any::<u8>().prop_map(Turn::Hear),
        any::<bool>().prop_map(Turn::Serve),
        any::<bool>().prop_map(Turn::Drain),
        // The board shows priority 1 for nginx that does not serve.
        (2..=254_u8).prop_map(Turn::Weigh),
        any::<bool>().prop_map(Turn::Plug),
        Just(Turn::Withdraw),
        Just(Turn::Wake),
    ]
}

impl Turn {
    fn happen(&self, node: &mut Node, now: Instant) {
        let priority = |priority| Priority::new(priority);
        match *self {
            Self::Hear(sent) => {
                let (peer, mut payload) = (with_address(PEER), Vec::new());
                let group = GROUP_IPV4.into();
                let envelope = peer.encode(ROUTER, priority(sent), group, &mut payload);
                let envelope = envelope.expect("it has an address to send from");
                let received = Ok(Datagram { envelope, payload: &payload });
                node.handle(Input::Datagram { link: LinkId(0), received }, now);
            }
            Self::Serve(true) => node.handle(Input::Health(Health::Serving), now),
            Self::Serve(false) => node.handle(Input::Health(Health::Failing("x".into())), now),
            Self::Drain(draining) => node.handle(Input::Drain(draining), now),
            Self::Weigh(weighed) => {
                node.handle(Input::Priority { router: ROUTER, priority: priority(weighed) }, now);
            }
            Self::Plug(true) => {
                node.handle(link(Ipv4Addr::new(192, 168, 56, 1), LinkCarrier::Up), now);
            }
            Self::Plug(false) => node.handle(link(PEER, LinkCarrier::Down), now),
            Self::Withdraw => node.handle(Input::Withdrawn, now),
            Self::Wake => {}
        }
        node.handle_timeout(now);
    }
}

fn link(source: Ipv4Addr, carrier: LinkCarrier) -> Input<'static> {
    let sources = Sources { ipv4: Some(source), ..Sources::default() };
    Input::Link { link: LinkId(0), facts: LinkFacts::new(carrier, sources) }
}

/// Returns a node whose router runs.
pub(super) fn ready() -> Node {
    let mut node = heir();
    node.handle(Input::Startup, NOW);
    node
}

/// Returns a node that has yet to begin.
pub(super) fn heir() -> Node {
    let mut node = with_address(Ipv4Addr::new(192, 168, 56, 1)).with_last_one_standing(true);
    node.handle(Input::Health(Health::Serving), NOW);
    node
}

fn with_address(source: Ipv4Addr) -> Node {
    let config = Config::from_json(OPTIONS).expect("the options are right");
    let mut node = Node::new(&config.instances);
    node.handle(link(source, LinkCarrier::Up), NOW);
    node
}

/// Returns what a worker may write: anything, or as much as there can be.
fn word() -> impl Strategy<Value = [u8; 8]> {
    prop_oneof![any::<[u8; 8]>(), Just([0xff; 8])]
}

fn planned() -> PlannedCheck {
    PlannedCheck { name: "app".to_owned(), weight: None, timeout: Duration::ZERO, in_lua: true }
}

fn past() -> impl Strategy<Value = PastTransition> {
    let states = [State::Initialize, State::Backup, State::Active, State::Fault];
    let state = || proptest::sample::select(states.to_vec());
    (1..1_u64 << 40, state(), state(), proptest::sample::select(&Reason::ALL[..])).prop_map(
        |(millis, from, to, reason)| PastTransition {
            at: Instant::from_nanos(millis * 1_000_000),
            from,
            to,
            reason,
        },
    )
}

/// Makes the board of [`OPTIONS`], and returns its memory and that of its page.
pub(super) fn board() -> ([File; 2], Board) {
    let address = VirtualAddress { address: IpAddr::from([192, 168, 56, 100]), prefix: 24 };
    let instance = InstanceSlot { addresses: 1, ..InstanceSlot::EMPTY };
    let plan = fixture::plan(vec![instance], vec![address.to_board()]);
    let [(memory, path), (page, page_path)] = ["board", "page"].map(fixture::memory);
    let mapped = Page::create(&page_path).expect("it is small");
    let board = Board::create(&path, &plan).expect("it is small").with_page(mapped);
    ([memory, page], board)
}

/// Octets of the slots at the end of that board.
pub(super) const SLOTS: u64 = (size_of::<InstanceSlot>() + size_of::<AddressSlot>()) as u64;
/// Where the header has told where things lie, and nobody checks the rest.
pub(super) const UNCHECKED: u64 = std::mem::offset_of!(Header, workers_total) as u64;
