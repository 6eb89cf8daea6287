//! The expressions of our rules, as `nft --debug=netlink` shows them.
//!
//! The kernel evaluates the expressions of a rule in order, until one of them ends the rule. Almost
//! all of them use the same register of 16 octets, or parts of 4 octets from its beginning on.

use super::batch::Attributes;
use super::{ADDRESSES, OPENED};

/// One step of a rule.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expression {
    /// Loads part of the packet into the register; ends the rule if there is no such part.
    Load(Field),
    /// Loads something that is known of the packet into the register.
    LoadMeta(Meta),
    /// Loads the index of the link that the packet came from into the second register.
    LoadLink,
    /// Loads part of the packet into the parts of the registers from that one on.
    LoadAt(u32, Field),
    /// Puts a value into the register.
    Put(&'static [u8]),
    /// Masks the register, then inverts some of its bits.
    Alter { keep: &'static [u8], set: &'static [u8] },
    /// Ends the rule unless the comparison of the register with a value is true.
    Require(Comparison, &'static [u8]),
    /// Ends the rule unless the register is one of the addresses of the table.
    RequireListed,
    /// Replaces the register by the value that the map has for it; ends the rule if it has none.
    Translate,
    /// Adds the connection in the registers to the set; ends the rule if the set is full.
    NoteOpened,
    /// Ends the rule unless the connection in the registers is in the set.
    RequireOpened,
    /// Writes the register to part of the packet.
    Store(Field, Checksum),
    /// Sends the packet as it is on the link in the second register.
    Forward,
    /// Sends a copy of the packet to the host in the register.
    Duplicate,
    /// The same, on the link in the second register.
    DuplicateOnLink,
    /// Accepts the packet: no other rule of the chain is evaluated.
    Accept,
    /// Drops the packet.
    Drop,
}

/// Part of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field {
    header: PayloadBase,
    offset: u32,
    length: u32,
}

/// `NFT_PAYLOAD_…_HEADER`.
#[derive(Clone, Copy, Debug)]
enum PayloadBase {
    Link = 0,
    Network = 1,
    Transport = 2,
}

/// `NFT_META_…`: what is known of a packet.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meta {
    /// The type of the frame (`ETH_P_…`).
    EtherType = 1,
    /// The index of the link that it came from.
    IncomingLink = 4,
    /// The kind of that link (`ARPHRD_…`).
    IncomingLinkType = 8,
    /// The protocol above IP.
    Protocol = 16,
    /// Whom it was sent to (`PACKET_…`).
    PacketType = 19,
}

/// `NFT_CMP_…`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Comparison {
    Equal = 0,
    Different = 1,
}

/// The checksum that a change of the packet has to update.
#[derive(Clone, Copy, Debug)]
pub(super) enum Checksum {
    None,
    /// In the header of IP.
    Ip,
    /// Of the protocol above IP, which covers the addresses.
    AboveIp,
}

/// Matches what is sent to an address of the table.
pub(super) const LISTED: &[Expression] =
    &[Expression::Load(DESTINATION), Expression::RequireListed];
pub(super) const LISTED_IPV6: &[Expression] =
    &[Expression::Load(DESTINATION_IPV6), Expression::RequireListed];

/// Matches a segment that opens a connection.
pub(super) const OPENING: &[Expression] = &segment(Comparison::Different);

/// Matches any other segment.
pub(super) const OPEN: &[Expression] = &segment(Comparison::Equal);

/// Matches what was not relayed to this host.
pub(super) const NOT_RELAYED: &[Expression] =
    &[Expression::Load(TTL), Expression::Require(Comparison::Different, &[LAST_HOP])];
pub(super) const NOT_RELAYED_IPV6: &[Expression] =
    &[Expression::Load(HOP_LIMIT), Expression::Require(Comparison::Different, &[LAST_HOP])];

/// Loads the connection of a segment into the registers.
pub(super) const CONNECTION: &[Expression] = &[
    Expression::LoadAt(0, SOURCE),
    Expression::LoadAt(1, DESTINATION),
    Expression::LoadAt(2, SOURCE_PORT),
    Expression::LoadAt(3, DESTINATION_PORT),
];
pub(super) const CONNECTION_IPV6: &[Expression] = &[
    Expression::LoadAt(0, SOURCE_IPV6),
    Expression::LoadAt(4, DESTINATION_IPV6),
    Expression::LoadAt(8, SOURCE_PORT),
    Expression::LoadAt(9, DESTINATION_PORT),
];

/// Adds the connection to the set.
pub(super) const NOTED: &[Expression] = &[Expression::NoteOpened];

