//! The guard as a process: what it is, when there is none, and when there is another.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Instant;

use harness::{Nginx, Role, Signal, StuckThread, eventually, holds_for, signal, wait_until};

use crate::guard::{
    SECOND, VIP, VIP_2, guard_knows, guards, kill, no_guard_is_left, node_warnings, on_a_network,
    start_active,
};
use crate::{ONE, conf_with, get, status_when};

#[test]
fn a_guard_is_kept_after_a_rotation_until_there_is_one_that_guards() {
    on_a_network("refusing guard", |lab, host, carrier| {
        let nginx = start_active(host, carrier);
        let installed = lab.directory().join("lualib/resty/vrrp/guard");
        let log = nginx.prefix().join("logs/error.log");
        let before = guards(host);
        let allow = |mode| fs::set_permissions(&installed, fs::Permissions::from_mode(mode));
        allow(0o644).expect("it was installed");

        fs::rename(&log, nginx.prefix().join("logs/error.log.1")).expect("it is there");
        signal(nginx.master().expect("it runs"), Signal::SIGUSR1);

        eventually("the log says so", SECOND * 5, || {
            let log = fs::read_to_string(&log).unwrap_or_default();
            let words = "the guard goes on writing into the log before this one: cannot start";
            if log.contains(words) { Ok(()) } else { Err(log) }
        });
        assert_eq!(guards(host), before);
        assert!(node_warnings(host).is_empty(), "{:?}", node_warnings(host));

        allow(0o755).expect("it is ours");

        eventually("there is another guard", SECOND * 10, || {
            let now = guards(host);
            if now.len() == 1 && now != before { Ok(()) } else { Err(format!("{now:?}")) }
        });
        assert_eq!(nginx.error_log().matches("the guard goes on").count(), 1);
    });
}

#[test]
fn a_guard_that_does_not_guard_is_none_and_is_seldom_tried_again() {
    on_a_network("no guard guards", |lab, host, carrier| {
        let nginx = Nginx::prepare(host, carrier, &conf_with(ONE));
        let installed = lab.directory().join("lualib/resty/vrrp/guard");
        fs::rename(&installed, lab.directory().join("guard")).expect("it was installed");
        let script = "#!/bin/sh\necho it refuses >&2\nexit 1\n";
        fs::write(&installed, script).expect("the directory is writable");
        fs::set_permissions(&installed, fs::Permissions::from_mode(0o755)).expect("it is ours");
        nginx.launch().expect("it starts");
        status_when(host, "active");

        eventually("the status says so", SECOND * 5, || {
            let warnings = node_warnings(host);
            let is_told = warnings.iter().any(|it| it["name"] == "no_guard");
            if is_told { Ok(()) } else { Err(format!("{warnings:?}")) }
        });
        // After 1, 2 and 4 seconds.
        let tried = || nginx.error_log().matches("it refuses").count();
        wait_until("it is tried again", SECOND * 10, || tried() >= 3);
        let third = Instant::now();
        wait_until("it is tried again", SECOND * 10, || tried() >= 4);
        assert!(third.elapsed() > SECOND * 3, "{:?}", third.elapsed());
    });
}

#[test]
fn a_guard_belongs_to_nobody_and_holds_nothing_of_nginx_and_two_rights() {
    on_a_network("guard process", |_, host, carrier| {
        let nginx = start_active(host, carrier);

        let guards = guards(host);

        let [pid] = guards[..] else { panic!("{guards:?}") };
        let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it lives");
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.expect("Linux tells").trim().to_owned()
        };
        let parent: i32 = field("PPid:").parse().expect("a number");
        assert!(!nginx.pids(Role::All).contains(&parent), "{parent}");
        assert_eq!(field("NSsid:"), pid.to_string());
        for rights in ["CapPrm:", "CapEff:"] {
            assert_eq!(u64::from_str_radix(&field(rights), 16), Ok(NETWORK), "{rights}");
        }
        let files = fs::read_dir(format!("/proc/{pid}/fd")).expect("it lives").flatten();
        let files: Vec<_> = files.filter_map(|file| fs::read_link(file.path()).ok()).collect();
        // Two for its input and output, the error log, five given that stay open, three to send
        // with, one to answer the next engine at, and what it waits with.
        assert!(files.len() <= 16, "{files:?}");
        nginx.stop();
        no_guard_is_left(host);
    });
}

