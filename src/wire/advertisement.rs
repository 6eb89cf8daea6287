//! The VRRP message: version 3 over IPv4 and IPv6, version 2 over IPv4.
//!
//! Version 3 (RFC 9568 §5.2):
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   3   |Type  1| Virtual Rtr ID|   Priority    |  Address Count|
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Reserve| Max Advertise Interval|          Checksum             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |             IP Address (1), of 4 or 16 octets …               |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```
//!
//! Version 2 (RFC 3768 §5.1); the authentication data is always there (RFC 2338 §5.3.10):
//!
//! ```text
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   2   |Type  1| Virtual Rtr ID|   Priority    |  Address Count|
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |   Auth Type   |   Adver Int   |          Checksum             |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                       IP Address (1) …                        |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                     Authentication Data (1)                   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |                     Authentication Data (2)                   |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::checksum;
use super::ip::{Endpoints, IPV4_HEADER_LEN, IPV6_HEADER_LEN};
use crate::types::{
    Centiseconds, ChecksumForm, ChecksumPolicy, Family, Priority, SimplePassword, TrailingOctets,
    Version, VirtualAddress, Vrid,
};

/// A received advertisement: well formed and intact, but not yet what a virtual router expects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Advertisement<'a> {
    /// Protocol version.
    pub version: Version,
    /// Virtual router identifier as on the wire; 0 is none.
    pub vrid: u8,
    /// Priority of the sender.
    pub priority: Priority,
    /// Interval of the sender, or `None` for 0, which no sender may use (RFC 9568 erratum 8301).
    pub adver_interval: Option<Centiseconds>,
    /// Authentication: `Some` in version 2, `None` in version 3.
    pub auth: Option<Auth>,
    /// The form of a version 3 checksum over IPv4.
    ///
    /// `None` where there is one form only (version 2, IPv6), and for the few addresses whose
    /// pseudo-header adds nothing to the sum.
    pub checksum: Option<ChecksumForm>,
    family: Family,
    addresses: &'a [u8],
}

impl<'a> Advertisement<'a> {
    /// Reads a message, checking in the order of RFC 9568 §7.1 and RFC 3768 §7.1.
    ///
    /// The addresses in it are of the family of the datagram's own.
    ///
    /// # Errors
    ///
    /// The first check that failed.
    pub fn parse(
        message: &'a [u8],
        endpoints: Endpoints,
        accept: Accept,
    ) -> Result<Self, ParseError> {
        let (header, rest) = message.split_first_chunk::<HEADER_LEN>().ok_or(ParseError::Runt)?;
        let [version_type, vrid, priority, count, fifth, sixth, _, _] = *header;

        let family = endpoints.family();
        let version = accept.version(version_type >> 4, family)?;
        if version_type & 0x0f != ADVERTISEMENT {
            return Err(ParseError::Type);
        }
        let addresses_len = usize::from(count) * address_len(family);
        let body = Body::split(rest, version, addresses_len, accept.trailing_octets)?;
        let covered = [header, body.covered];
        let checksum = verify(version, covered, endpoints, accept.checksum)?;

        Ok(Self {
            version,
            vrid,
            priority: Priority::new(priority),
            adver_interval: match version {
                Version::V2 => Centiseconds::from_seconds(sixth),
                Version::V3 => {
                    Centiseconds::new(u16::from_be_bytes([fifth, sixth]) & INTERVAL_MASK)
                }
            },
            auth: body.auth_data.map(|data| Auth { kind: fifth, data }),
            checksum,
            family,
            addresses: body.addresses,
        })
    }

    /// Returns the addresses in the order sent.
    #[must_use]
    pub fn addresses(&self) -> impl ExactSizeIterator<Item = IpAddr> + Clone + use<'a> {
        let family = self.family;
        self.addresses.chunks_exact(address_len(family)).map(move |octets| address(octets, family))
    }
}

/// Returns the virtual router identifier of a message, if there are octets enough for any message.
#[must_use]
pub fn vrid(message: &[u8]) -> Option<u8> {
    let [_, vrid, ..] = *message.first_chunk::<HEADER_LEN>()?;
    Some(vrid)
}

