//! The command line `resty-vrrp`, beside nginx.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use harness::{Host, Nginx, Role, Signal, eventually, library, wait_until};
use serde_json::Value;

use crate::{ONE, PATIENCE, conf_with, get, on_every_nginx, start_active, status_when};

#[test]
fn the_command_line_shows_what_http_shows() {
    on_every_nginx("status", |host, carrier| {
        let _nginx = start_active(host, carrier);

        eventually("both say the same", PATIENCE, || {
            let http = steady(get(host, "/ha/status").json());
            let shown = call(host, &["status", "--json"]);
            let shown = steady(serde_json::from_slice(&shown.stdout).expect("it is JSON"));
            if http == shown { Ok(()) } else { Err(format!("{http:#}\n{shown:#}")) }
        });

        let table = called(host, &["status"], 0);
        for words in [
            "worker-01: ",
            &carrier.version,
            "the engine runs; nginx serves: 2 of 2 workers live",
            "VI_1 (eth0, 51)  active (no_response)",
            "150       this node  192.168.56.100/24 and 1 more, 2 of 2 here",
        ] {
            assert!(table.contains(words), "{words:?}: {table}");
        }
        assert!(!table.contains('\u{1b}'), "no terminal: {table:?}");
    });
}

/// Returns a status without what changes from one moment to the next.
fn steady(mut status: Value) -> Value {
    for name in ["now", "heartbeat_age_ms"] {
        assert!(status["node"][name].take() != Value::Null, "{name}");
    }
    without_fractions(&mut status);
    status
}