#[test]
fn without_a_guard_everything_else_works_and_the_status_says_so_until_there_is_one() {
    on_a_network("no guard", |lab, host, carrier| {
        let nginx = Nginx::prepare(host, carrier, &conf_with(ONE));
        let installed = lab.directory().join("lualib/resty/vrrp/guard");
        let elsewhere = lab.directory().join("guard");
        fs::rename(&installed, &elsewhere).expect("it was installed");
        nginx.launch().expect("it starts");
        status_when(host, "active");

        assert_eq!(get(host, "/ha/healthz").status, 200);
        eventually("the log says so", SECOND * 2, || {
            let log = nginx.error_log();
            let said = log.matches("there is no resty/vrrp/guard beside core.so").count();
            if said == 1 { Ok(()) } else { Err(log) }
        });
        wait_until("the address is here", SECOND, || host.has(VIP));
        holds_for("nothing is missing", SECOND / 2, || {
            if host.has(VIP) { Ok(()) } else { Err("the address") }
        });
        assert_eq!(node_warnings(host)[0]["name"], "no_guard");

        fs::rename(&elsewhere, &installed).expect("it is put back");

        eventually("there is a guard, and no warning", SECOND * 10, || {
            let left = node_warnings(host);
            let is_there = guards(host).len() == 1 && left.is_empty();
            if is_there { Ok(()) } else { Err(format!("{left:?}")) }
        });
    });
}

#[test]
fn the_kernel_removes_the_addresses_itself_if_the_guard_is_killed_as_well() {
    on_a_network("guard killed", |_, host, carrier| {
        let options = ONE.replacen('{', "{ address_lifetime_s = 1, ", 1);
        let nginx = Nginx::start(host, carrier, &conf_with(&options));
        status_when(host, "active");
        wait_until("the address is here", SECOND, || host.has(VIP));

        kill(&guards(host));
        nginx.kill9(Role::All);

        wait_until("the addresses have gone", SECOND * 3, || !host.has(VIP) && !host.has(VIP_2));
    });
}

#[test]
fn no_guard_outlives_an_nginx_that_ends_as_planned() {
    on_a_network("planned ends", |_, host, carrier| {
        for end in [Nginx::quit, Nginx::stop] {
            let nginx = start_active(host, carrier);
            assert_eq!(guards(host).len(), 1);
            nginx.reload();
            status_when(host, "active");
            eventually("one guard is left of two", SECOND * 3, || {
                let guards = guards(host);
                if guards.len() == 1 { Ok(()) } else { Err(format!("{guards:?}")) }
            });

            end(&nginx);

            no_guard_is_left(host);
            nginx.assert_no_complaints();
            assert!(!nginx.error_log().contains("unknown process"), "{}", nginx.error_log());
        }
    });
}

#[test]
fn the_guard_removes_what_a_stop_could_not_release_in_time() {
    on_a_network("stop without release", |_, host, carrier| {
        let options = ONE.replacen('{', "{ address_lifetime_s = 0, ", 1);
        let nginx = Nginx::start(host, carrier, &conf_with(&options));
        status_when(host, "active");
        wait_until("the addresses are here", SECOND, || host.has(VIP) && host.has(VIP_2));
        wait_until("the guard knows", SECOND, || guard_knows(host));
        // As if somebody held the kernel's lock of all addresses.
        let stuck = StuckThread::of(nginx.carrier_pid(), "vrrp-net");

        nginx.signal(Role::Master, Signal::SIGTERM);

        stuck.wait_for_the_end();
        nginx.wait_for_the_end();
        wait_until("the addresses are gone", SECOND, || !host.has(VIP) && !host.has(VIP_2));
    });
}

const NETWORK: u64 = 1 << 12 | 1 << 13;