/// What to accept while reading a message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Accept {
    /// The version that is expected; `None` accepts every version known.
    pub version: Option<Version>,
    /// What octets behind the message mean.
    pub trailing_octets: TrailingOctets,
    /// Which checksum forms of version 3 over IPv4 are good.
    pub checksum: ChecksumPolicy,
}

impl Accept {
    fn version(self, number: u8, family: Family) -> Result<Version, ParseError> {
        let version = match (number, family) {
            (2, Family::Ipv4) => Version::V2,
            (3, _) => Version::V3,
            (_, _) => return Err(ParseError::Version),
        };
        if self.version.is_some_and(|expected| expected != version) {
            return Err(ParseError::Version);
        }
        Ok(version)
    }
}

/// The authentication of a version 2 message (RFC 2338 §5.3.6 and §5.3.10).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Auth {
    /// Auth Type as on the wire: [`NONE`](Self::NONE), [`SIMPLE`](Self::SIMPLE), or something
    /// unknown.
    pub kind: u8,
    /// Authentication Data; without a meaning unless the type is [`SIMPLE`](Self::SIMPLE).
    pub data: [u8; AUTH_LEN],
}

impl Auth {
    /// No authentication.
    pub const NONE: u8 = 0;
    /// A simple text password.
    pub const SIMPLE: u8 = 1;
}

/// An advertisement to send.
#[derive(Clone, Copy, Debug)]
pub struct Outgoing<'a> {
    /// Protocol version.
    pub version: Version,
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// Priority; 0 resigns.
    pub priority: Priority,
    /// Our interval: whole seconds in version 2, at most 40.95 s in version 3.
    pub adver_interval: Centiseconds,
    /// Password; version 3 has no place for one.
    pub auth: Option<SimplePassword>,
    /// The addresses: those of the family it is sent in go along, 255 at most.
    pub addresses: &'a [VirtualAddress],
    /// Checksum form of version 3 over IPv4; over IPv6 there is the pseudo-header only.
    pub checksum: ChecksumForm,
}

impl Outgoing<'_> {
    /// Appends the message (RFC 9568 §5.2, RFC 3768 §5.3).
    pub fn emit(&self, endpoints: Endpoints, out: &mut Vec<u8>) {
        let start = out.len();
        let family = endpoints.family();
        let count = u8::try_from(self.addresses(family).count()).unwrap_or(u8::MAX);
        let [fifth, sixth] = self.auth_and_interval();
        let version_type = self.version.number() << 4 | ADVERTISEMENT;
        out.extend([version_type, self.vrid.get(), self.priority.get(), count, fifth, sixth, 0, 0]);
        for address in self.addresses(family) {
            match address {
                IpAddr::V4(address) => out.extend(address.octets()),
                IpAddr::V6(address) => out.extend(address.octets()),
            }
        }
        if self.version == Version::V2 {
            out.extend(self.auth.map_or([0; AUTH_LEN], |password| password.0));
        }
        let message = &mut out[start..];
        let sum = match (self.version, family, self.checksum) {
            (Version::V2, ..) | (Version::V3, Family::Ipv4, ChecksumForm::Message) => {
                checksum::checksum(&[message])
            }
            (Version::V3, ..) => {
                checksum::checksum(&[&endpoints.pseudo_header_sum(message.len()), message])
            }
        };
        message[CHECKSUM].copy_from_slice(&sum.to_be_bytes());
    }

    fn addresses(&self, family: Family) -> impl Iterator<Item = IpAddr> {
        let addresses = self.addresses.iter().map(|virtual_address| virtual_address.address);
        addresses.filter(move |&address| Family::of(address) == family).take(MAX_ADDRESSES)
    }

    fn auth_and_interval(&self) -> [u8; 2] {
        match self.version {
            Version::V2 => {
                let kind = if self.auth.is_some() { Auth::SIMPLE } else { Auth::NONE };
                let seconds = (self.adver_interval.get() / 100).max(1);
                [kind, u8::try_from(seconds).unwrap_or(u8::MAX)]
            }
            Version::V3 => self.adver_interval.get().min(INTERVAL_MASK).to_be_bytes(),
        }
    }
}

