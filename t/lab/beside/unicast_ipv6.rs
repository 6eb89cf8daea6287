//! Nodes that speak to each other one by one over IPv6, on one link and over a router.

use std::net::IpAddr;

use harness::{Host, Lab, Nginx, Role, Sniffer, carriers, wait_until};
use serde_json::Value;

use super::unicast::wait_for;
use crate::pair::{Pair, on_every_nginx};
use crate::router::{PATIENCE, Router, Setup, v6};

/// The source is of the kind of the peers: nothing but them has to be configured.
#[test]
fn peers_on_one_link_hear_each_other_and_nobody_else() {
    for (a, b, to_a, to_b) in [
        ("fe80::101", "fe80::102", "peers = { 'fe80::101' }", "peers = { 'fe80::102' }"),
        (
            "2001:db8::101",
            "2001:db8::102",
            "peers = { '2001:db8::101' }",
            "peers = { '2001:db8::102' }",
        ),
    ] {
        on_every_nginx("unicast over IPv6", |lab, carrier| {
            lab.set_ipv6();
            let sniffers = [&lab.a, &lab.b].map(Sniffer::start);
            let first = Router::start(&lab.a, carrier, v6(150).with(to_b));
            let second = Router::start(&lab.b, carrier, v6(100).with(to_a));
            first.wait_for("active");
            let standby = wait_for(&lab.b, |it| it["active"]["address"] == a);
            assert_eq!(
                (&standby["state"], &standby["peers"][0]["address"]),
                (&"backup".into(), &a.into())
            );

            // This one is not listed, though it has the higher priority.
            let stranger = Router::start(&lab.client, carrier, v6(200).with(to_b));
            second.wait_until_counted("unlisted");
            second.wait_for("backup");
            stranger.nginx.quit();

            first.nginx.kill9(Role::All);
            second.wait_for("active");
            let taken = second.instance().expect("it answers");
            assert_eq!(taken["reason"], "resigned", "the guard speaks to peers, too");

            let ends = [a, b].map(|it| it.parse::<IpAddr>().expect("an address"));
            for sniffer in sniffers {
                let heard = sniffer.adverts().into_iter();
                let ours = heard.filter(|it| ends.contains(&it.source));
                let all: Vec<_> = ours.map(|it| (it.destination, it.ttl)).collect();
                assert!(all.len() > 5 && all.iter().all(|it| ends.contains(&it.0) && it.1 == 255));
            }
            let joined = lab.b.ip("maddress show dev eth0");
            assert!(!joined.contains("ff02::12"), "{joined}");
        });
    }
}

#[test]
fn over_a_router_peers_of_ipv6_hear_each_other_where_that_is_allowed() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("routed IPv6, {}", carrier.version));
        let (a, b) = routed(&lab);
        let start = |(host, priority, peer): (&Host, u8, &str), more: &str| {
            let options = format!("peers = {{ '{peer}' }}, {more}");
            Nginx::start(host, carrier, &conf(v6(priority), &options))
        };
        let nodes = [(&a, 150, B), (&b, 100, A)];

        let strict = nodes.map(|node| start(node, ""));
        for host in [&a, &b] {
            wait_for(host, |it| it["state"] == "active" && it["counters"]["errors"]["ttl"] != 0);
        }
        drop(strict);

        let _lenient = nodes.map(|node| start(node, "min_hop_limit = 63, hop_limit = 64"));
        wait_for(&a, |it| it["state"] == "active");
        wait_for(&b, |it| it["state"] == "backup" && it["active"]["address"] == A);

        a.power_off();
        wait_for(&b, |it| it["state"] == "active" && it["reason"] == "no_response");
    }
}

#[test]
fn a_link_local_address_of_this_host_is_a_peer_on_another_link_alone() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("own peer of IPv6, {}", carrier.version));
        let host = lab.host_on_links("worker-01", &["192.168.56.101/24", "192.168.57.101/24"]);
        host.set_ipv6(101);
        host.ip("address add fe80::102/64 dev eth1 nodad");
        let nginx = Nginx::start(&host, carrier, &conf(v6(150), "peers = { 'fe80::102' }"));
        wait_for(&host, |it| it["state"] == "active");

        host.ip("address add fe80::102/64 dev eth0 nodad");
        wait_for(&host, |it| it["reason"] == "own_peer");
        nginx.write("nginx.conf", &conf(v6(150), "peers = { 'fe80::102' }, dead_factor = 4"));
        let said = nginx.try_reload().expect_err("it is one of its own");
        let why = "instances[1].peers[1]: fe80::102 is an address of this host (eth0)";
        assert!(said.contains(why), "{said}");

        host.ip("address delete fe80::102/64 dev eth0");
        wait_for(&host, |it| it["state"] == "active");
    }
}

#[test]
fn without_an_address_that_reaches_its_peers_a_node_is_in_fault_until_it_has_one() {
    on_every_nginx("no global address", |lab, carrier| {
        let Pair { a, .. } = lab;
        let to_b = v6(150).with("peers = { '2001:db8::102' }");
        let first = Router::start(a, carrier, to_b);
        let held = wait_for(a, |it| it["state"] == "fault");
        assert_eq!(held["reason"], "no_primary_address");
        let health = a.get("127.0.0.1:80", "/ha/healthz").expect("it answers").body;
        assert!(health.contains("has no IPv6 address that reaches beyond the link"), "{health}");

        a.ip("address add 2001:db8::101/64 dev eth0");
        first.wait_for("active");
        wait_until("it speaks from it", PATIENCE, || {
            first.instance().is_ok_and(|it: Value| it["active"]["address"] == "2001:db8::101")
        });
    });
}

/// Returns two hosts on two segments, with a router between them.
fn routed(lab: &Lab) -> (Host, Host) {
    let between = lab.host_on_links("between", &["10.77.1.1/24", "10.77.2.1/24"]);
    between.sysctl("net.ipv6.conf.all.forwarding", "1");
    for (interface, network) in [("eth0", 1), ("eth1", 2)] {
        between.ip(&format!("address add 2001:db8:{network}::1/64 dev {interface} nodad"));
    }
    let [a, b] = [("worker-01", 1, A), ("worker-02", 2, B)].map(|(name, network, address)| {
        let host = lab.host(name, &format!("10.77.{network}.101/24"));
        host.ip(&format!("address add {address}/64 dev eth0 nodad"));
        host.ip(&format!("route add default via 2001:db8:{network}::1"));
        host
    });
    lab.switch_ip("link set worker-02 master br1");
    (a, b)
}

fn conf(setup: Setup, options: &str) -> String {
    let addresses = "'fe80::100/64', '2001:db8::100/64' },";
    let conf = setup.conf();
    assert!(conf.contains(addresses), "{conf}");
    conf.replace(addresses, &format!("{addresses} {options}"))
}

const A: &str = "2001:db8:1::101";
const B: &str = "2001:db8:2::102";
