//! What is answered over HTTP.

use std::time::Duration;

use harness::{Host, Nginx, Response, Role, eventually, request};
use serde_json::{Value, json};

use crate::{ONE, carrier_name, conf_with, get, lua, on_every_nginx, start_active, status_when};

#[test]
fn the_status_has_every_field_of_its_contract_and_no_other() {
    on_every_nginx("status", |host, carrier| {
        let nginx = start_active(host, carrier);

        let answer = get(host, "/ha/status");
        let status = answer.json();

        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let contract: Value = serde_json::from_str(CONTRACT).unwrap();
        assert_eq!(shape(&status), shape(&contract), "{}", answer.body);
        assert!(answer.body.starts_with("{\"version\":1,\"node\":{\"router_id\":"));
        nginx.assert_no_complaints();
    });
}

#[test]
fn the_status_tells_what_was_configured_and_what_is() {
    on_every_nginx("values", |host, carrier| {
        let nginx = start_active(host, carrier);
        eventually("both workers beat", Duration::from_secs(2), || {
            let workers = &get(host, "/ha/status").json()["node"]["workers"];
            if workers == &json!({ "total": 2, "alive": 2 }) {
                Ok(())
            } else {
                Err(workers.to_string())
            }
        });

        let status = status_when(host, "active");

        let node = &status["node"];
        assert_eq!(node["router_id"], "worker-01");
        assert_eq!(node["module"], env!("CARGO_PKG_VERSION"));
        assert_eq!(node["nginx"], carrier.version.as_str());
        assert_eq!(node["carrier"], carrier_name(carrier));
        assert_eq!(node["pid"], nginx.carrier_pid());
        assert_eq!(node["master_pid"], nginx.master().unwrap());
        assert_eq!(node["generation"], 1);
        assert_eq!(node["healthy"], true);
        assert!(node["heartbeat_age_ms"].as_u64().unwrap() < 1000, "{node}");
        assert!(is_time(&node["now"]) && is_time(&node["started"]), "{node}");

        let one = &status["instances"][0];
        assert_eq!((&one["name"], &one["interface"]), (&json!("VI_1"), &json!("eth0")));
        assert_eq!((&one["vrid"], &one["family"]), (&json!(51), &json!("ipv4")));
        assert_eq!((&one["version"], &one["priority"]), (&json!(3), &json!(150)));
        assert_eq!(one["effective_priority"], 150);
        assert_eq!(one["advert_interval_ms"], 100);
        assert_eq!(one["addresses"][0]["address"], "192.168.56.100/24");
        assert_eq!(one["addresses"][1]["address"], "192.168.56.110/24");
        assert_eq!(one["active"]["address"], "192.168.56.101");
        assert_eq!(one["active"]["self"], true);
        assert_eq!(one["active"]["last_advert_age_ms"], Value::Null);
        let history = one["history"].as_array().unwrap();
        assert_eq!(history.len() as u64, one["transitions"].as_u64().unwrap());
        assert_eq!(history.last().unwrap()["to"], "active");
        assert_eq!(history.last().unwrap()["reason"], one["reason"]);
        assert!(is_time(&one["since"]) && is_time(&history[0]["at"]), "{one}");
    });
}

#[test]
fn health_is_asked_of_the_node_or_of_one_instance() {
    on_every_nginx("healthz", |host, carrier| {
        let _nginx = start_active(host, carrier);

        let status = |query| get(host, &format!("/ha/healthz{query}")).status;

        assert_eq!(get(host, "/ha/healthz").json(), json!({ "healthy": true }));
        assert_eq!(status("?instance=VI_1"), 200);
        assert_eq!(status("?instance=VI_1&state=active"), 200);
        assert_eq!(status("?instance=VI_1&state=backup"), 503);
        assert_eq!(status("?instance=VI_2"), 404);
        assert_eq!(status("?instance=VI_2&state=active"), 404);
        assert_eq!(status("?instance=VI_1&state=master"), 400);
        assert_eq!(status("?state=active"), 400);
        assert_eq!(status("?instance=VI_1&instance=VI_1"), 400);
        assert_eq!(status("?instnace=VI_1"), 400);
        assert_eq!((status("?live"), status("?live&instance=VI_1")), (200, 400));
        assert_eq!((status("?draining=false"), status("?draining=true")), (200, 503));
        assert_eq!(status("?draining=perhaps"), 400);
        let reason = get(host, "/ha/healthz?instance=VI_1&state=backup").json()["reason"].clone();
        assert_eq!(reason, "VI_1 is in state active, not backup");
    });
}

