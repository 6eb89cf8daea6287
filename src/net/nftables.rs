//! Rules of `nf_tables` that let open connections outlive a planned move of their address.
//!
//! The rules exist for as long as the socket that made them is open. `nft list ruleset` shows them:
//!
//! ```text
//! table ip vrrp-4711 {
//!     flags owner
//!     map addresses {
//!         type ipv4_addr : ipv4_addr
//!         timeout 1s
//!         elements = { 192.0.2.100 : 192.0.2.1 }
//!     }
//!     set opened {
//!         type ipv4_addr . ipv4_addr . inet_service . inet_service
//!         size 65536
//!         flags dynamic,timeout
//!         timeout 2s
//!     }
//!     chain relay {
//!         type filter hook prerouting priority dstnat + 10; policy accept;
//!         ip daddr @addresses tcp flags syn
//!             update @opened { ip saddr . ip daddr . tcp sport . tcp dport }
//!         ip daddr @addresses tcp flags ! syn ip ttl != 1
//!             ip saddr . ip daddr . tcp sport . tcp dport @opened accept
//!         ip daddr @addresses tcp flags ! syn ip ttl != 1
//!             ip ttl set 2 dup to ip daddr map @addresses drop
//!     }
//! }
//! table arp vrrp-4711 {
//!     flags owner
//!     map addresses {
//!         type ipv4_addr : ipv4_addr
//!         elements = { 192.0.2.200 : 192.0.2.2 }
//!     }
//!     chain input {
//!         type filter hook input priority filter; policy accept;
//!         arp daddr ip @addresses drop
//!     }
//!     chain output {
//!         type filter hook output priority filter; policy accept;
//!         arp saddr ip set arp saddr ip map @addresses
//!     }
//! }
//! ```

mod batch;
mod expression;

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::os::fd::OwnedFd;

use rtnetlink::packet_core::{NLM_F_APPEND, NLM_F_CREATE};
use rustix::buffer::spare_capacity;
use rustix::net::netlink::{NETFILTER, SocketAddrNetlink};
use rustix::net::{
    AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, bind, getsockname, recv, send,
    socket_with,
};

use self::batch::{Batch, TableFamily, TableMessage};
use self::expression::{Expression, OPEN, OPENED_HERE, OPENING, RELAYED, RENAMED, UNANSWERED};
use crate::net::NetError;

/// What happens to addresses that move from one host to another.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    /// Addresses that this host has just taken, each with the host that had it before. A TCP
    /// segment that belongs to no connection of this host is sent there; a reset would end the
    /// connection.
    pub relayed: BTreeMap<Ipv4Addr, Ipv4Addr>,
    /// Addresses that another host has taken, each with the primary address of this host. This
    /// host does not answer ARP requests for the former, and sends its own requests from the
    /// latter.
    pub silent: BTreeMap<Ipv4Addr, Ipv4Addr>,
}

/// The tables with our rules. The kernel removes them when this is dropped.
#[derive(Debug)]
pub struct Firewall {
    socket: OwnedFd,
    /// The name of our tables, unique in this network namespace.
    table: String,
    rules: Rules,
}

impl Firewall {
    /// Opens the socket, and has the kernel add and remove every kind of rule once: it loads its
    /// modules now, and refuses now what it does not support.
    ///
    /// # Errors
    ///
    /// When the kernel has no `nf_tables`, or an older one (before Linux 5.12).
    pub fn open() -> Result<Self, NetError> {
        let error = |error| NetError::new("use", "nf_tables", error);
        let (socket, port) = open().map_err(error)?;
        let firewall = Self { socket, table: format!("vrrp-{port}"), rules: Rules::default() };
        let sample = BTreeMap::from([(Ipv4Addr::UNSPECIFIED, Ipv4Addr::UNSPECIFIED)]);
        let all = Rules { relayed: sample.clone(), silent: sample };
        let mut batch = Batch::new();
        firewall.change(&mut batch, &Rules::default(), &all);
        firewall.change(&mut batch, &all, &Rules::default());
        firewall.commit(batch).map_err(error)?;
        Ok(firewall)
    }

