//! The receive ladder of RFC 9568 §7.1 and RFC 3768 §7.1: the checks that a datagram must pass.
//!
//! [`Heard::open`] and [`Heard::check`] climb it; the first rung that does not hold names the
//! [`Discard`]. Rungs 3 to 6 are those of the octets alone, in
//! [`wire`](crate::wire::advertisement).

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr};

use serde::{Deserialize, Serialize};

use crate::config::InstanceConfig;
use crate::types::{
    AddressList, Centiseconds, ChecksumForm, ChecksumPolicy, Family, HOP_LIMIT, Priority,
    SimplePassword, TrailingOctets, Version, Vrid,
};
use crate::wire::advertisement::{self, Accept, Advertisement, Auth, ParseError};
use crate::wire::ip::{Datagram, Malformed};

/// A datagram that is complete enough to find its virtual router.
#[derive(Clone, Copy, Debug)]
pub struct Heard<'a> {
    datagram: Datagram<'a>,
    vrid: Option<Vrid>,
}

impl<'a> Heard<'a> {
    /// Climbs the first rung: a whole datagram that holds a header of VRRP.
    ///
    /// # Errors
    ///
    /// [`Discard::Runt`].
    pub fn open(received: Result<Datagram<'a>, Malformed>) -> Result<Self, Discard> {
        let datagram = received.map_err(|Malformed| Discard::Runt)?;
        let vrid = advertisement::vrid(datagram.payload).ok_or(Discard::Runt)?;
        Ok(Self { datagram, vrid: Vrid::new(vrid) })
    }

    /// Returns the identifier of the virtual router that the datagram claims to be for.
    #[must_use]
    pub const fn vrid(&self) -> Option<Vrid> {
        self.vrid
    }

    /// Returns the source address that the datagram claims to have.
    #[must_use]
    pub const fn source(&self) -> IpAddr {
        self.datagram.envelope.endpoints.source()
    }

    /// Returns the family of the datagram, which is that of the virtual router it is for.
    #[must_use]
    pub const fn family(&self) -> Family {
        self.datagram.envelope.endpoints.family()
    }

