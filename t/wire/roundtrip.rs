//! What is written is read back as it was meant.

use std::net::Ipv4Addr;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use resty_vrrp::types::{
    Centiseconds, ChecksumForm, Priority, SimplePassword, Version, VirtualAddress, Vrid,
};
use resty_vrrp::wire::advertisement::{Advertisement, Auth, Outgoing};
use resty_vrrp::wire::ip::{Ipv4Datagram, Ipv4Header, PseudoHeader};

use crate::vectors::ANYTHING;

proptest! {
    // What fails is printed whole; a file of seeds beside the tests would add nothing.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// RFC 9568 §5.2 and RFC 3768 §5.3.
    #[test]
    fn every_advertisement_is_read_as_it_was_written(
        version in version(),
        vrid in 1u8..,
        priority: u8,
        units in 1u16..4096,
        password in option::of(any::<[u8; 8]>()),
        addresses in vec(any::<Ipv4Addr>(), 0..=255),
        checksum in checksum_form(),
        source: Ipv4Addr,
        destination: Ipv4Addr,
    ) {
        let centiseconds = match version {
            Version::V2 => units.min(255) * 100,
            Version::V3 => units,
        };
        let carried: Vec<_> = addresses.iter().copied().map(virtual_address).collect();
        let outgoing = Outgoing {
            version,
            vrid: Vrid::new(vrid).expect("it is not 0"),
            priority: Priority::new(priority),
            adver_interval: Centiseconds::new(centiseconds).expect("it is not 0"),
            auth: password.map(SimplePassword),
            addresses: &carried,
            checksum,
        };
        let pseudo_header = PseudoHeader { source, destination };

        let mut datagram = Vec::new();
        Ipv4Header { source, destination, payload_len: outgoing.wire_len() }.emit(&mut datagram);
        outgoing.emit(pseudo_header, &mut datagram);
        datagram.extend([0x55; 18]);

        let heard = Ipv4Datagram::parse(&datagram).expect("it is whole");
        prop_assert_eq!(heard.pseudo_header(), pseudo_header);
        let read = Advertisement::parse(heard.payload, pseudo_header, ANYTHING);
        let read = read.expect("it is well formed");
        prop_assert_eq!((read.version, read.vrid), (version, vrid));
        prop_assert_eq!(read.priority.get(), priority);
        prop_assert_eq!(read.adver_interval, Some(outgoing.adver_interval));
        prop_assert_eq!(read.auth, auth(version, password));
        prop_assert!(read.addresses().eq(addresses));
        if let Some(form) = read.checksum {
            prop_assert_eq!((version, form), (Version::V3, checksum));
        }
    }
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V2), Just(Version::V3)]
}

fn checksum_form() -> impl Strategy<Value = ChecksumForm> {
    prop_oneof![Just(ChecksumForm::Message), Just(ChecksumForm::PseudoHeader)]
}

fn virtual_address(address: Ipv4Addr) -> VirtualAddress {
    VirtualAddress { address: address.into(), prefix: 32 }
}

fn auth(version: Version, password: Option<[u8; 8]>) -> Option<Auth> {
    let auth = match password {
        Some(data) => Auth { kind: Auth::SIMPLE, data },
        None => Auth { kind: Auth::NONE, data: [0; 8] },
    };
    (version == Version::V2).then_some(auth)
}
