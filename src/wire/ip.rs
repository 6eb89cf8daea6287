//! What is around a VRRP message: its addresses, and the header of IPv4 or IPv6.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Version|  IHL  |Type of Service|          Total Length         |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |         Identification        |Flags|     Fragment Offset     |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |  Time to Live |    Protocol   |        Header Checksum        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                         Source Address                        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                      Destination Address                      |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                    Options, 0 to 40 octets                    |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Version| Traffic Class |              Flow Label               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |        Payload Length         |  Next Header  |   Hop Limit   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                  Source Address, 16 octets …                  |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |               Destination Address, 16 octets …                |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checksum;
use crate::types::{Family, IP_PROTOCOL};

/// A datagram of either family, taken apart: the message, and what is around it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Datagram<'a> {
    /// What is around the message.
    pub envelope: Envelope,
    /// The message.
    pub payload: &'a [u8],
}

impl<'a> Datagram<'a> {
    /// Reads a datagram that begins with its IPv4 header (RFC 791 §3.1).
    ///
    /// The payload follows the header and its options, up to Total Length: the padding of a short
    /// Ethernet frame is not part of it. The checksum of the header is not looked at: the kernel
    /// has done so before a raw socket sees the datagram.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is not IPv4, not of protocol 112, or if its lengths contradict each
    /// other or the octets that are there.
    pub fn parse_ipv4(bytes: &'a [u8]) -> Result<Self, Malformed> {
        match Self::parse_ipv4_with(bytes)? {
            (Enclosed::Plain, datagram) => Ok(datagram),
            (Enclosed::Authenticated, _) => Err(Malformed),
        }
    }

    /// Reads a datagram of either family that begins with its header, also one that has an
    /// authentication header before the message (RFC 2402 §2), of which nothing else is looked at.
    ///
    /// # Errors
    ///
    /// [`Malformed`] as in [`parse_ipv4`](Self::parse_ipv4); over IPv6, also if another extension
    /// header is in the way.
    pub fn parse_with(bytes: &'a [u8]) -> Result<(Enclosed, Self), Malformed> {
        match bytes.first().map(|octet| octet >> 4) {
            Some(6) => Self::parse_ipv6_with(bytes),
            _ => Self::parse_ipv4_with(bytes),
        }
    }

    fn parse_ipv4_with(bytes: &'a [u8]) -> Result<(Enclosed, Self), Malformed> {
        let header = bytes.first_chunk::<IPV4_HEADER_LEN>().ok_or(Malformed)?;
        let [version_ihl, _, total_hi, total_lo, _, _, _, _, ttl, protocol, _, _, addresses @ ..] =
            *header;
        let [s0, s1, s2, s3, d0, d1, d2, d3] = addresses;

        let header_len = usize::from(version_ihl & 0x0f) * 4;
        if version_ihl >> 4 != 4 || header_len < IPV4_HEADER_LEN {
            return Err(Malformed);
        }
        let total_len = usize::from(u16::from_be_bytes([total_hi, total_lo]));
        let payload = bytes.get(header_len..total_len).ok_or(Malformed)?;

        let endpoints = Endpoints::V4 {
            source: Ipv4Addr::new(s0, s1, s2, s3),
            destination: Ipv4Addr::new(d0, d1, d2, d3),
        };
        Self { envelope: Envelope { endpoints, hop_limit: ttl }, payload }.behind(protocol)
    }

    fn parse_ipv6_with(bytes: &'a [u8]) -> Result<(Enclosed, Self), Malformed> {
        let (header, rest) = bytes.split_first_chunk::<IPV6_HEADER_LEN>().ok_or(Malformed)?;
        let [_, _, _, _, length_hi, length_lo, next_header, hop_limit, addresses @ ..] = header;
        let (source, destination) = addresses.split_first_chunk::<16>().ok_or(Malformed)?;
        let destination: &[u8; 16] = destination.first_chunk().ok_or(Malformed)?;
        let length = usize::from(u16::from_be_bytes([*length_hi, *length_lo]));
        let payload = rest.get(..length).ok_or(Malformed)?;

        let endpoints = Endpoints::V6 {
            source: Ipv6Addr::from(*source),
            destination: Ipv6Addr::from(*destination),
        };
        let envelope = Envelope { endpoints, hop_limit: *hop_limit };
        Self { envelope, payload }.behind(*next_header)
    }

