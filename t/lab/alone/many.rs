//! Many virtual routers, and many addresses: what the thread that keeps the addresses does grows
//! with what changes.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::{Host, Sniffer, eventually, wait_until};
use resty_vrrp::config::AnnounceConfig;
use resty_vrrp::net::LinkSignal;
use resty_vrrp::runtime::kernel::{
    Facts, KernelPlan, KernelThread, PlannedAddress, PlannedRouter, Site,
};
use resty_vrrp::types::{LinkName, VirtualAddress};

use crate::kernel::{OWN, SECOND, assigned, one_host, plan, sorted, start};

#[test]
fn a_thousand_addresses_are_here_and_announced_within_a_second_and_gone_as_fast() {
    let (lab, host) = one_host("a thousand addresses");
    let thousand: Vec<_> = (0..1_000).map(|n| format!("10.0.{}.{}/16", n / 250, n % 250)).collect();
    let thousand: Vec<_> = thousand.iter().map(String::as_str).collect();
    let watcher = lab.host("watcher", "192.168.56.99/24");
    let sniffer = Sniffer::start(&watcher);
    let kernel = start(&host, plan(&[&thousand]));

    kernel.claim(0, true);

    eventually("all are announced", SECOND, || match sniffer.announcements().len() {
        1_000.. => Ok(()),
        fewer => Err(format!("{fewer} are announced, {} assigned", assigned(&kernel, 0))),
    });
    assert_eq!(assigned(&kernel, 0), 1_000);
    kernel.claim(0, false);
    wait_until("none is left", SECOND, || sorted(&host) == [OWN]);
}

#[test]
fn a_thousand_announcements_wake_the_election_a_few_times() {
    let (_lab, host) = one_host("announcements");
    let mut kernel = start(&host, many(1_000, &["eth0".to_owned()]));
    kernel.facts_mut().mark_unchanged();
    let claimed = Instant::now();

    (0..1_000).for_each(|router| kernel.claim(router, true));

    let mut changes = 0;
    while announced(&kernel.facts()) < 1_000 {
        assert!(claimed.elapsed() < PATIENCE, "{} are announced", announced(&kernel.facts()));
        if kernel.facts_mut().has_changed().expect("the thread lives") {
            kernel.facts_mut().mark_unchanged();
            changes += 1;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    assert!(changes <= 10, "{changes} times");
}

#[test]
fn of_four_thousand_routers_on_seventeen_links_only_those_concerned_have_new_facts() {
    let (_lab, host) = one_host("seventeen links");
    let links: Vec<_> = (0..17).map(|link| make_link(&host, link)).collect();
    let kernel = start(&host, many(4_096, &links));
    (0..4_096).for_each(|router| kernel.claim(router, true));
    eventually("all are announced", PATIENCE, || match announced(&kernel.facts()) {
        4_096 => Ok(()),
        fewer => Err(format!("{fewer} are announced")),
    });
    let settled = kernel.facts();
    assert!(settled.routers.iter().all(|router| router.addresses[0].assigned));

    host.ip("link set many3 down");
    let is_down = || kernel.facts().links[3].carrier == LinkSignal::Down;
    wait_until("the link is down", PATIENCE, is_down);
    assert!(changed(&settled, &kernel).is_empty());

    host.ip(&format!("address del {}/32 dev many5", address(17 * 8 + 5)));
    let is_back = || kernel.facts().routers[17 * 8 + 5].addresses[0].lost == 1;
    wait_until("the loss is counted", PATIENCE, is_back);
    assert_eq!(changed(&settled, &kernel), [17 * 8 + 5]);
}

/// Returns the routers of which new facts were told.
fn changed(before: &Facts, kernel: &KernelThread) -> Vec<usize> {
    let after = kernel.facts();
    let pairs = before.routers.iter().zip(&after.routers).enumerate();
    pairs.filter(|(_, (a, b))| !Arc::ptr_eq(a, b)).map(|(router, _)| router).collect()
}

fn announced(facts: &Facts) -> u64 {
    facts.routers.iter().map(|router| router.announcements_sent).sum()
}

/// Returns a plan of routers with one address each, dealt out to the links in turn.
fn many(routers: usize, links: &[String]) -> KernelPlan {
    let router = |router| PlannedRouter {
        site: Site::on(router % links.len()),
        addresses: Arc::new([PlannedAddress::on(
            router % links.len(),
            VirtualAddress { address: address(router).into(), prefix: 32 },
        )]),
        endpoints: Arc::new([]),
        accepts: true,
        patience: Duration::MAX,
    };
    KernelPlan {
        links: links.iter().map(|name| LinkName::new(name).expect("a valid name")).collect(),
        routers: (0..routers).map(router).collect(),
        announce: AnnounceConfig { count: 1, refresh: None },
        ..plan(&[])
    }
}

fn address(router: usize) -> Ipv4Addr {
    Ipv4Addr::from_bits(0x0a00_0001 + u32::try_from(router).expect("few routers"))
}

/// Makes a link with an address of its own, and returns its name.
fn make_link(host: &Host, number: usize) -> String {
    let name = format!("many{number}");
    host.ip(&format!("link add {name} type veth peer name peer{number}"));
    host.ip(&format!("address add 172.16.{number}.1/24 dev {name}"));
    host.ip(&format!("link set {name} up"));
    host.ip(&format!("link set peer{number} up"));
    name
}

const PATIENCE: Duration = Duration::from_secs(10);
