//! Reloads, killed processes, hung processes: who has the routers goes on having them.

use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use harness::{
    Advert, CarrierKind, Probe, Role, Signal, eventually, holds_for, urgently, wait_until,
};
use serde_json::Value;

use crate::guard::guard_knows;
use crate::pair::{
    ADDRESS, INTERVAL, Node, PATIENCE, SERVER, SKEW, conf, instance, on_every_fallible_pair,
    on_every_pair, options,
};
use crate::{LATE, logs};

/// `vrrp-net` of the next engine waits, as for a driver that resets its card.
#[test]
fn nobody_notices_a_reload_while_the_kernel_keeps_netlink_waiting() {
    on_every_fallible_pair("netlink waits", "", |pair, _| {
        let nginx = &pair.one.nginx;
        let calm = pair.calm();
        nginx.write("nginx.conf", &conf(&options(1)));
        nginx.failpoints().arm("vrrp-net", "sleep(4000)");

        nginx.reload();
        logs(nginx, "goes on where the engine before this one was");
        let handed_over = Instant::now();
        nginx.failpoints().disarm("vrrp-net");

        wait_until("the kernel keeps it waiting no more", PATIENCE, || {
            handed_over.elapsed() > Duration::from_secs(5)
        });
        let longest = pair.assert_calm(&calm);
        println!("netlink waits: longest silence {longest:.1?}");
        let instance = pair.one.wait_for_instance();
        assert_eq!(instance["addresses"][0]["assigned"], true);
        // It has adopted the address: it takes it along.
        nginx.quit();
        assert!(!pair.one.has());
    });
}

#[test]
fn nobody_notices_reloads_that_overtake_each_other() {
    on_every_pair("overtaking reloads", |pair, _| {
        let calm = pair.calm();

        let master = pair.one.nginx.master().expect("it runs");
        for pause_ms in [0, 5, 20, 40, 60, 80, 100, 120, 160] {
            harness::signal(master, Signal::SIGHUP);
            thread::sleep(Duration::from_millis(pause_ms));
            harness::signal(master, Signal::SIGHUP);
            thread::sleep(INTERVAL * 6);
        }

        let longest = pair.assert_calm(&calm);
        println!("overtaking reloads: longest silence {longest:.1?}");
    });
}

#[test]
fn a_stop_right_after_a_reload_waits_for_no_successor() {
    on_every_pair("reload and stop", |pair, _| {
        for pause_ms in [20, 60, 100, 140] {
            // By number: a worker that was just forked still calls itself a master.
            let master = pair.one.nginx.master().expect("it runs");
            harness::signal(master, Signal::SIGHUP);
            thread::sleep(Duration::from_millis(pause_ms));
            let stopped = Instant::now();
            harness::signal(master, Signal::SIGTERM);

            let resigned = |it: &Advert| it.priority == 0;
            let first = pair.sniffer.wait_for_advert("it resigns", stopped, PATIENCE, resigned);
            println!("{pause_ms} ms after a reload: resigned after {:.1?}", first.at - stopped);
            assert!(first.at - stopped < Duration::from_millis(700), "{:?}", first.at - stopped);
            pair.two.wait_for("active");
            pair.one.nginx.wait_for_the_end();
            assert!(!pair.one.host.has(ADDRESS) && pair.two.host.has(ADDRESS));

            pair.one.nginx.launch().expect("it starts again");
            pair.one.wait_for("active");
            pair.two.wait_for("backup");
        }
    });
}

#[test]
fn no_peer_notices_a_reload_whose_workers_are_slow_to_begin() {
    on_every_pair("slow workers", |pair, carrier| {
        // Where a worker carries the engine, the engine is as slow.
        let pause = if carrier.kind == CarrierKind::Agent { 1.8 } else { 0.8 };
        let init = "require('resty.vrrp').init_worker()";
        let slow = format!("if ngx.worker.id() then os.execute('sleep {pause}') end {init}");
        let conf = conf(&options(1)).replacen(init, &slow, 1);
        let calm = pair.calm();

        pair.one.nginx.write("nginx.conf", &conf);
        pair.one.nginx.reload();
        pair.one.wait_for_generation(2);
        thread::sleep(INTERVAL * 5);

        pair.assert_calm(&calm);
        let log = pair.one.nginx.error_log();
        assert!(!log.contains("hangs"), "{log}");
    });
}