/// Accepts a segment of a connection that was opened here.
pub(super) const OPENED_HERE: &[Expression] = &[Expression::RequireOpened, Expression::Accept];

/// Relays a segment to the host that had the address. That is the last hop: a host that does not
/// have the address any more must not send the segment back.
pub(super) const RELAYED: &[Expression] = &[
    Expression::Load(TTL_AND_PROTOCOL),
    Expression::Alter { keep: &[0, 0xff], set: &[LAST_HOP + 1, 0] },
    Expression::Store(TTL_AND_PROTOCOL, Checksum::Ip),
    Expression::Load(DESTINATION),
    Expression::Translate,
    Expression::Duplicate,
    Expression::Drop,
];

/// The same over IPv6, where the host is known by an address that has a meaning on the link alone.
pub(super) const RELAYED_IPV6: &[Expression] = &[
    Expression::Put(&[LAST_HOP + 1]),
    Expression::Store(HOP_LIMIT, Checksum::None),
    Expression::Load(DESTINATION_IPV6),
    Expression::Translate,
    Expression::LoadLink,
    Expression::DuplicateOnLink,
    Expression::Drop,
];

/// Matches a frame of a family that was sent to this host.
///
/// One that was sent to another host arrives here, too, while the link is watched.
pub(super) const SENT_HERE: &[Expression] = &sent_here(&[0x08, 0x00]);
pub(super) const SENT_HERE_IPV6: &[Expression] = &sent_here(&[0x86, 0xdd]);

/// Makes a segment one that is not forwarded.
pub(super) const AT_LAST_HOP: &[Expression] = &[
    Expression::Load(TTL_AND_PROTOCOL),
    Expression::Alter { keep: &[0, 0xff], set: &[LAST_HOP, 0] },
    Expression::Store(TTL_AND_PROTOCOL, Checksum::Ip),
];
pub(super) const AT_LAST_HOP_IPV6: &[Expression] =
    &[Expression::Put(&[LAST_HOP]), Expression::Store(HOP_LIMIT, Checksum::None)];

/// Sends a segment on to the host that had the address, and is known by its hardware address.
pub(super) const FORWARDED: &[Expression] = &forwarded(DESTINATION);
pub(super) const FORWARDED_IPV6: &[Expression] = &forwarded(DESTINATION_IPV6);

/// Drops ARP requests for a moving address.
pub(super) const UNANSWERED: &[Expression] =
    &[Expression::Load(ARP_TARGET), Expression::RequireListed, Expression::Drop];

/// Matches neighbor solicitations.
pub(super) const SOLICITATION: &[Expression] = &discovery(&[NEIGHBOR_SOLICITATION]);

/// Matches neighbor advertisements.
pub(super) const ADVERTISEMENT: &[Expression] = &discovery(&[NEIGHBOR_ADVERTISEMENT]);

pub(super) const ACCEPTED: &[Expression] = &[Expression::Accept];
pub(super) const DROPPED: &[Expression] = &[Expression::Drop];

/// Drops neighbor solicitations for a moving address.
pub(super) const UNANSWERED_IPV6: &[Expression] =
    &[Expression::Load(SOLICITED), Expression::RequireListed, Expression::Drop];

/// Replaces a moving address as the sender of ARP requests.
pub(super) const RENAMED: &[Expression] = &[
    Expression::Load(ARP_SENDER),
    Expression::Translate,
    Expression::Store(ARP_SENDER, Checksum::None),
];

/// Replaces a moving address as the sender of neighbor solicitations.
pub(super) const RENAMED_IPV6: &[Expression] = &[
    Expression::Load(SOURCE_IPV6),
    Expression::Translate,
    Expression::Store(SOURCE_IPV6, Checksum::AboveIp),
];

/// Matches what tells routers and switches of a group that this host listens to (MLD): nothing else
/// of ICMP has options for each hop.
pub(super) const GROUP_REPORT: &[Expression] = &[
    Expression::Load(NEXT_HEADER),
    Expression::Require(Comparison::Equal, &[OPTIONS_FOR_EACH_HOP]),
    Expression::LoadMeta(Meta::Protocol),
    Expression::Require(Comparison::Equal, &[ICMPV6]),
];

/// Matches what is sent from no address, as a link without one does.
pub(super) const FROM_NO_ADDRESS: &[Expression] =
    &[Expression::Load(SOURCE_IPV6), Expression::Require(Comparison::Equal, &[0; 16])];

/// Matches what is sent from an address of the table.
pub(super) const FROM_LISTED: &[Expression] =
    &[Expression::Load(SOURCE_IPV6), Expression::RequireListed];

