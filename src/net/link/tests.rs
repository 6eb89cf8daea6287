//! Tables of links, fed by hand.

use std::net::{IpAddr, Ipv4Addr};

use super::*;
use crate::net::samples::{link, parse};
use crate::types::{Family, NoLinkLocal, Sources};

#[test]
fn the_primary_address_is_the_first_that_is_not_virtual() {
    let mut links = links(&[link(2, "eth0")]);

    links.handle(address(2, "192.0.2.100/24", false));
    links.handle(address(2, "192.0.2.7/24", true));
    links.handle(address(2, "192.0.2.3/24", true));

    assert_eq!(primary(&links), Some(Ipv4Addr::new(192, 0, 2, 7)));
}

#[test]
fn a_first_address_is_preferred_to_a_secondary_one() {
    let mut links = links(&[link(2, "eth0")]);

    links.handle(address(2, "192.0.2.7/24", true));
    links.handle(address(2, "198.51.100.3/24", false));

    assert_eq!(primary(&links), Some(Ipv4Addr::new(198, 51, 100, 3)));
}

#[test]
fn hearing_of_an_address_again_does_not_change_its_turn() {
    let mut links = links(&[link(2, "eth0")]);
    links.handle(address(2, "192.0.2.3/24", false));
    links.handle(address(2, "198.51.100.3/24", false));

    links.handle(address(2, "192.0.2.3/24", false));

    assert_eq!(primary(&links), Some(Ipv4Addr::new(192, 0, 2, 3)));
}

#[test]
fn a_link_made_again_under_another_index_starts_without_addresses() {
    let mut links = links(&[link(2, "eth0"), address(2, "192.0.2.3/24", false)]);

    links.handle(KernelEvent::LinkGone { index: 2 });
    assert!(links.named(&eth0()).is_none());
    links.handle(link(5, "eth0"));

    let (index, link) = links.named(&eth0()).unwrap();
    assert_eq!(index, 5);
    assert!(link.addresses().is_empty());
}

#[test]
fn a_link_that_is_made_anew_under_its_index_is_of_another_generation() {
    let mut links = links(&[link(2, "eth0"), link(3, "eth1")]);
    let generation = |links: &Links| links.at(2).unwrap().generation();
    let mut seen = vec![generation(&links)];

    links.handle(link(2, "lan0"));
    seen.push(generation(&links));
    links.handle(KernelEvent::LinkGone { index: 2 });
    links.handle(link(2, "eth0"));
    seen.push(generation(&links));
    for left in [Families::NONE, Families::from_iter([Family::Ipv4])] {
        links.handle(link_with(left, 2, "eth0"));
        links.handle(link(2, "eth0"));
        seen.push(generation(&links));
    }

    assert_eq!(seen[0], seen[1], "another name is no other link");
    assert!(seen[1..].is_sorted_by(|before, after| before < after), "{seen:?}");
}

#[test]
fn a_link_that_a_new_dump_shows_as_it_was_is_of_the_same_generation() {
    let eth0 = [link(2, "eth0"), address(2, "192.0.2.3/24", false)];
    let eth1 = [link(3, "eth1"), address(3, "198.51.100.3/24", false)];
    let both = [eth0.to_vec(), eth1.to_vec()].concat();
    let another = [both.clone(), vec![address(2, "192.0.2.4/24", false)]].concat();
    let moved = [vec![link(2, "eth0"), address(2, "192.0.2.9/24", false)], eth1.to_vec()];
    let mut links = links(&both);

    let seen = [both.clone(), another, moved.concat(), eth0.to_vec(), both].map(|dump| {
        links.reset(dump);
        [2, 3].map(|index| links.at(index).map(KernelLink::generation))
    });

    let [same, another, moved, alone, again] = seen;
    assert_eq!(same, another, "one has an address more");
    assert!(moved[0] > same[0] && moved[1] == same[1], "it has lost all that it had");
    assert_eq!(alone[1], None);
    assert!(again[0] == alone[0] && again[1] > same[1], "the other one was made anew");
}

