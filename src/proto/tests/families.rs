//! The election is the same over IPv4 and IPv6, and each family has its own.

use std::net::Ipv6Addr;

use super::*;
use crate::config::UnicastConfig;
use crate::types::NoLinkLocal;

/// The addresses that this node sends from.
const SOURCES: Sources =
    Sources { ipv4: Some(OURS), ipv6: Some(link_local(0x3)), global: Some(global(0x3)) };

#[test]
fn a_router_of_ipv6_advertises_from_its_link_local_address_to_its_group() {
    let subject = active();

    let destinations: Vec<_> = subject.node.destinations(ROUTER).collect();
    let mut message = Vec::new();
    let envelope =
        subject.node.encode(ROUTER, Priority::new(100), destinations[0], &mut message).unwrap();

    assert_eq!(destinations, [IpAddr::from([0xff02, 0, 0, 0, 0, 0, 0, 0x12])]);
    assert_eq!((envelope, message), advert(100).from(link_local(0x3)).sent());
    assert_eq!(subject.snapshot().active.unwrap().address, link_local(0x3));
}

/// RFC 9568 §6.4.3: of equal priorities the higher address is Active, as a number of 128 bits.
#[test]
fn of_equal_routers_of_ipv6_the_one_with_the_higher_address_stays_active() {
    for (peer, state) in [(0x2, State::Active), (0x10, State::Backup)] {
        let mut subject = active();

        subject.hears(&advert(100).from(link_local(peer)));

        assert_eq!(subject.state(), state, "fe80::{peer:x}");
    }
}

/// RFC 9568 §6.4.2: the owner of a link-local address speaks from it.
#[test]
fn a_backup_of_ipv6_heeds_the_owner() {
    let mut subject = subject(&[over_ipv6()], SOURCES);
    let addresses = vec![over_ipv6().addresses[0]];
    let owner = Advert { addresses, ..advert(255).from(link_local(0x1)) };

    subject.hears(&owner);

    let active = subject.snapshot().active.unwrap();
    assert_eq!((active.address, active.priority), (link_local(0x1).into(), Priority::OWNER));
    assert_eq!(subject.takes_over_after(), DOWN);
}

/// RFC 9568 §5.2.9: the link-local address comes first; a peer that does otherwise is a peer.
#[test]
fn a_list_in_another_order_is_heeded_counted_and_told_once() {
    let mut subject = subject(&[over_ipv6()], SOURCES);
    let mut disordered = advert(200).from(link_local(0x2));
    disordered.addresses.reverse();

    let done: Vec<_> = (0..3).flat_map(|_| subject.hears(&disordered)).collect();

    let problems: Vec<_> = reports(&done).iter().map(|report| &report.problem).collect();
    assert_eq!(problems, [&Problem::AddressesDisordered]);
    let received = subject.snapshot().counters.received;
    assert_eq!((received.accepted, received.addresses_differ), (3, 3));
    assert_eq!(subject.snapshot().active.unwrap().address, link_local(0x2));
}

#[test]
fn a_list_in_another_order_does_not_put_off_the_takeover_where_the_order_is_enforced() {
    let strict = InstanceConfig { address_list: AddressList::Enforce, ..over_ipv6() };
    let mut subject = subject(&[strict], SOURCES);
    let mut disordered = advert(200).from(link_local(0x2));
    disordered.addresses.reverse();

    for _ in 0..2 {
        subject.run(SECOND);
        subject.hears(&disordered);
    }
    let received = subject.snapshot().counters.received;
    assert_eq!(received.discarded(Discard::AddressList), 2);
    subject.run(2 * SECOND);

    assert_eq!(subject.state(), State::Active);
    subject.hears(&advert(200).from(link_local(0x2)));
    assert_eq!(subject.state(), State::Backup, "what is in order counts");
}

