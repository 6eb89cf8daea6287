//! The guard as a process: when it is there, when it ends, and when it leaves everything alone.

use std::fs;
use std::time::{Duration, Instant};

use harness::{
    AddressWatch, Carrier, Host, Lab, Nginx, Role, Signal, Sniffer, carriers, eventually, signal,
    wait_until,
};

use crate::alone::killed::kill_all_of;
use crate::pair::{Pair, on_every_fallible_pair};
use crate::{ONE, conf_with, get, status_when};

#[test]
fn a_carrier_that_nginx_starts_again_does_not_lead_to_a_resignation() {
    on_a_network("carrier killed", |lab, host, carrier| {
        let nginx = start_active(host, carrier);
        let sniffer = Sniffer::start(&lab.host("watcher", "192.168.56.99/24"));
        let before = guards(host);

        nginx.kill9(Role::Carrier);

        eventually("there is another guard instead of the first", SECOND, || {
            let now = guards(host);
            if now.len() == 1 && now != before { Ok(()) } else { Err(format!("{now:?}")) }
        });
        status_when(host, "active");
        let adverts = sniffer.adverts();
        assert!(adverts.iter().all(|advert| advert.priority == 150), "{adverts:?}");
    });
}

#[test]
fn the_guard_of_an_engine_that_hung_and_was_replaced_leaves_everything_alone() {
    on_a_network("hung and replaced", |lab, host, carrier| {
        let nginx = start_active(host, carrier);
        let sniffer = Sniffer::start(&lab.host("watcher", "192.168.56.99/24"));
        let hung = nginx.carrier_pid();

        signal(hung, Signal::SIGSTOP);
        nginx.signal(Role::Master, Signal::SIGHUP);
        eventually("another engine has the routers", SECOND * 5, || {
            let status = get(host, "/ha/status").json();
            let active = status["instances"][0]["state"] == "active";
            if active && status["node"]["pid"] != hung { Ok(()) } else { Err(status.to_string()) }
        });
        signal(hung, Signal::SIGKILL);

        eventually("one guard is left of two", SECOND * 3, || {
            let guards = guards(host);
            if guards.len() == 1 { Ok(()) } else { Err(format!("{guards:?}")) }
        });
        let adverts = sniffer.adverts();
        assert!(adverts.iter().all(|advert| advert.priority == 150), "{adverts:?}");
        assert!(host.has(VIP) && host.has(VIP_2));
    });
}

#[test]
fn the_kernel_keeps_the_addresses_of_the_dead_little_longer_than_peers_wait() {
    on_a_network("all killed", |_, host, carrier| {
        let options = ONE.replacen("advert_interval_ms = 100", "advert_interval_ms = 1000", 1);
        let nginx = Nginx::start(host, carrier, &conf_with(&options));
        status_when(host, "active");
        wait_until("the addresses are here", SECOND, || host.has(VIP) && host.has(VIP_2));
        let watch = AddressWatch::start(host);
        let refreshed = Instant::now();
        wait_until("an address is refreshed", SECOND * 4, || {
            !watch.since(refreshed, VIP).is_empty()
        });
        // The peers of a router of the usual priority.
        let active_down_interval = Duration::from_millis(3_610);

        kill_with_guard(&nginx, host);

        let killed = Instant::now();
        for address in [VIP, VIP_2] {
            let gone = watch.wait_for_removal(killed, address, SECOND * 8) - killed;
            println!("all killed: {address} is gone after {gone:.1?}");
            assert!(gone <= active_down_interval + SECOND, "{address} after {gone:?}");
        }
    });
}

/// The file of the program is read from a disk that is slow, say.
#[test]
fn nobody_notices_a_guard_that_is_slow_to_start() {
    on_every_fallible_pair("slow guard", "", |pair, _| {
        let Pair { one, .. } = pair;
        let before = guards(&one.host);
        // Longer than `vrrp-net` may stand still before its addresses are in doubt.
        one.nginx.failpoints().arm("guard", "sleep(4000)");
        let calm = pair.calm();

        kill(&before);

        eventually("there is another guard", SECOND * 15, || {
            let now = guards(&one.host);
            if now.len() == 1 && now != before { Ok(()) } else { Err(format!("{now:?}")) }
        });
        pair.assert_calm(&calm);
    });
}

/// Runs a test on a fresh host of a fresh network, with each nginx of this machine.
pub(crate) fn on_a_network(name: &str, test: impl Fn(&Lab, &Host, &Carrier)) {
    for carrier in carriers() {
        let lab = Lab::new(&format!("{name}, {}", carrier.version));
        test(&lab, &lab.host("worker-01", "192.168.56.101/24"), carrier);
    }
}

/// Starts nginx and waits until it holds its addresses and has a guard.
pub(crate) fn start_active(host: &Host, carrier: &Carrier) -> Nginx {
    let nginx = crate::start_active(host, carrier);
    wait_until("the addresses are here", SECOND, || host.has(VIP) && host.has(VIP_2));
    wait_until("the guard knows", SECOND, || guard_knows(host));
    nginx
}

pub(crate) fn node_warnings(host: &Host) -> Vec<serde_json::Value> {
    get(host, "/ha/status").json()["node"]["warnings"].as_array().cloned().unwrap_or_default()
}

/// Tells whether a guard was told what its engine holds: it answers beside the door from the moment
/// that it is told all that. It may start after the addresses have come.
pub(crate) fn guard_knows(host: &Host) -> bool {
    !host.exec("find", &["/run/", "-name", "vrrp-*.guard"]).is_empty()
}

#[track_caller]
pub(crate) fn no_guard_is_left(host: &Host) {
    eventually("no guard is left", SECOND, || {
        let left = guards(host);
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

/// Kills nginx and its guard: nobody is left to clear up.
pub(crate) fn kill_with_guard(nginx: &Nginx, host: &Host) {
    // Who is stopped starts no other guard.
    nginx.signal(Role::All, Signal::SIGSTOP);
    kill(&guards(host));
    kill_all_of(nginx);
}

pub(crate) fn kill(pids: &[i32]) {
    for pid in pids {
        signal(*pid, Signal::SIGKILL);
    }
}

pub(crate) fn guards(host: &Host) -> Vec<i32> {
    let mut pids = host.pids();
    pids.retain(|pid| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "vrrp-guard\n")
    });
    pids
}

pub(crate) const VIP: &str = "192.168.56.100";
pub(crate) const VIP_2: &str = "192.168.56.110";
pub(crate) const SECOND: Duration = Duration::from_secs(1);
