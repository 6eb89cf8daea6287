//! The next engine fails: the one before it stays, as long as nginx lets it.

use std::thread;
use std::time::Duration;

use harness::{Probe, Role, Signal, holds_for, wait_until};

use crate::pair::{
    INTERVAL, PATIENCE, Pair, SERVER, VRID, conf, instance, on_every_fallible_pair, on_every_pair,
    options,
};
use crate::{get, logs};

#[test]
fn nobody_notices_a_successor_that_fails_once() {
    let failures: [&[(&str, &str)]; 4] = [
        &[("start", "panic")],
        &[("vrrp-net", "panic")],
        // The state of the routers has arrived, and nobody else knows yet.
        &[("incident", "panic")],
        // As before, but nginx has told the engine before to stop meanwhile.
        &[("start", "sleep(300)"), ("incident", "panic")],
    ];
    for points in failures {
        on_every_fallible_pair(&format!("{points:?} once"), "", |pair, _| {
            let nginx = &pair.one.nginx;
            let calm = pair.calm();
            nginx.write("nginx.conf", &conf(&options(1)));
            for (point, actions) in points {
                nginx.failpoints().arm(point, actions);
            }

            nginx.reload();
            logs(nginx, "failed, next attempt in 1s");
            for (point, _) in points {
                nginx.failpoints().disarm(point);
            }

            logs(nginx, "the next engine has the routers");
            thread::sleep(INTERVAL * 5);
            pair.assert_calm(&calm);
        });
    }
}

#[test]
fn an_upgrade_whose_engine_does_not_start_leaves_the_old_one_in_charge() {
    for flaw in FLAWS {
        flaw.on_every_pair("upgrade", |pair| {
            let nginx = &pair.one.nginx;
            let old = nginx.master().expect("it runs");
            let calm = pair.calm();

            harness::signal(old, Signal::SIGUSR2);
            logs(nginx, flaw.logged);
            thread::sleep(INTERVAL * 10);
            let new = nginx.master().expect("it runs");
            assert_ne!(old, new);
            harness::signal(new, Signal::SIGQUIT);
            wait_until("the old master is alone", PATIENCE, || {
                nginx.pids(Role::Master) == [old] && nginx.pids(Role::Leaving).is_empty()
            });

            thread::sleep(INTERVAL * 5);
            pair.assert_calm(&calm);
        });
    }
}

#[test]
fn a_reload_whose_engine_does_not_start_makes_way_for_the_peer_without_an_outage() {
    for flaw in FLAWS {
        flaw.on_every_pair("reload", |pair| {
            let probe = Probe::start(&pair.client, SERVER, "/");
            probe.wait_for("worker-01", PATIENCE);

            pair.one.nginx.reload();

            probe.wait_for("worker-02", PATIENCE);
            let report = probe.finish();
            // One may be open in the moment in which the address moves.
            assert!(report.failures().len() <= 1, "{report}");
            pair.two.wait_for("active");
            let status = pair.one.wait_for("fault");
            assert_eq!(status["instances"][0]["reason"], "engine_not_running");
            let health = get(&pair.one.host, "/ha/healthz");
            assert_eq!(health.status, 503);
            assert!(health.body.contains(flaw.told), "{}", health.body);
        });
    }
}

#[test]
fn nobody_notices_that_an_engine_fails_which_has_handed_over() {
    on_every_fallible_pair("retired", "", |pair, _| {
        let nginx = &pair.one.nginx;
        let calm = pair.calm();
        let of_the_old = nginx.failpoints();
        nginx.write("nginx.conf", &conf(&options(1)));
        let old = nginx.master().expect("it runs");
        harness::signal(old, Signal::SIGUSR2);
        logs(nginx, "the next engine has the routers");

        of_the_old.arm("vrrp", "panic");
        logs(nginx, "failed, next attempt in 1s");
        of_the_old.disarm("vrrp");

        holds_for("it does not ask for the routers", Duration::from_secs(2), || {
            let log = nginx.error_log();
            if log.matches("goes on where").count() == 1 { Ok(()) } else { Err(log) }
        });
        holds_for("every worker, old or new, says who serves", INTERVAL * 3, || {
            let status = pair.one.status().map_err(|error| error.to_string())?;
            let right = status["instances"][0]["state"] == "active";
            if right { Ok(()) } else { Err(status.to_string()) }
        });

        // It gets them back when they are given back.
        let new = nginx.master().expect("it runs");
        harness::signal(new, Signal::SIGQUIT);
        wait_until("the old master is alone", PATIENCE, || nginx.pids(Role::Master) == [old]);
        thread::sleep(INTERVAL * 5);
        pair.assert_calm(&calm);
    });
}