#[test]
fn a_link_whose_addresses_were_added_anew_while_messages_were_lost_was_made_anew() {
    let both = [address(2, "192.0.2.3/24", false), address(2, "fe80::1/64", false)];
    let [ipv4, ipv6] = both.clone();
    let before = [vec![link(2, "eth0")], both.to_vec()].concat();
    for (addresses, is_same) in [
        (both.to_vec(), true),
        (vec![later(&ipv4), later(&ipv6)], false),
        (vec![later(&ipv4), ipv6.clone()], false),
        (vec![ipv4.clone(), later(&ipv6)], false),
    ] {
        let mut links = links(&before);
        let generation = links.at(2).unwrap().generation();

        links.reset([vec![link(2, "eth0")], addresses.clone()].concat());

        let is_as_before = links.at(2).unwrap().generation() == generation;
        assert_eq!(is_as_before, is_same, "{addresses:?}");
    }
}

#[test]
fn a_link_renamed_keeps_index_and_addresses() {
    let mut links = links(&[link(2, "eth7"), address(2, "192.0.2.3/24", false)]);
    assert!(links.named(&eth0()).is_none());

    links.handle(link(2, "eth0"));

    assert_eq!(links.named(&eth0()).unwrap().0, 2);
    assert_eq!(primary(&links), Some(Ipv4Addr::new(192, 0, 2, 3)));
}

#[test]
fn an_address_of_a_link_that_has_gone_is_ignored() {
    let mut links = links(&[link(2, "eth0")]);

    links.handle(KernelEvent::LinkGone { index: 2 });
    links.handle(address(2, "192.0.2.3/24", false));
    links.handle(link(2, "eth0"));

    assert_eq!(primary(&links), None);
}

#[test]
fn events_that_a_dump_already_knew_end_in_the_same_table() {
    let mut links = links(&[link(2, "eth0"), address(2, "192.0.2.3/24", false)]);

    links.handle(link(2, "eth0"));
    links.handle(KernelEvent::AddressGone { index: 2, address: parse("192.0.2.9/24") });
    links.handle(address(2, "192.0.2.3/24", false));

    let (_, link) = links.named(&eth0()).unwrap();
    assert_eq!(link.addresses().keys().copied().collect::<Vec<_>>(), [parse("192.0.2.3/24")]);
}

#[test]
fn only_what_is_new_counts_as_a_change() {
    let mut links = links(&[link(2, "eth0")]);
    let vip = KernelChange::Address { index: 2, address: parse("192.0.2.3/24") };
    let gone = || KernelEvent::AddressGone { index: 2, address: parse("192.0.2.3/24") };

    let changes = [
        link(2, "eth0"),
        address(2, "192.0.2.3/24", false),
        address(2, "192.0.2.3/24", false),
        address(2, "192.0.2.3/24", true),
        gone(),
        gone(),
        link(2, "eth1"),
        KernelEvent::LinkGone { index: 2 },
        KernelEvent::LinkGone { index: 2 },
    ]
    .map(|event| links.handle(event));

    let moved = Some(KernelChange::Link { index: 2 });
    let vip = Some(vip);
    assert_eq!(changes, [None, vip, None, vip, vip, None, moved, moved, None]);
}

#[test]
fn while_two_links_swap_names_each_name_means_the_one_that_has_it_last() {
    let mut links = links(&[link(2, "eth0"), link(3, "eth1")]);

    for (index, name) in [(2, "tmp"), (3, "eth0"), (2, "eth1")] {
        links.handle(link(index, name));
    }

    assert_eq!(links.named(&eth0()).unwrap().0, 3);
    assert_eq!(links.named(&LinkName::new("eth1").unwrap()).unwrap().0, 2);
    assert!(links.named(&LinkName::new("tmp").unwrap()).is_none());
}

#[test]
fn ipv6_is_sent_from_a_link_local_address() {
    let mut links = links(&[link(2, "eth0")]);

    links.handle(address(2, "2001:db8::1/64", false));
    links.handle(address(2, "fe80::1/64", false));

    let (_, link) = links.named(&eth0()).unwrap();
    let sources = link.sources(&BTreeSet::new(), |_| false);
    let [ipv6, global] = ["fe80::1", "2001:db8::1"].map(|it| it.parse().ok());
    assert_eq!(sources, Sources { ipv4: None, ipv6, global });
}

