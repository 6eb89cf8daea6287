//! A claim is a fact: the kernel has the addresses, and goes on having them, or somebody else may.

use std::thread;
use std::time::{Duration, Instant};

use harness::{Host, eventually, holds_for};
use serde_json::Value;

use crate::pair::{ADDRESS, PATIENCE, on_every_fallible_pair};
use crate::{ONE, conf_with, get, on_every_nginx};

#[test]
fn a_thread_that_waits_for_the_kernel_gives_the_addresses_away_before_they_expire() {
    on_every_fallible_pair("vrrp-net stands still", "", |pair, _| {
        let node = &pair.one;
        let start = Instant::now();

        node.nginx.failpoints().arm("vrrp-net", "sleep(7000)");
        let resigned = pair.sniffer.wait_for_advert("it resigns", start, PATIENCE, |advert| {
            advert.priority == 0 && advert.source == node.source()
        });
        let gone = node.addresses.wait_for_removal(start, ADDRESS, PATIENCE);
        node.nginx.failpoints().disarm("vrrp-net");

        assert!(gone > resigned.at, "it was gone before");
        let instance = node.wait_for("fault")["instances"][0].clone();
        assert_eq!(instance["reason"], "addresses_unavailable");
        let health = get(&node.host, "/ha/healthz");
        assert_eq!(health.status, 503);
        assert!(health.body.contains("vrrp-net waits for the kernel"), "{}", health.body);
        pair.two.wait_for("active");

        node.wait_for("active");
        pair.wait_until_settled();
        let log = node.nginx.error_log();
        assert!(!log.contains("keeps removing") && !log.contains("somebody removed"), "{log}");
    });
}

#[test]
fn a_thread_that_stops_and_goes_on_at_random_leaves_one_owner_and_no_address_behind() {
    on_every_fallible_pair("vrrp-net at random", "", |pair, _| {
        let node = &pair.one;
        let lines = node.nginx.error_log().lines().count();
        for pause_ms in [300, 2_500, 50, 3_300, 1_200, 4_500, 700] {
            node.nginx.failpoints().arm("vrrp-net", &format!("sleep({pause_ms})"));
            thread::sleep(Duration::from_millis(pause_ms / 2 + 200));
            node.nginx.failpoints().disarm("vrrp-net");
        }

        pair.wait_until_settled();
        eventually("the first node has the address", PATIENCE, || {
            if node.has() { Ok(()) } else { Err("it has not") }
        });
        holds_for("one node has the address", Duration::from_secs(2), || {
            let owners = [node.has(), pair.two.has()];
            if owners == [true, false] { Ok(()) } else { Err(format!("{owners:?}")) }
        });
        let log = node.nginx.error_log();
        assert!(log.lines().count() - lines < 40, "{log}");
        node.nginx.stop();
        holds_for("nothing is left", Duration::from_secs(1), || {
            if node.has() { Err("the address is here") } else { Ok(()) }
        });
    });
}

#[test]
fn an_address_that_the_kernel_refuses_is_a_fault_that_ends_with_its_cause() {
    on_every_nginx("refused", |host, carrier| {
        // Of one network, the kernel takes no address whose scope is wider than the first one's.
        replace_own_address(host, "scope link");
        let _nginx = harness::Nginx::start(host, carrier, &conf_with(ONE));

        let instance = instance_with(host, "address_refused");
        assert_eq!((&instance["state"], &instance["reason"]), (&"fault".into(), &REASON.into()));
        let health = get(host, "/ha/healthz");
        assert_eq!(health.status, 503);
        assert!(health.body.contains("cannot add 192.168.56.100/24 to eth0"), "{}", health.body);
        let moves = instance["transitions"].as_u64().expect("a number");
        replace_own_address(host, "scope global");

        let instance = crate::status_when(host, "active")["instances"][0].clone();
        assert!(instance["transitions"].as_u64() <= Some(moves + 4), "{instance}");
        eventually("the warning has gone", PATIENCE, || {
            let instance = get(host, "/ha/status").json()["instances"][0].clone();
            if instance["warnings"] == Value::Array(Vec::new()) {
                Ok(())
            } else {
                Err(instance.to_string())
            }
        });
    });
}

/// Removes the address of a host, and adds it again.
fn replace_own_address(host: &Host, options: &str) {
    host.ip("address delete 192.168.56.101/24 dev eth0");
    host.ip(&format!("address add 192.168.56.101/24 brd + {options} dev eth0"));
}

/// Waits until the first instance is in fault and has a warning.
#[track_caller]
fn instance_with(host: &Host, warning: &str) -> Value {
    eventually(&format!("there is the warning {warning}"), PATIENCE, || {
        let instance = get(host, "/ha/status").json()["instances"][0].clone();
        let warnings = instance["warnings"].as_array().cloned().unwrap_or_default();
        let is_so = instance["state"] == "fault" && warnings.iter().any(|it| it["name"] == warning);
        if is_so { Ok(instance) } else { Err(instance.to_string()) }
    })
}

const REASON: &str = "addresses_unavailable";
