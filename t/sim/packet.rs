//! Advertisements written and read independently of the crate, from RFC 3768 §5 and RFC 9568 §5.

use std::net::{Ipv4Addr, Ipv6Addr};

use resty_vrrp::proto::{Datagram, Node, RouterId};
use resty_vrrp::types::{ChecksumForm, Family, Priority};

pub(crate) const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const GROUP_IPV6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
const PROTOCOL: u8 = 112;
const IPV6_HEADER: usize = 40;

/// A whole IPv4 datagram with one advertisement.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Packet {
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) ttl: u8,
    pub(crate) version: u8,
    pub(crate) vrid: u8,
    pub(crate) priority: u8,
    /// As on the wire: hundredths of a second in version 3, seconds in version 2.
    pub(crate) interval: u16,
    pub(crate) addresses: Vec<Ipv4Addr>,
    /// Version 3 only.
    pub(crate) form: ChecksumForm,
}

impl Packet {
    pub(crate) fn from(mut self, source: Ipv4Addr) -> Self {
        self.source = source;
        self
    }

    pub(crate) const fn every(mut self, interval: u16) -> Self {
        self.interval = interval;
        self
    }

    /// The octets as the socket of the receiver would give them.
    pub(crate) fn octets(&self) -> Vec<u8> {
        let mut message = vec![self.version << 4 | 1, self.vrid, self.priority];
        message.push(u8::try_from(self.addresses.len()).expect("at most 255 addresses"));
        message.extend(match self.version {
            2 => [0, u8::try_from(self.interval).expect("at most 255 s")],
            _ => self.interval.to_be_bytes(),
        });
        message.extend([0, 0]);
        message.extend(self.addresses.iter().flat_map(Ipv4Addr::octets));
        if self.version == 2 {
            message.extend([0; 8]);
        }
        let sum = !sum(&[&self.pseudo_header(message.len()), &message]);
        message[6..8].copy_from_slice(&sum.to_be_bytes());
        [self.ip_header(message.len()), message].concat()
    }

    /// Reads what a router sent, and checks everything a strict receiver would.
    pub(crate) fn read(octets: &[u8]) -> Self {
        if family(octets) == Family::Ipv6 {
            Self::read_ipv6(octets)
        } else {
            Self::read_ipv4(octets)
        }
    }

    /// Reads what a router sent over IPv6, as if it had been sent by IPv4.
    fn read_ipv6(octets: &[u8]) -> Self {
        let (header, message) = octets.split_at(IPV6_HEADER);
        assert_eq!(header[4..6], u16::try_from(message.len()).unwrap().to_be_bytes());
        assert_eq!(header[6], PROTOCOL);
        assert_eq!(message[0], 3 << 4 | 1, "version 3, the type ADVERTISEMENT");
        assert_eq!(message.len(), 8 + 16 * usize::from(message[3]));
        let length = u16::try_from(message.len()).expect("it is short").to_be_bytes();
        let tail = [0, 0, length[0], length[1], 0, 0, 0, PROTOCOL];
        assert_eq!(sum(&[&header[8..], &tail, message]), 0xffff, "the checksum");
        let addresses: Vec<_> = message[8..].chunks(16).map(ipv6_address).collect();
        assert!(addresses[0].is_unicast_link_local(), "{addresses:?} (RFC 9568 §5.2.9)");
        let destination = ipv6_address(&header[24..]);
        Self {
            source: counterpart(ipv6_address(&header[8..24])),
            destination: if destination == GROUP_IPV6 { GROUP } else { counterpart(destination) },
            ttl: header[7],
            version: 3,
            vrid: message[1],
            priority: message[2],
            interval: u16::from_be_bytes([message[4], message[5]]),
            addresses: addresses.into_iter().map(counterpart).collect(),
            form: ChecksumForm::PseudoHeader,
        }
    }

    fn read_ipv4(octets: &[u8]) -> Self {
        let (header, message) = octets.split_at(20);
        assert_eq!(header[0], 0x45, "an IPv4 header without options");
        assert_eq!(header[2..4], u16::try_from(octets.len()).unwrap().to_be_bytes());
        assert_eq!(header[9], PROTOCOL);
        assert_eq!(sum(&[header]), 0xffff, "the checksum of the IPv4 header");
        assert_eq!(message[0] & 0xf, 1, "the type ADVERTISEMENT");

        let version = message[0] >> 4;
        let end = 8 + 4 * usize::from(message[3]);
        assert_eq!(message.len(), if version == 2 { end + 8 } else { end });
        let mut packet = Self {
            source: address(&header[12..16]),
            destination: address(&header[16..20]),
            ttl: header[8],
            version,
            vrid: message[1],
            priority: message[2],
            interval: match version {
                2 => u16::from(message[5]),
                _ => u16::from_be_bytes([message[4], message[5]]),
            },
            addresses: message[8..end].chunks(4).map(address).collect(),
            form: ChecksumForm::Message,
        };
        if sum(&[message]) != 0xffff {
            packet.form = ChecksumForm::PseudoHeader;
            let sum = sum(&[&packet.pseudo_header(message.len()), message]);
            assert!(version == 3 && sum == 0xffff, "the checksum of {packet:?}");
        }
        packet
    }