    /// Returns the message of a datagram whose payload begins as the header says.
    fn behind(self, protocol: u8) -> Result<(Enclosed, Self), Malformed> {
        match protocol {
            IP_PROTOCOL => Ok((Enclosed::Plain, self)),
            AUTHENTICATION_HEADER => {
                let payload = behind_authentication(self.payload).ok_or(Malformed)?;
                Ok((Enclosed::Authenticated, Self { payload, ..self }))
            }
            _ => Err(Malformed),
        }
    }

    /// Returns the header to send before the payload (RFC 9568 §5.1.1 and §5.1.2): protocol 112,
    /// DSCP CS6; over IPv4 without options, and with Don't Fragment clear.
    ///
    /// Identification is 0, for which a Linux raw socket puts a value of its own.
    #[must_use]
    pub fn header(&self) -> IpHeader {
        match self.envelope.endpoints {
            Endpoints::V4 { source, destination } => self.ipv4_header(source, destination),
            Endpoints::V6 { source, destination } => self.ipv6_header(source, destination),
        }
    }

    fn ipv4_header(&self, source: Ipv4Addr, destination: Ipv4Addr) -> IpHeader {
        let total_len = u16::try_from(IPV4_HEADER_LEN + self.payload.len()).unwrap_or(u16::MAX);
        let mut octets = [0; IPV6_HEADER_LEN];
        octets[0] = VERSION_AND_IHL;
        octets[1] = TRAFFIC_CLASS_CS6;
        octets[2..4].copy_from_slice(&total_len.to_be_bytes());
        octets[8] = self.envelope.hop_limit;
        octets[9] = IP_PROTOCOL;
        octets[12..16].copy_from_slice(&source.octets());
        octets[16..20].copy_from_slice(&destination.octets());
        let sum = checksum::checksum(&[&octets[..IPV4_HEADER_LEN]]);
        octets[10..12].copy_from_slice(&sum.to_be_bytes());
        IpHeader { octets, length: IPV4_HEADER_LEN }
    }

    fn ipv6_header(&self, source: Ipv6Addr, destination: Ipv6Addr) -> IpHeader {
        let length = u16::try_from(self.payload.len()).unwrap_or(u16::MAX);
        let mut octets = [0; IPV6_HEADER_LEN];
        octets[0] = VERSION_6 | TRAFFIC_CLASS_CS6 >> 4;
        octets[1] = TRAFFIC_CLASS_CS6 << 4;
        octets[4..6].copy_from_slice(&length.to_be_bytes());
        octets[6] = IP_PROTOCOL;
        octets[7] = self.envelope.hop_limit;
        octets[8..24].copy_from_slice(&source.octets());
        octets[24..40].copy_from_slice(&destination.octets());
        IpHeader { octets, length: IPV6_HEADER_LEN }
    }
}

/// The octets of a header: 20 of IPv4, 40 of IPv6.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IpHeader {
    octets: [u8; IPV6_HEADER_LEN],
    length: usize,
}

impl AsRef<[u8]> for IpHeader {
    fn as_ref(&self) -> &[u8] {
        &self.octets[..self.length]
    }
}

/// Whether there is anything between the header of IP and the message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Enclosed {
    /// Nothing.
    Plain,
    /// An authentication header.
    Authenticated,
}

/// Returns the message behind an authentication header, if it is one of VRRP.
fn behind_authentication(payload: &[u8]) -> Option<&[u8]> {
    let [next_header, length, ..] = *payload else { return None };
    // In units of four octets, less two.
    let message = payload.get((usize::from(length) + 2) * 4..)?;
    (next_header == IP_PROTOCOL).then_some(message)
}

