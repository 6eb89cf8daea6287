//! Hosts that die and links that break, one at a time.

use std::net::Ipv4Addr;

use resty_vrrp::proto::{Health, Reason, State};

use crate::lan::Lan;
use crate::setup::{Vary as _, b2, b3, ms, secs, us};
use crate::view::Act;

#[test]
fn the_next_best_takes_over_each_time_the_best_dies() {
    let mut lan = three();
    lan.run_until(secs(6));
    assert_eq!(lan.active(), ["a"]);

    lan.kill("a");
    lan.run_for(secs(4));
    assert_eq!(lan.active(), ["b"]);

    lan.kill("b");
    lan.run_for(secs(4));
    assert_eq!(lan.active(), ["c"]);
    assert_eq!(lan.adverts("b").iter().filter(|(_, priority)| *priority == 0).count(), 0);
}

#[test]
fn of_two_backups_only_the_better_one_moves_when_the_active_router_dies() {
    let mut lan = three();
    lan.run_until(secs(6));

    lan.kill("a");
    lan.run_for(secs(20));

    assert_eq!(lan.active(), ["b"]);
    assert_eq!(lan.takeovers("c"), []);
}

#[test]
fn the_outage_after_a_death_is_never_longer_than_the_down_interval() {
    for fraction in 0..10 {
        let mut lan = three();
        lan.run_until(secs(6) + ms(100 * fraction));
        let heard = lan.adverts("a").last().unwrap().0;

        lan.kill("a");
        lan.run_for(secs(5));

        let takeover = lan.takeovers("b").last().unwrap().0;
        assert!(takeover - heard <= us(3_414_063 + 500), "{:?}", takeover - heard);
    }
}

#[test]
fn an_orderly_stop_costs_no_more_than_the_skew() {
    let mut lan = three();
    lan.run_until(secs(6));

    lan.stop("a");
    lan.run_for(us(414_063 + 500));

    assert_eq!(lan.active(), ["b"]);
    assert_eq!(lan.takeovers("c"), []);
}

#[test]
fn a_better_router_that_comes_back_is_active_again() {
    let mut lan = three();
    lan.run_until(secs(6));
    lan.kill("a");
    lan.run_for(secs(10));

    lan.restart("a");
    lan.run_for(secs(4));

    assert_eq!(lan.active(), ["a"]);
    assert_eq!(lan.last_act("b"), Some(Act::Release));
}

#[test]
fn every_part_of_a_divided_lan_elects_its_own_router() {
    let mut lan = three();
    lan.run_until(secs(6));

    lan.cut("c");
    lan.run_for(lan.settling_time());
    lan.assert_settled();
    assert_eq!(lan.active(), ["a", "c"]);

    lan.heal();
    lan.run_for(secs(2));
    assert_eq!(lan.active(), ["a"]);
}

#[test]
fn a_lower_router_that_is_not_heard_still_yields_to_the_higher_one() {
    let mut lan = Lan::seeded(0).host("a", 200).host("b", 100);
    lan.run_until(secs(5));

    lan.cut_one_way("b", "a");
    lan.run_for(secs(60));

    assert_eq!(lan.active(), ["a"]);
    assert_eq!(lan.takeovers("b"), []);
}

#[test]
fn a_lower_router_that_hears_nothing_for_a_moment_yields_as_soon_as_it_hears_again() {
    let mut lan = Lan::seeded(0).host("a", 200).host("b", 100);
    lan.run_until(secs(5));

    lan.cut_one_way("a", "b");
    lan.run_for(secs(10));
    assert_eq!(lan.active(), ["a", "b"], "neither can know better yet");
    lan.heal();
    lan.run_for(secs(1));

    assert_eq!(lan.active(), ["a"]);
    assert_eq!(lan.takeovers("b").len(), 1);
}

#[test]
fn a_lower_router_that_stays_deaf_has_the_addresses_alone() {
    let mut lan = Lan::seeded(0).host("a", 200).host("b", 100);
    lan.run_until(secs(5));
    lan.cut_one_way("a", "b");
    lan.run_for(secs(15));

    for _ in 0..2_000 {
        lan.run_for(secs(1));
        assert_eq!((lan.active(), lan.state("a")), (vec!["b"], State::Fault));
    }

    lan.kill("b");
    lan.run_for(secs(4));
    assert_eq!(lan.active(), ["a"]);
}

#[test]
fn a_higher_router_has_the_addresses_again_minutes_after_the_lower_one_hears_it() {
    let mut lan = Lan::seeded(0).host("a", 200).host("b", 100);
    lan.run_until(secs(5));
    lan.cut_one_way("a", "b");
    lan.run_for(secs(600));

    lan.heal();
    lan.run_for(secs(310));

    assert_eq!(lan.active(), ["a"]);
    let (released, claimed) = (lan.last("b", Act::Release), lan.last("a", Act::Claim));
    let dark = claimed.unwrap() - released.unwrap();
    assert!(dark < secs(4), "nobody had the addresses for {dark:?}");
    assert_eq!(lan.takeovers("a").last().unwrap().1, Reason::Preempted);
}

#[test]
fn one_lost_advertisement_does_not_make_a_second_router_active_beside_a_deaf_one() {
    let mut lan = Lan::seeded(0).host("a", 200).host("b", 100);
    lan.run_until(secs(5));
    lan.cut_one_way("a", "b");
    lan.run_for(secs(20));
    for _ in 0..5 {
        let sent = lan.adverts("a").len();
        while lan.adverts("a").len() == sent {
            lan.run_for(ms(100));
        }

        // What the other one sends next is lost.
        lan.network.cuts.insert((1, 0));
        lan.run_for(ms(1_500));
        lan.network.cuts.remove(&(1, 0));

        for _ in 0..50 {
            assert_eq!((lan.active(), lan.state("a")), (vec!["b"], State::Fault));
            lan.run_for(ms(100));
        }
    }
}