/// The first check that a message failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ParseError {
    /// Fewer octets than the fixed part has.
    #[error("shorter than a header")]
    Runt,
    /// A version that is unknown or not the one expected.
    #[error("of another version")]
    Version,
    /// Not an advertisement, the only type there is.
    #[error("of an unknown type")]
    Type,
    /// Octets missing, or octets too many.
    #[error("of a wrong length")]
    Length,
    /// Damaged, or summed up in a form that is not accepted.
    #[error("with a wrong checksum")]
    Checksum,
}

/// What follows the fixed part.
struct Body<'a> {
    addresses: &'a [u8],
    auth_data: Option<[u8; AUTH_LEN]>,
    /// Addresses and authentication data: the part that the checksum covers.
    covered: &'a [u8],
}

impl<'a> Body<'a> {
    fn split(
        rest: &'a [u8],
        version: Version,
        addresses_len: usize,
        trailing_octets: TrailingOctets,
    ) -> Result<Self, ParseError> {
        let len = match version {
            Version::V2 => addresses_len + AUTH_LEN,
            Version::V3 => addresses_len,
        };
        let (covered, trailing) = rest.split_at_checked(len).ok_or(ParseError::Length)?;
        if !trailing.is_empty() && trailing_octets == TrailingOctets::Reject {
            return Err(ParseError::Length);
        }
        let (addresses, auth_data) = covered.split_at(addresses_len);
        Ok(Self { addresses, auth_data: auth_data.first_chunk().copied(), covered })
    }
}

/// Returns the form of an intact checksum, where there is more than one.
fn verify(
    version: Version,
    [header, body]: [&[u8]; 2],
    endpoints: Endpoints,
    policy: ChecksumPolicy,
) -> Result<Option<ChecksumForm>, ParseError> {
    let pseudo_header = endpoints.pseudo_header_sum(header.len() + body.len());
    let message = checksum::is_intact(&[header, body]);
    let with_pseudo_header = checksum::is_intact(&[&pseudo_header, header, body]);
    let intact = match (version, endpoints.family()) {
        (Version::V2, _) => (message, message),
        (Version::V3, Family::Ipv4) => (message, with_pseudo_header),
        (Version::V3, Family::Ipv6) => (with_pseudo_header, with_pseudo_header),
    };
    let form = match intact {
        (true, false) => ChecksumForm::Message,
        (false, true) => ChecksumForm::PseudoHeader,
        (true, true) => return Ok(None),
        (false, false) => return Err(ParseError::Checksum),
    };
    match policy {
        ChecksumPolicy::Only(wanted) if form != wanted => Err(ParseError::Checksum),
        ChecksumPolicy::Auto | ChecksumPolicy::Only(_) => Ok(Some(form)),
    }
}

/// Reads as many octets as an address of the family has.
fn address(octets: &[u8], family: Family) -> IpAddr {
    let mut address = [0; address_len(Family::Ipv6)];
    address[..octets.len()].copy_from_slice(octets);
    match (family, address) {
        (Family::Ipv4, [a, b, c, d, ..]) => Ipv4Addr::new(a, b, c, d).into(),
        (Family::Ipv6, address) => Ipv6Addr::from(address).into(),
    }
}

/// Returns how many addresses fit into an advertisement that is sent in one piece, where a datagram
/// has so many octets at most.
#[must_use]
pub fn most_addresses(mtu: usize, family: Family, version: Version) -> usize {
    let header = match family {
        Family::Ipv4 => IPV4_HEADER_LEN,
        Family::Ipv6 => IPV6_HEADER_LEN,
    };
    let authentication = if version == Version::V2 { AUTH_LEN } else { 0 };
    let room = mtu.saturating_sub(header + HEADER_LEN + authentication);
    (room / address_len(family)).min(MAX_ADDRESSES)
}

const fn address_len(family: Family) -> usize {
    match family {
        Family::Ipv4 => 4,
        Family::Ipv6 => 16,
    }
}

const ADVERTISEMENT: u8 = 1;
const HEADER_LEN: usize = 8;
/// Where the checksum stands in a message of either version.
pub const CHECKSUM: std::ops::Range<usize> = 6..8;
const AUTH_LEN: usize = 8;
/// The count field has one octet.
const MAX_ADDRESSES: usize = 255;
/// The interval has 12 bits; the 4 above it are reserved: sent as 0, not looked at (RFC 9568
/// §5.2.6).
const INTERVAL_MASK: u16 = 0x0fff;
