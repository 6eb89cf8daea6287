//! What our rules are made of: the expressions that `nft --debug=netlink` shows.
//!
//! A rule runs one after the other until one of them does not hold. All of them work on the same
//! register, or on its four parts.

use super::batch::Attributes;
use super::{ADDRESSES, OPENED};

/// One step of a rule.
#[derive(Clone, Copy, Debug)]
pub(super) enum Expression {
    /// Takes part of the packet into the register; ends the rule if there is no such part.
    Load(Field),
    /// Takes the protocol above IP into the register.
    LoadProtocol,
    /// Takes part of the packet into one of the registers that are read together.
    LoadAt(u32, Field),
    /// Keeps some bits of the register, and sets others.
    Alter { keep: &'static [u8], set: &'static [u8] },
    /// Ends the rule unless the register compares so.
    Require(Comparison, &'static [u8]),
    /// Ends the rule unless the register is an address on the move.
    RequireMoving,
    /// Replaces an address on the move by what stands beside it; ends the rule if there is nothing.
    Translate,
    /// Notes who opens a connection; ends the rule if there is no room.
    NoteOpened,
    /// Ends the rule unless the registers are of somebody who has opened a connection.
    RequireOpened,
    /// Puts the register in the place of part of the packet.
    Store(Field, Checksum),
    /// Sends a copy of the packet by way of the host in the register.
    Duplicate,
    /// Ends all rules of the chain: the packet goes its way.
    Accept,
    /// Ends everything.
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
    Network = 1,
    Transport = 2,
}

/// `NFT_CMP_…`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Comparison {
    Equal = 0,
    Different = 1,
}

/// Where a change shows beside its own place.
#[derive(Clone, Copy, Debug)]
pub(super) enum Checksum {
    None,
    /// In the header of IP.
    Ip,
}

/// Segments that open a connection to or from an address on the move: they are noted.
pub(super) const OPENING: &[Expression] = &[
    Expression::Load(DESTINATION),
    Expression::RequireMoving,
    Expression::LoadProtocol,
    Expression::Require(Comparison::Equal, &[TCP]),
    Expression::Load(TCP_FLAGS),
    Expression::Alter { keep: &[SYN], set: &[0] },
    Expression::Require(Comparison::Different, &[0]),
    Expression::LoadAt(0, SOURCE),
    Expression::LoadAt(1, DESTINATION),
    Expression::LoadAt(2, SOURCE_PORT),
    Expression::LoadAt(3, DESTINATION_PORT),
    Expression::NoteOpened,
];

/// Other segments to such an address, but those that were relayed here.
pub(super) const OPEN: &[Expression] = &[
    Expression::Load(DESTINATION),
    Expression::RequireMoving,
    Expression::LoadProtocol,
    Expression::Require(Comparison::Equal, &[TCP]),
    Expression::Load(TCP_FLAGS),
    Expression::Alter { keep: &[SYN], set: &[0] },
    Expression::Require(Comparison::Equal, &[0]),
    Expression::Load(TTL),
    Expression::Require(Comparison::Different, &[LAST_HOP]),
];

/// … of a connection that was opened here.
pub(super) const OPENED_HERE: &[Expression] = &[
    Expression::LoadAt(0, SOURCE),
    Expression::LoadAt(1, DESTINATION),
    Expression::LoadAt(2, SOURCE_PORT),
    Expression::LoadAt(3, DESTINATION_PORT),
    Expression::RequireOpened,
    Expression::Accept,
];

/// Packets for the host that had the address. That is their last hop: if it has the address no
/// more, it must not send them back.
pub(super) const RELAYED: &[Expression] = &[
    Expression::Load(TTL_AND_PROTOCOL),
    Expression::Alter { keep: &[0, 0xff], set: &[LAST_HOP + 1, 0] },
    Expression::Store(TTL_AND_PROTOCOL, Checksum::Ip),
    Expression::Load(DESTINATION),
    Expression::Translate,
    Expression::Duplicate,
    Expression::Drop,
];

/// ARP that asks for an address on the move.
pub(super) const UNANSWERED: &[Expression] =
    &[Expression::Load(ARP_TARGET), Expression::RequireMoving, Expression::Drop];

/// ARP that asks in the name of an address on the move.
pub(super) const RENAMED: &[Expression] = &[
    Expression::Load(ARP_SENDER),
    Expression::Translate,
    Expression::Store(ARP_SENDER, Checksum::None),
];

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
            Self::LoadProtocol => "meta",
            Self::Alter { .. } => "bitwise",
            Self::Require(..) => "cmp",
            Self::RequireMoving | Self::Translate | Self::RequireOpened => "lookup",
            Self::NoteOpened => "dynset",
            Self::Duplicate => "dup",
            Self::Accept | Self::Drop => "immediate",
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
                if let Checksum::Ip = checksum {
                    data.number(6, CHECKSUM_OF_IP);
                    data.number(7, 10);
                }
            }
            Self::LoadProtocol => {
                data.number(1, REGISTER);
                data.number(2, PROTOCOL);
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
            Self::RequireMoving => {
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
            Self::Duplicate => data.number(1, REGISTER),
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

fn emit_verdict(data: &mut Attributes<'_>, verdict: u32) {
    data.number(1, REGISTER_OF_VERDICT);
    data.nest(2, |value| value.nest(DATA_VERDICT, |code| code.number(1, verdict)));
}

const SOURCE: Field = Field { header: PayloadBase::Network, offset: 12, length: 4 };
const DESTINATION: Field = Field { header: PayloadBase::Network, offset: 16, length: 4 };
/// Both together, as the checksum counts pairs of octets.
const TTL_AND_PROTOCOL: Field = Field { header: PayloadBase::Network, offset: 8, length: 2 };
const TTL: Field = Field { header: PayloadBase::Network, offset: 8, length: 1 };
const SOURCE_PORT: Field = Field { header: PayloadBase::Transport, offset: 0, length: 2 };
const DESTINATION_PORT: Field = Field { header: PayloadBase::Transport, offset: 2, length: 2 };
const TCP_FLAGS: Field = Field { header: PayloadBase::Transport, offset: 13, length: 1 };
const ARP_SENDER: Field = Field { header: PayloadBase::Network, offset: 14, length: 4 };
const ARP_TARGET: Field = Field { header: PayloadBase::Network, offset: 24, length: 4 };

const TCP: u8 = 6;
const SYN: u8 = 0x02;
/// Enough to arrive, too little to be passed on. A copy is sent with one less than it has.
const LAST_HOP: u8 = 1;

/// `NFTA_LIST_ELEM`, `NFTA_EXPR_NAME`, `NFTA_EXPR_DATA` and `NFTA_DATA_VERDICT`.
const LIST_ELEMENT: u16 = 1;
const EXPRESSION_NAME: u16 = 1;
const EXPRESSION_DATA: u16 = 2;
const DATA_VERDICT: u16 = 2;
/// `NFT_REG_VERDICT`, `NFT_REG_1` and the first of its four parts, `NFT_REG32_00`.
const REGISTER_OF_VERDICT: u32 = 0;
const REGISTER: u32 = 1;
const FIRST_OF_REGISTERS: u32 = 8;
/// `NFT_DYNSET_OP_UPDATE`.
const UPDATE: u32 = 1;
/// `NFT_META_L4PROTO`.
const PROTOCOL: u32 = 16;
/// `NFT_PAYLOAD_CSUM_INET`.
const CHECKSUM_OF_IP: u32 = 1;
/// `NF_DROP` and `NF_ACCEPT`.
const DROP: u32 = 0;
const ACCEPT: u32 = 1;
