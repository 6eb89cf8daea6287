//! Sending the addresses away on purpose.

use std::thread;
use std::time::Duration;

use harness::{
    Carrier, Host, Lab, Nginx, Probe, Response, Role, Signal, carriers, eventually, request,
};

use crate::{ONE, conf_with, get, lua, status_when};

pub(crate) fn post(host: &Host, path: &str) -> Response {
    let server = "127.0.0.1:80".parse().expect("an address");
    host.enter(|| request(server, "POST", path)).expect("nginx answers")
}

/// Starts a node of a priority that takes requests, with a page for clients.
pub(crate) fn start(host: &Host, carrier: &Carrier, priority: &str) -> Nginx {
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
