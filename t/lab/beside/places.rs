//! Where, and how, each address is put: on another interface, with a label, or without a broadcast
//! address.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use harness::{AddressEvent, AddressWatch, Host, Lab, Sniffer, eventually, holds_for, wait_until};
use resty_vrrp::net::LinkSignal;
use resty_vrrp::runtime::kernel::{KernelPlan, KernelThread, PlannedAddress, Site};
use resty_vrrp::types::{AddressLabel, AddressLook, HeldAddress, LinkName};

use crate::kernel::{OWN, assigned, claim, leave, one_host, parse, plan, start};

#[test]
fn an_address_has_the_label_and_the_broadcast_address_that_it_is_given() {
    let (_lab, host) = one_host("looks");
    let all = [
        address(0, "192.168.56.100/24", None, Some(broadcast("192.168.56.255"))),
        address(0, "192.168.56.101/32", Some("eth0:web"), None),
        address(0, "192.168.56.102/24", None, None),
        address(0, "192.168.56.103/24", Some("eth0"), Some(broadcast("255.255.255.255"))),
    ];

    let kernel = start(&host, plan_of(&["eth0"], &all));
    claim(&kernel, &[0]);

    assert_eq!(look(&host, "192.168.56.100/24"), "brd 192.168.56.255 eth0");
    assert_eq!(look(&host, "192.168.56.101/32"), "eth0:web");
    assert_eq!(look(&host, "192.168.56.102/24"), "eth0");
    assert_eq!(look(&host, "192.168.56.103/24"), "brd 255.255.255.255 eth0");
}

/// The kernel changes nothing of that while the address is there: it is gone for a moment.
#[test]
fn an_address_that_is_handed_over_gets_another_label_and_counts_as_never_lost() {
    let (_lab, host) = one_host("another look");
    let with = |label, broadcast| [address(0, VIP, label, broadcast)];
    let old = with(Some("eth0:old"), Some(broadcast("192.168.56.255")));
    let mut before = start(&host, plan_of(&["eth0"], &old));
    claim(&before, &[0]);
    let watch = AddressWatch::start(&host);
    let since = Instant::now();

    // Until the one before is known to have ended, it might put back its own.
    let after = start(&host, plan_of(&["eth0"], &with(Some("eth0:new"), None)));
    claim(&after, &[0]);
    wait_until("it is ours", SECOND, || after.facts().routers[0].addresses[0].ours);
    assert_eq!(look(&host, VIP), "brd 192.168.56.255 eth0:old");
    after.clear_leftovers(vec![held("eth0", VIP)]);

    eventually("it has another look", SECOND, || match look(&host, VIP).as_str() {
        "eth0:new" => Ok(()),
        look => Err(look.to_owned()),
    });
    wait_until("it is ours", SECOND, || after.facts().routers[0].addresses[0].ours);
    // It may see that the address has gone before it is back, and put it back once or twice.
    let settled = || {
        let removed = |it: &&AddressEvent| it.removed;
        let removals = watch.since(since, "192.168.56.100").iter().filter(removed).count();
        let look = look(&host, VIP);
        if look == "eth0:new" && (1..5).contains(&removals) {
            Ok(())
        } else {
            Err((look, removals))
        }
    };
    eventually("it was removed", SECOND, || settled().map_err(|seen| format!("{seen:?}")));
    holds_for("the one before leaves that alone", SECOND / 2, || {
        settled().map_err(|seen| format!("{seen:?}"))
    });
    before.abandon();
    assert_eq!(after.facts().routers[0].addresses[0].lost, 0);
    assert!(after_stop(after), "it is removed in the end");
    assert!(!host.has("192.168.56.100"));
}

#[test]
fn an_address_of_somebody_else_keeps_its_label() {
    let (_lab, host) = one_host("foreign look");
    host.ip(&format!("address add {VIP} label eth0:their dev eth0"));
    let kernel = start(&host, plan_of(&["eth0"], &[address(0, VIP, Some("eth0:our"), None)]));

    claim(&kernel, &[0]);

    assert_eq!(look(&host, VIP), "eth0:their");
}

