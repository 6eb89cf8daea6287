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
//!
//! Over IPv6 neighbor solicitations take the place of ARP, and the host before is known by an
//! address that has a meaning on the link alone. Reports of groups come with options for each hop,
//! which `nft` calls `ip`:
//!
//! ```text
//! table ip6 vrrp-4711 {
//!     flags owner
//!     map addresses {
//!         type ipv6_addr : ipv6_addr
//!         timeout 1s
//!         elements = { 2001:db8::100 : fe80::1 }
//!     }
//!     set opened {
//!         type ipv6_addr . ipv6_addr . inet_service . inet_service
//!         size 65536
//!         flags dynamic,timeout
//!         timeout 2s
//!     }
//!     chain relay {
//!         type filter hook prerouting priority dstnat + 10; policy accept;
//!         ip6 daddr @addresses tcp flags syn
//!             update @opened { ip6 saddr . ip6 daddr . tcp sport . tcp dport }
//!         ip6 daddr @addresses tcp flags ! syn ip6 hoplimit != 1
//!             ip6 saddr . ip6 daddr . tcp sport . tcp dport @opened accept
//!         ip6 daddr @addresses tcp flags ! syn ip6 hoplimit != 1
//!             ip6 hoplimit set 2 dup to ip6 daddr map @addresses device iif drop
//!     }
//! }
//! table ip6 vrrp-4711-nd {
//!     flags owner
//!     map addresses {
//!         type ipv6_addr : ipv6_addr
//!         elements = { 2001:db8::200 : fe80::2 }
//!     }
//!     chain input {
//!         type filter hook input priority filter; policy accept;
//!         icmpv6 type nd-neighbor-solicit @th,64,128 @addresses drop
//!     }
//!     chain output {
//!         type filter hook output priority filter; policy accept;
//!         icmpv6 type nd-neighbor-solicit ip6 saddr set ip6 saddr map @addresses
//!         ip6 nexthdr ip meta l4proto ipv6-icmp ip6 saddr :: drop
//!         ip6 nexthdr ip meta l4proto ipv6-icmp ip6 saddr @addresses drop
//!     }
//! }
//! ```
//!
//! Where addresses of both families move, the host before is known by an address of one of them.
//! Segments of the other one go to its hardware address, on the link that they came from:
//!
//! ```text
//! table netdev vrrp-4711-eth0-ip {
//!     flags owner
//!     map addresses {
//!         type ipv4_addr : ether_addr
//!         timeout 1s
//!         elements = { 192.0.2.100 : 52:54:00:00:00:01 }
//!     }
//!     set opened {
//!         type ipv4_addr . ipv4_addr . inet_service . inet_service
//!         size 65536
//!         flags dynamic,timeout
//!         timeout 2s
//!     }
//!     chain forward {
//!         type filter hook ingress device "eth0" priority filter + 10; policy accept;
//!         meta pkttype host ip daddr @addresses tcp flags syn
//!             update @opened { ip saddr . ip daddr . tcp sport . tcp dport }
//!         meta pkttype host ip daddr @addresses tcp flags ! syn ip ttl != 1
//!             ip saddr . ip daddr . tcp sport . tcp dport @opened accept
//!         meta pkttype host ip daddr @addresses tcp flags ! syn ip ttl != 1
//!             ip ttl set 1 ether saddr set ether daddr
//!             ether daddr set ip daddr map @addresses fwd to iif
//!     }
//! }
//! ```
//!
//! ```text
//! table netdev vrrp-4711-eth0-ip6 {
//!     flags owner
//!     map addresses {
//!         type ipv6_addr : ether_addr
//!         timeout 1s
//!         elements = { 2001:db8::100 : 52:54:00:00:00:01 }
//!     }
//!     set opened {
//!         type ipv6_addr . ipv6_addr . inet_service . inet_service
//!         size 65536
//!         flags dynamic,timeout
//!         timeout 2s
//!     }
//!     chain forward {
//!         type filter hook ingress device "eth0" priority filter + 10; policy accept;
//!         meta pkttype host ip6 daddr @addresses tcp flags syn
//!             update @opened { ip6 saddr . ip6 daddr . tcp sport . tcp dport }
//!         meta pkttype host ip6 daddr @addresses tcp flags ! syn ip6 hoplimit != 1
//!             ip6 saddr . ip6 daddr . tcp sport . tcp dport @opened accept
//!         meta pkttype host ip6 daddr @addresses tcp flags ! syn ip6 hoplimit != 1
//!             ip6 hoplimit set 1 ether saddr set ether daddr
//!             ether daddr set ip6 daddr map @addresses fwd to iif
//!     }
//! }
//! ```

