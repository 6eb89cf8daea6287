//! Timers: `Active_Down_Timer` and `Adver_Timer` to the nanosecond (RFC 9568 §6.1–§6.4).

use resty_vrrp::proto::{Datagram, Input, Node, Reason, State};
use resty_vrrp::types::Instant;

use crate::host::{Host, LINK};
use crate::lan::Lan;
use crate::setup::{C, HIGHEST, US, Vary as _, adv, b2, b3, ms, ns, secs, us};
use crate::view::Act;

#[test]
fn a_router_starts_as_backup_and_says_nothing() {
    let mut lan = Lan::of(b3());

    lan.run_until(us(3_609_374));

    assert_eq!(lan.transitions("us"), [(secs(0), State::Backup, Reason::Startup)]);
    assert_eq!(lan.acts_since("us", secs(0)), []);
}

/// RFC 9568 §6.4.2: "If the `Active_Down_Timer` fires".
#[test]
fn a_backup_that_hears_nothing_advertises_and_then_claims() {
    let mut lan = Lan::of(b3());

    lan.run_until(secs(4));

    assert_eq!(lan.takeovers("us"), [(us(3_609_375), Reason::NoResponse)]);
    assert_eq!(lan.acts_since("us", secs(0)), [Act::Advertise(100), Act::Claim]);
    assert_eq!(lan.packets("us")[0].1.addresses, adv(0).addresses);
}

/// RFC 3768 §6.1: the skew of version 2 is a fraction of a second, whatever the interval.
#[test]
fn the_skew_of_version_2_does_not_scale_with_the_interval() {
    let mut lan = Lan::of(b2().every_cs(500));

    lan.run_until(secs(20));

    assert_eq!(lan.takeovers("us"), [(us(15_609_375), Reason::NoResponse)]);
}

/// RFC 9568 §6.1: `Skew_Time` is a fraction of `Active_Adver_Interval`.
#[test]
fn the_skew_of_version_3_scales_with_the_interval() {
    let mut lan = Lan::of(b3().every_cs(10));

    lan.run_until(secs(1));

    assert_eq!(lan.takeovers("us"), [(ns(360_937_500), Reason::NoResponse)]);
}

#[test]
fn a_skew_below_a_millisecond_is_kept() {
    let mut lan = Lan::of(b3().priority(254).every_cs(1));

    lan.run_until(secs(1));

    assert_eq!(lan.takeovers("us"), [(ns(30_078_125), Reason::NoResponse)]);
}

#[test]
fn the_dead_factor_says_how_many_advertisements_may_be_missed() {
    let mut lan = Lan::of(b3().every_cs(10).dead_factor(10));

    lan.run_until(secs(2));

    assert_eq!(lan.takeovers("us"), [(ns(1_060_937_500), Reason::NoResponse)]);
}

#[test]
fn every_accepted_advertisement_restarts_the_down_timer() {
    let mut lan = Lan::of(b3());

    for second in 1..=60 {
        lan.run_until(secs(second));
        lan.hear(&adv(200));
    }
    lan.run_for(secs(10));

    assert_eq!(lan.takeovers("us"), [(secs(60) + us(3_609_375), Reason::NoResponse)]);
}

/// RFC 9568 §6.4.2: a Backup follows the interval of the Active router.
#[test]
fn a_backup_learns_the_interval_of_the_active_router() {
    let mut lan = Lan::of(b3().priority(150));

    lan.run_until(secs(1));
    lan.hear(&adv(200).every(300));
    lan.run_for(secs(20));

    assert_eq!(lan.takeovers("us"), [(secs(1) + ns(10_242_187_500), Reason::NoResponse)]);
}

#[test]
fn a_backup_learns_anew_from_a_new_active_router() {
    let mut lan = Lan::of(b3());

    lan.hear(&adv(200).every(300));
    lan.run_until(secs(1));
    lan.hear(&adv(210).from(C).every(50));
    lan.run_for(secs(5));

    assert_eq!(lan.takeovers("us"), [(secs(1) + ns(1_804_687_500), Reason::NoResponse)]);
}

#[test]
fn an_active_router_uses_its_own_interval_whatever_it_learned() {
    let mut lan = Lan::of(b3());

    lan.hear(&adv(200).every(300));
    lan.run_until(secs(15));

    let packets = lan.packets("us");
    let gaps: Vec<_> = packets.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert_eq!(packets[0].0, ns(10_828_125_000));
    assert_eq!(gaps, [secs(1); 4]);
    assert!(packets.iter().all(|(_, packet)| packet.interval == 100));
}

#[test]
fn a_router_that_starts_again_has_forgotten_the_learned_interval() {
    let mut lan = Lan::of(b3());
    lan.hear(&adv(200).every(300));

    lan.run_until(secs(1));
    lan.stop("us");
    lan.run_until(secs(2));
    lan.start("us");
    lan.run_until(secs(10));

    assert_eq!(lan.takeovers("us"), [(secs(2) + us(3_609_375), Reason::NoResponse)]);
}