#[test]
fn an_address_on_another_interface_is_put_there_announced_there_and_removed_there() {
    let (_lab, host) = two_links("elsewhere");
    let observer = Sniffer::start_on_all_links(&host);
    let mac = mac_of(&host, "eth1");
    let since = Instant::now();
    let kernel = start(&host, plan_of(&["eth0", "eth1"], &[on(0, VIP), on(1, ELSEWHERE)]));

    claim(&kernel, &[0]);

    assert_eq!(links_with(&host), ["eth0 192.168.56.100/24", "eth1 192.168.57.100/24"]);
    let seen = observer.wait_for_announcement("192.168.57.100", since, SECOND);
    assert_eq!((seen.mac, seen.frame.1), (mac, mac));
    kernel.claim(0, false);
    wait_until("both are gone", SECOND, || links_with(&host).is_empty());
}

#[test]
fn an_address_that_moves_to_another_interface_leaves_the_one_before() {
    let (_lab, host) = two_links("moves");
    for (before, after) in [(0, 1), (1, 0)] {
        let links = ["eth0", "eth1"];
        let mut one = start(&host, plan_of(&links, &[on(before, VIP)]));
        claim(&one, &[0]);
        one.abandon();

        // The one after knows the interface that has the address alone, or both.
        let (known, place) = if after == 1 { (&links[1..], 0) } else { (&links[..], 0) };
        let other = start(&host, plan_of(known, &[on(place, VIP)]));
        other.clear_leftovers(vec![held(links[before], VIP)]);
        claim(&other, &[0]);

        let expected = format!("{} {VIP}", links[after]);
        wait_until("it is on one alone", SECOND, || links_with(&host) == [expected.clone()]);
        assert!(after_stop(other));
    }
}

/// The next engine does not know the list of one that was killed together with its guard.
#[test]
fn what_a_dead_predecessor_left_is_removed_also_where_it_is_not_planned() {
    let (_lab, host) = two_links("strays");
    leave(&host, ELSEWHERE);
    leave(&host, "192.168.56.150/24");

    let kernel = start(&host, plan_of(&["eth0", "eth1"], &[on(0, VIP), on(1, ELSEWHERE)]));
    kernel.clear_leftovers(Vec::new());

    let rest = ["eth0 192.168.56.150/24"];
    wait_until("its own one is removed", SECOND, || links_with(&host) == rest);
    claim(&kernel, &[0]);
    let all = ["eth0 192.168.56.100/24", "eth0 192.168.56.150/24", "eth1 192.168.57.100/24"];
    assert_eq!(links_with(&host), all, "another nginx may have what only has our tag");
}

#[test]
fn an_interface_that_is_made_anew_gets_its_address_back_and_the_others_stay() {
    let (_lab, host) = two_links("made anew");
    let kernel = start(&host, plan_of(&["eth0", "eth1"], &[on(0, ELSEWHERE), on(1, VIP)]));
    claim(&kernel, &[0]);

    host.delete_link();
    wait_until("one is missing", SECOND, || assigned(&kernel, 0) == 1);
    host.make_link();

    wait_until("it is back", SECOND, || assigned(&kernel, 0) == 2);
    assert_eq!(kernel.facts().routers[0].addresses[1].lost, 0);
}

#[test]
fn an_address_with_a_lifetime_outlives_it_wherever_it_is_and_whatever_it_looks_like() {
    let (_lab, host) = two_links("lifetime");
    let mut plan =
        plan_of(&["eth0", "eth1"], &[address(0, VIP, Some("eth0:web"), None), on(1, ELSEWHERE)]);
    plan.lifetime = Some(2 * SECOND);
    let kernel = start(&host, plan);
    claim(&kernel, &[0]);

    holds_for("both are there", Duration::from_millis(3_500), || {
        let all = links_with(&host);
        if all.len() == 2 { Ok(()) } else { Err(format!("{all:?}")) }
    });

    assert_eq!(look(&host, VIP), "eth0:web");
    assert!(after_stop(kernel));
}

/// The election looks after the link on which it advertises, and after no other.
#[test]
fn addresses_on_another_interface_are_announced_when_that_has_its_signal_back() {
    let (_lab, host) = two_links("signal");
    let mut plan = plan_of(&["eth0", "eth1"], &[on(0, VIP), on(1, ELSEWHERE)]);
    plan.routers[0].site = Site::on(1);
    plan.announce.count = 1;
    let kernel = start(&host, plan);
    claim(&kernel, &[0]);
    let carrier = || kernel.facts().links[0].carrier;
    host.unplug();
    wait_until("the signal is gone", 2 * SECOND, || carrier() == LinkSignal::Down);
    let sniffer = Sniffer::start(&host);
    let since = Instant::now();

    host.plug();

    wait_until("it is back", 2 * SECOND, || carrier() == LinkSignal::Up);
    let seen = sniffer.wait_for_announcement("192.168.56.100", since, SECOND);
    assert_eq!(seen.mac, host.mac());
}

