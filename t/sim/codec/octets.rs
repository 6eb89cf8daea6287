//! Golden packets, and how to make bad ones of them.

use std::sync::LazyLock;

use serde_json::Value;

use crate::packet::sum;

/// Returns the VRRP message of a golden packet.
pub(super) fn message(name: &str) -> Vec<u8> {
    golden(name, "message")
}

/// Returns a golden packet as a raw socket gives it: all that follows the Ethernet header.
pub(super) fn datagram(name: &str) -> Vec<u8> {
    golden(name, "frame").split_off(14)
}

/// Returns a golden packet with a message that was changed, and its checksum and lengths mended.
pub(super) fn changed(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut message = message(name);
    change(&mut message);
    message[6..8].fill(0);
    let sum = !sum(&[&message]);
    message[6..8].copy_from_slice(&sum.to_be_bytes());
    carried(name, &message)
}

/// Returns a message in the IP header of a golden packet, with its lengths mended.
pub(super) fn carried(name: &str, message: &[u8]) -> Vec<u8> {
    let mut datagram = datagram(name)[..20].to_vec();
    let total_len = u16::try_from(20 + message.len()).expect("it is short");
    datagram[2..4].copy_from_slice(&total_len.to_be_bytes());
    datagram.extend(message);
    datagram
}

fn golden(name: &str, part: &str) -> Vec<u8> {
    let digits =
        VECTORS[name][part].as_str().unwrap_or_else(|| panic!("no packet {name}")).as_bytes();
    let pairs = digits.chunks(2).map(|pair| std::str::from_utf8(pair).expect("digits are ASCII"));
    pairs.map(|pair| u8::from_str_radix(pair, 16).expect("digits are hexadecimal")).collect()
}

static VECTORS: LazyLock<Value> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../wire/vectors.json")).expect("the file is JSON")
});