mod accept;
mod attribute;
mod batch;
mod expression;
mod object;
mod socket;
mod table;

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rtnetlink::packet_core::NLM_F_CREATE;

pub use self::accept::AcceptRules;
use self::batch::{Batch, TableMessage};
use self::socket::TableSocket;
use self::table::{MapValue, MovesTable};
use crate::net::NetError;
use crate::types::{Families, Family, LinkName, MacAddress};

/// What happens to addresses that move from one host to another.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Rules {
    /// Addresses that this host has just taken, each with the host that had it before. A TCP
    /// segment that belongs to no connection of this host is sent there; a reset would end the
    /// connection. Both are of one family.
    pub relayed: MovedAddresses,
    /// The same on a link, where the host before is known by its hardware address there.
    pub forwarded: BTreeMap<LinkName, BTreeMap<IpAddr, MacAddress>>,
    /// Addresses that another host has taken, each with the address of its family that this host
    /// sends from. This host does not answer requests of ARP, or neighbor solicitations, for the
    /// former, and sends its own from the latter. Nor does it report groups from the former, which
    /// may be on a link with the hardware address of the virtual router.
    pub silent: MovedAddresses,
}

/// Moving addresses, each with the address that is to be used instead.
pub type MovedAddresses = BTreeMap<IpAddr, IpAddr>;

/// The tables with our rules. The kernel removes them when this is dropped.
#[derive(Debug)]
pub struct Firewall {
    socket: TableSocket,
    /// Those that the kernel has.
    tables: MovesTables,
    /// The kernel supports [`Rules::forwarded`].
    forwards: bool,
}

/// Some tables, each with its map.
type MovesTables = BTreeMap<MovesTable, TableMap>;
type TableMap = BTreeMap<IpAddr, MapValue>;

impl Firewall {
    /// Opens the socket, and has the kernel add and remove every kind of rule of the families once:
    /// it loads its modules now, and refuses now what it does not support.
    ///
    /// # Errors
    ///
    /// When the kernel has no `nf_tables`, or an older one (before Linux 5.12).
    pub fn open(families: Families) -> Result<Self, NetError> {
        let error = |error| NetError::new("use", "nf_tables", error);
        let socket = TableSocket::open().map_err(error)?;
        let mut firewall = Self { socket, tables: MovesTables::new(), forwards: true };
        let sample: MovedAddresses = families.iter().map(unspecified).map(|it| (it, it)).collect();
        let all = Rules { relayed: sample.clone(), silent: sample.clone(), ..Rules::default() };
        firewall.try_out(&all).map_err(error)?;
        if families == Families::ALL {
            let loopback = LinkName::new("lo").map(|lo| {
                let hardware = sample.into_keys().map(|it| (it, MacAddress::default()));
                (lo, hardware.collect())
            });
            let all = Rules { forwarded: loopback.into_iter().collect(), ..Rules::default() };
            firewall.forwards = firewall.try_out(&all).is_ok();
        }
        Ok(firewall)
    }

    /// Tells whether the kernel supports [`Rules::forwarded`].
    #[must_use]
    pub const fn forwards(&self) -> bool {
        self.forwards
    }

    /// Replaces all rules in one transaction. The set of opened connections is kept while any
    /// address is relayed.
    ///
    /// # Errors
    ///
    /// When the kernel refuses them. The earlier rules stay in force.
    pub fn set(&mut self, rules: &Rules) -> Result<(), NetError> {
        let tables = self.tables_for(rules);
        if self.tables == tables {
            return Ok(());
        }
        let mut batch = Batch::new();
        self.change(&mut batch, &self.tables, &tables);
        self.socket
            .commit(batch)
            .map_err(|error| NetError::new("change", "rules of nf_tables", error))?;
        self.tables = tables;
        Ok(())
    }

    /// Adds rules and removes them again.
    fn try_out(&self, rules: &Rules) -> io::Result<()> {
        let tables = self.tables_for(rules);
        let mut batch = Batch::new();
        self.change(&mut batch, &MovesTables::new(), &tables);
        self.change(&mut batch, &tables, &MovesTables::new());
        self.socket.commit(batch)
    }

    fn change(&self, batch: &mut Batch, from: &MovesTables, to: &MovesTables) {
        let none = TableMap::new();
        for table in from.keys().chain(to.keys().filter(|table| !from.contains_key(table))) {
            let [before, after] = [from, to].map(|all| all.get(table).unwrap_or(&none));
            self.change_table(batch, *table, before, after);
        }
    }

