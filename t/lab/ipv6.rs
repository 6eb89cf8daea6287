//! The thread that keeps the addresses, with those of IPv6, against the real kernel.

use std::net::{Ipv6Addr, UdpSocket};
use std::time::{Duration, Instant};

use harness::{AddressWatch, Announcement, Host, Lab, Sniffer, eventually, holds_for, wait_until};
use resty_vrrp::net::sysctl;
use resty_vrrp::runtime::kernel::{KernelPlan, KernelThread};
use resty_vrrp::types::NoLinkLocal;
use serde_json::Value;

use crate::kernel::{claim, plan, start};

#[test]
fn an_address_is_usable_at_once_and_nothing_is_sent_from_it() {
    let (_lab, host) = one_host("source");
    let _kernel = holding(&host);

    let [address] = found(&host).try_into().expect("it is there once");
    assert_eq!((&address["nodad"], &address["deprecated"]), (&true.into(), &true.into()));
    assert!(address["tentative"].is_null(), "{address}");
    // Without another address of this scope it is better than none: that one is the rule.
    let route = host.ip("-6 -j route get 2001:db8::99");
    assert!(route.contains("2001:db8::101"), "{route}");
}

/// The kernel tells of it a moment after it has answered.
#[test]
fn an_address_that_was_added_is_ours_and_is_added_once() {
    let (_lab, host) = one_host("ours");
    let watch = AddressWatch::start(&host);
    let kernel = start_with(&host, None);
    let started = Instant::now();

    kernel.claim(0, true);

    wait_until("it is ours", SECOND, || kernel.facts().routers[0].addresses[0].ours);
    holds_for("nothing more is asked of the kernel", SECOND / 2, || {
        match watch.since(started, "2001:db8::100").len() {
            0 | 1 => Ok(()),
            more => Err(more),
        }
    });
    kernel.claim(0, false);
    wait_until("it is removed", SECOND, || found(&host).is_empty());
}