    fn pseudo_header(&self, length: usize) -> Vec<u8> {
        if self.version == 2 || self.form == ChecksumForm::Message {
            return Vec::new();
        }
        let length = u16::try_from(length).expect("at most 1028 octets").to_be_bytes();
        let tail = [0, PROTOCOL, length[0], length[1]];
        [self.source.octets(), self.destination.octets(), tail].concat()
    }

    fn ip_header(&self, length: usize) -> Vec<u8> {
        let length = u16::try_from(20 + length).expect("at most 1048 octets").to_be_bytes();
        let mut header = vec![0x45, 0xc0, length[0], length[1], 0, 1, 0, 0, self.ttl, PROTOCOL];
        header.extend([0, 0]);
        header.extend(self.source.octets());
        header.extend(self.destination.octets());
        let sum = !sum(&[&header]);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        header
    }
}

/// Lets a datagram cross so many routers.
pub(crate) fn cross(octets: &mut [u8], routers: u8) {
    octets[if family(octets) == Family::Ipv4 { 8 } else { 7 }] -= routers;
}

/// The VRID of a datagram, if it is long enough to have one.
pub(crate) fn vrid(octets: &[u8]) -> Option<u8> {
    octets.get(if family(octets) == Family::Ipv4 { 21 } else { IPV6_HEADER + 1 }).copied()
}

/// What is no datagram at all is one of IPv4: that is what its socket would give.
pub(crate) fn family(octets: &[u8]) -> Family {
    let is_ipv6 = octets.len() >= IPV6_HEADER && octets[0] >> 4 == 6 && octets[6] == PROTOCOL;
    if is_ipv6 { Family::Ipv6 } else { Family::Ipv4 }
}

/// The link-local address of whoever has that one of IPv4. The order of addresses stays the same.
pub(crate) fn link_local(address: Ipv4Addr) -> Ipv6Addr {
    Ipv6Addr::from_bits(0xfe80 << 112 | u128::from(address.to_bits()))
}

/// The address of IPv4 of whoever has that [link-local](link_local) one.
fn counterpart(address: Ipv6Addr) -> Ipv4Addr {
    let octets = address.octets();
    assert_eq!(octets[..12], link_local(Ipv4Addr::UNSPECIFIED).octets()[..12], "{address}");
    Ipv4Addr::new(octets[12], octets[13], octets[14], octets[15])
}

fn ipv6_address(octets: &[u8]) -> Ipv6Addr {
    let octets: [u8; 16] = octets.try_into().expect("sixteen octets");
    Ipv6Addr::from(octets)
}

fn address(octets: &[u8]) -> Ipv4Addr {
    let octets: [u8; 4] = octets.try_into().expect("four octets");
    Ipv4Addr::from(octets)
}

/// The folded sum of RFC 1071, not complemented. Every part has an even length.
pub(crate) fn sum(parts: &[&[u8]]) -> u16 {
    let words = parts.iter().flat_map(|part| part.chunks(2));
    let mut sum: u32 = words.map(|word| u32::from(word[0]) << 8 | u32::from(word[1])).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    u16::try_from(sum).expect("folded")
}

/// Returns an advertisement of a router to each of its destinations, as it goes on the wire.
pub(crate) fn encoded(node: &Node, router: RouterId, priority: Priority) -> Vec<Vec<u8>> {
    let datagrams = node.destinations(router).filter_map(|destination| {
        let mut payload = Vec::new();
        let envelope = node.encode(router, priority, destination, &mut payload)?;
        let header = Datagram { envelope, payload: &payload }.header();
        Some([header.as_ref(), &payload].concat())
    });
    datagrams.collect()
}

#[test]
fn the_tests_write_the_packets_of_the_published_vectors() {
    let a = Ipv4Addr::new(192, 0, 2, 2);
    let p5 = Packet {
        source: a,
        destination: GROUP,
        ttl: 255,
        version: 3,
        vrid: 10,
        priority: 200,
        interval: 100,
        addresses: vec![Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 9)],
        form: ChecksumForm::Message,
    };
    let p6 = Packet { form: ChecksumForm::PseudoHeader, ..p5.clone() };
    let p1 = Packet {
        version: 2,
        vrid: 1,
        priority: 100,
        interval: 1,
        addresses: vec![Ipv4Addr::new(192, 0, 2, 1)],
        ..p5.clone()
    };

    assert_eq!(p5.octets()[20..28], [0x31, 0x0a, 0xc8, 2, 0, 0x64, 0x82, 0x83]);
    assert_eq!(p6.octets()[20..28], [0x31, 0x0a, 0xc8, 2, 0, 0x64, 0xdf, 0xed]);
    assert_eq!(p1.octets()[8..12], [0xff, 0x70, 0x18, 0x90]);
    assert_eq!(p1.octets()[20..28], [0x21, 0x01, 0x64, 1, 0, 1, 0xb8, 0xfa]);
    assert_eq!(Packet::read(&p6.octets()), p6);
}
