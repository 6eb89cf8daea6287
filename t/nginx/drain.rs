//! Sending the addresses away on purpose.

use std::thread;
use std::time::Duration;

use harness::{
    Carrier, Host, Lab, Nginx, Probe, Response, Role, Signal, carriers, eventually, request,
};

use crate::{ONE, conf_with, get, lua, on_every_nginx, start_active, status_when};

fn post(host: &Host, path: &str) -> Response {
    let server = "127.0.0.1:80".parse().expect("an address");
    host.enter(|| request(server, "POST", path)).expect("nginx answers")
}

/// Starts a node of a priority that takes requests, with a page for clients.
fn start(host: &Host, carrier: &Carrier, priority: &str) -> Nginx {
    let options = ONE.replace("150", priority).replacen('{', "{ control = true,", 1);
    let page = "add_header X-Served-By $hostname; location / { return 200 'page'; } location /ha/";
    Nginx::start(host, carrier, &conf_with(&options).replacen("location /ha/", page, 1))
}

#[test]
fn new_connections_are_answered_all_the_time_while_a_node_is_drained() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("drain, {}", carrier.version));
        let a = lab.host("worker-01", "192.168.56.101/24");
        let b = lab.host("worker-02", "192.168.56.102/24");
        let client = lab.host("client", "192.168.56.10/24");
        let nginx = [start(&a, carrier, "150"), start(&b, carrier, "100")];
        status_when(&a, "active");
        status_when(&b, "backup");
        let probe = Probe::start(&client, "192.168.56.100:80", "/");
        probe.wait_for("worker-01", Duration::from_secs(5));

        let answer = post(&a, "/ha/drain");

        assert_eq!((answer.status, answer.body.trim()), (200, r#"{"draining":true}"#));
        assert!(!a.has("192.168.56.100") && b.has("192.168.56.100"));
        let status = status_when(&a, "initialize");
        assert_eq!(status["node"]["draining"], true);
        assert_eq!(status["instances"][0]["reason"], "drained");
        assert_eq!(get(&a, "/ha/healthz").status, 200);
        probe.wait_for("worker-02", Duration::from_secs(5));
        let report = probe.finish();
        // One may be open in the moment in which the address moves.
        assert!(report.failures().len() <= 1, "{report}");

        let answer = post(&a, "/ha/undrain");

        assert_eq!((answer.status, answer.body.trim()), (200, r#"{"draining":false}"#));
        status_when(&a, "active");
        status_when(&b, "backup");
        nginx.iter().for_each(Nginx::assert_no_complaints);
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