/// RFC 9568 §5.2.3: the identifiers of the two families have nothing to do with each other.
#[test]
fn a_vrid_in_two_families_is_two_routers() {
    let mut subject = two_families(SOURCES);
    subject.run(DOWN);
    let states = |node: &Node| node.routers().map(|id| node.snapshot(id).state).collect::<Vec<_>>();
    assert_eq!(states(&subject.node), [State::Active, State::Active]);

    subject.hears(&advert(200).from(link_local(0x2)));
    assert_eq!(states(&subject.node), [State::Active, State::Backup]);
    subject.hears(&Advert::new(200));
    assert_eq!(states(&subject.node), [State::Backup, State::Backup]);
}

#[test]
fn without_an_address_of_a_family_only_the_routers_of_that_family_are_held() {
    let ipv4_only = two_families(Sources { ipv6: None, ..SOURCES });
    let ipv6_only = two_families(Sources { ipv4: None, ..SOURCES });

    let faults = |subject: &Subject| {
        let all = subject.node.routers().map(|id| subject.node.snapshot(id).fault);
        all.map(|fault| fault.map(String::from)).collect::<Vec<_>>()
    };
    let lacks = |what| Some(format!("interface eth0 has no {what} address"));
    assert_eq!(faults(&ipv4_only), [None, lacks("link-local IPv6")]);
    assert_eq!(faults(&ipv6_only), [lacks("IPv4"), None]);
}

#[test]
fn why_there_is_no_link_local_address_is_told_with_what_to_do() {
    let mut subject = subject(&[over_ipv6()], SOURCES);
    let address = link_local(0x3);
    let sources = Sources { ipv6: None, ..SOURCES };
    for (lack, said) in [
        (NoLinkLocal::Absent, ""),
        (NoLinkLocal::Disabled, ": IPv6 is disabled, set net.ipv6.conf.eth0.disable_ipv6 to 0"),
        (
            NoLinkLocal::Tentative(address),
            " yet: fe80::3 is tentative until no other host claims it",
        ),
        (
            NoLinkLocal::Duplicated(address),
            ": another host has fe80::3, too (dadfailed); give it another",
        ),
    ] {
        let facts =
            LinkFacts { no_link_local: Some(lack), ..LinkFacts::new(LinkCarrier::Up, sources) };

        subject.handle(Input::Link { link: LINK, facts });

        let fault = subject.snapshot().fault.map(String::from);
        let expected = format!("interface eth0 has no link-local IPv6 address{said}");
        assert_eq!(fault, Some(expected));
    }
    let facts = LinkFacts::new(LinkCarrier::Up, SOURCES);
    subject.handle(Input::Link { link: LINK, facts });
    assert_eq!(subject.snapshot().fault, None);
}

#[test]
fn where_one_family_cannot_be_heard_the_routers_of_the_other_go_on() {
    let mut subject = two_families(SOURCES);
    let deaf_to = [Family::Ipv6].into_iter().collect();
    let facts = LinkFacts { deaf_to, ..LinkFacts::new(LinkCarrier::Up, SOURCES) };

    subject.handle(Input::Link { link: LINK, facts });

    let states = subject.node.routers().map(|id| subject.node.snapshot(id).state);
    assert_eq!(states.collect::<Vec<_>>(), [State::Backup, State::Fault]);
}

/// Those of the other family move along, and are not advertised.
#[test]
fn only_addresses_of_the_family_of_the_election_are_compared() {
    let mut mixed = config();
    mixed.addresses.extend(over_ipv6().addresses);
    let mut subject = subject(&[mixed], SOURCES);

    subject.hears(&Advert::new(200));

    let received = subject.snapshot().counters.received;
    assert_eq!((received.accepted, received.addresses_differ), (1, 0));
}

/// Returns an Active router of IPv6.
fn active() -> Subject {
    let mut subject = subject(&[over_ipv6()], SOURCES);
    subject.run(DOWN);
    assert_eq!(subject.state(), State::Active);
    subject
}

