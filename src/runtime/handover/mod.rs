//! How one engine hands its routers to the next: on reload, on a binary upgrade and back.
//!
//! Engines of one host, which is one network namespace, meet at a socket in `run_dir`. Whoever has
//! the routers keeps it open; binding another one over it is how the next takes the place.
//!
//! ```text
//!   successor                       holder
//!      │──── Hello ──────────────────►│  "when I am ready I shall ask"
//!      │──── Take ───────────────────►│  nginx serves here, the links are known
//!      │◄─── State ───────────────────│  goes on: twice is harmless, not at all is not
//!      │──── Took { left } ──────────►│  resigns for what is left, and falls silent
//!      │◄─── Standby ─────────────────│  "should you stop, think of me"
//!      │──── State … ────────────────►│  at every transition: its workers may still serve
//!      │                              │
//!      │──── Return ─────────────────►│  a successor that is told to stop: a rollback
//!      │◄─── Took { left } ───────────│
//! ```
//!
//! A holder that is told to stop does not wait to be asked. A connection that breaks before `Took`
//! leaves everything as it was. Nobody waits for a peer that hangs: it is done without.

mod peer;
mod place;

pub(super) use peer::{Message, Peer};
pub(super) use place::{Door, Place};
