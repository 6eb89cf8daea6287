//! Which addresses are ours to remove, and which belong to somebody else on the same link.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::thread;
use std::time::{Duration, Instant};

use harness::{AddressWatch, Carrier, CarrierKind, Host, Nginx, eventually, holds_for, wait_until};
use rustix::process::Uid;
use rustix::thread::set_thread_uid;

use crate::guard::kill_with_guard;
use crate::pair::{INTERVAL, PATIENCE, Pair, instance, on_every_pair, on_every_pair_with};
use crate::{ONE, conf_with, get, logs, on_every_nginx, status_when};

#[test]
fn two_nginx_on_one_host_leave_the_addresses_of_each_other_alone() {
    on_every_nginx("two of them", |host, carrier| {
        let first =
            Nginx::start(host, carrier, &conf_of(80, "/run/first", 51, FIRST, carrier, host));
        status_when(host, "active");
        let addresses = AddressWatch::start(host);
        let start = Instant::now();

        let second = conf_of(81, "/run/second", 52, SECOND, carrier, host);
        let second = Nginx::start(host, carrier, &second);
        wait_until("the second one has its address", PATIENCE, || host.has(SECOND));
        for nginx in [&second, &first] {
            nginx.reload();
        }
        eventually("both have taken over", PATIENCE, || {
            let generation = |port| {
                let status = host.get(&format!("127.0.0.1:{port}"), "/ha/status");
                status.map(|status| status.json()["node"]["generation"].clone())
            };
            let both = [generation(80), generation(81)].map(Result::ok);
            if both == [Some(2.into()), Some(2.into())] { Ok(()) } else { Err(format!("{both:?}")) }
        });
        holds_for("both have their address", Duration::from_millis(300), || {
            let both = [FIRST, SECOND].map(|address| host.has(address));
            if both == [true; 2] { Ok(()) } else { Err(format!("{both:?}")) }
        });
        second.stop();

        wait_until("the second address goes with its nginx", PATIENCE, || !host.has(SECOND));
        let mut gone = addresses.since(start, FIRST);
        gone.retain(|event| event.removed);
        assert!(gone.is_empty() && host.has(FIRST), "the first address went: {gone:?}");
    });
}

#[test]
fn the_next_container_takes_over_where_they_share_their_place_to_meet() {
    on_every_nginx("containers", |host, carrier| {
        let conf = conf_of(80, "/run/shared", 51, FIRST, carrier, host);
        let conf = conf.replacen("listen 80;", "listen 80 reuseport;", 1);
        let old = Nginx::start(host, carrier, &conf);
        let before = status_when(host, "active")["instances"][0].clone();
        let addresses = AddressWatch::start(host);
        let start = Instant::now();

        let new = Nginx::start(host, carrier, &conf);
        logs(&new, "goes on where the engine before this one was");
        old.quit();

        let status = status_when(host, "active");
        assert_eq!(status["node"]["master_pid"], new.master().expect("it runs"));
        for name in ["reason", "transitions"] {
            assert_eq!(status["instances"][0][name], before[name], "{name}");
        }
        let mut gone = addresses.since(start, FIRST);
        gone.retain(|event| event.removed);
        assert!(gone.is_empty() && host.has(FIRST), "the address went: {gone:?}");
    });
}

#[test]
fn what_a_reload_takes_out_of_the_configuration_leaves_its_link_at_once() {
    on_every_nginx("taken out", |host, carrier| {
        host.ip("link add eth1 type veth peer name eth2");
        host.ip("link set eth2 up");
        host.ip("address add 198.51.100.1/24 dev eth1");
        host.ip("link set eth1 up");
        let other = instance("VI_2", 52, 100, &[OTHER]).replace("eth0", "eth1");
        let many = instance("VI_1", 51, 150, &["192.168.56.100/24", "192.168.56.110/24"]);
        let few = instance("VI_1", 51, 150, &["192.168.56.100/24"]);
        let options = |instances: &[&str]| {
            format!("{{ address_lifetime_s = 0, instances = {{ {} }} }}", instances.join(", "))
        };
        let nginx = Nginx::start(host, carrier, &conf_with(&options(&[&many, &other])));
        let other_is_here = || host.ip("address show dev eth1").contains(OTHER);
        wait_until("everything is here", PATIENCE, || {
            host.has(FIRST) && host.has(SECOND) && other_is_here()
        });
        let addresses = AddressWatch::start(host);
        let start = Instant::now();

        nginx.write("nginx.conf", &conf_with(&options(&[&few])));
        nginx.reload();

        wait_until("what VI_1 has no more is gone", PATIENCE, || !host.has(SECOND));
        wait_until("what VI_2 had is gone", PATIENCE, || !other_is_here());
        assert_eq!(get(host, "/ha/status").json()["instances"][0]["state"], "active");
        let kept = addresses.since(start, FIRST);
        assert!(kept.iter().all(|event| !event.removed), "the other one went: {kept:?}");
        let log = nginx.error_log();
        assert!(!log.contains("somebody removed"), "they took it from each other: {log}");
    });
}

