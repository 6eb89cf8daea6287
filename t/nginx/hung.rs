//! All workers hang: what peers see of it, and when.

use std::time::{Duration, Instant};

use harness::{CarrierKind, Role, Signal, holds_for};

use crate::pair::{ADDRESS, INTERVAL, PATIENCE, on_pairs_carried_by};

#[test]
fn hung_workers_are_a_fault_as_soon_as_they_are_missed() {
    on_pairs_carried_by(CarrierKind::Agent, "hung workers", |pair| {
        let (one, two) = (pair.one.source(), pair.two.source());

        let stopped = Instant::now();
        pair.one.nginx.signal(Role::Worker, Signal::SIGSTOP);

        let resigned = pair.sniffer.wait_for_advert("it resigns", stopped, PATIENCE, |it| {
            it.source == one && it.priority == 0
        });
        let taken = pair.sniffer.wait_for_advert("the next one", stopped, PATIENCE, |it| {
            it.source == two && it.priority > 0
        });
        let (after, later) = (resigned.at - stopped, taken.at - resigned.at);
        println!("hung workers: resigned after {after:.1?}, taken over {later:.1?} later");
        assert!(after < WORKER_TIMEOUT + CHECK + SLACK, "after {after:?}");
        assert!(after + BEAT + SLACK > WORKER_TIMEOUT, "after {after:?}: too early");
        assert!(later < SKEW + SLACK, "{later:?} later");
        pair.one.addresses.wait_for_removal(stopped, ADDRESS, PATIENCE);

        pair.one.nginx.signal(Role::Worker, Signal::SIGCONT);
        pair.one.wait_for("active");
    });
}

#[test]
fn an_engine_that_hangs_with_its_workers_is_done_without_and_listens_when_it_wakes() {
    on_pairs_carried_by(CarrierKind::Worker, "hung engine", |pair| {
        let (one, two) = (pair.one.source(), pair.two.source());

        let stopped = Instant::now();
        pair.one.nginx.signal(Role::Worker, Signal::SIGSTOP);

        let taken = pair.sniffer.wait_for_advert("the next one", stopped, PATIENCE, |it| {
            it.source == two && it.priority > 0
        });
        let gone = pair.one.addresses.wait_for_removal(stopped, ADDRESS, PATIENCE);
        let (taken, gone) = (taken.at - stopped, gone - stopped);
        println!("hung engine: taken over after {taken:.1?}, address gone after {gone:.1?}");
        assert!(taken < ACTIVE_DOWN + SLACK, "after {taken:?}");
        assert!(gone < LIFETIME + SLACK, "after {gone:?}");

        let woken = Instant::now();
        pair.one.nginx.signal(Role::Worker, Signal::SIGCONT);
        holds_for("it listens", INTERVAL * 3, || {
            let heard = pair.sniffer.adverts_since(woken);
            let said = heard.iter().find(|it| it.source == one);
            let has = pair.one.addresses.since(woken, ADDRESS);
            match (said, has.as_slice()) {
                (None, []) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        let status = pair.one.wait_for("active");
        let history = status["instances"][0]["history"].as_array().expect("a list").clone();
        let reasons: Vec<_> = history.iter().rev().take(2).map(|it| &it["reason"]).collect();
        assert_eq!(reasons, ["preempted", "overslept"]);
        pair.two.wait_for("backup");
    });
}

const WORKER_TIMEOUT: Duration = Duration::from_secs(2);
/// Of a worker, at this timeout.
const BEAT: Duration = Duration::from_millis(500);
/// How often the beats are looked at.
const CHECK: Duration = Duration::from_millis(100);
/// What a busy machine adds.
const SLACK: Duration = Duration::from_millis(100);
/// Of priority 100 at an interval of 100 ms, rounded up.
const SKEW: Duration = Duration::from_millis(61);
/// `Active_Down_Interval` of the same.
const ACTIVE_DOWN: Duration = Duration::from_millis(361);
/// The kernel counts whole seconds, and may round up.
const LIFETIME: Duration = Duration::from_secs(4);
