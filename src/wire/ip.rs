//! The IPv4 header around a VRRP message.
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

use std::net::Ipv4Addr;

use super::checksum;
use crate::types::{IP_PROTOCOL, TTL};

/// A received IPv4 datagram (RFC 791 §3.1).
///
/// Its checksum is not looked at: the kernel has done so before a raw socket sees the datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ipv4Datagram<'a> {
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Time to Live.
    pub ttl: u8,
    /// Number of the protocol of the payload.
    pub protocol: u8,
    /// What follows the header and its options, up to Total Length: the padding of a short Ethernet
    /// frame is not part of it.
    pub payload: &'a [u8],
}

impl<'a> Ipv4Datagram<'a> {
    /// Reads a datagram that begins with its IP header.
    ///
    /// # Errors
    ///
    /// [`Malformed`] if it is not IPv4, or if its lengths contradict each other or the octets that
    /// are there.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let header = bytes.first_chunk::<HEADER_LEN>().ok_or(Malformed)?;
        let [version_ihl, _, total_hi, total_lo, _, _, _, _, ttl, protocol, _, _, addresses @ ..] =
            *header;
        let [s0, s1, s2, s3, d0, d1, d2, d3] = addresses;

        let header_len = usize::from(version_ihl & 0x0f) * 4;
        if version_ihl >> 4 != 4 || header_len < HEADER_LEN {
            return Err(Malformed);
        }
        let total_len = usize::from(u16::from_be_bytes([total_hi, total_lo]));
        let payload = bytes.get(header_len..total_len).ok_or(Malformed)?;

        Ok(Self {
            source: Ipv4Addr::new(s0, s1, s2, s3),
            destination: Ipv4Addr::new(d0, d1, d2, d3),
            ttl,
            protocol,
            payload,
        })
    }

    /// Returns the pseudo-header of the datagram.
    #[must_use]
    pub const fn pseudo_header(&self) -> PseudoHeader {
        PseudoHeader { source: self.source, destination: self.destination }
    }
}

/// What carries an advertisement over IPv4 (RFC 9568 §5.1.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ipv4Header {
    /// Source address: the primary address of the link.
    pub source: Ipv4Addr,
    /// Destination address: the group.
    pub destination: Ipv4Addr,
    /// Octets that follow the header; what a datagram cannot hold is cut from the number.
    pub payload_len: usize,
}

impl Ipv4Header {
    /// Appends the header: 20 octets, TTL 255, protocol 112, DSCP CS6, Don't Fragment clear.
    ///
    /// Identification is 0, for which a Linux raw socket puts a value of its own.
    pub fn emit(&self, out: &mut Vec<u8>) {
        let total_len = u16::try_from(HEADER_LEN + self.payload_len).unwrap_or(u16::MAX);
        let mut header = [0; HEADER_LEN];
        header[0] = VERSION_AND_IHL;
        header[1] = TOS_CS6;
        header[2..4].copy_from_slice(&total_len.to_be_bytes());
        header[8] = TTL;
        header[9] = IP_PROTOCOL;
        header[12..16].copy_from_slice(&self.source.octets());
        header[16..20].copy_from_slice(&self.destination.octets());
        let sum = checksum::checksum(&[&header]);
        header[10..12].copy_from_slice(&sum.to_be_bytes());
        out.extend_from_slice(&header);
    }
}

/// The addresses that some checksums cover besides the message (RFC 5798 §5.2.8).
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
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PseudoHeader {
    /// Source address of the datagram.
    pub source: Ipv4Addr,
    /// Destination address of the datagram.
    pub destination: Ipv4Addr,
}

impl PseudoHeader {
    /// Returns the octets for a message of `length` octets.
    #[must_use]
    pub fn octets(self, length: u16) -> [u8; 12] {
        let [s0, s1, s2, s3] = self.source.octets();
        let [d0, d1, d2, d3] = self.destination.octets();
        let [length_hi, length_lo] = length.to_be_bytes();
        [s0, s1, s2, s3, d0, d1, d2, d3, 0, IP_PROTOCOL, length_hi, length_lo]
    }
}

/// The octets are not a whole IPv4 datagram.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not a whole IPv4 datagram")]
pub struct Malformed;

const HEADER_LEN: usize = 20;
const VERSION_AND_IHL: u8 = 0x45;
/// Class Selector 6, network control: a switch that must drop something drops something else.
const TOS_CS6: u8 = 0xc0;
