//! All workers hang, or the engine does: what peers see of it, and when.

use std::time::{Duration, Instant};

use harness::{
    AddressWatch, Carrier, CarrierKind, Host, Lab, Nginx, Role, Signal, Sniffer, carriers,
    eventually, holds_for, signal, wait_until,
};

use crate::guard::guards;
use crate::pair::{
    ADDRESS, Node, PATIENCE, Pair, VRID, conf, instance, on_every_pair, on_pairs_carried_by,
};
use crate::{get, logs};

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
fn an_engine_that_hangs_is_resigned_for_by_its_guard_and_listens_when_it_wakes() {
    on_every_slow_pair("hung engine", "", |pair| {
        let Slow { one, two, sniffer, .. } = pair;

        let stopped = pair.stop_the_engine_of_one();

        let (resigned, taken) = pair.wait_until_two_has_taken_over(stopped);
        let gone = one.addresses.wait_for_removal(stopped, ADDRESS, PATIENCE);
        let (after, later, gone) = (resigned - stopped, taken - resigned, gone - stopped);
        println!(
            "hung engine: resigned {after:.1?}, gone {gone:.1?}, taken over {later:.1?} later"
        );
        assert!(after < SHORT_TIMEOUT + CHECK + SLACK, "after {after:?}");
        assert!(after + SLACK > SHORT_TIMEOUT, "after {after:?}: too early");
        assert!(gone < after + SLACK, "{gone:?}");
        assert!(later < SLOW_SKEW + SLACK, "{later:?} later");
        logs(&one.nginx, "nginx lives, but its engine hangs since");
        if one.nginx.carrier().kind == CarrierKind::Agent {
            let health = get(&one.host, "/ha/healthz");
            assert_eq!(health.status, 503);
            assert!(health.body.contains("its guard has removed the addresses"), "{}", health.body);
        }

        let woken = Instant::now();
        pair.signal_the_engine_of_one(Signal::SIGCONT);
        // What its board said when it was stopped stands there until its first turn is over.
        eventually("it is active again, after it has listened", PATIENCE, || {
            let instance = get(&one.host, "/ha/status").json()["instances"][0].clone();
            let history = instance["history"].as_array().expect("a list");
            let reasons: Vec<_> = history.iter().rev().take(2).map(|it| &it["reason"]).collect();
            if reasons == ["preempted", "overslept"] { Ok(()) } else { Err(instance.to_string()) }
        });
        one.wait_for("active");
        two.wait_for("backup");
        pair.assert_one_has_listened(woken);
        wait_until("it alone has the address", PATIENCE, || one.has() && !two.has());
        logs(&one.nginx, "this engine hung, and its guard has removed the addresses");

        // The guard knows what to do, should it come to the worst now.
        let mut processes = one.nginx.pids(Role::Carrier);
        processes.extend(one.nginx.pids(Role::All));
        one.nginx.signal(Role::Master, Signal::SIGSTOP);
        let killed = Instant::now();
        signal_all(&processes, Signal::SIGKILL);
        sniffer.wait_for_advert("it resigns", killed, PATIENCE, |it| it.priority == 0);
        one.addresses.wait_for_removal(killed, ADDRESS, PATIENCE);
    });
}

#[test]
fn an_engine_that_hangs_keeps_no_address_longer_than_its_peers_wait() {
    on_every_pair("hung engine, fast", |pair, carrier| {
        let Pair { one, two, sniffer, .. } = pair;
        wait_until("the first node has a guard", PATIENCE, || guards(&one.host).len() == 1);
        let role = match carrier.kind {
            CarrierKind::Agent => Role::Carrier,
            CarrierKind::Worker => Role::Worker,
        };

        let stopped = Instant::now();
        one.nginx.signal(role, Signal::SIGSTOP);

        let taken = sniffer.wait_for_advert("the next one", stopped, PATIENCE, |it| {
            it.source == two.source() && it.priority > 0
        });
        let gone = one.addresses.wait_for_removal(stopped, ADDRESS, PATIENCE);
        let (taken, gone) = (taken.at - stopped, gone - stopped);
        println!("hung engine: taken over after {taken:.1?}, gone after {gone:.1?}");
        assert!(gone < FAST_DOWN + CHECK + SLACK, "gone after {gone:?}");
        assert!(gone > FAST_DOWN, "gone after {gone:?}: peers may not have taken over");
        let mut strange = sniffer.adverts_since(stopped);
        strange.retain(|it| it.priority == 0);
        assert!(strange.is_empty(), "nobody has to doubt who is Active: {strange:?}");

        one.nginx.signal(role, Signal::SIGCONT);
        one.wait_for("active");
        two.wait_for("backup");
    });
}

