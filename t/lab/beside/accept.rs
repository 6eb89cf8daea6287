//! Addresses on which the host does not answer (`accept = false`), against the real kernel.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use harness::{Host, Lab, eventually, wait_until};
use resty_vrrp::net::{AcceptRules, echo};
use resty_vrrp::runtime::kernel::{AcceptFilter, KernelPlan, KernelThread};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::kernel::{claim, plan, start};

#[test]
fn nothing_is_answered_but_neighbour_discovery_and_what_is_forwarded_passes() {
    let side = Side::new("accept");
    let listener = side.router.enter(|| TcpListener::bind("[::]:80").expect("the port is free"));
    let server = side.server.enter(|| TcpListener::bind("[::]:80").expect("the port is free"));
    let kernel = side.start(false);
    claim(&kernel, &[0]);

    for vip in VIPS {
        // Whoever is found answers ARP, or a solicitation.
        wait_until("it is found", SECOND, || {
            side.connect(vip).ok();
            side.knows(vip)
        });
        assert_eq!(side.connect(vip).unwrap_err().kind(), io::ErrorKind::TimedOut, "{vip}");
        assert!(!side.pings(vip), "{vip}");
    }
    for own in ["192.168.56.101", "2001:db8::101"] {
        side.connect(own).unwrap();
        assert!(side.pings(own), "{own}");
    }
    for beyond in ["198.51.100.2", "2001:db8:1::2"] {
        assert!(side.pings(beyond), "{beyond}");
        side.connect(beyond).unwrap();
    }
    drop((listener, server));
}

/// A neighbour that knows the address asks it alone whether it is still there.
#[test]
fn a_neighbour_that_is_asked_again_stays_reachable() {
    let side = Side::new("accept, reachable");
    let kernel = side.start(false);
    claim(&kernel, &[0]);
    for vip in VIPS {
        wait_until("it is found", SECOND, || {
            side.connect(vip).ok();
            side.knows(vip)
        });
        side.client.ip(&format!("neigh change {vip} dev eth0 nud probe"));

        eventually("it has answered", 5 * SECOND, || {
            let shown = side.client.ip(&format!("neigh show to {vip} dev eth0"));
            if shown.contains("REACHABLE") { Ok(()) } else { Err(shown) }
        });
    }
}

#[test]
fn who_accepts_answers_and_has_no_rules() {
    let side = Side::new("accept, on");
    let _listener = side.router.enter(|| TcpListener::bind("[::]:80").expect("the port is free"));
    let kernel = side.start(true);
    claim(&kernel, &[0]);

    for vip in VIPS {
        side.connect(vip).unwrap();
        assert!(side.pings(vip), "{vip}");
    }
    assert_eq!(side.rules(), "");
}

#[test]
fn whoever_flushes_all_rules_does_not_make_it_answer_and_the_end_of_the_engine_leaves_none() {
    let side = Side::new("accept, flushed");
    let kernel = side.start(false);
    claim(&kernel, &[0]);
    side.router.exec("nft", &["add table ip theirs"]);

    side.router.exec("nft", &["flush ruleset"]);

    assert!(side.rules().contains("-accept"), "{}", side.rules());
    assert!(VIPS.iter().all(|vip| !side.pings(vip)));
    drop(kernel);
    wait_until("the rules go with the engine", 5 * SECOND, || side.rules().is_empty());
    assert!(!side.router.has("192.168.56.100"));
}

#[test]
fn the_rules_of_accept_are_those_of_the_documentation() {
    let lab = Lab::new("accept, rules");
    let host = lab.host("worker-01", "192.168.56.101/24");
    let addresses = ["192.0.2.100", "2001:db8::100"].map(|it| it.parse().expect("an address"));
    let rules = host.enter(|| AcceptRules::new(BTreeSet::from(addresses)).unwrap());
    // A second attempt begins anew.
    host.enter(|| rules.enforce().and_then(|()| rules.enforce()).unwrap());

    let source = include_str!("../../../src/net/nftables/accept.rs");
    let documented = source.split("```text").nth(1).and_then(|rest| rest.split("```").next());
    let documented = documented.expect("there is one").replace("//!", "");
    let shown = host.exec("nft", &["list", "ruleset"]);
    let name = shown.split_whitespace().nth(2).unwrap();
    let documented = documented.replace("vrrp-4711-accept", name);
    let shown = shown.lines().map(|line| line.split(" #").next().unwrap_or_default());
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(words(&shown.collect::<Vec<_>>().join(" ")), words(&documented));
}

