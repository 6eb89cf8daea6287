use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;

mod files;
mod instances;
mod tracking;

/// Files in memory.
#[derive(Default)]
struct Files(BTreeMap<PathBuf, Vec<u8>>);

impl Files {
    fn with(mut self, path: &str, text: impl Into<Vec<u8>>) -> Self {
        self.0.insert(PathBuf::from(path), text.into());
        self
    }
}

impl ConfFiles for Files {
    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, String> {
        let found = self.0.get(path).ok_or("No such file or directory")?;
        Ok(found.iter().take(limit + 1).copied().collect())
    }

    /// Knows one pattern: `*.conf` in a directory.
    fn matching(&self, pattern: &Path) -> Result<Vec<PathBuf>, String> {
        let is_named = |path: &PathBuf| match pattern.file_name() {
            Some(name) if name == "*.conf" => {
                path.parent() == pattern.parent() && path.extension().is_some_and(|it| it == "conf")
            }
            _ => path == pattern,
        };
        Ok(self.0.keys().filter(|path| is_named(path)).cloned().collect())
    }
}

const MAIN: &str = "/etc/keepalived/keepalived.conf";

fn translated(text: &str) -> Result<Translation, Vec<Complaint>> {
    translate(Path::new(MAIN), "web1", &Files::default().with(MAIN, text))
}

/// The options of a file that can be translated.
#[track_caller]
fn options(text: &str) -> Value {
    let translation = translated(text).unwrap_or_else(|complaints| panic!("{complaints:?}"));
    serde_json::from_str(&translation.to_json()).expect("it is JSON")
}

/// The only instance, whose block has these lines besides what each needs.
#[track_caller]
fn instance(lines: &str) -> Value {
    options(&with_instance(lines))["instances"][0].clone()
}

fn with_instance(lines: &str) -> String {
    format!("vrrp_instance VI_1 {{\ninterface eth0\nvirtual_router_id 51\n{lines}\n}}\n")
}

/// What is wrong with a file, without its path.
#[track_caller]
fn refused(text: impl Into<Vec<u8>>) -> String {
    let files = Files::default().with(MAIN, text);
    let complaints = translate(Path::new(MAIN), "web1", &files).expect_err("it is refused");
    let lines: Vec<_> = complaints.iter().map(|it| it.to_string().replace(MAIN, "")).collect();
    lines.join("\n")
}

/// What is said of a file, without its path.
#[track_caller]
fn remarks(text: &str) -> String {
    let translation = translated(text).unwrap_or_else(|complaints| panic!("{complaints:?}"));
    let lines = translation.remarks.iter().map(|it| format!("{:?} {it}", it.kind));
    lines.collect::<Vec<_>>().join("\n").replace(MAIN, "")
}

#[test]
fn the_printed_call_of_setup_is_lua_that_can_be_pasted() {
    let text = "global_defs { router_id \"a \\\" quote\" }\n".to_owned()
        + &with_instance("nopreempt\nvirtual_ipaddress { 10.0.0.1 }\ntrack_interface { eth1 }");

    let lua = translated(&text).expect("it is right").to_lua();

    assert_eq!(
        lua,
        r#"require("resty.vrrp").setup {
    router_id = "a \\\" quote",
    instances = {
        {
            name = "VI_1",
            interface = "eth0",
            vrid = 51,
            version = 2,
            preempt = false,
            track = { { interface = "eth1" } },
            addresses = { "10.0.0.1/32" },
        },
    },
}
"#
    );
}

#[test]
fn an_error_of_an_option_is_found_in_the_file() {
    let text = with_instance("priority 300\nvirtual_ipaddress {\n10.0.0.1\n  10.0.0.2 dev eth1\n}");
    let translation = translated(&text).expect("it is right so far");
    let place = |path| translation.place_of(path).map(|it| it.to_string().replace(MAIN, ""));

    assert_eq!(place("instances[1].priority").as_deref(), Some(":4:10"));
    assert_eq!(place("instances[1].addresses[2]").as_deref(), Some(":7:3"));
    assert_eq!(place("instances[1].addresses[2].interface").as_deref(), Some(":7:16"));
    assert_eq!(place("instances[1].auth").as_deref(), Some(":1:15"), "where its block begins");
    assert_eq!(place("health.min_workers"), None);
}

