//! The receive ladder over IPv6.

use std::net::Ipv6Addr;

use resty_vrrp::config::InstanceConfig;
use resty_vrrp::proto::AddressLists::{self, Disjoint, Disordered, Overlapping, Same};
use resty_vrrp::proto::{Discard, Heard};
use resty_vrrp::types::AddressList;
use resty_vrrp::wire::checksum;
use resty_vrrp::wire::ip::{Datagram, Endpoints, Envelope};

use super::{config_over_ipv6, ip, router};
use crate::vectors::{Vector, vector};

/// RFC 9568 §7.1: the ladder is the same for both families.
#[test]
fn a_router_of_ipv6_hears_what_is_sent_to_its_group() {
    let config = config_over_ipv6();
    for (name, from, to, hop_limit, expected) in [
        ("P9", "fe80::2", "ff02::12", 255, Ok(Same)),
        ("P10", "fe80::1", "ff02::12", 255, Ok(Overlapping)),
        ("P13", "fe80::2", "ff02::12", 255, Ok(Same)),
        ("N11", "fe80::2", "ff02::12", 64, Err(Discard::Ttl)),
        ("P9", "fe80::2", "ff02::12", 254, Err(Discard::Ttl)),
        ("P13", "fe80::2", "ff02::12", 254, Err(Discard::Ttl)),
        ("P9", "fe80::2", "ff02::12", 0, Err(Discard::Ttl)),
        ("P9", "fe80::4", "ff02::12", 255, Err(Discard::Checksum)),
        ("P9", "fe80::2", "fe80::3", 255, Err(Discard::Checksum)),
    ] {
        let endpoints = Endpoints::new(ip(from), ip(to)).expect("both are of one family");
        let envelope = Envelope { endpoints, hop_limit };

        let verdict = verdict_of(envelope, &vector(name).message, &config);

        assert_eq!(verdict, expected, "{name} from {from} to {to}");
    }
}

/// RFC 9568 §5.2.9: the first address of an IPv6 virtual router is its link-local one.
#[test]
fn a_list_that_does_not_begin_with_a_link_local_address_is_told_or_refused() {
    let lax = config_over_ipv6();
    let strict = InstanceConfig { address_list: AddressList::Enforce, ..lax.clone() };

    assert_eq!(check("N6", &lax), Ok(Disordered));
    assert_eq!(check("N6", &strict), Err(Discard::AddressList));
    for name in ["P9", "P10", "P13"] {
        assert!(check(name, &strict).is_ok(), "{name}");
    }
}

/// RFC 9568 §5.2.8: over IPv6 the sum is checked here, so that what is wrong is counted.
#[test]
fn one_flipped_bit_over_ipv6_is_a_checksum_error() {
    let mut damaged = vector("P9");
    damaged.message[7] ^= 1;

    let verdict = verdict(&damaged, &config_over_ipv6());

    assert_eq!(verdict, Err(Discard::Checksum));
}

/// RFC 9568 §5.2.5: 255 addresses of IPv6 are 4088 octets.
#[test]
fn the_longest_list_of_ipv6_is_heard() {
    let mut longest = vector("P9");
    longest.message[3] = 255;
    longest.message.truncate(8);
    for host in 1..=255 {
        longest.message.extend(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, host).octets());
    }
    mend_checksum(&mut longest);
    assert_eq!(longest.message.len(), 4088);

    assert_eq!(verdict(&longest, &config_over_ipv6()), Ok(Disjoint));
}

/// RFC 9568 §7.1 over IPv6: the sender is another host, and speaks to the group.
#[test]
fn over_ipv6_a_source_or_destination_that_cannot_be_is_refused() {
    let config = config_over_ipv6();
    for (from, to, expected) in [
        ("fe80::3", "ff02::12", Discard::OwnSource),
        ("::", "ff02::12", Discard::Martian),
        ("ff02::12", "ff02::12", Discard::Martian),
        ("2001:db8::2", "ff02::12", Discard::Martian),
        ("fd00::2", "ff02::12", Discard::Martian),
        ("fec0::2", "ff02::12", Discard::Martian),
        ("::ffff:192.0.2.2", "ff02::12", Discard::Martian),
        ("fe80::2", "ff02::1", Discard::Martian),
        ("fe80::2", "ff01::12", Discard::Martian),
        ("fe80::2", "ff05::12", Discard::Martian),
        ("fe80::2", "fe80::3", Discard::Martian),
    ] {
        let endpoints = Endpoints::new(ip(from), ip(to)).expect("both are of one family");
        let mut sent = vector("P9");
        sent.endpoints = endpoints;
        mend_checksum(&mut sent);

        let verdict = verdict(&sent, &config);

        assert_eq!(verdict, Err(expected), "from {from} to {to}");
    }
}

/// Returns what becomes of a golden packet of IPv6.
fn check(name: &str, config: &InstanceConfig) -> Result<AddressLists, Discard> {
    verdict(&vector(name), config)
}

fn verdict(vector: &Vector, config: &InstanceConfig) -> Result<AddressLists, Discard> {
    let envelope = Envelope { endpoints: vector.endpoints, hop_limit: 255 };
    verdict_of(envelope, &vector.message, config)
}

fn verdict_of(
    envelope: Envelope,
    payload: &[u8],
    config: &InstanceConfig,
) -> Result<AddressLists, Discard> {
    let heard = Heard::open(Ok(Datagram { envelope, payload }))?;
    heard.check(Some(&router(config))).map(|it| it.lists)
}

fn mend_checksum(vector: &mut Vector) {
    let Vector { message, endpoints, .. } = vector;
    message[6..8].fill(0);
    let pseudo_header = endpoints.pseudo_header_sum(message.len());
    let sum = checksum::checksum(&[&pseudo_header, message]);
    message[6..8].copy_from_slice(&sum.to_be_bytes());
}
