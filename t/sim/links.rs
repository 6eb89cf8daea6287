//! Links that come and go, addresses that change, and several routers on one host.

use std::net::Ipv4Addr;

use resty_vrrp::proto::{LinkCarrier, Reason, State};
use resty_vrrp::types::ChecksumForm;

use crate::lan::Lan;
use crate::setup::{A, HIGHEST, US, Vary as _, adv, b3, secs, us};
use crate::view::Act;

/// 83.
#[test]
fn an_active_router_whose_link_goes_down_releases_and_later_starts_as_backup() {
    let mut lan = Lan::of(b3());
    lan.run_until(secs(5));

    lan.link_down("us");
    lan.run_until(secs(8));
    lan.link_up("us");
    lan.run_until(secs(20));

    assert_eq!(
        lan.transitions("us")[2..],
        [
            (secs(5), State::Fault, Reason::LinkDown),
            (secs(8), State::Backup, Reason::Startup),
            (secs(8) + us(3_609_375), State::Active, Reason::NoResponse),
        ]
    );
    assert_eq!(lan.acts_since("us", secs(5))[..2], [Act::Release, Act::Advertise(100)]);
}

#[test]
fn an_interface_that_is_made_again_is_used_again() {
    let mut lan = Lan::of(b3());
    lan.run_until(secs(5));

    lan.set_carrier("us", LinkCarrier::Missing);
    let held = (lan.state("us"), lan.snapshot("us").reason);
    lan.set_carrier("us", LinkCarrier::Up);
    lan.run_for(us(3_609_375));

    assert_eq!(held, (State::Fault, Some(Reason::LinkMissing)));
    assert_eq!(lan.active(), ["us"]);
}

#[test]
fn the_interval_learned_before_a_link_went_down_is_forgotten() {
    let mut lan = Lan::of(b3());
    lan.hear(&adv(200).every(300));

    lan.run_until(secs(1));
    lan.link_down("us");
    lan.link_up("us");
    lan.run_until(secs(10));

    assert_eq!(lan.takeovers("us"), [(secs(1) + us(3_609_375), Reason::NoResponse)]);
}

/// 84.
#[test]
fn a_router_without_a_primary_address_is_held() {
    let mut lan = Lan::of(b3());
    lan.run_until(secs(5));

    lan.set_primary("us", None);
    lan.run_until(secs(10));

    assert_eq!(lan.state("us"), State::Fault);
    assert_eq!(lan.transitions("us").last().unwrap().2, Reason::NoPrimaryAddress);
    assert_eq!(lan.acts_since("us", secs(5)), [Act::Release]);
}

/// 85.
#[test]
fn advertisements_come_from_the_new_primary_address_at_once() {
    let mut lan = Lan::of(b3());
    let seven = Ipv4Addr::new(192, 0, 2, 7);
    lan.run_until(secs(5));

    lan.set_primary("us", Some(seven));
    lan.run_for(secs(1));

    let (_, last) = lan.packets("us").pop().unwrap();
    assert_eq!((last.source, last.form), (seven, ChecksumForm::PseudoHeader));
    assert_eq!(lan.active(), ["us"], "a new address is no reason to stop");
}

/// 85. What is compared with a rival is the address in use.
#[test]
fn a_new_primary_address_decides_the_next_tie() {
    let mut lan = Lan::of(b3());
    lan.run_until(secs(5));

    lan.set_primary("us", Some(Ipv4Addr::new(192, 0, 2, 250)));
    lan.hear(&adv(100).from(HIGHEST));

    assert_eq!(lan.active(), ["us"]);
}

/// 88.
#[test]
fn a_virtual_router_that_loses_does_not_disturb_its_neighbour() {
    let both =
        |first: u8, second: u8| vec![b3().vrid(1).priority(first), b3().vrid(2).priority(second)];
    let mut lan = Lan::seeded(0).with("a", A, both(200, 100)).with("b", US, both(100, 200));
    lan.run_until(secs(10));
    assert_eq!((lan.holders(1), lan.holders(2)), (vec!["a"], vec!["b"]));

    lan.set_priority("a", 0, 50);
    lan.run_for(secs(5));

    assert_eq!((lan.holders(1), lan.holders(2)), (vec!["b"], vec!["b"]));
    let second = resty_vrrp::proto::RouterId(1);
    let transitions = |name: &str| lan.hosts[lan.index(name)].node.snapshot(second).transitions;
    assert_eq!((transitions("a"), transitions("b")), (1, 2), "VRID 2 only ever started");
}

#[test]
fn twenty_routers_on_one_host_are_elected_one_by_one() {
    let half = |odd: u8, even: u8| {
        (1..=20).map(move |vrid| b3().vrid(vrid).priority(if vrid % 2 == 1 { odd } else { even }))
    };
    let mut lan = Lan::seeded(0).with("a", A, half(200, 100).collect()).with(
        "b",
        US,
        half(100, 200).collect(),
    );

    lan.run_until(secs(10));
    let shared: Vec<_> = (1..=20).map(|vrid| lan.holders(vrid)).collect();
    lan.kill("a");
    lan.run_for(secs(4));
    let alone: Vec<_> = (1..=20).map(|vrid| lan.holders(vrid)).collect();

    assert_eq!(shared, [["a"], ["b"]].concat().repeat(10).chunks(1).collect::<Vec<_>>());
    assert_eq!(alone, vec![["b"]; 20]);
}
