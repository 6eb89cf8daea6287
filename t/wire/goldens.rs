//! Golden packets, read and written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use resty_vrrp::types::{
    Centiseconds, ChecksumForm, ChecksumPolicy, Family, GROUP_IPV4, Ipv6Role, Priority,
    SimplePassword, TrailingOctets, Version, VirtualAddress, Vrid,
};
use resty_vrrp::wire::advertisement::{Accept, Advertisement, Auth, Outgoing, ParseError};
use resty_vrrp::wire::ip::{Datagram, Enclosed, Endpoints, Envelope};
use resty_vrrp::wire::{arp, checksum, ndisc};

use crate::vectors::{ANYTHING, Vector, all_over, frame, vector};

/// What a golden packet says.
struct Golden {
    name: &'static str,
    version: Version,
    vrid: u8,
    priority: u8,
    centiseconds: u16,
    password: Option<&'static [u8; 8]>,
    addresses: &'static [IpAddr],
    checksum: Option<ChecksumForm>,
}

/// RFC 9568 §5.2 and RFC 3768 §5.3: every field is where the drawings have it.
#[test]
fn every_field_of_a_golden_packet_is_read() {
    for golden in GOLDENS {
        let vector = vector(golden.name);

        let read = Advertisement::parse(&vector.message, vector.endpoints, ANYTHING);

        let read = read.unwrap_or_else(|error| panic!("{}: {error}", golden.name));
        assert_eq!(read.version, golden.version, "{}", golden.name);
        assert_eq!(read.vrid, golden.vrid, "{}", golden.name);
        assert_eq!(read.priority.get(), golden.priority, "{}", golden.name);
        let centiseconds = read.adver_interval.map(Centiseconds::get);
        assert_eq!(centiseconds, Some(golden.centiseconds), "{}", golden.name);
        assert_eq!(read.auth, golden.auth(), "{}", golden.name);
        assert!(read.addresses().eq(golden.addresses.iter().copied()), "{}", golden.name);
        assert_eq!(read.checksum, golden.checksum, "{}", golden.name);
    }
}

/// RFC 9568 §5.2 and RFC 3768 §5.3; the reserved bits "MUST be set to zero on transmission".
#[test]
fn every_golden_packet_is_written_octet_for_octet() {
    for golden in GOLDENS.iter().filter(|golden| golden.name != "P8") {
        let vector = vector(golden.name);

        let written = golden.written(vector.endpoints);

        assert_eq!(written, vector.message, "{}", golden.name);
    }

    let golden = GOLDENS.iter().find(|golden| golden.name == "P8").expect("it is there");
    let mut expected = vector("P8").message;
    expected[4] &= 0x0f;
    expected[6] = 0xfa;
    assert_eq!(golden.written(vector("P8").endpoints), expected);
}

/// RFC 9568 §5.1.1: TTL 255, protocol 112.
#[test]
fn the_ip_header_is_that_of_the_golden_packets() {
    for name in ["P1", "P2", "P5", "P8"] {
        let vector = vector(name);
        let envelope = Envelope { endpoints: vector.endpoints, hop_limit: 255 };

        let written = Datagram { envelope, payload: &vector.message }.header();
        let written = written.as_ref();

        assert!(checksum::is_intact(&[written]), "{name}");
        let mut expected = vector.datagram()[..20].to_vec();
        expected[4..6].copy_from_slice(&[0, 0]);
        expected[10..12].copy_from_slice(&written[10..12]);
        assert_eq!(written, expected, "{name}");
    }
}

/// RFC 791 §3.1: Internet Header Length and Total Length say where the payload is.
#[test]
fn the_payload_is_found_behind_options_and_before_padding() {
    for vector in all_over(Family::Ipv4).iter().filter(|vector| vector.name != "AH1") {
        let datagram = Datagram::parse_ipv4(vector.datagram()).expect("it is whole");

        assert_eq!(datagram.payload, vector.message, "{}", vector.name);
        let hop_limit = if vector.name == "N8" { 254 } else { 255 };
        let envelope = Envelope { endpoints: vector.endpoints, hop_limit };
        assert_eq!(datagram.envelope, envelope, "{}", vector.name);
    }
}

