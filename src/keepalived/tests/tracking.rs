//! Interfaces, scripts, processes and files.

use super::*;

const VIP: &str = "virtual_ipaddress { 10.0.0.1 }\n";

fn with_script(script: &str, more: &str) -> String {
    format!("vrrp_script chk {{\nscript {script}\n{more}\n}}\n")
        + &with_instance(&format!("priority 100\ntrack_script {{\nchk\n}}\n{VIP}"))
}

#[test]
fn what_looks_whether_nginx_runs_is_built_in() {
    for script in [
        "\"killall -0 nginx\"",
        "\"/usr/bin/pgrep nginx\"",
        "/etc/keepalived/check_nginx.sh",
        "\"/bin/sh -c 'pidof openresty >/dev/null'\"",
        "\"systemctl is-active --quiet nginx.service\"",
        "\"curl -s http://localhost/\"",
        "\"curl -k https://127.0.0.1/health\"",
        "\"</dev/tcp/127.0.0.1/80\"",
        "\"nc -z localhost 443\"",
        "'/usr/bin/test -f /run/nginx.pid'",
    ] {
        let text = with_script(script, "weight -20\ninterval 2");
        let said = remarks(&text);
        assert!(said.contains("built in: a node whose nginx does not serve"), "{script}: {said}");
        assert_eq!(options(&text)["health"], Value::Null);
        assert_eq!(options(&text)["instances"][0]["priority"], 100);
    }
    let process = "vrrp_track_process web {\nprocess nginx\n}\n".to_owned()
        + &with_instance(&format!("track_process {{\nweb\n}}\n{VIP}"));
    assert!(remarks(&process).contains("vrrp_track_process web (nginx): built in"));
}

#[test]
fn a_request_to_this_host_that_must_succeed_becomes_the_probe() {
    let more = "interval 0.5\ntimeout 2\nfall 3\nrise 1";
    for (script, url) in [
        ("\"curl -fsS -o /dev/null http://127.0.0.1:8080/health\"", "http://127.0.0.1:8080/health"),
        ("\"/usr/bin/curl --fail localhost\"", "http://localhost/"),
        ("\"wget -q --spider http://[::1]/\"", "http://[::1]/"),
    ] {
        let probe = json!({ "url": url, "interval_ms": 500, "timeout_ms": 2000, "fall": 3,
            "rise": 1 });
        assert_eq!(options(&with_script(script, more))["health"]["probe"], probe, "{script}");
    }
}

#[test]
fn a_host_that_is_pinged_becomes_one_that_must_be_reached() {
    let reach = |script: &str, more: &str| {
        let mut reach = options(&with_script(script, more))["health"]["reach"].clone();
        reach[0].take()
    };

    assert_eq!(
        reach("\"/bin/ping -c 1 -W 1 192.0.2.1\"", "interval 2\nfall 2"),
        json!({ "name": "chk", "address": "192.0.2.1", "interval_ms": 2000, "fall": 2 })
    );
    assert_eq!(
        reach("\"ping -I eth9 -c1 2001:db8::1\"", "weight 30"),
        json!({ "name": "chk", "address": "2001:db8::1", "interface": "eth9", "weight": -30 })
    );
    for script in ["ping -c1 127.0.0.1", "ping -c1 gw", "ping 192.0.2.1 192.0.2.2"] {
        let text = with_script(&format!("\"{script}\""), "");
        assert_eq!(options(&text)["health"], Value::Null, "{script}");
    }
}

#[test]
fn what_looks_at_anything_else_becomes_a_function_in_lua() {
    for script in [
        "\"killall -0 haproxy\"",
        "/usr/local/bin/check_db.sh",
        "\"curl -f -k https://localhost:6443/healthz\"",
        "\"curl -f http://192.0.2.1/\"",
        "\"nc -z 127.0.0.1 5432\"",
    ] {
        let said = remarks(&with_script(script, "interval 2\nweight -5\nfall 2"));
        let expected = "vrrp.check(\"chk\", function() … end, { interval_ms = 2000, fall = 2, \
                        weight = -5 })";
        assert!(said.contains("Warning") && said.contains(expected), "{script}: {said}");
    }
}

