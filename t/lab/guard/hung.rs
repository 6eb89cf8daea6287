//! The guard of an engine that hangs.

use std::fs;
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use harness::{Lab, Signal, Sniffer, holds_for, wait_until};
use resty_vrrp::guard::{DoorId, Order};
use resty_vrrp::net::clock;
use resty_vrrp::status::Beat;

use super::{Nginx, PATIENCE, WORKER_TIMEOUT};

#[test]
fn what_an_engine_holds_that_hangs_is_withdrawn_and_guarded_again_when_it_wakes() {
    let lab = Lab::new("guard: hangs");
    let mut nginx = Nginx::start(&lab);
    let sniffer = Sniffer::start(&lab.host("watcher", "192.168.56.99/24"));
    let heart = Heart::of(&nginx);
    nginx.claim_for(Duration::from_secs(60), "192.168.56.100/24");
    nothing_is_removed(&nginx, MISSED * 2);
    assert!(sniffer.adverts().is_empty(), "{:?}", sniffer.adverts());

    let beaten = heart.stop();

    let advert = sniffer.wait_for_advert("it resigns", beaten, PATIENCE * 2, |_| true);
    wait_until("the address has gone", PATIENCE, || nginx.virtual_addresses().is_empty());
    let (after, gone) = (advert.at - beaten, beaten.elapsed());
    println!("resigned after {after:.1?}, gone after {gone:.1?}");
    assert_eq!(advert.priority, 0);
    assert!(after + GRAIN > MISSED && gone < MISSED + PATIENCE, "{after:?}, {gone:?}");
    let mut board = nginx.board();
    assert!(board.last_beat().is_some_and(Beat::is_withdrawn));

    assert!(board.beat(clock::now()), "it is told when it wakes");
    let heart = Heart::of(&nginx);
    nginx.claim_for(Duration::from_secs(60), "192.168.56.100/24");
    nothing_is_removed(&nginx, MISSED);
    heart.stop();
    nginx.kill_master();
    nginx.kill_carrier();
    nginx.guard_ends();
    assert!(nginx.virtual_addresses().is_empty());
}

#[test]
fn nobody_resigns_whom_peers_have_given_up_already() {
    let lab = Lab::new("guard: too late");
    let nginx = Nginx::start(&lab);
    let sniffer = Sniffer::start(&lab.host("watcher", "192.168.56.99/24"));
    let heart = Heart::of(&nginx);
    nginx.claim_for(WORKER_TIMEOUT, "192.168.56.100/24");

    heart.stop();

    wait_until("the address has gone", MISSED + PATIENCE, || nginx.virtual_addresses().is_empty());
    assert!(sniffer.adverts().is_empty(), "{:?}", sniffer.adverts());
}

#[test]
fn the_address_stays_until_the_most_patient_peer_has_taken_over() {
    let lab = Lab::new("guard: patient peers");
    let nginx = Nginx::start(&lab);
    let heart = Heart::of(&nginx);
    nginx.claim_for_peers([WORKER_TIMEOUT / 4, WORKER_TIMEOUT * 3 / 4], "192.168.56.100/24");

    let beaten = heart.stop();

    wait_until("the address has gone", MISSED + PATIENCE, || nginx.virtual_addresses().is_empty());
    let gone = beaten.elapsed();
    println!("patient peers: gone after {gone:.1?}");
    assert!(gone + GRAIN > WORKER_TIMEOUT * 3 / 4, "{gone:?}");
}