/// Replaces both hardware addresses of a frame, by the destination of its packet, and sends it to
/// the link that it came from.
const fn forwarded(destination: Field) -> [Expression; 7] {
    [
        Expression::Load(LINK_DESTINATION),
        Expression::Store(LINK_SOURCE, Checksum::None),
        Expression::Load(destination),
        Expression::Translate,
        Expression::Store(LINK_DESTINATION, Checksum::None),
        Expression::LoadLink,
        Expression::Forward,
    ]
}

/// Compares the type of a frame with that one, and whom it was sent to with this host.
const fn sent_here(ether_type: &'static [u8]) -> [Expression; 6] {
    [
        Expression::LoadMeta(Meta::IncomingLinkType),
        Expression::Require(Comparison::Equal, &ETHERNET),
        Expression::LoadMeta(Meta::PacketType),
        Expression::Require(Comparison::Equal, &[TO_THIS_HOST]),
        Expression::LoadMeta(Meta::EtherType),
        Expression::Require(Comparison::Equal, ether_type),
    ]
}

/// Compares the flag SYN of a TCP segment with zero.
const fn segment(syn: Comparison) -> [Expression; 5] {
    [
        Expression::LoadMeta(Meta::Protocol),
        Expression::Require(Comparison::Equal, &[TCP]),
        Expression::Load(TCP_FLAGS),
        Expression::Alter { keep: &[SYN], set: &[0] },
        Expression::Require(syn, &[0]),
    ]
}

/// Compares the type of a message of ICMP for IPv6 with that one.
const fn discovery(kind: &'static [u8]) -> [Expression; 4] {
    [
        Expression::LoadMeta(Meta::Protocol),
        Expression::Require(Comparison::Equal, &[ICMPV6]),
        Expression::Load(ICMP_TYPE),
        Expression::Require(Comparison::Equal, kind),
    ]
}

impl Expression {
    /// Writes the expression as an element of a rule.
    pub(super) fn emit(self, rule: &mut Attributes<'_>) {
        rule.nest(LIST_ELEMENT, |element| {
            element.text(EXPRESSION_NAME, self.name());
            element.nest(EXPRESSION_DATA, |data| self.emit_data(data));
        });
    }

    fn name(self) -> &'static str {
        match self {
            Self::Load(_) | Self::LoadAt(..) | Self::Store(..) => "payload",
            Self::LoadMeta(_) | Self::LoadLink => "meta",
            Self::Alter { .. } => "bitwise",
            Self::Require(..) => "cmp",
            Self::RequireListed | Self::Translate | Self::RequireOpened => "lookup",
            Self::NoteOpened => "dynset",
            Self::Forward => "fwd",
            Self::Duplicate | Self::DuplicateOnLink => "dup",
            Self::Put(_) | Self::Accept | Self::Drop => "immediate",
        }
    }

    /// Writes the attributes, in the order of their numbers.
    fn emit_data(self, data: &mut Attributes<'_>) {
        match self {
            Self::Load(field) => {
                data.number(1, REGISTER);
                field.emit(data);
            }
            Self::LoadAt(place, field) => {
                data.number(1, FIRST_OF_REGISTERS + place);
                field.emit(data);
            }
            Self::Store(field, checksum) => {
                field.emit(data);
                data.number(5, REGISTER);
                match checksum {
                    Checksum::None => {}
                    Checksum::Ip => {
                        data.number(6, CHECKSUM_OF_IP);
                        data.number(7, 10);
                    }
                    Checksum::AboveIp => data.number(8, CHECKSUM_WITH_PSEUDO_HEADER),
                }
            }
            Self::LoadMeta(meta) => emit_meta(data, REGISTER, meta),
            Self::LoadLink => emit_meta(data, SECOND_REGISTER, Meta::IncomingLink),
            Self::Put(value) => {
                data.number(1, REGISTER);
                data.data(2, value);
            }
            Self::Alter { keep, set } => {
                data.number(1, REGISTER);
                data.number(2, REGISTER);
                data.number(3, u32::try_from(keep.len()).unwrap_or(0));
                data.data(4, keep);
                data.data(5, set);
            }
            Self::Require(comparison, value) => {
                data.number(1, REGISTER);
                data.number(2, comparison as u32);
                data.data(3, value);
            }
            Self::RequireListed => {
                data.text(1, ADDRESSES);
                data.number(2, REGISTER);
            }
            Self::RequireOpened => {
                data.text(1, OPENED);
                data.number(2, REGISTER);
            }
            Self::Translate => {
                data.text(1, ADDRESSES);
                data.number(2, REGISTER);
                data.number(3, REGISTER);
            }
            Self::NoteOpened => {
                data.text(1, OPENED);
                data.number(3, UPDATE);
                data.number(4, REGISTER);
            }
            Self::Forward => data.number(1, SECOND_REGISTER),
            Self::Duplicate => data.number(1, REGISTER),
            Self::DuplicateOnLink => {
                data.number(1, REGISTER);
                data.number(2, SECOND_REGISTER);
            }
            Self::Accept => emit_verdict(data, ACCEPT),
            Self::Drop => emit_verdict(data, DROP),
        }
    }
}

