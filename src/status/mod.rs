//! The board: shared memory that the engine writes and every nginx process reads; and beside it the
//! page, which the workers write.
//!
//! Both are memfds that the nginx master makes before it forks, so that all its children have them.
//! [`layout`] says what lies where; `lua/resty/vrrp/board.lua` says the same to LuaJIT, and a test
//! compares the two. [`Board`] is the only writer of everything but the number of the last event
//! that Lua has delivered; and the guard marks a beat of the engine that it took for the last one.
//!
//! Under the privileged agent, workers cannot write the board: it is mapped for reading in the
//! master before they are forked, and only root may open it.
//!
//! All times on the board are milliseconds of `CLOCK_MONOTONIC`; who reads them converts them.

mod board;
pub mod document;
#[cfg(test)]
pub(crate) mod fixture;
pub mod layout;
mod memory;
mod page;
mod text;

pub use board::{Beat, Board, BoardError, EngineSight, Plan};
pub use document::Status;
pub use layout::EngineState;
pub use page::{Page, Workers};
pub use text::on_one_line;
