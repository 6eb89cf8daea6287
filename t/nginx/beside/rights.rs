//! Who may do what: only the engine's threads may touch the network's configuration.

use std::fs;

use harness::{CarrierKind, Lab, Nginx, Role, carriers, eventually};

use crate::{ONE, PATIENCE, conf_with, get, on_every_nginx, start_active, status_when};

const NETWORK: u64 = 1 << 12 | 1 << 13;

#[test]
fn only_the_threads_of_the_engine_keep_the_rights_and_only_the_two() {
    on_every_nginx("rights", |host, carrier| {
        let nginx = start_active(host, carrier);

        for (name, effective) in threads(nginx.carrier_pid()) {
            if name.starts_with("vrrp") {
                assert_eq!(effective, NETWORK, "the thread {name}");
            }
        }
        for pid in nginx.pids(Role::Worker) {
            let threads = threads(pid).into_iter().filter(|(name, _)| !name.starts_with("vrrp"));
            for (name, effective) in threads {
                assert_eq!(effective & NETWORK, 0, "the thread {name} of worker {pid}");
            }
        }
    });
}

#[test]
fn workers_beside_an_agent_give_up_the_rights_that_nginx_was_started_with() {
    for carrier in carriers().iter().filter(|carrier| carrier.kind == CarrierKind::Agent) {
        let lab = Lab::new(&format!("ambient rights, {}", carrier.version));
        let host = lab.host("worker-01", "192.168.56.101/24");
        // As www-data, with ambient capabilities.
        let mut ordinary = carrier.clone();
        ordinary.kind = CarrierKind::Worker;
        let nginx = Nginx::start(&host, &ordinary, &conf_with(ONE));

        let status = status_when(&host, "active");

        assert_eq!(status["node"]["carrier"], "privileged agent");
        for pid in nginx.pids(Role::Worker) {
            for (name, effective) in threads(pid) {
                assert_eq!(effective & NETWORK, 0, "the thread {name} of worker {pid}");
            }
        }
    }
}

#[test]
fn a_carrier_without_rights_is_told_what_to_change_and_nginx_serves_on() {
    on_every_nginx("no rights", |host, carrier| {
        // A master of root, whose workers have become www-data.
        let mut ordinary = carrier.clone();
        ordinary.kind = CarrierKind::Agent;
        let options = ONE.replacen('{', "{ carrier = 'worker', ", 1);
        let nginx = Nginx::start(host, &ordinary, &conf_with(&options));

        let answer = eventually("the engine has failed", PATIENCE, || {
            let answer = get(host, "/ha/healthz");
            if answer.body.contains("lacks") { Ok(answer) } else { Err(answer.body) }
        });

        assert_eq!(answer.status, 503);
        for words in ["CAP_NET_ADMIN", "CAP_NET_RAW", "AmbientCapabilities="] {
            assert!(answer.body.contains(words), "{}", answer.body);
            assert!(nginx.error_log().contains(words), "{}", nginx.error_log());
        }
        let status = get(host, "/ha/status").json();
        assert_eq!(status["instances"][0]["state"], "fault");
        assert_eq!(status["instances"][0]["reason"], "engine_not_running");
        assert_eq!(status["node"]["healthy"], false);
        let doctor = get(host, "/ha/doctor").body;
        let words = "fault    engine            the engine does not run: ";
        assert!(doctor.contains(words) && doctor.contains("AmbientCapabilities="), "{doctor}");
    });
}

#[test]
fn the_engine_can_be_carried_by_a_worker_where_there_is_an_agent_too() {
    on_every_nginx("worker of root", |host, carrier| {
        let options = ONE.replacen('{', "{ carrier = 'worker', ", 1);
        // Workers keep root's rights only if they stay root.
        let conf = match carrier.kind {
            CarrierKind::Agent => format!("user root;\n{}", conf_with(&options)),
            CarrierKind::Worker => conf_with(&options),
        };
        let nginx = Nginx::start(host, carrier, &conf);

        let status = status_when(host, "active");

        assert_eq!(status["node"]["carrier"], "worker");
        assert!(nginx.pids(Role::Worker).contains(&nginx.carrier_pid()));
        assert!(nginx.pids(Role::Agent).is_empty());
        nginx.stop();
        nginx.assert_no_complaints();
    });
}

/// Returns name and effective capabilities of every thread.
fn threads(pid: i32) -> Vec<(String, u64)> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).expect("it runs").flatten();
    tasks
        .map(|task| {
            let status = fs::read_to_string(task.path().join("status")).expect("it runs");
            let field = |name| {
                let line = status.lines().find_map(|line| line.strip_prefix(name));
                line.unwrap_or_default().trim().to_owned()
            };
            (field("Name:"), u64::from_str_radix(&field("CapEff:"), 16).expect("hexadecimal"))
        })
        .collect()
}
