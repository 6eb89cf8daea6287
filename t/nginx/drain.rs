//! Sending the addresses away on purpose.

use std::fs::{self, File};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use harness::{
    Advert, Carrier, Host, Lab, Nginx, Probe, Response, Role, Signal, carriers, eventually, request,
};

use crate::pair::{ADDRESS, Pair, on_every_fallible_pair};
use crate::{
    ONE, PATIENCE, assert_mostly_within, conf_with, get, lua, on_every_nginx, start_active,
    status_when,
};

fn post(host: &Host, path: &str) -> Response {
    let server = "127.0.0.1:80".parse().expect("an address");
    host.enter(|| request(server, "POST", path)).expect("nginx answers")
}

/// Starts a node of a priority that takes requests, with a page for clients.
fn start(host: &Host, carrier: &Carrier, priority: &str) -> Nginx {
    start_with(host, carrier, &ONE.replace("150", priority))
}

fn start_with(host: &Host, carrier: &Carrier, options: &str) -> Nginx {
    let options = options.replacen('{', "{ control = true,", 1);
    let page = "add_header X-Served-By $hostname; location / { return 200 'page'; }
        location /slow { content_by_lua_block { ngx.sleep(0.5) ngx.say('slow') } }
        location /ha/";
    Nginx::start(host, carrier, &conf_with(&options).replacen("location /ha/", page, 1))
}

#[test]
fn no_connection_is_lost_while_a_node_is_drained_and_when_it_comes_back() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("drain, {}", carrier.version));
        let a = lab.host("worker-01", "192.168.56.101/24");
        let b = lab.host("worker-02", "192.168.56.102/24");
        let client = lab.host("client", "192.168.56.10/24");
        let nginx = [start(&a, carrier, "150"), start(&b, carrier, "100")];
        status_when(&a, "active");
        status_when(&b, "backup");
        let probe = Probe::start(&client, "192.168.56.100:80", "/");

        for _ in 0..10 {
            probe.wait_for("worker-01", Duration::from_secs(5));

            let answer = post(&a, "/ha/drain");

            assert_eq!((answer.status, answer.body.trim()), (200, r#"{"draining":true}"#));
            assert!(!a.has("192.168.56.100") && b.has("192.168.56.100"));
            let status = status_when(&a, "initialize");
            assert_eq!(status["node"]["draining"], true);
            assert_eq!(status["instances"][0]["reason"], "drained");
            assert_eq!(get(&a, "/ha/healthz").status, 200);
            probe.wait_for("worker-02", Duration::from_secs(5));

            let answer = post(&a, "/ha/undrain");

            assert_eq!((answer.status, answer.body.trim()), (200, r#"{"draining":false}"#));
            status_when(&a, "active");
            status_when(&b, "backup");
        }

        let report = probe.finish();
        assert!(report.failures().is_empty(), "{report}");
        nginx.iter().for_each(Nginx::assert_no_complaints);
    }
}

/// Somebody on each host loads a large set, say.
#[test]
fn no_address_waits_for_nf_tables() {
    on_every_fallible_pair("nf_tables waits", "", |pair, _| {
        let Pair { one, two, sniffer, .. } = pair;
        for node in [one, two] {
            node.nginx.failpoints().arm("nf_tables", "sleep(3000)");
        }
        let drained = Instant::now();

        assert_eq!(lua(&one.host, "return vrrp.drain()"), "true");

        let from_two = |it: &Advert| it.source == two.source();
        let first = sniffer.wait_for_advert("it takes over", drained, PATIENCE, from_two);
        let announced = sniffer.wait_for_announcement(ADDRESS, drained, PATIENCE);
        let gone = one.addresses.wait_for_removal(drained, ADDRESS, PATIENCE);
        let (announced, gone) = (announced.at.saturating_duration_since(first.at), gone - first.at);
        println!("nf_tables waits: announced after {announced:.1?}, gone after {gone:.1?}");
        assert_mostly_within(Duration::from_millis(50), vec![announced]);
        assert_mostly_within(Duration::from_millis(250), vec![gone]);
    });
}

#[test]
fn under_full_load_neither_a_drain_nor_the_return_costs_a_connection() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("drain under load, {}", carrier.version));
        let a = lab.host("worker-01", "192.168.56.101/24");
        let b = lab.host("worker-02", "192.168.56.102/24");
        let client = lab.host("client", "192.168.56.10/24");
        let _nginx = [start(&a, carrier, "150"), start(&b, carrier, "100")];
        status_when(&a, "active");
        status_when(&b, "backup");
        let mut wrk = Command::new("wrk");
        wrk.args(["-c", "50", "-t", "1", "-d", "5", "-H", "Connection: close"]);
        let said = lab.directory().join("wrk");
        wrk.arg("http://192.168.56.100/").stdout(File::create(&said).unwrap());
        let mut load = client.spawn(&mut wrk);

        for _ in 0..3 {
            thread::sleep(Duration::from_millis(500));
            assert_eq!(post(&a, "/ha/drain").status, 200);
            thread::sleep(Duration::from_millis(500));
            assert_eq!(post(&a, "/ha/undrain").status, 200);
            status_when(&a, "active");
        }

        load.wait(Duration::from_secs(30));
        let said = fs::read_to_string(said).unwrap();
        assert!(said.contains("requests in"), "{said}");
        assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
    }
}

