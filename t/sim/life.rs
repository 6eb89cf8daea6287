//! Engines that end and go on: reloads, crashes, drains, and nginx that serves nowhere.

use resty_vrrp::proto::{Health, Reason, State};

use crate::lan::Lan;
use crate::setup::{A, C, US, Vary as _, b2, b3, ms, secs, us};
use crate::view::Act;

#[test]
fn a_hundred_reloads_cannot_be_seen_from_outside() {
    for base in [b3().every_cs(10), b2()] {
        let mut lan = Lan::seeded(1).with("a", A, vec![base.clone().priority(200)]).with(
            "b",
            US,
            vec![base.clone().priority(100)],
        );
        lan.network.delay = us(50)..=us(500);
        lan.run_until(secs(10));
        let transitions = |lan: &Lan| (lan.transitions("a"), lan.transitions("b"));
        let before = transitions(&lan);

        for _ in 0..100 {
            let pause = lan.rng.up_to(ms(700));
            lan.run_for(pause);
            let name = *lan.rng.pick(&["a", "b"]);
            let same = lan.hosts[lan.index(name)].instances.clone();
            lan.reload(name, same);
        }
        lan.run_for(secs(10));

        assert_eq!(transitions(&lan), before);
        let adverts = lan.adverts("a");
        let interval = base.adver_interval.duration();
        assert!(adverts.iter().all(|(_, priority)| *priority == 200));
        assert!(adverts.windows(2).all(|two| two[1].0 - two[0].0 == interval));
        assert_eq!(lan.adverts("b"), []);
    }
}

#[test]
fn a_reload_that_lowers_the_priority_hands_over_without_a_gap() {
    let mut lan = pair();
    lan.run_until(secs(10));

    lan.reload("a", vec![b3().every_cs(10).priority(50)]);
    let gap = longest_gap(&mut lan);

    assert_eq!(lan.active(), ["b"]);
    assert_eq!(gap, ms(0));
    assert_eq!(lan.takeovers("b").last().unwrap().1, Reason::Preempted);
}

#[test]
fn an_engine_that_crashes_resumes_before_anybody_notices() {
    let mut lan = pair();
    lan.run_until(secs(10));

    for name in ["a", "b"].repeat(20) {
        let pause = lan.rng.up_to(ms(900));
        lan.run_for(pause);
        lan.crash(name);
        lan.run_for(ms(150));
        lan.respawn(name);
    }
    lan.run_for(secs(10));

    assert_eq!(lan.active(), ["a"]);
    assert_eq!((lan.takeovers("a").len(), lan.takeovers("b").len()), (1, 0));
    assert!(!lan.adverts("a").iter().any(|(_, priority)| *priority == 0));
}

#[test]
fn an_engine_that_comes_back_too_late_listens_first() {
    let mut lan = pair();
    lan.run_until(secs(10));

    lan.crash("a");
    lan.run_for(secs(2));
    assert_eq!(lan.active(), ["a", "b"], "the addresses of a crashed engine outlive it");
    let respawned = lan.now;
    lan.respawn("a");

    assert_eq!(lan.acts_since("a", respawned), [Act::Release]);
    assert_eq!(lan.active(), ["b"]);
}

#[test]
fn on_a_drain_somebody_answers_at_every_moment() {
    for base in [b3().every_cs(10), b3(), b2()] {
        let mut lan = Lan::seeded(3)
            .with("a", A, vec![base.clone().priority(200)])
            .with("b", US, vec![base.clone().priority(100)])
            .with("c", C, vec![base.priority(1)]);
        lan.network.delay = us(50)..=us(500);
        lan.lateness = ms(1);
        lan.run_until(secs(30));

        for (leaver, heir) in [("a", "b"), ("b", "c")] {
            lan.drain(leaver, true);
            assert_eq!(longest_gap(&mut lan), ms(0));
            assert_eq!(lan.active(), [heir]);
            assert_eq!(lan.transitions(leaver).last().unwrap().2, Reason::Drained);
        }
        for returner in ["b", "a"] {
            lan.drain(returner, false);
            assert_eq!(longest_gap(&mut lan), ms(0));
            assert_eq!(lan.active(), [returner]);
        }
    }
}

