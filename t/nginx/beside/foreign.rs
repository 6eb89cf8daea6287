//! What others say and send: texts that must not forge the log, requests of a stranger's page.

use harness::{Host, Nginx};

use crate::{ONE, conf_with, instance_when, logs, lua, on_every_nginx, start_active, status_when};

#[test]
fn a_reason_of_a_check_or_an_error_of_a_callback_begins_no_line_of_the_log() {
    on_every_nginx("forged lines", |host, carrier| {
        let hooks = r"init_worker_by_lua_block {
            local forged = 'no\n2000/01/01 [emerg] 1#1: forged \27[31m\194\155 \127.'
            local vrrp = require('resty.vrrp')
            vrrp.check('app', function() return nil, forged end)
            vrrp.on_state(function() error({}) end)
            vrrp.on_state(function() error(forged) end)";
        let conf = conf_with(ONE).replacen("init_worker_by_lua_block {", hooks, 1);
        let nginx = Nginx::start(host, carrier, &conf);

        instance_when(host, |one| one["state"] == "fault");
        for words in ["check app fails: no 2000", "(check app fails: no 2000", "on_state failed: "]
        {
            logs(&nginx, words);
        }

        let log = nginx.error_log();
        assert!(log.contains("forged  [31m   ."), "{log}");
        let is_control = |c: char| c.is_control() && c != '\n';
        assert!(!log.contains("\n2000") && !log.contains(is_control), "{log}");
    });
}

#[test]
fn the_page_of_another_web_site_cannot_drain_a_node() {
    on_every_nginx("pages", |host, carrier| {
        let options = ONE.replacen('{', "{ control = true,", 1);
        let _nginx = Nginx::start(host, carrier, &conf_with(&options));
        status_when(host, "active");

        for header in [
            &["Origin: https://evil.example"][..],
            &["Origin: null"],
            &["Origin: http://127.0.0.1:8080"],
            &["Origin: http://127.0.0.1.evil.example"],
            &["Sec-Fetch-Site: cross-site"],
            &["Sec-Fetch-Site: same-site"],
            &["Origin: http://127.0.0.1", "Sec-Fetch-Site: same-site"],
            // His name may point here: then his pages and ours are of one origin.
            &["Origin: http://evil.example", "Host: evil.example"],
            &["Sec-Fetch-Site: same-origin", "Host: evil.example"],
            &["Sec-Fetch-Site: same-origin", "Host: 1.2.3.4.evil.example"],
        ] {
            assert_eq!(post(host, header), "403", "{header:?}");
        }
        assert_eq!(lua(host, "return vrrp.state('VI_1')"), "active");

        // As of somebody who types the address, and of curl.
        assert_eq!(post(host, &["Sec-Fetch-Site: none"]), "200");
        assert_eq!(lua(host, "return vrrp.state('VI_1')"), "initialize");
    });
}

#[test]
fn the_page_of_this_server_can_drain_a_node() {
    on_every_nginx("own page", |host, carrier| {
        let options = ONE.replacen('{', "{ control = true,", 1);
        let named = conf_with(&options).replacen("listen 80;", "listen 80; server_name ha;", 1);
        let _nginx = Nginx::start(host, carrier, &named);
        status_when(host, "active");

        for header in [
            &["Origin: http://127.0.0.1"][..],
            &["Origin: http://127.0.0.1", "Sec-Fetch-Site: same-origin"],
            &["Origin: http://[2001:db8::1]:8080", "Host: [2001:db8::1]:8080"],
            &["Origin: http://localhost", "Host: localhost"],
            &["Origin: http://ha", "Host: ha"],
        ] {
            assert_eq!(post(host, header), "200", "{header:?}");
        }
    });
}

/// Sends a drain with headers, and returns the status of the answer.
fn post(host: &Host, headers: &[&str]) -> String {
    let mut out = vec!["-s", "-o", "/dev/null", "-w", "%{http_code}", "-X", "POST"];
    for header in headers {
        out.extend(["-H", header]);
    }
    out.push("http://127.0.0.1/ha/drain");
    host.exec("curl", &out)
}

#[test]
fn texts_are_cut_between_characters_and_known_for_what_they_are() {
    on_every_nginx("texts", |host, carrier| {
        let _nginx = start_active(host, carrier);

        for (chunk, expected) in [
            (r"return text.cut('a\195\164', 2)", "a"),
            (r"return text.cut('a\195\164', 3)", "a\u{e4}"),
            (r"return text.cut('\240\159\146\169', 3) .. '.'", "."),
            (r"return text.on_one_line('a\194\155b\195\155\127\n')", "a b\u{db}  "),
            (r"return text.is_utf8('\195\164')", "true"),
            (r"return text.is_utf8('\195')", "false"),
            (r"return text.is_utf8('\237\160\128')", "false"),
            (r"return require('resty.vrrp.json').show({ 'a\255' })", "[\"a?\"]"),
        ] {
            let chunk = format!("local text = require('resty.vrrp.text') {chunk}");
            assert_eq!(lua(host, &chunk), expected, "{chunk}");
        }
    });
}
