//! Wrong options and wrong use: what is refused, where, and with which words.

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use harness::{CarrierKind, Nginx, Role, eventually, wait_until};

use super::checked::{by_guard, checked, checked_by_guard, checked_with, directives};

use crate::{
    ONE, PATIENCE, conf_with, get, instance_when, logs, lua, on_every_nginx, start_active,
    status_when,
};

const TWO_MISTAKES: &str = "{ instances = { { name = 'VI_1', interface = 'eth0', vrid = 256, \
    prority = 150, addresses = { '192.168.56.100/24' } } } }";

#[test]
fn wrong_options_refuse_the_start_and_every_one_is_named_by_its_path() {
    on_every_nginx("start", |host, carrier| {
        let nginx = Nginx::prepare(host, carrier, &conf_with(TWO_MISTAKES));

        let failure = nginx.launch().expect_err("nginx must not start");

        let said = failure.output + &failure.error_log;
        assert!(said.contains("the options are wrong:\n"), "{said}");
        assert!(
            said.contains("\ninstances[1].vrid: expected a whole number from 1 to 255"),
            "{said}"
        );
        assert!(said.contains("\ninstances[1].prority: unknown option; did you mean"), "{said}");
        assert!(nginx.pids(Role::All).is_empty());
    });
}

#[test]
fn more_workers_than_there_are_cannot_be_asked_for() {
    on_every_nginx("workers", |host, carrier| {
        let conf = conf_with(&ONE.replace("400", "400, min_workers = 3"));
        let nginx = Nginx::prepare(host, carrier, &conf);

        let failure = nginx.launch().expect_err("nginx must not start");

        let said = failure.output + &failure.error_log;
        let wanted = "health.min_workers: 3 workers must be alive, but nginx starts only 2";
        assert!(said.contains(wanted), "{said}");

        // The master cannot know yet how many there will be.
        let behind = conf.replacen("worker_processes 2;", "", 1) + " worker_processes 2;";
        nginx.write("nginx.conf", &behind);
        nginx.launch().expect("it starts");
        status_when(host, "fault");
        let log = nginx.error_log();
        assert!(log.contains(wanted), "{log}");

        nginx.write("nginx.conf", &behind.replace("processes 2", "processes 3"));
        nginx.reload();
        status_when(host, "active");
    });
}

#[test]
fn more_interfaces_than_there_are_descriptors_for_are_a_fault_that_says_what_to_raise() {
    on_every_nginx("descriptors", |host, carrier| {
        let nginx = Nginx::start(host, carrier, &limited(&routers(1000, 1)));

        let status = status_when(host, "fault");

        let instance = &status["instances"][0];
        assert_eq!(instance["reason"], "engine_not_running");
        let why = instance["warnings"][0]["text"].to_string();
        for part in ["1000 interfaces", "2032 more", "may have 256", "LimitNOFILE="] {
            assert!(why.contains(part), "{why}");
        }
        assert_eq!(get(host, "/ha/healthz").status, 503, "and nginx answers");

        nginx.write("nginx.conf", &limited(&routers(4, 250)));
        nginx.reload();
        let active = || {
            let status = get(host, "/ha/status").json();
            let all = status["instances"].as_array().into_iter().flatten();
            all.filter(|one| one["state"] == "active").count()
        };
        wait_until("the routers of eth0 are active", PATIENCE, || active() == 250);
    });
}

/// As many interfaces with so many routers each. Only the first interface exists.
fn routers(interfaces: u16, each: u8) -> String {
    let one = |interface: u16, vrid: u8| {
        let [high, low] = interface.to_be_bytes();
        format!(
            "{{ name = 'VI_{interface}_{vrid}', interface = 'eth{interface}', vrid = {vrid}, \
             addresses = {{ '10.{high}.{low}.{vrid}/32' }}, advert_interval_ms = 100 }}"
        )
    };
    let all =
        (0..interfaces).flat_map(|interface| (1..=each).map(move |vrid| one(interface, vrid)));
    format!("{{ instances = {{ {} }} }}", all.collect::<Vec<_>>().join(",\n"))
}

