//! The board between its writer and its readers, without nginx.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;
use std::{env, fs, process, thread};

use resty_vrrp::config::Config;
use resty_vrrp::runtime::{StartError, Surroundings, start};
use resty_vrrp::status::layout::{
    AddressSlot, EVENTS, EventSlot, InstanceSlot, LAYOUT, LINES, WorkerSlot, WorkerWords, text,
    untext,
};
use resty_vrrp::status::{Board, BoardError, EngineState, Page, Plan, Workers};
use resty_vrrp::types::Instant;

#[test]
fn a_reader_never_sees_half_of_two_slots() {
    let file = Scratch::new("torn");
    let mut board = Board::create(&file.0, &plan(2)).unwrap();
    let done = AtomicBool::new(false);

    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let board = Board::open(&file.0).unwrap();
            let mut seen = 0;
            while !done.load(Ordering::Relaxed) {
                let Some(slot) = board.instance(1) else { continue };
                let last = slot.history[31].at_ms;
                assert_eq!((slot.since_ms, slot.counters.address_list), (last, last));
                seen += 1;
            }
            seen
        });
        for number in 0..100_000 {
            board.publish(1, &filled_with(number));
        }
        done.store(true, Ordering::Relaxed);
        assert!(reader.join().unwrap() > 0);
    });
}

#[test]
fn a_new_writer_goes_on_after_one_that_was_killed_while_it_wrote() {
    let file = Scratch::new("killed");
    let mut board = Board::create(&file.0, &plan(1)).unwrap();
    board.publish(0, &filled_with(1));
    let offset = board.header().instances_offset.load(Ordering::Relaxed);
    let mut bytes = fs::read(&file.0).unwrap();
    bytes[offset as usize] |= 1;
    fs::write(&file.0, bytes).unwrap();

    let mut board = Board::open(&file.0).unwrap();
    assert_eq!(board.instance(0), None);
    board.publish(0, &filled_with(2));

    assert_eq!(board.instance(0).map(|slot| slot.since_ms), Some(2));
}

#[test]
fn a_board_says_what_the_plan_said() {
    let file = Scratch::new("plan");
    drop(Board::create(&file.0, &plan(3)).unwrap());

    let mut board = Board::open(&file.0).unwrap();

    assert_eq!(board.instances(), 3);
    assert_eq!(untext(&board.instance(2).unwrap().name), "VI_3");
    assert_eq!(board.addresses().len(), 1);
    board.set_assigned(0, true, true);
    assert_eq!(board.addresses()[0].assigned.load(Ordering::Relaxed), 1);
}

#[test]
fn what_is_not_a_board_is_refused() {
    let file = Scratch::new("foreign");
    fs::write(&file.0, vec![0; 100_000]).unwrap();
    assert!(matches!(Board::open(&file.0), Err(BoardError::Foreign)));

    let board = Board::create(&file.0, &plan(1)).unwrap();
    let other = LAYOUT - 1;
    board.header().layout.store(other, Ordering::Relaxed);
    assert!(matches!(Board::open(&file.0), Err(BoardError::Layout(layout)) if layout == other));

    board.header().layout.store(LAYOUT, Ordering::Relaxed);
    drop(board);
    let cut = fs::metadata(&file.0).unwrap().len() - 8;
    fs::File::options().write(true).open(&file.0).unwrap().set_len(cut).unwrap();

    assert!(matches!(Board::open(&file.0), Err(BoardError::Foreign)));
}

#[test]
fn an_engine_refuses_the_board_of_another_configuration() {
    let file = Scratch::new("other");
    let board = Board::create(&file.0, &plan(2)).unwrap();
    let options = r#"{"instances":[{"name":"VI_1","interface":"eth0","vrid":51,
        "addresses":["192.168.56.100/24"]}]}"#;
    let surroundings =
        Surroundings { master_pid: 1, board: file.0.clone(), guard: None, checks: Vec::new() };

    let started = start(Config::from_json(options).unwrap(), board, surroundings);

    assert!(matches!(started, Err(StartError::Board)), "{started:?}");
}

#[test]
fn workers_are_alive_as_long_as_they_beat() {
    let (file, page) = (Scratch::new("workers"), Scratch::new("page"));
    let board = Board::create(&file.0, &plan(1)).unwrap();
    let board = board.with_page(Page::create(&page.0).unwrap());
    let now = Instant::from_nanos(60_000_000_000);
    let timeout = Duration::from_secs(2);
    assert_eq!(board.workers(now, timeout), Workers { total: 0, alive: 0, ended: 0 });

    board.header().workers_total.store(4, Ordering::Relaxed);
    // Beaten just now, in the last moment, too late, and never.
    let mut bytes = fs::read(&page.0).unwrap();
    for (worker, beat_ms) in [60_000_u64, 58_000, 57_999, 0].into_iter().enumerate() {
        let at = std::mem::offset_of!(WorkerWords, workers) + worker * size_of::<WorkerSlot>();
        bytes[at..at + 8].copy_from_slice(&beat_ms.to_ne_bytes());
    }
    fs::write(&page.0, bytes).unwrap();

    assert_eq!(board.workers(now, timeout), Workers { total: 4, alive: 2, ended: 0 });
}

