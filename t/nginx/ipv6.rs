//! Addresses of IPv6, alone and beside those of IPv4, with a client that uses them.

use std::thread;
use std::time::{Duration, Instant};

use harness::{
    AddressWatch, Carrier, Host, Lab, Nginx, Probe, Role, Sniffer, carriers, eventually, request,
    wait_until,
};

use crate::{PATIENCE, conf_with, get, status_when};

#[test]
fn over_ipv6_no_connection_is_lost_while_a_node_is_drained_and_when_it_comes_back() {
    // A connection that is open has one interval to end.
    on_every_pair("drain", IPV6, 500, |nodes| nodes.assert_drained_without_a_loss(IPV6, 5));
}

#[test]
fn over_ipv6_nor_is_one_lost_between_nodes_that_list_each_other() {
    for begin in ["fe80::", "2001:db8::"] {
        for carrier in carriers() {
            let conf = |priority, peer| {
                let addresses = format!("{IPV6} }}, peers = {{ '{begin}{peer}'");
                conf(priority, &addresses, 500)
            };
            let confs = [conf(254, 102), conf(253, 101)];
            let nodes = Nodes::start("unicast drain", carrier, &confs);
            nodes.assert_drained_without_a_loss(IPV6, 2);
        }
    }
}

#[test]
fn over_ipv6_nobody_notices_a_reload() {
    for addresses in [IPV6, DUAL_STACK, DUAL_STACK_VIRTUAL_MAC] {
        on_every_pair("reload", addresses, 100, |nodes| {
            let Nodes { a, b, client, nginx, .. } = nodes;
            let watches = [a, b].map(AddressWatch::start);
            let sniffer = Sniffer::start(client);
            let probes: Vec<_> =
                servers(addresses).map(|server| Probe::start(client, server, "/")).collect();
            let started = Instant::now();
            let before = transitions(a);

            for _ in 0..5 {
                let carrier = nginx[0].carrier_pid();
                nginx[0].reload();
                eventually("another process carries the engine", PATIENCE, || {
                    let pids = nginx[0].pids(Role::Carrier);
                    if pids.len() == 1 && pids != [carrier] { Ok(()) } else { Err(pids.len()) }
                });
                thread::sleep(Duration::from_millis(300));
            }

            assert_eq!(transitions(a), before);
            let events = watches[0].all_since(started);
            assert!(events.iter().all(|event| !event.removed), "{events:?}");
            let came = watches[1].since(started, ADDRESS);
            assert!(came.is_empty(), "{came:?}");
            let adverts = sniffer.adverts_since(started);
            assert!(adverts.iter().all(|it| it.priority > 0), "it resigned");
            let gaps = adverts.windows(2).map(|two| two[1].at.saturating_duration_since(two[0].at));
            let longest = gaps.max().expect("adverts were heard");
            assert!(longest < Duration::from_millis(250), "silent for {longest:.1?}");
            for probe in probes {
                let report = probe.finish();
                assert!(report.failures().is_empty(), "{report}");
            }
            nginx[0].assert_no_complaints();
        });
    }
}

/// Two nodes that are settled, and a client.
pub(crate) struct Nodes {
    pub(crate) a: Host,
    pub(crate) b: Host,
    pub(crate) client: Host,
    pub(crate) nginx: [Nginx; 2],
    _lab: Lab,
}

/// Runs a test on a fresh pair whose instance has these addresses, with each nginx of this machine.
pub(crate) fn on_every_pair(name: &str, addresses: &str, interval_ms: u32, test: impl Fn(&Nodes)) {
    for carrier in carriers() {
        let confs = [254, 253].map(|priority| conf(priority, addresses, interval_ms));
        test(&Nodes::start(name, carrier, &confs));
    }
}

impl Nodes {
    fn start(name: &str, carrier: &Carrier, confs: &[String; 2]) -> Self {
        let lab = Lab::new(&format!("{name}, {}", carrier.version));
        let [a, b, client] =
            [("worker-01", 101), ("worker-02", 102), ("client", 10)].map(|(name, number)| {
                let host = lab.host(name, &format!("192.168.56.{number}/24"));
                host.set_ipv6(number);
                host
            });
        let nginx = [(&a, &confs[0]), (&b, &confs[1])]
            .map(|(host, conf)| Nginx::start(host, carrier, conf));
        let nodes = Self { a, b, client, nginx, _lab: lab };
        nodes.wait_until_settled();
        nodes
    }

