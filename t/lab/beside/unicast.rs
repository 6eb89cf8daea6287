//! Nodes that speak to each other one by one, on one link and over a router.

use harness::{Host, Lab, Nginx, Sniffer, carriers, eventually, wait_until};
use serde_json::Value;

use super::{no_warning, warning};
use crate::pair::{assert_settled, on_every_nginx};
use crate::router::{ADDRESS, PATIENCE, Router, v3};

const A_SPEAKS_TO_B: &str = "peers = { '192.168.56.102' }";
const B_SPEAKS_TO_A: &str = "peers = { '192.168.56.101' }";

#[test]
fn over_a_router_peers_hear_each_other_where_that_is_allowed() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("routed, {}", carrier.version));
        let (a, b) = routed(&lab);
        let sniffer = Sniffer::start(&b);
        let nodes = [("150", &a, B), ("100", &b, A)];
        let start = |(priority, host, peer): (&str, &Host, &str), more: &str| {
            let options = format!("peers = {{ '{peer}' }}, {more}");
            Nginx::start(host, carrier, &conf(priority, &options))
        };

        let strict = nodes.map(|node| start(node, ""));
        for host in [&a, &b] {
            wait_for(host, |it| it["state"] == "active" && it["counters"]["errors"]["ttl"] != 0);
        }
        assert!(sniffer.adverts().iter().any(|it| it.source == a.address() && it.ttl == 254));
        drop(strict);

        let _lenient = nodes.map(|node| start(node, "min_hop_limit = 254"));
        wait_for(&a, |it| it["state"] == "active");
        let standby = wait_for(&b, |it| it["state"] == "backup" && it["active"]["address"] == A);
        let heard = &standby["peers"][0];
        assert_eq!(heard["address"], A);
        assert!(heard["last_advert_age_ms"].as_u64() < Some(1000), "{heard}");
        assert_eq!(standby["counters"]["errors"]["ttl"], 0);

        a.power_off();
        wait_for(&b, |it| it["state"] == "active" && it["reason"] == "no_response");
    }
}

#[test]
fn a_node_speaks_from_its_source_and_is_in_fault_until_it_has_it() {
    on_every_nginx("source", |lab, carrier| {
        let from = "source = '192.168.56.151', peers = { '192.168.56.102' }";
        let a = Router::start(&lab.a, carrier, v3(150).with(from));
        let b = Router::start(&lab.b, carrier, v3(100).with("peers = { '192.168.56.151' }"));
        a.wait_for("fault");
        b.wait_for("active");
        assert_eq!(a.instance().expect("it answers")["reason"], "no_primary_address");
        let health = lab.a.get("127.0.0.1:80", "/ha/healthz").expect("it answers").body;
        assert!(
            health.contains("source 192.168.56.151 is not an address of this host"),
            "{health}"
        );

        // On whatever interface.
        lab.a.ip("address add 192.168.56.151/32 dev lo");
        assert_settled(&a, &[&b]);
        let active = b.instance().expect("it answers")["active"]["address"].clone();
        assert_eq!(active, "192.168.56.151");

        lab.a.ip("address delete 192.168.56.151/32 dev lo");
        a.wait_for("fault");
        b.wait_for("active");
    });
}

#[test]
fn an_address_of_this_host_is_no_peer() {
    on_every_nginx("own peer", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150).with(A_SPEAKS_TO_B));
        let b = Router::start(&lab.b, carrier, v3(100).with(B_SPEAKS_TO_A));
        assert_settled(&a, &[&b]);

        lab.a.ip("address add 192.168.56.102/32 dev lo");
        a.wait_for("fault");
        assert_eq!(a.instance().expect("it answers")["reason"], "own_peer");
        lab.a.ip("address delete 192.168.56.102/32 dev lo");
        a.wait_for("active");

        let both = "peers = { '192.168.56.101', '192.168.56.102' }";
        a.nginx.write("nginx.conf", &v3(150).with(both).conf());
        let said = a.nginx.try_reload().expect_err("it is one of them");
        let why = "instances[1].peers[1]: 192.168.56.101 is an address of this host (eth0)";
        assert!(said.contains(why), "{said}");
        a.wait_for("active");
    });
}