#[test]
fn nothing_happens_while_another_engine_does_what_one_did_that_hangs() {
    let lab = Lab::new("guard: hangs, replaced");
    let nginx = Nginx::start(&lab);
    let sniffer = Sniffer::start(&lab.host("watcher", "192.168.56.99/24"));
    let heart = Heart::of(&nginx);
    open_door(&nginx);
    nginx.claim_for(Duration::from_secs(60), "192.168.56.100/24");

    heart.stop();
    // The successor puts its door over this one's, so that there is always one.
    let fresh = nginx.door().with_extension("new");
    let _other = UnixListener::bind(&fresh).expect("the path is free");
    fs::rename(&fresh, nginx.door()).expect("it is in one directory");

    nginx.guard_ends();
    assert_eq!(nginx.virtual_addresses(), ["192.168.56.100"]);
    assert!(sniffer.adverts().is_empty(), "{:?}", sniffer.adverts());
}

#[test]
fn nothing_happens_while_another_engine_may_serve_that_nobody_could_meet() {
    let lab = Lab::new("guard: hangs, no door");
    let nginx = Nginx::start(&lab);
    let heart = Heart::of(&nginx);
    nginx.claim_for(Duration::from_secs(60), "192.168.56.100/24");

    nginx.board().header().superseded.store(1, Ordering::Relaxed);
    heart.stop();

    nginx.guard_ends();
    assert_eq!(nginx.virtual_addresses(), ["192.168.56.100"]);
}

#[test]
fn a_guard_that_slept_with_its_engine_gives_it_time_to_wake() {
    let lab = Lab::new("guard: all paused");
    let nginx = Nginx::start(&lab);
    let sniffer = Sniffer::start(&lab.host("watcher", "192.168.56.99/24"));
    let heart = Heart::of(&nginx);
    nginx.claim_for(Duration::from_secs(60), "192.168.56.100/24");
    let guard = nginx.find_guard().expect("it lives");

    heart.stop();
    harness::signal(guard, Signal::SIGSTOP);
    thread::sleep(MISSED * 2);
    // The guard wakes first.
    harness::signal(guard, Signal::SIGCONT);
    thread::sleep(WORKER_TIMEOUT / 2);
    let _heart = Heart::of(&nginx);

    nothing_is_removed(&nginx, MISSED * 2);
    assert!(sniffer.adverts().is_empty(), "{:?}", sniffer.adverts());
}

/// Checks that the addresses stay where they are.
#[track_caller]
fn nothing_is_removed(nginx: &Nginx, long: Duration) {
    holds_for("the address stays", long, || {
        let held = nginx.virtual_addresses();
        if held == ["192.168.56.100"] { Ok(()) } else { Err(format!("{held:?}")) }
    });
}

/// Opens the door as an engine does that has the routers, but never answers.
fn open_door(nginx: &Nginx) {
    drop(UnixListener::bind(nginx.door()).expect("the path is free"));
    nginx.order(&Order::Door(DoorId::at(&nginx.door()).expect("it is there")));
}

/// An engine that beats until this is dropped.
struct Heart {
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<Instant>>,
}

impl Heart {
    fn of(nginx: &Nginx) -> Self {
        let stopping = Arc::<AtomicBool>::default();
        let mut board = nginx.board();
        let mut beat = move || {
            let beaten = Instant::now();
            assert!(!board.beat(clock::now()), "it is given up although it beats");
            beaten
        };
        // An engine has beaten before it claims anything.
        let mut beaten = beat();
        let stopped = Arc::clone(&stopping);
        let thread = thread::spawn(move || {
            while !stopped.load(Ordering::Relaxed) {
                beaten = beat();
                thread::sleep(BEAT);
            }
            beaten
        });
        Self { stopping, thread: Some(thread) }
    }

    /// Stops it, and returns the time of its last beat, from which the guard counts.
    fn stop(mut self) -> Instant {
        self.stopping.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("it is stopped once");
        thread.join().expect("it was never given up")
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        // A test that fails already must not fail twice.
        self.thread.take().map(JoinHandle::join);
    }
}

const BEAT: Duration = Duration::from_millis(20);
/// The board keeps the time of a beat in whole milliseconds.
const GRAIN: Duration = Duration::from_millis(1);
/// When an engine counts as hung: after the timeout and one check.
const MISSED: Duration = Duration::from_millis(500);
