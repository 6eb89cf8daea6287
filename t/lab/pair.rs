//! Nodes with the module, among themselves.

use std::time::{Duration, Instant};

use harness::{
    Carrier, Host, Lab, Owners, Probe, Role, Signal, Sniffer, carriers, holds_for, wait_until,
};

use crate::router::{ADDRESS, PATIENCE, Router, SERVICE, SLACK, v3};

/// Two hosts and a client.
pub(crate) struct Pair {
    pub(crate) a: Host,
    pub(crate) b: Host,
    pub(crate) client: Host,
    _lab: Lab,
}

/// Runs a test with every nginx of this machine.
pub(crate) fn on_every_nginx(name: &str, test: impl Fn(&Pair, &Carrier)) {
    for carrier in carriers() {
        let lab = Lab::new(&format!("{name}, {}", carrier.version));
        let pair = Pair {
            a: lab.host("worker-01", "192.168.56.101/24"),
            b: lab.host("worker-02", "192.168.56.102/24"),
            client: lab.host("client", "192.168.56.10/24"),
            _lab: lab,
        };
        test(&pair, carrier);
    }
}

impl Pair {
    /// Gives all of them known addresses of IPv6.
    pub(crate) fn set_ipv6(&self) {
        for (host, number) in [(&self.a, 101), (&self.b, 102), (&self.client, 10)] {
            host.set_ipv6(number);
        }
    }
}

/// Checks that one router, and it alone, is active and has the address, and goes on so.
#[track_caller]
pub(crate) fn assert_settled(active: &Router, others: &[&Router]) {
    active.wait_for("active");
    for other in others {
        other.wait_for("backup");
    }
    holds_for("one router is active", Duration::from_millis(500), || {
        let states: Vec<String> =
            others.iter().chain([&active]).map(|router| router.state()).collect();
        let owners = others.iter().filter(|other| other.host.has(ADDRESS)).count();
        let right = states.last().is_some_and(|state| state == "active")
            && states.iter().filter(|state| *state == "backup").count() == others.len();
        if right && owners == 0 && active.host.has(ADDRESS) {
            Ok(())
        } else {
            Err(format!("{states:?}"))
        }
    });
}

#[test]
fn when_the_active_host_dies_the_other_takes_over_in_time() {
    on_every_nginx("the host dies", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);
        let probe = Probe::start(&lab.client, SERVICE, "/");
        probe.wait_for("worker-01", PATIENCE);

        lab.a.power_off();
        probe.wait_for("worker-02", PATIENCE);

        let report = probe.finish();
        assert!(report.outage() < v3(100).active_down_interval() + SLACK, "{report}");
        assert_eq!(b.instance().expect("it answers")["reason"], "no_response");
        b.nginx.assert_no_complaints();
    });
}

#[test]
fn a_node_that_is_stopped_resigns_and_keeps_the_address_until_the_other_has_it() {
    on_every_nginx("stop", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);
        for signal in [Signal::SIGQUIT, Signal::SIGTERM] {
            let sniffer = Sniffer::start(&lab.client);
            let start = Instant::now();
            let (owners, ()) = Owners::of(ADDRESS, &[&lab.a, &lab.b], || {
                a.nginx.signal(Role::Master, signal);
                b.wait_for("active");
                wait_until("a lets go", PATIENCE, || !lab.a.has(ADDRESS));
            });

            let after = |priority| {
                let what = format!("an advertisement of priority {priority}");
                sniffer.wait_for_advert(&what, start, PATIENCE, |it| it.priority == priority)
            };
            let (resigned, next) = (after(0), after(100));
            assert!(next.at - resigned.at < v3(100).skew_time() + SLACK);
            assert_eq!(owners.longest(|count| count == 0), Duration::ZERO, "{owners:?}");
            assert!(owners.longest(|count| count > 1) < SLACK, "{owners:?}");
            a.nginx.wait_for_the_end();
            a.nginx.assert_no_complaints();

            a.nginx.launch().expect("it starts again");
            assert_settled(&a, &[&b]);
        }
    });
}

#[test]
fn a_node_that_comes_back_takes_over_again_without_a_gap() {
    on_every_nginx("preempt", |lab, carrier| {
        let b = Router::start(&lab.b, carrier, v3(100));
        b.wait_for("active");
        let probe = Probe::start(&lab.client, SERVICE, "/");
        probe.wait_for("worker-02", PATIENCE);

        let (owners, a) = Owners::of(ADDRESS, &[&lab.a, &lab.b], || {
            let a = Router::start(&lab.a, carrier, v3(150));
            assert_settled(&a, &[&b]);
            a
        });
        probe.wait_for("worker-01", PATIENCE);

        let report = probe.finish();
        assert!(report.outage() < SLACK, "{report}");
        assert!(owners.longest(|count| count != 1) < SLACK, "{owners:?}");
        assert_eq!(a.instance().expect("it answers")["reason"], "preempted");
        assert_eq!(b.instance().expect("it answers")["reason"], "higher_priority");
    });
}

#[test]
fn without_preempt_a_node_that_comes_back_stands_by() {
    on_every_nginx("no preempt", |lab, carrier| {
        let b = Router::start(&lab.b, carrier, v3(100));
        b.wait_for("active");

        let a = Router::start(&lab.a, carrier, v3(150).with("preempt = false"));
        assert_settled(&b, &[&a]);

        lab.b.power_off();
        a.wait_for("active");
    });
}

#[test]
fn of_three_the_next_in_rank_takes_over() {
    for carrier in carriers() {
        let lab = Lab::new("three");
        let hosts = ["worker-01", "worker-02", "worker-03"]
            .map(|name| lab.host(name, &format!("192.168.56.10{}/24", &name[8..])));
        let [a, b, c] = [(0, 200), (1, 150), (2, 100)]
            .map(|(index, priority)| Router::start(&hosts[index], carrier, v3(priority)));
        assert_settled(&a, &[&b, &c]);

        hosts[0].power_off();
        assert_settled(&b, &[&c]);
        assert_eq!(c.transitions(), 1, "it has only ever begun to stand by");

        b.nginx.quit();
        assert_settled(&c, &[]);
    }
}

#[test]
fn equal_priorities_are_decided_by_the_address() {
    on_every_nginx("tie", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(100));
        let b = Router::start(&lab.b, carrier, v3(100));
        a.host.cut();
        a.wait_for("active");
        b.wait_for("active");

        a.host.heal();

        assert_settled(&b, &[&a]);
    });
}