/// No process of nginx may have more than 256 files open.
fn limited(options: &str) -> String {
    let conf = conf_with(options).replace("events {}", "events { worker_connections 128; }");
    format!("worker_rlimit_nofile 256; {conf}")
}

#[test]
fn nginx_without_a_master_is_refused() {
    on_every_nginx("no master", |host, carrier| {
        let conf = format!("master_process off; {}", conf_with(ONE));
        let nginx = Nginx::prepare(host, carrier, &conf);

        let failure = nginx.launch().expect_err("nginx must not start");

        let said = failure.output + &failure.error_log;
        assert!(said.contains("resty.vrrp: master_process is off"), "{said}");

        // The master cannot know it yet.
        nginx.write("nginx.conf", &format!("{} master_process off;", conf_with(ONE)));
        let mut command = Command::new(&carrier.program);
        let prefix = nginx.prefix().display().to_string();
        command.args(["-p", &prefix, "-c", "conf/nginx.conf", "-e", "logs/error.log"]);
        let directives = directives(carrier, &prefix) + "error_log logs/error.log;";
        let started = host.enter(|| command.args(["-g", &directives]).output());
        assert!(started.expect("it can be run").status.success());
        let health = eventually("nginx serves", PATIENCE, || {
            host.get("127.0.0.1:80", "/ha/healthz").map_err(|error| error.to_string())
        });
        assert_eq!(health.status, 503);
        assert!(health.body.contains("master_process is off"), "{}", health.body);
        assert!(nginx.error_log().contains("nginx serves on: master_process is off"));
    });
}

#[test]
fn a_long_list_of_mistakes_is_told_to_its_end() {
    on_every_nginx("many mistakes", |host, carrier| {
        let options = "(function()
                local options = { instances = {} }
                for index = 1, 15 do options.instances[index] = { vrid = 0 } end
                return options
            end)()";
        let nginx = Nginx::prepare(host, carrier, &conf_with(options));

        let failure = nginx.launch().expect_err("nginx must not start");

        let said = failure.output + &failure.error_log;
        assert!(said.contains("instances[1].name: required"), "{said}");
        assert!(said.contains("instances[12].vrid: expected a whole number"), "{said}");
    });
}

#[test]
fn wrong_options_refuse_a_reload_and_everything_runs_on() {
    on_every_nginx("reload", |host, carrier| {
        let nginx = start_active(host, carrier);
        let before = (nginx.pids(Role::All), nginx.carrier_pid());

        nginx.write("nginx.conf", &conf_with(TWO_MISTAKES));
        let said = nginx.try_reload().expect_err("the reload must be refused");

        assert!(said.contains("instances[1].vrid"), "{said}");
        assert_eq!((nginx.pids(Role::All), nginx.carrier_pid()), before);
        assert_eq!(status_when(host, "active")["node"]["generation"], 1);
    });
}

#[test]
fn what_json_cannot_hold_is_refused_by_its_path() {
    on_every_nginx("values", |host, carrier| {
        for (options, words) in [
            ("{ instances = { { name = print } } }", "instances[1].name: a function cannot"),
            ("{ instances = { [2] = {} } }", "instances: a list cannot have holes"),
            ("{ instances = {}, health = { 0 / 0 } }", "health[1]: not a number"),
            ("(function() local t = {}; t.t = t; return t end)()", "a table within itself"),
            ("nil", "options must be a table, or the path of a JSON file or of a keepalived"),
            ("'/nowhere/at/all.json'", "cannot read the options: /nowhere/at/all.json"),
            ("{ router_id = '\\255' }", "router_id: not valid UTF-8"),
            ("{ health = { ['\\255'] = 1 } }", "health: a name is not valid UTF-8"),
        ] {
            let nginx = Nginx::prepare(host, carrier, &conf_with(options));
            let failure = nginx.launch().expect_err("nginx must not start");
            let said = failure.output + &failure.error_log;
            assert!(said.contains(words), "{options}: {said}");
        }
    });
}

