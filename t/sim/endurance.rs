//! Long runs.

use std::time::Duration;

use crate::lan::Lan;
use crate::setup::{A, US, Vary as _, b3, ms, secs, us};

/// 32-bit milliseconds would wrap after 49.7 days.
#[test]
fn eight_weeks_bring_no_drift_and_no_transition() {
    let router = |priority: u8| vec![b3().every_cs(4095).priority(priority)];
    let mut lan = Lan::seeded(0).with("a", A, router(200)).with("b", US, router(100));
    lan.lateness = ms(5);
    lan.network.delay = us(50)..=us(500);
    let interval = Duration::from_millis(40_950);

    lan.run_until(secs(8 * 7 * 86_400));

    let adverts = lan.adverts("a");
    let first = adverts[0].0;
    assert!(adverts.len() > 118_000);
    for ((at, _), k) in adverts.iter().zip(0..) {
        let late = *at - (first + interval * k);
        assert!(late <= ms(5), "advertisement {k} is {late:?} late");
    }
    assert_eq!((lan.takeovers("a").len(), lan.takeovers("b").len()), (1, 0));
    assert_eq!(lan.snapshot("b").counters.received.accepted, adverts.len() as u64);
}

#[test]
fn the_fastest_interval_is_kept_although_timers_fire_late() {
    let router = |priority: u8| vec![b3().every_cs(1).dead_factor(10).priority(priority)];
    let mut lan = Lan::seeded(0).with("a", A, router(200)).with("b", US, router(100));
    lan.lateness = ms(9);
    lan.network.delay = us(50)..=us(500);

    lan.run_until(secs(300));

    assert_eq!(lan.active(), ["a"]);
    assert_eq!((lan.takeovers("a").len(), lan.takeovers("b").len()), (1, 0));
    assert!(lan.adverts("a").len() > 29_900, "{}", lan.adverts("a").len());
}
