//! Engines of one host that cannot meet in a directory: they notice each other all the same.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use harness::{
    AddressWatch, Carrier, Host, Nginx, Process, Role, Signal, eventually, holds_for, wait_until,
};
use serde_json::Value;

use crate::guard::{guards, kill};
use crate::neighbours::{VIP, instance_at, named, on_every_network, wait_until_it_gives_way};
use crate::ownership::conf_of;
use crate::pair::PATIENCE;
use crate::{ONE, conf_with, logs, on_every_nginx, status_when};

#[test]
fn of_two_nginx_that_start_at_the_same_time_one_has_the_router() {
    on_every_network("at the same time", |host, carrier, _| {
        let all = [(80, "/run/first"), (81, "/run/second")].map(|(port, directory)| {
            Nginx::prepare(host, carrier, &conf_of(port, directory, 51, VIP, carrier, host))
        });
        for _ in 0..3 {
            thread::scope(|scope| {
                for nginx in &all {
                    scope.spawn(|| nginx.launch().expect("it starts"));
                }
            });

            let states = || [80, 81].map(|port| instance_at(host, port).unwrap_or_default());
            let have_decided = |states: &[Value; 2]| {
                let count = |state: &str| states.iter().filter(|it| it["state"] == state).count();
                count("active") == 1 && count("fault") == 1
            };
            eventually("one has the router", PATIENCE, || {
                let states = states();
                if have_decided(&states) { Ok(()) } else { Err(format!("{states:?}")) }
            });
            holds_for("it stays so", Duration::from_millis(1_500), || {
                let states = states();
                if have_decided(&states) { Ok(()) } else { Err(format!("{states:?}")) }
            });
            all.iter().for_each(Nginx::stop);
        }
    });
}

#[test]
fn an_nginx_in_another_container_touches_nothing_until_the_first_has_gone() {
    on_every_network("two containers", |host, carrier, _| {
        let [first, second] = [(80, "/run/first"), (81, "/run/second")].map(|(port, run_dir)| {
            Nginx::prepare(host, carrier, &conf_of(port, run_dir, 51, VIP, carrier, host))
        });
        let first = first.launch_in_a_container();
        status_when(host, "active");
        wait_until("it has the address", PATIENCE, || host.has(VIP));
        let (addresses, start) = (AddressWatch::start(host), Instant::now());

        let _second = second.launch_in_a_container();

        let instance = wait_until_it_gives_way(host);
        let text = instance["warnings"][0]["text"].as_str().unwrap_or_default();
        assert!(text.contains("in another container"), "{text}");
        let gone = addresses.since(start, VIP);
        assert!(gone.iter().all(|event| !event.removed), "the address went: {gone:?}");
        drop(first);
        wait_until_the_second_is_active(host);
        wait_until("it has the address", PATIENCE, || host.has(VIP));
    });
}

#[test]
fn a_second_nginx_does_not_fight_one_that_hangs() {
    on_every_network("one hangs", |host, carrier, _| {
        let first = start_one_that_hangs(host, carrier);

        let second = conf_of(81, "/run/second", 51, VIP, carrier, host);
        let _second = Nginx::start(host, carrier, &second);

        let instance = wait_until_it_gives_way(host);
        let text = instance["warnings"][0]["text"].as_str().unwrap_or_default();
        assert!(text.contains("does not say which virtual routers it has (process "), "{text}");
        first.kill9(Role::All);
        wait_until_the_second_is_active(host);
    });
}

#[test]
fn a_process_without_rights_that_poses_as_an_engine_is_ignored_and_told_of_until_it_ends() {
    on_every_network("a stranger", |host, carrier, _| {
        let stranger = pose(host, POSER);

        let _nginx = Nginx::start(host, carrier, &conf_with(ONE));

        let status = status_when(host, "active");
        let warning = &status["node"]["warnings"][0];
        assert_eq!(warning["name"], "strange_neighbour", "{status}");
        let text = warning["text"].as_str().unwrap_or_default();
        assert!(text.contains("of user 4711 has a socket"), "{text}");
        drop(stranger);
        eventually("the warning ends", PATIENCE, || {
            let status = status_when(host, "active");
            match named(&status, "strange_neighbour") {
                None => Ok(()),
                Some(text) => Err(text),
            }
        });
    });
}

