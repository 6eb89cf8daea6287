//! What is ours on links that come, go and change their names.

use std::sync::Arc;

use super::*;
use crate::config::AnnounceConfig;
use crate::runtime::kernel::{PlannedAddress, PlannedRouter};

#[test]
fn what_is_ours_on_links_that_swap_their_names_stays_with_the_index() {
    let mut links = links(&["eth0", "eth1"]);
    links.find([(0, Some(2)), (1, Some(3))]);
    links[0].owned.insert(vip(0));
    links[1].owned.insert(vip(1));

    let moved = links.find([(0, Some(3)), (1, Some(2))]);

    assert_eq!(moved, BTreeSet::from([0, 1]));
    assert_eq!(links[0].owned, BTreeSet::from([vip(1)]));
    assert_eq!((links.at_index(2), links.at_index(3)), (Some(1), Some(0)));
    assert!(links.misplaced.is_empty());
}

#[test]
fn what_is_ours_on_a_link_that_gives_its_name_away_is_misplaced_until_it_is_back() {
    let mut links = links(&["eth0"]);
    links.find([(0, Some(2))]);
    links[0].owned.extend([vip(0), vip(1)]);

    links.find([(0, None)]);
    assert_eq!(links.misplaced, BTreeMap::from([(2, BTreeSet::from([vip(0), vip(1)]))]));
    assert!(!links.own_nothing());
    links.address_gone(2, &vip(1));
    links.find([(0, Some(2))]);

    assert_eq!(links[0].owned, BTreeSet::from([vip(0)]));
    links.link_gone(2);
    assert!(links.own_nothing());
}

#[test]
fn a_link_knows_whose_its_addresses_are() {
    let links = links(&["eth0", "eth1"]);

    assert_eq!(links[1].slots(&vip(1)), [(1, 0)]);
    assert_eq!(links[1].slots(&vip(0)), []);
    assert_eq!(links[1].routers, [1]);
}

/// Returns links with one virtual router on each.
fn links(names: &[&str]) -> LinkSites {
    let routers = (0..names.len()).map(|link| PlannedRouter {
        site: Site::on(link),
        addresses: Arc::new([PlannedAddress::on(link, vip(link))]),
        endpoints: Arc::new([]),
        accepts: true,
        patience: Duration::MAX,
    });
    LinkSites::new(&KernelPlan {
        links: names.iter().map(|name| LinkName::new(name).unwrap()).collect(),
        routers: routers.collect(),
        announce: AnnounceConfig { count: 3, refresh: None },
        lifetime: None,
        filter: None,
        place: String::new(),
    })
}

fn vip(link: usize) -> VirtualAddress {
    let octet = u8::try_from(link).unwrap();
    VirtualAddress { address: [192, 0, 2, octet].into(), prefix: 24 }
}