/// Cuts times to seconds: the clocks are read one after the other.
fn without_fractions(value: &mut Value) {
    match value {
        Value::String(text) if text.len() == 24 && text.ends_with('Z') => text.truncate(19),
        Value::Array(list) => list.iter_mut().for_each(without_fractions),
        Value::Object(object) => object.values_mut().for_each(without_fractions),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn scripts_ask_for_the_state_of_an_instance_and_read_the_exit_status() {
    on_every_nginx("exit status", |host, carrier| {
        let nginx = start_active(host, carrier);
        let master = nginx.master().expect("it runs").to_string();

        for (arguments, code, words) in [
            (&["status", "--instance", "VI_1", "--is", "active"][..], 0, "active\n"),
            (&["status", "--instance", "VI_1", "--is", "backup"], 1, "active\n"),
            (&["status", "--instance", "VI_2"], 2, "no instance is named VI_2"),
            (&["status", "--instance", "VI_1", "--is", "master"], 2, "invalid value 'master'"),
            (&["status", "--run-dir", "/run/none"], 3, "there is no such node here"),
            (&["status", "--pid", &master], 0, "the engine runs"),
            (&["state"], 2, "a similar subcommand exists: 'status'"),
        ] {
            let said = called(host, arguments, code);
            assert!(said.contains(words), "{arguments:?}: {said}");
        }
        let said = output(&called_by_nobody(&nginx, host, &["status"]), 4);
        assert!(said.contains("run resty-vrrp as root"), "{said}");

        nginx.kill9(Role::All);
        nginx.wait_for_the_end();
        // There may be another node in another namespace of this machine, or none.
        let said = called(host, &["status", "--pid", &master], 3);
        let is_told = said.contains("no engine runs here") || said.contains("no such node here");
        assert!(is_told, "{said}");
    });
}

#[test]
fn an_nginx_that_hangs_is_seen_as_one_that_hangs() {
    on_every_nginx("hangs", |host, carrier| {
        let nginx = start_active(host, carrier);
        nginx.signal(Role::All, Signal::SIGSTOP);

        let said = eventually("the engine is missed", PATIENCE, || {
            let output = call(host, &["status"]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            if output.status.code() == Some(1) { Ok(said) } else { Err(said) }
        });

        assert!(said.contains("the engine does not run: "), "{said}");
        assert!(said.contains("fault (engine_not_running)"), "{said}");
        let said = called(host, &["drain"], 1);
        assert!(said.contains("the engine does not run: "), "{said}");
        nginx.signal(Role::All, Signal::SIGCONT);
    });
}

#[test]
fn the_doctor_says_what_is_well_and_what_is_not() {
    on_every_nginx("doctor", |host, carrier| {
        let nginx = start_active(host, carrier);

        let words = [
            "ok       engine            it beats",
            "ok       workers           2 of 2 workers beat",
            "ok       state             instances: 1 active",
            "ok       guard ",
            "ok       version           the engine is of the version",
            "warning  peers             VI_1: this node is active, and has never heard a peer",
        ];
        let said = eventually("all is examined", PATIENCE, || {
            let said = called(host, &["doctor"], 0);
            let is_told = |words: &&str| said.lines().any(|line| line.starts_with(words));
            if words.iter().all(is_told) { Ok(said) } else { Err(said) }
        });
        let json = called(host, &["doctor", "--json"], 0);
        let json: Value = serde_json::from_str(&json).expect("it is JSON");
        assert_eq!(json["findings"].as_array().map(Vec::len), Some(said.lines().count() - 1));

        nginx.signal(Role::Carrier, Signal::SIGSTOP);
        eventually("the engine is missed", PATIENCE, || {
            let output = call(host, &["doctor"]);
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            let is_told = said.contains("fault    engine            the engine does not run: ");
            if is_told && output.status.code() == Some(1) { Ok(()) } else { Err(said) }
        });
        nginx.signal(Role::All, Signal::SIGCONT);
    });
}

#[test]
fn root_drains_a_node_that_takes_no_requests_over_http() {
    on_every_nginx("drain", |host, carrier| {
        let _nginx = start_active(host, carrier);

        assert!(called(host, &["drain"], 0).contains("drained"));

        assert!(!host.has("192.168.56.100"));
        assert_eq!(status_when(host, "initialize")["node"]["draining"], true);
        assert!(called(host, &["status"], 0).contains("workers live; drained"));
        assert!(called(host, &["undrain"], 0).contains("takes part again"));
        status_when(host, "active");
    });
}

#[test]
fn a_name_cannot_steer_a_terminal() {
    on_every_nginx("hostile", |host, carrier| {
        let options = ONE.replace("'VI_1'", r"'\226\128\174\226\129\167x'");
        let _nginx = Nginx::start(host, carrier, &conf_with(&options));
        status_when(host, "active");

        let table = called(host, &["status"], 0);
        let json = called(host, &["status", "--json"], 0);

        assert!(table.contains(r"\u{202e}\u{2067}x (eth0, 51)"), "{table}");
        for text in [&table, &json] {
            let is_harmful =
                |c: char| c.is_control() && c != '\n' || ('\u{2000}'..'\u{2100}').contains(&c);
            assert!(!text.contains(is_harmful), "{text:?}");
        }
    });
}

#[test]
fn who_has_all_rights_in_a_namespace_of_his_own_is_not_taken_for_a_node() {
    on_every_nginx("impostor", |host, carrier| {
        let _nginx = start_active(host, carrier);
        // Memory of the right name, made by somebody who may do anything in what he made himself.
        let number = libc::SYS_memfd_create;
        let make = format!(r#"my $name = "resty.vrrp"; syscall({number}, $name, 2); sleep 60"#);
        let mut command = Command::new("setpriv");
        command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "--inh-caps=-all"]);
        command.args(["unshare", "--user", "--map-root-user", "perl", "-e", &make]);
        let impostor = host.spawn(&mut command);
        let memory = format!("/proc/{}/fd", impostor.pid());
        wait_until("the memory is made", PATIENCE, || {
            let links = fs::read_dir(&memory).into_iter().flatten().flatten();
            links.flat_map(|it| fs::read_link(it.path())).any(|it| it == Path::new(BOARD))
        });

        let pid = impostor.pid().to_string();
        let said = called(host, &["status", "--pid", &pid], 3);

        assert!(said.contains("there is no such node here"), "{said}");
        assert!(called(host, &["status"], 0).contains("worker-01: "));
    });
}

const BOARD: &str = "/memfd:resty.vrrp (deleted)";

#[test]
fn there_are_colours_where_they_are_wanted() {
    on_every_nginx("colours", |host, carrier| {
        let _nginx = start_active(host, carrier);
        let coloured = |variable: &str| {
            let mut command = command(&["status"]);
            let output = host.enter(|| command.env(variable, "1").output()).expect("it runs");
            output.stdout.contains(&0x1b)
        };

        assert!(coloured("CLICOLOR_FORCE"));
        assert!(!coloured("NO_COLOR"));
    });
}

#[test]
fn a_watcher_sees_each_change() {
    on_every_nginx("watch", |host, carrier| {
        let nginx = start_active(host, carrier);
        let file = nginx.prefix().join("watched");
        let output = File::create(&file).expect("the prefix is writable");
        let mut watch = command(&["watch"]);
        let watch = host.spawn(watch.stdout(output));

        called(host, &["drain"], 0);

        eventually("the change is shown", Duration::from_secs(5), || {
            let shown = fs::read_to_string(&file).expect("it is there");
            if shown.contains("initialize (drained)") { Ok(()) } else { Err(shown) }
        });
        drop(watch);
    });
}

/// Runs the command line on a host, and returns all that it has printed.
#[track_caller]
pub(crate) fn called(host: &Host, arguments: &[&str], code: i32) -> String {
    output(&call(host, arguments), code)
}

#[track_caller]
fn output(output: &Output, code: i32) -> String {
    let all = [&output.stdout[..], &output.stderr].concat();
    let said = String::from_utf8_lossy(&all).into_owned();
    assert_eq!(output.status.code(), Some(code), "{said}");
    said
}

pub(crate) fn call(host: &Host, arguments: &[&str]) -> Output {
    let mut command = command(arguments);
    host.enter(|| command.output()).expect("it runs")
}

fn called_by_nobody(nginx: &Nginx, host: &Host, arguments: &[&str]) -> Output {
    // Anybody may execute a copy. By another process: see the harness.
    let copy = nginx.prefix().join("resty-vrrp");
    host.exec("cp", &[program_path().to_str().expect("a path"), copy.to_str().expect("a path")]);
    let mut command = Command::new("setpriv");
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups"]);
    command.arg(copy).args(arguments);
    host.enter(|| command.output()).expect("it runs")
}

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(program_path());
    command.args(arguments);
    command
}

fn program_path() -> PathBuf {
    library().with_file_name("resty-vrrp")
}