#[test]
fn whoever_speaks_otherwise_is_ignored_and_named() {
    on_every_nginx("outsiders", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150).with(A_SPEAKS_TO_B));
        a.wait_for("active");

        // This one is not listed.
        let to_all = "peers = { '192.168.56.101', '192.168.56.102' }";
        let stranger = Router::start(&lab.client, carrier, v3(200).with(to_all));
        let text = warning(&a, "peer_discarded", PATIENCE);
        let why = "what 192.168.56.10 advertises for this virtual router is discarded: it is none \
                   of the peers that are configured here";
        assert!(text.starts_with(why), "{text}");
        eventually("it is counted", PATIENCE, || {
            let instance = a.instance()?;
            let counted = instance["counters"]["errors"]["unlisted"].as_u64();
            if counted > Some(0) { Ok(()) } else { Err(instance.to_string()) }
        });
        assert_eq!(a.state(), "active");
        stranger.nginx.quit();

        // This one is listed, and speaks to the group.
        let b = Router::start(&lab.b, carrier, v3(200));
        b.wait_for("active");
        let text = warning(&a, "peer_speaks_otherwise", PATIENCE);
        assert!(text.starts_with("192.168.56.102 advertises to the group 224.0.0.18"), "{text}");
        let text = warning(&b, "peer_speaks_otherwise", PATIENCE);
        assert!(text.contains("to this node alone (unicast), not to the group"), "{text}");
        b.nginx.write("nginx.conf", &v3(200).with(B_SPEAKS_TO_A).conf());
        b.nginx.reload();
        assert_settled(&b, &[&a]);
    });
}

#[test]
fn a_peer_that_the_kernel_sends_nothing_to_costs_the_others_nothing() {
    on_every_nginx("one unreachable", |lab, carrier| {
        let two = "peers = { '192.168.56.103', '192.168.56.102' }";
        let a = Router::start(&lab.a, carrier, v3(150).with(two));
        let b = Router::start(&lab.b, carrier, v3(100).with(B_SPEAKS_TO_A));
        assert_settled(&a, &[&b]);

        lab.a.exec("nft", &[REFUSE_ONE]);
        let text = warning(&a, "peer_unreachable", PATIENCE);
        assert!(text.contains("no advertisements to peer 192.168.56.103 (Operation not"), "{text}");
        assert_settled(&a, &[&b]);
        lab.a.exec("nft", &["delete table ip one"]);
        no_warning(&a, PATIENCE);

        // None at all: as for a group.
        lab.a.exec("nft", &[&REFUSE_ONE.replace("ip daddr 192.168.56.103", "ip protocol 112")]);
        b.wait_for("active");
        a.wait_for("fault");
        warning(&a, "cannot_send", PATIENCE);
        lab.a.exec("nft", &["delete table ip one"]);
        assert_settled(&a, &[&b]);
    });
}

#[test]
fn nobody_joins_the_group_for_routers_with_peers() {
    on_every_nginx("no group", |lab, carrier| {
        let joined = |host: &Host| host.ip("maddress show dev eth0").contains("224.0.0.18");
        let a = Router::start(&lab.a, carrier, v3(150).with(A_SPEAKS_TO_B));
        a.wait_for("active");
        assert!(!joined(&lab.a));

        a.nginx.write("nginx.conf", &v3(150).conf());
        a.nginx.reload();

        wait_until("the next engine joins it", PATIENCE, || joined(&lab.a));
        assert!(lab.a.has(ADDRESS));
    });
}

/// Returns two hosts on two segments, with a router between them.
fn routed(lab: &Lab) -> (Host, Host) {
    let between = lab.host_on_links("between", &["10.77.1.1/24", "10.77.2.1/24"]);
    between.sysctl("net.ipv4.ip_forward", "1");
    let a = lab.host("worker-01", &format!("{A}/24"));
    let b = lab.host("worker-02", &format!("{B}/24"));
    lab.switch_ip("link set worker-02 master br1");
    a.ip("route add 10.77.2.0/24 via 10.77.1.1");
    b.ip("route add 10.77.1.0/24 via 10.77.2.1");
    (a, b)
}

fn conf(priority: &str, options: &str) -> String {
    let setup = v3(priority.parse().expect("a number")).conf();
    setup.replace(&format!("'{ADDRESS}/24' }},"), &format!("'10.77.9.9/32' }}, {options}"))
}

/// Waits until the status of the instance is as wanted, and returns it.
#[track_caller]
pub(super) fn wait_for(host: &Host, is_so: impl Fn(&Value) -> bool) -> Value {
    eventually(&format!("{} is as it should be", host.name()), PATIENCE, || {
        let answer = host.get("127.0.0.1:80", "/ha/status").map_err(|error| error.to_string())?;
        let instance = answer.json()["instances"][0].clone();
        if is_so(&instance) { Ok(instance) } else { Err(instance.to_string()) }
    })
}

const A: &str = "10.77.1.101";
const B: &str = "10.77.2.102";
const REFUSE_ONE: &str = "add table ip one; \
     add chain ip one output { type filter hook output priority 0; }; \
     add rule ip one output ip daddr 192.168.56.103 drop";
