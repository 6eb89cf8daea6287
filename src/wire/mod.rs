//! Bytes to values and back: total functions without state, clock or sockets.
//!
//! Whatever a peer sends, parsing ends in a value or in the name of the first check that failed; it
//! never panics, and never allocates. Checks that need the configuration of a virtual router are
//! made in [`proto`](crate::proto); here are those that the octets alone decide.
//!
//! | file | what |
//! |---|---|
//! | [`advertisement`] | the VRRP message: RFC 9568 §5.2 (version 3), RFC 3768 §5.3 (version 2) |
//! | [`ip`] | what is around it: RFC 791 §3.1, RFC 8200 §3, RFC 9568 §5.1 |
//! | [`ethernet`] | the header of a frame: RFC 894, RFC 1112, RFC 2464 |
//! | [`arp`] | the announcement of an IPv4 address: RFC 826, RFC 9568 §8.1.2 |
//! | [`ndisc`] | the announcement of an IPv6 address: RFC 4861 §7.2.6, RFC 9568 §8.2.2 |
//! | [`checksum`] | the Internet checksum: RFC 1071 |

pub mod advertisement;
pub mod arp;
pub mod checksum;
pub mod ethernet;
pub mod ip;
pub mod ndisc;
