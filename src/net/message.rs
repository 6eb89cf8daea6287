//! Parses the rtnetlink messages about links and addresses.
//!
//! Only the attributes that are needed are parsed: one that a newer kernel writes in another way
//! must not hide a link.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use rtnetlink::packet_core::{NetlinkBuffer, NlaBuffer, NlasIterator};
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::address::{AddressHeader, AddressHeaderFlags};
use rtnetlink::packet_route::link::{LinkFlags, LinkHeader};

use crate::net::{DuplicateDetection, HardwareAddress, KernelEvent, LinkSignal, Macvlan, Tag};
use crate::types::{AddressLabel, AddressLook, Families, Family, VirtualAddress};

/// Parses a message; `None` if it is about something else.
pub(super) fn event(message: &NetlinkBuffer<&[u8]>) -> Option<KernelEvent> {
    let payload = message.payload();
    match message.message_type() {
        libc::RTM_NEWLINK => link_header(payload).map(|header| link(&header, payload)),
        libc::RTM_DELLINK => {
            link_header(payload).map(|header| KernelEvent::LinkGone { index: header.index })
        }
        libc::RTM_NEWADDR => {
            let header = AddressHeader::parse(payload).ok()?;
            let read = read_address(&header, payload)?;
            let secondary = header.flags.contains(AddressHeaderFlags::Secondary);
            let ReadAddress { address, protocol, created, look } = read;
            Some(KernelEvent::Address {
                index: header.index,
                address,
                secondary,
                protocol,
                detection: detection(header.flags),
                created,
                look,
            })
        }
        libc::RTM_DELADDR => {
            let header = AddressHeader::parse(payload).ok()?;
            let address = read_address(&header, payload)?.address;
            Some(KernelEvent::AddressGone { index: header.index, address })
        }
        _ => None,
    }
}

/// Reads the header of a message about a link.
///
/// A message about the port of a bridge looks alike; its "deleted" means that the link has left the
/// bridge.
fn link_header(payload: &[u8]) -> Option<LinkHeader> {
    let header = LinkHeader::parse(payload).ok()?;
    (header.interface_family == AddressFamily::Unspec).then_some(header)
}

fn link(header: &LinkHeader, payload: &[u8]) -> KernelEvent {
    // Running is the operational state: without it, a bond that has no members or a port that still
    // has to authenticate would seem to be up.
    let up = header.flags.contains(LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Running);
    let mut name = String::new();
    let mut hardware = HardwareAddress::None;
    let (mut families, mut mtu) = (Families::ALL, None);
    let (mut parent, mut is_macvlan, mut tag) = (None, false, None);
    for attribute in attributes(payload, LINK_HEADER) {
        match attribute.kind() {
            libc::IFLA_IFNAME => name = text(attribute.value()),
            libc::IFLA_ADDRESS => hardware = hardware_address(attribute.value()),
            libc::IFLA_LINK => parent = attribute.value().try_into().ok().map(u32::from_ne_bytes),
            libc::IFLA_LINKINFO => is_macvlan = is_kind(attribute.value(), b"macvlan"),
            libc::IFLA_IFALIAS => tag = Tag::parse(&text(attribute.value())),
            libc::IFLA_MTU => {
                let octets = attribute.value().try_into().map_or(0, u32::from_ne_bytes);
                let fit = SMALLEST_MTU.into_iter().filter(|(_, smallest)| octets >= *smallest);
                families = fit.map(|(family, _)| family).collect();
                mtu = Some(octets);
            }
            _ => {}
        }
    }
    let is_up = up && families.has(Family::Ipv4);
    let carrier = if is_up { LinkSignal::Up } else { LinkSignal::Down };
    let is_on = header.flags.contains(LinkFlags::Up);
    let macvlan = is_macvlan.then_some(Macvlan { parent, is_on, tag });
    KernelEvent::Link { index: header.index, name, carrier, hardware, families, mtu, macvlan }
}

fn text(octets: &[u8]) -> String {
    let octets = octets.strip_suffix(b"\0").unwrap_or(octets);
    String::from_utf8_lossy(octets).into_owned()
}

/// Tells whether what a message says of the kind of a link names that one.
fn is_kind(information: &[u8], kind: &[u8]) -> bool {
    let mut kinds = attributes(information, 0).filter(|it| it.kind() == IFLA_INFO_KIND);
    kinds.any(|it| it.value().strip_suffix(b"\0").unwrap_or(it.value()) == kind)
}

/// Reads how far the kernel is in finding out whether another host has an address. One that it may
/// use before it knows (RFC 4429) may turn out to be another host's.
fn detection(flags: AddressHeaderFlags) -> DuplicateDetection {
    if flags.contains(AddressHeaderFlags::Dadfailed) {
        DuplicateDetection::Failed
    } else if flags.contains(AddressHeaderFlags::Tentative) {
        DuplicateDetection::UnderWay
    } else {
        DuplicateDetection::Passed
    }
}

fn hardware_address(octets: &[u8]) -> HardwareAddress {
    match <[u8; 6]>::try_from(octets) {
        Ok(mac) => HardwareAddress::Ethernet(mac),
        Err(_) if octets.is_empty() => HardwareAddress::None,
        Err(_) => HardwareAddress::Other(octets.len()),
    }
}

