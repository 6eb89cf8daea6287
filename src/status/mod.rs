//! The board: one piece of shared memory that the engine writes and every nginx process reads.
//!
//! The memory is a memfd that the nginx master makes before it forks, so that all its children
//! have it. [`layout`] says what lies where; `lua/resty/vrrp/board.lua` says the same to LuaJIT,
//! and a test compares the two. [`Board`] is the only writer of everything but the beats of the
//! nginx processes, requests, and how far Lua has told events; and the guard marks a beat of the
//! engine that it took for the last one.
//!
//! All times on the board are milliseconds of `CLOCK_MONOTONIC`; who reads them converts them.

mod board;
pub mod layout;
mod text;

pub use board::{Beat, Board, BoardError, Plan, Workers};
pub use layout::EngineState;
pub use text::on_one_line;