#[test]
fn what_an_engine_held_is_given_away_only_if_it_has_not_beaten_since() {
    let file = Scratch::new("beats");
    let mut engine = Board::create(&file.0, &plan(1)).unwrap();
    let guard = Board::open(&file.0).unwrap();
    let second = |seconds: u64| Instant::from_nanos(seconds * 1_000_000_000);
    assert_eq!(guard.last_beat(), None);

    assert!(!engine.beat(second(1)));
    let last = guard.last_beat().unwrap();
    assert!(!engine.beat(second(2)));
    assert!(!guard.withdraw(last), "it has beaten since");
    assert!(!engine.beat(second(3)));

    let last = guard.last_beat().unwrap();
    assert_eq!((last.at(), last.is_withdrawn()), (second(3), false));
    assert!(guard.withdraw(last));
    let last = guard.last_beat().unwrap();
    assert_eq!((last.at(), last.is_withdrawn()), (second(3), true));

    engine.beat_while_waiting(second(4));
    assert_eq!(
        guard.last_beat().map(|last| (last.at(), last.is_withdrawn())),
        Some((second(4), true))
    );
    assert!(engine.beat(second(5)), "it hears of it");
    assert!(!engine.beat(second(6)), "once");
}

#[test]
fn a_full_ring_of_events_keeps_the_newest() {
    let file = Scratch::new("events");
    let mut board = Board::create(&file.0, &plan(1)).unwrap();
    let event = |number| EventSlot {
        number,
        at_ms: 60_000 + number,
        instance: text("VI_1"),
        from: 1,
        to: 2,
        reason: 3,
        reserved: [0; 5],
    };

    for number in 1..=EVENTS as u64 + 2 {
        board.put_event(&event(number));
    }

    let board = Board::open(&file.0).unwrap();
    assert_eq!(board.header().events.load(Ordering::Relaxed), EVENTS as u64 + 2);
    assert_eq!(board.event(2), None);
    assert_eq!(board.event(3), Some(event(3)));
    assert_eq!(board.event(EVENTS as u64 + 2), Some(event(EVENTS as u64 + 2)));
    assert_eq!(board.event(EVENTS as u64 + 3), None);
}

#[test]
fn a_full_ring_of_lines_keeps_the_newest_in_their_order() {
    let file = Scratch::new("lines");
    let mut board = Board::create(&file.0, &plan(1)).unwrap();
    assert!(board.lines().is_empty());

    for number in 1..=LINES as u64 + 2 {
        board.put_line(60_000 + number, 5, &format!("line {number}"));
    }

    let lines = Board::open(&file.0).unwrap().lines();
    let numbers: Vec<_> = lines.iter().map(|line| line.number).collect();
    assert_eq!(numbers, (3..=LINES as u64 + 2).collect::<Vec<_>>());
    let first = &lines[0];
    assert_eq!((first.at_ms, first.level, untext(&first.text).as_str()), (60_003, 5, "line 3"));
}

#[test]
fn a_text_that_is_too_long_is_cut_between_two_characters() {
    assert_eq!(untext(&text::<8>("worker")), "worker");
    assert_eq!(untext(&text::<8>("worker-é")), "worker-");

    let file = Scratch::new("text");
    let mut board = Board::create(&file.0, &plan(1)).unwrap();
    board.set_engine(EngineState::Failed, &"é".repeat(1000));
    let error = &board.header().error;
    let error: Vec<u8> = error.iter().map(|octet| octet.load(Ordering::Relaxed)).collect();

    assert_eq!(untext(&error), "é".repeat(255));
}

fn filled_with(number: u64) -> InstanceSlot {
    let mut slot = InstanceSlot { since_ms: number, ..InstanceSlot::EMPTY };
    slot.counters.address_list = number;
    slot.history[31].at_ms = number;
    slot
}

fn plan(instances: usize) -> Plan {
    let named =
        |number| InstanceSlot { name: text(&format!("VI_{number}")), ..InstanceSlot::EMPTY };
    let address = AddressSlot {
        address: [0; 16],
        family: 4,
        prefix: 24,
        excluded: 0,
        assigned: AtomicU8::new(0),
        contested: AtomicU8::new(0),
        ours: AtomicU8::new(0),
        reserved: [0; 2],
        lost: AtomicU64::new(0),
        interface: [0; 16],
        label: [0; 16],
    };
    Plan {
        control: false,
        token: String::new(),
        shutdown_timeout_ms: 0,
        router_id: "worker-01".to_owned(),
        worker_timeout: Duration::from_secs(2),
        instances: (1..=instances).map(named).collect(),
        addresses: vec![address],
        peers: Vec::new(),
    }
}

/// An empty file that goes away with the test.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("resty-vrrp-board-{}-{name}", process::id()));
        fs::write(&path, "").expect("the directory for temporary files is writable");
        Self(path)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_file(&self.0).ok();
    }
}
