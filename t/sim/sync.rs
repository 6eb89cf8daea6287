//! Hosts with a sync group of two virtual routers, each on a link of its own.

use std::net::Ipv4Addr;

use resty_vrrp::config::{InstanceConfig, SyncGroupConfig};
use resty_vrrp::proto::{Reason, RouterId, State};
use resty_vrrp::types::LinkName;

use crate::lan::Lan;
use crate::setup::{A, US, Vary as _, b3, ms, secs, us};

#[test]
fn a_link_of_one_member_that_fails_moves_the_whole_group() {
    let mut lan = pair(200, 100);
    lan.run_until(secs(10));
    assert_eq!(held(&lan), [["a"], ["a"]]);

    for link in 0..2 {
        lan.set_dark("a", link, true);
        lan.run_for(secs(2));
        assert_eq!(held(&lan), [["b"], ["b"]], "link {link}");
        assert_eq!(states(&lan, "a"), [State::Fault; 2]);

        lan.set_dark("a", link, false);
        lan.run_for(secs(5));
        assert_eq!(held(&lan), [["a"], ["a"]], "link {link} is back");
    }
}

#[test]
fn silence_on_one_link_moves_nothing() {
    let mut lan = pair(200, 100);
    lan.run_until(secs(10));
    let before = moves(&lan);

    for vrid in 1..=2 {
        lan.break_link(vrid, "a", "b");
        lan.run_for(secs(20));
        assert_eq!(held(&lan), [["a"], ["a"]]);
        lan.heal();
        lan.run_for(secs(5));
    }

    assert_eq!(moves(&lan), before);
}

#[test]
fn a_host_that_dies_or_comes_back_takes_the_group_along() {
    let mut lan = pair(200, 100);
    lan.run_until(secs(10));

    lan.kill("a");
    lan.run_for(secs(2));
    assert_eq!(held(&lan), [["b"], ["b"]]);
    lan.restart("a");
    lan.run_for(secs(5));
    assert_eq!(held(&lan), [["a"], ["a"]]);
    lan.drain("a", true);
    lan.run_for(secs(2));
    assert_eq!(held(&lan), [["b"], ["b"]]);
    lan.drain("a", false);
    lan.run_for(secs(5));
    assert_eq!(held(&lan), [["a"], ["a"]]);
}

/// Of equal priority, each host has the higher address on one of the links.
#[test]
fn equals_that_meet_again_do_not_play_ping_pong() {
    for seed in 0..20 {
        let mut lan = pair(100, 100);
        lan.network.loss_percent = seed;
        lan.run_until(secs(10) + ms(37 * seed));
        lan.cut("b");
        lan.run_for(secs(5));
        assert_eq!(held(&lan), [["a", "b"], ["a", "b"]]);

        lan.heal();
        lan.run_for(secs(10));
        lan.network.loss_percent = 0;
        lan.run_for(secs(5));
        let settled = moves(&lan);
        let [first, second] = held(&lan);
        assert_eq!((first.len(), &first), (1, &second), "{first:?} and {second:?}");

        lan.run_for(secs(60));
        assert_eq!(moves(&lan), settled, "nothing moves any more");
    }
}

#[test]
fn a_reload_of_a_group_cannot_be_seen_from_outside() {
    let mut lan = pair(200, 100);
    lan.run_until(secs(10));
    let before = moves(&lan);

    for name in ["a", "b"].repeat(20) {
        let pause = lan.rng.up_to(ms(400));
        lan.run_for(pause);
        let same = lan.hosts[lan.index(name)].instances.clone();
        lan.reload(name, same);
    }
    lan.run_for(secs(5));

    assert_eq!((moves(&lan), held(&lan)), (before, [vec!["a"], vec!["a"]]));
}

#[test]
fn a_priority_that_is_lowered_for_one_member_moves_both() {
    let mut lan = pair(200, 100);
    lan.run_until(secs(10));

    lan.set_priority("a", 1, 50);
    lan.run_for(secs(5));
    assert_eq!(held(&lan), [["b"], ["b"]]);
    let reason = lan.hosts[0].node.snapshot(RouterId(1)).reason;
    assert_eq!(reason, Some(Reason::HigherPriority));

    lan.set_priority("a", 1, 200);
    lan.run_for(secs(5));
    assert_eq!(held(&lan), [["a"], ["a"]]);
}

/// The instances of a host, of one priority.
pub(crate) fn members(base: &InstanceConfig) -> Vec<InstanceConfig> {
    let second = LinkName::new("eth1").expect("a valid name");
    vec![base.clone().vrid(1), InstanceConfig { interface: second, ..base.clone().vrid(2) }]
}

/// Adds and starts a host with the group.
pub(crate) fn add(lan: &mut Lan, name: &'static str, primary: Ipv4Addr, both: Vec<InstanceConfig>) {
    lan.add(name, primary, both);
    let group = SyncGroupConfig { name: "G1".to_owned(), members: vec![0, 1] };
    lan.hosts.last_mut().expect("it was added").groups = vec![group];
    lan.restart(name);
}

fn pair(a: u8, b: u8) -> Lan {
    let mut lan = Lan::seeded(1);
    lan.network.delay = us(50)..=us(500);
    for (name, primary, priority) in [("a", A, a), ("b", US, b)] {
        add(&mut lan, name, primary, members(&b3().every_cs(10).priority(priority)));
    }
    lan
}

/// Who has each of the members.
pub(crate) fn held(lan: &Lan) -> [Vec<&'static str>; 2] {
    [1, 2].map(|vrid| lan.holders(vrid))
}

/// How often anything has moved.
pub(crate) fn moves(lan: &Lan) -> u64 {
    let all = lan.hosts.iter().flat_map(|host| host.routers().map(|it| host.node.snapshot(it)));
    all.map(|snapshot| snapshot.transitions).sum()
}

fn states(lan: &Lan, name: &str) -> Vec<State> {
    let host = &lan.hosts[lan.index(name)];
    host.routers().map(|it| host.state(it)).collect()
}