#[test]
fn options_may_come_from_a_file_beside_the_configuration() {
    on_every_nginx("file", |host, carrier| {
        let nginx = Nginx::prepare(host, carrier, &conf_with("'conf/vrrp.json'"));
        let options = r#"{ "router_id": "from-file", "instances": [ { "name": "VI_1", "vrid": 51,
            "interface": "eth0", "addresses": ["192.168.56.100/24"] } ] }"#;
        nginx.write("vrrp.json", options);

        nginx.launch().expect("the options are right");

        assert_eq!(get(host, "/ha/status").json()["node"]["router_id"], "from-file");
    });
}

#[test]
fn a_library_that_cannot_be_loaded_is_told_apart_from_wrong_options() {
    on_every_nginx("no library", |host, carrier| {
        let conf =
            conf_with(&format!("(function() package.cpath = '/nowhere/?.so'; return {ONE} end)()"));
        let nginx = Nginx::prepare(host, carrier, &conf);

        let failure = nginx.launch().expect_err("nginx must not start");

        let said = failure.output + &failure.error_log;
        assert!(said.contains("the native library cannot be loaded"), "{said}");
        assert!(said.contains("\n/nowhere/?.so\n"), "{said}");
    });
}

#[test]
fn a_library_that_crashes_in_the_check_refuses_the_start() {
    on_every_nginx("crash", |host, carrier| {
        let crash = "require('ffi').cdef('void abort(void);') require('ffi').C.abort()";
        let conf = conf_with(&in_place_of_the_library(crash));
        let nginx = Nginx::prepare(host, carrier, &conf);

        let failure = nginx.launch().expect_err("nginx must not start");

        let said = failure.output + &failure.error_log;
        assert!(said.contains("the check of the options broke off, wait status"), "{said}");
    });
}

#[test]
fn a_check_that_has_answered_and_cannot_end_does_not_keep_nginx_waiting() {
    on_every_nginx("the check does not end", |host, carrier| {
        let nginx = Nginx::prepare(host, carrier, &conf_with(&in_place_of_the_library(NO_END)));
        let start = Instant::now();

        nginx.launch().expect("the options are right");

        assert!(start.elapsed() < Duration::from_secs(8), "{:?}", start.elapsed());
    });
}

#[test]
fn the_agent_is_refused_where_there_is_none_with_what_to_do() {
    on_every_nginx("agent", |host, carrier| {
        let options = ONE.replacen('{', "{ carrier = 'agent', ", 1);
        let nginx = Nginx::prepare(host, carrier, &conf_with(&options));
        let started = nginx.launch();

        match carrier.kind {
            CarrierKind::Agent => started.expect("OpenResty has an agent"),
            CarrierKind::Worker => {
                let said = started.expect_err("nginx must not start").error_log;
                assert!(said.contains("carrier: this nginx has no privileged agent"), "{said}");
                assert!(said.contains("use OpenResty, or carrier = \"worker\""), "{said}");
            }
        }
    });
}

#[test]
fn functions_called_in_the_wrong_place_say_where_they_belong() {
    on_every_nginx("phases", |host, carrier| {
        let nginx = Nginx::start(host, carrier, &conf_with(ONE));

        for (call, words) in [
            ("setup, {}", "setup() must be called in init_by_lua_block"),
            ("init_worker", "init_worker() must be called in init_worker_by_lua_block"),
            ("exit_worker", "exit_worker() must be called in exit_worker_by_lua_block"),
            ("is_active, {}", "the name of an instance must be a string, got table"),
            ("state, nil", "the name of an instance must be a string, got nil"),
        ] {
            let said = lua(host, &format!("return select(2, pcall(vrrp.{call}))"));
            assert!(said.contains(words), "{call}: {said}");
        }
        nginx.assert_no_complaints();
    });
}

