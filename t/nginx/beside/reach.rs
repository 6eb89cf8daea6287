//! Other hosts that a node which serves must reach.

use harness::{Carrier, Host, Lab, Nginx, carriers, eventually};

use crate::{ONE, PATIENCE, conf_with, get, logs, status_when};

#[test]
fn a_node_that_is_cut_off_from_its_gateway_is_in_fault_until_it_reaches_it_again() {
    let gateway = "{ name = 'gateway', address = '192.168.56.1', interval_ms = 100, fall = 2 }";
    let reach = format!("{gateway}, {{ address = 'fd00:56::1', interval_ms = 100 }}");
    beside_a_gateway("cut off", &reach, |nginx, host, gateway| {
        status_when(host, "active");

        gateway.ip("address delete 192.168.56.1/24 dev eth0");

        let status = status_when(host, "fault");
        assert_eq!(status["instances"][0]["reason"], "unhealthy");
        let why = "check reach gateway fails: 192.168.56.1: no answer within 100ms";
        let healthz = get(host, "/ha/healthz");
        assert!(healthz.body.contains(why), "{}", healthz.body);
        logs(nginx, why);
        gateway.ip("address add 192.168.56.1/24 dev eth0");
        status_when(host, "active");

        gateway.ip("address delete fd00:56::1/64 dev eth0");

        status_when(host, "fault");
        assert!(get(host, "/ha/healthz").body.contains("check reach fd00:56::1 fails"));
        gateway.ip("address add fd00:56::1/64 dev eth0 nodad");
        status_when(host, "active");
        // What it found outlives the engine.
        gateway.ip("address delete 192.168.56.1/24 dev eth0");
        status_when(host, "fault");
        nginx.reload();
        logs(nginx, "goes on where the engine before this one was");
        status_when(host, "fault");
    });
}

#[test]
fn a_host_with_a_weight_that_does_not_answer_lowers_the_priority() {
    let reach =
        "{ address = '192.168.56.1', interface = 'eth0', interval_ms = 100, weight = -100 }";
    beside_a_gateway("reach weighs", reach, |_, host, gateway| {
        status_when(host, "active");

        gateway.link_down();

        eventually("the priority is lower", PATIENCE, || {
            let priority =
                get(host, "/ha/status").json()["instances"][0]["effective_priority"].clone();
            if priority == 50 { Ok(()) } else { Err(priority) }
        });
        let status = status_when(host, "active");
        let checks = status["instances"][0]["checks"].as_array().expect("a list");
        let reach = checks.iter().find(|check| check["name"] == "reach 192.168.56.1");
        assert_eq!(
            reach.map(|it| (it["ok"].clone(), it["weight"].clone())),
            Some((false.into(), (-100).into()))
        );
    });
}

/// Runs a test on a node that is told to reach a gateway, which has an address of each family.
fn beside_a_gateway(name: &str, reach: &str, test: impl Fn(&Nginx, &Host, &Host)) {
    for carrier in carriers() {
        let lab = Lab::new(&format!("{name}, {}", carrier.version));
        let gateway = lab.host("gateway", "192.168.56.1/24");
        gateway.ip("address add fd00:56::1/64 dev eth0 nodad");
        let host = lab.host("worker-01", "192.168.56.101/24");
        host.ip("address add fd00:56::101/64 dev eth0 nodad");
        let options = ONE.replacen("health = {", &format!("health = {{ reach = {{ {reach} }},"), 1);
        test(&start(&host, carrier, &options), &host, &gateway);
    }
}

fn start(host: &Host, carrier: &Carrier, options: &str) -> Nginx {
    Nginx::start(host, carrier, &conf_with(options))
}
