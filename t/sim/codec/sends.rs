//! What a node sends, octet for octet.

use std::net::Ipv4Addr;

use resty_vrrp::config::InstanceConfig;
use resty_vrrp::types::{ChecksumForm, ChecksumPolicy, SimplePassword, VirtualAddress};

use super::octets::{changed, datagram, message};
use super::station::Station;
use crate::packet::Packet;
use crate::setup::{A, C, Vary as _, adv, b2, b3, secs, vip};

/// Every field of version 2 comes from the virtual router (RFC 3768 §5.3), in a datagram with TTL
/// 255 to the group (RFC 3768 §5.2).
#[test]
fn a_version_2_router_sends_the_golden_advertisement() {
    let mut station = Station::at(A, &[b2()]);

    station.run_until_active();

    assert_eq!(station.last_message(), message("P1"));
    let (_, sent) = &station.sent[0];
    let golden = datagram("P1");
    assert_eq!(sent[..4], golden[..4]);
    assert_eq!(sent[6..10], golden[6..10]);
    assert_eq!(sent[12..], golden[12..]);
}

/// The owner is Active as soon as it starts (RFC 3768 §6.4.1).
#[test]
fn an_owner_of_two_addresses_sends_the_golden_advertisement_at_once() {
    let mut owner = b2().vrid(7).priority(255).every_cs(300);
    owner
        .addresses
        .push(VirtualAddress { address: Ipv4Addr::new(198, 51, 100, 1).into(), prefix: 24 });

    let station = Station::at(Ipv4Addr::new(192, 0, 2, 1), &[owner]);

    assert_eq!(station.sent.len(), 1);
    assert_eq!(station.last_message(), message("P2"));
}

/// Simple text authentication carries the password, padded with zeros (RFC 2338 §5.3.10).
#[test]
fn a_password_is_sent_in_all_eight_octets() {
    let instance = b2().vrid(51).priority(150);
    let mut station = Station::at(A, &[with_password(instance, *b"secret\0\0")]);

    station.run_until_active();

    assert_eq!(station.last_message(), message("P4"));
}

/// An Active router that shuts down sends one advertisement with priority 0 (RFC 3768 §6.4.3).
#[test]
fn an_active_router_resigns_with_one_golden_advertisement() {
    let mut station = Station::at(A, &[b2()]);
    station.run_until_active();
    let before = station.sent.len();

    station.shut_down();
    station.run_for(secs(10));

    assert_eq!(station.sent.len(), before + 1);
    assert_eq!(station.last_message(), message("P3"));
    assert_eq!(station.snapshot().counters.priority_zero_sent, 1);
}

/// The checksum of version 3 covers the message alone (RFC 9568 §5.2.8), or a pseudo-header too
/// (RFC 5798 as deployed): the operator's choice.
#[test]
fn the_checksum_is_sent_in_the_form_configured() {
    for (form, golden) in [(ChecksumForm::Message, "P5"), (ChecksumForm::PseudoHeader, "P6")] {
        let mut station = Station::at(A, &[with_checksum(b3().priority(200), form)]);

        station.run_until_active();

        assert_eq!(station.last_message(), message(golden));
    }
}

/// Unless told otherwise a router starts with the form that most peers insist on, then answers in
/// the form that it last heard (RFC 9568 §5.2.8 and RFC 5798 as deployed).
#[test]
fn the_checksum_follows_the_form_last_heard() {
    let mut station = Station::at(A, &[b3().priority(200)]);
    station.run_until_active();
    assert_eq!(station.last_message(), message("P6"));
    let heard = |form| Packet { form, ..adv(100).from(C) }.octets();

    for (form, golden) in [(ChecksumForm::Message, "P5"), (ChecksumForm::PseudoHeader, "P6")] {
        station.hear(&heard(form));
        station.run_for(secs(1));

        assert_eq!(station.last_message(), message(golden));
    }
    assert_eq!(station.discarded(), []);
}

/// What is discarded teaches nothing (RFC 9568 §7.1).
#[test]
fn the_checksum_does_not_follow_what_is_discarded() {
    let mut station = Station::at(A, &[b3().priority(200)]);

    station.hear(&changed("P5", |message| message[5] = 0));
    station.hear(&changed("N1", |_| {}));
    station.run_until_active();

    assert_eq!(station.last_message(), message("P6"));
}

/// Reserved bits "MUST be set to zero on transmission" (RFC 9568 §5.2.6), at the longest interval
/// too.
#[test]
fn reserved_bits_are_sent_as_zero() {
    let mut station = Station::of(b3().vrid(255).every_cs(4095));

    station.run_until_active();

    assert_eq!(station.last_message()[4..6], [0x0f, 0xff]);
}

/// A checksum that comes out as zero is sent as zero (RFC 1071; UDP alone has another rule).
#[test]
fn a_checksum_of_zero_is_sent_as_zero() {
    let mut instance = b3().priority(12);
    instance.addresses = vec![vip(144)];
    let mut station = Station::at(A, &[with_checksum(instance, ChecksumForm::Message)]);

    station.run_until_active();

    assert_eq!(station.last_message(), message("Z1"));
}

fn with_checksum(instance: InstanceConfig, form: ChecksumForm) -> InstanceConfig {
    InstanceConfig { checksum: ChecksumPolicy::Only(form), ..instance }
}

fn with_password(instance: InstanceConfig, password: [u8; 8]) -> InstanceConfig {
    InstanceConfig { auth: Some(SimplePassword(password)), ..instance }
}