#[test]
fn an_engine_that_wakes_and_does_not_preempt_leaves_the_address_where_it_is() {
    on_every_slow_pair("hung engine, no preempt", "preempt = false, ", |pair| {
        let Slow { one, two, .. } = pair;
        let stopped = pair.stop_the_engine_of_one();
        pair.wait_until_two_has_taken_over(stopped);

        let woken = Instant::now();
        pair.signal_the_engine_of_one(Signal::SIGCONT);

        one.wait_for("backup");
        holds_for("the second node alone has the address", SLOW_INTERVAL * 4, || {
            let owners = (one.has(), two.has());
            if owners == (false, true) { Ok(()) } else { Err(format!("{owners:?}")) }
        });
        one.assert_quiet(&pair.sniffer, woken..Instant::now());
    });
}

#[test]
fn the_guard_of_an_engine_that_hangs_leaves_alone_what_its_successor_has() {
    on_every_slow_pair("hung engine, reload", "", |pair| {
        let Slow { one, two, .. } = pair;
        let hung = one.nginx.carrier_pid();

        signal(hung, Signal::SIGSTOP);
        let stopped = Instant::now();
        one.nginx.signal(Role::Master, Signal::SIGHUP);
        eventually("another engine has the routers", SHORT_TIMEOUT, || {
            let log = one.nginx.error_log();
            if log.contains("it is done without") { Ok(()) } else { Err(log) }
        });
        println!("hung engine: done without after {:.1?}", stopped.elapsed());

        eventually("the guard of the one that hangs ends", SHORT_TIMEOUT * 2, || {
            let guards = guards(&one.host);
            if guards.len() == 1 { Ok(()) } else { Err(format!("{guards:?}")) }
        });
        assert!(stopped.elapsed() > SHORT_TIMEOUT, "it did not wait to see who is in charge");
        signal(hung, Signal::SIGCONT);
        wait_until("the old one ends", PATIENCE, || !harness::is_alive(hung));
        holds_for("the first node has the address", SLOW_INTERVAL * 2, || {
            let owners = (one.has(), two.has());
            if owners == (true, false) { Ok(()) } else { Err(format!("{owners:?}")) }
        });
        pair.assert_nobody_noticed(stopped);
    });
}

#[test]
fn a_successor_that_waits_while_an_engine_is_resigned_for_listens_first() {
    listens_first(Way::ReloadBefore);
}

#[test]
fn a_successor_of_an_engine_that_was_resigned_for_listens_first() {
    listens_first(Way::Reload);
}

#[test]
fn a_carrier_that_replaces_one_whose_engine_was_resigned_for_listens_first() {
    listens_first(Way::Respawn);
}

/// Has somebody come after an engine that hangs and was resigned for.
fn listens_first(way: Way) {
    on_every_slow_pair(&format!("resigned for, {way:?}"), "", |pair| {
        let Slow { one, two, .. } = pair;
        let hung = one.nginx.carrier_pid();
        let reload = || one.nginx.signal(Role::Master, Signal::SIGHUP);
        signal(hung, Signal::SIGSTOP);
        let stopped = Instant::now();

        if way == Way::ReloadBefore {
            // The successor has learned all that there is to know, but has nothing yet.
            std::thread::sleep(SHORT_TIMEOUT.saturating_sub(CHECK));
            reload();
        }
        let (_, taken) = pair.wait_until_two_has_taken_over(stopped);
        match way {
            Way::ReloadBefore => {}
            Way::Reload => reload(),
            Way::Respawn => signal(hung, Signal::SIGKILL),
        }

        pair.sniffer.wait_for_advert("it takes over again", taken, PATIENCE, |it| {
            it.source == one.source()
        });
        pair.assert_one_has_listened(taken);
        if harness::is_alive(hung) {
            signal(hung, Signal::SIGCONT);
        }
        wait_until("the first node alone has the address", PATIENCE, || one.has() && !two.has());
        holds_for("it keeps the address", SLOW_INTERVAL, || {
            let owners = (one.has(), two.has());
            if owners == (true, false) { Ok(()) } else { Err(format!("{owners:?}")) }
        });
    });
}

#[test]
fn a_pause_of_the_whole_machine_that_peers_have_not_noticed_changes_nothing() {
    on_every_slow_pair("all paused", "", |pair| {
        let Slow { one, .. } = pair;
        let mut all = guards(&one.host);
        all.extend(one.nginx.pids(Role::Carrier));
        all.extend(one.nginx.pids(Role::All));
        let since = Instant::now();

        signal_all(&all, Signal::SIGSTOP);
        std::thread::sleep(SHORT_TIMEOUT * 2);
        // The guard wakes first.
        signal_all(&all, Signal::SIGCONT);

        std::thread::sleep(SHORT_TIMEOUT * 2);
        one.wait_for("active");
        pair.assert_nobody_noticed(since);
    });
}