    /// Climbs the other rungs, with what the virtual router of [`vrid`](Self::vrid) and
    /// [`family`](Self::family) on the receiving link expects, or with `None` if there is no such
    /// router.
    ///
    /// # Errors
    ///
    /// The first rung that does not hold, whether or not a router is there: a damaged datagram for
    /// an unknown router is discarded as damaged.
    pub fn check(&self, expected: Option<&Expectations<'_>>) -> Result<Accepted<'a>, Discard> {
        let expected = expected.filter(|expected| {
            (Some(expected.config.vrid), expected.config.family()) == (self.vrid, self.family())
        });
        let least = expected.map_or(HOP_LIMIT, |expected| expected.config.min_hop_limit());
        if self.datagram.envelope.hop_limit < least {
            return Err(Discard::Ttl);
        }
        let advertisement = self.parse(expected)?;

        let Some(Expectations { config, source, running }) = expected else {
            return Err(Discard::Vrid);
        };
        // RFC 9568 erratum 8298: an owner that hears another Active router reports it and goes on.
        let duplicate_owner = config.priority.is_owner();
        if duplicate_owner && config.version == Version::V2 {
            return Err(Discard::Owner);
        }
        if let Some(auth) = advertisement.auth {
            authenticate(auth, config.auth)?;
        }
        if advertisement.addresses().len() == 0 {
            return Err(Discard::NoAddresses);
        }
        let adver_interval = advertisement.adver_interval.ok_or(Discard::ZeroInterval)?;
        let interval_differs = adver_interval != config.adver_interval;
        if interval_differs && config.version == Version::V2 {
            return Err(Discard::Interval);
        }
        let lists = compare_addresses(&advertisement, config);
        if config.address_list == AddressList::Enforce && breaks_rules(&advertisement, lists) {
            return Err(Discard::AddressList);
        }
        self.check_endpoints(config, *source)?;
        if !running {
            return Err(Discard::NotRunning);
        }

        Ok(Accepted {
            source: self.source(),
            priority: advertisement.priority,
            adver_interval,
            checksum: advertisement.checksum,
            duplicate_owner: duplicate_owner && lists != AddressLists::Disjoint,
            interval_differs,
            lists,
            advertisement,
        })
    }

    fn parse(&self, expected: Option<&Expectations<'_>>) -> Result<Advertisement<'a>, ParseError> {
        let accept = match expected {
            Some(Expectations { config, .. }) => Accept {
                version: Some(config.version),
                trailing_octets: config.trailing_octets,
                checksum: config.checksum,
            },
            None => Accept {
                version: None,
                trailing_octets: TrailingOctets::Reject,
                checksum: ChecksumPolicy::Auto,
            },
        };
        Advertisement::parse(self.datagram.payload, self.datagram.envelope.endpoints, accept)
    }

    /// Rung 15. Our own frame, reflected, must never be answered: the answer would be reflected
    /// too.
    ///
    /// A router with peers hears these alone, and never what is sent to a group. Whatever else the
    /// kernel delivers was sent to this host.
    fn check_endpoints(
        &self,
        config: &InstanceConfig,
        own_source: Option<IpAddr>,
    ) -> Result<(), Discard> {
        let source = self.source();
        if Some(source) == own_source {
            return Err(Discard::OwnSource);
        }
        let is_broadcast = source == Ipv4Addr::BROADCAST;
        let has_wrong_scope = config.unicast.is_none()
            && matches!(source, IpAddr::V6(source) if !source.is_unicast_link_local());
        let no_host = source.is_unspecified() || source.is_multicast() || is_broadcast;
        if no_host || has_wrong_scope {
            return Err(Discard::Martian);
        }
        let destination = self.datagram.envelope.endpoints.destination();
        let is_for_us = match &config.unicast {
            None => destination == self.family().group(),
            Some(unicast) if !unicast.peers.contains(&source) => return Err(Discard::Unlisted),
            Some(_) => !destination.is_multicast() && destination != Ipv4Addr::BROADCAST,
        };
        if is_for_us { Ok(()) } else { Err(Discard::Martian) }
    }
}

/// What a virtual router expects of an advertisement.
#[derive(Clone, Copy, Debug)]
pub struct Expectations<'a> {
    /// Its configuration.
    pub config: &'a InstanceConfig,
    /// The address that it sends from itself.
    pub source: Option<IpAddr>,
    /// Whether it has left Initialize.
    pub running: bool,
}

/// An accepted advertisement.
#[derive(Clone, Copy, Debug)]
pub struct Accepted<'a> {
    /// The sender.
    pub source: IpAddr,
    /// Priority of the sender.
    pub priority: Priority,
    /// Interval of the sender.
    pub adver_interval: Centiseconds,
    /// Checksum form of the sender; `None` where it is unknown, also in version 2.
    pub checksum: Option<ChecksumForm>,
    /// We own the addresses, and another router is Active.
    pub duplicate_owner: bool,
    /// The sender has another interval than ours; version 3 follows it.
    pub interval_differs: bool,
    /// The addresses of the sender, compared with ours.
    pub lists: AddressLists,
    /// The whole advertisement.
    pub advertisement: Advertisement<'a>,
}

/// Two lists of addresses, compared as sets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AddressLists {
    /// They are the same.
    Same,
    /// They are the same, but the sender does not begin with the link-local one (RFC 9568 §5.2.9).
    Disordered,
    /// They differ, as lists do that are changed on one node after the other.
    Overlapping,
    /// They have nothing in common: it is another virtual router with our VRID.
    Disjoint,
}

/// Why a datagram was discarded: one variant per rung, in the order of the rungs.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Discard {
    /// 1: not a whole datagram of protocol 112 with 8 octets or more in it.
    Runt,
    /// 2: Time to Live or Hop Limit is not 255 (RFC 9568 §5.1.1.3), or what is accepted of peers:
    /// it has crossed a router.
    Ttl,
    /// 3: the version is unknown, or not that of the virtual router.
    Version,
    /// 4: the type is not ADVERTISEMENT.
    Type,
    /// 5: octets are missing, or too many (RFC 9568 §7.1).
    Length,
    /// 6: the checksum is wrong, or of a form that is not accepted (RFC 9568 §5.2.8).
    Checksum,
    /// 7: there is no such virtual router on the receiving link.
    Vrid,
    /// 8: version 2, and this router is the owner of the addresses (RFC 3768 §7.1).
    Owner,
    /// 9: the authentication type is unknown (RFC 2338 §5.3.6).
    AuthType,
    /// 9: the authentication type is not ours.
    AuthMismatch,
    /// 9: the password is not ours.
    AuthFailure,
    /// 10: the list of addresses is empty (RFC 9568 §5.2.5).
    NoAddresses,
    /// 11: the interval is zero (RFC 9568 erratum 8301): we would take over at once.
    ZeroInterval,
    /// 13: version 2, and the interval is not ours (RFC 3768 §7.1).
    Interval,
    /// 12 and 14, if they are to be enforced: the first address of IPv6 is not link-local (RFC 9568
    /// §5.2.9), or, in version 2, the addresses are not ours (RFC 3768 §7.1).
    AddressList,
    /// 15: it comes from our own address: reflected, or sent by a clone.
    OwnSource,
    /// 15: the router has peers, and it comes from none of them.
    Unlisted,
    /// 15: no host has such a source address, or it was not sent to the group; or to the group,
    /// and the router has peers.
    Martian,
    /// 16: the virtual router is in Initialize (RFC 9568 §6.4.1).
    NotRunning,
}

