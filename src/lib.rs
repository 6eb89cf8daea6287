//! VRRP inside nginx.

pub mod config;
pub mod proto;
pub mod status;
pub mod types;
pub mod wire;