    /// Replaces all rules in one transaction. The set of opened connections is kept while any
    /// address is relayed.
    ///
    /// # Errors
    ///
    /// When the kernel refuses them. The earlier rules stay in force.
    pub fn set(&mut self, rules: &Rules) -> Result<(), NetError> {
        if self.rules == *rules {
            return Ok(());
        }
        let mut batch = Batch::new();
        self.change(&mut batch, &self.rules, rules);
        self.commit(batch).map_err(|error| NetError::new("change", "rules of nf_tables", error))?;
        self.rules = rules.clone();
        Ok(())
    }

    fn change(&self, batch: &mut Batch, from: &Rules, to: &Rules) {
        self.change_table(batch, TableFamily::Ip, &from.relayed, &to.relayed);
        self.change_table(batch, TableFamily::Arp, &from.silent, &to.silent);
    }

    /// Makes a table when it has its first address, and removes it with the last one.
    fn change_table(
        &self,
        batch: &mut Batch,
        family: TableFamily,
        from: &MovedAddresses,
        to: &MovedAddresses,
    ) {
        if to.is_empty() && from.is_empty() {
            return;
        }
        if to.is_empty() {
            return batch.push(TableMessage::DelTable, 0, family, |table| {
                table.text(attribute::TABLE_NAME, &self.table);
            });
        }
        if from.is_empty() {
            self.add_table(batch, family);
        }
        let gone = from.iter().filter(|(key, value)| to.get(key) != Some(value));
        self.list_addresses(batch, family, TableMessage::DelSetElem, gone);
        let new = to.iter().filter(|(key, value)| from.get(key) != Some(value));
        self.list_addresses(batch, family, TableMessage::NewSetElem, new);
    }

    fn add_table(&self, batch: &mut Batch, family: TableFamily) {
        batch.push(TableMessage::NewTable, NLM_F_CREATE, family, |table| {
            table.text(attribute::TABLE_NAME, &self.table);
            table.number(attribute::TABLE_FLAGS, TABLE_IS_OWNED);
        });
        batch.push(TableMessage::NewSet, NLM_F_CREATE, family, |map| {
            map.text(attribute::SET_TABLE, &self.table);
            map.text(attribute::SET_NAME, ADDRESSES);
            let forgets = matches!(family, TableFamily::Ip);
            map.number(attribute::SET_FLAGS, SET_IS_MAP | if forgets { SET_FORGETS } else { 0 });
            map.number(attribute::SET_KEY_TYPE, TYPE_IPV4_ADDR);
            map.number(attribute::SET_KEY_LEN, 4);
            map.number(attribute::SET_DATA_TYPE, TYPE_IPV4_ADDR);
            map.number(attribute::SET_DATA_LEN, 4);
            map.number(attribute::SET_ID, 1);
            if forgets {
                map.octets(attribute::SET_TIMEOUT, &MOVED_AFTER_MS.to_be_bytes());
            }
        });
        match family {
            TableFamily::Ip => {
                self.add_opened(batch);
                let relay = Chain { name: "relay", hook: PRE_ROUTING, priority: AFTER_DNAT };
                let rules: [Rule; 3] = [&[OPENING], &[OPEN, OPENED_HERE], &[OPEN, RELAYED]];
                self.add_chain(batch, family, &relay, &rules);
            }
            TableFamily::Arp => {
                let input = Chain { name: "input", hook: ARP_IN, priority: 0 };
                self.add_chain(batch, family, &input, &[&[UNANSWERED]]);
                let output = Chain { name: "output", hook: ARP_OUT, priority: 0 };
                self.add_chain(batch, family, &output, &[&[RENAMED]]);
            }
        }
    }

