//! Cables, links, addresses and rubbish: what happens to a pair besides a clean death.

use std::net::Ipv4Addr;
use std::thread;
use std::time::{Duration, Instant};

use harness::{
    Host, Owners, Probe, Sniffer, StuckThread, Traffic, eventually, holds_for, wait_until,
};

use crate::pair::{assert_settled, on_every_nginx};
use crate::router::{ADDRESS, PATIENCE, Router, SERVICE, SLACK, v3};

#[test]
fn when_a_partition_heals_the_lower_one_steps_down_and_the_client_is_not_lost() {
    on_every_nginx("partition", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);
        lab.a.cut();
        b.wait_for("active");
        assert_eq!(a.state(), "active", "it cannot know");
        let probe = Probe::start(&lab.client, SERVICE, "/");
        probe.wait_for("worker-02", PATIENCE);

        let sniffer = Sniffer::start(&lab.client);
        let healed = Instant::now();
        lab.a.heal();
        probe.wait_for("worker-01", PATIENCE);
        assert_settled(&a, &[&b]);

        let report = probe.finish();
        assert!(report.outage() < SLACK, "{report}");
        let announced = sniffer.wait_for_announcement(ADDRESS, healed, PATIENCE);
        assert_eq!(announced.mac, lab.a.mac(), "the winner announces");
        assert_eq!(a.transitions(), 2, "it has begun to stand by, then served all the time");
    });
}

#[test]
fn while_the_adverts_of_the_active_node_are_lost_on_the_way_it_stays_and_order_returns() {
    on_every_nginx("one way", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);

        lab.a.drop_sent(Traffic::Vrrp);
        b.wait_for("active");
        assert_eq!(a.state(), "active", "it hears a lower one only");
        lab.a.heal();

        assert_settled(&a, &[&b]);
        assert_eq!(a.transitions(), 2, "it has begun to stand by, then served all the time");
    });
}

#[test]
fn a_node_that_cannot_be_reached_by_adverts_does_not_disturb_the_active_one() {
    on_every_nginx("deaf", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);
        let before = a.transitions();

        lab.b.drop_received(Traffic::Vrrp);
        b.wait_for("active");
        lab.b.heal();

        assert_settled(&a, &[&b]);
        assert_eq!(a.transitions(), before);
    });
}

#[test]
fn an_address_that_somebody_removes_is_put_back_and_announced() {
    on_every_nginx("removed", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        a.wait_for("active");
        let before = a.transitions();
        for _ in 0..3 {
            let sniffer = Sniffer::start(&lab.client);
            let start = Instant::now();

            lab.a.ip(&format!("address delete {ADDRESS}/24 dev eth0"));

            wait_until("the address is back", Duration::from_millis(100) + SLACK, || {
                lab.a.has(ADDRESS)
            });
            sniffer.wait_for_announcement(ADDRESS, start, PATIENCE);
        }
        assert_eq!(a.transitions(), before, "no transition");
    });
}

#[test]
fn a_node_without_its_own_address_is_held_until_it_is_back() {
    on_every_nginx("no primary", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);

        lab.a.ip("address delete 192.168.56.101/24 dev eth0");
        b.wait_for("active");
        a.wait_for("fault");
        assert_eq!(a.instance().expect("it answers")["reason"], "no_primary_address");

        lab.a.ip("address add 192.168.56.101/24 brd + dev eth0");
        assert_settled(&a, &[&b]);
    });
}

#[test]
fn a_link_that_goes_down_is_a_fault_and_its_return_a_fresh_start() {
    on_every_nginx("link", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);
        let down: [fn(&Host); 2] = [Host::link_down, Host::unplug];
        let up: [fn(&Host); 2] = [Host::link_up, Host::plug];
        for (down, up) in down.into_iter().zip(up) {
            let (owners, ()) = Owners::of(ADDRESS, &[&lab.a, &lab.b], || {
                down(&lab.a);
                a.wait_for("fault");
                b.wait_for("active");
                assert_eq!(a.instance().expect("it answers")["reason"], "link_down");

                up(&lab.a);
                assert_settled(&a, &[&b]);
            });
            assert!(owners.longest(|count| count > 1) < SLACK, "{owners:?}");
        }
        b.nginx.assert_no_complaints();
    });
}

#[test]
fn an_interface_that_is_renamed_is_missing_until_its_name_is_back() {
    on_every_nginx("renamed", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);

        // Linux renames an interface also while it is up.
        lab.a.ip("link set eth0 name lan0");
        b.wait_for("active");
        a.wait_for("fault");
        assert_eq!(a.instance().expect("it answers")["reason"], "link_missing");
        wait_until("the address has gone", PATIENCE, || !lab.a.has(ADDRESS));

        lab.a.ip("link set lan0 name eth0");
        assert_settled(&a, &[&b]);
    });
}