#[test]
fn a_dead_engine_is_unhealthy_and_nothing_is_active() {
    on_every_nginx("dead engine", |host, carrier| {
        let nginx = start_active(host, carrier);

        // The carrier of a stock nginx is one of two workers: the other one answers.
        let carrier_pid = nginx.carrier_pid();
        harness::signal(carrier_pid, harness::Signal::SIGSTOP);
        let answer = eventually("the engine is missed", Duration::from_secs(5), || {
            // The kernel may give a connection to the worker that hangs.
            let answer = host.get("127.0.0.1:80", "/ha/healthz");
            match answer {
                Ok(answer) if answer.status == 503 => Ok(answer),
                other => Err(format!("{other:?}")),
            }
        });

        assert!(answer.body.contains("the engine is not running"), "{}", answer.body);
        eventually("it does not live", Duration::from_secs(5), || {
            match host.get("127.0.0.1:80", "/ha/healthz?live") {
                Ok(answer) if answer.status == 503 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        harness::signal(carrier_pid, harness::Signal::SIGCONT);
        drop(nginx);
    });
}

#[test]
fn other_paths_and_methods_are_refused_in_json() {
    on_every_nginx("refused", |host, carrier| {
        let nginx = Nginx::start(host, carrier, &conf_with(ONE));

        for path in ["/ha/statuses", "/ha/metric", "/ha/status/x"] {
            let answer = get(host, path);
            assert_eq!(answer.status, 404, "{path}");
            assert!(answer.json()["error"].is_string(), "{path}");
        }
        for method in ["POST", "PUT", "DELETE"] {
            let answer = ask(host, method, "/ha/status");
            assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));
            assert!(answer.json()["error"].is_string(), "{method}");
        }
        nginx.assert_no_complaints();
    });
}

#[test]
fn head_is_answered_like_get_but_without_a_body() {
    on_every_nginx("head", |host, carrier| {
        let nginx = Nginx::start(host, carrier, &conf_with(ONE));

        // A response whose body is missing breaks off for a client that waits for its length.
        let length = "curl -sSI http://127.0.0.1/ha/status | grep -ic '^content-length: [1-9]'";
        assert_eq!(host.exec("sh", &["-c", length]).trim(), "1");
        nginx.assert_no_complaints();
    });
}

#[test]
fn lua_reads_the_same_status_as_a_table() {
    on_every_nginx("table", |host, carrier| {
        let nginx = start_active(host, carrier);

        assert_eq!(lua(host, "return vrrp.status().instances[1].name"), "VI_1");
        assert_eq!(lua(host, "return vrrp.status().node.master_pid"), master(&nginx));
        assert_eq!(lua(host, "return vrrp._VERSION"), env!("CARGO_PKG_VERSION"));
    });
}

fn master(nginx: &Nginx) -> String {
    nginx.pids(Role::Master)[0].to_string()
}

fn ask(host: &Host, method: &str, path: &str) -> Response {
    let server = "127.0.0.1:80".parse().expect("an address");
    host.enter(|| request(server, method, path)).expect("nginx answers")
}

/// Keeps the names of a document, and the first element of each list.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            object.iter().map(|(name, value)| (name.clone(), shape(value))).collect()
        }
        Value::Array(list) => list.iter().take(1).map(shape).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Value::Null,
    }
}

fn is_time(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    shape == "0000-00-00T00:00:00.000Z"
}

/// One of everything.
const CONTRACT: &str = r#"{
    "version": 1,
    "node": {
        "router_id": "", "module": "", "nginx": "", "carrier": "", "pid": 0, "master_pid": 0,
        "generation": 0, "started": "", "now": "", "heartbeat_age_ms": 0, "healthy": true,
        "draining": false, "control": false, "workers": { "total": 0, "alive": 0 },
        "board_locked": true, "warnings": []
    },
    "instances": [ {
        "name": "", "interface": "", "vrid": 0, "family": "", "version": 0, "state": "",
        "since": "", "reason": "", "fault": null, "transitions": 0,
        "priority": 0, "effective_priority": 0,
        "preempt": true, "advert_interval_ms": 0, "active_down_interval_ms": 0,
        "active": { "address": "", "priority": 0, "self": true, "last_advert_age_ms": null },
        "addresses": [ { "address": "", "assigned": true, "lost": 0, "contested": true } ],
        "sync_group": null, "peers": [],
        "checks": [ { "name": "", "ok": true, "weight": null } ],
        "warnings": [],
        "counters": {
            "advertisements_sent": 0, "advertisements_received": 0, "priority_zero_sent": 0,
            "priority_zero_received": 0, "announcements_sent": 0,
            "errors": {
                "checksum": 0, "ttl": 0, "version": 0, "vrid": 0, "length": 0, "type": 0,
                "auth": 0, "interval": 0, "address_list": 0,
                "owner": 0, "own_source": 0, "unlisted": 0, "martian": 0, "not_running": 0
            }
        },
        "history": [ { "at": "", "from": "", "to": "", "reason": "" } ]
    } ]
}"#;
