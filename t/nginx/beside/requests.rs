//! What an operator asks for is done, whatever nginx does meanwhile.

use std::thread;
use std::time::Duration;

use harness::{Host, Role, Signal, eventually};

use crate::drain::post;
use crate::{get, lua, on_every_nginx, start_active, status_when};

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

#[test]
fn what_is_asked_of_an_engine_that_ends_meanwhile_is_taken_or_refused() {
    on_every_nginx("asked at the end", |host, carrier| {
        let _nginx = start_active(host, carrier);
        let ask = |is_taken: bool| {
            let takes = if is_taken { "board.page.request = 0" } else { "" };
            let code = format!(
                "local board, looks = {{ page = {{}} }}, 0
                 function board:engine()
                     looks = looks + 1
                     if looks == 1 then return true end
                     {takes}
                     return nil, 'it was stopped'
                 end
                 local ok, err = require('resty.vrrp.control').ask(board, 1)
                 return tostring(ok) .. ' ' .. tostring(err)"
            );
            lua(host, &code)
        };

        assert_eq!(ask(true), "true nil");
        assert_eq!(ask(false), "nil it was stopped");
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
