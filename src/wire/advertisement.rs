//! The VRRP message, versions 2 and 3, over IPv4.
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
//! |                       IP Address (1) …                        |
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

use std::net::{IpAddr, Ipv4Addr};

use super::checksum;
use super::ip::PseudoHeader;
use crate::types::{
    Centiseconds, ChecksumForm, ChecksumPolicy, Priority, SimplePassword, TrailingOctets, Version,
    VirtualAddress, Vrid,
};

/// A received advertisement: well formed and intact, but not yet what a virtual router expects.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Advertisement<'a> {
    /// Protocol version.
    pub version: Version,
    /// Virtual router identifier as on the wire; 0 is nobody's.
    pub vrid: u8,
    /// Priority of the sender.
    pub priority: Priority,
    /// Interval of the sender, or `None` for 0, which no sender may use (RFC 9568 erratum 8301).
    pub adver_interval: Option<Centiseconds>,
    /// Authentication: `Some` in version 2, `None` in version 3.
    pub auth: Option<Auth>,
    /// The form of a version 3 checksum.
    ///
    /// `None` where it cannot be told: in version 2, and for the few addresses whose pseudo-header
    /// adds nothing to the sum.
    pub checksum: Option<ChecksumForm>,
    addresses: &'a [u8],
}

impl<'a> Advertisement<'a> {
    /// Reads a message, checking in the order of RFC 9568 §7.1 and RFC 3768 §7.1.
    ///
    /// # Errors
    ///
    /// The first check that failed.
    pub fn parse(
        message: &'a [u8],
        pseudo_header: PseudoHeader,
        accept: Accept,
    ) -> Result<Self, ParseError> {
        let (header, rest) = message.split_first_chunk::<HEADER_LEN>().ok_or(ParseError::Runt)?;
        let [version_type, vrid, priority, count, fifth, sixth, _, _] = *header;

        let version = accept.version(version_type >> 4)?;
        if version_type & 0x0f != ADVERTISEMENT {
            return Err(ParseError::Type);
        }
        let body = Body::split(rest, version, count, accept.trailing_octets)?;
        let covered = [header, body.covered];
        let checksum = match version {
            Version::V2 => verify_v2(covered)?,
            Version::V3 => verify_v3(covered, pseudo_header, accept.checksum)?,
        };

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
            addresses: body.addresses,
        })
    }

    /// Returns the addresses in the order sent.
    #[must_use]
    pub fn addresses(&self) -> impl ExactSizeIterator<Item = Ipv4Addr> + Clone + use<'a> {
        let addresses = self.addresses.chunks_exact(IPV4_LEN);
        addresses.map(|octets| Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]))
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
    /// Which checksum forms of version 3 are good.
    pub checksum: ChecksumPolicy,
}

impl Accept {
    fn version(self, number: u8) -> Result<Version, ParseError> {
        let version = match number {
            2 => Version::V2,
            3 => Version::V3,
            _ => return Err(ParseError::Version),
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
    /// The addresses, 1–255 of one family; what is beyond is left out.
    pub addresses: &'a [VirtualAddress],
    /// Checksum form of version 3.
    pub checksum: ChecksumForm,
}

impl Outgoing<'_> {
    /// Returns how many octets [`emit`](Self::emit) appends.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let addresses = self.addresses().map(|virtual_address| match virtual_address.address {
            IpAddr::V4(_) => IPV4_LEN,
            IpAddr::V6(_) => IPV6_LEN,
        });
        let auth_data = match self.version {
            Version::V2 => AUTH_LEN,
            Version::V3 => 0,
        };
        HEADER_LEN + addresses.sum::<usize>() + auth_data
    }

    /// Appends the message (RFC 9568 §5.2, RFC 3768 §5.3).
    pub fn emit(&self, pseudo_header: PseudoHeader, out: &mut Vec<u8>) {
        let start = out.len();
        let count = u8::try_from(self.addresses().len()).unwrap_or(u8::MAX);
        let [fifth, sixth] = self.auth_and_interval();
        let version_type = self.version.number() << 4 | ADVERTISEMENT;
        out.extend([version_type, self.vrid.get(), self.priority.get(), count, fifth, sixth, 0, 0]);
        for virtual_address in self.addresses() {
            match virtual_address.address {
                IpAddr::V4(address) => out.extend(address.octets()),
                IpAddr::V6(address) => out.extend(address.octets()),
            }
        }
        if self.version == Version::V2 {
            out.extend(self.auth.map_or([0; AUTH_LEN], |password| password.0));
        }
        let message = &mut out[start..];
        let sum = match (self.version, self.checksum) {
            (Version::V2, _) | (Version::V3, ChecksumForm::Message) => {
                checksum::checksum(&[message])
            }
            (Version::V3, ChecksumForm::PseudoHeader) => {
                let pseudo_header = pseudo_header.octets(length_field(message.len()));
                checksum::checksum(&[&pseudo_header, message])
            }
        };
        message[CHECKSUM].copy_from_slice(&sum.to_be_bytes());
    }

    fn addresses(&self) -> std::slice::Iter<'_, VirtualAddress> {
        let count = self.addresses.len().min(MAX_ADDRESSES);
        self.addresses[..count].iter()
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
        count: u8,
        trailing_octets: TrailingOctets,
    ) -> Result<Self, ParseError> {
        let addresses_len = usize::from(count) * IPV4_LEN;
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

fn verify_v2([header, body]: [&[u8]; 2]) -> Result<Option<ChecksumForm>, ParseError> {
    if checksum::is_intact(&[header, body]) { Ok(None) } else { Err(ParseError::Checksum) }
}

fn verify_v3(
    [header, body]: [&[u8]; 2],
    pseudo_header: PseudoHeader,
    policy: ChecksumPolicy,
) -> Result<Option<ChecksumForm>, ParseError> {
    let pseudo_header = pseudo_header.octets(length_field(header.len() + body.len()));
    let message = checksum::is_intact(&[header, body]);
    let with_pseudo_header = checksum::is_intact(&[&pseudo_header, header, body]);
    let form = match (message, with_pseudo_header) {
        (true, false) => Some(ChecksumForm::Message),
        (false, true) => Some(ChecksumForm::PseudoHeader),
        (true, true) => None,
        (false, false) => return Err(ParseError::Checksum),
    };
    match policy {
        ChecksumPolicy::Only(wanted) if form.is_some_and(|form| form != wanted) => {
            Err(ParseError::Checksum)
        }
        ChecksumPolicy::Auto | ChecksumPolicy::Only(_) => Ok(form),
    }
}

fn length_field(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

const ADVERTISEMENT: u8 = 1;
const HEADER_LEN: usize = 8;
const CHECKSUM: std::ops::Range<usize> = 6..8;
const IPV4_LEN: usize = 4;
const IPV6_LEN: usize = 16;
const AUTH_LEN: usize = 8;
/// The count field has one octet.
const MAX_ADDRESSES: usize = 255;
/// The interval has 12 bits; the 4 above it are reserved: sent as 0, not looked at (RFC 9568
/// §5.2.6).
const INTERVAL_MASK: u16 = 0x0fff;
