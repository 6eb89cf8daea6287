//! Links that come and go, addresses that change, and several routers on one host.

use std::net::Ipv4Addr;

use resty_vrrp::proto::{LinkCarrier, Reason, State};
use resty_vrrp::types::ChecksumForm;

use crate::lan::Lan;
use crate::setup::{A, C, HIGHEST, US, Vary as _, adv, b2, b3, ms, secs, us};
use crate::view::Act;

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
            (us(7_609_375), State::Fault, Reason::LinkDown),
            (secs(8), State::Backup, Reason::Startup),
            (secs(8) + us(3_609_375), State::Active, Reason::NoResponse),
        ]
    );
    let acts = [Act::Release, Act::Advertise(0), Act::Advertise(100), Act::Claim];
    assert_eq!(lan.acts_since("us", secs(5))[..4], acts);
}

#[test]
fn an_interface_that_is_made_again_is_used_again() {
    let mut lan = Lan::of(b3());
    lan.run_until(secs(5));

    lan.set_carrier("us", LinkCarrier::Missing);
    lan.run_for(secs(3));
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

#[test]
fn a_router_without_a_primary_address_is_held() {
    let mut lan = Lan::of(b3());
    lan.run_until(secs(5));

    lan.set_primary("us", None);
    lan.run_until(secs(10));

    assert_eq!(lan.state("us"), State::Fault);
    assert_eq!(lan.transitions("us").last().unwrap().2, Reason::NoPrimaryAddress);
    assert_eq!(lan.acts_since("us", secs(5)), [Act::Advertise(0), Act::Release]);
    let (_, last) = lan.packets("us").pop().unwrap();
    assert_eq!((last.source, last.priority), (US, 0), "from the address that was");
}

#[test]
fn a_blink_of_the_link_or_of_the_primary_address_moves_nobody() {
    for version_3 in [true, false] {
        let router = |priority: u8| vec![if version_3 { b3() } else { b2() }.priority(priority)];
        for after in (0..1_000).step_by(50) {
            let mut lan = Lan::seeded(0).with("a", A, router(200)).with("b", US, router(100));
            lan.run_until(secs(6) + ms(after));

            lan.link_down("a");
            lan.run_for(ms(200));
            lan.link_up("a");
            lan.run_for(secs(2));
            lan.set_primary("a", None);
            lan.run_for(ms(200));
            lan.set_primary("a", Some(C));
            lan.run_for(secs(10));

            assert_eq!((lan.takeovers("a").len(), lan.takeovers("b").len()), (1, 0));
        }
    }
}

#[test]
fn a_primary_address_that_stays_away_moves_the_addresses_within_the_skew() {
    let mut lan = Lan::seeded(0).host("a", 200).host("b", 100);
    lan.run_until(secs(6));

    lan.set_primary("a", None);
    lan.run_for(secs(10));

    let resigned = lan.transitions("a").last().unwrap().0;
    assert_eq!(resigned, us(5_218_750) + secs(2));
    assert_eq!(lan.takeovers("b"), [(resigned + us(609_375), Reason::Resigned)]);
}

/// A peer that is more patient than ours waits for nothing else.
#[test]
fn a_resignation_that_could_not_leave_reaches_a_patient_peer_when_the_link_is_back() {
    let patient = b3().priority(100).dead_factor(10);
    let mut lan = Lan::seeded(0).host("a", 200).with("b", US, vec![patient]);
    lan.run_until(secs(6));

    lan.link_down("a");
    lan.run_for(secs(4));
    lan.link_up("a");
    lan.run_for(secs(1));

    assert_eq!(lan.takeovers("b"), [(secs(10) + us(609_375), Reason::Resigned)]);
}

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

/// What is compared with a rival is the address in use.
#[test]
fn a_new_primary_address_decides_the_next_tie() {
    let mut lan = Lan::of(b3());
    lan.run_until(secs(5));

    lan.set_primary("us", Some(Ipv4Addr::new(192, 0, 2, 250)));
    lan.hear(&adv(100).from(HIGHEST));

    assert_eq!(lan.active(), ["us"]);
}

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
