//! Golden packets, checked against scapy, tshark, tcpdump and keepalived.

use std::net::IpAddr;

use resty_vrrp::types::{ChecksumPolicy, Family, TrailingOctets};
use resty_vrrp::wire::advertisement::Accept;
use resty_vrrp::wire::ip::Endpoints;
use serde_json::Value;

/// Accepts all that is well formed.
pub(crate) const ANYTHING: Accept = Accept {
    version: None,
    trailing_octets: TrailingOctets::Reject,
    checksum: ChecksumPolicy::Auto,
};

/// One packet.
pub(crate) struct Vector {
    pub(crate) name: String,
    pub(crate) message: Vec<u8>,
    pub(crate) endpoints: Endpoints,
    frame: Vec<u8>,
}

impl Vector {
    /// Returns what a raw socket for IPv4 would give: all that follows the Ethernet header.
    pub(crate) fn datagram(&self) -> &[u8] {
        &self.frame[ETHERNET_LEN..]
    }
}

/// Returns every VRRP packet.
pub(crate) fn all() -> Vec<Vector> {
    let all: Value = serde_json::from_str(VECTORS).expect("the file is JSON");
    let packets = all.as_object().expect("the file is a table");
    packets
        .iter()
        .filter(|(_, packet)| packet.get("message").is_some())
        .map(|(name, packet)| Vector {
            name: name.clone(),
            message: octets(&packet["message"]),
            endpoints: Endpoints::new(address(&packet["source"]), address(&packet["destination"]))
                .expect("both are of one family"),
            frame: octets(&packet["frame"]),
        })
        .collect()
}

/// Returns every VRRP packet of a family.
pub(crate) fn all_over(family: Family) -> Vec<Vector> {
    all().into_iter().filter(|vector| vector.endpoints.family() == family).collect()
}

/// Returns one VRRP packet.
pub(crate) fn vector(name: &str) -> Vector {
    let found = all().into_iter().find(|vector| vector.name == name);
    found.unwrap_or_else(|| panic!("no packet {name}"))
}

/// Returns the Ethernet frame of any packet.
pub(crate) fn frame(name: &str) -> Vec<u8> {
    let all: Value = serde_json::from_str(VECTORS).expect("the file is JSON");
    octets(&all[name]["frame"])
}

fn octets(hex: &Value) -> Vec<u8> {
    let digits = hex.as_str().expect("octets are text").as_bytes();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits are ASCII"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("digits are hexadecimal")).collect()
}

fn address(address: &Value) -> IpAddr {
    address.as_str().and_then(|text| text.parse().ok()).expect("an address")
}

const VECTORS: &str = include_str!("vectors.json");
const ETHERNET_LEN: usize = 14;
