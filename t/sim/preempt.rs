//! `Preempt_Mode`, its delay, and owners (RFC 9568 §6.1 and §6.4).

use resty_vrrp::proto::{Reason, State};

use crate::lan::Lan;
use crate::setup::{Vary as _, adv, b3, ms, secs, us};
use crate::view::Act;

#[test]
fn an_owner_is_active_as_soon_as_it_starts() {
    let mut lan = Lan::of(b3().priority(255));

    lan.run_until(secs(0));

    assert_eq!(lan.takeovers("us"), [(secs(0), Reason::Owner)]);
    assert_eq!(lan.acts_since("us", secs(0)), [Act::Advertise(255), Act::Claim]);
}

#[test]
fn a_preempting_backup_lets_its_timer_run_under_a_lower_active_router() {
    let mut lan = Lan::of(b3());

    hear_every_second(&mut lan, 99, 5);

    assert_eq!(lan.takeovers("us"), [(us(3_609_375), Reason::Preempted)]);
}

#[test]
fn without_preemption_a_lower_active_router_stays() {
    let mut lan = Lan::of(b3().no_preempt());

    hear_every_second(&mut lan, 99, 60);
    lan.hear(&adv(99).every(300));

    assert_eq!(lan.state("us"), State::Backup);
    assert_eq!(lan.snapshot("us").active_down_interval, us(10_828_125), "learned");
}

#[test]
fn without_preemption_a_dead_router_is_still_replaced() {
    let mut lan = Lan::of(b3().no_preempt());

    hear_every_second(&mut lan, 99, 60);
    lan.run_for(secs(10));

    assert_eq!(lan.takeovers("us"), [(secs(59) + us(3_609_375), Reason::NoResponse)]);
}

#[test]
fn an_owner_does_not_ask_whether_it_may_preempt() {
    let mut lan = Lan::of(b3().priority(255).no_preempt());

    hear_every_second(&mut lan, 200, 5);

    assert_eq!(lan.takeovers("us"), [(secs(0), Reason::Owner)]);
    assert_eq!(lan.active(), ["us"]);
}

/// The delay begins with the first advertisement of the lower router.
#[test]
fn a_preempt_delay_tolerates_a_living_lower_router_for_so_long() {
    let mut lan = Lan::of(b3().preempt_delay(ms(9_500)));

    hear_every_second(&mut lan, 99, 20);

    assert_eq!(lan.takeovers("us"), [(secs(9) + us(3_609_375), Reason::Preempted)]);
}

#[test]
fn a_preempt_delay_does_not_keep_a_dead_router_in_office() {
    let mut lan = Lan::of(b3().preempt_delay(secs(10)));

    hear_every_second(&mut lan, 99, 5);
    lan.run_for(secs(10));

    assert_eq!(lan.takeovers("us"), [(secs(4) + us(3_609_375), Reason::NoResponse)]);
}

#[test]
fn a_better_active_router_ends_a_preempt_delay() {
    let mut lan = Lan::of(b3().preempt_delay(ms(9_500)));

    hear_every_second(&mut lan, 99, 8);
    lan.hear(&adv(200));
    hear_every_second(&mut lan, 99, 9);

    assert_eq!(lan.takeovers("us"), [], "the delay began anew at 8 s");
    hear_every_second(&mut lan, 99, 10);
    assert_eq!(lan.takeovers("us"), [(secs(17) + us(3_609_375), Reason::Preempted)]);
}

#[test]
fn an_owner_does_not_wait_for_its_preempt_delay() {
    let mut lan = Lan::of(b3().priority(255).preempt_delay(secs(10)));

    hear_every_second(&mut lan, 200, 5);

    assert_eq!(lan.takeovers("us"), [(secs(0), Reason::Owner)]);
}

/// The first at once, then one a second; returns before the one after the last is due.
fn hear_every_second(lan: &mut Lan, priority: u8, times: u32) {
    for _ in 0..times {
        lan.hear(&adv(priority));
        lan.run_for(ms(1000));
    }
}
