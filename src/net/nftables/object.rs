//! The objects that all of our tables have: chains with rules, and addresses.

use std::net::IpAddr;

use rtnetlink::packet_core::{NLM_F_APPEND, NLM_F_CREATE};

use super::ADDRESSES;
use super::attribute;
use super::batch::{Batch, TableFamily, TableMessage};
use super::table::{BaseChain, MapValue};
use crate::types::LinkName;

impl Batch {
    /// Adds a table that belongs to the socket.
    pub(super) fn add_table(&mut self, family: TableFamily, name: &str) {
        self.push(TableMessage::NewTable, NLM_F_CREATE, family, |added| {
            added.text(attribute::TABLE_NAME, name);
            added.number(attribute::TABLE_FLAGS, TABLE_IS_OWNED);
        });
    }

    /// Adds a chain with its rules; one of a device is called there alone.
    pub(super) fn add_chain(
        &mut self,
        family: TableFamily,
        table: &str,
        chain: &BaseChain,
        device: Option<&LinkName>,
    ) {
        self.push(TableMessage::NewChain, NLM_F_CREATE, family, |added| {
            added.text(attribute::CHAIN_TABLE, table);
            added.text(attribute::CHAIN_NAME, chain.name);
            added.nest(attribute::CHAIN_HOOK, |hook| {
                hook.number(attribute::HOOK_NUMBER, chain.hook);
                hook.octets(attribute::HOOK_PRIORITY, &chain.priority.to_be_bytes());
                if let Some(device) = device {
                    hook.text(attribute::HOOK_DEVICE, device.as_str());
                }
            });
            added.text(attribute::CHAIN_TYPE, "filter");
        });
        for rule in chain.rules {
            self.push(TableMessage::NewRule, NLM_F_CREATE | NLM_F_APPEND, family, |added| {
                added.text(attribute::RULE_TABLE, table);
                added.text(attribute::RULE_CHAIN, chain.name);
                added.nest(attribute::RULE_EXPRESSIONS, |list| {
                    rule.iter().copied().flatten().for_each(|expression| expression.emit(list));
                });
            });
        }
    }

    /// Adds addresses to those of a table, or removes them; in a map each has a value.
    pub(super) fn list_addresses<'a>(
        &mut self,
        message: TableMessage,
        family: TableFamily,
        table: &str,
        addresses: impl Iterator<Item = (&'a IpAddr, Option<&'a MapValue>)>,
    ) {
        let addresses: Vec<_> = addresses.collect();
        for chunk in addresses.chunks(LONGEST_LIST) {
            self.push(message, NLM_F_CREATE, family, |elements| {
                elements.text(attribute::ELEMENTS_TABLE, table);
                elements.text(attribute::ELEMENTS_SET, ADDRESSES);
                elements.nest(attribute::ELEMENTS, |list| {
                    for (key, value) in chunk {
                        list.nest(attribute::LIST_ELEMENT, |element| {
                            element.data(attribute::ELEMENT_KEY, &octets(**key));
                            if let Some(value) = value {
                                element.data(attribute::ELEMENT_DATA, &value.octets());
                            }
                        });
                    }
                });
            });
        }
    }
}

impl MapValue {
    fn octets(&self) -> Vec<u8> {
        match self {
            Self::Host(address) => octets(*address),
            Self::Hardware(address) => address.to_vec(),
        }
    }
}

fn octets(address: IpAddr) -> Vec<u8> {
    match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    }
}

/// `NFT_TABLE_F_OWNER`: only this socket can change the table, and the kernel removes it with the
/// socket.
const TABLE_IS_OWNED: u32 = 2;

/// Most addresses in one message: the length of an attribute has 16 bits.
const LONGEST_LIST: usize = 1024;
