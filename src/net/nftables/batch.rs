//! The messages of a change of `nf_tables`: a transaction of the kernel.

use std::io;

use rtnetlink::packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkBuffer};

/// The type of a message, in `enum nf_tables_msg_types`.
#[derive(Clone, Copy, Debug)]
pub(super) enum TableMessage {
    NewTable = 0,
    DelTable = 2,
    NewChain = 3,
    NewRule = 6,
    NewSet = 9,
    NewSetElem = 12,
    DelSetElem = 14,
}

/// The family of a table: `NFPROTO_…`.
#[derive(Clone, Copy, Debug)]
pub(super) enum TableFamily {
    Ip = 2,
    Arp = 3,
    Netdev = 5,
    Ip6 = 10,
}

/// Messages that the kernel carries out as a whole or not at all.
#[derive(Debug)]
pub(super) struct Batch {
    datagram: Vec<u8>,
    sequence: u32,
}

impl Batch {
    pub(super) fn new() -> Self {
        let mut batch = Self { datagram: Vec::new(), sequence: 0 };
        batch.frame(BATCH_BEGIN, 0, UNSPECIFIED, NFTABLES, |_| {});
        batch
    }

    /// Adds a message, with the attributes that `build` gives it.
    pub(super) fn push(
        &mut self,
        message: TableMessage,
        flags: u16,
        family: TableFamily,
        build: impl FnOnce(&mut Attributes<'_>),
    ) {
        let kind = NFTABLES << 8 | message as u16;
        self.frame(kind, flags | NLM_F_ACK, family as u8, 0, build);
    }

    /// Returns the datagram for the kernel.
    pub(super) fn end(mut self) -> Vec<u8> {
        self.frame(BATCH_END, 0, UNSPECIFIED, NFTABLES, |_| {});
        self.datagram
    }

    /// Writes `nlmsghdr`, `nfgenmsg` and attributes.
    fn frame(
        &mut self,
        kind: u16,
        flags: u16,
        family: u8,
        resource: u16,
        build: impl FnOnce(&mut Attributes<'_>),
    ) {
        let start = self.datagram.len();
        self.datagram.extend([0; 4]);
        self.datagram.extend(kind.to_ne_bytes());
        self.datagram.extend((flags | NLM_F_REQUEST).to_ne_bytes());
        self.datagram.extend(self.sequence.to_ne_bytes());
        self.datagram.extend([0; 4]);
        self.datagram.extend([family, VERSION]);
        self.datagram.extend(resource.to_be_bytes());
        build(&mut Attributes(&mut self.datagram));
        let length = u32::try_from(self.datagram.len() - start).unwrap_or(u32::MAX);
        self.datagram[start..start + 4].copy_from_slice(&length.to_ne_bytes());
        self.sequence += 1;
    }
}

/// The attributes of a message, or of another attribute.
#[derive(Debug)]
pub(super) struct Attributes<'a>(&'a mut Vec<u8>);

impl Attributes<'_> {
    pub(super) fn octets(&mut self, kind: u16, value: &[u8]) {
        self.enclose(kind, |inner| inner.0.extend(value));
    }

    pub(super) fn text(&mut self, kind: u16, value: &str) {
        self.enclose(kind, |inner| {
            inner.0.extend(value.as_bytes());
            inner.0.push(0);
        });
    }

    /// Appends a number in network order; the headers are in the order of the machine.
    pub(super) fn number(&mut self, kind: u16, value: u32) {
        self.octets(kind, &value.to_be_bytes());
    }

    pub(super) fn nest(&mut self, kind: u16, build: impl FnOnce(&mut Attributes<'_>)) {
        self.enclose(kind | NESTED, build);
    }

    /// Writes a value as `nf_tables` wraps it (`NFTA_DATA_VALUE`).
    pub(super) fn data(&mut self, kind: u16, value: &[u8]) {
        self.nest(kind, |data| data.octets(DATA_VALUE, value));
    }

    fn enclose(&mut self, kind: u16, build: impl FnOnce(&mut Attributes<'_>)) {
        let start = self.0.len();
        self.0.extend([0; 2]);
        self.0.extend(kind.to_ne_bytes());
        build(&mut Attributes(self.0));
        // What is longer than this the kernel refuses as cut off.
        let length = u16::try_from(self.0.len() - start).unwrap_or(u16::MAX);
        self.0[start..start + 2].copy_from_slice(&length.to_ne_bytes());
        self.0.resize(self.0.len().next_multiple_of(ALIGNMENT), 0);
    }
}

/// Returns the outcome of the messages that a datagram of the kernel answers.
pub(super) fn outcome(mut datagram: &[u8]) -> io::Result<()> {
    let mut outcome = Ok(());
    while let Ok(message) = NetlinkBuffer::new_checked(datagram) {
        if i32::from(message.message_type()) == libc::NLMSG_ERROR {
            let code = message.payload().first_chunk().map_or(0, |code| i32::from_ne_bytes(*code));
            if code != 0 && outcome.is_ok() {
                outcome = Err(io::Error::from_raw_os_error(code.saturating_neg()));
            }
        }
        let length = (message.length() as usize).next_multiple_of(ALIGNMENT);
        datagram = datagram.get(length..).unwrap_or_default();
    }
    outcome
}

/// `NFNL_SUBSYS_NFTABLES`.
const NFTABLES: u16 = 10;
/// `NFNL_MSG_BATCH_BEGIN` and `NFNL_MSG_BATCH_END`.
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;
/// `NFPROTO_UNSPEC`.
const UNSPECIFIED: u8 = 0;
/// `NFNETLINK_V0`.
const VERSION: u8 = 0;
/// `NLA_F_NESTED`.
const NESTED: u16 = 1 << 15;
/// `NFTA_DATA_VALUE`.
const DATA_VALUE: u16 = 1;
/// Messages and attributes start at multiples of this.
const ALIGNMENT: usize = 4;