/// Two engines would take an address from each other.
#[test]
fn an_engine_that_is_slow_to_let_go_puts_nothing_back_that_the_next_one_has_removed() {
    on_every_fallible_pair("slow to let go", "address_lifetime_s = 0, ", |pair, _| {
        let Pair { one, .. } = pair;
        let with = |addresses: &[&str]| {
            let instance = instance("VI_1", VRID, 150, addresses);
            conf(&format!("{{ address_lifetime_s = 0, instances = {{ {instance} }} }}"))
        };
        one.nginx.write("nginx.conf", &with(&["192.168.56.100/24", SECOND]));
        one.nginx.reload();
        wait_until("it has the second address", PATIENCE, || one.host.has(bare(SECOND)));
        let of_the_old = one.nginx.failpoints();

        one.nginx.write("nginx.conf", &with(&["192.168.56.100/24"]));
        of_the_old.arm("vrrp-net", "sleep(100)");
        thread::scope(|scope| {
            // Both threads vrrp-net have something to look at all the time.
            let restless = scope.spawn(|| {
                for verb in ["add", "delete"].into_iter().cycle().take(40) {
                    one.host.ip(&format!("address {verb} 192.0.2.1/32 dev lo"));
                    thread::sleep(Duration::from_millis(10));
                }
            });
            one.nginx.reload();
            restless.join().expect("ip obeys");
        });

        wait_until("the second address is gone", PATIENCE, || !one.host.has(bare(SECOND)));
        holds_for("it does not come back", Duration::from_secs(1), || {
            let log = one.nginx.error_log();
            let came_back = one.host.has(bare(SECOND)) || log.contains("somebody removed");
            if came_back { Err(log) } else { Ok(()) }
        });
        pair.one.wait_for("active");
    });
}

fn bare(address: &str) -> &str {
    address.trim_end_matches("/24")
}

const SECOND: &str = "192.168.56.110/24";

/// Why an engine does not start although its options are right.
struct Flaw {
    /// The part of a configuration to replace, and what by.
    conf: (&'static str, &'static str),
    /// What panics.
    point: Option<&'static str>,
    /// What the error log says of it.
    logged: &'static str,
    /// What whoever asks for the health is told.
    told: &'static str,
}

impl Flaw {
    /// Runs a test on a fresh pair, whose first node has the flaw in its next configuration.
    fn on_every_pair(&self, name: &str, test: impl Fn(&Pair)) {
        let flawed = |pair: &Pair| {
            let nginx = &pair.one.nginx;
            let (right, wrong) = self.conf;
            nginx.write("nginx.conf", &conf(&options(1)).replacen(right, wrong, 1));
            if let Some(point) = self.point {
                nginx.failpoints().arm(point, "panic");
            }
            test(pair);
        };
        let name = format!("{name}, {}", self.logged);
        if self.point.is_some() {
            on_every_fallible_pair(&name, "", |pair, _| flawed(pair));
        } else {
            on_every_pair(&name, |pair, _| flawed(pair));
        }
    }
}

const FLAWS: [Flaw; 3] = [
    Flaw {
        conf: ("", ""),
        point: Some("start"),
        logged: "failed, next attempt in 2s: panic: failpoint start panic",
        told: "panic: failpoint start panic",
    },
    // A master that has lost its rights: no carrier can get them any more.
    Flaw {
        conf: (
            "init_by_lua_block {",
            "init_by_lua_block { require('resty.vrrp.carrier').drop_rights() ",
        ),
        point: None,
        logged: "the engine cannot start, nginx serves on: this process lacks",
        told: "lacks CAP_NET_ADMIN",
    },
    Flaw {
        conf: ("require('resty.vrrp').init_worker()", "error('no luck')"),
        point: None,
        logged: "no luck",
        told: "the engine is not running",
    },
];
