//! Hosts that were paused: a laptop lid, a live migration, a debugger, a starved machine.

use resty_vrrp::proto::{Reason, State};

use crate::lan::Lan;
use crate::setup::{Vary as _, b3, ms, secs, us};
use crate::view::Act;

#[test]
fn an_active_router_that_slept_too_long_listens_before_it_claims() {
    for reads_before_waking in [false, true] {
        let mut lan = pair(reads_before_waking);
        lan.run_until(secs(6));

        lan.pause("a");
        lan.run_until(secs(20));
        assert_eq!(lan.active(), ["a", "b"], "a cannot know yet");
        lan.resume("a");

        assert_eq!(lan.state("a"), State::Backup);
        assert_eq!(lan.acts_since("a", secs(20)), [Act::Release]);
        assert_eq!(lan.active(), ["b"]);
        lan.run_until(secs(30));
        assert_eq!(lan.takeovers("a").last().unwrap().1, Reason::Preempted);
    }
}

#[test]
fn an_active_router_alone_that_slept_too_long_still_listens_first() {
    let mut lan = Lan::of(b3());
    lan.run_until(secs(6));
    lan.pause("us");
    lan.run_until(secs(600));

    lan.resume("us");
    lan.run_until(secs(620));

    let takeovers = lan.takeovers("us");
    assert_eq!(takeovers.last(), Some(&(secs(600) + us(3_609_375), Reason::NoResponse)));
    assert_eq!(
        lan.acts_since("us", secs(600))[..3],
        [Act::Release, Act::Advertise(100), Act::Claim]
    );
}

#[test]
fn an_active_router_that_slept_a_moment_goes_on_without_a_transition() {
    let mut lan = pair(false);
    lan.run_until(secs(6));

    lan.pause("a");
    lan.run_for(secs(2));
    lan.resume("a");
    lan.run_for(secs(10));

    assert_eq!(lan.active(), ["a"]);
    assert_eq!((lan.takeovers("a").len(), lan.takeovers("b").len()), (1, 0));
}

#[test]
fn a_backup_that_slept_too_long_does_not_take_its_own_silence_for_death() {
    for reads_before_waking in [false, true] {
        let mut lan = pair(reads_before_waking);
        lan.run_until(secs(6));

        lan.pause("b");
        lan.run_until(secs(60));
        lan.resume("b");
        lan.run_until(secs(70));

        assert_eq!(lan.takeovers("b"), []);
        assert_eq!(lan.active(), ["a"]);
    }
}

/// As the guest of a host that takes a snapshot: what is sent meanwhile is lost.
#[test]
fn a_backup_that_was_deaf_while_it_slept_listens_for_what_is_left_of_its_patience() {
    for slept in [ms(2_500), ms(5_000), ms(7_000)] {
        let mut lan = pair(false);
        lan.run_until(secs(6));

        lan.pause("b");
        lan.cut("b");
        lan.run_for(slept);
        lan.heal();
        lan.resume("b");
        lan.run_for(secs(10));

        assert_eq!((lan.takeovers("b"), lan.active()), (vec![], vec!["a"]), "{slept:?}");
    }
}

#[test]
fn a_backup_that_slept_beside_a_dead_router_takes_over_after_what_is_left_of_its_patience() {
    let mut lan = pair(false);
    lan.run_until(secs(6));
    lan.kill("a");
    lan.run_for(secs(1));

    lan.pause("b");
    lan.run_for(ms(1_500));
    lan.resume("b");
    lan.run_for(secs(10));

    let [(at, reason)] = lan.takeovers("b")[..] else { panic!("{:?}", lan.takeovers("b")) };
    assert_eq!(reason, Reason::NoResponse);
    assert!((ms(10_300)..ms(10_350)).contains(&at), "{at:?}");
}

#[test]
fn adverts_missed_during_a_pause_are_not_sent_in_a_burst() {
    let mut lan = Lan::of(b3().every_cs(10));
    lan.run_until(secs(6));

    lan.pause("us");
    lan.run_for(ms(250));
    lan.resume("us");

    assert_eq!(lan.acts_since("us", lan.now), [Act::Advertise(100), Act::Announce]);
}

fn pair(reads_before_waking: bool) -> Lan {
    let mut lan = Lan::seeded(0).host("a", 200).host("b", 100);
    lan.reads_before_waking = Some(reads_before_waking);
    lan.network.delay = us(50)..=us(500);
    lan
}
