//! Priorities that change while the router runs: tracking and weighted checks.

use std::time::Duration;

use resty_vrrp::proto::{Problem, Reason};
use resty_vrrp::types::Priority;

use crate::lan::Lan;
use crate::setup::{A, US, Vary as _, adv, b3, ms, secs, us};

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

/// Priority 0 would resign.
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

/// A weight moves the addresses if it takes the priority below that of a peer; if not, the operator
/// is told, for nothing else would tell before the day on which it matters.
#[test]
fn a_weight_that_moves_nothing_is_reported_and_one_that_does_is_not() {
    for (lowered, winner) in [(130, "a"), (101, "a"), (100, "a"), (99, "b"), (90, "b")] {
        let lan = run_pair(lowered, Duration::ZERO);

        assert_eq!(lan.active(), [winner], "{lowered}");
        let in_vain = Problem::WeightInVain {
            configured: Priority::new(150),
            lowered: Priority::new(lowered),
        };
        let told: Vec<_> = lan.reports("a").into_iter().map(|(_, it)| &it.problem).collect();
        let expected = if winner == "a" { vec![&in_vain] } else { vec![] };
        assert_eq!(told, expected, "{lowered}");
        assert_eq!(lan.snapshot("a").warning, expected.first().map(|&it| it.clone()));
    }
}

#[test]
fn a_peer_that_takes_its_time_to_preempt_is_waited_for() {
    for delay in [secs(1), secs(7), secs(60)] {
        let lan = run_pair(99, delay);

        assert_eq!(lan.active(), ["b"], "{delay:?}");
        assert!(lan.reports("a").is_empty(), "{:?}", lan.reports("a"));
    }
}

/// Runs a router of priority 150, with a peer of 100, that is soon lowered.
fn run_pair(lowered: u8, preempt_delay: Duration) -> Lan {
    let config = |priority| vec![b3().priority(priority).preempt_delay(preempt_delay)];
    let mut lan = Lan::seeded(7).with("a", US, config(150)).with("b", A, config(100));
    lan.run_until(secs(120));
    assert_eq!(lan.active(), ["a"]);
    lan.set_priority("a", 0, lowered);
    lan.run_for(secs(120));
    lan
}
