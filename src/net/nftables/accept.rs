//! Rules of `nf_tables` that keep this host from answering on virtual addresses that it has
//! (RFC 9568 §6.1, `Accept_Mode` False).
//!
//! ```text
//! table ip vrrp-4711-accept {
//!     flags owner
//!     set addresses {
//!         type ipv4_addr
//!         elements = { 192.0.2.100 }
//!     }
//!     chain input {
//!         type filter hook input priority filter; policy accept;
//!         ip daddr @addresses drop
//!     }
//! }
//! table ip6 vrrp-4711-accept {
//!     flags owner
//!     set addresses {
//!         type ipv6_addr
//!         elements = { 2001:db8::100 }
//!     }
//!     chain input {
//!         type filter hook input priority filter; policy accept;
//!         icmpv6 type nd-neighbor-solicit accept
//!         icmpv6 type nd-neighbor-advert accept
//!         ip6 daddr @addresses drop
//!     }
//! }
//! ```

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, OwnedFd};

use rtnetlink::packet_core::NLM_F_CREATE;

use super::batch::{Batch, TableMessage};
use super::socket::TableSocket;
use super::table::{accept_chain, family_of, type_of};
use super::{ADDRESSES, attribute};
use crate::net::NetError;
use crate::types::Family;

/// The tables with these rules. The kernel removes them with the last descriptor of the socket.
#[derive(Debug)]
pub struct AcceptRules {
    socket: TableSocket,
    addresses: BTreeSet<IpAddr>,
}

impl AcceptRules {
    /// Prepares rules for some addresses, which are not in force yet.
    ///
    /// # Errors
    ///
    /// When the kernel has no `nf_tables`.
    pub fn new(addresses: BTreeSet<IpAddr>) -> Result<Self, NetError> {
        let socket = TableSocket::open().map_err(failed)?;
        Ok(Self { socket, addresses })
    }

    /// Puts all rules in force. It can be tried again.
    ///
    /// # Errors
    ///
    /// When the kernel has no `nf_tables`, or an older one (before Linux 5.12).
    pub fn enforce(&self) -> Result<(), NetError> {
        for family in [Family::Ipv4, Family::Ipv6] {
            let of_family = self.addresses.iter().filter(|it| Family::of(**it) == family);
            let all: Vec<_> = of_family.collect();
            // A datagram has to fit into the buffer of the socket.
            for (place, some) in all.chunks(MOST_AT_ONCE).enumerate() {
                self.add(family, place == 0, some).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Returns another descriptor of the socket: as long as it is open, the rules stay in force.
    ///
    /// # Errors
    ///
    /// When this process has no room for one.
    pub fn share(&self) -> io::Result<OwnedFd> {
        self.socket.as_fd().try_clone_to_owned()
    }

    fn add(&self, family: Family, is_first: bool, addresses: &[&IpAddr]) -> io::Result<()> {
        let (of, name) = (family_of(family), format!("{}-accept", self.socket.name));
        let mut batch = Batch::new();
        if is_first {
            // What an attempt before has left goes first: a table is removed with its rules.
            batch.add_table(of, &name);
            batch.push(TableMessage::DelTable, 0, of, |deleted| {
                deleted.text(attribute::TABLE_NAME, &name);
            });
            batch.add_table(of, &name);
            let (kind, octets) = type_of(family);
            batch.push(TableMessage::NewSet, NLM_F_CREATE, of, |set| {
                set.text(attribute::SET_TABLE, &name);
                set.text(attribute::SET_NAME, ADDRESSES);
                set.number(attribute::SET_KEY_TYPE, kind);
                set.number(attribute::SET_KEY_LEN, octets);
                set.number(attribute::SET_ID, 1);
            });
            batch.add_chain(of, &name, accept_chain(family), None);
        }
        let elements = addresses.iter().map(|address| (*address, None));
        batch.list_addresses(TableMessage::NewSetElem, of, &name, elements);
        self.socket.commit(batch)
    }
}

fn failed(error: io::Error) -> NetError {
    NetError::new("use", "nf_tables", error)
}

/// Addresses of one transaction.
const MOST_AT_ONCE: usize = 2048;
