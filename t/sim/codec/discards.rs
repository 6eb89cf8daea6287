//! What does not count: it moves one counter, and nothing else.

use std::net::Ipv4Addr;

use resty_vrrp::config::InstanceConfig;
use resty_vrrp::proto::{Discard, LinkId, ReceiveCounters, State};
use resty_vrrp::types::{
    AddressList, ChecksumForm, ChecksumPolicy, LinkName, SimplePassword, Version,
};

use super::octets::{carried, changed, datagram, message};
use super::station::Station;
use crate::setup::{US, Vary as _, adv, adv2, b2, b3, ms, secs, us};
use harness::Rng;

/// A wrong password or another authentication type is refused (RFC 3768 §7.1, RFC 2338 §5.3.6).
#[test]
fn another_password_and_another_authentication_type_are_told_apart() {
    let other = with_password(b2().vrid(51), *b"other\0\0\0");
    let nearly = with_password(b2().vrid(51), *b"secret\0x");

    assert_discarded(other, &datagram("P4"), Discard::AuthFailure);
    assert_discarded(nearly, &datagram("P4"), Discard::AuthFailure);
    assert_discarded(b2().vrid(51), &datagram("P4"), Discard::AuthMismatch);
    let expects_one = with_password(b2(), *b"secret\0\0");
    assert_discarded(expects_one, &datagram("P1"), Discard::AuthMismatch);
}

/// An authentication type that is not known is refused, whatever is configured (RFC 3768 §7.1): one
/// that never was, Cisco's, and an IP authentication header that is not there.
#[test]
fn unknown_authentication_types_are_refused() {
    assert_discarded(b2(), &datagram("N9"), Discard::AuthType);
    for kind in [2, 254] {
        let unknown = changed("P1", |message| message[4] = kind);

        assert_discarded(b2(), &unknown, Discard::AuthType);
        let with_password = with_password(b2(), *b"secret\0\0");
        assert_discarded(with_password, &unknown, Discard::AuthType);
    }
}

/// An operator can insist on one checksum form (RFC 9568 §5.2.8, or RFC 5798 as deployed).
#[test]
fn a_checksum_in_the_other_form_is_wrong_to_a_strict_router() {
    let strict = |form| InstanceConfig { checksum: ChecksumPolicy::Only(form), ..b3() };

    assert_discarded(strict(ChecksumForm::Message), &datagram("P6"), Discard::Checksum);
    assert_discarded(strict(ChecksumForm::PseudoHeader), &datagram("P5"), Discard::Checksum);
}

/// "If the checksum is not correct, the receiver MUST discard the packet" (RFC 9568 §7.1).
#[test]
fn one_flipped_bit_is_a_checksum_error() {
    assert_discarded(b3(), &datagram("N7"), Discard::Checksum);
}

/// An advertisement without addresses "MUST be ignored" (RFC 9568 §5.2.5).
#[test]
fn an_empty_list_of_addresses_is_ignored() {
    assert_discarded(b3(), &datagram("N1"), Discard::NoAddresses);
}

/// The interval "MUST NOT be zero" (RFC 9568 erratum 8301): with it a single datagram would make
/// every Backup take over at once.
#[test]
fn an_interval_of_zero_is_ignored() {
    assert_discarded(b3(), &datagram("N5"), Discard::ZeroInterval);
}

/// The packet must be complete (RFC 9568 §7.1, RFC 3768 §7.1): a list that is cut off, a message
/// without its authentication data, and CARP, which looks like version 2 with seven addresses.
#[test]
fn messages_shorter_than_they_claim_are_length_errors() {
    assert_discarded(b3(), &datagram("N2"), Discard::Length);
    assert_discarded(b2(), &datagram("N12"), Discard::Length);
    assert_discarded(b2(), &datagram("N10"), Discard::Length);
}

/// No checksum covers what follows the message, so it is refused by default (RFC 9568 §7.1).
#[test]
fn trailing_octets_are_length_errors() {
    let trailing = carried("P5", &[message("P5"), vec![0xee; 28]].concat());

    assert_discarded(b3(), &trailing, Discard::Length);
}

/// "If the type is not ADVERTISEMENT, the receiver MUST discard the packet" (RFC 9568 §7.1).
#[test]
fn another_type_is_a_type_error() {
    assert_discarded(b3(), &datagram("N3"), Discard::Type);
}

