//! What was received shows in the status, each kind under its name.

use std::time::Duration;

use harness::{Host, Lab, Nginx, carriers, eventually};
use resty_vrrp::net::Announcer;
use serde_json::{Value, json};

use crate::{conf_with, get};

/// The golden packets, in an order that keeps both routers from taking over before they have heard
/// the last one, which is a resignation.
const RECEIVED: [&str; 17] = [
    "P5", "P6", "F1", "F3", "Z1", "N1", "N2", "N3", "N4", "N5", "N7", "N8", "F2", "N9", "N12",
    "N10", "P7",
];

#[test]
fn everything_that_was_received_is_counted_under_its_name() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("counters, {}", carrier.version));
        let host = lab.host("worker-01", "192.0.2.3/24");
        let peer = lab.host("peer", "192.0.2.2/24");
        let nginx = Nginx::start(&host, carrier, &conf_with(BOTH_VERSIONS));
        instances_when(&host, |all| all.iter().all(|one| one["state"] == "backup"));

        for name in RECEIVED {
            send(&peer, name);
        }

        let instances =
            instances_when(&host, |all| all[0]["counters"]["priority_zero_received"] == 1);
        let [v3, v2] = &instances[..] else { panic!("there are two") };
        assert_eq!(received(v3), (json!(6), json!(1)), "P5, P6, F1, F3, Z1, P7");
        assert_eq!(
            v3["counters"]["errors"],
            json!({
                "length": 2, "type": 1, "version": 1, "checksum": 1, "ttl": 1,
                "interval": 2, "address_list": 3,
                "vrid": 0, "auth": 0, "owner": 0, "own_source": 0, "martian": 0, "not_running": 0,
                "unlisted": 0,
            })
        );
        assert_eq!(received(v2), (json!(1), json!(0)), "F2");
        assert_eq!(
            v2["counters"]["errors"],
            json!({
                "length": 2, "auth": 1, "address_list": 1,
                "type": 0, "version": 0, "checksum": 0, "ttl": 0, "interval": 0,
                "vrid": 0, "owner": 0, "own_source": 0, "martian": 0, "not_running": 0,
                "unlisted": 0,
            })
        );
        let intervals = |one: &Value| {
            (one["advert_interval_ms"].clone(), one["active_down_interval_ms"].clone())
        };
        assert_eq!(intervals(v3), (json!(1000), json!(3609)), "3609.375 ms");
        assert_eq!(intervals(v2), (json!(1000), json!(3609)), "3609.375 ms");
        nginx.assert_no_complaints();
    }
}

/// Sends a golden packet as it is, from its Ethernet header on.
fn send(host: &Host, name: &str) {
    let vectors = include_str!("../../wire/vectors.json");
    let vectors: Value = serde_json::from_str(vectors).expect("the file is JSON");
    let digits = vectors[name]["frame"].as_str().unwrap_or_else(|| panic!("no packet {name}"));
    let octets = (0..digits.len()).step_by(2).map(|at| &digits[at..at + 2]);
    let octets = octets.map(|octet| u8::from_str_radix(octet, 16));
    let frame: Vec<u8> = octets.collect::<Result<_, _>>().expect("the frame is hexadecimal");
    host.enter(|| {
        let index = nix::net::if_::if_nametoindex("eth0").expect("it is there");
        let link = Announcer::open(index).expect("root may send any frame");
        link.send(&frame).expect("the link is up");
    });
}

#[track_caller]
fn instances_when(host: &Host, are_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    eventually("the status shows it", Duration::from_secs(10), || {
        let status = get(host, "/ha/status").json();
        let all = status["instances"].as_array().cloned().unwrap_or_default();
        if are_so(&all) { Ok(all) } else { Err(status.to_string()) }
    })
}

fn received(instance: &Value) -> (Value, Value) {
    let counters = &instance["counters"];
    (counters["advertisements_received"].clone(), counters["priority_zero_received"].clone())
}

/// The golden packets are for these, but for the address of the second one: one node cannot have
/// one address twice.
const BOTH_VERSIONS: &str = "{ instances = {
    { name = 'VI_10', interface = 'eth0', vrid = 10,
      addresses = { '192.0.2.1/24', '192.0.2.9/24' } },
    { name = 'VI_1', interface = 'eth0', vrid = 1, version = 2,
      addresses = { '192.0.2.101/24' } },
} }";