#[test]
fn a_request_that_takes_its_time_ends_where_it_began_and_nobody_else_goes_there() {
    for carrier in carriers() {
        for leave in ["drain", "quit"] {
            let lab = Lab::new(&format!("slow request, {leave}, {}", carrier.version));
            // The switch asks the host first that was plugged in last: its answer would count.
            let b = lab.host("worker-02", "192.168.56.102/24");
            let a = lab.host("worker-01", "192.168.56.101/24");
            let client = lab.host("client", "192.168.56.10/24");
            let patient = ONE.replace("advert_interval_ms = 100", "advert_interval_ms = 500");
            let nginx = [("150", &a), ("100", &b)].map(|(priority, host)| {
                start_with(host, carrier, &patient.replace("150", priority))
            });
            status_when(&a, "active");
            status_when(&b, "backup");

            let slow = {
                let client = client.clone();
                thread::spawn(move || client.get("192.168.56.100:80", "/slow"))
            };
            thread::sleep(Duration::from_millis(50));
            match leave {
                "drain" => assert_eq!(lua(&a, "return vrrp.drain()"), "true"),
                _ => nginx[0].signal(Role::Master, Signal::SIGQUIT),
            }

            // Whoever asks meanwhile where the address is learns of the next one only.
            status_when(&b, "active");
            eventually("it is announced", Duration::from_secs(1), || {
                let has = b.has("192.168.56.100");
                has.then_some(()).ok_or("not here yet")
            });
            for _ in 0..10 {
                client.ip("neigh flush all");
                let answer = client.get("192.168.56.100:80", "/").unwrap();
                assert_eq!(answer.header("x-served-by"), Some("worker-02"), "{leave}");
            }
            let answer = slow.join().unwrap().unwrap();
            assert_eq!((answer.status, answer.body.trim()), (200, "slow"), "{leave}");
        }
    }
}

#[test]
fn a_drained_node_stays_away_over_a_reload_and_when_its_carrier_is_killed() {
    on_every_nginx("stay drained", |host, carrier| {
        let nginx = start_active(host, carrier);

        assert_eq!(lua(host, "return vrrp.drain()"), "true");
        status_when(host, "initialize");
        nginx.reload();
        drained(host, 2);
        let before = nginx.carrier_pid();
        nginx.kill9(Role::Carrier);
        eventually("another process carries the engine", Duration::from_secs(5), || {
            let pids = nginx.pids(Role::Carrier);
            if pids.is_empty() || pids == [before] { Err(format!("{pids:?}")) } else { Ok(()) }
        });
        drained(host, 2);
        assert!(!host.has("192.168.56.100"));

        assert_eq!(lua(host, "return vrrp.undrain()"), "true");
        status_when(host, "active");
    });
}

#[test]
fn what_is_asked_for_during_a_reload_is_done() {
    on_every_nginx("asked during a reload", |host, carrier| {
        let nginx = start_active(host, carrier);

        for pause_ms in (0..=160).step_by(10) {
            let (request, draining, state) = match pause_ms % 20 {
                0 => ("drain", true, "initialize"),
                _ => ("undrain", false, "active"),
            };
            nginx.signal(Role::Master, Signal::SIGHUP);
            thread::sleep(Duration::from_millis(pause_ms));
            // A worker that is about to leave may not answer any more.
            eventually("it is asked for", Duration::from_secs(5), || {
                let answer = host.get("127.0.0.1:80", &format!("/lua?return%20vrrp.{request}()"));
                let answer = answer.map_err(|error| error.to_string())?;
                if answer.body == "true" { Ok(()) } else { Err(answer.body) }
            });
            thread::sleep(Duration::from_millis(300));
            eventually(&format!("{request}, {pause_ms} ms"), Duration::from_secs(5), || {
                let answer = host.get("127.0.0.1:80", "/ha/status");
                let status = answer.map_err(|error| error.to_string())?.json();
                let right = status["node"]["draining"] == draining
                    && status["instances"][0]["state"] == state;
                if right { Ok(()) } else { Err(status.to_string()) }
            });
        }
    });
}

/// Waits until the engine of a generation says that it is drained.
#[track_caller]
fn drained(host: &Host, generation: u32) {
    eventually("the node is drained", Duration::from_secs(5), || {
        let answer = host.get("127.0.0.1:80", "/ha/status").map_err(|error| error.to_string())?;
        let status = answer.json();
        let drained = status["node"]["generation"] == generation
            && status["node"]["healthy"] == true
            && status["node"]["draining"] == true
            && status["instances"][0]["state"] == "initialize";
        if drained { Ok(()) } else { Err(answer.body) }
    });
}

#[test]
fn requests_over_http_are_refused_unless_they_are_enabled() {
    on_every_nginx("control", |host, carrier| {
        let _nginx = start_active(host, carrier);

        let answer = post(host, "/ha/drain");

        assert_eq!(answer.status, 403);
        assert!(answer.body.contains("control = true"), "{}", answer.body);
        let answer = get(host, "/ha/drain");
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")));
        status_when(host, "active");
    });
}