#[test]
fn nobody_notices_a_reload_of_the_backup() {
    on_every_pair("reloads of the backup", |pair, _| {
        let calm = pair.calm();

        for generation in 2..=5 {
            pair.two.nginx.reload();
            pair.two.wait_for_generation(generation);
        }

        pair.assert_calm(&calm);
        pair.two.nginx.assert_no_complaints();
    });
}

#[test]
fn nobody_notices_that_the_carrier_is_killed() {
    on_every_pair("carrier killed", |pair, carrier| {
        let probe = Probe::start(&pair.client, SERVER, "/");
        probe.wait_for("worker-01", PATIENCE);
        let calm = pair.calm();
        for pause in [0, 15, 6] {
            wait_until("the guard knows", PATIENCE, || guard_knows(&pair.one.host));
            let before = pair.one.nginx.carrier_pid();

            pair.one.nginx.kill9(Role::Carrier);

            eventually("another process carries the engine", PATIENCE, || {
                let status = pair.one.status().map_err(|error| error.to_string())?;
                let pid = status["node"]["pid"].as_i64();
                let other = pid != Some(before.into());
                let shown = status["instances"][0]["state"] == "active";
                if other && shown { Ok(()) } else { Err(status["node"].to_string()) }
            });
            // A peer gives up after 3.6 intervals. Three carriers that end within a second are
            // taken for ones that their engines crash.
            thread::sleep(INTERVAL * pause);
        }
        let longest = pair.assert_calm(&calm);
        let report = probe.finish();
        println!("carrier killed: longest silence {longest:.1?}; {report}");
        let served_by = report.served_by();
        assert!(served_by.iter().all(|(who, ..)| who == "worker-01"), "{report}");
        // A worker dies with what it has accepted.
        let accepted = if carrier.kind == CarrierKind::Worker { 9 } else { 0 };
        let failed = report.failures();
        assert!(failed.len() <= accepted, "{failed:?}");
    });
}

#[test]
fn a_configuration_that_is_refused_changes_nothing() {
    on_every_pair("bad configurations", |pair, _| {
        let probe = Probe::start(&pair.client, SERVER, "/");
        probe.wait_for("worker-01", PATIENCE);
        let calm = pair.calm();
        let good = conf(&options(1));
        let wrong_option = good.replace("priority = 150", "priority = 300");
        let taken_address = good.replace("listen 80;", "listen 80; listen 192.0.2.1:81;");

        for bad in [wrong_option, taken_address] {
            pair.one.nginx.write("nginx.conf", &bad);
            pair.one.nginx.try_reload().expect_err("it is refused");
            holds_for("the old configuration is in force", INTERVAL * 6, || {
                let status = pair.one.status().map_err(|error| error.to_string())?;
                let node = &status["node"];
                if node["generation"] == 1 { Ok(()) } else { Err(node.to_string()) }
            });
        }

        pair.assert_calm(&calm);
        let report = probe.finish();
        assert!(report.failures().is_empty(), "{:?}", report.failures());
        // Nor does a stop after it wait for anybody.
        let stopped = Instant::now();
        pair.one.nginx.signal(Role::Master, Signal::SIGTERM);
        let resigned = |it: &Advert| it.priority == 0;
        let last = pair.sniffer.wait_for_advert("it resigns", stopped, PATIENCE, resigned);
        assert!(last.at - stopped < Duration::from_millis(200), "after {:?}", last.at - stopped);
        pair.one.nginx.wait_for_the_end();
    });
}