/// How somebody comes after an engine that hangs, and when: before or after its guard has acted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Way {
    ReloadBefore,
    Reload,
    Respawn,
}

/// Two nodes that advertise once a second, so that peers are patient for longer than a silence that
/// counts as hung.
struct Slow {
    one: Node,
    two: Node,
    sniffer: Sniffer,
    _lab: Lab,
}

fn on_every_slow_pair(name: &str, more: &str, test: impl Fn(&Slow)) {
    for carrier in carriers() {
        let lab = Lab::new(&format!("{name}, {}", carrier.version));
        let sniffer = Sniffer::start(&lab.host("client", "192.168.56.10/24"));
        let one = start(&lab, 1, more, carrier);
        one.wait_for("active");
        let two = start(&lab, 2, more, carrier);
        two.wait_for("backup");
        wait_until("the first node has a guard", PATIENCE, || guards(&one.host).len() == 1);
        test(&Slow { one, two, sniffer, _lab: lab });
    }
}

fn signal_all(pids: &[i32], which: Signal) {
    for pid in pids {
        signal(*pid, which);
    }
}

fn start(lab: &Lab, number: u8, more: &str, carrier: &Carrier) -> Node {
    let host: Host = lab.host(&format!("worker-0{number}"), &format!("192.168.56.10{number}/24"));
    let addresses = AddressWatch::start(&host);
    let one = instance("VI_1", VRID, 200 - 50 * number, &["192.168.56.100/24"]);
    let one = one.replacen('{', &format!("{{ {more}"), 1).replace("_ms = 100", "_ms = 1000");
    let timeout = SHORT_TIMEOUT.as_millis();
    let options =
        format!("{{ health = {{ worker_timeout_ms = {timeout} }}, instances = {{ {one} }} }}");
    let nginx = Nginx::start(&host, carrier, &conf(&options));
    Node { nginx, addresses, host }
}

impl Slow {
    /// Stops the processes in which the engine of the first node hangs, and returns when.
    fn stop_the_engine_of_one(&self) -> Instant {
        let stopped = Instant::now();
        self.signal_the_engine_of_one(Signal::SIGSTOP);
        stopped
    }

    fn signal_the_engine_of_one(&self, which: Signal) {
        let nginx = &self.one.nginx;
        match nginx.carrier().kind {
            CarrierKind::Agent => nginx.signal(Role::Carrier, which),
            CarrierKind::Worker => nginx.signal(Role::Worker, which),
        }
    }

    /// Returns when the first node resigned, and when the second one took over.
    #[track_caller]
    fn wait_until_two_has_taken_over(&self, since: Instant) -> (Instant, Instant) {
        let Self { one, two, sniffer, .. } = self;
        let resigned = sniffer.wait_for_advert("a resignation", since, PATIENCE, |it| {
            it.source == one.source() && it.priority == 0
        });
        let taken = sniffer.wait_for_advert("the next one", since, PATIENCE, |it| {
            it.source == two.source() && it.priority > 0
        });
        (resigned.at, taken.at)
    }

    /// Checks that the first node had listened for as long as it must when it took over again.
    #[track_caller]
    fn assert_one_has_listened(&self, since: Instant) {
        self.one.assert_quiet(&self.sniffer, since..since + SLOW_INTERVAL * 3);
    }

    /// Checks that the first node kept the address, and no one else had it.
    #[track_caller]
    fn assert_nobody_noticed(&self, since: Instant) {
        let mut strange = self.sniffer.adverts_since(since);
        strange.retain(|it| it.source != self.one.source() || it.priority == 0);
        assert!(strange.is_empty(), "{strange:?}");
        let mut removed = self.one.addresses.since(since, ADDRESS);
        removed.retain(|event| event.removed);
        assert!(removed.is_empty(), "{removed:?}");
    }
}

const WORKER_TIMEOUT: Duration = Duration::from_secs(2);
/// How long a silence a router of priority 150 would bear at an interval of 100 ms, without skew.
const FAST_DOWN: Duration = Duration::from_millis(300);
/// Of a pair that advertises once a second.
const SHORT_TIMEOUT: Duration = Duration::from_millis(1200);
const SLOW_INTERVAL: Duration = Duration::from_secs(1);
/// Of a worker, at this timeout.
const BEAT: Duration = Duration::from_millis(500);
/// How often the beats are looked at.
const CHECK: Duration = Duration::from_millis(100);
/// What a busy machine adds.
const SLACK: Duration = Duration::from_millis(100);
/// Of priority 100 at an interval of 100 ms, rounded up.
const SKEW: Duration = Duration::from_millis(61);
/// The same at an interval of one second.
const SLOW_SKEW: Duration = Duration::from_millis(610);
