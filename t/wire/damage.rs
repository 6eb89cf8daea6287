//! Every way to damage a packet ends in a named check, never in a panic.

use harness::Rng;
use resty_vrrp::proto::{Discard, Expectations, Heard};
use resty_vrrp::types::{
    ChecksumForm, Family, Priority, SimplePassword, Version, VirtualAddress, Vrid,
};
use resty_vrrp::wire::advertisement::{Advertisement, Auth, Outgoing, ParseError};
use resty_vrrp::wire::checksum;
use resty_vrrp::wire::ip::{Datagram, Endpoints, Envelope};

use crate::ladder::{config, config_over_ipv6, router};
use crate::vectors::{ANYTHING, Vector, all, all_over};

/// RFC 9568 §7.1: "MUST verify that the received packet contains the complete VRRP packet".
#[test]
fn a_message_cut_anywhere_is_a_runt_or_too_short() {
    for vector in &all() {
        let whole = Advertisement::parse(&vector.message, vector.endpoints, ANYTHING);
        for length in 0..vector.message.len() {
            let cut = &vector.message[..length];

            let read = Advertisement::parse(cut, vector.endpoints, ANYTHING);

            let expected = match whole {
                _ if length < 8 => ParseError::Runt,
                Err(error @ (ParseError::Version | ParseError::Type)) => error,
                Ok(_) | Err(ParseError::Runt | ParseError::Length | ParseError::Checksum) => {
                    ParseError::Length
                }
            };
            assert_eq!(read.err(), Some(expected), "{}, {length} octets", vector.name);
        }
    }
}

/// RFC 791 §3.1: Total Length promises octets that are not there.
#[test]
fn a_datagram_cut_anywhere_is_a_runt() {
    for vector in &all_over(Family::Ipv4) {
        let padding = vector.datagram().len() - datagram_len(vector);
        for length in 0..vector.datagram().len() - padding {
            let heard = Heard::open(Datagram::parse_ipv4(&vector.datagram()[..length]));

            assert_eq!(heard.err(), Some(Discard::Runt), "{}, {length} octets", vector.name);
        }
    }
}

/// RFC 9568 §7.1: whatever arrives, the ladder ends.
#[test]
fn a_million_random_datagrams_do_no_harm() {
    let mut random = Random::seeded();
    let config = config(Version::V3);
    let mut bytes = [0; 96];
    for _ in 0..MILLION {
        random.fill(&mut bytes);
        let length = random.below(bytes.len() + 1);
        // Four in five look like IPv4 and VRRP, so that the ladder is climbed further.
        if random.below(5) > 0 {
            let version = if random.below(2) == 0 { 0x21 } else { 0x31 };
            bytes[..4].copy_from_slice(&[0x45, 0xc0, 0, length.to_le_bytes()[0]]);
            bytes[8..10].copy_from_slice(&[255, 112]);
            bytes[20] = version;
            bytes[23] &= 0x0f;
        }

        if let Ok(datagram) = Datagram::parse_ipv4(&bytes[..length]) {
            climb(datagram, &router(&config));
        }
    }
}

/// RFC 9568 §7.1, RFC 3768 §7.1: what survives damage says exactly what its octets say.
#[test]
fn a_million_damaged_packets_do_no_harm() {
    let mut random = Random::seeded();
    let configs = [config(Version::V2), config(Version::V3)];
    let vectors = all_over(Family::Ipv4);
    let mut accepted = 0;
    for round in 0..MILLION {
        let vector = &vectors[random.below(vectors.len())];
        let mut bytes = vector.datagram().to_vec();
        for _ in 0..=random.below(3) {
            random.damage(&mut bytes);
        }
        // Half of the time the sum is made right again: nobody gets past it by chance.
        if round % 2 == 0 {
            mend_payload(&mut bytes);
        }

        let Ok(datagram) = Datagram::parse_ipv4(&bytes) else { continue };
        for config in &configs {
            climb(datagram, &router(config));
        }
        accepted += u32::from(is_faithful(datagram));
    }
    assert!(accepted > MILLION / 10, "only {accepted} packets were well formed");
}

/// RFC 9568 §7.1: the same over IPv6, where a socket gives the message without a header.
#[test]
fn a_million_damaged_messages_over_ipv6_do_no_harm() {
    let mut random = Random::seeded();
    let config = config_over_ipv6();
    let vectors = all_over(Family::Ipv6);
    let mut accepted = 0;
    for round in 0..MILLION {
        let vector = &vectors[random.below(vectors.len())];
        let mut message = vector.message.clone();
        for _ in 0..=random.below(3) {
            random.damage(&mut message);
        }
        if round % 2 == 0 {
            mend_checksum(&mut message, vector.endpoints);
        }

        let envelope = Envelope { endpoints: vector.endpoints, hop_limit: 255 };
        let datagram = Datagram { envelope, payload: &message };
        climb(datagram, &router(&config));
        accepted += u32::from(is_faithful(datagram));
    }
    assert!(accepted > MILLION / 10, "only {accepted} messages were well formed");
}