#[test]
fn a_library_that_cannot_be_loaded_is_found_before_anything_changes() {
    on_every_pair("broken library", |pair, _| {
        if std::env::var_os("LUA_LIB_DIR").is_some() {
            println!("an installed library is not broken for a test");
            return;
        }
        let library = pair.library();
        let calm = pair.calm();
        let (kept, garbage) = (library.with_extension("kept"), library.with_extension("bad"));
        fs::write(&garbage, "no library").unwrap();
        fs::rename(&library, &kept).unwrap();
        fs::rename(&garbage, &library).unwrap();

        pair.one.nginx.try_reload().expect_err("it is refused");
        pair.assert_calm(&calm);

        fs::rename(&kept, &library).unwrap();
        pair.one.nginx.reload();
        pair.one.wait_for_generation(2);
        pair.assert_calm(&calm);
    });
}

#[test]
fn a_changed_configuration_takes_effect_and_the_rest_goes_on() {
    on_every_pair("changed configuration", |pair, _| {
        let one = &pair.one;
        let calm = pair.calm();
        let reload = |instances: &[String]| {
            let options = format!("{{ instances = {{ {} }} }}", instances.join(", "));
            one.nginx.write("nginx.conf", &conf(&options));
            one.nginx.reload();
        };
        let here = |address: &str, wanted: bool| {
            let what = if wanted { "comes" } else { "goes" };
            wait_until(&format!("{address} {what}"), PATIENCE, || one.host.has(address) == wanted);
        };

        let (kept, other) = ("192.168.56.100/24", "192.168.56.110/24");
        reload(&[instance("VI_1", 51, 150, &[kept, other])]);
        here("192.168.56.110", true);
        pair.assert_calm(&calm);

        reload(&[instance("VI_1", 51, 150, &[kept])]);
        here("192.168.56.110", false);
        pair.assert_calm(&calm);

        let first = instance("VI_1", 51, 140, &[kept]).replace("_ms = 100", "_ms = 90");
        reload(&[instance("VI_2", 52, 150, &[other]), first]);
        here("192.168.56.110", true);
        let changed = Instant::now();
        pair.sniffer.wait_for_advert("the new priority", changed, PATIENCE, |it| {
            it.vrid == 51 && it.priority == 140 && it.interval == Duration::from_millis(90)
        });
        pair.sniffer.wait_for_advert("the new instance", changed, PATIENCE, |it| it.vrid == 52);
        let events = one.addresses.since(calm.started, ADDRESS);
        assert!(events.iter().all(|event| !event.removed), "{events:?}");

        let removed = Instant::now();
        reload(&[instance("VI_1", 51, 150, &[kept])]);
        pair.sniffer.wait_for_advert("the instance resigns", removed, PATIENCE, |it| {
            it.vrid == 52 && it.priority == 0
        });
        here("192.168.56.110", false);
        one.wait_for_generation(5);
        pair.assert_calm(&calm);
    });
}

#[test]
fn addresses_are_added_on_one_node_after_the_other_and_meanwhile_only_counted() {
    on_every_pair("one after the other", |pair, _| {
        let (one, two) = (&pair.one, &pair.two);
        let calm = pair.calm();
        let reload = |node: &Node, priority| {
            let both = ["192.168.56.100/24", "192.168.56.110/24"];
            let instance = instance("VI_1", 51, priority, &both);
            node.nginx.write("nginx.conf", &conf(&format!("{{ instances = {{ {instance} }} }}")));
            node.nginx.reload();
            node.wait_for_generation(2);
        };
        let counted = |node: &Node, name: &str| {
            let counters = node.wait_for_instance()["counters"].clone();
            counters.pointer(name).and_then(Value::as_u64).expect("a number")
        };
        assert_eq!(counted(two, DIFFERENT), 0);

        reload(one, 150);
        wait_until("the address comes", PATIENCE, || one.host.has("192.168.56.110"));
        wait_until("every difference is counted", PATIENCE, || counted(two, DIFFERENT) > 10);
        eventually("it is warned about", PATIENCE, || {
            let log = two.nginx.error_log();
            let told = "a peer advertises other addresses than ours";
            let warned = |line: &str| line.contains("[warn]") && line.contains(told);
            if log.lines().any(warned) { Ok(()) } else { Err(log) }
        });
        pair.assert_calm(&calm);

        reload(two, 100);
        wait_until("there is nothing to count any more", PATIENCE, || {
            let (before, heard) = (counted(two, DIFFERENT), counted(two, HEARD));
            thread::sleep(INTERVAL * 10);
            counted(two, DIFFERENT) == before && counted(two, HEARD) > heard + 5
        });
        pair.assert_calm(&calm);
        for address in ["192.168.56.100", "192.168.56.110"] {
            let events = two.addresses.since(calm.started, address);
            assert!(events.is_empty(), "the second node had an address: {events:?}");
        }
        for node in [one, two] {
            node.nginx.assert_no_complaints();
        }
    });
}