struct ReadAddress {
    address: VirtualAddress,
    protocol: u8,
    created: u32,
    look: AddressLook,
}

fn read_address(header: &AddressHeader, payload: &[u8]) -> Option<ReadAddress> {
    let mut end = None;
    let mut local = None;
    let (mut protocol, mut created) = (0, 0);
    let mut look = AddressLook::default();
    for attribute in attributes(payload, ADDRESS_HEADER) {
        match attribute.kind() {
            libc::IFA_ADDRESS => end = ip(attribute.value()),
            libc::IFA_LOCAL => local = ip(attribute.value()),
            libc::IFA_CACHEINFO => created = created_at(attribute.value()),
            libc::IFA_LABEL => look.label = AddressLabel::new(&text(attribute.value())),
            libc::IFA_BROADCAST => look.broadcast = ipv4(attribute.value()),
            IFA_PROTO => protocol = attribute.value().first().copied().unwrap_or(0),
            _ => {}
        }
    }
    // Of a point-to-point link, `IFA_ADDRESS` is the other end; IPv6 has nothing else.
    let address = VirtualAddress { address: local.or(end)?, prefix: header.prefix_len };
    Some(ReadAddress { address, protocol, created, look })
}

/// Reads the third number of `ifa_cacheinfo`.
fn created_at(octets: &[u8]) -> u32 {
    let created = octets.get(8..).and_then(|rest| rest.first_chunk());
    created.map_or(0, |octets| u32::from_ne_bytes(*octets))
}

/// Returns the attributes after a header, up to the first damaged one.
fn attributes(payload: &[u8], header: usize) -> impl Iterator<Item = NlaBuffer<&[u8]>> {
    NlasIterator::new(payload.get(header..).unwrap_or_default()).map_while(Result::ok)
}

fn ipv4(octets: &[u8]) -> Option<Ipv4Addr> {
    <[u8; 4]>::try_from(octets).ok().map(Ipv4Addr::from)
}

fn ip(octets: &[u8]) -> Option<IpAddr> {
    let v4 = <[u8; 4]>::try_from(octets).map(|octets| Ipv4Addr::from(octets).into());
    v4.or_else(|_| <[u8; 16]>::try_from(octets).map(|octets| Ipv6Addr::from(octets).into())).ok()
}

/// A link with less takes no part in a family: the kernel forgets its addresses and memberships.
const SMALLEST_MTU: [(Family, u32); 2] = [(Family::Ipv4, 68), (Family::Ipv6, 1280)];

const IFLA_INFO_KIND: u16 = 1;
/// Octets of `ifinfomsg`.
const LINK_HEADER: usize = 16;

/// Octets of `ifaddrmsg`.
const ADDRESS_HEADER: usize = 8;

