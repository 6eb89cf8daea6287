//! Who yields to whom (RFC 9568 §6.4.3).

use std::net::Ipv4Addr;

use resty_vrrp::config::InstanceConfig;
use resty_vrrp::proto::{Problem, Reason, State};

use crate::lan::Lan;
use crate::setup::{A, C, HIGHEST, US, Vary as _, adv, adv2, b2, b3, ms, secs, us};
use crate::view::Act;

/// Addresses are compared by Active routers only.
#[test]
fn a_backup_accepts_an_equal_priority_whatever_the_address() {
    for peer in [A, HIGHEST] {
        let mut lan = Lan::of(b3());

        for second in 0..30 {
            lan.run_until(secs(second));
            lan.hear(&adv(100).from(peer));
        }

        assert_eq!(lan.state("us"), State::Backup, "{peer}");
    }
}

/// The last advertisement tells the winner, and every switch, that there were two.
#[test]
fn an_active_router_that_hears_a_higher_one_speaks_once_more_and_yields() {
    let mut lan = active(b3());

    lan.hear(&adv(200));
    lan.run_until(secs(20));

    assert_eq!(
        lan.acts_since("us", secs(5))[..2],
        [Act::Advertise(100), Act::Release],
        "one last advertisement of its own priority, then nothing"
    );
    assert_eq!(lan.transitions("us")[2], (secs(5), State::Backup, Reason::HigherPriority));
    assert_eq!(lan.takeovers("us")[1], (secs(5) + us(3_609_375), Reason::NoResponse));
}

#[test]
fn an_active_router_that_yields_learns_the_interval_of_the_winner() {
    let mut lan = active(b3());

    lan.hear(&adv(200).every(300));
    lan.run_until(secs(30));

    assert_eq!(lan.takeovers("us")[1], (secs(5) + us(10_828_125), Reason::NoResponse));
}

/// RFC 9568 §6.4.3: "send an ADVERTISEMENT immediately"; `Adver_Timer` stays as it is.
#[test]
fn a_version_3_router_answers_a_lower_active_one_at_once() {
    let mut lan = active(b3());
    let last = lan.adverts("us").last().unwrap().0;

    lan.run_until(last + ms(300));
    lan.hear(&adv(50));
    lan.run_until(last + ms(1500));

    let times: Vec<_> = lan.adverts("us").iter().map(|(at, _)| *at).collect();
    assert_eq!(times[times.len() - 2..], [last + ms(300), last + ms(1000)]);
    assert!(lan.acts_since("us", last + ms(300)).contains(&Act::Announce));
}

/// RFC 3768 §6.4.3: "Discard the ADVERTISEMENT". The addresses are announced nevertheless.
#[test]
fn a_version_2_router_does_not_answer_a_lower_active_one() {
    let mut lan = active(b2());

    lan.hear(&adv2(50));
    lan.run_until(secs(5) + ms(500));

    assert_eq!(lan.acts_since("us", secs(5)), [Act::Announce]);
    assert_eq!(lan.active(), ["us"]);
}

#[test]
fn of_two_equal_active_routers_the_lower_address_yields() {
    let mut lan = active(b3());

    lan.hear(&adv(100).from(HIGHEST));

    assert_eq!(lan.state("us"), State::Backup);
    assert!(!lan.holds("us"));
}

#[test]
fn of_two_equal_active_routers_the_higher_address_stays() {
    let mut lan = active(b3());

    lan.hear(&adv(100).from(A));

    assert_eq!(lan.active(), ["us"]);
    assert_eq!(lan.acts_since("us", secs(5)), [Act::Advertise(100), Act::Announce]);
}

/// A signed comparison would let 10.0.0.5 win.
#[test]
fn addresses_are_compared_as_unsigned_numbers() {
    let mut lan = Lan::seeded(0).with("us", Ipv4Addr::new(10, 0, 0, 5), vec![b3()]);
    lan.run_until(secs(5));

    lan.hear(&adv(100).from(Ipv4Addr::new(192, 0, 2, 1)));

    assert_eq!(lan.state("us"), State::Backup);
}

