#![doc = include_str!("ARCHITECTURE.md")]

pub mod cli;
pub mod config;
pub mod guard;
pub mod keepalived;
pub mod net;
pub mod proto;
pub mod runtime;
pub mod status;
pub mod succession;
pub mod types;
pub mod wire;
