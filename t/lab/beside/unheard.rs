//! Peers that advertise, and are not heard: this host drops what they send, or they speak
//! otherwise.

use std::time::{Duration, Instant};

use harness::{Keepalived, KeepalivedConfig, Owners, holds_for};

use super::{allow_vrrp, drop_vrrp, no_warning, warning, warnings};
use crate::pair::{assert_settled, on_every_nginx};
use crate::router::{ADDRESS, Router, v3, v6};

#[test]
fn a_node_whose_own_firewall_keeps_it_deaf_leaves_the_address_to_a_higher_peer() {
    on_every_nginx("input dropped", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);

        let (owners, ()) = Owners::of(ADDRESS, &[&lab.a, &lab.b], || {
            drop_vrrp(&lab.b, "input");
            b.wait_for("fault");
        });
        let text = warning(&b, "peer_dropped_here", RARELY);
        assert!(text.starts_with("192.168.56.101 advertises, but this host drops it"), "{text}");
        assert_eq!(b.instance().expect("it answers")["reason"], "cannot_listen");
        assert_eq!(lab.b.get("127.0.0.1:80", "/ha/healthz").expect("it answers").status, 503);
        let both = owners.longest(|count| count > 1);
        println!("two owners for {both:.1?}");
        assert!(both < Duration::from_secs(5), "{owners:?}");
        b.nginx.reload();
        holds_for("it stays so, over a reload", Duration::from_secs(7), || {
            let right = b.state() == "fault" && !lab.b.has(ADDRESS) && lab.a.has(ADDRESS);
            if right { Ok(()) } else { Err(b.state()) }
        });

        allow_vrrp(&lab.b, "input");
        assert_settled(&a, &[&b]);
        no_warning(&b, RARELY);
        a.nginx.assert_no_complaints();
    });
}

#[test]
fn a_peer_that_the_own_firewall_drops_over_ipv6_is_left_the_address() {
    on_every_nginx("input dropped over IPv6", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v6(150));
        let b = Router::start(&lab.b, carrier, v6(100));
        a.wait_for("active");
        b.wait_for("backup");

        drop_vrrp(&lab.b, "input");

        let text = warning(&b, "peer_dropped_here", RARELY);
        assert!(text.starts_with("fe80::"), "{text}");
        assert!(text.ends_with("a firewall on input (nft list ruleset)"), "{text}");
        b.wait_for("fault");
        allow_vrrp(&lab.b, "input");
        b.wait_for("backup");
    });
}

#[test]
fn a_node_whose_deafness_costs_nothing_stays_active_and_says_so() {
    on_every_nginx("input dropped on the better one", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);

        // The lower one does not hear the better one, and that one drops what the lower one sends.
        drop_vrrp(&lab.a, "input");
        lab.b.drop_received(harness::Traffic::Vrrp);
        let text = warning(&a, "peer_dropped_here", RARELY);

        assert!(text.starts_with("192.168.56.102 advertises"), "{text}");
        assert_eq!(a.state(), "active");
        lab.b.heal();
        allow_vrrp(&lab.a, "input");
        assert_settled(&a, &[&b]);
    });
}

#[test]
fn a_peer_that_does_not_hear_the_active_node_is_left_the_address() {
    on_every_nginx("one way", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);

        let (owners, ()) = Owners::of(ADDRESS, &[&lab.a, &lab.b], || {
            lab.a.drop_sent(harness::Traffic::Vrrp);
            let text = warning(&a, "peer_does_not_hear_us", RARELY);
            assert!(text.starts_with("192.168.56.102 stays active"), "{text}");
            a.wait_for("fault");
        });
        let both = owners.longest(|count| count > 1);
        println!("two owners for {both:.1?}");
        assert!(both < Duration::from_secs(8), "{owners:?}");
        assert_eq!(a.instance().expect("it answers")["reason"], "peer_does_not_hear_us");
        assert_eq!(lab.a.get("127.0.0.1:80", "/ha/healthz").expect("it answers").status, 503);
        warning(&a, "peer_does_not_hear_us", RARELY);
        a.nginx.reload();
        holds_for("it stays so over a reload", Duration::from_secs(3), || {
            let right = a.state() == "fault" && !lab.a.has(ADDRESS) && lab.b.has(ADDRESS);
            if right { Ok(()) } else { Err(a.state()) }
        });

        lab.a.heal();
        b.nginx.signal(harness::Role::Master, harness::Signal::SIGTERM);
        a.wait_for("active");
        no_warning(&a, RARELY);
        a.nginx.assert_no_complaints();
    });
}

#[test]
fn a_peer_that_speaks_to_this_node_alone_is_named() {
    let instance = "unicast_src_ip 192.168.56.102\nunicast_peer {\n192.168.56.101\n}";
    let theirs = KeepalivedConfig { instance: instance.to_owned(), ..ours() };
    is_named(&theirs, "192.168.56.102 advertises to this node alone (unicast)");
}

#[test]
fn a_peer_with_an_authentication_header_is_named() {
    let instance = "authentication {\nauth_type AH\nauth_pass secret\n}";
    let theirs = KeepalivedConfig { version: 2, instance: instance.to_owned(), ..ours() };
    is_named(&theirs, "192.168.56.102 advertises with an authentication header");
}

#[test]
fn a_peer_with_our_addresses_and_another_vrid_is_named() {
    let theirs = KeepalivedConfig { vrid: 52, ..ours() };
    is_named(&theirs, "192.168.56.102 advertises vrid 52 for the same addresses");
}

/// A router that would be our peer.
fn ours() -> KeepalivedConfig {
    let addresses = vec![format!("{ADDRESS}/24")];
    KeepalivedConfig { version: 3, vrid: 51, addresses, ..KeepalivedConfig::default() }
}

/// Has keepalived speak otherwise than an active node of ours, and checks what that says of it.
fn is_named(theirs: &KeepalivedConfig, words: &str) {
    on_every_nginx("otherwise", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        a.wait_for("active");
        let keepalived = Keepalived::start(&lab.b, theirs);
        let text = warning(&a, "peer_speaks_otherwise", RARELY);
        assert!(text.starts_with(words), "{text}");
        assert_eq!(a.state(), "active");
        drop(keepalived);
        no_warning(&a, RARELY);
    });
}

#[test]
fn a_clone_with_our_own_address_is_named() {
    on_every_nginx("clone", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        a.wait_for("active");
        lab.b.ip("address delete 192.168.56.102/24 dev eth0");
        lab.b.ip("address add 192.168.56.101/24 brd + dev eth0");

        let _clone = Router::start(&lab.b, carrier, v3(150));

        let text = warning(&a, "peer_speaks_otherwise", RARELY);
        assert!(text.contains("that is the address of this node"), "{text}");
    });
}

#[test]
fn a_healthy_node_that_is_alone_looks_at_its_link_for_moments_only() {
    on_every_nginx("alone", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        a.wait_for("active");
        let started = Instant::now();
        let (mut open, mut looks) = (false, 0);

        // A packet socket of this host that receives IPv4.
        holds_for("nothing is found", Duration::from_secs(12), || {
            let is_open = lab.a.exec("cat", &["/proc/net/packet"]).contains(" 0800 ");
            looks += u32::from(is_open && !open);
            open = is_open;
            if warnings(&a)?.is_empty() { Ok(()) } else { Err("a warning".to_owned()) }
        });

        assert!((1..=2).contains(&looks), "{looks} looks within {:?}", started.elapsed());
        assert!(!open, "it is open still");
    });
}

/// Looks become rare, and are repeated as soon as there is reason to.
const RARELY: Duration = Duration::from_secs(25);