    fn add_opened(&self, batch: &mut Batch) {
        batch.push(TableMessage::NewSet, NLM_F_CREATE, TableFamily::Ip, |set| {
            set.text(attribute::SET_TABLE, &self.table);
            set.text(attribute::SET_NAME, OPENED);
            set.number(attribute::SET_FLAGS, SET_IS_FILLED_BY_RULES | SET_FORGETS);
            let parts = [TYPE_IPV4_ADDR, TYPE_IPV4_ADDR, TYPE_INET_SERVICE, TYPE_INET_SERVICE];
            let key_type = parts.iter().fold(0, |all, part| all << TYPE_BITS | part);
            set.number(attribute::SET_KEY_TYPE, key_type);
            set.number(attribute::SET_KEY_LEN, 16);
            set.nest(attribute::SET_DESCRIPTION, |description| {
                description.number(attribute::SET_DESCRIPTION_SIZE, MOST_OPENED);
            });
            set.number(attribute::SET_ID, 2);
            set.octets(attribute::SET_TIMEOUT, &FORGOTTEN_AFTER_MS.to_be_bytes());
        });
    }

    fn list_addresses<'a>(
        &self,
        batch: &mut Batch,
        family: TableFamily,
        message: TableMessage,
        addresses: impl Iterator<Item = (&'a Ipv4Addr, &'a Ipv4Addr)>,
    ) {
        let addresses: Vec<_> = addresses.collect();
        for chunk in addresses.chunks(LONGEST_LIST) {
            batch.push(message, NLM_F_CREATE, family, |elements| {
                elements.text(attribute::ELEMENTS_TABLE, &self.table);
                elements.text(attribute::ELEMENTS_SET, ADDRESSES);
                elements.nest(attribute::ELEMENTS, |list| {
                    for (key, value) in chunk {
                        list.nest(attribute::LIST_ELEMENT, |element| {
                            element.data(attribute::ELEMENT_KEY, &key.octets());
                            element.data(attribute::ELEMENT_DATA, &value.octets());
                        });
                    }
                });
            });
        }
    }

    fn add_chain(&self, batch: &mut Batch, family: TableFamily, chain: &Chain, rules: &[Rule]) {
        batch.push(TableMessage::NewChain, NLM_F_CREATE, family, |added| {
            added.text(attribute::CHAIN_TABLE, &self.table);
            added.text(attribute::CHAIN_NAME, chain.name);
            added.nest(attribute::CHAIN_HOOK, |hook| {
                hook.number(attribute::HOOK_NUMBER, chain.hook);
                hook.octets(attribute::HOOK_PRIORITY, &chain.priority.to_be_bytes());
            });
            added.text(attribute::CHAIN_TYPE, "filter");
        });
        for rule in rules {
            let flags = NLM_F_CREATE | NLM_F_APPEND;
            batch.push(TableMessage::NewRule, flags, family, |added| {
                added.text(attribute::RULE_TABLE, &self.table);
                added.text(attribute::RULE_CHAIN, chain.name);
                added.nest(attribute::RULE_EXPRESSIONS, |list| {
                    rule.iter().copied().flatten().for_each(|expression| expression.emit(list));
                });
            });
        }
    }

    /// Sends a batch, which the kernel carries out as a whole or not at all, before `send` returns.
    fn commit(&self, batch: Batch) -> io::Result<()> {
        send(&self.socket, &batch.end(), SendFlags::empty())?;
        let mut outcome = Ok(());
        let mut buffer = Vec::with_capacity(LARGEST_READ);
        loop {
            buffer.clear();
            match recv(&self.socket, spare_capacity(&mut buffer), RecvFlags::DONTWAIT) {
                Ok(_) => outcome = outcome.and(batch::outcome(&buffer)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return outcome,
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Moving addresses, each with the address that the map of the table gives for it.
type MovedAddresses = BTreeMap<Ipv4Addr, Ipv4Addr>;

/// A rule: lists of expressions, one after the other.
type Rule = &'static [&'static [Expression]];

/// A base chain: the kernel calls it at a hook.
struct Chain {
    name: &'static str,
    hook: u32,
    priority: i32,
}

fn open() -> io::Result<(OwnedFd, u32)> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let kind = SocketType::RAW;
    let socket = socket_with(AddressFamily::NETLINK, kind, flags, Some(NETFILTER))?;
    bind(&socket, &SocketAddrNetlink::new(0, 0))?;
    let port = SocketAddrNetlink::try_from(getsockname(&socket)?)?.pid();
    Ok((socket, port))
}

/// The map of each table.
const ADDRESSES: &str = "addresses";

/// The set of connections that were opened here since the address was taken.
const OPENED: &str = "opened";

/// Most connections in the set, some megabytes. Segments of one that finds no room are relayed, and
/// the other host resets it.
const MOST_OPENED: u32 = 65_536;

/// Lifetime of an element of the map, longer than any move. If the rules are not removed, they have
/// no effect after this time.
const MOVED_AFTER_MS: u64 = 1000;
/// Lifetime of a connection in the set, longer than that of an element of the map.
const FORGOTTEN_AFTER_MS: u64 = 2000;

/// `NF_INET_PRE_ROUTING`, `NF_ARP_IN` and `NF_ARP_OUT`.
const PRE_ROUTING: u32 = 0;
const ARP_IN: u32 = 0;
const ARP_OUT: u32 = 1;

/// After destination NAT: packets that another rule has redirected are not ours any more.
const AFTER_DNAT: i32 = -90;

/// `NFT_TABLE_F_OWNER`: only this socket can change the table, and the kernel removes it with the
/// socket.
const TABLE_IS_OWNED: u32 = 2;

/// `NFT_SET_MAP`, `NFT_SET_TIMEOUT` and `NFT_SET_EVAL`.
const SET_IS_MAP: u32 = 0x08;
const SET_FORGETS: u32 = 0x10;
const SET_IS_FILLED_BY_RULES: u32 = 0x20;

/// Types of keys and values, by which `nft` formats them.
const TYPE_IPV4_ADDR: u32 = 7;
const TYPE_INET_SERVICE: u32 = 13;
const TYPE_BITS: u32 = 6;

/// Most addresses in one message: the length of an attribute has 16 bits.
const LONGEST_LIST: usize = 1024;

/// An answer quotes the message that it answers, which fits.
const LARGEST_READ: usize = 1 << 16;

/// Numbers of attributes in `linux/netfilter/nf_tables.h`.
mod attribute {
    pub(super) const TABLE_NAME: u16 = 1;
    pub(super) const TABLE_FLAGS: u16 = 2;
    pub(super) const CHAIN_TABLE: u16 = 1;
    pub(super) const CHAIN_NAME: u16 = 3;
    pub(super) const CHAIN_HOOK: u16 = 4;
    pub(super) const CHAIN_TYPE: u16 = 7;
    pub(super) const HOOK_NUMBER: u16 = 1;
    pub(super) const HOOK_PRIORITY: u16 = 2;
    pub(super) const RULE_TABLE: u16 = 1;
    pub(super) const RULE_CHAIN: u16 = 2;
    pub(super) const RULE_EXPRESSIONS: u16 = 4;
    pub(super) const SET_TABLE: u16 = 1;
    pub(super) const SET_NAME: u16 = 2;
    pub(super) const SET_FLAGS: u16 = 3;
    pub(super) const SET_KEY_TYPE: u16 = 4;
    pub(super) const SET_KEY_LEN: u16 = 5;
    pub(super) const SET_DATA_TYPE: u16 = 6;
    pub(super) const SET_DATA_LEN: u16 = 7;
    pub(super) const SET_DESCRIPTION: u16 = 9;
    pub(super) const SET_DESCRIPTION_SIZE: u16 = 1;
    pub(super) const SET_ID: u16 = 10;
    pub(super) const SET_TIMEOUT: u16 = 11;
    pub(super) const ELEMENTS_TABLE: u16 = 1;
    pub(super) const ELEMENTS_SET: u16 = 2;
    pub(super) const ELEMENTS: u16 = 3;
    pub(super) const ELEMENT_KEY: u16 = 1;
    pub(super) const ELEMENT_DATA: u16 = 2;
    pub(super) const LIST_ELEMENT: u16 = 1;
}