/// Who added an address: since Linux 5.18.
const IFA_PROTO: u16 = 11;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_read_past_attributes_that_nobody_knows() {
        let unknown = [5, 0, 0xff, 0x3f, 1, 0, 0, 0];
        let mac = [10, 0, 1, 0, 2, 0, 0, 0, 0, 7, 0, 0];
        let name = [9, 0, 3, 0, b'e', b't', b'h', b'0', 0, 0, 0, 0];
        let header = link_header_octets(0, 0x1_0041);

        let read = read(16, &[&header[..], &unknown, &mac, &name].concat());

        let (name, carrier) = ("eth0".to_owned(), LinkSignal::Up);
        let hardware = HardwareAddress::Ethernet([2, 0, 0, 0, 0, 7]);
        let (families, mtu, macvlan) = (Families::ALL, None, None);
        let expected =
            KernelEvent::Link { index: 2, name, carrier, hardware, families, mtu, macvlan };
        assert_eq!(read, Some(expected));
    }

    #[test]
    fn a_link_with_too_small_an_mtu_takes_no_part_in_a_family_and_without_ipv4_counts_as_down() {
        let ipv4 = Families::from_iter([Family::Ipv4]);
        let expected = [
            (67_u32, LinkSignal::Down, Families::NONE),
            (68, LinkSignal::Up, ipv4),
            (1279, LinkSignal::Up, ipv4),
            (1280, LinkSignal::Up, Families::ALL),
        ];
        for (octets, signal, all) in expected {
            let attribute = [&[8, 0, 4, 0][..], &octets.to_ne_bytes()].concat();

            let read = read(16, &[&link_header_octets(0, 0x1_0041)[..], &attribute].concat());

            let Some(KernelEvent::Link { carrier, families, mtu, .. }) = read else {
                panic!("{read:?}")
            };
            assert_eq!((carrier, families, mtu), (signal, all, Some(octets)));
        }
    }

    #[test]
    fn a_hardware_address_of_another_length_is_known_for_its_length() {
        let infiniband = [&[24, 0, 1, 0][..], &[0; 20]].concat();

        let read = read(16, &[&link_header_octets(0, 0x1_0041)[..], &infiniband].concat());

        let hardware = HardwareAddress::Other(20);
        assert!(
            matches!(read, Some(KernelEvent::Link { hardware: it, .. }) if it == hardware),
            "{read:?}"
        );
    }

    #[test]
    fn a_macvlan_is_read_with_its_parent_and_its_tag() {
        let parent = [8, 0, 5, 0, 7, 0, 0, 0];
        let kind = [&[20, 0, 18, 0, 12, 0, 1, 0][..], b"macvlan\0", &[4, 0, 2, 0]].concat();
        let alias = b"resty.vrrp arp_ignore=1 arp_announce=0 1a-2f\0\0\0\0";
        let alias = [&[49, 0, 20, 0][..], alias].concat();

        let read = read(16, &[&link_header_octets(0, 0x1)[..], &parent, &kind, &alias].concat());

        let before = crate::net::ArpSettings { ignore: 1, announce: 0 };
        let tag = Some(Tag { place: "1a-2f".to_owned(), before });
        let expected = Macvlan { parent: Some(7), is_on: true, tag };
        let Some(KernelEvent::Link { macvlan, .. }) = read else { panic!("{read:?}") };
        assert_eq!(macvlan, Some(expected));
    }

    #[test]
    fn a_link_is_up_only_with_a_signal_and_an_operational_state() {
        for flags in [0x41, 0x1_0001, 0x1_0040, 0] {
            let read = read(16, &link_header_octets(0, flags));
            assert!(
                matches!(read, Some(KernelEvent::Link { carrier: LinkSignal::Down, .. })),
                "flags {flags:#x}: {read:?}"
            );
        }
    }

    #[test]
    fn a_link_that_leaves_a_bridge_has_not_gone() {
        let bridge = 7;

        assert_eq!(read(17, &link_header_octets(bridge, 0)), None);
        assert_eq!(read(17, &link_header_octets(0, 0)), Some(KernelEvent::LinkGone { index: 2 }));
    }

    #[test]
    fn the_address_of_a_point_to_point_link_is_its_local_one() {
        let header = [2, 32, 0x81, 0, 2, 0, 0, 0];
        let peer = [8, 0, 1, 0, 192, 0, 2, 9];
        let local = [8, 0, 2, 0, 192, 0, 2, 3];
        let cache_info = [20, 0, 6, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0];
        let protocol = [5, 0, 11, 0, 112, 0, 0, 0];
        let label = [11, 0, 3, 0, b'e', b't', b'h', b'0', b':', b'w', 0, 0];
        let broadcast = [8, 0, 4, 0, 192, 0, 2, 255];
        let all = [&header[..], &peer, &local, &cache_info, &protocol, &label, &broadcast];

        let read = read(20, &all.concat());

        let address = VirtualAddress { address: IpAddr::from([192, 0, 2, 3]), prefix: 32 };
        let created = u32::from_ne_bytes([3, 0, 0, 0]);
        let expected = KernelEvent::Address {
            index: 2,
            address,
            secondary: true,
            protocol: 112,
            detection: DuplicateDetection::Passed,
            created,
            look: AddressLook {
                label: AddressLabel::new("eth0:w"),
                broadcast: Some(Ipv4Addr::new(192, 0, 2, 255)),
            },
        };
        assert_eq!(read, Some(expected));
    }

    #[test]
    fn an_ipv6_address_is_read_with_what_is_known_of_duplicates() {
        for (flags, expected) in [
            (0x80, DuplicateDetection::Passed),
            (0x20, DuplicateDetection::Passed),
            (0xc0, DuplicateDetection::UnderWay),
            (0xc8, DuplicateDetection::Failed),
        ] {
            let header = [10, 64, flags, 253, 2, 0, 0, 0];
            let address = [&[20, 0, 1, 0, 0xfe, 0x80][..], &[0; 13], &[1]].concat();

            let read = read(20, &[&header[..], &address].concat());

            let Some(KernelEvent::Address { detection, address, .. }) = read else {
                panic!("{read:?}")
            };
            assert_eq!((detection, address.to_string().as_str()), (expected, "fe80::1/64"));
        }
    }

    #[test]
    fn damaged_messages_are_nothing() {
        assert_eq!(read(16, &[0; 15]), None);
        assert_eq!(read(20, &[0; 7]), None);
        assert_eq!(read(20, &[2, 24, 0, 0, 2, 0, 0, 0, 8, 0, 2]), None);
        assert_eq!(read(99, &[]), None);
    }

    fn link_header_octets(family: u8, flags: u32) -> [u8; LINK_HEADER] {
        let mut header = [0; LINK_HEADER];
        header[0] = family;
        header[4] = 2;
        header[8..12].copy_from_slice(&flags.to_ne_bytes());
        header
    }

    fn read(message_type: u16, payload: &[u8]) -> Option<KernelEvent> {
        let length = u32::try_from(16 + payload.len()).unwrap();
        let mut message = length.to_ne_bytes().to_vec();
        message.extend_from_slice(&message_type.to_ne_bytes());
        message.extend_from_slice(&[0; 10]);
        message.extend_from_slice(payload);
        event(&NetlinkBuffer::new_checked(message.as_slice()).unwrap())
    }
}
