//! A link, or a primary address, that is gone for a moment: nobody moves.

use std::thread;
use std::time::{Duration, Instant};

use harness::{Advert, Carrier, Host, Probe, Sniffer, eventually};

use crate::pair::{Pair, assert_settled, on_every_nginx};
use crate::router::{ADDRESS, PATIENCE, Router, SERVICE, Setup, v2, v3, v6};

#[test]
fn a_link_that_is_gone_for_a_fifth_of_a_second_is_dark_no_longer_and_moves_nobody() {
    nobody_moves("link blink", Host::unplug, Host::plug);
}

#[test]
fn a_link_that_is_switched_off_and_on_moves_nobody() {
    nobody_moves("link switched", Host::link_down, Host::link_up);
}

#[test]
fn a_primary_address_that_is_removed_and_put_back_moves_nobody() {
    nobody_moves("primary blink", remove_primary, |host| {
        host.ip("address add 192.168.56.101/24 brd + dev eth0");
    });
}

/// As a DHCP client does that was given another address.
#[test]
fn a_primary_address_that_is_replaced_by_another_one_moves_nobody() {
    for version in [slow_v3, v2] {
        on_every_nginx("primary replaced", |lab, carrier| {
            let calm = Calm::start(lab, carrier, version);
            for (before, after) in [("101", "111"), ("111", "121"), ("121", "101")] {
                lab.a.ip(&format!("address delete 192.168.56.{before}/24 dev eth0"));
                thread::sleep(ms(200));
                lab.a.ip(&format!("address add 192.168.56.{after}/24 brd + dev eth0"));
                let source = format!("192.168.56.{after}");
                calm.goes_on(|it| it.source.to_string() == source);
            }
            calm.assert_unbroken();
        });
    }
}

/// As network managers do that make another one of the hardware address, or of a secret.
#[test]
fn a_link_local_address_that_is_replaced_by_another_one_moves_nobody() {
    on_every_nginx("link-local replaced", |lab, carrier| {
        lab.set_ipv6();
        let a = Router::start(&lab.a, carrier, every_second(v6(150)));
        a.wait_for("active");
        let b = Router::start(&lab.b, carrier, every_second(v6(100)));
        let leads = |source: &str| {
            eventually(&format!("{source} is active"), PATIENCE, || {
                let heard = b.instance()?["active"]["address"].clone();
                if heard == source { Ok(()) } else { Err(heard.to_string()) }
            });
        };
        leads("fe80::101");
        let before = [&a, &b].map(Router::transitions);

        lab.a.ip("address add fe80::111/64 dev eth0 nodad");
        lab.a.ip("address delete fe80::101/64 dev eth0");
        leads("fe80::111");
        // The virtual one, which stays, is never spoken from.
        lab.a.ip("address delete fe80::111/64 dev eth0");
        thread::sleep(ms(200));
        lab.a.ip("address add fe80::121/64 dev eth0 nodad");
        leads("fe80::121");

        assert_eq!([&a, &b].map(Router::transitions), before);
    });
}

/// As ifupdown2 does with a bond or a VLAN: its hardware address is another one.
#[test]
fn a_link_that_is_deleted_and_made_again_at_once_moves_nobody() {
    on_every_nginx("link remade", |lab, carrier| {
        let calm = Calm::start(lab, carrier, slow_v3);
        for _ in 0..3 {
            lab.a.delete_link();
            lab.a.make_link();
            calm.goes_on(|_| true);
        }
        calm.assert_unbroken();
    });
}

#[test]
fn a_primary_address_that_stays_away_is_resigned_for_from_the_address_that_was() {
    on_every_nginx("primary gone", |lab, carrier| {
        let setup = every_second(v3(150));
        let a = Router::start(&lab.a, carrier, setup);
        let b = Router::start(&lab.b, carrier, every_second(v3(100)));
        assert_settled(&a, &[&b]);
        let sniffer = Sniffer::start(&lab.client);

        let gone = Instant::now();
        remove_primary(&lab.a);
        b.wait_for("active");

        let resigned =
            sniffer.wait_for_advert("the resignation", gone, PATIENCE, |it| it.priority == 0);
        assert_eq!(resigned.source, SOURCE);
        let after = resigned.at - gone;
        assert!((ms(900)..ms(2_400)).contains(&after), "after {after:?}");
        assert_eq!(b.instance().expect("it answers")["reason"], "resigned");
        a.wait_for("fault");
        assert_eq!(a.instance().expect("it answers")["reason"], "no_primary_address");
    });
}

