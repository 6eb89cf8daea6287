//! What is believed of addresses that were asked for.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use tokio::sync::watch;

use super::announce::LONGEST_WAIT;
use super::*;
use crate::config::AnnounceConfig;
use crate::net::{DuplicateDetection, samples};
use crate::runtime::kernel::facts::Facts;
use crate::runtime::kernel::link_sites::PlannedMacvlan;
use crate::runtime::kernel::networks::Networks;
use crate::runtime::kernel::orders::Relay;
use crate::runtime::kernel::{LinkView, PlannedAddress, PlannedRouter, Site};
use crate::types::{AddressLook, Families, Family, LinkName, Sources, Vrid, virtual_mac};

/// The kernel tells of an address of IPv6 a moment after it has answered.
#[test]
fn an_address_of_ipv6_that_was_added_is_ours_when_the_kernel_tells_of_it() {
    let address = samples::parse("2001:db8::1/64");
    let mut takeover = takeover(address);
    takeover.gained.insert((INDEX, address));

    takeover.own_gained_addresses();
    assert!(takeover.links[0].owned.is_empty(), "it is not known to be there");
    takeover.kernel_links.handle(KernelEvent::Address {
        index: INDEX,
        address,
        secondary: false,
        protocol: PROTOCOL,
        detection: DuplicateDetection::Passed,
        created: 0,
        look: AddressLook::default(),
    });
    takeover.own_gained_addresses();

    assert_eq!(takeover.links[0].owned, BTreeSet::from([address]));
    assert!(takeover.gained.is_empty());
    assert!(!takeover.unsettled.is_empty(), "the election is yet to be told");
}

/// Of one of IPv4 it tells before it answers: what is not there then was removed.
#[test]
fn an_address_of_ipv4_that_is_not_there_is_not_waited_for() {
    let address = VirtualAddress { address: Ipv4Addr::new(192, 0, 2, 1).into(), prefix: 24 };
    let mut takeover = takeover(address);
    takeover.gained.insert((INDEX, address));

    takeover.own_gained_addresses();

    assert!(takeover.gained.is_empty() && takeover.links[0].owned.is_empty());
}

/// A router with peers may be on a link without a link-local address.
#[test]
fn a_host_that_gives_way_is_silent_from_whatever_address_it_has() {
    let [address, own] = ["2001:db8::1/64", "2001:db8::7/64"].map(samples::parse);
    let IpAddr::V6(global) = own.address else { unreachable!() };
    let mut takeover = takeover(address);
    let sources = Sources { global: Some(global), ..Sources::default() };
    takeover.links[0].view = Some(LinkView { sources, ..LinkView::default() });
    takeover.routers[0].facts.addresses[0].ours = true;
    takeover.moving.insert(0);

    let rules = takeover.rules(Instant::default());

    assert_eq!(rules.silent, [(address.address, own.address)].into());
}

/// On the link of the election it would be spoken from an address that nobody there knows.
#[test]
fn a_host_that_gives_way_is_silent_on_another_link_from_an_address_of_that() {
    let [address, own] = ["192.0.2.100/24", "198.51.100.100/24"].map(samples::parse);
    let mut takeover = takeover_with(&[PlannedAddress::on(0, address), PlannedAddress::on(1, own)]);
    let sources = [[192, 0, 2, 1], [198, 51, 100, 1]];
    for (link, ipv4) in sources.into_iter().enumerate() {
        let sources = Sources { ipv4: Some(ipv4.into()), ..Sources::default() };
        takeover.links[link].view = Some(LinkView { sources, ..LinkView::default() });
        takeover.routers[0].facts.addresses[link].ours = true;
    }
    takeover.moving.insert(0);

    let rules = takeover.rules(Instant::default());

    let expected = [(address.address, sources[0].into()), (own.address, sources[1].into())];
    assert_eq!(rules.silent, expected.into());
}

/// The link-local address of the host before means nothing on another link.
#[test]
fn segments_are_relayed_over_ipv6_on_the_link_of_the_election_alone() {
    let until = Instant::default() + Duration::from_secs(1);
    for (texts, host, relayed) in [
        (["2001:db8::1/64", "2001:db8:9::1/64"], "fe80::2", 1),
        (["192.0.2.100/24", "198.51.100.100/24"], "192.0.2.2", 2),
    ] {
        let [here, elsewhere] = texts.map(samples::parse);
        let both = [PlannedAddress::on(0, here), PlannedAddress::on(1, elsewhere)];
        let mut takeover = takeover_with(&both);
        let relay = Relay { to: host.parse().unwrap(), until };
        let claim = &mut takeover.routers[0].claim;
        (claim.claimed, claim.relays) = (true, Some(relay));
        takeover.moving.insert(0);

        assert_eq!(takeover.rules(Instant::default()).relayed.len(), relayed, "{texts:?}");
    }
}

