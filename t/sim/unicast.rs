//! Hosts that speak to each other one by one, also over a router in between.

use std::net::Ipv4Addr;

use resty_vrrp::config::{InstanceConfig, UnicastConfig};
use resty_vrrp::proto::{Discard, Reason, RouterId, State};

use crate::lan::Lan;
use crate::packet::GROUP;
use crate::setup::{A, C, US, Vary as _, b2, b3, ms, secs, us};
use crate::view::Act;

#[test]
fn of_hosts_that_list_each_other_one_is_active_and_nobody_speaks_to_the_group() {
    for base in [b3().every_cs(10), b2()] {
        let mut lan = three(&base);
        lan.run_until(secs(10));
        lan.assert_settled();
        assert_eq!(lan.active(), ["a"]);

        lan.kill("a");
        lan.run_for(secs(10));
        assert_eq!(lan.active(), ["b"]);
        lan.restart("a");
        lan.run_for(secs(10));
        assert_eq!(lan.active(), ["a"]);

        for (name, peers) in [("a", [US, C]), ("b", [A, C])] {
            let sent = lan.packets(name);
            assert!(sent.iter().all(|(_, packet)| packet.destination != GROUP));
            let to = |peer| sent.iter().filter(move |(_, it)| it.destination == peer).count();
            assert!(to(peers[0]) > 5 && to(peers[0]) == to(peers[1]), "each gets its own");
        }
    }
}

#[test]
fn a_resignation_goes_to_every_peer() {
    let mut lan = three(&b3().every_cs(10));
    lan.run_until(secs(10));

    lan.stop("a");
    lan.run_for(ms(200));

    assert_eq!(lan.active(), ["b"]);
    let resigned = lan.packets("a").into_iter().filter(|(_, packet)| packet.priority == 0);
    assert_eq!(resigned.map(|(_, it)| it.destination).collect::<Vec<_>>(), [US, C]);
}

/// A and C do not reach each other, but both reach B.
#[test]
fn a_peer_that_cannot_be_reached_does_not_keep_the_others_from_hearing() {
    let mut lan = three(&b3().every_cs(10));
    lan.run_until(secs(10));

    lan.cut_one_way("a", "b");
    lan.run_for(ms(200));
    assert_eq!(lan.state("c"), State::Backup);
    assert!(lan.snapshot("c").active.is_some_and(|active| active.address == A));
    lan.heal();
    lan.run_for(lan.settling_time());
    lan.assert_settled();
}

#[test]
fn over_a_router_nobody_is_heard_unless_that_is_allowed() {
    let mut lan = pair(255);
    lan.network.routers = 1;
    lan.run_until(secs(10));
    assert_eq!(lan.active(), ["a", "b"]);
    assert!(lan.snapshot("b").discarded(Discard::Ttl) > 10);

    let mut lan = pair(254);
    lan.network.routers = 1;
    lan.run_until(secs(10));
    assert_eq!(lan.active(), ["a"]);
    assert_eq!(lan.snapshot("b").discarded(Discard::Ttl), 0);
}

#[test]
fn a_host_that_is_in_no_list_disturbs_nobody() {
    let mut lan = pair(255);
    let instance = b3().every_cs(10).priority(254).peers(&[A, US]);
    lan.add("c", C, vec![instance]);
    lan.run_until(secs(5));
    let before = lan.transitions("a").len() + lan.transitions("b").len();

    lan.restart("c");
    lan.run_for(secs(10));

    assert_eq!(lan.transitions("a").len() + lan.transitions("b").len(), before);
    assert_eq!(lan.holders(10), ["a", "c"], "it is alone with itself");
    for name in ["a", "b"] {
        let discarded = lan.snapshot(name).discarded_peer;
        assert_eq!(discarded, Some((C.into(), Discard::Unlisted)));
    }
}

#[test]
fn a_reload_from_the_group_to_peers_is_no_transition_on_the_active_node() {
    let every = |priority| b3().every_cs(10).priority(priority);
    let mut lan = Lan::seeded(0).with("a", A, vec![every(200)]).with("b", US, vec![every(100)]);
    lan.network.delay = us(50)..=us(500);
    lan.run_until(secs(10));

    lan.reload("a", vec![every(200).peers(&[US])]);
    lan.reload("b", vec![every(100).peers(&[A])]);
    let reloaded = lan.now;
    lan.run_for(secs(5));

    assert_eq!(lan.active(), ["a"]);
    assert_eq!(lan.takeovers("b").last().map(|(_, reason)| *reason), None::<Reason>);
    assert!(!lan.acts_since("a", reloaded).contains(&Act::Advertise(0)));
    assert_eq!(lan.hosts[1].state(RouterId(0)), State::Backup);
}

/// Three hosts; `a` is the best, `c` the last.
fn three(base: &InstanceConfig) -> Lan {
    let all = [A, US, C];
    let others = |own: Ipv4Addr| all.into_iter().filter(|it| *it != own).collect::<Vec<_>>();
    let router = |own, priority| vec![base.clone().priority(priority).peers(&others(own))];
    let mut lan = Lan::seeded(1).with("a", A, router(A, 200)).with("b", US, router(US, 150)).with(
        "c",
        C,
        router(C, 100),
    );
    lan.network.delay = us(50)..=us(500);
    lan
}

/// Two hosts that accept what has crossed some routers.
fn pair(min_hop_limit: u8) -> Lan {
    let router = |priority, peer| {
        let unicast = b3().peers(&[peer]).unicast.expect("it has a peer");
        let unicast = Some(UnicastConfig { min_hop_limit, ..unicast });
        vec![InstanceConfig { unicast, ..b3().every_cs(10).priority(priority) }]
    };
    let mut lan = Lan::seeded(2).with("a", A, router(200, US)).with("b", US, router(100, A));
    lan.network.delay = us(50)..=us(500);
    lan
}
