//! A thousand virtual routers on four links: all advertise in time, and none changes state.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Host, Lab, Nginx, Sniffer, carriers, eventually, urgently};

use crate::router::PATIENCE;

#[test]
fn a_thousand_routers_advertise_in_time_and_none_of_their_peers_takes_over() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("a crowd, {}", carrier.version));
        let links =
            |host: usize| (0..LINKS).map(|link| format!("172.16.{link}.{host}/24")).collect();
        let [a, b] = [("worker-01", 1), ("worker-02", 2)]
            .map(|(name, host)| lab.host_on_links(name, &links(host) as &Vec<String>));
        let first = Nginx::start(&a, carrier, &conf(150));
        wait_for(&a, "active");
        let second = Nginx::start(&b, carrier, &conf(100));
        wait_for(&b, "backup");
        let before = [&a, &b].map(transitions);

        let sniffer = urgently(|| Sniffer::start_on_all_links(&b));
        thread::sleep(LONG);

        assert_eq!([&a, &b].map(transitions), before, "nobody has changed state");
        assert_in_time(&sniffer);
        for nginx in [first, second] {
            nginx.assert_no_complaints();
        }
    }
}

/// A busy machine may keep a process waiting now and then: nearly all gaps are short enough, and
/// none is as long as a peer would bear.
#[track_caller]
fn assert_in_time(sniffer: &Sniffer) {
    assert_eq!(sniffer.lost(), 0, "all frames were seen");
    let mut last: BTreeMap<(IpAddr, u8), Instant> = BTreeMap::new();
    let mut gaps = Vec::new();
    sniffer.look_at_adverts(|adverts| {
        for advert in adverts {
            let before = last.insert((advert.source, advert.vrid), advert.at);
            gaps.extend(before.map(|before| advert.at.saturating_duration_since(before)));
        }
    });
    assert_eq!(last.len(), LINKS * usize::from(PER_LINK), "all routers were heard");
    gaps.sort_unstable();
    let [most, longest] = [gaps.len() * 99 / 100, gaps.len() - 1].map(|place| gaps[place]);
    assert!(most < INTERVAL * 3 / 2, "of 100 gaps, one is longer than {most:?}");
    assert!(longest < INTERVAL * 3, "the longest gap is {longest:?}");
}

/// Waits until all routers are in a state.
#[track_caller]
fn wait_for(host: &Host, state: &str) {
    eventually(&format!("all routers of {} are {state}", host.name()), PATIENCE, || {
        let answer = host.get("127.0.0.1:80", "/ha/status").map_err(|it| it.to_string())?;
        let status = answer.json();
        let all = status["instances"].as_array().into_iter().flatten();
        let others = all.filter(|one| one["state"] != state).count();
        if others == 0 { Ok(()) } else { Err(format!("{others} are not")) }
    });
}

/// Returns how often the routers of a host have changed state.
fn transitions(host: &Host) -> u64 {
    let status = host.get("127.0.0.1:80", "/ha/status").expect("nginx answers").json();
    let all = status["instances"].as_array().into_iter().flatten();
    all.filter_map(|one| one["transitions"].as_u64()).sum()
}

fn conf(priority: u8) -> String {
    let router = |link: usize, vrid: u8| {
        format!(
            "{{ name = 'VI_{link}_{vrid}', interface = 'eth{link}', vrid = {vrid}, \
             priority = {priority}, advert_interval_ms = {}, \
             addresses = {{ '10.77.{link}.{vrid}/32' }} }}",
            INTERVAL.as_millis()
        )
    };
    let all = (0..LINKS).flat_map(|link| (1..=PER_LINK).map(move |vrid| router(link, vrid)));
    let all: Vec<_> = all.collect();
    format!(
        "worker_processes 1;
events {{ }}
http {{
    init_by_lua_block {{ require('resty.vrrp').setup {{ instances = {{ {} }} }} }}
    init_worker_by_lua_block {{ require('resty.vrrp').init_worker() }}
    server {{
        listen 80;
        location /ha/ {{ content_by_lua_block {{ require('resty.vrrp').serve() }} }}
    }}
}}
",
        all.join(",\n")
    )
}

const LINKS: usize = 4;
const PER_LINK: u8 = 250;
/// A library that was built for debugging takes ten times as long for everything.
const INTERVAL: Duration = Duration::from_millis(if cfg!(debug_assertions) { 500 } else { 100 });
const LONG: Duration = Duration::from_secs(8);
