//! `is_active` and `state`: what a location may ask before it serves.

use std::time::Duration;

use harness::{Nginx, eventually};

use crate::{ONE, conf_with, lua, on_every_nginx, start_active};

#[test]
fn a_location_can_ask_whether_an_instance_is_active_here() {
    on_every_nginx("gate", |host, carrier| {
        let nginx = start_active(host, carrier);
        eventually("every worker has looked", Duration::from_secs(2), || {
            let seen = lua(host, "return vrrp.is_active('VI_1')");
            if seen == "true" { Ok(()) } else { Err(seen) }
        });

        assert_eq!(lua(host, "return vrrp.state('VI_1')"), "active");
        let unknown = "local ok, err = vrrp.is_active('VI_9') return tostring(ok) .. ' ' .. err";
        assert_eq!(lua(host, unknown), "nil no instance is named VI_9");
        let unknown = "local ok, err = vrrp.state('VI_9') return tostring(ok) .. ' ' .. err";
        assert_eq!(lua(host, unknown), "nil no instance is named VI_9");
        nginx.assert_no_complaints();
    });
}

#[test]
fn nothing_is_active_without_a_living_engine() {
    on_every_nginx("no engine", |host, carrier| {
        let conf = conf_with(ONE).replace("require('resty.vrrp').init_worker()", "");
        let _nginx = Nginx::start(host, carrier, &conf);

        assert_eq!(lua(host, "return vrrp.is_active('VI_1')"), "false");
        let state =
            lua(host, "local ok, err = vrrp.state('VI_1') return tostring(ok) .. ' ' .. err");
        assert!(state.starts_with("nil the engine is not running: it was not started"), "{state}");
    });
}

#[test]
fn every_request_finds_the_board_when_code_is_not_cached() {
    on_every_nginx("code cache", |host, carrier| {
        let conf = conf_with(ONE).replacen("http {", "http {\nlua_code_cache off;", 1);
        let nginx = Nginx::start(host, carrier, &conf);

        eventually("the instance is active", Duration::from_secs(10), || {
            let seen = lua(host, "return vrrp.is_active('VI_1')");
            if seen == "true" { Ok(()) } else { Err(seen) }
        });

        assert_eq!(lua(host, "return vrrp.state('VI_1')"), "active");
        assert_eq!(host.get("127.0.0.1:80", "/ha/healthz").unwrap().status, 200);
        let log = nginx.error_log();
        assert!(!log.contains("[error]") && !log.contains("exited on signal"), "{log}");
    });
}