/// RFC 9568 §5.1.1.4: the protocol number of VRRP is 112.
#[test]
fn a_datagram_of_another_protocol_is_malformed() {
    assert!(Datagram::parse_ipv4(vector("AH1").datagram()).is_err());
}

/// RFC 8200 §3, RFC 9568 §5.1.2: Hop Limit 255, Next Header 112.
#[test]
fn the_ipv6_header_is_that_of_the_golden_packets_and_is_read_back() {
    for vector in all_over(Family::Ipv6) {
        let hop_limit = if vector.name == "N11" { 64 } else { 255 };
        let envelope = Envelope { endpoints: vector.endpoints, hop_limit };
        let datagram = Datagram { envelope, payload: &vector.message };

        let read = Datagram::parse_with(vector.datagram());

        assert_eq!(read, Ok((Enclosed::Plain, datagram)), "{}", vector.name);
        assert_eq!(datagram.header().as_ref(), &vector.datagram()[..40], "{}", vector.name);
    }
}

/// RFC 8200 §3: Payload Length is behind the header.
#[test]
fn an_ipv6_datagram_that_is_cut_or_carries_something_else_is_malformed() {
    let golden = vector("P9");
    let whole = golden.datagram();
    for length in 0..whole.len() {
        assert!(Datagram::parse_with(&whole[..length]).is_err(), "{length}");
    }
    for next_header in [0, 17, 44, 60] {
        let mut other = whole.to_vec();
        other[6] = next_header;
        assert!(Datagram::parse_with(&other).is_err(), "{next_header}");
    }
}

/// RFC 791 §3.1: the version is 4, and the shortest header has five words of 32 bits.
#[test]
fn a_header_of_another_version_or_too_short_to_be_one_is_malformed() {
    let golden = vector("P5");
    for version_ihl in [0x55, 0x65, 0x44, 0x40] {
        let mut datagram = golden.datagram().to_vec();
        datagram[0] = version_ihl;

        assert!(Datagram::parse_ipv4(&datagram).is_err(), "{version_ihl:#04x}");
    }
}

/// RFC 9568 §7.1 and RFC 3768 §7.1: what the octets alone can show.
#[test]
fn every_bad_packet_fails_the_check_it_was_made_for() {
    for (name, expected) in [
        ("N2", ParseError::Length),
        ("N3", ParseError::Type),
        ("N4", ParseError::Version),
        ("N7", ParseError::Checksum),
        ("N10", ParseError::Length),
        ("N12", ParseError::Length),
        ("P12", ParseError::Checksum),
    ] {
        assert_eq!(read_anything(&vector(name)).err(), Some(expected), "{name}");
    }
}

/// RFC 9568 §5.2.5 and erratum 8301: such values are well formed; the router must not heed them.
#[test]
fn no_addresses_and_no_interval_are_told_and_unknown_authentication_too() {
    let (empty, instant, unknown) = (vector("N1"), vector("N5"), vector("N9"));

    assert_eq!(read_anything(&empty).expect("it is well formed").addresses().len(), 0);
    assert_eq!(read_anything(&instant).expect("it is well formed").adver_interval, None);
    let auth = read_anything(&unknown).expect("it is well formed").auth;
    assert_eq!(auth.map(|auth| auth.kind), Some(9));
}

/// RFC 5798 §5.2.8: the pseudo-header has the destination of the datagram, even if that is a host.
#[test]
fn a_pseudo_header_covers_the_real_destination() {
    let (real, group) = (vector("P11"), vector("P12"));
    let to_the_group = Endpoints::new(group.endpoints.source(), GROUP_IPV4.into());
    let to_the_group = to_the_group.expect("both are of one family");

    assert!(read_anything(&real).is_ok());
    assert!(Advertisement::parse(&real.message, to_the_group, ANYTHING).is_err());
    assert!(Advertisement::parse(&group.message, to_the_group, ANYTHING).is_ok());
}

