//! The last lines of the engine: over HTTP and on the command line.

use std::process::Output;

use harness::{Host, Nginx, Role, Signal, eventually, request};
use serde_json::Value;

use super::command_line::{call, called};
use crate::{ONE, PATIENCE, conf_with, get, on_every_nginx, start_active, status_when};

#[test]
fn what_error_log_leaves_out_is_read_over_http_and_is_still_there_after_a_reload() {
    on_every_nginx("log", |host, carrier| {
        let quiet = conf_with(ONE).replacen("http {", "http { error_log /dev/null crit;", 1);
        let nginx = Nginx::start(host, carrier, &quiet);
        status_when(host, "active");

        let became = "[warn] VI_1 (vrid 51 on eth0): backup -> active, reason: no_response";
        says(host, became);
        nginx.reload();
        says(host, "[notice] goes on where the engine before this one was");

        let answer = get(host, "/ha/log");
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("content-type"), Some("text/plain; charset=utf-8"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.body.contains(became), "{}", answer.body);
        for line in answer.body.lines() {
            let (at, rest) = line.split_once(' ').expect("a time, a level and a text");
            assert!(at.len() == 24 && at.ends_with('Z') && rest.starts_with('['), "{line}");
        }
        let last = get(host, "/ha/log?lines=1").body;
        assert_eq!(last.lines().count(), 1, "{last}");
        assert!(!nginx.error_log().contains("backup -> active"));
    });
}

#[test]
fn the_lines_of_an_nginx_that_hangs_are_read_on_the_command_line() {
    on_every_nginx("log, hung", |host, carrier| {
        let nginx = start_active(host, carrier);
        says(host, "backup -> active");

        nginx.signal(Role::All, Signal::SIGSTOP);
        let lines = lines_of(&call(host, &["log", "--json"]));
        nginx.signal(Role::All, Signal::SIGCONT);

        let is_it = |line: &&Value| line["text"].to_string().contains("backup -> active");
        let line = lines.iter().find(is_it).expect("it is among them");
        assert!(line["level"] == "warn" && line["at"].is_string(), "{line}");
        let few = called(host, &["log", "--lines", "2"], 0);
        assert_eq!(few.lines().count(), 2, "{few}");
        called(host, &["log", "-n", "201"], 2);
    });
}

#[test]
fn what_cannot_be_asked_of_the_log_is_refused_and_no_name_steers_a_terminal() {
    on_every_nginx("log, hostile", |host, carrier| {
        let hostile = r#"name = 'a\"<script>\226\128\174b'"#;
        let options = ONE.replace("name = 'VI_1'", hostile);
        let _nginx = Nginx::start(host, carrier, &conf_with(&options));
        says(host, "backup -> active");

        for query in ["lines=0", "lines=201", "lines=1e2", "lines", "lines=1&lines=2", "line=1"] {
            let answer = get(host, &format!("/ha/log?{query}"));
            assert_eq!(answer.status, 400, "{query}");
            assert!(answer.json()["error"].is_string(), "{query}");
        }
        let server = "127.0.0.1:80".parse().expect("an address");
        let answer = host.enter(|| request(server, "POST", "/ha/log")).expect("nginx answers");
        assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, HEAD")));

        let text = get(host, "/ha/log").body;
        assert!(text.contains(r#"a"<script>"#), "{text}");
        let said = called(host, &["log"], 0);
        assert!(said.contains(r#"a"<script>\u{202e}b"#), "{said:?}");
    });
}

/// Waits until a line is among the last ones.
#[track_caller]
fn says(host: &Host, words: &str) {
    eventually(&format!("the log says {words:?}"), PATIENCE, || {
        let log = get(host, "/ha/log").body;
        if log.contains(words) { Ok(()) } else { Err(log) }
    });
}

fn lines_of(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().map(|line| serde_json::from_str(line).expect("each line is JSON")).collect()
}
