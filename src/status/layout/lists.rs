//! Slots of which a virtual router has any number.

use std::sync::atomic::{AtomicU8, AtomicU64};

on_the_board! {
    /// An address of a virtual router.
    #[derive(Debug)]
    pub struct AddressSlot {
        /// In network order; IPv4 takes the first four octets.
        pub address: [u8; 16],
        /// 4 or 6.
        pub family: u8,
        /// Bits of the network part.
        pub prefix: u8,
        /// Whether it is left out of advertisements, 0 or 1.
        pub excluded: u8,
        /// Whether the interface has it now, 0 or 1.
        pub assigned: AtomicU8,
        /// Whether another program keeps removing it, 0 or 1.
        pub contested: AtomicU8,
        /// Whether the interface has it from us, 0 or 1: a later engine may remove it then.
        pub ours: AtomicU8,
        /// Keeps what follows on a whole word.
        pub reserved: [u8; 2],
        /// How often another program removed it.
        pub lost: AtomicU64,
        /// The name of the interface that has it, unless it is that of the other addresses.
        pub interface: [u8; 16],
        /// Its label, if it has one.
        pub label: [u8; 16],
    }
}

on_the_board! {
    /// A peer that a virtual router speaks to by its address.
    #[derive(Debug)]
    pub struct PeerSlot {
        /// In network order; IPv4 takes the first four octets.
        pub address: [u8; 16],
        /// 4 or 6.
        pub family: u8,
        /// Keeps what follows on a whole word.
        pub reserved: [u8; 7],
        /// When an advertisement of it last counted; 0 if none has.
        pub heard_ms: AtomicU64,
    }
}
