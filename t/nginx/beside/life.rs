//! The life of the processes: reload, quit, stop, kill.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use harness::{CarrierKind, Host, Nginx, Role, Signal, eventually};

use crate::alone::killed::kill_all_of;
use crate::guard::guards;
use crate::{ONE, PATIENCE, conf_with, get, logs, on_every_nginx, start_active, status_when};

#[test]
fn a_carrier_that_was_killed_is_started_again_and_goes_on() {
    on_every_nginx("kill carrier", |host, carrier| {
        let nginx = start_active(host, carrier);
        let before = nginx.carrier_pid();

        nginx.kill9(Role::Carrier);

        eventually("another process carries the engine", Duration::from_secs(5), || {
            let pids = nginx.pids(Role::Carrier);
            if pids.is_empty() || pids == [before] { Err(format!("{pids:?}")) } else { Ok(()) }
        });
        let status = status_when(host, "active");
        assert_eq!(status["node"]["pid"], nginx.carrier_pid());
        assert_eq!(status["node"]["generation"], 1);
    });
}

#[test]
fn a_quit_is_clean_and_takes_the_addresses_away() {
    on_every_nginx("quit", |host, carrier| {
        let nginx = start_active(host, carrier);
        holds_addresses(host);

        nginx.quit();

        ended_cleanly(host, &nginx);
    });
}

#[test]
fn a_stop_is_clean_and_takes_the_addresses_away() {
    on_every_nginx("stop", |host, carrier| {
        let nginx = start_active(host, carrier);
        holds_addresses(host);

        nginx.stop();

        ended_cleanly(host, &nginx);
    });
}

#[test]
fn a_quit_takes_the_addresses_away_while_a_last_request_is_still_served() {
    on_every_nginx("drain", |host, carrier| {
        let conf = conf_with(ONE).replacen(
            "location /ha/",
            "location /slow { content_by_lua_block { ngx.sleep(2) ngx.say('done') } }
            location /ha/",
            1,
        );
        let nginx = Nginx::start(host, carrier, &conf);
        status_when(host, "active");
        holds_addresses(host);
        // Every worker has one, also the one that carries the engine.
        let slow = "for n in 1 2 3 4 5 6; do curl -sS http://127.0.0.1/slow & done; wait";
        let mut client = host.spawn(std::process::Command::new("sh").args(["-c", slow]));
        eventually("the requests are being served", Duration::from_secs(2), || {
            let open = host.exec("ss", &["-Htn", "state", "established", "sport", "=", ":80"]);
            if open.lines().count() == 6 { Ok(()) } else { Err(open) }
        });

        nginx.signal(Role::Master, Signal::SIGQUIT);

        eventually("the addresses have gone", Duration::from_secs(1), || {
            let all = host.addresses();
            if host.has("192.168.56.100") { Err(format!("{all:?}")) } else { Ok(()) }
        });
        assert!(client.is_running(), "the last requests are still being served");
        assert!(client.wait(Duration::from_secs(5)).success());
        nginx.wait_for_the_end();
        ended_cleanly(host, &nginx);
    });
}

