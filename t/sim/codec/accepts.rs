//! What counts, and what it teaches.

use resty_vrrp::config::InstanceConfig;
use resty_vrrp::proto::{ReceiveCounters, State};
use resty_vrrp::types::{SimplePassword, TrailingOctets};

use super::octets::{carried, changed, datagram, message};
use super::station::Station;
use crate::setup::{A, C, Vary as _, adv, b2, b3, ns, us, vip};

/// Every field of version 2 is read from its place (RFC 3768 §5.3).
#[test]
fn a_version_2_backup_heeds_the_golden_advertisement() {
    let mut station = Station::of(b2());

    station.hear(&datagram("P1"));

    let active = station.snapshot().active.expect("it was heard");
    assert_eq!((active.address, active.priority.get(), active.is_self), (A.into(), 100, false));
    assert_eq!(station.heard(), counters(1, |_| {}));
    assert_eq!(station.discarded(), []);
}

/// Priority 0 says that the Active router leaves (RFC 3768 §6.4.2): the wait is `Skew_Time`.
#[test]
fn a_golden_resignation_is_counted_and_heeded() {
    let mut station = Station::of(b2());
    station.hear(&datagram("P1"));

    station.hear(&datagram("P3"));

    assert_eq!(station.heard(), counters(2, |it| it.priority_zero = 1));
    assert_eq!(station.run_until_active(), us(609_375));
}

/// A password that is ours lets an advertisement count (RFC 2338 §5.3.6).
#[test]
fn the_right_password_is_accepted() {
    let auth = Some(SimplePassword(*b"secret\0\0"));
    let mut station = Station::of(InstanceConfig { auth, ..b2().vrid(51) });

    station.hear(&datagram("P4"));

    assert_eq!(station.heard(), counters(1, |_| {}));
    assert_eq!(station.discarded(), []);
}

/// Without authentication its data "is ignored on reception" (RFC 3768 §5.3.10).
#[test]
fn authentication_data_without_authentication_is_not_looked_at() {
    let mut station = Station::of(b2());

    station.hear(&changed("P1", |message| message[12..20].copy_from_slice(b"anything")));

    assert_eq!(station.heard(), counters(1, |_| {}));
}

/// Both checksum forms of version 3 are good, and counted apart (RFC 9568 §5.2.8, RFC 5798).
#[test]
fn both_checksum_forms_are_accepted_and_counted_apart() {
    let mut station = Station::of(b3());

    station.hear(&datagram("P5"));
    assert_eq!(station.heard(), counters(1, |it| it.message_checksums = 1));
    station.hear(&datagram("P6"));

    let both = counters(2, |it| {
        it.message_checksums = 1;
        it.pseudo_header_checksums = 1;
    });
    assert_eq!(station.heard(), both);
    assert_eq!(station.discarded(), []);
}

/// Reserved bits are "ignored on reception": they are no part of the interval (RFC 9568 §5.2.6).
#[test]
fn reserved_bits_are_not_read_as_interval() {
    let mut instance = b3().vrid(255).no_preempt();
    instance.addresses = vec![vip(1)];
    let mut station = Station::at(A, &[instance]);

    station.hear(&datagram("P8"));

    let expected = counters(1, |it| {
        it.message_checksums = 1;
        it.interval_differs = 1;
    });
    assert_eq!(station.heard(), expected);
    let down = station.snapshot().active_down_interval;
    assert_eq!(down, us(147_803_906) + ns(250));
}

/// 0x0000 and 0xffff are the same number in ones' complement (RFC 1071).
#[test]
fn a_checksum_of_zero_is_accepted_in_both_shapes() {
    let mut instance = b3().no_preempt();
    instance.addresses = vec![vip(144)];
    let mut station = Station::of(instance);
    let mut other = datagram("Z1");
    other[26..28].copy_from_slice(&[0xff, 0xff]);

    station.hear(&datagram("Z1"));
    station.hear(&other);

    assert_eq!(station.heard(), counters(2, |it| it.message_checksums = 2));
}

/// A message begins where the IP header ends, options included (RFC 791 §3.1).
#[test]
fn ip_options_are_skipped() {
    let mut station = Station::of(b3());

    station.hear(&datagram("F1"));

    assert_eq!(station.heard(), counters(1, |it| it.message_checksums = 1));
}

/// A datagram ends at its Total Length: what Ethernet adds to a short frame is no part of it
/// (RFC 894).
#[test]
fn padding_of_short_frames_is_not_counted_as_part_of_the_message() {
    let mut one_address = b3();
    one_address.addresses = vec![vip(1)];
    let (mut v2, mut v3) = (Station::of(b2()), Station::of(one_address));

    v2.hear(&datagram("F2"));
    v3.hear(&datagram("F3"));

    assert_eq!(v2.heard(), counters(1, |_| {}));
    assert_eq!(v3.heard(), counters(1, |it| it.message_checksums = 1));
    assert_eq!((v2.discarded(), v3.discarded()), (vec![], vec![]));
}

/// The count of addresses has eight bits (RFC 9568 §5.2.5); the largest one is as good as any.
#[test]
fn a_list_of_255_addresses_is_heard() {
    let mut station = Station::of(b3());
    let longest = changed("P5", |message| {
        message[3] = 255;
        message.truncate(8);
        (0..255).for_each(|host| message.extend([198, 51, 100, host]));
    });
    assert_eq!(longest.len(), 20 + 1028);

    station.hear(&longest);

    let expected = counters(1, |it| {
        it.message_checksums = 1;
        it.addresses_differ = 1;
    });
    assert_eq!(station.heard(), expected);
    assert_eq!(station.discarded(), []);
}

/// Octets behind the message can be ignored (RFC 9568 §7.1 asks only for a complete packet):
/// keepalived's `auth_hmac` puts 28 of them there.
#[test]
fn trailing_octets_are_accepted_if_they_are_to_be_ignored() {
    let trailing_octets = TrailingOctets::Ignore;
    let mut station = Station::of(InstanceConfig { trailing_octets, ..b3() });

    station.hear(&carried("P5", &[message("P5"), vec![0xee; 28]].concat()));

    assert_eq!(station.heard(), counters(1, |it| it.message_checksums = 1));
}

/// Addresses are a set: another order is no difference (RFC 9568 §5.2.9).
#[test]
fn the_order_of_addresses_does_not_matter() {
    let mut station = Station::of(b3());
    let mut reversed = adv(200);
    reversed.addresses.reverse();

    station.hear(&reversed.octets());

    assert_eq!(station.heard(), counters(1, |it| it.pseudo_header_checksums = 1));
}

/// An owner of version 3 says that another router advertises its addresses, and goes on (RFC 9568
/// erratum 8298): the other one is answered at once (§6.4.3).
#[test]
fn an_owner_of_version_3_answers_whoever_advertises_its_addresses() {
    let mut station = Station::of(b3().priority(255));
    assert_eq!((station.state(), station.sent.len()), (State::Active, 1));

    station.hear(&adv(100).from(C).octets());

    assert_eq!((station.state(), station.sent.len()), (State::Active, 2));
    let expected = counters(1, |it| {
        it.pseudo_header_checksums = 1;
        it.duplicate_owner = 1;
    });
    assert_eq!(station.heard(), expected);
    assert_eq!(station.told.len(), 1);
}

/// The counters after so many advertisements, and what else was noticed.
fn counters(accepted: u64, notice: impl FnOnce(&mut ReceiveCounters)) -> ReceiveCounters {
    let mut counters = ReceiveCounters::default();
    counters.accepted = accepted;
    notice(&mut counters);
    counters
}