/// The checksum is that of each datagram: [`Advert::sent`] computes it for its destination.
#[test]
fn a_router_of_ipv6_with_peers_speaks_to_them_and_hears_them_alone() {
    for (peer, source) in [(link_local(0x7), link_local(0x3)), (global(0x7), global(0x3))] {
        let mut subject = with_peer(peer);
        subject.run(DOWN);
        assert_eq!(subject.state(), State::Active);

        let destinations: Vec<_> = subject.node.destinations(ROUTER).collect();
        let mut message = Vec::new();
        let priority = Priority::new(100);
        let envelope = subject.node.encode(ROUTER, priority, peer.into(), &mut message).unwrap();
        assert_eq!(destinations, [peer]);
        assert_eq!((envelope, message), advert(100).from(source).to(peer).sent());

        for ignored in [
            advert(200).from(link_local(0x66)).to(source),
            advert(200).from(global(0x66)).to(source),
            advert(200).from(peer),
            advert(200).from(source).to(source),
        ] {
            subject.hears(&ignored);
        }
        let counted = [Discard::Unlisted, Discard::Martian, Discard::OwnSource];
        assert_eq!(counted.map(|discard| subject.discarded(discard)), [2, 1, 1]);
        assert_eq!(subject.state(), State::Active);

        subject.hears(&advert(200).from(peer).to(source));
        assert_eq!(subject.state(), State::Backup);
    }
}

#[test]
fn without_an_address_that_reaches_the_peers_a_router_of_ipv6_is_in_fault() {
    let mut subject = with_peer(global(0x7));
    let without = |sources| LinkFacts::new(LinkCarrier::Up, sources);

    let facts = without(Sources { global: None, ..SOURCES });
    subject.handle(Input::Link { link: LINK, facts });
    let fault = subject.snapshot().fault.map(String::from).unwrap_or_default();
    assert!(fault.starts_with("interface eth0 has no IPv6 address that reaches beyond"), "{fault}");

    let facts = without(Sources { ipv6: None, ..SOURCES });
    subject.handle(Input::Link { link: LINK, facts });
    assert_eq!(subject.snapshot().fault, None, "no link-local one is needed");
}

/// Returns a router over IPv6 with one peer, on a host that does not have that address.
fn with_peer(peer: Ipv6Addr) -> Subject {
    let (source, limit) = (None, HOP_LIMIT);
    let unicast =
        UnicastConfig { peers: vec![peer.into()], source, hop_limit: limit, min_hop_limit: limit };
    let config = InstanceConfig { unicast: Some(unicast), ..over_ipv6() };
    let mut subject = subject(&[config], SOURCES);
    subject.handle(Input::OwnAddresses { router: ROUTER, addresses: &[] });
    subject
}

/// Returns a node with virtual router 10 of IPv4, and that of IPv6.
fn two_families(sources: Sources) -> Subject {
    subject(&[config(), over_ipv6()], sources)
}

fn subject(instances: &[InstanceConfig], sources: Sources) -> Subject {
    let mut subject = Subject { node: Node::new(instances), now: Instant::from_nanos(1) };
    let facts = LinkFacts::new(LinkCarrier::Up, sources);
    subject.handle(Input::Health(Health::Serving));
    subject.handle(Input::Link { link: LINK, facts });
    subject.handle(Input::Startup);
    subject
}

fn over_ipv6() -> InstanceConfig {
    let addresses = [link_local(0x1), global(0x1)];
    InstanceConfig {
        addresses: addresses
            .map(|address| VirtualAddress { address: address.into(), prefix: 64 })
            .to_vec(),
        ..config()
    }
}

fn advert(priority: u8) -> Advert {
    Advert { addresses: over_ipv6().addresses, ..Advert::new(priority) }
}

const fn global(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last)
}

const fn link_local(last: u16) -> Ipv6Addr {
    Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last)
}
