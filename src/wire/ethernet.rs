//! The header of Ethernet around a datagram.

use super::ip::Endpoints;
use crate::types::MacAddress;

/// Returns the header of Ethernet that a datagram to a group is sent with, from a hardware address;
/// `None` if it is sent to a single host, whose hardware address only the kernel knows.
#[must_use]
pub fn header(source: MacAddress, endpoints: Endpoints) -> Option<[u8; HEADER]> {
    let (destination, kind) = match endpoints {
        // RFC 1112 §6.4: the lower 23 bits of the group.
        Endpoints::V4 { destination, .. } if destination.is_multicast() => {
            let [_, b, c, d] = destination.octets();
            ([0x01, 0x00, 0x5e, b & 0x7f, c, d], IPV4)
        }
        // RFC 2464 §7: its lower 32 bits.
        Endpoints::V6 { destination, .. } if destination.is_multicast() => {
            let [.., a, b, c, d] = destination.octets();
            ([0x33, 0x33, a, b, c, d], IPV6)
        }
        Endpoints::V4 { .. } | Endpoints::V6 { .. } => return None,
    };
    let mut header = [0; HEADER];
    header[..6].copy_from_slice(&destination);
    header[6..12].copy_from_slice(&source);
    header[12..].copy_from_slice(&kind.to_be_bytes());
    Some(header)
}

/// Octets of the header.
const HEADER: usize = 14;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_a_hardware_address_of_its_own_and_a_host_does_not() {
        let source = [0, 0, 0x5e, 0, 1, 51];
        let header = |from: &str, to: &str| {
            let endpoints = Endpoints::new(from.parse().unwrap(), to.parse().unwrap()).unwrap();
            header(source, endpoints)
        };

        let ipv4 = [1, 0, 0x5e, 0, 0, 18, 0, 0, 0x5e, 0, 1, 51, 8, 0];
        assert_eq!(header("192.0.2.1", "224.0.0.18"), Some(ipv4));
        let ipv6 = [0x33, 0x33, 0, 0, 0, 0x12, 0, 0, 0x5e, 0, 1, 51, 0x86, 0xdd];
        assert_eq!(header("fe80::1", "ff02::12"), Some(ipv6));
        assert_eq!(header("192.0.2.1", "192.0.2.2"), None);
    }
}
