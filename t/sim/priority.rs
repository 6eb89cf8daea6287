//! Priorities that change while the router runs: tracking and weighted checks.

use resty_vrrp::proto::Reason;

use crate::lan::Lan;
use crate::setup::{Vary as _, adv, b3, ms, secs, us};

/// 86.
#[test]
fn an_active_router_of_lowered_priority_is_preempted() {
    let mut lan = Lan::seeded(0).host("a", 100).host("b", 90);
    lan.run_until(secs(5));
    assert_eq!(lan.active(), ["a"]);

    lan.set_priority("a", 0, 40);
    lan.run_for(secs(5));

    assert_eq!(lan.active(), ["b"]);
    assert_eq!(lan.takeovers("b")[0].1, Reason::Preempted);
    let lowered = lan.adverts("a").iter().filter(|(_, priority)| *priority == 40).count();
    assert!(lowered >= 3, "it goes on at 40 until it is relieved, {lowered} times");
}

/// 86. Priority 0 would resign.
#[test]
fn tracking_never_lowers_a_priority_to_0() {
    let mut lan = Lan::of(b3());
    lan.run_until(secs(5));

    lan.set_priority("us", 0, 0);
    lan.run_for(secs(2));

    assert_eq!(lan.adverts("us").last().unwrap().1, 1);
    assert_eq!(lan.active(), ["us"]);
}

/// Only an owner may have priority 255.
#[test]
fn tracking_never_raises_a_priority_to_255() {
    let mut lan = Lan::of(b3());
    lan.run_until(secs(5));

    lan.set_priority("us", 0, 255);
    lan.run_for(secs(2));

    assert_eq!(lan.adverts("us").last().unwrap().1, 254);
}

/// 87.
#[test]
fn tracking_does_not_touch_an_owner() {
    let mut lan = Lan::of(b3().priority(255));

    lan.set_priority("us", 0, 100);
    lan.run_for(secs(2));

    assert!(lan.adverts("us").iter().all(|(_, priority)| *priority == 255));
    assert_eq!(lan.snapshot("us").effective_priority.get(), 255);
}

#[test]
fn a_backup_of_raised_priority_waits_no_longer_than_before() {
    let mut lan = Lan::of(b3());
    lan.hear(&adv(110));

    lan.run_until(secs(1));
    lan.set_priority("us", 0, 200);
    lan.run_until(secs(10));

    assert_eq!(lan.takeovers("us"), [(us(3_218_750), Reason::NoResponse)]);
}

#[test]
fn a_priority_that_goes_up_and_down_does_not_put_off_the_takeover() {
    let mut lan = Lan::of(b3());

    for tick in 1..=34 {
        lan.run_until(ms(100 * tick));
        lan.set_priority("us", 0, if tick % 2 == 0 { 100 } else { 150 });
    }
    lan.run_until(secs(10));

    assert_eq!(lan.takeovers("us").len(), 1);
    assert!(lan.takeovers("us")[0].0 <= us(3_609_375), "{:?}", lan.takeovers("us"));
}