#[test]
fn a_link_that_is_gone_is_a_warning_at_once_and_a_fault_before_peers_take_over() {
    on_every_nginx("link gone", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, every_second(v3(150)));
        let b = Router::start(&lab.b, carrier, every_second(v3(100)));
        assert_settled(&a, &[&b]);
        let sniffer = Sniffer::start(&lab.client);

        lab.a.unplug();
        eventually("the status says so", ms(1_500), || {
            let instance = a.instance()?;
            let named = instance["warnings"][0]["name"] == "link_interrupted";
            if named { Ok(()) } else { Err(instance.to_string()) }
        });
        assert_eq!(a.state(), "active");
        a.wait_for("fault");
        b.wait_for("active");
        let back = Instant::now();
        lab.a.plug();

        sniffer.wait_for_advert("what could not leave before", back, PATIENCE, |it| {
            it.source == SOURCE && it.priority == 0
        });
        assert_settled(&a, &[&b]);
    });
}

/// Takes something away from the active node five times, for 0.2 s: less than peers bear.
fn nobody_moves(name: &str, take: fn(&Host), give: fn(&Host)) {
    for version in [slow_v3, v2] {
        on_every_nginx(name, |lab, carrier| {
            let calm = Calm::start(lab, carrier, version);
            for _ in 0..5 {
                take(&lab.a);
                thread::sleep(ms(200));
                give(&lab.a);
                calm.goes_on(|_| true);
            }
            calm.assert_unbroken();
        });
    }
}

/// A pair of which the first is active, and a client that is served by it all the time.
struct Calm<'a> {
    lab: &'a Pair,
    a: Router,
    b: Router,
    transitions: (u64, u64),
    sniffer: Sniffer,
    start: Instant,
    probe: Probe,
}

impl<'a> Calm<'a> {
    #[track_caller]
    fn start(lab: &'a Pair, carrier: &Carrier, version: fn(u8) -> Setup) -> Self {
        let a = Router::start(&lab.a, carrier, version(150));
        let b = Router::start(&lab.b, carrier, version(100));
        assert_settled(&a, &[&b]);
        let transitions = (a.transitions(), b.transitions());
        let (sniffer, start) = (Sniffer::start(&lab.client), Instant::now());
        let probe = Probe::start(&lab.client, SERVICE, "/");
        probe.wait_for("worker-01", PATIENCE);
        Self { lab, a, b, transitions, sniffer, start, probe }
    }

    /// Waits until the first node advertises again, and serves.
    #[track_caller]
    fn goes_on(&self, is_as_wanted: impl Fn(&Advert) -> bool) {
        let back = Instant::now();
        self.sniffer.wait_for_advert("it goes on", back, PATIENCE, |it| {
            it.priority == 150 && is_as_wanted(it)
        });
        self.probe.wait_for("worker-01", PATIENCE);
        assert!(self.lab.a.has(ADDRESS));
    }

    #[track_caller]
    fn assert_unbroken(self) {
        let Self { a, b, transitions, sniffer, start, probe, .. } = self;
        assert_settled(&a, &[&b]);
        let report = probe.finish();
        assert!(report.outage() < ms(250), "{report}");
        assert_eq!((a.transitions(), b.transitions()), transitions);
        let adverts = sniffer.adverts_since(start);
        assert!(adverts.iter().all(|it| it.priority == 150), "{adverts:?}");
    }
}

fn remove_primary(host: &Host) {
    host.ip("address delete 192.168.56.101/24 dev eth0");
}

/// Version 3 with two advertisements a second.
const fn slow_v3(priority: u8) -> Setup {
    Setup { interval_ms: 500, ..v3(priority) }
}

const fn every_second(setup: Setup) -> Setup {
    Setup { interval_ms: 1000, ..setup }
}

const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

const SOURCE: std::net::Ipv4Addr = std::net::Ipv4Addr::new(192, 168, 56, 101);