/// An announcement moves everything that is sent to the hardware address of a macvlan.
#[test]
fn on_a_macvlan_no_address_is_announced_until_all_of_them_are_there() {
    let [ipv4, ipv6] = ["192.0.2.100/24", "2001:db8::1/64"].map(samples::parse);
    let mut takeover = takeover_with(&[ipv4, ipv6].map(|held| PlannedAddress::on(0, held)));
    let now = Instant::default() + Duration::from_secs(1);
    takeover.routers[0].claim.claimed_at = now;
    takeover.gained.insert((INDEX, ipv6));
    assert!(!takeover.waits_for_others((0, 0), now), "each host has a hardware address");
    takeover.links[0].macvlan = Some(PlannedMacvlan {
        parent: 1,
        mac: virtual_mac(Family::Ipv4, Vrid::new(51).unwrap()),
        families: Families::ALL,
        is_prepared: true,
        is_ready: true,
    });

    assert!(takeover.waits_for_others((0, 0), now));
    assert!(!takeover.waits_for_others((0, 0), now + LONGEST_WAIT), "the kernel does not tell");
    takeover.gained.clear();
    assert!(!takeover.waits_for_others((0, 0), now));
}

/// The host before is known on the link of the election alone, and only if it is there.
#[test]
fn segments_of_the_other_family_are_forwarded_on_the_link_of_the_election() {
    let addresses = ["192.0.2.100/24", "2001:db8::1/64", "2001:db8:9::1/64"].map(samples::parse);
    let places = [(0, addresses[0]), (0, addresses[1]), (1, addresses[2])];
    let planned = places.map(|(link, held)| PlannedAddress::on(link, held));
    let mac = [0x52, 0x54, 0, 0, 0, 1];
    for (host, forwarded) in [("192.0.2.2", true), ("198.51.100.2", false)] {
        let mut takeover = takeover_with(&planned);
        takeover.kernel_links.handle(samples::address(INDEX, "192.0.2.1/24"));
        let eth0 = takeover.kernel_links.at(INDEX).unwrap();
        takeover.links[0].networks = Networks::of(eth0, |_| false);
        let to = host.parse().unwrap();
        let until = Instant::default() + Duration::from_secs(1);
        let claim = &mut takeover.routers[0].claim;
        (claim.claimed, claim.relays) = (true, Some(Relay { to, until }));
        takeover.moving.insert(0);
        takeover.predecessors.insert((INDEX, to), Some(mac));

        let rules = takeover.rules(Instant::default());

        let eth0 = (takeover.links[0].name, [(addresses[1].address, mac)].into());
        let expected = if forwarded { vec![eth0] } else { vec![] };
        assert_eq!(rules.forwarded, expected.into_iter().collect(), "{host}");
    }
}

/// Returns the state of a thread that knows its link, and has nothing to look at.
fn takeover(address: VirtualAddress) -> Takeover {
    takeover_with(&[PlannedAddress::on(0, address)])
}

/// The same, of a router with these addresses, on its own link or another one.
fn takeover_with(addresses: &[PlannedAddress]) -> Takeover {
    let router = PlannedRouter {
        site: Site::on(0),
        addresses: Arc::from(addresses),
        endpoints: Arc::default(),
        accepts: true,
        patience: Duration::MAX,
    };
    let plan = KernelPlan {
        links: ["eth0", "eth1"].map(|name| LinkName::new(name).unwrap()).to_vec(),
        routers: vec![router],
        announce: AnnounceConfig { count: 3, refresh: None },
        lifetime: None,
        filter: None,
        place: String::new(),
    };
    let (readers, _) = watch::channel(Facts::default());
    let mut takeover = Takeover::new(plan, FactsWriter::new(readers));
    takeover.links.find([(0, Some(INDEX))]);
    takeover.kernel_links.handle(samples::link(INDEX, "eth0"));
    takeover.unsettled.take();
    takeover
}

const INDEX: u32 = 2;