/// The version must be that of the virtual router (RFC 9568 §7.1, RFC 3768 §7.1).
#[test]
fn an_unknown_version_and_that_of_another_router_are_version_errors() {
    assert_discarded(b3(), &datagram("N4"), Discard::Version);
    assert_discarded(b3().vrid(1), &datagram("P1"), Discard::Version);
    assert_discarded(b2().vrid(10), &datagram("P5"), Discard::Version);
}

/// TTL 255 shows that a packet has not crossed a router (RFC 9568 §5.1.1.3); it is checked before
/// everything else (§7.1).
#[test]
fn a_datagram_that_crossed_a_router_is_only_a_ttl_error() {
    let mut all_wrong = datagram("N8");
    all_wrong[20] = 0x42;
    all_wrong[26] ^= 0xff;

    assert_discarded(b3(), &datagram("N8"), Discard::Ttl);
    assert_discarded(b3(), &all_wrong, Discard::Ttl);
}

/// The VRID must be configured on the receiving interface (RFC 9568 §7.1); what is damaged is
/// damaged, whoever it is for.
#[test]
fn an_unknown_vrid_is_counted_for_the_link_and_not_for_the_router() {
    let mut station = Station::of(b3());
    let unknown = changed("P5", |message| message[1] = 11);
    let mut damaged = unknown.clone();
    damaged[26] ^= 1;

    station.hear(&unknown);
    station.hear(&changed("P5", |message| message[1] = 0));
    station.hear(&damaged);

    assert_eq!(station.discarded(), [(Discard::Checksum, 1), (Discard::Vrid, 2)]);
    assert_eq!(station.heard(), ReceiveCounters::default());
}

/// A virtual router is one of a link (RFC 9568 §7.1): heard elsewhere, it is unknown.
#[test]
fn a_vrid_of_another_link_is_unknown() {
    let elsewhere = LinkName::new("eth1").expect("it is valid");
    let on_eth1 = InstanceConfig { interface: elsewhere, ..b3().vrid(20) };
    let mut station = Station::at(US, &[b3(), on_eth1]);

    station.hear_on(LinkId(1), &datagram("P5"));

    assert_eq!(station.snapshot_of(0).discarded(Discard::Vrid), 0);
    assert_eq!(station.snapshot_of(1).discarded(Discard::Vrid), 1);
    assert_eq!(station.heard(), ReceiveCounters::default());
}

/// "If the Adver Interval … is not the same … the receiver MUST discard" (RFC 3768 §7.1): such a
/// peer does not put off the takeover.
#[test]
fn another_interval_is_refused_by_version_2_and_does_not_feed_the_timer() {
    let mut station = Station::of(b2());
    station.hear(&adv2(200).octets());
    station.run_for(secs(1));

    station.hear(&adv2(200).every(2).octets());

    assert_eq!(station.discarded(), [(Discard::Interval, 1)]);
    assert_eq!(station.run_until_active(), us(3_609_375) - secs(1));
}

/// Where the addresses are checked, a mismatch must be dropped unless the packet was generated by
/// the address owner (RFC 3768 §7.1).
#[test]
fn other_addresses_are_refused_by_version_2_if_enforced_unless_the_sender_owns_them() {
    let mut station = Station::of(InstanceConfig { address_list: AddressList::Enforce, ..b2() });
    let other = |priority| {
        let mut packet = adv2(priority);
        packet.addresses.push(Ipv4Addr::new(192, 0, 2, 77));
        packet.octets()
    };

    station.hear(&other(200));
    assert_eq!(station.snapshot().active, None);
    station.hear(&other(255));

    assert_eq!(station.snapshot().active.map(|active| active.priority.get()), Some(255));
    assert_eq!(station.discarded(), [(Discard::AddressList, 1)]);
    assert_eq!((station.heard().accepted, station.heard().addresses_differ), (1, 1));
}

/// An owner of version 2 discards what others advertise (RFC 3768 §7.1).
#[test]
fn an_owner_of_version_2_heeds_nobody() {
    assert_discarded(b2().priority(255), &adv2(100).octets(), Discard::Owner);
}

/// Our own advertisement, reflected, is not answered (RFC 9568 §6.4.3 would answer a peer at once,
/// and the answer would be reflected too).
#[test]
fn an_own_advertisement_that_comes_back_is_not_answered() {
    let mut station = Station::of(b3());
    station.run_until_active();
    let (_, own) = station.sent[0].clone();

    for _ in 0..1000 {
        station.hear(&own);
    }

    assert_eq!(station.sent.len(), 1);
    assert_eq!(
        (station.state(), station.discarded()),
        (State::Active, vec![(Discard::OwnSource, 1000)])
    );
}

