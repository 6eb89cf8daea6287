//! The guard of an engine that has died while the kernel still tears its process down.
//!
//! Here the process that stands for the carrier lives on: its door, its lock and its connection to
//! the guard stay as they were, as those of a large process do for up to 70 ms.

use std::fs;
use std::os::unix::net::UnixListener;
use std::thread;
use std::time::Duration;

use harness::{Lab, Signal, Sniffer, holds_for, wait_until};
use resty_vrrp::guard::{DoorId, Order};

use super::{ACTIVE_DOWN_INTERVAL, Nginx, PATIENCE};

#[test]
fn everything_is_withdrawn_before_the_carrier_is_torn_down_whoever_was_killed_first() {
    type Step = fn(&mut Nginx);
    let (master, engine): (Step, Step) = (Nginx::kill_master, |nginx| nginx.engine.die());
    for (order, first, then) in [("engine", engine, master), ("master", master, engine)] {
        for apart in [Duration::ZERO, APART] {
            println!("the {order} first, {apart:?} apart");
            let lab = Lab::new("guard: all dying");
            let mut nginx = Nginx::start(&lab);
            let sniffer = Sniffer::start(&lab.host("watcher", "192.168.56.99/24"));
            let _door = open_door(&nginx);
            nginx.claim_for(LONG, "192.168.56.100/24");

            first(&mut nginx);
            thread::sleep(apart);
            then(&mut nginx);

            wait_until("the address has gone", PATIENCE, || nginx.virtual_addresses().is_empty());
            assert!(sniffer.adverts().iter().all(|advert| advert.priority == 0));
            assert!(nginx.carrier.is_running());
            nginx.guard_ends();
        }
    }
}

#[test]
fn a_master_is_given_time_to_replace_an_engine_that_died_alone() {
    let lab = Lab::new("guard: engine alone");
    let mut nginx = Nginx::start(&lab);
    let sniffer = Sniffer::start(&lab.host("watcher", "192.168.56.99/24"));
    let _door = open_door(&nginx);
    nginx.claim_for(LONG, "192.168.56.100/24");

    nginx.engine.die();

    nothing_is_removed(&nginx);
    nginx.kill_carrier();
    nginx.respawn();
    let _other = replace_door(&nginx);
    nginx.guard_ends();
    assert_eq!(nginx.virtual_addresses(), ["192.168.56.100"]);
    assert!(sniffer.adverts().is_empty(), "{:?}", sniffer.adverts());
}

#[test]
fn a_carrier_that_is_never_torn_down_is_not_waited_for_longer_than_peers_wait() {
    let lab = Lab::new("guard: stuck in death");
    let mut nginx = Nginx::start(&lab);
    let _door = open_door(&nginx);
    nginx.claim(0, &["192.168.56.100/24"]);

    nginx.engine.die();

    let within = ACTIVE_DOWN_INTERVAL + PATIENCE;
    wait_until("the address has gone", within, || nginx.virtual_addresses().is_empty());
    nginx.guard_ends();
}

#[test]
fn nothing_happens_when_another_engine_has_taken_over_before_everything_died() {
    let lab = Lab::new("guard: dying, replaced");
    let mut nginx = Nginx::start(&lab);
    let sniffer = Sniffer::start(&lab.host("watcher", "192.168.56.99/24"));
    let _door = open_door(&nginx);
    nginx.claim(0, &["192.168.56.100/24"]);
    let _other = replace_door(&nginx);

    nginx.engine.die();
    nginx.kill_master();

    nginx.guard_ends();
    assert_eq!(nginx.virtual_addresses(), ["192.168.56.100"]);
    assert!(sniffer.adverts().is_empty(), "{:?}", sniffer.adverts());
}

#[test]
fn nothing_happens_when_the_engine_that_replaced_a_dead_one_survives_the_master() {
    let lab = Lab::new("guard: replaced, then the master");
    let mut nginx = Nginx::start(&lab);
    let sniffer = Sniffer::start(&lab.host("watcher", "192.168.56.99/24"));
    drop(open_door(&nginx));
    nginx.claim(0, &["192.168.56.100/24"]);

    nginx.kill_carrier();
    // A master starts another carrier when this one has ended, not before.
    nginx.carrier.wait(PATIENCE);
    nginx.respawn();
    nginx.kill_master();

    nginx.guard_ends();
    assert_eq!(nginx.virtual_addresses(), ["192.168.56.100"]);
    assert!(sniffer.adverts().is_empty(), "{:?}", sniffer.adverts());
}

#[test]
fn what_an_engine_said_last_counts_although_it_is_dead() {
    let lab = Lab::new("guard: last words");
    let mut nginx = Nginx::start(&lab);
    let pid = nginx.find_guard().expect("it lives");
    nginx.claim(0, &["192.168.56.100/24"]);

    // So that order and death are found at once.
    harness::signal(pid, Signal::SIGSTOP);
    nginx.order(&Order::Bye);
    nginx.engine.die();
    nginx.kill_master();
    harness::signal(pid, Signal::SIGCONT);

    nginx.guard_ends();
    assert_eq!(nginx.virtual_addresses(), ["192.168.56.100"]);
}

#[test]
fn an_engine_that_lets_go_of_its_mutex_has_not_died() {
    let lab = Lab::new("guard: let go");
    let mut nginx = Nginx::start(&lab);
    nginx.claim(0, &["192.168.56.100/24"]);

    nginx.engine.leave();
    nginx.kill_master();

    nothing_is_removed(&nginx);
    nginx.carrier.signal(Signal::SIGKILL);
    nginx.orders = None;
    nginx.lock = None;
    wait_until("the address has gone", PATIENCE, || nginx.virtual_addresses().is_empty());
}

/// Opens the door of the engine, which answers for as long as it is returned.
fn open_door(nginx: &Nginx) -> UnixListener {
    let door = UnixListener::bind(nginx.door()).expect("the path is free");
    nginx.order(&Order::Door(DoorId::at(&nginx.door()).expect("it is there")));
    door
}

/// Has another engine put its door over that of the engine.
fn replace_door(nginx: &Nginx) -> UnixListener {
    let fresh = nginx.door().with_extension("new");
    let door = UnixListener::bind(&fresh).expect("the path is free");
    fs::rename(&fresh, nginx.door()).expect("it is in one directory");
    door
}

/// Checks that the address stays where it is for longer than peers wait.
#[track_caller]
fn nothing_is_removed(nginx: &Nginx) {
    holds_for("the address stays", ACTIVE_DOWN_INTERVAL * 3 / 2, || {
        let held = nginx.virtual_addresses();
        if held == ["192.168.56.100"] { Ok(()) } else { Err(format!("{held:?}")) }
    });
}

/// As far apart as signals to all processes may arrive on a busy machine.
const APART: Duration = Duration::from_millis(3);
/// Longer than any test waits.
const LONG: Duration = Duration::from_secs(60);