#[test]
fn one_of_two_addresses_that_is_refused_is_told_whatever_interface_it_is_on() {
    let (_lab, host) = two_links("refused");
    host.sysctl("net.ipv6.conf.eth1.disable_ipv6", "1");
    let kernel = start(&host, plan_of(&["eth0", "eth1"], &[on(0, VIP), on(1, "2001:db8::9/64")]));

    kernel.claim(0, true);

    eventually("it is refused twice", SECOND, || {
        let facts = &kernel.facts().routers[0];
        let text = facts.problem.clone().unwrap_or_default();
        let is_told = facts.refusals >= 2 && text.contains("set net.ipv6.conf.eth1.disable_ipv6");
        is_told.then_some(()).ok_or(text)
    });
    host.sysctl("net.ipv6.conf.eth1.disable_ipv6", "0");
    wait_until("it is there", 10 * SECOND, || assigned(&kernel, 0) == 2);
    wait_until("nothing is refused", SECOND, || kernel.facts().routers[0].refusals == 0);
}

fn after_stop(mut kernel: KernelThread) -> bool {
    kernel.stop(SECOND)
}

fn two_links(name: &str) -> (Lab, Host) {
    let lab = Lab::new(name);
    let host = lab.host_on_links("worker-01", &[&format!("{OWN}/24"), "192.168.57.101/24"]);
    (lab, host)
}

/// Returns a plan with one router, on the first link, that has these addresses.
fn plan_of(links: &[&str], addresses: &[PlannedAddress]) -> KernelPlan {
    let mut plan = plan(&[&[]]);
    plan.links = links.iter().map(|name| LinkName::new(name).expect("a valid name")).collect();
    plan.routers[0].addresses = Arc::from(addresses);
    plan
}

fn on(link: usize, text: &str) -> PlannedAddress {
    PlannedAddress::on(link, parse(text))
}

fn address(
    link: usize,
    text: &str,
    label: Option<&str>,
    broadcast: Option<Ipv4Addr>,
) -> PlannedAddress {
    let label = label.map(|text| AddressLabel::new(text).expect("a valid label"));
    PlannedAddress { look: AddressLook { label, broadcast }, ..on(link, text) }
}

fn broadcast(text: &str) -> Ipv4Addr {
    text.parse().expect("a valid address")
}

fn held(link: &str, address: &str) -> HeldAddress {
    HeldAddress { link: LinkName::new(link).expect("a valid name"), address: parse(address) }
}

/// Returns what `ip` shows of the look of an address.
fn look(host: &Host, address: &str) -> String {
    let all = host.ip("-4 -o address show dev eth0");
    let line = all.lines().find(|line| line.contains(&format!(" {address} ")));
    let words: Vec<_> = line.unwrap_or_default().split_whitespace().collect();
    let end = words.iter().position(|word| word.starts_with("valid_lft")).unwrap_or(words.len());
    let words: Vec<_> = words[..end].iter().map(|word| word.trim_end_matches('\\')).collect();
    let label = words.iter().rfind(|word| !word.is_empty()).copied().unwrap_or_default();
    match words.iter().position(|word| *word == "brd") {
        Some(at) => format!("brd {} {label}", words[at + 1]),
        None => label.to_owned(),
    }
}

/// Returns the links and their addresses of IPv4, without those of the host itself.
fn links_with(host: &Host) -> Vec<String> {
    let all = host.ip("-4 -o address show");
    let mut found = BTreeSet::new();
    for line in all.lines() {
        let words: Vec<_> = line.split_whitespace().collect();
        found.insert(format!("{} {}", words[1], words[3]));
    }
    let own = ["lo ", "eth0 192.168.56.101/", "eth1 192.168.57.101/"];
    found.into_iter().filter(|it| !own.iter().any(|own| it.starts_with(own))).collect()
}

fn mac_of(host: &Host, link: &str) -> [u8; 6] {
    let text = host.exec("cat", &[&format!("/sys/class/net/{link}/address")]);
    let octets = text.trim().split(':').map(|it| u8::from_str_radix(it, 16).expect("it is hex"));
    octets.collect::<Vec<_>>().try_into().expect("an address has six octets")
}

const VIP: &str = "192.168.56.100/24";
const ELSEWHERE: &str = "192.168.57.100/24";
const SECOND: Duration = Duration::from_secs(1);