#[test]
fn the_optional_hook_for_the_end_is_harmless() {
    on_every_nginx("exit hook", |host, carrier| {
        let hook = "exit_worker_by_lua_block { require('resty.vrrp').exit_worker() }
            server {";
        let nginx = Nginx::start(host, carrier, &conf_with(ONE).replacen("server {", hook, 1));
        status_when(host, "active");
        holds_addresses(host);

        nginx.reload();
        status_when(host, "active");
        nginx.quit();

        ended_cleanly(host, &nginx);
    });
}

#[test]
fn reloads_are_clean_and_numbered() {
    on_every_nginx("reload", |host, carrier| {
        let nginx = start_active(host, carrier);

        for generation in 2..=6 {
            nginx.reload();
            eventually("the new configuration answers", Duration::from_secs(5), || {
                let node = get(host, "/ha/status").json()["node"].clone();
                if node["generation"] == generation { Ok(()) } else { Err(node.to_string()) }
            });
            status_when(host, "active");
        }

        no_process_has_crashed(&nginx);
        nginx.stop();
        ended_cleanly(host, &nginx);
    });
}

#[test]
fn the_master_never_loads_the_native_library() {
    on_every_nginx("master", |host, carrier| {
        let nginx = start_active(host, carrier);
        nginx.reload();
        status_when(host, "active");

        let maps = |pid: i32| fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
        assert!(!maps(nginx.master().unwrap()).contains("core.so"));
        assert!(maps(nginx.carrier_pid()).contains("core.so"));
    });
}

#[test]
fn the_master_keeps_one_board_over_many_reloads() {
    on_every_nginx("boards", |host, carrier| {
        let nginx = start_active(host, carrier);
        for _ in 0..3 {
            nginx.reload();
        }

        let master = nginx.master().unwrap();
        let maps = fs::read_to_string(format!("/proc/{master}/maps")).unwrap();
        let boards: Vec<_> = maps.lines().filter(|it| it.contains("/memfd:resty.vrrp ")).collect();
        assert!(matches!(boards[..], [one] if one.contains(" r--s ")), "{maps}");
        let files = fs::read_dir(format!("/proc/{master}/fd")).unwrap().flatten();
        let links = files.filter_map(|file| fs::read_link(file.path()).ok());
        let mut links: Vec<_> = links.map(|to| to.to_string_lossy().into_owned()).collect();
        links.retain(|link| link.contains("resty.vrrp"));
        links.sort();
        assert_eq!(links, ["/memfd:resty.vrrp (deleted)", "/memfd:resty.vrrp.page (deleted)"]);
    });
}

#[test]
fn no_child_is_left_behind_by_the_check_of_the_options() {
    on_every_nginx("children", |host, carrier| {
        let nginx = start_active(host, carrier);
        for _ in 0..3 {
            nginx.reload();
        }

        let log = nginx.error_log();
        assert!(!log.contains("unknown process"), "{log}");
        let children = match carrier.kind {
            CarrierKind::Agent => 3,
            CarrierKind::Worker => 2,
        };
        eventually("only workers and agent are left", Duration::from_secs(5), || {
            let pid = nginx.master().unwrap();
            let path = format!("/proc/{pid}/task/{pid}/children");
            let list = fs::read_to_string(path).unwrap();
            if list.split_whitespace().count() == children { Ok(()) } else { Err(list) }
        });
    });
}

#[test]
fn nobody_complains_of_a_carrier_that_begins_two_seconds_after_the_workers() {
    on_every_nginx("late carrier", |host, carrier| {
        let is_carrier = match carrier.kind {
            CarrierKind::Agent => "not ngx.worker.id()",
            CarrierKind::Worker => "ngx.worker.id() == 0",
        };
        let begin = "init_worker_by_lua_block {";
        let late = format!("{begin} if {is_carrier} then os.execute('sleep 2') end");
        let nginx = Nginx::start(host, carrier, &conf_with(ONE).replacen(begin, &late, 1));

        status_when(host, "active");

        let log = nginx.error_log();
        assert!(!log.contains("the engine "), "{log}");
    });
}

#[test]
fn the_guard_writes_into_the_log_that_nginx_has_opened_last() {
    on_every_nginx("rotation", |host, carrier| {
        let nginx = start_active(host, carrier);
        let log = nginx.prefix().join("logs/error.log");
        let rotated = nginx.prefix().join("logs/error.log.1");
        eventually("the guard is there", PATIENCE, || log_of_guard(host).map(drop));
        let before = guards(host);

        fs::rename(&log, &rotated).unwrap();
        harness::signal(nginx.master().unwrap(), Signal::SIGUSR1);

        eventually("one guard is there, and has the new log", PATIENCE, || {
            let opened = log_of_guard(host)?;
            if opened == log { Ok(()) } else { Err(opened.display().to_string()) }
        });
        assert_ne!(guards(host), before);
        kill_all_of(&nginx);
        logs(&nginx, "nginx was killed: resigned for 1 virtual routers, removed 2 addresses");
        let said = fs::read_to_string(rotated).unwrap();
        assert!(!said.contains("vrrp: guard") && !said.contains("guard has ended"), "{said}");
    });
}

/// Returns where the only guard of a host writes.
fn log_of_guard(host: &Host) -> Result<PathBuf, String> {
    let [pid] = guards(host)[..] else { return Err(format!("{:?}", guards(host))) };
    fs::read_link(format!("/proc/{pid}/fd/2")).map_err(|error| error.to_string())
}

#[test]
fn a_worker_that_was_killed_beats_again() {
    on_every_nginx("kill worker", |host, carrier| {
        let nginx = Nginx::start(host, carrier, &conf_with(ONE));
        let status = status_when(host, "active");
        assert_eq!(status["node"]["workers"]["total"], 2);

        let carrier_pid = nginx.carrier_pid();
        let victims = nginx.pids(Role::Worker).into_iter().filter(|pid| *pid != carrier_pid);
        victims.for_each(|pid| harness::signal(pid, Signal::SIGKILL));

        eventually("two workers beat", Duration::from_secs(5), || {
            let node = get(host, "/ha/status").json()["node"].clone();
            let workers = &node["workers"];
            if workers["alive"] == 2 { Ok(()) } else { Err(node.to_string()) }
        });
        assert_eq!(get(host, "/ha/healthz").status, 200);
    });
}

fn holds_addresses(host: &Host) {
    eventually("the addresses are here", Duration::from_secs(5), || {
        let all = host.addresses();
        let both = host.has("192.168.56.100") && host.has("192.168.56.110");
        if both { Ok(()) } else { Err(format!("{all:?}")) }
    });
}

#[track_caller]
fn ended_cleanly(host: &Host, nginx: &Nginx) {
    let log = nginx.error_log();
    assert!(log.contains("active -> initialize, reason: shutdown"), "the last words: {log}");
    assert!(!host.has("192.168.56.100") && !host.has("192.168.56.110"), "{:?}", host.addresses());
    no_process_has_crashed(nginx);
    nginx.assert_no_complaints();
}

#[track_caller]
fn no_process_has_crashed(nginx: &Nginx) {
    let log = nginx.error_log();
    assert!(!log.contains("exited on signal") && !log.contains("[alert]"), "{log}");
}
