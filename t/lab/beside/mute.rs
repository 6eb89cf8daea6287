//! A host whose own firewall keeps the router from sending.

use std::thread;
use std::time::{Duration, Instant};

use harness::{Sniffer, carriers, holds_for};

use super::{allow_vrrp, drop_vrrp, no_warning, warning, warnings};
use crate::pair::{assert_settled, on_every_nginx};
use crate::router::{ADDRESS, PATIENCE, Router, Setup, v3, v6};

#[test]
fn a_node_whose_firewall_drops_its_adverts_leaves_the_address_to_a_peer_until_it_can_send() {
    on_every_nginx("output dropped", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);
        let sniffer = Sniffer::start(&lab.client);

        drop_vrrp(&lab.a, "output");
        b.wait_for("active");
        a.wait_for("fault");

        let instance = a.instance().expect("it answers");
        assert_eq!(instance["reason"], "cannot_send");
        assert!(warning(&a, "cannot_send", PATIENCE).contains("Operation not permitted"));
        let health = lab.a.get("127.0.0.1:80", "/ha/healthz").expect("it answers");
        assert_eq!(health.status, 503, "{}", health.body);
        let quiet_since = Instant::now();
        let sent = &instance["counters"]["advertisements_sent"];
        holds_for("nothing is sent or counted", Duration::from_secs(1), || {
            let now = &a.instance()?["counters"]["advertisements_sent"];
            if now == sent { Ok(()) } else { Err(format!("{sent}, then {now}")) }
        });

        allow_vrrp(&lab.a, "output");
        assert_settled(&a, &[&b]);
        assert_eq!(warnings(&a), Ok(vec![]));
        let attempts = sniffer.adverts_since(quiet_since).into_iter().filter(|it| it.ttl != 255);
        assert_eq!(attempts.count(), 0, "an attempt has left the host");
        let log = a.nginx.error_log();
        assert_eq!(log.matches("cannot send advertisements: ").count(), 1, "{log}");
    });
}

#[test]
fn a_node_that_cannot_send_over_ipv6_leaves_the_address_to_a_peer_until_it_can() {
    on_every_nginx("output dropped over IPv6", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v6(150));
        let b = Router::start(&lab.b, carrier, v6(100));
        a.wait_for("active");
        b.wait_for("backup");
        let sniffer = Sniffer::start(&lab.client);

        drop_vrrp(&lab.a, "output");
        b.wait_for("active");
        a.wait_for("fault");
        assert_eq!(a.instance().expect("it answers")["reason"], "cannot_send");
        let quiet_since = Instant::now();

        allow_vrrp(&lab.a, "output");
        a.wait_for("active");
        b.wait_for("backup");
        let attempts = sniffer.adverts_since(quiet_since).into_iter().filter(|it| it.ttl != 255);
        assert_eq!(attempts.count(), 0, "an attempt has left the host");
        let errors = &a.instance().expect("it answers")["counters"]["errors"];
        assert_eq!(errors["ttl"], 0, "an attempt has come back");
    });
}

#[test]
fn advertisements_that_the_mtu_has_no_room_for_are_named_and_setup_refuses_them() {
    on_every_nginx("small MTU", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, Setup { addresses: &ELEVEN, ..v3(150) });
        a.wait_for("active");

        lab.a.ip("link set eth0 mtu 68");

        let text = warning(&a, "cannot_send", PATIENCE);
        let is_told = text.contains("Message too long") && text.contains("Raise the MTU");
        assert!(is_told, "{text}");
        let said = a.nginx.try_reload().expect_err("ten addresses fit");
        let why = "instances[1].addresses: 11 do not fit into an advertisement on eth0, at most 10";
        assert!(said.contains(why), "{said}");

        lab.a.ip("link set eth0 mtu 1500");
        no_warning(&a, PATIENCE);
        a.nginx.reload();
        a.wait_for("active");
    });
}

#[test]
fn a_node_that_is_alone_and_cannot_send_keeps_the_address_and_says_so() {
    for carrier in carriers() {
        let lab = harness::Lab::new(&format!("alone, {}", carrier.version));
        let host = lab.host("worker-01", "192.168.56.101/24");
        let a = Router::start(&host, carrier, v3(150));
        a.wait_for("active");
        let before = a.transitions();

        drop_vrrp(&host, "output");
        warning(&a, "cannot_send", PATIENCE);
        let sent = a.instance().expect("it answers")["counters"]["advertisements_sent"].clone();

        holds_for("it serves", Duration::from_secs(1), || {
            let instance = a.instance()?;
            let counted = &instance["counters"]["advertisements_sent"];
            let right = host.has(ADDRESS) && *counted == sent;
            if right { Ok(()) } else { Err(instance.to_string()) }
        });
        assert_eq!(a.transitions(), before);
        allow_vrrp(&host, "output");
        no_warning(&a, PATIENCE);
    }
}

#[test]
fn a_firewall_that_comes_and_goes_costs_one_move_and_few_lines_of_the_log() {
    on_every_nginx("flapping firewall", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);
        let (moves, lines) = (a.transitions(), a.nginx.error_log().lines().count());

        // For a minute.
        for _ in 0..30 {
            drop_vrrp(&lab.a, "output");
            thread::sleep(Duration::from_secs(1));
            allow_vrrp(&lab.a, "output");
            thread::sleep(Duration::from_secs(1));
        }

        let log = a.nginx.error_log();
        assert_settled(&a, &[&b]);
        assert_eq!(a.transitions() - moves, 3, "into the fault, then back: {log}");
        assert!(log.lines().count() - lines < 15, "{log}");
    });
}

/// As many as an MTU of 68 has no room for, the least there is.
const ELEVEN: [&str; 11] = [
    "192.168.56.100/24",
    "192.168.56.110/24",
    "192.168.56.111/24",
    "192.168.56.112/24",
    "192.168.56.113/24",
    "192.168.56.114/24",
    "192.168.56.115/24",
    "192.168.56.116/24",
    "192.168.56.117/24",
    "192.168.56.118/24",
    "192.168.56.119/24",
];