impl Discard {
    /// Every reason, in the order of the rungs.
    pub const ALL: [Self; 19] = [
        Self::Runt,
        Self::Ttl,
        Self::Version,
        Self::Type,
        Self::Length,
        Self::Checksum,
        Self::Vrid,
        Self::Owner,
        Self::AuthType,
        Self::AuthMismatch,
        Self::AuthFailure,
        Self::NoAddresses,
        Self::ZeroInterval,
        Self::Interval,
        Self::AddressList,
        Self::OwnSource,
        Self::Unlisted,
        Self::Martian,
        Self::NotRunning,
    ];

    /// Returns the name in counters and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Runt => "runt",
            Self::Ttl => "ttl",
            Self::Version => "version",
            Self::Type => "type",
            Self::Length => "length",
            Self::Checksum => "checksum",
            Self::Vrid => "vrid",
            Self::Owner => "owner",
            Self::AuthType => "auth_type",
            Self::AuthMismatch => "auth_mismatch",
            Self::AuthFailure => "auth_failure",
            Self::NoAddresses => "no_addresses",
            Self::ZeroInterval => "zero_interval",
            Self::Interval => "interval",
            Self::AddressList => "address_list",
            Self::OwnSource => "own_source",
            Self::Unlisted => "unlisted",
            Self::Martian => "martian",
            Self::NotRunning => "not_running",
        }
    }
}

/// Describes the reason to an operator.
impl fmt::Display for Discard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Runt => "not a whole VRRP datagram",
            Self::Ttl => "time to live is below what is accepted: it has crossed a router",
            Self::Version => "not the VRRP version of this virtual router",
            Self::Type => "not of type advertisement",
            Self::Length => "length does not fit the number of addresses",
            Self::Checksum => "wrong checksum, or a checksum form that is not accepted",
            Self::Vrid => "no such virtual router on this interface",
            Self::Owner => "this node owns the addresses, yet another router advertises them",
            Self::AuthType => "unknown authentication type",
            Self::AuthMismatch => "not the authentication type configured here",
            Self::AuthFailure => "not the password configured here",
            Self::NoAddresses => "carries no addresses",
            Self::ZeroInterval => "advertisement interval is zero",
            Self::Interval => "not the advertisement interval configured here",
            Self::AddressList => "not the addresses configured here, or in a wrong order",
            Self::OwnSource => "sent from our own address: reflected, or another node has it too",
            Self::Unlisted => "it is none of the peers that are configured here",
            Self::Martian => {
                "no such source may send, or not sent where this router listens: to \
                              the group, or with peers to this node alone"
            }
            Self::NotRunning => "this virtual router is not running",
        })
    }
}

impl From<ParseError> for Discard {
    fn from(error: ParseError) -> Self {
        match error {
            ParseError::Runt => Self::Runt,
            ParseError::Version => Self::Version,
            ParseError::Type => Self::Type,
            ParseError::Length => Self::Length,
            ParseError::Checksum => Self::Checksum,
        }
    }
}

/// The counters of received datagrams: one per rung, and some for accepted ones.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ReceiveCounters {
    /// Accepted advertisements (RFC 8347 `advertisement-rcvd`).
    pub accepted: u64,
    /// Of these: with priority 0 (`priority-zero-pkts-rcvd`).
    pub priority_zero: u64,
    /// Of these: version 3 with the checksum of RFC 9568.
    pub message_checksums: u64,
    /// Of these: version 3 with a pseudo-header in the checksum.
    pub pseudo_header_checksums: u64,
    /// Of these: heard although we own the addresses.
    pub duplicate_owner: u64,
    /// Of these: with another interval than ours.
    pub interval_differs: u64,
    /// Of these: with other addresses than ours.
    pub addresses_differ: u64,
    discarded: Discarded,
}

