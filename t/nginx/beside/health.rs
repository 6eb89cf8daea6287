//! What the engine needs and does not have: nginx serves on, and says so.

use std::time::Duration;

use harness::{Nginx, Role, Signal, eventually};

use crate::{ONE, conf_with, get, on_every_nginx, start_active, status_when};

#[test]
fn a_missing_interface_is_a_fault_until_it_appears() {
    on_every_nginx("interface", |host, carrier| {
        host.delete_link();
        let nginx = Nginx::start(host, carrier, &conf_with(ONE));

        let status = status_when(host, "fault");

        assert_eq!(status["instances"][0]["reason"], "link_missing");
        assert_eq!(get(host, "/ha/healthz").status, 503);
        assert_eq!(get(host, "/ha/healthz?live").status, 200);
        let log = nginx.error_log();
        assert!(log.contains("VI_1: there is no interface eth0 yet"), "{log}");

        host.make_link();
        status_when(host, "active");
        assert_eq!(get(host, "/ha/healthz").status, 200);
    });
}

#[test]
fn workers_that_hang_are_a_fault_with_the_reason() {
    on_every_nginx("hang", |host, carrier| {
        let options = ONE.replace("400", "400, min_workers = 2");
        let nginx = Nginx::start(host, carrier, &conf_with(&options));
        status_when(host, "active");
        let carrier_pid = nginx.carrier_pid();
        let hung = nginx.pids(Role::Worker).into_iter().find(|pid| *pid != carrier_pid).unwrap();

        harness::signal(hung, Signal::SIGSTOP);
        let answer = eventually("the fault is seen", Duration::from_secs(5), || {
            // Some connections go to the worker that hangs.
            match host.get("127.0.0.1:80", "/ha/healthz") {
                Ok(answer) if answer.status == 503 => Ok(answer.body),
                other => Err(format!("{other:?}")),
            }
        });
        harness::signal(hung, Signal::SIGCONT);

        assert!(answer.contains("1 of 2 workers"), "{answer}");
        status_when(host, "active");
    });
}

#[test]
fn addresses_are_shown_as_assigned_while_they_are() {
    on_every_nginx("assigned", |host, carrier| {
        let _nginx = start_active(host, carrier);

        eventually("both are assigned", Duration::from_secs(5), || {
            let addresses = get(host, "/ha/status").json()["instances"][0]["addresses"].clone();
            let all = addresses.as_array().unwrap().iter().all(|one| one["assigned"] == true);
            if all { Ok(()) } else { Err(addresses.to_string()) }
        });
        assert!(host.has("192.168.56.100"));
    });
}