#[test]
fn a_file_without_an_instance_is_refused() {
    assert_eq!(refused("global_defs { }"), ":1:1: there is no vrrp_instance in it");
    assert_eq!(refused(""), ":1:1: there is no vrrp_instance in it");
}

#[test]
fn everything_that_is_wrong_is_said_at_once() {
    let said = refused(with_instance("prority 5\nadvert_int soon\npreempt_delay"));

    assert_eq!(
        said,
        ":4:1: unknown word \"prority\"; did you mean \"priority\"?\n\
         :5:12: expected seconds, such as 1 or 0.25, got \"soon\"\n\
         :6:1: expected a value behind preempt_delay"
    );
    assert_eq!(refused(with_instance(&"x\n".repeat(200))).lines().count(), 50);
}

#[test]
fn an_unknown_word_is_answered_with_what_was_probably_meant() {
    for (text, expected) in [
        ("vrrp_instnace VI_1 { }", ":1:1: unknown word \"vrrp_instnace\"; did you mean \"vrrp_"),
        ("global_defs { log_file x }", "does not know it in global_defs"),
        ("vrrp_instance a { virtual_router 5 }", "did you mean \"virtual_router_id\"?"),
        ("vrrp_script a { scirpt b }", "unknown word \"scirpt\"; did you mean \"script\"?"),
        ("vrrp_script a { vrrp_instance VI_1 { } }", "is a } missing before it?"),
        ("vrrp_sync_group G { VI_1 }", "members stand in group { … }"),
        ("vrrp_track_process a { interval 1 }", "does not know it in vrrp_track_process"),
    ] {
        let said = refused(text);
        assert!(said.contains(expected), "{text}: {said}");
    }
}

#[test]
fn the_same_remark_is_made_once() {
    let one = |name, vrid| {
        format!(
            "vrrp_instance {name} {{\ninterface eth0\nvirtual_router_id {vrid}\n\
             notify /bin/x\nvirtual_ipaddress {{ 10.0.0.{vrid} }}\n}}\n"
        )
    };

    let said = remarks(&(one("a", 1) + &one("b", 2) + &one("c", 3)));

    assert!(said.starts_with("Warning :4:1 (and 2 times more): notify: becomes"), "{said}");
    assert_eq!(said.lines().count(), 1);
}

#[test]
fn what_is_written_twice_is_not_dropped_without_a_word() {
    let text = with_instance("priority 1\npriority 2\nvirtual_ipaddress { 10.0.0.1 }");

    assert_eq!(options(&text)["instances"][0]["priority"], 2);
    assert_eq!(remarks(&text), "Warning :5:1: priority: written twice: the last one counts");
}

#[test]
fn options_of_the_node_come_from_global_defs() {
    let text = "global_defs { router_id lb1\n vrrp_rt_priority 50\n vrrp_version 3\n\
        vrrp_garp_master_repeat 40\n vrrp_startup_delay 5.5\n vrrp_down_timer_adverts 7\n\
        v3_checksum_as_v2\n }\n"
        .to_owned()
        + &with_instance("garp_master_refresh 30\nvirtual_ipaddress { 10.0.0.1 }");

    let options = options(&text);

    assert_eq!(options["router_id"], "lb1");
    assert_eq!(options["realtime"], true);
    assert_eq!(options["announce"], json!({ "count": 20, "refresh_ms": 30_000 }));
    let instance = &options["instances"][0];
    assert_eq!(instance["version"], 3);
    assert_eq!(instance["startup_hold_ms"], 5500);
    assert_eq!(instance["dead_factor"], 7);
    assert_eq!(instance["checksum"], "rfc9568");
}