/// Climbs the ladder with and without a virtual router.
fn climb(datagram: Datagram<'_>, router: &Expectations<'_>) {
    if let Ok(heard) = Heard::open(Ok(datagram)) {
        assert!(heard.check(None).is_err(), "accepted for nobody: {datagram:02x?}");
        if let Ok(accepted) = heard.check(Some(router)) {
            assert_eq!(heard.vrid(), Some(router.config.vrid));
            assert!(accepted.advertisement.addresses().len() > 0, "{datagram:02x?}");
        }
    }
}

/// Tells whether the message of a datagram is well formed, and checks that writing what was read
/// gives it back.
fn is_faithful(Datagram { envelope, payload: message }: Datagram<'_>) -> bool {
    let endpoints = envelope.endpoints;
    let Ok(read) = Advertisement::parse(message, endpoints, ANYTHING) else { return false };
    let (Some(vrid), Some(adver_interval)) = (Vrid::new(read.vrid), read.adver_interval) else {
        return true;
    };

    let addresses: Vec<_> =
        read.addresses().map(|address| VirtualAddress { address, prefix: 32 }).collect();
    let outgoing = Outgoing {
        version: read.version,
        vrid,
        priority: Priority::new(read.priority.get()),
        adver_interval,
        auth: read.auth.map(|auth| SimplePassword(auth.data)),
        addresses: &addresses,
        checksum: read.checksum.unwrap_or(ChecksumForm::Message),
    };
    let mut written = Vec::new();
    outgoing.emit(endpoints, &mut written);
    assert_eq!(plain(&written), plain(message));
    true
}

/// Returns a message without what is not looked at: reserved bits, authentication type, and their
/// share of the sum.
fn plain(message: &[u8]) -> Vec<u8> {
    let mut plain = message.to_vec();
    plain[4] = if plain[0] >> 4 == 2 { Auth::NONE } else { plain[4] & 0x0f };
    plain[6..8].fill(0);
    plain
}

fn mend_payload(datagram: &mut [u8]) {
    let Ok(parsed) = Datagram::parse_ipv4(datagram) else { return };
    let (endpoints, length) = (parsed.envelope.endpoints, parsed.payload.len());
    let start = usize::from(datagram[0] & 0x0f) * 4;
    mend_checksum(&mut datagram[start..start + length], endpoints);
}

fn mend_checksum(message: &mut [u8], endpoints: Endpoints) {
    if message.len() < 8 {
        return;
    }
    message[6..8].fill(0);
    let with_pseudo_header = endpoints.family() == Family::Ipv6 || message[1] % 2 == 0;
    let sum = if message[0] >> 4 == 3 && with_pseudo_header {
        let pseudo_header = endpoints.pseudo_header_sum(message.len());
        checksum::checksum(&[&pseudo_header, message])
    } else {
        checksum::checksum(&[message])
    };
    message[6..8].copy_from_slice(&sum.to_be_bytes());
}

fn datagram_len(vector: &Vector) -> usize {
    let datagram = vector.datagram();
    usize::from(u16::from_be_bytes([datagram[2], datagram[3]]))
}

/// What breaks things, in the same way for the same seed.
struct Random(Rng);

impl Random {
    /// Takes its seed from `SEED`, and says which one it is if the test fails.
    fn seeded() -> Self {
        let seed = std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or(9568);
        println!("SEED={seed} cargo test --test wire damage");
        Self(Rng::seeded(seed))
    }

    fn below(&mut self, bound: usize) -> usize {
        self.0.index(bound)
    }

    fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&self.0.next().to_le_bytes()[..chunk.len()]);
        }
    }

    /// Flips a bit, replaces an octet, cuts the end off or appends to it.
    fn damage(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len().max(1));
        let octet = self.0.octet();
        match (self.below(8), bytes.get_mut(at)) {
            (0, _) => bytes.truncate(at),
            (1, _) => bytes.extend([octet; 5]),
            (2..=4, Some(target)) => *target = octet,
            (_, Some(target)) => *target ^= 1 << (octet % 8),
            (_, None) => bytes.push(octet),
        }
    }
}

const MILLION: u32 = 1_000_000;
