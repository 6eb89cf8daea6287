//! What the board says of one virtual router.

use super::{CHECKS, HISTORY, REASONS};

on_the_board! {
    /// One virtual router.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub struct InstanceSlot {
        /// Odd while the slot is being written.
        pub seq: u64,
        /// One of [`state`].
        pub state: u32,
        /// Configured interval of our own advertisements.
        pub adver_interval_ms: u32,
        /// When the state was entered.
        pub since_ms: u64,
        /// Changes of state so far; the newest of [`history`](Self::history) is at this number
        /// less one.
        pub transitions: u64,
        /// Silence after which the Active router is taken for dead.
        pub active_down_interval_us: u64,
        /// When the Active router was last heard; 0 if never, or if it is this node.
        pub active_last_advert_ms: u64,
        /// Address of the Active router, in network order; IPv4 takes the first four octets.
        pub active_address: [u8; 16],
        /// 4 or 6, or 0 while no Active router is known.
        pub active_family: u8,
        /// Priority of the Active router.
        pub active_priority: u8,
        /// Whether it is this node, 0 or 1.
        pub active_is_self: u8,
        /// Index into [`Header::reasons`] of why the state was entered.
        pub reason: u8,
        /// Virtual router identifier.
        pub vrid: u8,
        /// 4 or 6.
        pub family: u8,
        /// Protocol version.
        pub version: u8,
        /// Configured priority.
        pub priority: u8,
        /// Priority after tracking and checks.
        pub effective_priority: u8,
        /// Whether it takes over from a living router of lower priority, 0 or 1.
        pub preempt: u8,
        /// Number of [`checks`](Self::check) in use.
        pub checks: u8,
        /// The checksum form of its next advertisement: one of [`checksum`].
        pub checksum: u8,
        /// Keeps what follows on a whole word.
        pub reserved: [u8; 4],
        /// The first of its addresses among the address slots.
        pub first_address: u32,
        /// The number of its addresses.
        pub addresses: u32,
        /// The first of its peers among the peer slots.
        pub first_peer: u32,
        /// The number of its peers; 0 if it speaks to the group.
        pub peers: u32,
        /// Name in Lua, logs and status.
        pub name: [u8; 64],
        /// The sync group that it is a member of; empty if none.
        pub sync_group: [u8; 64],
        /// The interface it runs on.
        pub interface: [u8; 16],
        /// What holds it in fault, for people.
        pub fault: [u8; 256],
        /// What was counted.
        pub counters: CounterSlot,
        /// What it takes to leave Initialize.
        pub check: [CheckSlot; CHECKS],
        /// The last changes of state, as a ring.
        pub history: [TransitionSlot; HISTORY],
    }
}

on_the_board! {
    /// What was counted for one virtual router, under the names of the status.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub struct CounterSlot {
        /// Advertisements sent.
        pub advertisements_sent: u64,
        /// Advertisements received and accepted.
        pub advertisements_received: u64,
        /// Resignations sent.
        pub priority_zero_sent: u64,
        /// Resignations received.
        pub priority_zero_received: u64,
        /// Gratuitous ARP and unsolicited Neighbor Advertisements sent.
        pub announcements_sent: u64,
        /// Wrong checksums.
        pub checksum: u64,
        /// Not from this link: TTL is not 255.
        pub ttl: u64,
        /// Other protocol versions.
        pub version: u64,
        /// Virtual routers that are not configured on the link.
        pub vrid: u64,
        /// Shorter than it says.
        pub length: u64,
        /// Not an advertisement.
        pub kind: u64,
        /// Unknown, other or failed authentication.
        pub auth: u64,
        /// Another interval than ours.
        pub interval: u64,
        /// Other addresses than ours.
        pub address_list: u64,
        /// Although this node owns the addresses.
        pub owner: u64,
        /// From our own address.
        pub own_source: u64,
        /// From an address that is none of the peers.
        pub unlisted: u64,
        /// From an address that no host has, or not where the router listens.
        pub martian: u64,
        /// For a virtual router in Initialize.
        pub not_running: u64,
        /// Of another Active router, while this one was Active.
        pub rivals: u64,
        /// Times that it became Active, by the place of the reason in [`Header::reasons`].
        pub became_active: [u64; REASONS],
        /// Times that it was Active no longer, by the place of the reason.
        pub left_active: [u64; REASONS],
    }
}

on_the_board! {
    /// Something that must hold before a virtual router may leave Initialize.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub struct CheckSlot {
        /// Name in the status.
        pub name: [u8; 32],
        /// How the priority changes while it fails; meaningless without
        /// [`weighted`](Self::weighted).
        pub weight: i16,
        /// Whether it changes the priority (1) or holds the router in fault (0).
        pub weighted: u8,
        /// Whether it holds, 0 or 1.
        pub ok: u8,
        /// Keeps the slot on whole words.
        pub reserved: [u8; 4],
    }
}

on_the_board! {
    /// A change of state.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub struct TransitionSlot {
        /// When.
        pub at_ms: u64,
        /// From which [`state`].
        pub from: u8,
        /// To which [`state`].
        pub to: u8,
        /// Index into [`Header::reasons`].
        pub reason: u8,
        /// Keeps the slot on whole words.
        pub reserved: [u8; 5],
    }
}