#[test]
fn advertisements_stay_on_the_grid_of_their_interval() {
    let mut lan = Lan::of(b3());
    lan.lateness = ms(40);

    lan.run_until(secs(14));

    let first = lan.adverts("us")[0].0;
    let adverts = lan.adverts("us");
    let late: Vec<_> = adverts.iter().zip(0..).map(|((at, _), k)| *at - first - secs(k)).collect();
    assert_eq!(late.len(), 11);
    assert!(late.iter().all(|late| *late <= ms(40)), "{late:?}");
}

#[test]
fn a_late_advertisement_does_not_delay_the_next_ones() {
    let mut lan = Lan::of(b3());
    lan.run_until(secs(5));
    let first = lan.adverts("us")[0].0;

    lan.pause("us");
    lan.run_until(first + ms(3_300));
    lan.resume("us");
    lan.run_until(first + ms(5_500));

    let times: Vec<_> = lan.adverts("us").iter().map(|(at, _)| *at - first).collect();
    assert_eq!(times, [ms(0), ms(1000), ms(3300), ms(4000), ms(5000)]);
}

#[test]
fn a_timer_that_fires_after_an_advertisement_was_read_is_stale() {
    let mut host = Host::new("us", US, vec![b3()], secs(0));
    start(&mut host);
    let down_at = host.node.poll_timeout().unwrap();
    let octets = adv(200).octets();

    let received = Datagram::parse_ipv4(&octets);
    host.node.handle(Input::Datagram { link: LINK, received }, down_at + ms(1));
    host.drain();
    host.node.handle_timeout(down_at + ms(1));

    assert_eq!(host.drain(), []);
    assert_eq!(host.node.poll_timeout(), Some(down_at + ms(1) + us(3_609_375)));
}

#[test]
fn bad_packets_do_not_feed_the_down_timer() {
    let mut lan = Lan::of(b3());
    let mut no_addresses = adv(200);
    no_addresses.addresses.clear();
    let mut crossed_a_router = adv(200);
    crossed_a_router.ttl = 254;

    for tick in 0..7 {
        lan.run_until(ms(500 * tick));
        for bad in [&no_addresses, &crossed_a_router, &adv(200).every(0), &adv(200).from(US)] {
            lan.hear(bad);
        }
        lan.hear_octets(&flip_last_bit(adv(200).octets()));
    }
    lan.run_until(secs(5));

    assert_eq!(lan.takeovers("us"), [(us(3_609_375), Reason::NoResponse)]);
}

#[test]
fn a_timeout_that_comes_early_or_twice_changes_nothing() {
    let mut host = Host::new("us", US, vec![b3()], secs(0));
    start(&mut host);
    let down_at = host.node.poll_timeout().unwrap();

    host.node.handle_timeout(Instant::from_nanos(down_at.as_nanos() - 1));
    let early = host.drain();
    host.node.handle_timeout(down_at);
    let in_time = host.drain();
    host.node.handle_timeout(down_at);
    let again = host.drain();

    assert_eq!((early, again), (Vec::new(), Vec::new()));
    assert!(!in_time.is_empty());
}

#[test]
fn a_startup_hold_only_puts_off_what_comes_earlier() {
    let mut short = Lan::of(b3().startup_hold(secs(2)));
    let mut long = Lan::of(b3().startup_hold(secs(10)));

    short.run_until(secs(20));
    long.run_until(secs(20));

    assert_eq!(short.takeovers("us"), [(us(3_609_375), Reason::NoResponse)]);
    assert_eq!(long.takeovers("us"), [(secs(10), Reason::NoResponse)]);
}

#[test]
fn an_owner_that_is_held_at_its_start_listens_first() {
    let mut lan = Lan::of(b3().priority(255).startup_hold(secs(3)));

    lan.hear(&adv(100).from(HIGHEST));
    lan.run_until(secs(10));

    assert_eq!(lan.takeovers("us").first().map(|(at, _)| *at), Some(secs(3)));
}

fn start(host: &mut Host) {
    use crate::host::Cause;
    for cause in [Cause::Link, Cause::Health, Cause::Startup] {
        host.handle(&cause, secs(0));
    }
}

fn flip_last_bit(mut octets: Vec<u8>) -> Vec<u8> {
    *octets.last_mut().unwrap() ^= 1;
    octets
}

/// A node without virtual routers is allowed, and does nothing.
#[test]
fn a_node_without_routers_sleeps_for_ever() {
    let mut node = Node::new(&[]);

    node.handle(Input::Startup, Instant::default());

    assert_eq!(node.poll_action(), None);
    assert_eq!(node.poll_timeout(), None);
}