#[test]
fn a_configuration_can_be_checked_without_starting_nginx() {
    on_every_nginx("check", |host, carrier| {
        let right = checked(host, carrier, ONE);
        assert_eq!(right.status.code(), Some(0), "{}", right.said);
        let words = "resty.vrrp: configuration is valid: 1 instances, 2 addresses, carrier: ";
        assert!(right.said.contains(words), "{}", right.said);

        let wrong = checked(host, carrier, TWO_MISTAKES);
        assert_eq!(wrong.status.code(), Some(1), "{}", wrong.said);
        assert!(wrong.said.contains("instances[1].vrid: "), "{}", wrong.said);
        assert!(wrong.said.contains("instances[1].prority: "), "{}", wrong.said);
    });
}

#[test]
fn a_check_does_not_disturb_the_nginx_that_runs() {
    on_every_nginx("check beside", |host, carrier| {
        let nginx = start_active(host, carrier);
        let before = nginx.pids(Role::All);

        let right = checked(host, carrier, ONE);

        assert_eq!(right.status.code(), Some(0), "{}", right.said);
        assert_eq!(nginx.pids(Role::All), before);
        assert_eq!(get(host, "/ha/healthz").status, 200);
    });
}

#[test]
fn the_guard_checks_a_configuration_whose_setup_is_called_in_a_module() {
    on_every_nginx("check by guard", |host, carrier| {
        for (options, code, words) in [
            (ONE, 0, "resty.vrrp: configuration is valid: 1 instances, 2 addresses"),
            (TWO_MISTAKES, 1, "instances[1].prority: unknown option"),
        ] {
            let call = format!("require('resty.vrrp').setup({options})");
            let conf = conf_with(options).replace(&call, "require('site')");
            let load = "package.path = ngx.config.prefix() .. 'conf/?.lua;' .. package.path";
            let conf =
                conf.replacen("init_by_lua_block {", &format!("init_by_lua_block {{ {load} "), 1);
            let nginx = Nginx::prepare(host, carrier, &conf);
            nginx.write("site.lua", &call);

            let checked = checked_by_guard(&nginx, host);

            assert_eq!(checked.status.code(), Some(code), "{}", checked.said);
            assert!(checked.said.contains(words), "{}", checked.said);
        }
    });
}

#[test]
fn the_guard_shows_what_nginx_itself_refuses() {
    on_every_nginx("check nonsense", |host, carrier| {
        let nginx = Nginx::prepare(host, carrier, "events {} http { nonsense; }");

        let checked = checked_by_guard(&nginx, host);

        assert_eq!(checked.status.code(), Some(2), "{}", checked.said);
        assert!(checked.said.contains("unknown directive \"nonsense\""), "{}", checked.said);
    });
}

#[test]
fn the_guard_starts_nothing_where_setup_is_never_called() {
    on_every_nginx("check without setup", |host, carrier| {
        let nginx = start_active(host, carrier);
        let before = nginx.pids(Role::All);
        // A second nginx could share this port with the first.
        for conf in [
            "events {} http { server { listen 80 reuseport; } }",
            "events {} http { server { listen unix:/run/second; } }",
        ] {
            let second = Nginx::prepare(host, carrier, conf);

            let checked = checked_by_guard(&second, host);

            assert_eq!(checked.status.code(), Some(2), "{conf}: {}", checked.said);
            assert!(checked.said.contains("never calls setup"), "{}", checked.said);
        }
        let silent = Nginx::prepare(host, carrier, "daemon off; events {} http {}");
        let checked = by_guard(&silent, host);
        assert_eq!(checked.status.code(), Some(2), "{}", checked.said);
        assert!(silent.pids(Role::All).is_empty());
        assert_eq!(nginx.pids(Role::All), before);
        status_when(host, "active");
    });
}

#[test]
fn a_check_is_asked_for_by_a_word_that_means_yes() {
    on_every_nginx("check words", |host, carrier| {
        for word in ["true", "YES", "on"] {
            let checked = checked_with(word, host, carrier);
            assert_eq!(checked.status.code(), Some(0), "{word}: {}", checked.said);
            assert!(checked.said.contains("configuration is valid"), "{}", checked.said);
        }
        let unknown = checked_with("maybe", host, carrier);
        assert_eq!(unknown.status.code(), Some(1), "{}", unknown.said);
        let words = "RESTY_VRRP_CHECK in the environment must be 1, true, yes or on; or 0";
        assert!(unknown.said.contains(words), "{}", unknown.said);

        for word in ["0", "false", "No", "off", ""] {
            let nginx = Nginx::prepare(host, carrier, &conf_with(ONE));
            let started = nginx.launch_with(&[("RESTY_VRRP_CHECK", word)]);
            started.unwrap_or_else(|failure| panic!("{word}: {}", failure.error_log));
            nginx.stop();
        }
    });
}