#[test]
fn a_predecessor_that_hangs_is_done_without_and_does_no_harm_later() {
    on_every_pair("hung predecessor", |pair, _| {
        let hung = pair.one.nginx.carrier_pid();

        harness::signal(hung, Signal::SIGSTOP);
        let stopped = Instant::now();
        pair.one.nginx.signal(Role::Master, Signal::SIGHUP);
        eventually("the successor serves", Duration::from_secs(1), || {
            let heard = pair.sniffer.adverts_since(stopped + INTERVAL);
            heard.iter().any(|it| it.source == pair.one.source()).then_some(()).ok_or("silence")
        });
        println!("hung predecessor: replaced after {:.1?}", stopped.elapsed());
        pair.one.wait_for("active");
        let one_owner = || {
            let owners = (pair.one.host.has(ADDRESS), pair.two.host.has(ADDRESS));
            if owners == (true, false) { Ok(()) } else { Err(format!("{owners:?}")) }
        };
        eventually("one owner", PATIENCE, one_owner);

        let calm_after = pair.calm();
        harness::signal(hung, Signal::SIGCONT);
        holds_for("one owner", INTERVAL * 10, one_owner);
        wait_until("the old one ends", PATIENCE, || !harness::is_alive(hung));
        pair.assert_calm(&calm_after);
    });
}

#[test]
fn whoever_leaves_keeps_the_address_until_the_next_one_is_active() {
    on_every_pair("stop and quit", |pair, carrier| {
        for signal in [Signal::SIGTERM, Signal::SIGQUIT] {
            let probe = urgently(|| Probe::start(&pair.client, SERVER, "/"));
            probe.wait_for("worker-01", PATIENCE);
            let start = Instant::now();

            pair.one.nginx.signal(Role::Master, signal);

            let (leaver, next) = (pair.one.source(), pair.two.source());
            let sniffer = &pair.sniffer;
            let resigned = sniffer.wait_for_advert("it resigns", start, PATIENCE, |it| {
                it.source == leaver && it.priority == 0
            });
            let taken = sniffer.wait_for_advert("the next one advertises", start, PATIENCE, |it| {
                it.source == next && it.priority > 0
            });
            let gone = pair.one.addresses.wait_for_removal(start, ADDRESS, PATIENCE);
            probe.wait_for("worker-02", PATIENCE);
            // nginx itself closes its sockets at once, whoever has the address.
            let outage = probe.finish().outage();
            println!(
                "{}, {signal}: {outage:.1?} dark, resigned after {:.1?}, \
                 taken over {:.1?} later, gone {:.1?} after that",
                carrier.version,
                resigned.at - start,
                taken.at - resigned.at,
                gone.saturating_duration_since(taken.at)
            );
            assert!(resigned.at - start < Duration::from_millis(200));
            assert!(taken.at - resigned.at < SKEW + Duration::from_millis(100));
            assert!(gone > taken.at, "{:?} too early", taken.at - gone);
            assert!(outage < SKEW + LATE, "{outage:?} dark");
            pair.one.nginx.wait_for_the_end();
            assert!(!pair.one.host.has(ADDRESS) && pair.two.host.has(ADDRESS));
            eventually("nothing is left running", PATIENCE, || {
                let left = pair.one.processes();
                if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
            });

            pair.one.nginx.launch().expect("it starts again");
            pair.one.wait_for("active");
            pair.two.wait_for("backup");
        }
    });
}

const DIFFERENT: &str = "/errors/address_list";
const HEARD: &str = "/advertisements_received";
