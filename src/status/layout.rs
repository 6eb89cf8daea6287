//! What lies where on the board.
//!
//! ```text
//!  +--------+-----------------+---------------+------------------+-----------------+
//!  | Header | EventSlot[1024] | LineSlot[200] | WarningSlot[256] | FindingSlot[32] | ...
//!  +--------+-----------------+---------------+------------------+-----------------+
//!       +-----------------+----------------+-------------+
//!   ... | InstanceSlot[n] | AddressSlot[m] | PeerSlot[k] |
//!       +-----------------+----------------+-------------+
//! ```
//!
//! The page, [`WorkerWords`], is memory of its own.
//!
//! No structure has a gap between or after its fields: a slot is copied as whole words.

mod empty;

use std::sync::atomic::{AtomicI32, AtomicU8, AtomicU32, AtomicU64};

pub use super::text::{text, untext};

/// Declares a structure of the board, and lists its fields for the comparison with LuaJIT's view.
macro_rules! on_the_board {
    (
        $(#[$outer:meta])*
        pub struct $name:ident { $($(#[$inner:meta])* pub $field:ident: $kind:ty,)* }
    ) => {
        $(#[$outer])*
        #[repr(C)]
        pub struct $name { $($(#[$inner])* pub $field: $kind,)* }

        impl $name {
            /// Name, offset and size of every field.
            pub const FIELDS: &[(&str, usize, usize)] = &[$((
                stringify!($field),
                std::mem::offset_of!($name, $field),
                size_of::<$kind>(),
            ),)*];
        }

        const _: () = {
            let without_gaps = 0 $(+ size_of::<$kind>())*;
            assert!(size_of::<$name>() == without_gaps, "a field is followed by a gap");
            assert!(size_of::<$name>() % 8 == 0, "a slot is made of whole words");
        };
    };
}

mod instance;
mod lists;

pub use self::instance::{CheckSlot, CounterSlot, InstanceSlot, TransitionSlot};
pub use self::lists::{AddressSlot, PeerSlot};

/// "RSTYVRRP", in the order of a little-endian machine.
pub const MAGIC: u64 = u64::from_le_bytes(*b"RSTYVRRP");
/// Grows with every change of the layout.
pub const LAYOUT: u32 = 17;
/// Added to [`Header::engine_beat_ms`] when the guard gives away what the engine held; no time is
/// so long, and a double still counts it exactly.
pub const WITHDRAWN: u64 = 1 << 52;
/// Workers that the board has room for.
pub const WORKERS: usize = 1024;
/// Changes of state that wait for Lua at most; older ones are lost, and counted.
pub const EVENTS: usize = 1024;
/// Lines of the engine's log that the board remembers.
pub const LINES: usize = 200;
/// Checks of one virtual router: its link, address and workers, eight tracked interfaces, twelve
/// checks in Lua, the probe, and four hosts to reach.
pub const CHECKS: usize = 28;
/// Warnings that the board has room for.
pub const WARNINGS: usize = 256;
/// Findings of the doctor that the board has room for.
pub const FINDINGS: usize = 32;
/// The [`WarningSlot::instance`] of a warning about the whole node.
pub const NODE: u32 = u32::MAX;
/// Transitions of one virtual router that the board remembers.
pub const HISTORY: usize = 32;
/// Reasons of transitions that can be named.
pub const REASONS: usize = 32;
/// Longest error text, in bytes; what is longer is cut.
pub const ERROR: usize = 512;

on_the_board! {
    /// The fields of the whole node.
    pub struct Header {
        /// [`MAGIC`], written last: a board without it is not finished.
        pub magic: AtomicU64,
        /// Length of the board in bytes.
        pub length: AtomicU64,
        /// [`LAYOUT`].
        pub layout: AtomicU32,
        /// How many configurations this master has taken on.
        pub generation: AtomicU32,
        /// Size of this header.
        pub header_size: AtomicU32,
        /// The file descriptor of the board in the master and its children.
        pub board_fd: AtomicI32,
        /// Size of an [`InstanceSlot`].
        pub instance_size: AtomicU32,
        /// Size of an [`AddressSlot`].
        pub address_size: AtomicU32,
        /// Number of virtual routers.
        pub instances: AtomicU32,
        /// Number of addresses of all virtual routers.
        pub addresses: AtomicU32,
        /// Number of peers of all virtual routers.
        pub peers: AtomicU32,
        /// Where the peer slots begin.
        pub peers_offset: AtomicU32,
        /// The user of the master.
        pub owner: AtomicU32,
        /// Size of an [`EventSlot`].
        pub event_size: AtomicU32,
        /// Where the event slots begin.
        pub events_offset: AtomicU32,
        /// Where the warning slots begin.
        pub warnings_offset: AtomicU32,
        /// Number of warning slots in use: the first ones.
        pub warnings: AtomicU32,
        /// Where the instance slots begin.
        pub instances_offset: AtomicU32,
        /// Where the address slots begin.
        pub addresses_offset: AtomicU32,
        /// Silence after which a worker counts as dead, stopped or hung.
        pub worker_timeout_ms: AtomicU32,
        /// Number of configured workers of nginx; the carrier writes that.
        pub workers_total: AtomicU32,
        /// Process id of the nginx master; the carrier writes that.
        pub master_pid: AtomicI32,
        /// Which process carries the engine: one of [`carrier`].
        pub carrier: AtomicU32,
        /// Process id of the carrier.
        pub carrier_pid: AtomicI32,
        /// When nginx's own loop in the carrier last turned.
        pub carrier_beat_ms: AtomicU64,
        /// When the engine last turned, and perhaps [`WITHDRAWN`].
        pub engine_beat_ms: AtomicU64,
        /// Silence after which the guard of the engine that beat last, be it on an earlier board,
        /// gives away what that one holds; 0 if it has no guard.
        pub guarded_ms: AtomicU64,
        /// When the engine was started.
        pub started_ms: AtomicU64,
        /// Carriers in a row that have started an engine, and of which none has gone well since;
        /// Lua counts them.
        pub starts: AtomicU64,
        /// The state of the engine: one of [`EngineState`].
        pub engine_state: AtomicU32,
        /// Whether the engine found nginx to serve, 0 or 1.
        pub healthy: AtomicU32,
        /// Whether an operator sent the addresses away, 0 or 1.
        pub draining: AtomicU32,
        /// Whether the master has taken on another configuration since, 0 or 1; it writes that.
        pub superseded: AtomicU32,
        /// Whether requests are taken over HTTP, too, 0 or 1.
        pub control: AtomicU32,
        /// Number of finding slots in use: the first ones.
        pub findings: AtomicU32,
        /// nginx's `worker_shutdown_timeout`; 0 if it has none, `u32::MAX` if that is not known.
        pub shutdown_timeout_ms: AtomicU32,
        /// Keeps what follows on a whole word.
        pub reserved: [AtomicU8; 4],
        /// The inode of the page that the workers write: see [`WorkerWords`].
        pub page: AtomicU64,
        /// Times that the engine turned at least 2.5 ms later than it was due.
        pub late_turns: AtomicU64,
        /// By how much in all.
        pub late_us: AtomicU64,
        /// Number of the last change of state. Like the two that follow, it goes on over
        /// generations.
        pub events: AtomicU64,
        /// Number of the last one that Lua has begun to tell; Lua writes that.
        pub events_begun: AtomicU64,
        /// Number of the last one that Lua has delivered; Lua writes that.
        pub events_delivered: AtomicU64,
        /// From when on this process tells them; until then another one may.
        pub events_from_ms: AtomicU64,
        /// Number of the last line of the engine's log. It goes on over generations.
        pub lines: AtomicU64,
        /// What a request over HTTP must show; empty if nothing.
        pub token: [AtomicU8; 136],
        /// Name of this node.
        pub router_id: [AtomicU8; 128],
        /// Version of the library.
        pub module: [AtomicU8; 32],
        /// Name and version of the server, as it tells them itself.
        pub nginx: [AtomicU8; 64],
        /// The directory where the engine meets others of its host; empty if there is none.
        pub run_dir: [AtomicU8; 72],
        /// Why the engine does not run.
        pub error: [AtomicU8; ERROR],
        /// Names of the reasons; [`InstanceSlot::reason`] is an index. The first is empty: no
        /// reason.
        pub reasons: [[AtomicU8; 24]; REASONS],
    }
}

/// Values of [`Header::engine_state`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(u32)]
pub enum EngineState {
    /// Never started.
    None = 0,
    /// The carrier has begun to start it.
    Starting = 1,
    /// It runs, if its beat is fresh.
    Running = 2,
    /// It could not start, or it broke: see [`Header::error`].
    Failed = 3,
    /// It has stopped.
    Stopped = 4,
}

/// Values of [`Header::carrier`].
pub mod carrier {
    /// OpenResty's privileged agent.
    pub const AGENT: u32 = 1;
    /// Worker 0.
    pub const WORKER: u32 = 2;
}

/// Values of [`WorkerWords::request`].
pub mod request {
    /// Nothing.
    pub const NONE: u32 = 0;
    /// Give the addresses away and stay away.
    pub const DRAIN: u32 = 1;
    /// Take part again.
    pub const UNDRAIN: u32 = 2;
}

/// Values of [`InstanceSlot::state`].
pub mod state {
    /// Not started, or waiting to learn whether nginx serves.
    pub const INITIALIZE: u8 = 0;
    /// Listening to the Active router.
    pub const BACKUP: u8 = 1;
    /// Holds the addresses.
    pub const ACTIVE: u8 = 2;
    /// Held in Initialize because something is wrong.
    pub const FAULT: u8 = 3;
}

/// Values of [`FindingSlot::verdict`].
pub mod verdict {
    /// It is well.
    pub const OK: u32 = 0;
    /// It needs a look.
    pub const WARNING: u32 = 1;
    /// It keeps the node from its work.
    pub const FAULT: u32 = 2;
}

/// Values of [`InstanceSlot::checksum`].
pub mod checksum {
    /// The VRRP message alone.
    pub const MESSAGE: u8 = 1;
    /// A pseudo-header, too.
    pub const PSEUDO_HEADER: u8 = 2;
}

on_the_board! {
    /// A sign of life, written by one nginx worker.
    #[derive(Debug)]
    pub struct WorkerSlot {
        /// When the worker last turned; 0 if it never did, or has left.
        pub beat_ms: AtomicU64,
        /// 1 once it has left in order: another generation takes over, or nginx ends.
        pub ended: AtomicU64,
        /// Clients of this worker that listen to what changes on the board.
        pub listeners: AtomicU64,
    }
}

on_the_board! {
    /// The page: what all workers write. It is memory of its own, so that they need not be able to
    /// write the board.
    #[derive(Debug)]
    pub struct WorkerWords {
        /// What an operator asks the engine for: one of [`request`]. Any process writes it, the
        /// engine takes it away.
        pub request: AtomicU32,
        /// The user of the workers plus one; 0 until the first one has started.
        pub user: AtomicU32,
        /// Their signs of life.
        pub workers: [WorkerSlot; WORKERS],
    }
}

on_the_board! {
    /// A change of state, for Lua: number `n` stands in place `n % EVENTS`.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub struct EventSlot {
        /// Its number; another one while it is being written.
        pub number: u64,
        /// When.
        pub at_ms: u64,
        /// Name of the virtual router.
        pub instance: [u8; 64],
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

on_the_board! {
    /// A line of the engine's log: number `n` stands in place `n % LINES`.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub struct LineSlot {
        /// Its number; another one while it is being written.
        pub number: u64,
        /// When.
        pub at_ms: u64,
        /// nginx's number for the level: 4 error, 5 warn, 6 notice.
        pub level: u8,
        /// Keeps what follows on a whole word.
        pub reserved: [u8; 7],
        /// The line without time and level; what is longer is cut.
        pub text: [u8; 488],
    }
}

on_the_board! {
    /// Something that an operator should look into.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub struct WarningSlot {
        /// Odd while the slot is being written.
        pub seq: u64,
        /// Since when.
        pub since_ms: u64,
        /// Which virtual router it is about, by its place among the instance slots; or [`NODE`].
        pub instance: u32,
        /// Keeps the slot on whole words.
        pub reserved: [u8; 4],
        /// Name in the status.
        pub name: [u8; 32],
        /// What is the case and what to do, for people.
        pub text: [u8; 456],
    }
}

on_the_board! {
    /// What one test of the doctor has found.
    #[derive(Clone, Copy, Debug, Eq, PartialEq)]
    pub struct FindingSlot {
        /// Odd while the slot is being written.
        pub seq: u64,
        /// One of [`verdict`].
        pub verdict: u32,
        /// Keeps the slot on whole words.
        pub reserved: [u8; 4],
        /// Name of the test.
        pub test: [u8; 24],
        /// What is the case, and unless it is well what to do, for people.
        pub text: [u8; 600],
    }
}