#[test]
fn a_router_that_cannot_add_addresses_takes_them_from_nobody() {
    let mut lan = Lan::seeded(0).host("a", 200).host("b", 100);
    lan.run_until(secs(5));
    lan.cut_one_way("a", "b");
    lan.run_for(secs(20));
    assert_eq!((lan.active(), lan.state("a")), (vec!["b"], State::Fault));

    lan.stall("a", true);
    lan.heal();

    for _ in 0..600 {
        lan.run_for(secs(1));
        assert_eq!(lan.active(), ["b"]);
    }
    lan.stall("a", false);
    lan.run_for(secs(10));
    assert_eq!(lan.active(), ["a"]);
}

#[test]
fn reloads_do_not_keep_two_routers_active_of_which_one_is_deaf() {
    let mut lan = Lan::seeded(0).host("a", 200).host("b", 100);
    lan.run_until(secs(5));
    lan.cut_one_way("a", "b");
    lan.run_for(secs(4));
    assert_eq!(lan.active(), ["a", "b"]);

    for _ in 0..5 {
        lan.run_for(secs(2));
        let same = lan.hosts[0].instances.clone();
        lan.reload("a", same);
    }

    assert_eq!((lan.active(), lan.state("a")), (vec!["b"], State::Fault));
}

#[test]
fn routers_that_do_not_hear_each_other_are_both_active() {
    let mut lan = Lan::seeded(0).host("a", 200).host("b", 100);
    lan.run_until(secs(5));

    lan.cut("b");
    lan.run_for(secs(600));

    assert_eq!(lan.active(), ["a", "b"], "neither can know better");
    lan.heal();
    lan.run_for(secs(1));
    assert_eq!(lan.active(), ["a"]);
}

#[test]
fn of_two_backups_that_do_not_hear_the_active_router_one_has_the_addresses() {
    let mut lan = three();
    lan.run_until(secs(6));
    lan.cut_one_way("a", "b");
    lan.cut_one_way("a", "c");
    lan.run_for(secs(15));

    for _ in 0..300 {
        lan.run_for(secs(1));
        assert_eq!((lan.active(), lan.state("a")), (vec!["b"], State::Fault));
    }
    lan.kill("b");
    lan.run_for(secs(15));
    assert_eq!(lan.active(), ["c"], "a hears of it");
}

#[test]
fn of_three_routers_the_one_that_both_others_hear_has_the_addresses() {
    let mut lan = three();
    lan.run_until(secs(6));
    lan.cut_one_way("a", "c");
    lan.run_for(secs(20));
    assert_eq!(lan.active(), ["b"]);

    let mut both = 0;
    for _ in 0..3_600 {
        lan.run_for(secs(1));
        both += usize::from(lan.active().len() > 1);
    }

    // The middle one lets the highest one try, and then the lowest one hears nobody.
    assert!((1..=60).contains(&both), "two owners in {both} of 3600 seconds");
}

#[test]
fn a_router_without_nginx_is_not_active_beside_one_that_does_not_hear_it() {
    let mut lan = Lan::seeded(0);
    for (name, last) in [("a", 3), ("b", 2)] {
        lan.add(name, Ipv4Addr::new(192, 0, 2, last), vec![b3()]);
        lan.hosts.last_mut().unwrap().last_one_standing = true;
        lan.restart(name);
        lan.set_health(name, Health::Failing("no worker".to_owned()));
    }
    lan.run_until(secs(6));
    assert_eq!(lan.active(), ["a"]);

    lan.cut_one_way("a", "b");
    lan.run_for(secs(20));
    for _ in 0..300 {
        lan.run_for(secs(1));
        assert_eq!(lan.active(), ["b"]);
    }
    lan.set_health("a", Health::Serving);
    lan.heal();
    lan.run_for(secs(5));
    assert_eq!(lan.active(), ["a"]);
}

#[test]
fn version_2_routers_survive_a_one_way_cut_in_either_direction() {
    let router = |priority: u8| vec![b2().priority(priority)];
    for (from, to) in [("a", "b"), ("b", "a")] {
        let mut lan = Lan::seeded(0).with("a", Ipv4Addr::new(192, 0, 2, 2), router(200)).with(
            "b",
            Ipv4Addr::new(192, 0, 2, 3),
            router(100),
        );
        lan.run_until(secs(6));

        lan.cut_one_way(from, to);
        lan.run_for(secs(30));
        lan.heal();
        lan.run_for(secs(60));

        assert_eq!(lan.active(), ["a"], "{from} was not heard by {to}");
    }
}

#[test]
fn routers_of_different_intervals_agree() {
    let router = |priority: u8, interval: u16| vec![b3().priority(priority).every_cs(interval)];
    let mut lan = Lan::seeded(3).with("slow", Ipv4Addr::new(192, 0, 2, 2), router(200, 300)).with(
        "fast",
        Ipv4Addr::new(192, 0, 2, 3),
        router(100, 10),
    );

    lan.run_until(secs(120));

    assert_eq!(lan.active(), ["slow"]);
    assert_eq!(lan.takeovers("fast").len(), 1, "only before the slow one was there");
}

/// 200, 150 and 100, on a link as fast as a real one.
fn three() -> Lan {
    let mut lan = Lan::seeded(5).host("a", 200).host("b", 150).host("c", 100);
    lan.network.delay = us(50)..=us(500);
    lan
}