/// What is around a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Envelope {
    /// Where it comes from and where it goes.
    pub endpoints: Endpoints,
    /// Hop Limit of IPv6, Time to Live of IPv4.
    pub hop_limit: u8,
}

/// Where a datagram comes from and where it goes: two addresses of one family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Endpoints {
    /// IPv4.
    V4 {
        /// Source address.
        source: Ipv4Addr,
        /// Destination address.
        destination: Ipv4Addr,
    },
    /// IPv6.
    V6 {
        /// Source address.
        source: Ipv6Addr,
        /// Destination address.
        destination: Ipv6Addr,
    },
}

impl Endpoints {
    /// Returns the endpoints, or `None` if the addresses are of two families.
    #[must_use]
    pub const fn new(source: IpAddr, destination: IpAddr) -> Option<Self> {
        match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => Some(Self::V4 { source, destination }),
            (IpAddr::V6(source), IpAddr::V6(destination)) => Some(Self::V6 { source, destination }),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
        }
    }

    /// Returns the source address.
    #[must_use]
    pub const fn source(self) -> IpAddr {
        match self {
            Self::V4 { source, .. } => IpAddr::V4(source),
            Self::V6 { source, .. } => IpAddr::V6(source),
        }
    }

    /// Returns the destination address.
    #[must_use]
    pub const fn destination(self) -> IpAddr {
        match self {
            Self::V4 { destination, .. } => IpAddr::V4(destination),
            Self::V6 { destination, .. } => IpAddr::V6(destination),
        }
    }

    /// Returns the family of both addresses.
    #[must_use]
    pub const fn family(self) -> Family {
        Family::of(self.source())
    }

    /// Returns the sum of the pseudo-header for a message of `length` octets, as two octets that
    /// may stand in its place.
    ///
    /// The pseudo-header of IPv4 (RFC 5798 §5.2.8):
    ///
    /// ```text
    /// +--------+--------+--------+--------+
    /// |          source address           |
    /// +--------+--------+--------+--------+
    /// |        destination address        |
    /// +--------+--------+--------+--------+
    /// |  zero  |   112  | message length  |
    /// +--------+--------+--------+--------+
    /// ```
    ///
    /// The pseudo-header of IPv6, whose addresses have 16 octets (RFC 8200 §8.1):
    ///
    /// ```text
    /// +--------+--------+--------+--------+
    /// |          source address           |
    /// +--------+--------+--------+--------+
    /// |        destination address        |
    /// +--------+--------+--------+--------+
    /// |          message length           |
    /// +--------+--------+--------+--------+
    /// |           zero           |   112  |
    /// +--------+--------+--------+--------+
    /// ```
    #[must_use]
    pub fn pseudo_header_sum(self, length: usize) -> [u8; 2] {
        let length = u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes();
        let sum = match self {
            Self::V4 { source, destination } => {
                let [_, _, length @ ..] = length;
                let addresses = [source.octets(), destination.octets()];
                checksum::sum(&[addresses.as_flattened(), &[0, IP_PROTOCOL], &length])
            }
            Self::V6 { source, destination } => {
                let addresses = [source.octets(), destination.octets()];
                checksum::sum(&[addresses.as_flattened(), &length, &[0, 0, 0, IP_PROTOCOL]])
            }
        };
        sum.to_be_bytes()
    }
}

/// The octets are not a whole datagram that carries VRRP.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a whole datagram that carries VRRP")]
pub struct Malformed;

/// The protocol number of the authentication header.
pub const AUTHENTICATION_HEADER: u8 = 51;

pub(super) const IPV4_HEADER_LEN: usize = 20;
pub(super) const IPV6_HEADER_LEN: usize = 40;
const VERSION_AND_IHL: u8 = 0x45;
const VERSION_6: u8 = 0x60;
/// Class Selector 6, network control: a switch that must drop something drops something else.
const TRAFFIC_CLASS_CS6: u8 = 0xc0;
