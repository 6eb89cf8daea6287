//! Whole hosts of engines, which nginx starts, stops, kills and replaces in any order.
//!
//! Each engine has a real [`Succession`](resty_vrrp::succession::Succession) and a real
//! [`Node`](resty_vrrp::proto::Node). What surrounds them is modelled as thinly as the driver is:
//! nginx's masters, boards, the door, connections, `vrrp-net` with the addresses of the kernel,
//! guards, and one peer on the LAN. After every step the [oracle](oracle) looks at it all.

mod engine;
mod faults;
mod guard;
mod links;
mod net;
mod nginx;
mod oracle;
mod random;
mod scenarios;
mod shell;
mod world;