/// The kernel lists the latest of a scope first, and tells of temporary ones as secondary.
#[test]
fn beyond_the_link_ipv6_is_sent_from_the_address_that_was_there_first() {
    let mut links = links(&[link(2, "eth0")]);
    let mut with = |event| {
        links.handle(event);
        let (_, link) = links.named(&eth0()).unwrap();
        let is_virtual = |held| held == parse("2001:db8::100/64").address;
        link.sources(&BTreeSet::new(), is_virtual).global.map(|it| it.to_string())
    };

    let found = [
        with(address(2, "fe80::1/64", false)),
        with(address(2, "2001:db8::100/64", false)),
        with(address(2, "2001:db8::aaaa/64", true)),
        with(later(&address(2, "2001:db8::1/64", false))),
        with(address(2, "2001:db8::2/64", false)),
    ];

    let expected = [None, Some("::100"), Some("::aaaa"), Some("::1"), Some("::2")];
    assert_eq!(found, expected.map(|it| it.map(|it| format!("2001:db8{it}"))));
}

#[test]
fn a_link_local_address_that_may_be_another_hosts_is_not_sent_from() {
    let mut links = links(&[link(2, "eth0")]);
    let mut with = |address, detection| {
        let address = parse(address);
        let (secondary, protocol, created) = (false, 0, 100);
        links.handle(KernelEvent::Address {
            index: 2,
            address,
            secondary,
            protocol,
            detection,
            created,
            look: AddressLook::default(),
        });
        let (_, link) = links.named(&eth0()).unwrap();
        let source = link.sources(&BTreeSet::new(), |_| false).ipv6;
        (source.map(|it| it.to_string()), link.no_link_local())
    };
    let [one, two] = ["fe80::1", "fe80::2"].map(|it| it.parse().unwrap());

    let found = [
        with("2001:db8::1/64", DuplicateDetection::Passed),
        with("fe80::1/64", DuplicateDetection::UnderWay),
        with("fe80::1/64", DuplicateDetection::Failed),
        with("fe80::2/64", DuplicateDetection::UnderWay),
        with("fe80::2/64", DuplicateDetection::Passed),
    ];

    let lacks = [
        NoLinkLocal::Absent,
        NoLinkLocal::Tentative(one),
        NoLinkLocal::Duplicated(one),
        NoLinkLocal::Tentative(two),
    ];
    for (found, lack) in found.iter().zip(lacks) {
        assert_eq!(*found, (None, lack));
    }
    assert_eq!(found[4].0.as_deref(), Some("fe80::2"));
}

fn links(dump: &[KernelEvent]) -> Links {
    let mut links = Links::default();
    links.reset(dump.to_vec());
    links
}

fn link_with(families: Families, index: u32, name: &str) -> KernelEvent {
    KernelEvent::Link {
        index,
        name: name.to_owned(),
        carrier: LinkSignal::Up,
        hardware: HardwareAddress::Ethernet([2; 6]),
        families,
        mtu: Some(1500),
        macvlan: None,
    }
}

fn address(index: u32, address: &str, secondary: bool) -> KernelEvent {
    KernelEvent::Address {
        index,
        address: parse(address),
        secondary,
        protocol: 0,
        detection: DuplicateDetection::Passed,
        created: 100,
        look: AddressLook::default(),
    }
}

/// The same address, added a second later.
fn later(event: &KernelEvent) -> KernelEvent {
    let mut event = event.clone();
    let KernelEvent::Address { created, .. } = &mut event else { unreachable!() };
    *created += 100;
    event
}

fn primary(links: &Links) -> Option<Ipv4Addr> {
    let is_virtual = |address| address == IpAddr::from([192, 0, 2, 100]);
    let ours = BTreeSet::new();
    links.named(&eth0()).and_then(|(_, link)| link.sources(&ours, is_virtual).ipv4)
}

fn eth0() -> LinkName {
    LinkName::new("eth0").unwrap()
}