    /// Drains the first node and has it come back, so many times, with a client of each family.
    #[track_caller]
    pub(crate) fn assert_drained_without_a_loss(&self, addresses: &str, times: usize) {
        let Self { a, b, client, .. } = self;
        let start = |server| (server, Probe::start(client, server, "/"));
        let probes: Vec<_> = servers(addresses).map(start).collect();
        let served_by = |name| {
            for (_, probe) in &probes {
                probe.wait_for(name, PATIENCE);
            }
        };
        for _ in 0..times {
            served_by("worker-01");
            let slow = |(server, _): &(&'static str, _)| {
                let (server, client) = (*server, client.clone());
                thread::spawn(move || client.get(server, "/slow"))
            };
            let slow: Vec<_> = probes.iter().map(slow).collect();
            thread::sleep(Duration::from_millis(50));
            // The nodes need not have spoken to each other for a long time. What they know of the
            // client stays: with it would go what is queued for it.
            for (host, other) in [(a, 102), (b, 101)] {
                for network in ["192.168.56.", "fe80::"] {
                    host.ip(&format!("neigh flush to {network}{other} dev eth0"));
                }
            }

            assert_eq!(post(a, "/ha/drain"), 200);

            assert!(!a.has(ADDRESS) && b.has(ADDRESS));
            for answer in slow {
                let answer = answer.join().expect("no panic").expect("it is answered");
                assert_eq!((answer.status, answer.body.trim()), (200, "slow"));
            }
            served_by("worker-02");

            assert_eq!(post(a, "/ha/undrain"), 200);

            self.wait_until_settled();
        }
        for (server, probe) in probes {
            let report = probe.finish();
            assert!(report.failures().is_empty(), "{server}: {report}");
        }
        self.nginx.iter().for_each(Nginx::assert_no_complaints);
    }

    #[track_caller]
    pub(crate) fn wait_until_settled(&self) {
        status_when(&self.a, "active");
        status_when(&self.b, "backup");
        wait_until("the first has the address alone", PATIENCE, || {
            self.a.has(ADDRESS) && !self.b.has(ADDRESS)
        });
    }
}

pub(crate) fn conf(priority: u8, addresses: &str, interval_ms: u32) -> String {
    let options = format!(
        "{{ control = true, instances = {{ {{ name = 'VI_1', interface = 'eth0', vrid = 51,
            priority = {priority}, addresses = {{ {addresses} }},
            advert_interval_ms = {interval_ms} }} }} }}"
    );
    let pages = "add_header X-Served-By $hostname;
        location / { return 200 'page'; }
        location /slow { content_by_lua_block { ngx.sleep(0.4) ngx.say('slow') } }
        location /ha/";
    let conf = conf_with(&options).replacen("location /ha/", pages, 1);
    conf.replacen("listen 80;", "listen 80; listen [::]:80;", 1)
}

/// Returns where a client finds the addresses.
pub(crate) fn servers(addresses: &str) -> Box<dyn Iterator<Item = &'static str>> {
    let ipv4 = addresses.contains("192.168.56.100").then_some("192.168.56.100:80");
    Box::new(ipv4.into_iter().chain([SERVER]))
}

fn transitions(host: &Host) -> u64 {
    let status = get(host, "/ha/status").json();
    status["instances"][0]["transitions"].as_u64().expect("it is a number")
}

fn post(host: &Host, path: &str) -> u16 {
    let server = "127.0.0.1:80".parse().expect("an address");
    host.enter(|| request(server, "POST", path)).expect("nginx answers").status
}

pub(crate) const IPV6: &str = "'fe80::100/64', '2001:db8::100/64'";
pub(crate) const DUAL_STACK: &str = "'192.168.56.100/24', '2001:db8::100/64'";
pub(crate) const DUAL_STACK_BY_IPV6: &str =
    "'fe80::100/64', '2001:db8::100/64', '192.168.56.100/24'";
pub(crate) const DUAL_STACK_VIRTUAL_MAC: &str =
    "'192.168.56.100/24', '2001:db8::100/64' }, virtual_mac = true, addresses_excluded = {";
pub(crate) const ADDRESS: &str = "2001:db8::100";
const SERVER: &str = "[2001:db8::100]:80";