    /// Returns the tables for some rules.
    fn tables_for(&self, rules: &Rules) -> MovesTables {
        let mut tables = MovesTables::new();
        let mut list = |table, address: &IpAddr, value| {
            tables.entry(table).or_default().insert(*address, value);
        };
        for (address, host) in &rules.relayed {
            list(MovesTable::Relay(Family::of(*address)), address, MapValue::Host(*host));
        }
        for (address, host) in &rules.silent {
            list(MovesTable::Silence(Family::of(*address)), address, MapValue::Host(*host));
        }
        for (link, addresses) in rules.forwarded.iter().filter(|_| self.forwards) {
            for (address, mac) in addresses {
                let table = MovesTable::Forward(Family::of(*address), *link);
                list(table, address, MapValue::Hardware(*mac));
            }
        }
        tables
    }

    /// Makes a table when it has its first address, and removes it with the last one.
    fn change_table(&self, batch: &mut Batch, table: MovesTable, from: &TableMap, to: &TableMap) {
        if to.is_empty() {
            return batch.push(TableMessage::DelTable, 0, table.family(), |deleted| {
                deleted.text(attribute::TABLE_NAME, &table.name(&self.socket.name));
            });
        }
        if from.is_empty() {
            self.add_table(batch, table);
        }
        let name = table.name(&self.socket.name);
        let gone = from.iter().filter(|(key, value)| to.get(key) != Some(value));
        batch.list_addresses(TableMessage::DelSetElem, table.family(), &name, gone.map(pair));
        let new = to.iter().filter(|(key, value)| from.get(key) != Some(value));
        batch.list_addresses(TableMessage::NewSetElem, table.family(), &name, new.map(pair));
    }

    fn add_table(&self, batch: &mut Batch, table: MovesTable) {
        let name = table.name(&self.socket.name);
        batch.add_table(table.family(), &name);
        let (address, octets) = table.address_type();
        let (value, value_octets) = table.value_type();
        let forgets = table.relays();
        batch.push(TableMessage::NewSet, NLM_F_CREATE, table.family(), |map| {
            map.text(attribute::SET_TABLE, &name);
            map.text(attribute::SET_NAME, ADDRESSES);
            map.number(attribute::SET_FLAGS, SET_IS_MAP | if forgets { SET_FORGETS } else { 0 });
            map.number(attribute::SET_KEY_TYPE, address);
            map.number(attribute::SET_KEY_LEN, octets);
            map.number(attribute::SET_DATA_TYPE, value);
            map.number(attribute::SET_DATA_LEN, value_octets);
            map.number(attribute::SET_ID, 1);
            if forgets {
                map.octets(attribute::SET_TIMEOUT, &MOVED_AFTER_MS.to_be_bytes());
            }
        });
        if table.relays() {
            self.add_opened(batch, table);
        }
        for chain in table.chains() {
            batch.add_chain(table.family(), &name, chain, table.device());
        }
    }

    fn add_opened(&self, batch: &mut Batch, table: MovesTable) {
        let (address, octets) = table.address_type();
        batch.push(TableMessage::NewSet, NLM_F_CREATE, table.family(), |set| {
            set.text(attribute::SET_TABLE, &table.name(&self.socket.name));
            set.text(attribute::SET_NAME, OPENED);
            set.number(attribute::SET_FLAGS, SET_IS_FILLED_BY_RULES | SET_FORGETS);
            let parts = [address, address, TYPE_INET_SERVICE, TYPE_INET_SERVICE];
            let key_type = parts.iter().fold(0, |all, part| all << TYPE_BITS | part);
            set.number(attribute::SET_KEY_TYPE, key_type);
            // Two addresses, and two ports in a register of four octets each.
            set.number(attribute::SET_KEY_LEN, 2 * octets + 8);
            set.nest(attribute::SET_DESCRIPTION, |description| {
                description.number(attribute::SET_DESCRIPTION_SIZE, MOST_OPENED);
            });
            set.number(attribute::SET_ID, 2);
            set.octets(attribute::SET_TIMEOUT, &FORGOTTEN_AFTER_MS.to_be_bytes());
        });
    }
}

/// Returns an element of a map.
fn pair<'a>((key, value): (&'a IpAddr, &'a MapValue)) -> (&'a IpAddr, Option<&'a MapValue>) {
    (key, Some(value))
}

fn unspecified(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => Ipv4Addr::UNSPECIFIED.into(),
        Family::Ipv6 => Ipv6Addr::UNSPECIFIED.into(),
    }
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

/// `NFT_SET_MAP`, `NFT_SET_TIMEOUT` and `NFT_SET_EVAL`.
const SET_IS_MAP: u32 = 0x08;
const SET_FORGETS: u32 = 0x10;
const SET_IS_FILLED_BY_RULES: u32 = 0x20;

/// A type of keys, by which `nft` formats them, and the bits of each type in one that is composed.
const TYPE_INET_SERVICE: u32 = 13;
const TYPE_BITS: u32 = 6;