/// Advertisements go to the group (RFC 9568 §5.1.1.2); one sent to this host alone is refused, and
/// so is one from an address that no host can have.
#[test]
fn what_was_not_sent_to_the_group_or_by_a_host_is_a_martian() {
    let with = |at: usize, address: [u8; 4]| {
        let mut datagram = datagram("P5");
        datagram[at..at + 4].copy_from_slice(&address);
        datagram
    };

    assert_discarded(b3(), &with(16, [192, 0, 2, 3]), Discard::Martian);
    for source in [[0, 0, 0, 0], [224, 0, 0, 18], [255, 255, 255, 255]] {
        assert_discarded(b3(), &with(12, source), Discard::Martian);
    }
}

/// In Initialize nothing is heard (RFC 9568 §6.4.1).
#[test]
fn a_router_that_is_not_running_heeds_nobody() {
    let mut station = Station::stopped(US, &[b3()]);

    station.hear(&datagram("P5"));

    assert_eq!(station.state(), State::Initialize);
    assert_eq!(station.discarded(), [(Discard::NotRunning, 1)]);
}

/// Octets that are missing are missed before anything is read (RFC 9568 §7.1).
#[test]
fn every_truncation_is_a_runt_or_a_length_error() {
    for (name, instance) in [("P1", b2()), ("P5", b3())] {
        let (datagram, message) = (datagram(name), message(name));
        for length in 0..datagram.len() {
            assert_discarded(instance.clone(), &datagram[..length], Discard::Runt);
        }
        for length in 0..message.len() {
            let cut = carried(name, &message[..length]);

            let expected = if length < 8 { Discard::Runt } else { Discard::Length };
            assert_discarded(instance.clone(), &cut, expected);
        }
    }
}

/// Whatever arrives moves one counter and nothing else (RFC 9568 §7.1).
#[test]
fn random_octets_of_the_protocol_change_nothing() {
    let mut rng = Rng::seeded(112);
    for instance in [b2(), b3()] {
        let mut station = Station::of(instance);
        let before = station.standing();
        for _ in 0..20_000 {
            let length = rng.index(64);
            let mut octets: Vec<u8> = (0..length).map(|_| rng.next().to_le_bytes()[0]).collect();
            if let Some(first) = octets.first_mut().filter(|_| rng.chance(90)) {
                *first = if rng.chance(50) { 0x21 } else { 0x31 };
            }

            station.hear(&carried("P5", &octets));
        }

        let counted: u64 = station.discarded().iter().map(|(_, count)| count).sum();
        assert_eq!((counted, station.heard().accepted), (20_000, 0));
        assert_eq!(station.standing(), before);
    }
}

/// Only what counts restarts the timer (RFC 9568 §6.4.2): noise does not keep a dead router alive.
#[test]
fn nothing_discarded_puts_off_the_takeover() {
    let mut station = Station::of(b3());
    station.hear(&adv(200).octets());

    let step = us(15_625);
    for _ in 0..231 {
        for name in ["N1", "N2", "N3", "N4", "N5", "N7", "N8", "P1"] {
            station.hear(&datagram(name));
        }
        assert_eq!(station.state(), State::Backup);
        station.run_for(step);
    }

    assert_eq!(231 * step, us(3_609_375));
    assert_eq!(station.state(), State::Active);
}

/// Hears one datagram half a second after a good one: it must count as this discard and do no more.
fn assert_discarded(instance: InstanceConfig, bytes: &[u8], expected: Discard) {
    let living = match instance.version {
        Version::V2 => adv2(200).octets(),
        Version::V3 => adv(200).octets(),
    };
    let mut station = Station::of(instance);
    station.hear(&living);
    station.run_for(ms(500));
    let (before, discarded) = (station.standing(), station.discarded());

    station.hear(bytes);

    assert_eq!(station.standing(), before);
    let count = |list: &[(Discard, u64)], discard| {
        list.iter().find(|(found, _)| *found == discard).map_or(0, |(_, count)| *count)
    };
    let now = station.discarded();
    for discard in Discard::ALL {
        let more = count(&now, discard) - count(&discarded, discard);
        assert_eq!(more, u64::from(discard == expected), "{discard:?}, expected {expected:?}");
    }
}

fn with_password(instance: InstanceConfig, password: [u8; 8]) -> InstanceConfig {
    InstanceConfig { auth: Some(SimplePassword(password)), ..instance }
}