#[test]
fn the_kernel_removes_an_address_that_is_no_longer_refreshed_and_keeps_the_route() {
    let (_lab, host) = one_host("lifetime");
    let own_route = || {
        let all = host.ip("-6 -j route show 2001:db8::/64 dev eth0 metric 256");
        let all: Vec<Value> = serde_json::from_str(&all).expect("ip -j prints JSON");
        all.first().map(|route| route["expires"].clone())
    };
    assert_eq!(own_route(), Some(Value::Null));
    let mut kernel = start_with(&host, Some(2 * SECOND));
    claim(&kernel, &[0]);

    // Long enough for a refresh or two.
    holds_for("it is there", 3 * SECOND, || match found(&host).first() {
        Some(address) if address["valid_life_time"].as_u64() <= Some(2) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    kernel.abandon();

    wait_until("it has expired", 13 * SECOND, || found(&host).is_empty());
    assert_eq!(own_route(), Some(Value::Null), "the route of the host itself has no lifetime");
    host.ip("-6 address del 2001:db8::101/64 dev eth0");
}

#[test]
fn an_address_is_announced_as_that_of_a_host_or_of_a_router() {
    let (lab, host) = one_host("announcement");
    let watcher = lab.host("watcher", "192.168.56.99/24");
    for (forwarding, flags) in [("0", 0x20), ("1", 0xa0)] {
        host.sysctl("net.ipv6.conf.eth0.forwarding", forwarding);
        let sniffer = Sniffer::start(&watcher);
        let started = Instant::now();
        let kernel = holding(&host);

        let heard = sniffer.wait_for_announcement("2001:db8::100", started, SECOND);
        let Announcement { flags_and_hop_limit, mac, frame, .. } = heard;
        assert_eq!(flags_and_hop_limit, Some((flags, 255)));
        let to_all_nodes = [0x33, 0x33, 0, 0, 0, 1];
        assert_eq!((mac, frame), (host.mac(), (to_all_nodes, host.mac())));
        drop(kernel);
        wait_until("it is gone", SECOND, || found(&host).is_empty());
    }
}

/// RFC 4291 §2.7.1, RFC 9568 §6.4.3.
#[test]
fn who_holds_an_address_answers_solicitations_for_it_and_who_does_not_is_silent() {
    let (lab, host) = one_host("solicitations");
    let client = lab.host("client", "192.168.56.10/24");
    client.ip("address add 2001:db8::10/64 dev eth0 nodad");
    let kernel = start_with(&host, None);
    let has_joined = || host.ip("-6 maddress show dev eth0").contains("ff02::1:ff00:100");
    // Has the client ask anew, and returns what it has been told.
    let answer = || {
        client.ip("neigh flush all");
        client.enter(|| {
            let socket = UdpSocket::bind("[::]:0").expect("a port is free");
            socket.send_to(b"?", "[2001:db8::100]:9").expect("the link is up");
        });
        let all = client.neighbours().into_iter();
        all.filter(|it| it.address.to_string() == "2001:db8::100").find_map(|it| it.mac)
    };
    let is_silent = || if answer().is_none() { Ok(()) } else { Err("it answers") };
    holds_for("nobody answers", SECOND / 2, is_silent);
    assert!(!has_joined());

    claim(&kernel, &[0]);

    let mac = host.mac().map(|octet| format!("{octet:02x}")).join(":");
    wait_until("it answers", SECOND, || answer().as_ref() == Some(&mac));
    assert!(has_joined());
    kernel.claim(0, false);
    wait_until("it is released", SECOND, || found(&host).is_empty());
    holds_for("nobody answers", SECOND / 2, is_silent);
    assert!(!has_joined());
}

#[test]
fn a_link_without_ipv6_is_told_and_the_address_is_there_when_it_is_back() {
    let (_lab, host) = one_host("disabled");
    let kernel = holding(&host);

    host.sysctl("net.ipv6.conf.eth0.disable_ipv6", "1");

    assert!(host.enter(|| sysctl::disables_ipv6("eth0")));
    eventually("it is told why", SECOND, || {
        let facts = kernel.facts();
        let problem = facts.routers[0].problem.clone().unwrap_or_default();
        let lack = facts.links[0].no_link_local;
        let is_told = problem.ends_with("set net.ipv6.conf.eth0.disable_ipv6 to 0");
        if is_told && lack == Some(NoLinkLocal::Disabled) { Ok(()) } else { Err(problem) }
    });
    host.sysctl("net.ipv6.conf.eth0.disable_ipv6", "0");
    eventually("all is well again", 10 * SECOND, || {
        let facts = kernel.facts();
        let is_well = facts.routers[0].problem.is_none() && facts.links[0].sources.ipv6.is_some();
        if is_well && !found(&host).is_empty() { Ok(()) } else { Err(format!("{facts:?}")) }
    });
}

#[test]
fn a_link_local_address_that_another_host_has_is_not_sent_from() {
    let (lab, host) = one_host("duplicate");
    let other = lab.host("worker-02", "192.168.56.102/24");
    other.ip("address add fe80::77/64 dev eth0 nodad");
    host.sysctl("net.ipv6.conf.eth0.addr_gen_mode", "1");
    host.ip("-6 address flush dev eth0 scope link");
    let kernel = start_with(&host, None);
    let lack = || kernel.facts().links[0].no_link_local;
    assert_eq!(lack(), Some(NoLinkLocal::Absent));

    host.ip("address add fe80::77/64 dev eth0");

    let duplicate = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x77);
    wait_until("it is found out", 5 * SECOND, || {
        lack() == Some(NoLinkLocal::Duplicated(duplicate))
    });
    host.ip("address add fe80::78/64 dev eth0");
    let own = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x78);
    wait_until("the other one is sent from", 5 * SECOND, || {
        kernel.facts().links[0].sources.ipv6 == Some(own)
    });
}

fn one_host(name: &str) -> (Lab, Host) {
    let lab = Lab::new(name);
    let host = lab.host("worker-01", "192.168.56.101/24");
    host.ip("address add 2001:db8::101/64 dev eth0 nodad");
    (lab, host)
}

fn holding(host: &Host) -> KernelThread {
    let kernel = start_with(host, None);
    claim(&kernel, &[0]);
    kernel
}

fn start_with(host: &Host, lifetime: Option<Duration>) -> KernelThread {
    start(host, KernelPlan { lifetime, ..plan(&[&["2001:db8::100/64"]]) })
}

/// Returns what the kernel tells of the virtual address.
fn found(host: &Host) -> Vec<Value> {
    let all = host.ip("-6 -j address show dev eth0");
    let all: Value = serde_json::from_str(&all).expect("ip -j prints JSON");
    let all = all[0]["addr_info"].as_array().cloned().unwrap_or_default();
    all.into_iter().filter(|one| one["local"] == "2001:db8::100").collect()
}

const SECOND: Duration = Duration::from_secs(1);
