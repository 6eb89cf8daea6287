//! Weights: the one that moves the addresses, and the ones that do not.

use std::time::Duration;

use harness::{Carrier, Host, Lab, Nginx, carriers, eventually, holds_for};
use serde_json::{Value, json};

use crate::beside::checked::checked;
use crate::{ONE, PATIENCE, conf_with, get, instance_when, on_every_nginx, status_when};

#[test]
fn a_weight_that_moves_nothing_is_told_of_while_it_lasts() {
    on_every_pair("in vain", -20, |one, two, nginx| {
        one.ip("link set eth1 down");

        let shown = instance_when(one, |instance| instance["warnings"] != json!([]));

        assert_eq!(shown["warnings"].as_array().map(Vec::len), Some(1));
        assert_eq!(shown["warnings"][0]["name"], "weight_in_vain");
        let text = shown["warnings"][0]["text"].as_str().expect("a text");
        assert!(text.starts_with("a weight lowered the priority from 150 to 130, but"), "{text}");
        assert!(text.ends_with("if it takes the priority below that of a peer"), "{text}");
        assert_eq!(
            (&shown["state"], &shown["effective_priority"]),
            (&json!("active"), &json!(130))
        );
        let unmoved = get(two, "/ha/status").json()["instances"][0].clone();
        assert_eq!((&unmoved["state"], &unmoved["warnings"]), (&json!("backup"), &json!([])));

        nginx.reload();
        let warning = |instance: &Value| {
            let warning = &instance["warnings"][0];
            [&warning["name"], &warning["text"]].map(Value::clone)
        };
        eventually("the next engine knows it, too", PATIENCE, || {
            let status = get(one, "/ha/status").json();
            let told = &status["instances"][0];
            // Two processes may round one moment to two milliseconds.
            let since = |told: &Value| told["since"].as_str().map(str::to_owned);
            let known = status["node"]["generation"] == 2
                && warning(told) == warning(&shown)
                && since(&told["warnings"][0]).as_deref() < status["node"]["started"].as_str();
            if known { Ok(()) } else { Err(status.to_string()) }
        });
        one.ip("link set eth1 up");
        instance_when(one, |instance| instance["warnings"] == json!([]));
        let log = nginx.error_log();
        assert_eq!(log.matches("but nobody took over").count(), 1, "{log}");
    });
}

#[test]
fn a_weight_that_moves_the_addresses_is_no_reason_for_a_warning() {
    on_every_pair("moved", -60, |one, two, nginx| {
        one.ip("link set eth1 down");

        status_when(two, "active");

        instance_when(one, |instance| instance["state"] == "backup");
        holds_for("nothing is to be warned of", Duration::from_secs(1), || {
            let shown = get(one, "/ha/status").json()["instances"][0].clone();
            let calm = shown["warnings"] == json!([]) && shown["state"] == "backup";
            if calm { Ok(()) } else { Err(shown.to_string()) }
        });
        assert!(!nginx.error_log().contains("nobody took over"));
    });
}

#[test]
fn a_weight_that_can_do_nothing_is_told_of_by_its_path_at_the_start() {
    on_every_nginx("certain", |host, carrier| {
        let tracks =
            "vrid = 51, preempt = false, track = { { interface = 'eth0', weight = -10 } },";
        let options = ONE.replacen("vrid = 51,", tracks, 1);
        let said =
            "instances[1].track[1].weight: VI_1 has preempt = false: peers that say so, too,";

        let verdict = checked(host, carrier, &options);

        assert_eq!(verdict.status.code(), Some(0), "{}", verdict.said);
        assert!(verdict.said.contains(&format!("resty.vrrp: warning: {said}")), "{}", verdict.said);
        assert!(verdict.said.contains("resty.vrrp: configuration is valid"), "{}", verdict.said);

        let check = "init_worker_by_lua_block {
            require('resty.vrrp').check('db', function() return true end, { weight = -5 })";
        let conf = conf_with(&options).replacen("init_worker_by_lua_block {", check, 1);
        let nginx = Nginx::start(host, carrier, &conf);
        eventually("both weights are told of", PATIENCE, || {
            let log = nginx.error_log();
            let about_check = "vrrp: the weight of check db: VI_1 has preempt = false";
            let told = [said, about_check].map(|said| log.matches(said).count());
            if told == [1, 1] { Ok(()) } else { Err(log) }
        });
    });
}

/// Runs a test on a fresh pair of priorities 150 and 100, with each nginx of this machine. The
/// first tracks `eth1`, which is up.
fn on_every_pair(name: &str, weight: i16, test: impl Fn(&Host, &Host, &Nginx)) {
    for carrier in carriers() {
        let lab = Lab::new(&format!("{name}, {}", carrier.version));
        let one = lab.host("worker-01", "192.168.56.101/24");
        one.ip("link add eth1 type veth peer name other");
        one.ip("link set other up");
        one.ip("link set eth1 up");
        let nginx =
            start(&one, carrier, 150, &format!("{{ interface = 'eth1', weight = {weight} }}"));
        status_when(&one, "active");
        let two = lab.host("worker-02", "192.168.56.102/24");
        let _other = start(&two, carrier, 100, "");
        instance_when(&two, |instance| instance["active"]["address"] == "192.168.56.101");
        test(&one, &two, &nginx);
    }
}

fn start(host: &Host, carrier: &Carrier, priority: u8, track: &str) -> Nginx {
    let options = ONE.replacen("priority = 150", &format!("priority = {priority}"), 1);
    let options = options.replacen("vrid = 51,", &format!("vrid = 51, track = {{ {track} }},"), 1);
    Nginx::start(host, carrier, &conf_with(&options))
}
