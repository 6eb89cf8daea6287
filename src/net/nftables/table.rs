//! Our tables: which chains they have, and which addresses their maps translate.

use std::net::IpAddr;

use super::batch::TableFamily;
use super::expression::{
    ACCEPTED, ADVERTISEMENT, AT_LAST_HOP, AT_LAST_HOP_IPV6, CONNECTION, CONNECTION_IPV6, DROPPED,
    Expression, FORWARDED, FORWARDED_IPV6, FROM_LISTED, FROM_NO_ADDRESS, GROUP_REPORT, LISTED,
    LISTED_IPV6, NOT_RELAYED, NOT_RELAYED_IPV6, NOTED, OPEN, OPENED_HERE, OPENING, RELAYED,
    RELAYED_IPV6, RENAMED, RENAMED_IPV6, SENT_HERE, SENT_HERE_IPV6, SOLICITATION, UNANSWERED,
    UNANSWERED_IPV6,
};
use crate::types::{Family, LinkName, MacAddress};

/// A table for the moving addresses of a family.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum MovesTable {
    /// Relays segments to the host that had them.
    Relay(Family),
    /// The same on a link, to a host that is known by its hardware address.
    Forward(Family, LinkName),
    /// Keeps quiet about those that are still here.
    Silence(Family),
}

/// What a map has for an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum MapValue {
    Host(IpAddr),
    Hardware(MacAddress),
}

/// A base chain, which the kernel calls at a hook, with its rules.
pub(super) struct BaseChain {
    pub(super) name: &'static str,
    pub(super) hook: u32,
    pub(super) priority: i32,
    pub(super) rules: &'static [TableRule],
}

/// A rule: lists of expressions, one after the other.
pub(super) type TableRule = &'static [&'static [Expression]];

impl MovesTable {
    pub(super) const fn family(self) -> TableFamily {
        match self {
            Self::Relay(Family::Ipv4) => TableFamily::Ip,
            Self::Forward(..) => TableFamily::Netdev,
            Self::Silence(Family::Ipv4) => TableFamily::Arp,
            Self::Relay(Family::Ipv6) | Self::Silence(Family::Ipv6) => TableFamily::Ip6,
        }
    }

    /// Returns the name of the table, which begins with that of all our tables.
    pub(super) fn name(self, ours: &str) -> String {
        match self {
            Self::Silence(Family::Ipv6) => format!("{ours}-nd"),
            Self::Forward(Family::Ipv4, link) => format!("{ours}-{link}-ip"),
            Self::Forward(Family::Ipv6, link) => format!("{ours}-{link}-ip6"),
            Self::Relay(_) | Self::Silence(Family::Ipv4) => ours.to_owned(),
        }
    }

    /// Returns `nft`'s type of the addresses, and how many octets they have.
    pub(super) const fn address_type(self) -> (u32, u32) {
        match self {
            Self::Relay(family) | Self::Forward(family, _) | Self::Silence(family) => {
                type_of(family)
            }
        }
    }

    /// Returns the same of what its map has for them.
    pub(super) const fn value_type(self) -> (u32, u32) {
        match self {
            Self::Relay(family) | Self::Silence(family) => type_of(family),
            Self::Forward(..) => (TYPE_ETHER_ADDR, 6),
        }
    }

    /// Tells whether it forgets addresses by itself, and notes the connections that are opened.
    pub(super) const fn relays(self) -> bool {
        matches!(self, Self::Relay(_) | Self::Forward(..))
    }

    /// Returns the link whose packets it sees; `None` if it sees those of all.
    pub(super) const fn device(&self) -> Option<&LinkName> {
        match self {
            Self::Forward(_, link) => Some(link),
            Self::Relay(_) | Self::Silence(_) => None,
        }
    }

    pub(super) const fn chains(self) -> &'static [BaseChain] {
        match self {
            Self::Relay(Family::Ipv4) => RELAY,
            Self::Relay(Family::Ipv6) => RELAY_IPV6,
            Self::Forward(Family::Ipv4, _) => FORWARD,
            Self::Forward(Family::Ipv6, _) => FORWARD_IPV6,
            Self::Silence(Family::Ipv4) => SILENCE,
            Self::Silence(Family::Ipv6) => SILENCE_IPV6,
        }
    }
}

/// Returns the family of tables for packets of a family.
pub(super) const fn family_of(family: Family) -> TableFamily {
    match family {
        Family::Ipv4 => TableFamily::Ip,
        Family::Ipv6 => TableFamily::Ip6,
    }
}

/// Returns `nft`'s type of the addresses of a family, and how many octets they have.
pub(super) const fn type_of(family: Family) -> (u32, u32) {
    match family {
        Family::Ipv4 => (TYPE_IPV4_ADDR, 4),
        Family::Ipv6 => (TYPE_IPV6_ADDR, 16),
    }
}