#[test]
fn a_drain_finds_its_heir_although_a_resignation_is_lost() {
    let mut lan = pair();
    lan.run_until(secs(10));

    lan.cut_one_way("a", "b");
    lan.drain("a", true);
    lan.heal();
    let gap = longest_gap(&mut lan);

    assert_eq!(lan.active(), ["b"]);
    assert_eq!(gap, ms(0));
}

#[test]
fn a_host_that_leaves_for_good_stops_when_another_has_taken_over() {
    let mut lan = pair();
    lan.run_until(secs(10));

    lan.leave("a");
    let gap = longest_gap(&mut lan);

    assert_eq!(gap, ms(0));
    assert_eq!(lan.active(), ["b"]);
    assert_eq!(lan.transitions("a").last().unwrap().2, Reason::Shutdown);
}

#[test]
fn a_drained_host_stays_away_over_reloads_and_crashes() {
    let mut lan = pair();
    lan.run_until(secs(10));
    lan.drain("a", true);
    lan.reload("a", vec![b3().every_cs(10).priority(220)]);
    lan.run_for(secs(5));
    assert_eq!(lan.active(), ["b"]);

    lan.crash("a");
    lan.run_for(ms(50));
    lan.respawn("a");
    lan.run_for(secs(5));

    assert_eq!(lan.active(), ["b"]);
    assert_eq!(lan.state("a"), State::Initialize);
}

#[test]
fn where_nobody_is_well_one_serves_until_somebody_is() {
    let mut lan = Lan::seeded(5);
    for (name, primary, priority) in [("a", A, 200), ("b", US, 100)] {
        lan.add(name, primary, vec![b3().every_cs(10).priority(priority)]);
        lan.hosts.last_mut().unwrap().last_one_standing = true;
        lan.restart(name);
    }
    lan.network.delay = us(50)..=us(500);
    lan.run_until(secs(10));

    lan.set_health("a", ill());
    lan.run_for(secs(5));
    assert_eq!((lan.active(), lan.state("a")), (vec!["b"], State::Fault));
    lan.set_health("b", ill());
    lan.run_for(secs(5));
    let standing = lan.active();
    assert_eq!(standing.len(), 1, "{standing:?}");
    assert_eq!(lan.adverts(standing[0]).last().unwrap().1, 1);

    lan.set_health("a", Health::Serving);
    lan.run_for(secs(5));
    assert_eq!((lan.active(), lan.state("b")), (vec!["a"], State::Fault));
    assert_eq!(lan.adverts("a").last().unwrap().1, 200);
}

/// Two hosts at 100 ms; `a` is the better one.
fn pair() -> Lan {
    let router = |priority: u8| vec![b3().every_cs(10).priority(priority)];
    let mut lan = Lan::seeded(0).with("a", A, router(200)).with("b", US, router(100));
    lan.network.delay = us(50)..=us(500);
    lan
}

/// Runs until all is settled, and returns for how long nobody had the addresses.
fn longest_gap(lan: &mut Lan) -> std::time::Duration {
    let end = lan.now + lan.settling_time();
    let (mut longest, mut since) = (ms(0), None);
    while let Some(at) = lan.next_event().filter(|at| *at <= end) {
        lan.run_until(at.max(lan.now));
        match (lan.active().is_empty(), since) {
            (true, None) => since = Some(lan.now),
            (true, Some(_)) | (false, None) => {}
            (false, Some(begin)) => {
                longest = longest.max(lan.now - begin);
                since = None;
            }
        }
    }
    lan.run_until(end);
    longest
}

fn ill() -> Health {
    Health::Failing("no worker".to_owned())
}
