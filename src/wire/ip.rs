//! What is around a VRRP message: its addresses, and the IPv4 header.
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

    /// Reads the same, or a datagram that has an authentication header before the message
    /// (RFC 2402 §2), of which nothing else is looked at.
    ///
    /// # Errors
    ///
    /// Those of [`parse_ipv4`](Self::parse_ipv4).
    pub fn parse_ipv4_with(bytes: &'a [u8]) -> Result<(Enclosed, Self), Malformed> {
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
        let envelope = Envelope { endpoints, hop_limit: ttl };
        match protocol {
            IP_PROTOCOL => Ok((Enclosed::Plain, Self { envelope, payload })),
            AUTHENTICATION_HEADER => {
                let payload = behind_authentication(payload).ok_or(Malformed)?;
                Ok((Enclosed::Authenticated, Self { envelope, payload }))
            }
            _ => Err(Malformed),
        }
    }

    /// Returns the IPv4 header to send before the payload (RFC 9568 §5.1.1): 20 octets, protocol
    /// 112, DSCP CS6, Don't Fragment clear. `None` over IPv6, where the kernel writes the header.
    ///
    /// Identification is 0, for which a Linux raw socket puts a value of its own.
    #[must_use]
    pub fn ipv4_header(&self) -> Option<[u8; IPV4_HEADER_LEN]> {
        let Endpoints::V4 { source, destination } = self.envelope.endpoints else { return None };
        let total_len = u16::try_from(IPV4_HEADER_LEN + self.payload.len()).unwrap_or(u16::MAX);
        let mut header = [0; IPV4_HEADER_LEN];
        header[0] = VERSION_AND_IHL;
        header[1] = TOS_CS6;
        header[2..4].copy_from_slice(&total_len.to_be_bytes());
        header[8] = self.envelope.hop_limit;
        header[9] = IP_PROTOCOL;
        header[12..16].copy_from_slice(&source.octets());
        header[16..20].copy_from_slice(&destination.octets());
        let sum = checksum::checksum(&[&header]);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        Some(header)
    }
}

/// Whether there is anything between the IPv4 header and the message.
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

/// The octets are not a whole IPv4 datagram that carries VRRP.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a whole IPv4 datagram that carries VRRP")]
pub struct Malformed;

/// The protocol number of the authentication header.
pub const AUTHENTICATION_HEADER: u8 = 51;

const IPV4_HEADER_LEN: usize = 20;
const VERSION_AND_IHL: u8 = 0x45;
/// Class Selector 6, network control: a switch that must drop something drops something else.
const TOS_CS6: u8 = 0xc0;
