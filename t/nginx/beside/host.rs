//! What a host lets the engine do: what it refuses is named, and a fault where it does harm.

use std::time::Duration;

use harness::{Host, Lab, Nginx, carriers, eventually, holds_for};
use serde_json::Value;

use crate::{ONE, PATIENCE, conf_with, get, on_every_nginx, start_active, status_when};

#[test]
fn a_node_that_cannot_announce_serves_and_says_so() {
    on_a_host_that_refuses("announce", |host, nginx| {
        status_when(host, "active");
        let text = warned(host, "cannot_announce");
        assert!(text.contains("AF_PACKET"), "{text}");
        assert!(host.has("192.168.56.100"));
        assert_eq!(get(host, "/ha/healthz").status, 200);

        nginx.failpoints().disarm("announce");

        warned_of_nothing(host);
        eventually("it announces", PATIENCE, || {
            let sent = instance(host)["counters"]["announcements_sent"].as_u64();
            if sent > Some(0) { Ok(()) } else { Err(format!("{sent:?}")) }
        });
    });
}

#[test]
fn a_node_that_cannot_listen_takes_no_part_until_it_can() {
    on_a_host_that_refuses("listen", |host, nginx| {
        let status = status_when(host, "fault");
        assert_eq!(status["instances"][0]["reason"], "cannot_listen");
        let text = warned(host, "cannot_listen");
        assert!(text.contains("eth0: not here"), "{text}");
        assert_eq!(get(host, "/ha/healthz").status, 503);

        nginx.failpoints().disarm("listen");

        status_when(host, "active");
        warned_of_nothing(host);
    });
}

#[test]
fn a_node_that_cannot_read_the_kernel_takes_no_part_until_it_can() {
    on_a_host_that_refuses("netlink", |host, nginx| {
        let status = status_when(host, "fault");
        assert_eq!(status["instances"][0]["reason"], "engine_not_running");
        eventually("the cause is told", PATIENCE, || {
            let health = get(host, "/ha/healthz");
            let told = health.body.contains("cannot open a netlink socket: not here");
            if health.status == 503 && told { Ok(()) } else { Err(health.body) }
        });

        nginx.failpoints().disarm("netlink");

        status_when(host, "active");
        warned_of_nothing(host);
    });
}

#[test]
fn a_setting_that_cannot_be_written_is_named_until_somebody_else_has_written_it() {
    on_every_nginx("read-only settings", |host, carrier| {
        let settings = ["promote_secondaries", "accept_local"];
        for setting in settings {
            host.sysctl(&format!("net.ipv4.conf.all.{setting}"), "0");
        }
        host.exec("mount", &["--bind", "/proc/sys", "/proc/sys"]);
        host.exec("mount", &["-o", "remount,ro,bind", "/proc/sys"]);
        let _nginx = start_active(host, carrier);

        let text = warned(host, "sysctl_not_set");
        for setting in settings {
            assert!(text.contains(&format!("/conf/eth0/{setting}")), "{text}");
        }
        host.exec("umount", &["/proc/sys"]);
        for setting in settings {
            host.sysctl(&format!("net.ipv4.conf.all.{setting}"), "1");
        }
        warned_of_nothing(host);
    });
}

#[test]
fn strict_reverse_path_filtering_is_named_where_two_interfaces_share_a_network() {
    on_every_nginx("rp_filter", |host, carrier| {
        host.sysctl("net.ipv4.conf.all.rp_filter", "1");
        let _nginx = start_active(host, carrier);
        holds_for("one interface is fine", Duration::from_secs(1), || nothing_in(host));

        host.ip("link add eth1 type veth peer name other");
        host.ip("link set other up");
        host.ip("address add 192.168.56.201/24 dev eth1");
        host.ip("link set eth1 up");

        let text = warned(host, "rp_filter_in_the_way");
        assert!(text.contains("eth1 has an address of the same network"), "{text}");
        host.sysctl("net.ipv4.conf.all.rp_filter", "2");
        warned_of_nothing(host);
    });
}

#[test]
fn another_program_that_speaks_vrrp_is_named() {
    on_every_nginx("another program", |host, carrier| {
        let nginx = start_active(host, carrier);
        nginx.reload();
        let config = harness::KeepalivedConfig {
            vrid: 77,
            addresses: vec!["10.77.0.1/32".to_owned()],
            ..harness::KeepalivedConfig::default()
        };

        let keepalived = harness::Keepalived::start(host, &config);

        let text = warned(host, "other_vrrp");
        assert!(text.contains("user 0"), "{text}");
        drop(keepalived);
        warned_of_nothing(host);
    });
}

/// Runs a test with each nginx of this machine, whose engine is refused something from the start.
fn on_a_host_that_refuses(what: &str, test: impl Fn(&Host, &Nginx)) {
    for carrier in carriers() {
        let lab = Lab::fallible(&format!("no {what}, {}", carrier.version));
        let host = lab.host("worker-01", "192.168.56.101/24");
        let nginx = Nginx::prepare(&host, carrier, &conf_with(ONE));
        nginx.failpoints().arm(what, "return(not here)");
        nginx.launch().expect("nginx itself starts");
        test(&host, &nginx);
    }
}

fn instance(host: &Host) -> Value {
    get(host, "/ha/status").json()["instances"][0].clone()
}

/// Waits until the node has a warning, and returns its text.
#[track_caller]
fn warned(host: &Host, name: &str) -> String {
    eventually(&format!("there is the warning {name}"), RARELY, || {
        let warnings = get(host, "/ha/status").json()["node"]["warnings"].clone();
        let mut all = warnings.as_array().expect("a list").iter();
        let found = all.find(|it| it["name"] == name).and_then(|it| it["text"].as_str());
        found.map(str::to_owned).ok_or(warnings.to_string())
    })
}

/// Waits until neither the node nor the instance has a warning.
#[track_caller]
fn warned_of_nothing(host: &Host) {
    eventually("there is no warning", RARELY, || nothing_in(host));
}

fn nothing_in(host: &Host) -> Result<(), String> {
    let status = get(host, "/ha/status").json();
    let lists = [&status["node"]["warnings"], &status["instances"][0]["warnings"]];
    match lists.into_iter().find(|list| **list != Value::Array(Vec::new())) {
        None => Ok(()),
        Some(list) => Err(list.to_string()),
    }
}

/// The engine looks around every ten seconds; of what is there twice it says so.
const RARELY: Duration = Duration::from_secs(35);