#[test]
fn many_sockets_of_a_stranger_that_take_no_connection_hold_nobody_up_and_hide_no_engine() {
    on_every_network("busy strangers", |host, carrier, _| {
        let _stranger = pose(host, BUSY_POSER);

        let first = Nginx::start(host, carrier, &conf_of(80, "/run/first", 51, VIP, carrier, host));

        let status = status_when(host, "active");
        let text = named(&status, "strange_neighbour").unwrap_or_default();
        assert!(text.contains("a busy process"), "{status}");
        let second = conf_of(81, "/run/second", 51, VIP, carrier, host);
        let _second = Nginx::start(host, carrier, &second);
        wait_until_it_gives_way(host);
        drop(first);
    });
}

#[test]
fn an_nginx_that_hangs_holds_up_none_with_other_routers() {
    on_every_network("another one hangs", |host, carrier, _| {
        let first = start_one_that_hangs(host, carrier);

        let second = conf_of(81, "/run/second", 52, OTHER_VIP, carrier, host);
        let _second = Nginx::start(host, carrier, &second);

        wait_until_the_second_is_active(host);
        first.kill9(Role::All);
    });
}

#[test]
fn without_a_directory_to_meet_in_a_node_serves_and_says_what_a_reload_costs() {
    on_every_nginx("read-only", |host, carrier| {
        let nginx = Nginx::prepare(host, carrier, &conf_with(ONE));
        host.exec("mount", &["-o", "remount,ro", "/run"]);

        nginx.launch().expect("it starts");

        let status = status_when(host, "active");
        let text = named(&status, "no_place_to_meet").unwrap_or_default();
        let told = "so a reload costs a failover: /run/";
        assert!(text.contains(told) && text.contains("Read-only file system"), "{text}");
        logs(&nginx, "no_place_to_meet: engines of this host cannot meet");
        // The next engine notices the one that it cannot meet.
        let (addresses, reloaded) = (AddressWatch::start(host), Instant::now());
        nginx.reload();
        status_when(host, "active");
        wait_until("it has the address", PATIENCE, || host.has(VIP));
        let events = addresses.since(reloaded, VIP);
        let removals = events.iter().filter(|event| event.removed).count();
        assert!(removals <= 1, "{events:?}");
        nginx.stop();
        assert!(!host.has(VIP));
    });
}

/// Starts a process of another user that listens at sockets as engines do.
fn pose(host: &Host, script: &str) -> Process {
    let mut stranger = Command::new("setpriv");
    stranger.args(["--reuid", "4711", "--regid", "4711", "--clear-groups", "perl", "-e", script]);
    let stranger = host.spawn(&mut stranger);
    wait_until("it listens", PATIENCE, || {
        host.exec("cat", &["/proc/thread-self/net/unix"]).contains("@resty-vrrp/0000000000000000.")
    });
    stranger
}

/// Starts a first nginx, which has the router, loses its guard, and hangs.
fn start_one_that_hangs(host: &Host, carrier: &Carrier) -> Nginx {
    let first = Nginx::start(host, carrier, &conf_of(80, "/run/first", 51, VIP, carrier, host));
    status_when(host, "active");
    kill(&guards(host));
    first.signal(Role::All, Signal::SIGSTOP);
    first
}

#[track_caller]
fn wait_until_the_second_is_active(host: &Host) {
    eventually("the second is active", PATIENCE, || {
        let instance = instance_at(host, 81)?;
        if instance["state"] == "active" { Ok(()) } else { Err(instance.to_string()) }
    });
}

/// Listens where an engine would, and says nothing.
const POSER: &str = "use Socket; socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die; \
    bind($s, pack('Sa*', AF_UNIX, \"\\0resty-vrrp/0000000000000000.1.\")) or die; \
    listen($s, 5) or die; sleep 60";
/// Listens at a hundred sockets, the last of which tells that all are there, and fills each.
const BUSY_POSER: &str = "use Socket; use Fcntl; my @all; \
    for my $i (reverse 0..99) { \
        my $name = pack('Sa*', AF_UNIX, sprintf(\"\\0resty-vrrp/%016x.1.\", $i)); \
        socket(my $s, AF_UNIX, SOCK_STREAM, 0) or die; \
        bind($s, $name) or die; listen($s, 0) or die; push @all, $s; \
        while (1) { \
            socket(my $c, AF_UNIX, SOCK_STREAM, 0) or die; \
            fcntl($c, F_SETFL, O_NONBLOCK) or die; \
            connect($c, $name) or last; push @all, $c; \
        } \
    } \
    sleep 60";
const OTHER_VIP: &str = "192.168.56.110";
