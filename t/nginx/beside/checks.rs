//! Health checks in Lua: what they do to the node, and what they say.

use std::fs;
use std::time::{Duration, Instant};

use harness::{AddressWatch, Carrier, Host, Nginx, eventually, holds_for, wait_until};
use serde_json::Value;

use crate::{ONE, PATIENCE, conf_with, get, on_every_nginx, status_when};

/// Returns a configuration with a check, whose function is `body` once the file `bad` exists.
fn conf_checking(body: &str, opts: &str) -> String {
    checking(&conf_with(ONE), body, opts)
}

/// Adds to a configuration a check, whose function is `body` once the file `bad` exists.
pub(crate) fn checking(conf: &str, body: &str, opts: &str) -> String {
    let check = format!(
        "init_worker_by_lua_block {{
            local vrrp = require 'resty.vrrp'
            vrrp.init_worker()
            vrrp.check('app', function()
                local file = io.open(ngx.config.prefix() .. 'logs/bad')
                if not file then
                    return true
                end
                file:close()
                {body}
            end, {opts})
        }}
        server {{"
    );
    conf.replace("init_worker_by_lua_block { require('resty.vrrp').init_worker() }", "")
        .replacen("server {", &check, 1)
}

fn start(host: &Host, carrier: &Carrier, body: &str, opts: &str) -> Nginx {
    let nginx = Nginx::start(host, carrier, &conf_checking(body, opts));
    status_when(host, "active");
    nginx
}

pub(crate) fn turn_bad(nginx: &Nginx) {
    fs::write(nginx.prefix().join("logs/bad"), "").expect("the prefix is writable");
}

pub(crate) fn turn_good(nginx: &Nginx) {
    fs::remove_file(nginx.prefix().join("logs/bad")).expect("it was turned bad");
}

/// Returns what the status says of the check.
fn shown(status: &Value) -> Value {
    let checks = status["instances"][0]["checks"].as_array().expect("a list");
    checks.iter().find(|check| check["name"] == "app").cloned().unwrap_or_default()
}

#[test]
fn a_check_that_fails_is_a_fault_with_the_reason_until_it_is_well_again() {
    on_every_nginx("check", |host, carrier| {
        let body = "return nil, 'the database is away'";
        let nginx = start(host, carrier, body, "{ interval_ms = 50, fall = 2, rise = 2 }");

        turn_bad(&nginx);
        let status = status_when(host, "fault");

        assert_eq!(status["instances"][0]["reason"], "unhealthy");
        assert_eq!(shown(&status)["ok"], false);
        assert_eq!(shown(&status)["weight"], Value::Null);
        let answer = get(host, "/ha/healthz");
        assert_eq!(answer.status, 503);
        assert!(answer.body.contains("check app fails: the database is away"), "{}", answer.body);
        wait_until("the address has gone", PATIENCE, || !host.has("192.168.56.100"));

        turn_good(&nginx);
        let status = status_when(host, "active");
        assert_eq!(shown(&status)["ok"], true);
        let log = nginx.error_log();
        let said = "vrrp: check app fails: the database is away";
        assert_eq!(log.matches(said).count(), 1, "{log}");
        assert_eq!(log.matches("vrrp: check app is well again").count(), 1, "{log}");
        nginx.assert_no_complaints();
    });
}