/// RFC 9568 §5.2.8: over IPv6 the checksum covers the pseudo-header of RFC 8200 §8.1, whatever is
/// chosen for IPv4.
#[test]
fn over_ipv6_there_is_one_form_of_checksum() {
    for name in ["P9", "P10"] {
        for form in [ChecksumForm::Message, ChecksumForm::PseudoHeader] {
            let mut vector = vector(name);
            let accept = Accept { checksum: ChecksumPolicy::Only(form), ..ANYTHING };
            let read = Advertisement::parse(&vector.message, vector.endpoints, accept);
            assert_eq!(read.expect("the sum is right").checksum, None, "{name}");

            vector.message[6..8].fill(0);
            let of_the_message = checksum::checksum(&[&vector.message]).to_be_bytes();
            vector.message[6..8].copy_from_slice(&of_the_message);

            let read = Advertisement::parse(&vector.message, vector.endpoints, accept);
            assert_eq!(read.err(), Some(ParseError::Checksum), "{name}");
        }
    }
}

/// RFC 3768 §1.3: version 2 is for IPv4 only.
#[test]
fn version_2_is_unknown_over_ipv6() {
    let (v2, v6) = (vector("P1"), vector("P9"));

    let read = Advertisement::parse(&v2.message, v6.endpoints, ANYTHING);

    assert_eq!(read.err(), Some(ParseError::Version));
}

/// RFC 9568 §5.2.9: a message carries addresses of one family, that of its datagram.
#[test]
fn addresses_of_the_other_family_are_not_written() {
    let mixed = [VIP_GLOBAL, VIP, VIP_LINK_LOCAL, VIP_9].map(virtual_address);

    for (name, expected) in [("P5", [VIP, VIP_9]), ("P9", [VIP_GLOBAL, VIP_LINK_LOCAL])] {
        let endpoints = vector(name).endpoints;
        let mut message = Vec::new();
        V3.outgoing(&mixed).emit(endpoints, &mut message);

        let read = Advertisement::parse(&message, endpoints, ANYTHING).expect("it is well formed");
        assert!(read.addresses().eq(expected), "{name}");
    }
}

/// A datagram goes from one address to another of the same family.
#[test]
fn endpoints_are_of_one_family() {
    assert_eq!(Endpoints::new(VIP, VIP_GLOBAL), None);
    assert_eq!(Endpoints::new(VIP_GLOBAL, VIP), None);
}

/// RFC 9568 §5.2.8, and RFC 5798 as deployed: which sums are good is the operator's choice.
#[test]
fn a_strict_checksum_policy_refuses_the_other_form() {
    let forms = [("P5", ChecksumForm::Message), ("P6", ChecksumForm::PseudoHeader)];
    for (name, form) in forms {
        let vector = vector(name);
        for (_, wanted) in forms {
            let accept = Accept { checksum: ChecksumPolicy::Only(wanted), ..ANYTHING };

            let read = Advertisement::parse(&vector.message, vector.endpoints, accept);

            assert_eq!(read.is_ok(), form == wanted, "{name}, accepting {wanted:?}");
        }
    }
}

/// RFC 1071: adding nothing changes nothing, so that a peer may be heard in both forms at once.
#[test]
fn a_form_that_cannot_be_told_is_not_guessed() {
    let mut vector = vector("P5");
    let source = IpAddr::V4(Ipv4Addr::new(10, 0, 21, 109));
    vector.endpoints = Endpoints::new(source, GROUP_IPV4.into()).expect("both are of one family");

    for policy in [
        ChecksumPolicy::Auto,
        ChecksumPolicy::Only(ChecksumForm::Message),
        ChecksumPolicy::Only(ChecksumForm::PseudoHeader),
    ] {
        let accept = Accept { checksum: policy, ..ANYTHING };
        let read = Advertisement::parse(&vector.message, vector.endpoints, accept);
        assert_eq!(read.expect("the sum is right").checksum, None);
    }
}

/// RFC 1071 §1: 0x0000 and 0xffff are both zero in ones' complement.
#[test]
fn a_checksum_of_zero_is_sent_as_zero_and_heard_in_both_shapes() {
    let mut vector = vector("Z1");
    assert_eq!(vector.message[6..8], [0, 0]);
    assert!(read_anything(&vector).is_ok());

    vector.message[6..8].copy_from_slice(&[0xff, 0xff]);

    assert!(read_anything(&vector).is_ok());
}

