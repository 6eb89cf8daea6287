//! Unsolicited neighbor advertisement: "this address is here now".

use std::net::Ipv6Addr;

use super::checksum;
use crate::types::Ipv6Role;

/// Octets of the Ethernet frame of a neighbor advertisement with its option.
pub const FRAME_LEN: usize = 86;

/// Returns the Ethernet frame that says to all: `address` is at `mac` (RFC 9568 §8.2.2, RFC 4861
/// §7.2.6).
///
/// It goes from the address itself to all nodes (`ff02::1`), with a hop limit of 255. Behind the
/// Ethernet header and that of IPv6 (RFC 4861 §4.4 and §4.6.1):
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |   type: 136   |    code: 0    |           checksum            |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |R|S|O|                        reserved                         |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                 target: address, 16 octets …                  |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |    type: 2    |   length: 1   |             mac …             |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |                               …                               |
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
///
/// O has whoever knows the address replace what it knew. S is clear: nobody asked. R says whether
/// it is a router: whoever takes it for a default router drops it as such when R is clear.
#[must_use]
pub fn unsolicited(mac: [u8; 6], address: Ipv6Addr, role: Ipv6Role) -> [u8; FRAME_LEN] {
    let mut frame = [0; FRAME_LEN];
    frame[0..6].copy_from_slice(&MAC_OF_ALL_NODES);
    frame[6..12].copy_from_slice(&mac);
    frame[12..14].copy_from_slice(&ETHERTYPE_IPV6);
    frame[14] = VERSION_6;
    frame[18..20].copy_from_slice(&MESSAGE_LEN.to_be_bytes());
    frame[20] = ICMPV6;
    frame[21] = HOP_LIMIT;
    frame[22..38].copy_from_slice(&address.octets());
    frame[38..54].copy_from_slice(&ALL_NODES.octets());
    frame[54] = NEIGHBOR_ADVERTISEMENT;
    frame[58] = match role {
        Ipv6Role::Host => OVERRIDE,
        Ipv6Role::Router => OVERRIDE | ROUTER,
    };
    frame[62..78].copy_from_slice(&address.octets());
    frame[78..80].copy_from_slice(&TARGET_LINK_LAYER_ADDRESS);
    frame[80..86].copy_from_slice(&mac);
    // The pseudo-header of RFC 8200 §8.1: both addresses, then the length and the protocol.
    let pseudo_header = [&frame[22..54], &[0, 0], &MESSAGE_LEN.to_be_bytes(), &[0, 0, 0, ICMPV6]];
    let sum = checksum::checksum(&[&pseudo_header.concat(), &frame[54..]]);
    frame[56..58].copy_from_slice(&sum.to_be_bytes());
    frame
}

const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
const MAC_OF_ALL_NODES: [u8; 6] = [0x33, 0x33, 0, 0, 0, 1];
const ETHERTYPE_IPV6: [u8; 2] = [0x86, 0xdd];
const VERSION_6: u8 = 0x60;
const ICMPV6: u8 = 58;
const HOP_LIMIT: u8 = 255;
const NEIGHBOR_ADVERTISEMENT: u8 = 136;
const ROUTER: u8 = 0x80;
const OVERRIDE: u8 = 0x20;
/// An option of 8 octets.
const TARGET_LINK_LAYER_ADDRESS: [u8; 2] = [2, 1];
const MESSAGE_LEN: u16 = 32;