#[test]
fn a_verdict_changes_by_so_many_answers_in_a_row_and_not_before() {
    on_every_nginx("fall and rise", |host, carrier| {
        let answers = "for _, name in ipairs { 'well', 'ill' } do
                if os.remove(ngx.config.prefix() .. 'logs/' .. name) then
                    return name == 'well', 'it is ill'
                end
            end
            ngx.sleep(0.005)";
        let body = format!("while true do {answers} end");
        let opts = "{ interval_ms = 50, timeout_ms = 60000, fall = 2, rise = 2 }";
        let nginx = Nginx::prepare(host, carrier, &conf_checking(&body, opts));
        let answer = |answer: &str| {
            let file = nginx.prefix().join("logs").join(answer);
            fs::write(&file, "").expect("the prefix is writable");
            wait_until("it is answered", PATIENCE, || !file.exists());
        };
        let stays = |state: &str, ok: bool| {
            holds_for(&format!("it stays {state}"), Duration::from_millis(200), || {
                let status = get(host, "/ha/status").json();
                let here = status["instances"][0]["state"] == state;
                if here && shown(&status)["ok"] == ok { Ok(()) } else { Err(status.to_string()) }
            });
        };
        turn_bad(&nginx);
        nginx.launch().expect("the configuration is right");
        answer("well");
        status_when(host, "active");

        for _ in 0..2 {
            for once in ["ill", "well", "ill"] {
                answer(once);
                stays("active", true);
            }
            answer("ill");
            status_when(host, "fault");
            stays("fault", false);

            for once in ["well", "ill", "well"] {
                answer(once);
                stays("fault", false);
            }
            answer("well");
            status_when(host, "active");
            stays("active", true);
        }
    });
}

#[test]
fn a_reason_of_any_bytes_is_told_and_the_check_goes_on() {
    for (body, said) in [
        (r"return nil, '\255\254 down'", "check app fails: \u{fffd}\u{fffd} down"),
        ("return nil, setmetatable({}, { __tostring = error })", "check app fails: a table"),
    ] {
        on_every_nginx("odd reason", |host, carrier| {
            let nginx = start(host, carrier, body, "{ interval_ms = 50 }");

            for _ in 0..2 {
                assert_fails_and_recovers(host, &nginx, said);
            }
            nginx.assert_no_complaints();
        });
    }
}

#[test]
fn a_check_that_hangs_or_breaks_fails() {
    for (body, said) in [
        ("ngx.sleep(30)", "no answer within 100 ms"),
        ("error('a bug in the check')", "a bug in the check"),
        ("return false", "it returned false"),
        ("ngx.exit(0)", "it ended without an answer"),
    ] {
        on_every_nginx("broken check", |host, carrier| {
            let nginx = start(host, carrier, body, "{ interval_ms = 50, timeout_ms = 100 }");

            assert_fails_and_recovers(host, &nginx, said);
        });
    }
}

/// Checks that a node is in fault, and says why, as long as its check fails.
#[track_caller]
fn assert_fails_and_recovers(host: &Host, nginx: &Nginx, said: &str) {
    turn_bad(nginx);
    status_when(host, "fault");
    let answer = get(host, "/ha/healthz");
    assert!(answer.body.contains(said), "{}", answer.body);
    turn_good(nginx);
    status_when(host, "active");
}

#[test]
fn a_check_that_blocks_the_event_loop_fails() {
    on_every_nginx("blocking check", |host, carrier| {
        let body = "pcall(ffi.cdef, 'int usleep(unsigned);')
            while io.open(ngx.config.prefix() .. 'logs/bad') do ffi.C.usleep(10000) end
            return true";
        let body = format!("local ffi = require 'ffi' {body}");
        let nginx = start(host, carrier, &body, "{ interval_ms = 50 }");

        turn_bad(&nginx);
        let status = status_when(host, "fault");

        assert_eq!(shown(&status)["ok"], false);
        let answer = get(host, "/ha/healthz");
        assert!(answer.body.contains("check app fails: no answer, the carrier's"), "{answer:?}");
        turn_good(&nginx);
        let status = status_when(host, "active");
        assert_eq!(shown(&status)["ok"], true);
    });
}

#[test]
fn a_check_that_fails_at_a_first_start_lets_nothing_be_claimed_meanwhile() {
    on_every_nginx("first start", |host, carrier| {
        let body = "ngx.sleep(1) return nil, 'the database is away'";
        let conf = conf_checking(body, "{ interval_ms = 50, timeout_ms = 3000 }");
        let nginx = Nginx::prepare(host, carrier, &conf);
        let addresses = AddressWatch::start(host);
        let start = Instant::now();
        turn_bad(&nginx);

        nginx.launch().expect("the configuration is right");
        let status = status_when(host, "fault");

        let history = status["instances"][0]["history"].as_array().expect("a list").clone();
        assert_eq!(history.len(), 1, "{history:?}");
        assert_eq!(history[0]["reason"], "unhealthy");
        assert!(addresses.since(start, "192.168.56.100").is_empty());
        turn_good(&nginx);
        status_when(host, "active");
    });
}

