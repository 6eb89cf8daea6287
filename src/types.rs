//! The words of VRRP as types: an impossible value cannot be built, a number knows its unit.

mod link_name;
mod look;
mod sources;
mod virtual_mac;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::num::{NonZeroU8, NonZeroU16};
use std::ops::{Add, Sub};
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::link_name::LinkName;
pub use self::look::{AddressLabel, AddressLook};
pub use self::sources::{NoLinkLocal, Sources, is_link_local};
pub use self::virtual_mac::{MacAddress, virtual_link_local, virtual_mac};

/// A moment on `CLOCK_MONOTONIC`, in nanoseconds.
///
/// Every process of a host reads the same clock, so a moment keeps its meaning in shared memory and
/// in another process; [`std::time::Instant`] does not promise that.
#[derive(
    Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize,
)]
pub struct Instant(u64);

impl Instant {
    /// Builds a moment from nanoseconds of `CLOCK_MONOTONIC`.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Returns the nanoseconds of `CLOCK_MONOTONIC`.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Returns the milliseconds of `CLOCK_MONOTONIC`, rounded down.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// Returns the time that has passed since `earlier`, zero if `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub<Duration> for Instant {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        let nanos = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_sub(nanos))
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

/// A virtual router identifier, 1–255 (RFC 9568 §5.2.3).
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Vrid(NonZeroU8);

impl Vrid {
    /// Returns the identifier, or `None` for 0, which is never a virtual router.
    #[must_use]
    pub const fn new(vrid: u8) -> Option<Self> {
        match NonZeroU8::new(vrid) {
            Some(vrid) => Some(Self(vrid)),
            None => None,
        }
    }

    /// Returns the identifier as on the wire.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0.get()
    }
}

impl fmt::Display for Vrid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A priority as on the wire (RFC 9568 §5.2.4): 255 is the address owner, 0 resigns.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Priority(u8);

impl Priority {
    /// The Active router is leaving.
    pub const RESIGN: Self = Self(0);
    /// The router whose interface really has the virtual addresses.
    pub const OWNER: Self = Self(255);

    /// Builds a priority from the octet on the wire.
    #[must_use]
    pub const fn new(priority: u8) -> Self {
        Self(priority)
    }

    /// Returns the octet on the wire.
    #[must_use]
    pub const fn get(self) -> u8 {
        self.0
    }

    /// Tells whether the router owns the addresses.
    #[must_use]
    pub const fn is_owner(self) -> bool {
        self.0 == Self::OWNER.0
    }

    /// Tells whether the sender resigns.
    #[must_use]
    pub const fn is_resigning(self) -> bool {
        self.0 == Self::RESIGN.0
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// An advertisement interval in hundredths of a second, never 0.
///
/// Version 3 has 12 bits for it on the wire (0.01–40.95 s), version 2 whole seconds (1–255 s).
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct Centiseconds(NonZeroU16);

impl Centiseconds {
    /// Returns the interval, or `None` for 0, which no advertisement may carry (erratum 8301).
    #[must_use]
    pub const fn new(centiseconds: u16) -> Option<Self> {
        match NonZeroU16::new(centiseconds) {
            Some(centiseconds) => Some(Self(centiseconds)),
            None => None,
        }
    }

    /// Returns a version 2 interval, or `None` for 0 seconds.
    #[must_use]
    pub const fn from_seconds(seconds: u8) -> Option<Self> {
        Self::new(seconds as u16 * 100)
    }

    /// Returns the number of hundredths of a second.
    #[must_use]
    pub const fn get(self) -> u16 {
        self.0.get()
    }

    /// Converts to a [`Duration`].
    #[must_use]
    pub const fn duration(self) -> Duration {
        Duration::from_millis(self.0.get() as u64 * 10)
    }
}

/// The protocol version of a virtual router.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Version {
    /// RFC 3768.
    V2,
    /// RFC 9568.
    V3,
}

impl Version {
    /// Returns the number on the wire.
    #[must_use]
    pub const fn number(self) -> u8 {
        match self {
            Self::V2 => 2,
            Self::V3 => 3,
        }
    }
}

/// An address family. Virtual router 7 of IPv4 and virtual router 7 of IPv6 are two routers.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

impl Family {
    /// Returns the family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::Ipv4,
            IpAddr::V6(_) => Self::Ipv6,
        }
    }

    /// Returns the group that advertisements are sent to (RFC 9568 §5.1.1.2 and §5.1.2.2).
    #[must_use]
    pub const fn group(self) -> IpAddr {
        match self {
            Self::Ipv4 => IpAddr::V4(GROUP_IPV4),
            Self::Ipv6 => IpAddr::V6(GROUP_IPV6),
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ipv4 => "ipv4",
            Self::Ipv6 => "ipv6",
        })
    }
}

/// Some address families.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Families {
    ipv4: bool,
    ipv6: bool,
}

impl Families {
    /// No family.
    pub const NONE: Self = Self { ipv4: false, ipv6: false };
    /// Both families.
    pub const ALL: Self = Self { ipv4: true, ipv6: true };