#[test]
fn a_link_that_flaps_ends_with_one_owner_and_never_has_two_for_long() {
    on_every_nginx("flapping", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);

        let (owners, ()) = Owners::of(ADDRESS, &[&lab.a, &lab.b], || {
            for pause_ms in [0, 1, 5, 20, 50, 100, 200, 400] {
                lab.a.unplug();
                thread::sleep(Duration::from_millis(pause_ms));
                lab.a.plug();
                thread::sleep(Duration::from_millis(pause_ms));
            }
            assert_settled(&a, &[&b]);
        });

        assert!(owners.longest(|count| count > 1) < SLACK, "{owners:?}");
        b.nginx.assert_no_complaints();
    });
}

#[test]
fn adverts_come_from_another_primary_address_as_soon_as_that_is_the_primary() {
    on_every_nginx("another primary", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);
        let sniffer = Sniffer::start(&lab.client);

        lab.a.ip("address add 192.168.56.111/24 dev eth0");
        lab.a.ip("address delete 192.168.56.101/24 dev eth0");
        let changed = Instant::now();

        let source = |it: &harness::Advert| it.source == Ipv4Addr::new(192, 168, 56, 111);
        sniffer.wait_for_advert("the new source", changed, PATIENCE, source);
        eventually("the other one knows it by its new address", PATIENCE, || {
            let instance = b.instance()?;
            let known = instance["active"]["address"] == "192.168.56.111";
            if known { Ok(()) } else { Err(instance["active"].to_string()) }
        });
        assert!(lab.a.has(ADDRESS) && !lab.b.has(ADDRESS));
        assert_eq!(b.state(), "backup");
    });
}

#[test]
fn an_interface_may_be_deleted_and_made_again() {
    on_every_nginx("deleted", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);

        lab.a.delete_link();
        b.wait_for("active");
        eventually("a says what is wrong", PATIENCE, || {
            let health = lab.a.get("127.0.0.1:80", "/ha/healthz").map_err(|it| it.to_string())?;
            let right = health.status == 503 && health.body.contains("eth0 does not exist");
            if right { Ok(()) } else { Err(health.body) }
        });

        lab.a.make_link();
        assert_settled(&a, &[&b]);
    });
}

/// The kernel gives it the default settings, with which an owner that comes back is not heard.
#[test]
fn a_link_that_was_made_anew_is_prepared_for_its_addresses_anew() {
    on_every_nginx("prepared", |lab, carrier| {
        let b = Router::start(&lab.b, carrier, v3(100));
        b.wait_for("active");
        let accepts_local = || lab.b.exec("cat", &[ACCEPT_LOCAL]).trim() == "1";
        wait_until("the address is here", PATIENCE, || lab.b.has(ADDRESS));
        assert!(accepts_local());

        lab.b.exec("sh", &["-c", AWAY_AND_BACK]);
        lab.b.ip("address add 192.168.56.102/24 brd + dev eth0");
        lab.b.link_up();

        wait_until("the address is here again", PATIENCE, || lab.b.has(ADDRESS));
        wait_until("the link is prepared", PATIENCE, accepts_local);
    });
}

/// What is heard on a link ends with it, even if it is back before anybody has looked.
#[test]
fn a_link_that_leaves_and_comes_back_unseen_is_listened_on_again() {
    on_every_nginx("unseen", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);

        let stuck = StuckThread::of(b.nginx.carrier_pid(), "vrrp-net");
        lab.b.exec("sh", &["-c", AWAY_AND_BACK]);
        lab.b.ip("address add 192.168.56.102/24 brd + dev eth0");
        lab.b.link_up();
        stuck.release();

        assert_settled(&a, &[&b]);
        holds_for("it hears the other one", Duration::from_secs(1), || match b.state() {
            state if state == "backup" => Ok(()),
            state => Err(state),
        });
    });
}

const ACCEPT_LOCAL: &str = "/proc/sys/net/ipv4/conf/eth0/accept_local";

/// Moves eth0 into another network namespace and back: it keeps its index.
const AWAY_AND_BACK: &str = "
    unshare --net sleep 60 & there=$!
    while [ $(readlink /proc/$there/ns/net) = $(readlink /proc/$$/ns/net) ]; do :; done
    ip link set eth0 netns $there
    nsenter --net=/proc/$there/ns/net ip link set eth0 netns $$
    kill $there";