/// RFC 9568 §7.1: octets that no checksum covers are refused unless the operator says otherwise.
#[test]
fn trailing_octets_are_refused_unless_they_are_to_be_ignored() {
    for name in ["P1", "P5", "P6"] {
        let mut vector = vector(name);
        vector.message.extend([0xee; 28]);
        assert_eq!(read_anything(&vector).err(), Some(ParseError::Length), "{name}");

        let accept = Accept { trailing_octets: TrailingOctets::Ignore, ..ANYTHING };
        let read = Advertisement::parse(&vector.message, vector.endpoints, accept);

        assert!(read.is_ok(), "{name}");
    }
}

/// RFC 9568 §8.1.2: an Active router broadcasts a gratuitous ARP for each address.
#[test]
fn an_announcement_is_the_golden_frame() {
    let mac = [0x00, 0x00, 0x5e, 0x00, 0x01, 0x0a];

    assert_eq!(arp::gratuitous(mac, Ipv4Addr::new(192, 0, 2, 1)).to_vec(), frame("G1"));
}

/// RFC 9568 §8.2.2 and RFC 4861 §7.2.6.
#[test]
fn a_neighbor_advertisement_is_the_golden_frame() {
    let mac = [0x00, 0x00, 0x5e, 0x00, 0x02, 0x01];
    for (name, address) in [("G5", VIP_LINK_LOCAL), ("G6", VIP_GLOBAL)] {
        let IpAddr::V6(address) = address else { panic!("it is of IPv6") };

        assert_eq!(ndisc::unsolicited(mac, address, Ipv6Role::Router).to_vec(), frame(name));

        let of_a_host = ndisc::unsolicited(mac, address, Ipv6Role::Host);
        assert_eq!(of_a_host[58], 0x20, "it overrides, and is no router");
        let pseudo_header = [&of_a_host[22..54], &[0, 0, 0, 32, 0, 0, 0, 58]].concat();
        assert!(checksum::is_intact(&[&pseudo_header, &of_a_host[54..]]));
    }
}

/// RFC 9568 §5.2.7 and RFC 3768 §5.3.7: twelve bits of hundredths, eight bits of seconds.
#[test]
fn an_interval_that_does_not_fit_is_written_as_the_longest_or_shortest_that_does() {
    for (base, centiseconds, expected) in
        [(V3, u16::MAX, [0x0f, 0xff]), (V2, u16::MAX, [0, 255]), (V2, 50, [0, 1])]
    {
        let message = Golden { centiseconds, ..base }.written(vector("P1").endpoints);

        assert_eq!(message[4..6], expected, "{centiseconds}");
    }
}

/// RFC 1071 §4.1: an odd octet counts as if a zero followed, wherever the parts are cut.
#[test]
fn a_sum_does_not_depend_on_how_its_octets_are_cut() {
    let octets: Vec<u8> = (0..=254).collect();
    let whole = checksum::sum(&[&octets]);

    for cut in 0..=octets.len() {
        let (front, back) = octets.split_at(cut);
        assert_eq!(checksum::sum(&[front, back]), whole, "cut at {cut}");
    }
    assert_eq!(checksum::sum(&[&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]]), 0xddf2);
}

/// RFC 9568 §5.2.5: the count has eight bits.
#[test]
fn no_more_than_255_addresses_are_written() {
    let golden = GOLDENS.iter().find(|golden| golden.name == "P5").expect("it is there");
    let addresses = vec![virtual_address(VIP); 256];
    let outgoing = Outgoing { addresses: &addresses, ..golden.outgoing(&[]) };
    let vector = vector("P5");

    let mut message = Vec::new();
    outgoing.emit(vector.endpoints, &mut message);

    assert_eq!(message.len(), 8 + 255 * 4);
    let read = Advertisement::parse(&message, vector.endpoints, ANYTHING);
    assert_eq!(read.expect("it is well formed").addresses().len(), 255);
}

