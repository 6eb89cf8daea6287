//! What an operator reads: enough to act on, and never a flood.

use std::net::Ipv4Addr;

use resty_vrrp::proto::{Discard, Problem, State};
use resty_vrrp::types::{ChecksumForm, ChecksumPolicy, Priority};

use crate::lan::Lan;
use crate::setup::{A, C, HIGHEST, US, Vary as _, adv, adv2, b2, b3, ms, secs, us};

#[test]
fn ten_thousand_bad_packets_are_counted_exactly_and_reported_twice() {
    let mut lan = Lan::of(b3());
    let mut bad = adv(200);
    bad.ttl = 254;

    for _ in 0..10_000 {
        lan.hear(&bad);
        lan.run_for(us(100));
    }
    lan.run_until(secs(30));
    lan.hear(&bad);

    assert_eq!(lan.snapshot("us").discarded(Discard::Ttl), 10_001);
    let reports: Vec<_> = lan.reports("us").iter().map(|(_, it)| it.suppressed).collect();
    assert_eq!(reports, [0, 9_999]);
}

#[test]
fn a_report_names_the_sender_and_what_is_wrong() {
    let mut lan = Lan::of(b3());
    let mut other_addresses = adv(200).from(C);
    other_addresses.addresses.pop();

    lan.hear(&other_addresses);

    let (_, report) = lan.reports("us")[0];
    assert_eq!((report.source, &report.problem), (Some(C.into()), &Problem::AddressesDiffer));
    assert_eq!(lan.snapshot("us").active.map(|active| active.address), Some(C.into()), "accepted");
}

/// The list has none of ours: it is another virtual router's, and takes nothing from this one.
#[test]
fn a_stranger_with_our_vrid_changes_nothing_whatever_it_sends() {
    for priority in [0, 1, 100, 200, 255] {
        let mut lan = Lan::seeded(0).host("a", 200).host("b", 100);
        lan.run_until(secs(6));
        let mut stranger = adv(priority).from(HIGHEST).every(1);
        stranger.addresses = vec![Ipv4Addr::new(192, 0, 2, 77)];

        for _ in 0..1_000 {
            lan.hear(&stranger);
            lan.run_for(ms(10));
        }

        assert_eq!((lan.takeovers("a").len(), lan.takeovers("b").len()), (1, 0));
        assert_eq!(lan.active(), ["a"]);
        assert_eq!(lan.acts_since("a", secs(6)).len(), 10, "no answer, no announcement");
        assert_eq!((lan.reports("a").len(), lan.reports("b").len()), (1, 1));
        assert!(lan.snapshot("a").conflict.is_some());

        lan.run_for(secs(10));
        assert_eq!(lan.snapshot("a").conflict, None);

        lan.kill("a");
        lan.run_for(secs(2));
        lan.hear(&stranger);
        lan.run_for(secs(2));
        assert_eq!(lan.active(), ["b"], "the stranger is no reason to wait");
    }
}

#[test]
fn another_interval_is_followed_counted_and_reported_once() {
    let mut lan = Lan::of(b3());

    for _ in 0..3 {
        lan.hear(&adv(200).every(300));
        lan.run_for(secs(3));
    }

    let problem = Problem::IntervalDiffers { theirs_ms: 3000, ours_ms: 1000 };
    assert_eq!(lan.reports("us").len(), 1);
    assert_eq!(lan.reports("us")[0].1.problem, problem);
    assert_eq!(lan.snapshot("us").counters.received.interval_differs, 3);
}

/// RFC 3768 §7.1: "the packet MUST be discarded".
#[test]
fn another_interval_in_version_2_is_discarded_and_reported() {
    let mut lan = Lan::of(b2());

    for second in 0..5 {
        lan.run_until(secs(second));
        lan.hear(&adv2(200).every(2));
    }

    assert_eq!(lan.takeovers("us").len(), 1);
    assert_eq!(lan.snapshot("us").discarded(Discard::Interval), 5);
    assert_eq!(lan.reports("us")[0].1.problem, Problem::Discarded(Discard::Interval));
}

#[test]
fn an_active_router_reports_that_there_is_another() {
    let mut lan = Lan::of(b3());
    lan.run_until(secs(5));

    lan.hear(&adv(50));

    let problem = Problem::AnotherActive { priority: Priority::new(50) };
    assert_eq!(lan.reports("us")[0].1.problem, problem);
}

/// RFC 3768 §7.1: an owner discards what others send.
#[test]
fn an_owner_of_version_2_does_not_listen() {
    let mut lan = Lan::of(b2().priority(255));

    lan.hear(&adv2(255).from(C));

    assert_eq!(lan.state("us"), State::Active);
    assert_eq!(lan.snapshot("us").discarded(Discard::Owner), 1);
}

/// Starting with the pseudo-header, a router learns from its peer what that one understands.
#[test]
fn routers_with_different_checksums_understand_each_other() {
    let strict = ChecksumPolicy::Only(ChecksumForm::Message);
    for (ours, theirs) in [(200, 100), (100, 200)] {
        let mut rfc9568 = b3().priority(theirs);
        rfc9568.checksum = strict;
        let mut lan = Lan::seeded(0).with("auto", US, vec![b3().priority(ours)]);
        lan = lan.with("strict", A, vec![rfc9568]);

        lan.run_until(secs(5));
        lan.run_for(ms(1));

        let winner = if ours > theirs { "auto" } else { "strict" };
        assert_eq!(lan.active(), [winner]);
        lan.run_for(secs(60));
        assert_eq!(lan.active(), [winner]);
        assert!(lan.takeovers("strict").len() <= 1);
    }
}