#[test]
fn a_carrier_whose_init_worker_breaks_off_is_told_by_the_workers() {
    on_every_nginx("no carrier", |host, carrier| {
        let (failing, words) = match carrier.kind {
            CarrierKind::Agent => ("local first = ngx.worker.id() + 1", "the privileged agent"),
            CarrierKind::Worker => ("if ngx.worker.id() == 0 then error() end", "worker 0"),
        };
        let begin = "init_worker_by_lua_block {";
        let broken = conf_with(ONE).replacen(begin, &format!("{begin} {failing}"), 1);
        let nginx = Nginx::start(host, carrier, &broken);

        for _ in 0..2 {
            let words = format!("init_worker() was not called yet in {words}");
            instance_when(host, |one| one["warnings"][0]["text"].to_string().contains(&words));
            status_when(host, "fault");
            let says_why = || get(host, "/ha/healthz").body.contains(&words);
            wait_until("healthz says why", PATIENCE, says_why);
            let serves_on = format!("the engine has not started, nginx serves on: {words}");
            logs(&nginx, &serves_on);

            nginx.write("nginx.conf", &conf_with(ONE));
            nginx.reload();
            status_when(host, "active");
            fs::write(nginx.prefix().join("logs/error.log"), "").expect("it is ours");
            nginx.write("nginx.conf", &broken);
            nginx.reload();
        }
    });
}

#[test]
fn without_setup_every_question_is_answered_in_the_same_way() {
    on_every_nginx("no setup", |host, carrier| {
        let conf = "events {} http { server { listen 80; location /lua { content_by_lua_block {
            local vrrp = require 'resty.vrrp'
            for _, ask in ipairs { vrrp.is_active, vrrp.state, vrrp.status } do
                ngx.say(select(2, ask('VI_1')))
            end
        } } } }";
        let _nginx = Nginx::start(host, carrier, conf);

        assert_eq!(get(host, "/lua").body, "setup() was not called\n".repeat(3));
    });
}

/// Returns options that make `require "resty.vrrp.core"` do something else.
fn in_place_of_the_library(chunk: &str) -> String {
    format!(
        "(function()
            package.preload['resty.vrrp.core'] = function() {chunk} end
            return {ONE}
        end)()"
    )
}

/// Has the checking process stop at its end, where nothing can kill it, as one that waits for the
/// kernel's lock: a child traces it, and keeps the pipe open for 20 s.
const NO_END: &str = "
    local ffi = require('ffi')
    ffi.cdef[[
        int no_end_fork(void) __asm__(\"fork\");
        int no_end_getppid(void) __asm__(\"getppid\");
        long no_end_ptrace(int, int, void *, void *) __asm__(\"ptrace\");
        unsigned no_end_sleep(unsigned) __asm__(\"sleep\");
        int no_end_close(int) __asm__(\"close\");
        void no_end_exit(int) __asm__(\"_exit\");
    ]]
    package.preload['resty.vrrp.core'] = nil
    local core = assert(package.loaders[3]('resty.vrrp.core'))()
    local C, check = ffi.C, core.check
    core.check = function(...)
        local PTRACE_SEIZE, PTRACE_O_TRACEEXIT = 0x4206, 0x40
        if C.no_end_fork() == 0 then
            C.no_end_ptrace(PTRACE_SEIZE, C.no_end_getppid(), nil,
                            ffi.cast('void *', PTRACE_O_TRACEEXIT))
            C.no_end_close(1)
            C.no_end_close(2)
            C.no_end_sleep(20)
            C.no_end_exit(0)
        end
        C.no_end_sleep(1)
        return check(...)
    end
    return core";