#[test]
fn as_many_addresses_as_an_engine_may_have_fit() {
    let lab = Lab::new("accept, many");
    let host = lab.host("worker-01", "192.168.56.101/24");
    let many =
        (0..10_000_u128).map(|number| IpAddr::from((0xfd00_u128 << 112 | number).to_be_bytes()));
    let rules = host.enter(|| AcceptRules::new(many.collect()).unwrap());

    host.enter(|| rules.enforce().unwrap());

    let shown = host.exec("nft", &["list", "ruleset"]);
    assert_eq!(shown.matches("fd00::").count(), 10_000);
}

/// A router between the hosts `client` and `server`.
struct Side {
    router: Host,
    client: Host,
    server: Host,
    _lab: Lab,
}

impl Side {
    fn new(name: &str) -> Self {
        let lab = Lab::new(name);
        let router = lab.host("worker-01", "192.168.56.101/24");
        let client = lab.host("client", "192.168.56.10/24");
        let server = lab.host("server", "198.51.100.2/24");
        for (host, address) in [
            (&router, "2001:db8::101"),
            (&client, "2001:db8::10"),
            (&router, "2001:db8:1::1"),
            (&server, "2001:db8:1::2"),
        ] {
            host.ip(&format!("address add {address}/64 dev eth0 nodad"));
        }
        router.ip("address add 198.51.100.1/24 dev eth0");
        router.sysctl("net.ipv4.ip_forward", "1");
        router.sysctl("net.ipv6.conf.all.forwarding", "1");
        client.ip("route add 198.51.100.0/24 via 192.168.56.100");
        client.ip("route add 2001:db8:1::/64 via 2001:db8::100");
        server.ip("route add 192.168.56.0/24 via 198.51.100.1");
        server.ip("route add 2001:db8::/64 via 2001:db8:1::1");
        for host in [&client, &server] {
            host.sysctl("net.ipv4.conf.all.accept_redirects", "0");
            host.sysctl("net.ipv4.conf.eth0.accept_redirects", "0");
            host.sysctl("net.ipv6.conf.eth0.accept_redirects", "0");
        }
        Self { router, client, server, _lab: lab }
    }

    fn start(&self, accepts: bool) -> KernelThread {
        let addresses: Vec<_> = PREFIXED.to_vec();
        let mut plan = plan(&[&addresses]);
        plan.routers[0].accepts = accepts;
        let unanswered = VIPS.map(|vip| vip.parse().expect("an address"));
        let filter = (!accepts).then(|| {
            self.router.enter(|| Arc::new(AcceptFilter::start([0].into(), unanswered.into())))
        });
        start(&self.router, KernelPlan { filter, ..plan })
    }

    fn connect(&self, server: &str) -> io::Result<TcpStream> {
        let server = SocketAddr::new(server.parse().expect("an address"), 80);
        self.client.enter(|| TcpStream::connect_timeout(&server, SECOND / 2))
    }

    fn pings(&self, server: &str) -> bool {
        let address: IpAddr = server.parse().expect("an address");
        self.client.enter(|| {
            let runtime = Builder::new_current_thread().enable_all().build().expect("it starts");
            runtime.block_on(async {
                matches!(timeout(SECOND / 2, echo(address, None)).await, Ok(Ok(())))
            })
        })
    }

    fn knows(&self, address: &str) -> bool {
        let mac = self.router.mac().map(|octet| format!("{octet:02x}")).join(":");
        let all = self.client.neighbours();
        all.iter().any(|it| it.address.to_string() == address && it.mac.as_ref() == Some(&mac))
    }

    fn rules(&self) -> String {
        self.router.exec("nft", &["list", "ruleset"])
    }
}

const VIPS: [&str; 2] = ["192.168.56.100", "2001:db8::100"];
const PREFIXED: [&str; 2] = ["192.168.56.100/24", "2001:db8::100/64"];
const SECOND: Duration = Duration::from_secs(1);