#[test]
fn a_positive_weight_is_part_of_the_priority_and_taken_off_on_failure() {
    let text = with_script("\"killall -0 nginx\"", "weight 20").replace(
        "track_script {\nchk\n}",
        "track_script {\nchk weight 10\n}\n\
         track_interface {\neth1 weight 30\neth2 weight -40\neth0\n}",
    );

    let instance = options(&text)["instances"][0].clone();

    assert_eq!(instance["priority"], 140);
    let eth1 = json!({ "interface": "eth1", "weight": -30 });
    let eth2 = json!({ "interface": "eth2", "weight": -40 });
    assert_eq!(instance["track"], json!([eth1, eth2]), "its own interface is always watched");
    assert!(remarks(&text).contains("priority 100 + 40 = 140"));
    let owner = text.replace("priority 100", "priority 255");
    assert_eq!(options(&owner)["instances"][0]["priority"], 255, "an owner has no weights");
}

#[test]
fn weights_do_not_count_in_a_sync_group() {
    let text = with_script("\"killall -0 nginx\"", "weight 20")
        .replace("track_script {", "track_interface {\neth1 weight -30\neth2\n}\ntrack_script {")
        + "vrrp_sync_group G { group { VI_1 } }\n";

    let instance = options(&text)["instances"][0].clone();

    assert_eq!(instance["priority"], 100);
    assert_eq!(instance["track"], json!([{ "interface": "eth2" }]));
    let said = remarks(&text);
    assert!(said.contains("eth1: keepalived ignores weights in a sync group"), "{said}");
    assert!(said.contains("chk: keepalived ignores weights in a sync group"), "{said}");
    let counted = text.replace("G { ", "G { sync_group_tracking_weight\n");
    assert_eq!(options(&counted)["instances"][0]["priority"], 120);
}

#[test]
fn what_keepalived_ignores_is_said() {
    for (block, expected) in [
        ("track_script {\nnobody\n}", "nobody: there is no vrrp_script nobody"),
        ("track_interface {\neth1 eth2\n}", "eth2: expected weight or the end of the line"),
        ("track_interface {\neth1 weight 5 reverse\n}", "reverse: no counterpart: eth1 is not"),
        ("priority 100 high", "high: keepalived ignores the rest of this line"),
        ("state SLAVE", "state SLAVE: keepalived takes it for BACKUP"),
    ] {
        let said = remarks(&with_instance(&format!("{block}\n{VIP}")));
        assert!(said.starts_with("Warning") && said.contains(expected), "{block}: {said}");
    }
    let unused = "vrrp_script chk { script /bin/true }\n".to_owned() + &with_instance(VIP);
    assert_eq!(remarks(&unused), "Note :1:1: vrrp_script chk: nothing tracks it");
}

#[test]
fn a_tracked_file_is_a_drain_or_a_check() {
    let text = "track_file down {\nfile /run/down\nweight 1\ninit_file 0\n}\n".to_owned()
        + &with_instance(&format!("track_file {{\ndown weight -50\n}}\n{VIP}"));

    let said = remarks(&text);

    assert!(said.contains("track_file down (/run/down): POST /ha/drain"), "{said}");
    assert_eq!(options(&text)["instances"][0]["priority"], Value::Null);
}

#[test]
fn a_weight_that_is_none_is_refused() {
    for line in ["weight x", "weight", "weight 300"] {
        let text =
            format!("vrrp_script chk {{\nscript /bin/true\n{line}\n}}\n{}", with_instance(VIP));
        let said = refused(text);
        assert!(said.contains("expected a weight from -253 to 253 behind weight"), "{said}");
    }
}