/// A counter for every rung. Written down by their names: the next version may have other rungs.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(into = "BTreeMap<&'static str, u64>", from = "BTreeMap<String, u64>")]
struct Discarded([u64; Discard::ALL.len()]);

impl From<Discarded> for BTreeMap<&'static str, u64> {
    fn from(discarded: Discarded) -> Self {
        let names = Discard::ALL.iter().map(|discard| discard.name());
        names.zip(discarded.0).filter(|(_, count)| *count > 0).collect()
    }
}

impl From<BTreeMap<String, u64>> for Discarded {
    fn from(counts: BTreeMap<String, u64>) -> Self {
        Self(Discard::ALL.map(|discard| counts.get(discard.name()).copied().unwrap_or_default()))
    }
}

impl ReceiveCounters {
    /// Counts an accepted advertisement.
    pub fn count_accepted(&mut self, accepted: &Accepted<'_>) {
        self.accepted += 1;
        self.priority_zero += u64::from(accepted.priority.is_resigning());
        match accepted.checksum {
            Some(ChecksumForm::Message) => self.message_checksums += 1,
            Some(ChecksumForm::PseudoHeader) => self.pseudo_header_checksums += 1,
            None => {}
        }
        self.duplicate_owner += u64::from(accepted.duplicate_owner);
        self.interval_differs += u64::from(accepted.interval_differs);
        self.addresses_differ += u64::from(accepted.lists != AddressLists::Same);
    }

    /// Counts a discarded datagram.
    pub fn count_discarded(&mut self, discard: Discard) {
        self.discarded.0[discard as usize] += 1;
    }

    /// Returns how many datagrams there were.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.accepted + self.discarded.0.iter().sum::<u64>()
    }

    /// Returns how many datagrams were discarded for a reason.
    #[must_use]
    pub const fn discarded(&self, discard: Discard) -> u64 {
        self.discarded.0[discard as usize]
    }
}

fn authenticate(sent: Auth, expected: Option<SimplePassword>) -> Result<(), Discard> {
    match (sent.kind, expected) {
        (Auth::NONE, None) => Ok(()),
        (Auth::SIMPLE, Some(password)) if password.matches(sent.data) => Ok(()),
        (Auth::SIMPLE, Some(_)) => Err(Discard::AuthFailure),
        (Auth::NONE, Some(_)) | (Auth::SIMPLE, None) => Err(Discard::AuthMismatch),
        (_, _) => Err(Discard::AuthType),
    }
}

/// Compares two sets: the order does not matter, but that an address of IPv6 that is link-local
/// comes first. Ours has no address twice.
fn compare_addresses(advertisement: &Advertisement<'_>, config: &InstanceConfig) -> AddressLists {
    let ours = || config.advertised();
    let theirs = || advertisement.addresses();
    if ours().eq(theirs()) {
        return AddressLists::Same;
    }
    let common = ours().filter(|ours| theirs().any(|theirs| theirs == *ours)).count();
    match common {
        0 => AddressLists::Disjoint,
        all if all == ours().count() && all == theirs().len() => {
            if begins_as_it_must(advertisement) {
                AddressLists::Same
            } else {
                AddressLists::Disordered
            }
        }
        _ => AddressLists::Overlapping,
    }
}

/// Tells whether the first address of an IPv6 virtual router is link-local (RFC 9568 §5.2.9).
fn begins_as_it_must(advertisement: &Advertisement<'_>) -> bool {
    advertisement.addresses().next().is_none_or(|first| match first {
        IpAddr::V4(_) => true,
        IpAddr::V6(first) => first.is_unicast_link_local(),
    })
}

/// Tells whether a list of addresses is one for which a router may drop an advertisement: in
/// version 2 another one than ours, unless the owner sends it (RFC 3768 §7.1); in version 3 one
/// that does not [begin as it must](begins_as_it_must).
fn breaks_rules(advertisement: &Advertisement<'_>, lists: AddressLists) -> bool {
    match advertisement.version {
        Version::V2 => lists != AddressLists::Same && !advertisement.priority.is_owner(),
        Version::V3 => !begins_as_it_must(advertisement),
    }
}
