//! VRRP inside nginx.

pub mod config;
mod lua;
pub mod net;
pub mod proto;
pub mod status;
pub mod types;
pub mod wire;