/// A little-endian comparison would let 10.0.0.255 win.
#[test]
fn addresses_are_compared_in_network_order() {
    let mut lan = Lan::seeded(0).with("us", Ipv4Addr::new(10, 0, 1, 0), vec![b3()]);
    lan.run_until(secs(5));

    lan.hear(&adv(100).from(Ipv4Addr::new(10, 0, 0, 255)));

    assert_eq!(lan.active(), ["us"]);
}

#[test]
fn when_two_active_routers_meet_the_lower_yields_and_the_winner_announces() {
    let mut lan = Lan::seeded(0).host("a", 200).host("b", 100);
    lan.network.delay = us(50)..=us(400);
    lan.run_until(secs(5));
    lan.cut("b");
    lan.run_until(ms(10_500));
    assert_eq!(lan.active(), ["a", "b"]);

    lan.heal();
    lan.run_for(secs(1) + us(800));

    assert_eq!(lan.active(), ["a"]);
    let loser = lan.acts_since("b", ms(10_500));
    assert_eq!(loser.last_chunk(), Some(&[Act::Advertise(100), Act::Release]));
    assert!(lan.acts_since("a", ms(10_500)).contains(&Act::Announce));
}

/// The winner speaks last, so that every switch has learned its port last.
#[test]
fn after_two_version_2_routers_met_the_winner_announces_last() {
    let mut lan = Lan::seeded(0).with("a", A, vec![b2().priority(200)]).with("b", US, vec![b2()]);
    lan.network.delay = us(50)..=us(400);
    lan.run_until(secs(5));
    lan.cut("b");
    lan.run_until(ms(10_500));

    lan.heal();
    lan.run_for(secs(1) + us(800));

    let released = lan.last("b", Act::Release).unwrap();
    let announced = lan.last("a", Act::Announce).unwrap();
    assert!(announced > released, "announced at {announced:?}, released at {released:?}");
}

#[test]
fn of_two_owners_the_lower_address_yields() {
    let owner = b3().priority(255);
    let mut lan = Lan::seeded(0).with("a", A, vec![owner.clone()]);
    lan.network.delay = us(50)..=us(400);
    lan = lan.with("c", C, vec![owner]);

    lan.run_until(secs(2));

    assert_eq!(lan.active(), ["c"]);
    assert_eq!(lan.state("a"), State::Backup);
    let mut reports = lan.reports("c").into_iter();
    assert!(reports.any(|(_, report)| report.problem == Problem::DuplicateOwner));
}

#[test]
fn when_two_equals_take_over_at_once_one_exchange_decides() {
    let mut lan = Lan::seeded(0).host("a", 200).host("b", 100).host("c", 100);
    lan.network.delay = us(200)..=us(200);
    lan.run_until(ms(4_500));
    lan.kill("a");
    let due = lan.next_event().unwrap();

    lan.run_until(due);
    assert_eq!(lan.active(), ["b", "c"], "both at once");
    lan.run_for(us(200));

    assert_eq!(lan.active(), ["c"], "192.0.2.4 is greater than 192.0.2.3");
}

/// Its own frames, reflected, must not be answered.
#[test]
fn a_segment_that_reflects_every_frame_causes_no_storm() {
    let mut lan = Lan::of(b3());
    lan.network.reflects = true;
    lan.network.delay = us(10)..=us(10);
    lan.run_until(us(3_609_375));

    lan.run_for(secs(10));

    assert_eq!(lan.adverts("us").len(), 11);
    assert_eq!(lan.active(), ["us"]);
}

#[test]
fn two_routers_on_a_reflecting_segment_elect_one_without_a_storm() {
    let mut lan = Lan::seeded(0).host("a", 200).host("b", 100);
    lan.network.reflects = true;
    lan.network.delay = us(10)..=us(500);

    lan.run_until(secs(60));

    assert_eq!(lan.active(), ["a"]);
    assert_eq!(lan.adverts("b"), []);
    assert_eq!(lan.adverts("a").len(), 57);
}

fn active(instance: InstanceConfig) -> Lan {
    let mut lan = Lan::of(instance);
    lan.run_until(secs(5));
    assert_eq!(lan.active(), ["us"]);
    lan
}
