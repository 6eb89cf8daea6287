//! Verdicts outlive the engine that they were told: a node in fault stays there.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use harness::{Nginx, Role, eventually, is_alive, wait_until};
use serde_json::Value;

use crate::pair::{Node, PATIENCE, Pair, conf, on_every_pair, options};

/// Says no, after a moment, as long as the file `bad` exists.
const ANSWER: &str = "
    local asked = io.open(ngx.config.prefix() .. 'logs/asked', 'a')
    asked:write('.')
    asked:close()
    local bad = io.open(ngx.config.prefix() .. 'logs/bad')
    if bad then
        bad:close()
        ngx.sleep(0.5)
    end";

#[test]
fn a_failing_check_outlives_reloads_and_the_carrier() {
    let check = format!(
        "init_worker_by_lua_block {{
            local vrrp = require 'resty.vrrp'
            vrrp.init_worker()
            vrrp.check('app', function()
                {ANSWER}
                return not bad, 'the database is away'
            end, {{ interval_ms = 100, timeout_ms = 2000 }})
        }}"
    );
    let started = "init_worker_by_lua_block { require('resty.vrrp').init_worker() }";
    let checked = conf(&options(1)).replacen(started, &check, 1);
    on_every_pair("failing check", |pair, _| {
        stays_in_fault(pair, &checked, "the database is away");
    });
}

#[test]
fn a_failing_probe_outlives_reloads_and_the_carrier() {
    let health = "health = { probe = { url = 'http://localhost/probe', interval_ms = 100,
        timeout_ms = 2000, fall = 1, rise = 1 } }, instances";
    let page = format!(
        "location /probe {{ content_by_lua_block {{ {ANSWER} ngx.exit(bad and 503 or 204) }} }}
        location /ha/"
    );
    let probed = conf(&options(1).replacen("instances", health, 1));
    let probed = probed.replacen("location /ha/", &page, 1);
    on_every_pair("failing probe", |pair, _| stays_in_fault(pair, &probed, "status 503"));
}

fn stays_in_fault(pair: &Pair, conf: &str, why: &str) {
    let one = &pair.one;
    // Workers of every user write to it.
    let counted = one.nginx.prefix().join("logs/asked");
    fs::write(&counted, "").expect("the prefix is writable");
    fs::set_permissions(&counted, Permissions::from_mode(0o666)).expect("it was made here");
    one.nginx.write("nginx.conf", conf);
    one.nginx.reload();
    one.wait_for_generation(2);
    let bad = one.nginx.prefix().join("logs/bad");
    fs::write(&bad, "").expect("the prefix is writable");
    one.wait_for("fault");
    pair.two.wait_for("active");
    let (start, before) = (Instant::now(), steps(one));

    for generation in 3..=4 {
        let old = one.nginx.carrier_pid();
        one.nginx.reload();
        one.wait_for_generation(generation);
        wait_until("the old carrier ends", PATIENCE, || !is_alive(old));
        let answered = asked(&one.nginx);
        let carrier = one.nginx.carrier_pid();
        one.nginx.kill9(Role::Carrier);
        eventually("another process carries the engine", PATIENCE, || {
            let pid = one.status().map_err(|error| error.to_string())?["node"]["pid"].clone();
            if pid == carrier { Err(pid.to_string()) } else { Ok(()) }
        });
        eventually("it was asked again, and has answered", PATIENCE, || {
            let count = asked(&one.nginx);
            if count > answered + 2 { Ok(()) } else { Err(count) }
        });
        let said = one.host.get("127.0.0.1:80", "/ha/healthz").expect("it serves").body;
        assert!(said.contains(why), "{said}");
    }

    assert_eq!(steps(one), before);
    let heard = pair.sniffer.adverts_since(start);
    let ours: Vec<_> = heard.iter().filter(|it| it.source == one.source()).collect();
    assert!(ours.is_empty(), "a node in fault advertises: {ours:?}");
    fs::remove_file(bad).expect("it was made here");
    one.wait_for("active");
}

/// Returns how often the check was made, or the probe asked.
fn asked(nginx: &Nginx) -> usize {
    fs::read(nginx.prefix().join("logs/asked")).map_or(0, |text| text.len())
}

/// Returns from where to where the first router went, and why.
fn steps(node: &Node) -> Vec<[Value; 3]> {
    let history = node.wait_for_instance()["history"].clone();
    let step = |it: &Value| ["from", "to", "reason"].map(|name| it[name].clone());
    history.as_array().expect("a list").iter().map(step).collect()
}
