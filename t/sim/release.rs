//! Priority 0: the Active router leaves, and says so (RFC 9568 §6.4.2 and §6.4.3).

use resty_vrrp::proto::{Health, Reason, State};

use crate::lan::Lan;
use crate::setup::{C, adv, adv2, b2, b3, ms, ns, secs, us};
use crate::view::Act;

#[test]
fn after_a_resignation_a_backup_waits_for_its_skew_alone() {
    let mut lan = Lan::of(b3());

    lan.run_until(secs(1));
    lan.hear(&adv(0).every(4000));
    lan.run_for(secs(2));

    assert_eq!(lan.takeovers("us"), [(secs(1) + us(609_375), Reason::Resigned)]);
}

#[test]
fn after_a_resignation_in_version_2_a_backup_waits_for_its_skew_alone() {
    let mut lan = Lan::of(b2());

    lan.run_until(secs(1));
    lan.hear(&adv2(0));
    lan.run_for(secs(2));

    assert_eq!(lan.takeovers("us"), [(secs(1) + us(609_375), Reason::Resigned)]);
}

#[test]
fn the_skew_after_a_resignation_is_of_the_learned_interval() {
    let mut lan = Lan::of(b3());

    lan.hear(&adv(200).every(300));
    lan.run_until(secs(1));
    lan.hear(&adv(0).every(10));
    lan.run_for(secs(5));

    assert_eq!(lan.takeovers("us"), [(secs(1) + ns(1_828_125_000), Reason::Resigned)]);
}

#[test]
fn a_backup_follows_the_router_that_takes_over_before_it() {
    let mut lan = Lan::of(b3());
    lan.hear(&adv(0));

    for tick in 0..20 {
        lan.run_until(ms(300 + 1000 * tick));
        lan.hear(&adv(150).from(C));
    }

    assert_eq!(lan.state("us"), State::Backup);
    assert_eq!(lan.snapshot("us").active.map(|active| active.address), Some(C.into()));
    assert_eq!(lan.acts_since("us", secs(0)), []);
}

#[test]
fn every_resignation_restarts_the_wait() {
    let mut lan = Lan::of(b3());

    for tick in 0..3 {
        lan.run_until(ms(500 * tick));
        lan.hear(&adv(0));
    }
    lan.run_for(secs(3));

    assert_eq!(lan.takeovers("us"), [(ms(1000) + us(609_375), Reason::Resigned)]);
}

#[test]
fn an_active_router_answers_a_resignation_and_counts_anew() {
    let mut lan = Lan::of(b3());
    lan.run_until(secs(5));
    let last = lan.adverts("us").last().unwrap().0;

    lan.run_until(last + ms(300));
    lan.hear(&adv(0));
    lan.run_until(last + ms(2500));

    let times: Vec<_> = lan.adverts("us").iter().map(|(at, _)| *at).collect();
    let recent = &times[times.iter().position(|at| *at == last).unwrap()..];
    assert_eq!(recent, [last, last + ms(300), last + ms(1300), last + ms(2300)]);
    assert_eq!(lan.active(), ["us"]);
}

#[test]
fn an_active_router_that_stops_resigns_once_and_then_releases() {
    let mut lan = Lan::of(b3());
    lan.run_until(secs(5));

    lan.stop("us");
    lan.run_until(secs(30));

    assert_eq!(lan.acts_since("us", secs(5)), [Act::Advertise(0), Act::Release]);
    assert_eq!(lan.state("us"), State::Initialize);
    assert_eq!(lan.transitions("us").last().unwrap().2, Reason::Shutdown);
    assert_eq!(lan.snapshot("us").counters.priority_zero_sent, 1);
}

/// A resignation is otherwise like every advertisement: never without addresses or interval.
#[test]
fn a_resignation_carries_the_addresses_and_the_interval() {
    let mut lan = Lan::of(b3());
    lan.run_until(secs(5));

    lan.stop("us");

    let (_, last) = lan.packets("us").pop().unwrap();
    assert_eq!((last.priority, last.interval, last.ttl), (0, 100, 255));
    assert_eq!(last.addresses, adv(0).addresses);
}

#[test]
fn a_backup_that_stops_says_nothing() {
    let mut lan = Lan::of(b3());
    lan.hear(&adv(200));
    lan.run_until(secs(1));

    lan.stop("us");
    lan.run_until(secs(30));

    assert_eq!(lan.acts_since("us", secs(0)), []);
    assert_eq!(lan.state("us"), State::Initialize);
}

#[test]
fn a_stopped_router_ignores_everything() {
    let mut lan = Lan::of(b3());
    lan.run_until(secs(5));
    lan.stop("us");
    let stopped = lan.transitions("us").len();

    lan.link_down("us");
    lan.link_up("us");
    lan.set_health("us", Health::Serving);
    lan.stop("us");
    lan.run_until(secs(30));

    assert_eq!(lan.transitions("us").len(), stopped);
}

#[test]
fn an_active_router_whose_nginx_fails_resigns_at_once() {
    let mut lan = Lan::seeded(1).host("a", 200).host("b", 100);
    lan.run_until(secs(5));

    lan.set_health("a", Health::Failing("2 of 2 workers silent for 2000 ms".to_owned()));
    lan.run_for(us(609_375));

    assert_eq!(lan.acts_since("a", secs(5)), [Act::Advertise(0), Act::Release]);
    assert_eq!(lan.state("a"), State::Fault);
    assert_eq!(lan.active(), ["b"]);
}

#[test]
fn a_router_whose_nginx_serves_again_comes_back_by_itself() {
    let mut lan = Lan::seeded(1).host("a", 200).host("b", 100);
    lan.run_until(secs(5));

    lan.set_health("a", Health::Failing("no worker".to_owned()));
    lan.run_until(secs(10));
    lan.set_health("a", Health::Serving);
    lan.run_for(us(3_218_750));

    assert_eq!(lan.takeovers("a").last(), Some(&(secs(10) + us(3_218_750), Reason::Preempted)));
    assert_eq!(lan.active(), ["a"]);
}