    /// Tells whether a family is among them.
    #[must_use]
    pub const fn has(self, family: Family) -> bool {
        match family {
            Family::Ipv4 => self.ipv4,
            Family::Ipv6 => self.ipv6,
        }
    }

    /// Returns the families, each once.
    pub fn iter(self) -> impl Iterator<Item = Family> {
        [Family::Ipv4, Family::Ipv6].into_iter().filter(move |family| self.has(*family))
    }
}

impl FromIterator<Family> for Families {
    fn from_iter<T: IntoIterator<Item = Family>>(all: T) -> Self {
        all.into_iter().fold(Self::NONE, |families, family| match family {
            Family::Ipv4 => Self { ipv4: true, ..families },
            Family::Ipv6 => Self { ipv6: true, ..families },
        })
    }
}

/// What this host is to its IPv6 neighbours on a link (RFC 4861 §6.2.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Ipv6Role {
    /// It forwards nothing.
    #[default]
    Host,
    /// It forwards what it receives.
    Router,
}

/// An address that moves between routers, with the length of its prefix.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
pub struct VirtualAddress {
    /// The address itself.
    pub address: IpAddr,
    /// Bits of the network part: 0–32 for IPv4, 0–128 for IPv6.
    pub prefix: u8,
}

impl VirtualAddress {
    /// Returns the first address of its network, with the same prefix length.
    #[must_use]
    pub fn network(&self) -> Self {
        let prefix = self.prefix.into();
        let address = match self.address {
            IpAddr::V4(address) => {
                let hosts = u32::MAX.checked_shr(prefix).unwrap_or(0);
                Ipv4Addr::from_bits(address.to_bits() & !hosts).into()
            }
            IpAddr::V6(address) => {
                let hosts = u128::MAX.checked_shr(prefix).unwrap_or(0);
                Ipv6Addr::from_bits(address.to_bits() & !hosts).into()
            }
        };
        Self { address, prefix: self.prefix }
    }
}

impl fmt::Display for VirtualAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// A virtual address that this host has put on a link.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct HeldAddress {
    /// Where it is.
    pub link: LinkName,
    /// Which one.
    pub address: VirtualAddress,
}

/// What a process knows of a link.
#[derive(Clone, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct KnownLink {
    /// Its name.
    pub name: LinkName,
    /// Its index; `None` if there is no such link.
    pub index: Option<u32>,
    /// Whether frames can pass.
    pub is_up: bool,
    /// The addresses to send from.
    pub sources: Sources,
}

/// Which octets the checksum of a version 3 advertisement over IPv4 covers.
///
/// RFC 9568 §5.2.8 settled on the message alone; keepalived and FRR still add a pseudo-header, as
/// RFC 5798 could be read, and refuse anything else.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChecksumForm {
    /// The VRRP message alone (RFC 9568 §5.2.8).
    Message,
    /// An IPv4 pseudo-header and the message (RFC 5798 as deployed).
    PseudoHeader,
}

/// How a virtual router chooses and accepts checksum forms.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ChecksumPolicy {
    /// Accepts both; starts with the pseudo-header, then sends what a valid peer last sent.
    Auto,
    /// Sends and accepts this form only.
    Only(ChecksumForm),
}

/// What octets behind the last field of a message mean.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TrailingOctets {
    /// The message is discarded: no checksum covers them.
    #[default]
    Reject,
    /// They are not looked at; keepalived's `auth_hmac` puts 28 of them there.
    Ignore,
}

/// What a list of addresses that is not ours means (RFC 9568 §7.1, RFC 3768 §7.1).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum AddressList {
    /// It is counted and reported; the advertisement counts as any other.
    #[default]
    Report,
    /// Version 2 only: the advertisement is discarded unless its sender owns the addresses.
    Enforce,
}

/// The first eight octets of a version 2 simple text password, zero-padded (RFC 2338 §5.3.10).
#[derive(Clone, Copy, Eq, PartialEq)]
pub struct SimplePassword(pub [u8; 8]);

impl SimplePassword {
    /// Tells whether a peer sent the same password.
    ///
    /// All eight octets are compared at once: how long it takes does not tell how many are right.
    #[must_use]
    pub const fn matches(self, sent: [u8; 8]) -> bool {
        u64::from_be_bytes(self.0) == u64::from_be_bytes(sent)
    }
}

impl fmt::Debug for SimplePassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SimplePassword(…)")
    }
}

/// The group that IPv4 advertisements are sent to (RFC 9568 §5.1.1.2).
pub const GROUP_IPV4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
/// The group that IPv6 advertisements are sent to (RFC 9568 §5.1.2.2).
pub const GROUP_IPV6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);
/// IP protocol number of VRRP (RFC 9568 §5.1.1.4).
pub const IP_PROTOCOL: u8 = 112;
/// The only Time to Live or Hop Limit an advertisement may have: it crossed no router (RFC 9568
/// §5.1.1.3 and §5.1.2.3).
pub const HOP_LIMIT: u8 = 255;