#[test]
fn a_check_with_a_weight_lowers_the_priority_over_a_reload_too() {
    on_every_nginx("weight", |host, carrier| {
        let nginx = start(host, carrier, "return false", "{ interval_ms = 50, weight = -60 }");
        let effective = |priority: u8| {
            eventually("the priority follows", Duration::from_secs(5), || {
                let status = get(host, "/ha/status").json();
                let one = status["instances"][0].clone();
                let right = one["effective_priority"] == priority && one["state"] == "active";
                if right { Ok(status) } else { Err(one.to_string()) }
            })
        };

        turn_bad(&nginx);
        let status = effective(90);

        assert_eq!(status["instances"][0]["priority"], 150);
        assert_eq!(shown(&status)["ok"], false);
        assert_eq!(shown(&status)["weight"], -60);
        nginx.reload();
        effective(90);
        turn_good(&nginx);
        effective(150);
    });
}

#[test]
fn what_a_check_cannot_be_is_said_to_its_author() {
    on_every_nginx("wrong check", |host, carrier| {
        let conf = conf_with(ONE).replacen(
            "init_worker_by_lua_block",
            "init_worker_by_lua_block {
                local vrrp = require 'resty.vrrp'
                vrrp.check('probe of mine', function() return true end)
                for _, put in ipairs {
                    function() vrrp.check('probe', print) end,
                    function() vrrp.check('reach x', print) end,
                    function() vrrp.check('a', print, { wieght = -5 }) end,
                    function() vrrp.check('a', print, { weight = 5 }) end,
                    function() vrrp.check('', print) end,
                    function() vrrp.check('a\\255', print) end,
                    function() vrrp.check('a\\0', print) end,
                    function() vrrp.check('Prüfung €', print, { fall = 0 }) end,
                    function() vrrp.check('a') end,
                } do
                    local taken, err = pcall(put)
                    ngx.log(ngx.WARN, taken and 'it was taken' or err)
                end
                vrrp.init_worker()
            }
            #",
            1,
        );
        let nginx = Nginx::start(host, carrier, &conf);
        status_when(host, "active");

        let log = nginx.error_log();
        for said in [
            "this name is taken: probe",
            "this name is taken: reach x",
            "opts.wieght is not known",
            "opts.weight must be a whole number from -253 to -1",
            "the name of a check must be a string of 1 to 31 bytes of UTF-8 without control",
            "opts.fall must be a whole number from 1 to 100",
            "a check needs a function, got nil",
        ] {
            assert!(log.contains(said), "{said}: {log}");
        }
        assert!(!log.contains("it was taken"), "{log}");
    });
}

#[test]
fn a_probe_that_is_not_answered_well_is_a_fault() {
    on_every_nginx("probe", |host, carrier| {
        let probe = "probe = { url = 'http://localhost/probe', interval_ms = 50 }, worker";
        let page = "location /probe { content_by_lua_block {
                local file = io.open(ngx.config.prefix() .. 'logs/bad')
                ngx.exit(file and 503 or 204)
            } }
            location /ha/";
        let conf = conf_with(&ONE.replacen("worker", probe, 1));
        let nginx = Nginx::start(host, carrier, &conf.replacen("location /ha/", page, 1));
        let status = status_when(host, "active");
        assert_eq!(status["instances"][0]["checks"][3]["name"], "probe");

        turn_bad(&nginx);
        let status = status_when(host, "fault");

        assert_eq!(status["instances"][0]["checks"][3]["ok"], false);
        let answer = get(host, "/ha/healthz");
        assert!(answer.body.contains("answers with status 503"), "{}", answer.body);
        turn_good(&nginx);
        status_when(host, "active");
    });
}