/// Returns the chain that drops what is sent to addresses of a family.
pub(super) const fn accept_chain(family: Family) -> &'static BaseChain {
    match family {
        Family::Ipv4 => &ACCEPT_MODE,
        Family::Ipv6 => &ACCEPT_MODE_IPV6,
    }
}

const RELAY: &[BaseChain] = &[BaseChain {
    name: "relay",
    hook: PRE_ROUTING,
    priority: AFTER_DNAT,
    rules: &[
        &[LISTED, OPENING, CONNECTION, NOTED],
        &[LISTED, OPEN, NOT_RELAYED, CONNECTION, OPENED_HERE],
        &[LISTED, OPEN, NOT_RELAYED, RELAYED],
    ],
}];

const RELAY_IPV6: &[BaseChain] = &[BaseChain {
    name: "relay",
    hook: PRE_ROUTING,
    priority: AFTER_DNAT,
    rules: &[
        &[LISTED_IPV6, OPENING, CONNECTION_IPV6, NOTED],
        &[LISTED_IPV6, OPEN, NOT_RELAYED_IPV6, CONNECTION_IPV6, OPENED_HERE],
        &[LISTED_IPV6, OPEN, NOT_RELAYED_IPV6, RELAYED_IPV6],
    ],
}];

const FORWARD: &[BaseChain] = &[BaseChain {
    name: "forward",
    hook: INGRESS,
    priority: AFTER_FILTERS,
    rules: &[
        &[SENT_HERE, LISTED, OPENING, CONNECTION, NOTED],
        &[SENT_HERE, LISTED, OPEN, NOT_RELAYED, CONNECTION, OPENED_HERE],
        &[SENT_HERE, LISTED, OPEN, NOT_RELAYED, AT_LAST_HOP, FORWARDED],
    ],
}];

const FORWARD_IPV6: &[BaseChain] = &[BaseChain {
    name: "forward",
    hook: INGRESS,
    priority: AFTER_FILTERS,
    rules: &[
        &[SENT_HERE_IPV6, LISTED_IPV6, OPENING, CONNECTION_IPV6, NOTED],
        &[SENT_HERE_IPV6, LISTED_IPV6, OPEN, NOT_RELAYED_IPV6, CONNECTION_IPV6, OPENED_HERE],
        &[SENT_HERE_IPV6, LISTED_IPV6, OPEN, NOT_RELAYED_IPV6, AT_LAST_HOP_IPV6, FORWARDED_IPV6],
    ],
}];

const SILENCE: &[BaseChain] = &[
    BaseChain { name: "input", hook: ARP_IN, priority: 0, rules: &[&[UNANSWERED]] },
    BaseChain { name: "output", hook: ARP_OUT, priority: 0, rules: &[&[RENAMED]] },
];

const SILENCE_IPV6: &[BaseChain] = &[
    BaseChain {
        name: "input",
        hook: LOCAL_IN,
        priority: 0,
        rules: &[&[SOLICITATION, UNANSWERED_IPV6]],
    },
    BaseChain {
        name: "output",
        hook: LOCAL_OUT,
        priority: 0,
        // On a link that has moving addresses alone, reports of groups come from none or from one
        // of these, and from the hardware address of the virtual router.
        rules: &[
            &[SOLICITATION, RENAMED_IPV6],
            &[GROUP_REPORT, FROM_NO_ADDRESS, DROPPED],
            &[GROUP_REPORT, FROM_LISTED, DROPPED],
        ],
    },
];

const ACCEPT_MODE: BaseChain =
    BaseChain { name: "input", hook: LOCAL_IN, priority: 0, rules: &[&[LISTED, DROPPED]] };

/// Without neighbor discovery nobody would find the address (RFC 9568 §6.1).
const ACCEPT_MODE_IPV6: BaseChain = BaseChain {
    name: "input",
    hook: LOCAL_IN,
    priority: 0,
    rules: &[&[SOLICITATION, ACCEPTED], &[ADVERTISEMENT, ACCEPTED], &[LISTED_IPV6, DROPPED]],
};

/// `NF_INET_PRE_ROUTING`, `NF_INET_LOCAL_IN` and `NF_INET_LOCAL_OUT`.
const PRE_ROUTING: u32 = 0;
const LOCAL_IN: u32 = 1;
const LOCAL_OUT: u32 = 3;
/// `NF_NETDEV_INGRESS`.
const INGRESS: u32 = 0;
/// `NF_ARP_IN` and `NF_ARP_OUT`.
const ARP_IN: u32 = 0;
const ARP_OUT: u32 = 1;

/// After destination NAT: packets that another rule has redirected are not ours any more.
const AFTER_DNAT: i32 = -90;
/// After what is usual for a filter: packets that another rule has dropped are not ours.
const AFTER_FILTERS: i32 = 10;

/// Types of keys and values, by which `nft` formats them.
const TYPE_IPV4_ADDR: u32 = 7;
const TYPE_IPV6_ADDR: u32 = 8;
const TYPE_ETHER_ADDR: u32 = 9;