impl Field {
    fn emit(self, data: &mut Attributes<'_>) {
        data.number(2, self.header as u32);
        data.number(3, self.offset);
        data.number(4, self.length);
    }
}

fn emit_meta(data: &mut Attributes<'_>, register: u32, meta: Meta) {
    data.number(1, register);
    data.number(2, meta as u32);
}

fn emit_verdict(data: &mut Attributes<'_>, verdict: u32) {
    data.number(1, REGISTER_OF_VERDICT);
    data.nest(2, |value| value.nest(DATA_VERDICT, |code| code.number(1, verdict)));
}

const LINK_DESTINATION: Field = Field { header: PayloadBase::Link, offset: 0, length: 6 };
const LINK_SOURCE: Field = Field { header: PayloadBase::Link, offset: 6, length: 6 };
const SOURCE: Field = Field { header: PayloadBase::Network, offset: 12, length: 4 };
const DESTINATION: Field = Field { header: PayloadBase::Network, offset: 16, length: 4 };
/// TTL and protocol together, since the checksum counts pairs of octets.
const TTL_AND_PROTOCOL: Field = Field { header: PayloadBase::Network, offset: 8, length: 2 };
const TTL: Field = Field { header: PayloadBase::Network, offset: 8, length: 1 };
const SOURCE_IPV6: Field = Field { header: PayloadBase::Network, offset: 8, length: 16 };
const DESTINATION_IPV6: Field = Field { header: PayloadBase::Network, offset: 24, length: 16 };
const NEXT_HEADER: Field = Field { header: PayloadBase::Network, offset: 6, length: 1 };
const HOP_LIMIT: Field = Field { header: PayloadBase::Network, offset: 7, length: 1 };
const ICMP_TYPE: Field = Field { header: PayloadBase::Transport, offset: 0, length: 1 };
/// The target of a neighbor solicitation.
const SOLICITED: Field = Field { header: PayloadBase::Transport, offset: 8, length: 16 };
const SOURCE_PORT: Field = Field { header: PayloadBase::Transport, offset: 0, length: 2 };
const DESTINATION_PORT: Field = Field { header: PayloadBase::Transport, offset: 2, length: 2 };
const TCP_FLAGS: Field = Field { header: PayloadBase::Transport, offset: 13, length: 1 };
const ARP_SENDER: Field = Field { header: PayloadBase::Network, offset: 14, length: 4 };
const ARP_TARGET: Field = Field { header: PayloadBase::Network, offset: 24, length: 4 };

const TCP: u8 = 6;
const ICMPV6: u8 = 58;
const OPTIONS_FOR_EACH_HOP: u8 = 0;
const NEIGHBOR_SOLICITATION: u8 = 135;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const SYN: u8 = 0x02;
/// `ARPHRD_ETHER`, in the order of the machine.
const ETHERNET: [u8; 2] = 1_u16.to_ne_bytes();
/// `PACKET_HOST`.
const TO_THIS_HOST: u8 = 0;
/// The TTL of a relayed segment when it arrives: it is not forwarded.
const LAST_HOP: u8 = 1;

/// `NFTA_LIST_ELEM`, `NFTA_EXPR_NAME`, `NFTA_EXPR_DATA` and `NFTA_DATA_VERDICT`.
const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const DATA_VERDICT: u16 = 2;
/// `NFT_REG_VERDICT`, `NFT_REG_1`, `NFT_REG_2`, and the first part of all registers,
/// `NFT_REG32_00`.
const REGISTER_OF_VERDICT: u32 = 0;
const REGISTER: u32 = 1;
const SECOND_REGISTER: u32 = 2;
const FIRST_OF_REGISTERS: u32 = 8;
/// `NFT_DYNSET_OP_UPDATE`.
const UPDATE: u32 = 1;
/// `NFT_PAYLOAD_CSUM_INET`.
const CHECKSUM_OF_IP: u32 = 1;
/// `NFT_PAYLOAD_L4CSUM_PSEUDOHDR`.
const CHECKSUM_WITH_PSEUDO_HEADER: u32 = 1;
/// `NF_DROP` and `NF_ACCEPT`.
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
