//! What differs but counts, and how often an operator reads of it.

use std::net::Ipv4Addr;

use resty_vrrp::proto::{Discard, Problem};

use super::octets::{changed, datagram};
use super::station::Station;
use crate::setup::{A, adv, b3, us};

/// Version 3 follows another interval and says so (RFC 9568 §7.1: "SHOULD log").
#[test]
fn another_interval_is_followed_counted_and_told_once() {
    let mut station = Station::of(b3());

    for _ in 0..5 {
        station.hear(&adv(200).every(300).octets());
    }

    assert_eq!((station.heard().accepted, station.heard().interval_differs), (5, 5));
    assert_eq!(station.snapshot().active_down_interval, us(10_828_125));
    assert_eq!(station.told, [Problem::IntervalDiffers { theirs_ms: 3000, ours_ms: 1000 }]);
}

/// Version 3 counts another list of addresses and never drops on it (RFC 9568 §7.1: "MAY log").
#[test]
fn a_list_with_an_address_of_ours_is_heeded_counted_and_told_once() {
    let mut station = Station::of(b3());
    let mut other = adv(200);
    other.addresses[1] = Ipv4Addr::new(192, 0, 2, 77);

    for _ in 0..5 {
        station.hear(&other.octets());
    }

    assert_eq!((station.heard().accepted, station.heard().addresses_differ), (5, 5));
    assert_eq!(station.told, [Problem::AddressesDiffer]);
    assert!(station.snapshot().active.is_some());
}

#[test]
fn a_list_without_an_address_of_ours_is_counted_and_told_once_and_not_heeded() {
    let mut station = Station::of(b3());
    let (source, address) = (A.into(), Ipv4Addr::new(192, 0, 2, 77));
    let mut other = adv(200);
    other.addresses = vec![address];

    for _ in 0..5 {
        station.hear(&other.octets());
    }

    assert_eq!((station.heard().accepted, station.heard().addresses_differ), (5, 5));
    let conflict = Problem::VridConflict { source, address: address.into(), one_yields: false };
    assert_eq!(station.told, std::slice::from_ref(&conflict));
    assert_eq!((station.snapshot().active, station.snapshot().conflict), (None, Some(conflict)));
}

/// Counters are exact, log lines are few (RFC 9568 §7.1: a receiver SHOULD log, §9: it is an attack
/// that anybody on the link can make).
#[test]
fn ten_thousand_bad_packets_in_a_second_are_a_few_lines() {
    let mut station = Station::of(b3());
    let bad = [
        (datagram("N7"), Discard::Checksum),
        (datagram("N8"), Discard::Ttl),
        (datagram("N2"), Discard::Length),
        (changed("P5", |message| message[1] = 99), Discard::Vrid),
    ];

    for _ in 0..2500 {
        for (datagram, _) in &bad {
            station.hear(datagram);
        }
        station.run_for(us(400));
    }

    for (_, discard) in bad {
        assert_eq!(station.snapshot().discarded(discard), 2500, "{discard:?}");
    }
    assert!((1..=4).contains(&station.told.len()), "{:?}", station.told);
}