#[test]
fn what_a_killed_nginx_left_goes_when_it_stands_by() {
    on_every_pair_with("left to a backup", "address_lifetime_s = 0, ", |pair, _| {
        let Pair { one, two, sniffer, .. } = pair;
        one.host.cut();
        two.wait_for("active");
        wait_until("it has the address", PATIENCE, || two.has());
        kill_with_guard(&two.nginx, &two.host);
        one.host.heal();
        holds_for("nobody removes it", INTERVAL * 10, || {
            let both = (one.has(), two.has());
            if both == (true, true) { Ok(()) } else { Err(format!("{both:?}")) }
        });

        let restarted = Instant::now();
        two.nginx.launch().expect("it starts again");

        let gone = two.addresses.wait_for_removal(restarted, FIRST, INTERVAL * 10);
        println!("left to a backup: gone {:.1?} after the start", gone - restarted);
        two.wait_for("backup");
        holds_for("the first node alone has the address", INTERVAL * 10, || {
            let both = (one.has(), two.has());
            if both == (true, false) { Ok(()) } else { Err(format!("{both:?}")) }
        });
        two.assert_quiet(sniffer, restarted..Instant::now());
        one.wait_for("active");
    });
}

#[test]
fn what_a_killed_nginx_left_stays_when_it_is_claimed_again() {
    on_every_nginx("left to an owner", |host, carrier| {
        // Who owns an address has it from the first moment; all others listen before.
        let options = ONE.replace("priority = 150", "priority = 255");
        let options = options.replacen('{', "{ address_lifetime_s = 0, ", 1);
        let nginx = Nginx::start(host, carrier, &conf_with(&options));
        status_when(host, "active");
        let here = || host.has(FIRST) && host.has(SECOND);
        wait_until("the addresses are here", PATIENCE, here);
        let addresses = AddressWatch::start(host);
        let killed = Instant::now();
        kill_with_guard(&nginx, host);
        holds_for("nobody removes them", INTERVAL * 10, || here().then_some(()).ok_or("gone"));

        nginx.launch().expect("it starts again");

        status_when(host, "active");
        holds_for("they stay", INTERVAL * 10, || here().then_some(()).ok_or("gone"));
        let mut gone = addresses.all_since(killed);
        gone.retain(|event| event.removed);
        assert!(gone.is_empty(), "{gone:?}");
        // It knows them for its own.
        nginx.stop();
        assert!(!host.has(FIRST) && !host.has(SECOND));
    });
}

#[test]
fn a_place_to_meet_where_others_may_write_is_refused_by_name() {
    on_every_nginx("run_dir", |host, carrier| {
        let conf = conf_of(80, "/run/first", 51, FIRST, carrier, host);
        host.exec("chmod", &["1777", "/run/first"]);

        let nginx = Nginx::start(host, carrier, &conf);

        let told = "/run/first: others may write into it (mode 1777): chmod go-w it";
        eventually("it is told", PATIENCE, || {
            let log = nginx.error_log();
            if log.contains(told) { Ok(()) } else { Err(log) }
        });
        status_when(host, "active");
    });
}

#[test]
fn a_stranger_at_the_door_is_turned_away_by_name_and_gets_nothing() {
    on_every_pair("stranger", |pair, carrier| {
        let (nginx, host) = (&pair.one.nginx, &pair.one.host);
        let calm = pair.calm();
        let directory = match carrier.kind {
            CarrierKind::Agent => "/run/openresty",
            CarrierKind::Worker => "/run/resty-vrrp",
        };
        let door = host.exec("find", &[directory, "-name", "*.sock"]);
        let door = door.trim();
        let locked = host.enter(|| knock_as(STRANGER, door)).expect_err("it is locked");
        assert_eq!(locked.kind(), ErrorKind::PermissionDenied);

        // As if nothing but who the visitor is stood in the way.
        host.exec("chmod", &["666", door]);
        let said = host.enter(|| knock_as(STRANGER, door)).expect("it is open to all");

        assert_eq!(said, "");
        let told = "turned away: a process of user 4711 wants to take the routers over";
        logs(nginx, told);
        thread::sleep(INTERVAL * 5);
        pair.assert_calm(&calm);

        // An engine of our own is let in as ever.
        nginx.reload();
        pair.one.wait_for_generation(2);
        thread::sleep(INTERVAL * 5);
        pair.assert_calm(&calm);
        assert_eq!(nginx.error_log().matches(told).count(), 1);
    });
}

/// Asks for the routers as another user, and returns all that is answered. The thread remains that
/// user's.
fn knock_as(user: u32, door: &str) -> io::Result<String> {
    set_thread_uid(Uid::from_raw(user))?;
    let mut stream = UnixStream::connect(door)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    // Who is not listened to cannot say all of it, and is cut short.
    stream.write_all(b"\0\0\0\x07\"Hello\"\0\0\0\x06\"Take\"").ok();
    let mut said = Vec::new();
    match stream.read_to_end(&mut said) {
        Err(error) if error.kind() != ErrorKind::ConnectionReset => Err(error),
        _ => Ok(String::from_utf8_lossy(&said).into_owned()),
    }
}

/// A configuration of one instance, on a port of its own, that meets nobody else in its directory.
pub(crate) fn conf_of(
    port: u16,
    run_dir: &str,
    vrid: u8,
    address: &str,
    carrier: &Carrier,
    host: &Host,
) -> String {
    let owner = match carrier.kind {
        CarrierKind::Agent => "root",
        CarrierKind::Worker => "www-data",
    };
    host.exec("install", &["-d", "-o", owner, run_dir]);
    let one = instance(&format!("VI_{vrid}"), vrid, 150, &[&format!("{address}/24")]);
    let options = format!("{{ run_dir = '{run_dir}', instances = {{ {one} }} }}");
    conf_with(&options).replacen("listen 80", &format!("listen {port}"), 1)
}

const STRANGER: u32 = 4711;
const FIRST: &str = "192.168.56.100";
const SECOND: &str = "192.168.56.110";
const OTHER: &str = "198.51.100.100/24";
