//! The doctor, over HTTP and on the command line: what it says where something was made wrong.

use std::fs;
use std::process::Command;
use std::time::Duration;

use harness::{Host, Lab, Nginx, Role, Signal, carriers, eventually, library, signal};
use serde_json::{Value, json};

use crate::guard::on_a_network;
use crate::upgrade::start_another;
use crate::{ONE, board_of, conf_with, get, on_every_nginx, start_active, status_when};
use resty_vrrp::status::layout::FindingSlot;

#[test]
fn what_is_well_is_said_alike_over_http_and_on_the_command_line() {
    on_every_nginx("well", |host, carrier| {
        let nginx = start_active(host, carrier);

        for test in ["engine", "workers", "run_dir", "guard", "sockets", "firewall", "rp_filter"] {
            found(host, test, "ok", "");
        }
        found(host, "state", "ok", "instances: 1 active");
        found(host, "shutdown_timeout", "ok", "worker_shutdown_timeout is not set");
        found(host, "listen", "ok", "no program listens");
        found(host, "peers", "warning", "VI_1: this node is active, and has never heard a peer");

        let text = get(host, "/ha/doctor");
        assert_eq!(text.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(text.header("cache-control"), Some("no-store"));
        let mut lines = text.body.lines();
        assert_eq!(lines.next(), Some("worker-01"));
        let is_a_finding = |line: &str| {
            let verdict = ["ok       ", "warning  ", "fault    "];
            verdict.iter().any(|word| line.starts_with(word)) && line.len() > 30
        };
        assert!(lines.clone().count() > 15 && lines.all(is_a_finding), "{}", text.body);
        eventually("both say the same", PATIENCE, || {
            let mut here = called(host);
            let last = here["findings"].as_array_mut().and_then(Vec::pop);
            assert_eq!(last.expect("it finds something")["test"], "version");
            let there = get(host, "/ha/doctor?format=json").json();
            if here == there { Ok(()) } else { Err(format!("{here:#}\n{there:#}")) }
        });
        nginx.assert_no_complaints();
    });
}

#[test]
fn other_questions_are_refused_and_head_has_no_body() {
    on_every_nginx("questions", |host, carrier| {
        let nginx = start_active(host, carrier);

        for query in [
            "format=xml",
            "format",
            "format=",
            "format=json&format=json",
            "formt=json",
            "format=json&x=1",
            "%00=%ff",
            "format=%6a%73%6f%6e%0d%0aX-Y:1",
        ] {
            let answer = get(host, &format!("/ha/doctor?{query}"));
            assert_eq!(answer.status, 400, "{query}");
            assert!(answer.json()["error"].is_string(), "{query}");
        }
        assert_eq!(get(host, "/ha/doctor?format=text").status, 200);
        let length = "curl -sSI http://127.0.0.1/ha/doctor | grep -ic '^content-length: [1-9]'";
        assert_eq!(host.exec("sh", &["-c", length]).trim(), "1");
        let refused = "curl -s -o /dev/null -w '%{http_code}' -X POST http://127.0.0.1/ha/doctor";
        assert_eq!(host.exec("sh", &["-c", refused]), "405");
        nginx.assert_no_complaints();
    });
}

#[test]
fn the_nginx_before_an_upgrade_refers_to_the_one_after_it() {
    on_every_nginx("referral", |host, carrier| {
        let nginx = start_active(host, carrier);
        found(host, "state", "ok", "");

        let [old, new] = start_another(&nginx);

        let program = library().with_file_name("resty-vrrp").display().to_string();
        let shown = |pid: i32| {
            let pid = pid.to_string();
            host.exec(&program, &["doctor", "--json", "--pid", &pid])
        };
        // Workers of both answer, in no certain order.
        eventually("an old worker refers to the new ones", PATIENCE, || {
            let answer = get(host, "/ha/doctor?format=json").json();
            let last = answer["findings"][1]["text"].as_str().unwrap_or_default().to_owned();
            let refers = last.starts_with("another engine of this host has taken over");
            if refers { Ok(()) } else { Err(last) }
        });
        for pid in [old, new] {
            assert!(shown(pid).contains("instances: 1 active"), "the newest counts");
        }
        signal(old, Signal::SIGQUIT);
        found(host, "state", "ok", "instances: 1 active");
    });
}

#[test]
fn whatever_a_finding_says_is_one_line_and_json() {
    on_every_nginx("hostile finding", |host, carrier| {
        let nginx = start_active(host, carrier);
        found(host, "state", "ok", "");
        let mut board = board_of(&nginx);
        let mut hostile = FindingSlot { verdict: 7, ..FindingSlot::EMPTY };
        hostile.test[..8].copy_from_slice(b"\x1b[31m\n\"x");
        hostile.text.fill(b'\xff');
        hostile.text[..10].copy_from_slice(b"a\r\nb\x1b\xc2\x9b\x7f\"c");

        // The engine writes its own again with its next examination.
        let [text, json] = ["", "?format=json"].map(|query| {
            eventually("it is shown", PATIENCE, || {
                board.publish_findings([hostile].into_iter());
                let answer = get(host, &format!("/ha/doctor{query}"));
                let is_shown = answer.body.contains("[31m");
                if is_shown { Ok(answer) } else { Err(answer.body) }
            })
        });

        assert_eq!(text.body.lines().count(), 3, "{:?}", text.body);
        let is_harmful = |c: char| c.is_control() && c != '\n';
        assert!(!text.body.contains(is_harmful), "{:?}", text.body);
        assert_eq!(json.json()["findings"][1]["verdict"], "warning", "{}", json.body);
        assert!(!json.body.contains(is_harmful), "{:?}", json.body);
        nginx.assert_no_complaints();
    });
}

#[test]
fn what_is_wrong_on_this_host_is_said_and_what_helps() {
    on_every_nginx("this host", |host, carrier| {
        let _nginx = start_active(host, carrier);
        let well = get(host, "/ha/doctor?format=json").json();
        assert_ne!(well["verdict"], "fault", "{well:#}");

        host.exec("nft", &[REFUSE]);
        host.sysctl("net.ipv4.conf.all.rp_filter", "1");
        host.ip("link add eth1 type veth peer name other");
        host.ip("link set other up");
        host.ip("address add 192.168.56.201/24 dev eth1");
        host.ip("link set eth1 up");

        found(host, "firewall", "warning", "VI_1: cannot_send: ");
        let text = found(host, "rp_filter", "warning", "rp_filter_in_the_way: ");
        assert!(text.contains("rp_filter to 2 or 0"), "{text}");

        host.exec("nft", &["delete table inet refuse"]);
        host.sysctl("net.ipv4.conf.all.rp_filter", "2");
        found(host, "firewall", "ok", "");
        found(host, "rp_filter", "ok", "");

        host.link_down();
        let text = found(host, "state", "fault", "VI_1: fault (link_down): ");
        assert!(text.contains("Look at the cable"), "{text}");
        let whole = get(host, "/ha/doctor?format=json");
        assert_eq!((whole.status, &whole.json()["verdict"]), (200, &json!("fault")));
        assert_eq!(call(host, &["doctor"]).status.code(), Some(1));
    });
}

#[test]
fn a_peer_of_the_same_priority_and_one_of_another_version_are_named() {
    on_every_nginx_beside_a_peer("peers", |host, peer, carrier| {
        let equal = Nginx::start(peer, carrier, &conf_with(ONE));
        status_when(peer, "active");
        let _nginx = Nginx::start(host, carrier, &conf_with(ONE));
        status_when(host, "backup");

        found(host, "peers", "ok", "VI_1: 192.168.56.102 was heard ");
        let words = "VI_1: 192.168.56.102 has priority 150, too";
        assert!(found(host, "priorities", "warning", words).contains("priority of its own"));

        drop(equal);
        let old = ONE.replace("advert_interval_ms = 100", "version = 2");
        let _old = Nginx::start(peer, carrier, &conf_with(&old));

        let words = "VI_1: 192.168.56.102 does not speak version 3";
        assert!(found(host, "versions", "warning", words).contains("Set version"));
        found(host, "other_nodes", "warning", "VI_1: peer_discarded: ");
    });
}

#[test]
fn a_program_that_could_not_start_without_the_address_is_told_of() {
    on_every_nginx("listen", |host, carrier| {
        host.sysctl("net.ipv4.ip_nonlocal_bind", "1");
        let conf = conf_with(ONE).replace("listen 80;", "listen 80; listen 192.168.56.100:8080;");
        let _nginx = Nginx::start(host, carrier, &conf);
        status_when(host, "active");
        found(host, "listen", "ok", "");

        host.sysctl("net.ipv4.ip_nonlocal_bind", "0");

        let words = "a program listens on 192.168.56.100, and net.ipv4.ip_nonlocal_bind is 0";
        assert!(found(host, "listen", "warning", words).contains("Set it to 1"));
    });
}

#[test]
fn a_guard_that_is_missing_is_told_of() {
    on_a_network("no guard for the doctor", |lab, host, carrier| {
        let nginx = Nginx::prepare(host, carrier, &conf_with(ONE));
        let installed = lab.directory().join("lualib/resty/vrrp/guard");
        fs::remove_file(&installed).expect("it was installed");

        nginx.launch().expect("it starts");

        let text = found(host, "guard", "warning", "no_guard: ");
        assert!(text.contains("make install"), "{text}");
    });
}

#[test]
fn a_short_worker_shutdown_timeout_is_found_wherever_it_stands() {
    on_every_nginx("timeout", |host, carrier| {
        let conf = format!("include more/*.conf;\n{}", conf_with(ONE));
        let nginx = Nginx::prepare(host, carrier, &conf);
        fs::create_dir(nginx.prefix().join("conf/more")).expect("the prefix is writable");
        nginx.write("more/short.conf", "worker_shutdown_timeout 300ms;  # of 1s it said\n");
        nginx.launch().expect("it starts");

        let words = "worker_shutdown_timeout is 300 ms: ";
        assert!(found(host, "shutdown_timeout", "warning", words).contains("Set it to 2s or more"));

        nginx.write("more/short.conf", "worker_shutdown_timeout 5s;\n");
        nginx.reload();
        found(host, "shutdown_timeout", "ok", "worker_shutdown_timeout is 5000 ms");
    });
}

#[test]
fn a_drained_node_and_an_engine_that_hangs_are_told_of() {
    on_every_nginx("drained", |host, carrier| {
        let nginx = start_active(host, carrier);
        call(host, &["drain"]);
        assert!(found(host, "state", "warning", "the node is drained").contains("undrain"));

        nginx.signal(Role::Carrier, Signal::SIGSTOP);

        eventually("the engine is missed", PATIENCE, || {
            // The kernel may give a connection to the worker that hangs.
            let answer = host.get("127.0.0.1:80", "/ha/doctor").map_err(|it| it.to_string())?;
            let words = "fault    engine            the engine does not run: ";
            let is_told = answer.status == 200 && answer.body.contains(words);
            if is_told { Ok(()) } else { Err(answer.body) }
        });
        let here = called(host);
        assert_eq!(here["findings"][0]["verdict"], "fault", "{here:#}");
        assert_eq!(here["findings"].as_array().map(Vec::len), Some(2), "{here:#}");
        nginx.signal(Role::All, Signal::SIGCONT);
    });
}

/// Waits until the doctor says so of a test, over HTTP and then on the command line, and returns
/// the words.
#[track_caller]
fn found(host: &Host, name: &str, verdict: &str, words: &str) -> String {
    let found_in = |all: &Value| {
        let findings = all["findings"].as_array().cloned().unwrap_or_default();
        let finding = findings.into_iter().find(|it| it["test"] == name);
        let finding = finding.ok_or_else(|| format!("{all:#}"))?;
        let text = finding["text"].as_str().unwrap_or_default().to_owned();
        let is_so = finding["verdict"] == verdict && text.starts_with(words);
        if is_so { Ok(text) } else { Err(finding.to_string()) }
    };
    let what = format!("{name}: {verdict}");
    eventually(&what, PATIENCE, || {
        let answer = host.get("127.0.0.1:80", "/ha/doctor?format=json");
        found_in(&answer.map_err(|error| error.to_string())?.json())
    });
    eventually(&what, PATIENCE, || found_in(&called(host)))
}

/// Returns what the command line says.
#[track_caller]
fn called(host: &Host) -> Value {
    let output = call(host, &["doctor", "--json"]);
    serde_json::from_slice(&output.stdout).expect("it is JSON")
}

fn call(host: &Host, arguments: &[&str]) -> std::process::Output {
    let mut command = Command::new(library().with_file_name("resty-vrrp"));
    command.args(arguments);
    host.enter(|| command.output()).expect("it runs")
}

fn on_every_nginx_beside_a_peer(name: &str, test: impl Fn(&Host, &Host, &harness::Carrier)) {
    for carrier in carriers() {
        let lab = Lab::new(&format!("{name}, {}", carrier.version));
        let host = lab.host("worker-01", "192.168.56.101/24");
        let peer = lab.host("worker-02", "192.168.56.102/24");
        test(&host, &peer, carrier);
    }
}

/// A firewall that does not let VRRP out.
const REFUSE: &str = "add table inet refuse; \
    add chain inet refuse out { type filter hook output priority 0; }; \
    add rule inet refuse out meta l4proto 112 drop";
/// The host is surveyed every ten seconds, and examined every two.
const PATIENCE: Duration = Duration::from_secs(30);