fn read_anything(vector: &Vector) -> Result<Advertisement<'_>, ParseError> {
    Advertisement::parse(&vector.message, vector.endpoints, ANYTHING)
}

fn virtual_address(address: IpAddr) -> VirtualAddress {
    VirtualAddress { address, prefix: 24 }
}

impl Golden {
    fn auth(&self) -> Option<Auth> {
        let auth = match self.password {
            Some(&data) => Auth { kind: Auth::SIMPLE, data },
            None => Auth { kind: Auth::NONE, data: [0; 8] },
        };
        (self.version == Version::V2).then_some(auth)
    }

    fn outgoing<'a>(&self, addresses: &'a [VirtualAddress]) -> Outgoing<'a> {
        Outgoing {
            version: self.version,
            vrid: Vrid::new(self.vrid).expect("it is not 0"),
            priority: Priority::new(self.priority),
            adver_interval: Centiseconds::new(self.centiseconds).expect("it is not 0"),
            auth: self.password.map(|&password| SimplePassword(password)),
            addresses,
            checksum: self.checksum.unwrap_or(ChecksumForm::PseudoHeader),
        }
    }

    fn written(&self, endpoints: Endpoints) -> Vec<u8> {
        let addresses: Vec<_> = self.addresses.iter().copied().map(virtual_address).collect();
        let mut written = Vec::new();
        self.outgoing(&addresses).emit(endpoints, &mut written);
        written
    }
}

const VIP: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const VIP_9: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 9));
const VIP_144: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 144));
const VIP_OTHER_NET: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 1));
const VIP_LINK_LOCAL: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
const VIP_GLOBAL: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1));

const V2: Golden = Golden {
    name: "P1",
    version: Version::V2,
    vrid: 1,
    priority: 100,
    centiseconds: 100,
    password: None,
    addresses: &[VIP],
    checksum: None,
};

const V3: Golden = Golden {
    name: "P5",
    version: Version::V3,
    vrid: 10,
    priority: 200,
    centiseconds: 100,
    password: None,
    addresses: &[VIP, VIP_9],
    checksum: Some(ChecksumForm::Message),
};

const OVER_IPV6: Golden = Golden {
    name: "P9",
    version: Version::V3,
    vrid: 1,
    priority: 100,
    centiseconds: 100,
    password: None,
    addresses: &[VIP_LINK_LOCAL, VIP_GLOBAL],
    checksum: None,
};

const GOLDENS: &[Golden] = &[
    V2,
    Golden {
        name: "P2",
        vrid: 7,
        priority: 255,
        centiseconds: 300,
        addresses: &[VIP, VIP_OTHER_NET],
        ..V2
    },
    Golden { name: "P3", priority: 0, ..V2 },
    Golden { name: "P4", vrid: 51, priority: 150, password: Some(b"secret\0\0"), ..V2 },
    Golden { name: "F2", ..V2 },
    V3,
    Golden { name: "F1", ..V3 },
    Golden { name: "P6", checksum: Some(ChecksumForm::PseudoHeader), ..V3 },
    Golden { name: "P7", priority: 0, centiseconds: 10, addresses: &[VIP], ..V3 },
    Golden { name: "P8", vrid: 255, priority: 1, centiseconds: 4095, addresses: &[VIP], ..V3 },
    Golden {
        name: "P11",
        vrid: 20,
        priority: 120,
        addresses: &[VIP],
        checksum: Some(ChecksumForm::PseudoHeader),
        ..V3
    },
    Golden { name: "F3", priority: 100, addresses: &[VIP], ..V3 },
    Golden { name: "Z1", priority: 12, addresses: &[VIP_144], ..V3 },
    OVER_IPV6,
    Golden { name: "P10", priority: 255, addresses: &[VIP_LINK_LOCAL], ..OVER_IPV6 },
    Golden { name: "P13", priority: 0, ..OVER_IPV6 },
    Golden { name: "N6", addresses: &[VIP_GLOBAL, VIP_LINK_LOCAL], ..OVER_IPV6 },
    Golden { name: "N11", ..OVER_IPV6 },
];
