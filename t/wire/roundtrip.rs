//! What is written is read back as it was meant.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use resty_vrrp::types::{
    Centiseconds, ChecksumForm, Family, Priority, SimplePassword, Version, VirtualAddress, Vrid,
};
use resty_vrrp::wire::advertisement::{Advertisement, Auth, Outgoing};
use resty_vrrp::wire::ip::{Datagram, Enclosed, Endpoints, Envelope};

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
        addresses in vec(any::<IpAddr>(), 0..=255),
        checksum in checksum_form(),
        endpoints in endpoints(),
    ) {
        let family = endpoints.family();
        let version = if family == Family::Ipv6 { Version::V3 } else { version };
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

        let mut message = Vec::new();
        outgoing.emit(endpoints, &mut message);

        let read = Advertisement::parse(&message, endpoints, ANYTHING);
        let read = read.expect("it is well formed");
        prop_assert_eq!((read.version, read.vrid), (version, vrid));
        prop_assert_eq!(read.priority.get(), priority);
        prop_assert_eq!(read.adver_interval, Some(outgoing.adver_interval));
        prop_assert_eq!(read.auth, auth(version, password));
        let of_the_family = addresses.into_iter().filter(|&address| Family::of(address) == family);
        prop_assert!(read.addresses().eq(of_the_family));
        if let Some(form) = read.checksum {
            prop_assert_eq!((version, form), (Version::V3, checksum));
        }
    }

    /// RFC 791 §3.1 and RFC 8200 §3.
    #[test]
    fn the_payload_of_every_datagram_is_read_as_it_was_written(
        endpoints in endpoints(),
        hop_limit: u8,
        payload in vec(any::<u8>(), 0..=2048),
    ) {
        let envelope = Envelope { endpoints, hop_limit };
        let sent = Datagram { envelope, payload: &payload };
        let octets = [sent.header().as_ref(), &payload, &[0x55; 18]].concat();

        let received = Datagram::parse_with(&octets);

        prop_assert_eq!(received, Ok((Enclosed::Plain, sent)));
    }
}

fn endpoints() -> impl Strategy<Value = Endpoints> {
    let v4 = any::<[Ipv4Addr; 2]>();
    let v6 = any::<[Ipv6Addr; 2]>();
    prop_oneof![
        v4.prop_map(|[source, destination]| Endpoints::V4 { source, destination }),
        v6.prop_map(|[source, destination]| Endpoints::V6 { source, destination }),
    ]
}

fn version() -> impl Strategy<Value = Version> {
    prop_oneof![Just(Version::V2), Just(Version::V3)]
}

fn checksum_form() -> impl Strategy<Value = ChecksumForm> {
    prop_oneof![Just(ChecksumForm::Message), Just(ChecksumForm::PseudoHeader)]
}

fn virtual_address(address: IpAddr) -> VirtualAddress {
    VirtualAddress { address, prefix: 32 }
}

fn auth(version: Version, password: Option<[u8; 8]>) -> Option<Auth> {
    let auth = match password {
        Some(data) => Auth { kind: Auth::SIMPLE, data },
        None => Auth { kind: Auth::NONE, data: [0; 8] },
    };
    (version == Version::V2).then_some(auth)
}
