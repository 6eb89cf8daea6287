//! Events: Lua hears of every change of state.

use std::fs;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use harness::{Carrier, Host, Nginx, Role, eventually, is_alive, wait_until};
use serde_json::Value;

use crate::{ONE, PATIENCE, board_of, conf_with, logs, lua, on_every_nginx, status_when};

/// Starts nginx with a callback that writes each event down, after what `before` does.
fn start_listening(host: &Host, carrier: &Carrier, before: &str) -> Nginx {
    let listener = format!(
        "init_worker_by_lua_block {{
            local vrrp = require 'resty.vrrp'
            vrrp.init_worker()
            {before}
            vrrp.on_state(function(event)
                local file = io.open(ngx.config.prefix() .. 'logs/events', 'a')
                file:write(require('resty.vrrp.json').encode(event), '\\n')
                file:close()
            end)
        }}
        server {{"
    );
    let conf = conf_with(ONE)
        .replace("init_worker_by_lua_block { require('resty.vrrp').init_worker() }", "")
        .replacen("server {", &listener, 1);
    Nginx::start(host, carrier, &conf)
}

fn heard(nginx: &Nginx) -> Vec<Value> {
    let text = fs::read_to_string(nginx.prefix().join("logs/events")).unwrap_or_default();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

/// Returns the first events, once there are so many.
#[track_caller]
fn heard_when(nginx: &Nginx, count: usize) -> Vec<Value> {
    eventually(&format!("{count} events"), Duration::from_secs(10), || {
        let events = heard(nginx);
        if events.len() >= count { Ok(events) } else { Err(format!("{events:?}")) }
    })
}

#[test]
fn each_change_of_state_is_told_once_and_in_order() {
    on_every_nginx("events", |host, carrier| {
        let nginx = start_listening(host, carrier, "");
        status_when(host, "active");
        host.link_down();
        status_when(host, "fault");
        host.link_up();
        let status = status_when(host, "active");

        let events = heard_when(&nginx, 5);

        let history = status["instances"][0]["history"].as_array().unwrap();
        assert_eq!(events.len(), history.len(), "{events:?}");
        for (index, (event, transition)) in events.iter().zip(history).enumerate() {
            assert_eq!(event["seq"], index + 1);
            assert_eq!(event["generation"], 1);
            assert_eq!(event["instance"], "VI_1");
            for name in ["from", "to", "reason"] {
                assert_eq!(event[name], transition[name], "{event}");
            }
            assert!(event["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{event}");
        }
        nginx.assert_no_complaints();
    });
}

#[test]
fn a_callback_that_fails_or_waits_keeps_no_event_from_the_others() {
    on_every_nginx("bad callbacks", |host, carrier| {
        let bad = "vrrp.on_state(function() error('it is not my day') end)
            vrrp.on_state(function() ngx.sleep(0.3) end)";
        let nginx = start_listening(host, carrier, bad);
        status_when(host, "active");

        let events = heard_when(&nginx, 2);

        let states: Vec<_> = events.iter().map(|event| event["to"].as_str().unwrap()).collect();
        assert_eq!(states, ["backup", "active"]);
        let log = nginx.error_log();
        assert_eq!(log.matches("it is not my day").count(), 2, "{log}");
    });
}

#[test]
fn a_callback_that_never_returns_is_given_up() {
    on_every_nginx("endless callback", |host, carrier| {
        let bad = "require('resty.vrrp.events').patience_ms = 300
            vrrp.on_state(function(event)
                if event.seq == 2 then ngx.exit(500) end
                if event.seq == 3 then ngx.sleep(1) end
            end)";
        let nginx = start_listening(host, carrier, bad);
        status_when(host, "active");
        host.link_down();
        status_when(host, "fault");
        host.link_up();

        let events = heard_when(&nginx, 3);

        // The one that listens behind it does not hear of what it never returned from.
        let numbers: Vec<_> = events.iter().map(|event| event["seq"].clone()).collect();
        assert_eq!(numbers, [1, 4, 5]);
        for late in [2, 3] {
            logs(&nginx, &format!("has not returned from event {late} for 300 ms"));
        }
        // The one that was only slow comes back, and tells nothing out of order.
        std::thread::sleep(Duration::from_secs(1));
        assert_eq!(heard(&nginx).len(), 3);
    });
}

#[test]
fn what_waits_to_be_told_outlives_a_reload_and_the_carrier() {
    on_every_nginx("waiting events", |host, carrier| {
        let nginx = start_listening(host, carrier, "vrrp.on_state(function() ngx.sleep(0.5) end)");
        status_when(host, "active");
        let fail_and_recover = || {
            host.link_down();
            status_when(host, "fault");
            host.link_up();
            status_when(host, "active")
        };

        fail_and_recover();
        let old = nginx.carrier_pid();
        nginx.reload();
        wait_until("the old carrier ends", PATIENCE, || !is_alive(old));
        let told = heard(&nginx).len();
        assert!(told < 5, "nothing waited");
        let status = fail_and_recover();
        assert_eq!(status["node"]["generation"], 2);
        nginx.kill9(Role::Carrier);
        assert!(heard(&nginx).len() < 8, "nothing waited");

        let events = heard_when(&nginx, 8);
        let numbers: Vec<_> = events.iter().map(|event| event["seq"].clone()).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5, 6, 7, 8]);
        assert_eq!(events[7]["generation"], 2);
        let status = status_when(host, "active");
        let history = status["instances"][0]["history"].as_array().unwrap();
        for (event, transition) in events.iter().zip(history) {
            for name in ["from", "to", "reason"] {
                assert_eq!(event[name], transition[name], "{event}");
            }
        }
        host.link_down();
        assert_eq!(heard_when(&nginx, 9)[8]["seq"], 9);
    });
}

#[test]
fn events_that_are_not_there_any_more_are_told_as_lost() {
    on_every_nginx("lost events", |host, carrier| {
        let nginx = start_listening(host, carrier, "");
        heard_when(&nginx, 2);

        board_of(&nginx).header().events.fetch_add(5, Relaxed);
        host.link_down();

        let events = heard_when(&nginx, 4);
        assert_eq!((&events[2]["lost"], &events[2]["generation"]), (&5.into(), &1.into()));
        assert_eq!((&events[3]["seq"], &events[3]["to"]), (&8.into(), &"fault".into()));
    });
}

#[test]
fn a_callback_is_asked_for_before_nginx_serves() {
    on_every_nginx("late", |host, carrier| {
        let _nginx = Nginx::start(host, carrier, &conf_with(ONE));

        let refused = "local ok, err = pcall(vrrp.on_state, print) return tostring(ok) .. err";
        assert!(lua(host, refused).contains("must be called in init_by_lua_block"));
    });
}
