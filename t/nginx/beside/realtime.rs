//! The thread that advertises, before all others.

use std::fs;
use std::time::Duration;

use harness::{CarrierKind, Nginx, eventually};

use crate::{ONE, conf_with, on_every_nginx, status_when};

#[test]
fn the_thread_runs_in_real_time_or_the_log_says_why_not() {
    on_every_nginx("realtime", |host, carrier| {
        let options = ONE.replacen('{', "{ realtime = true,", 1);
        let nginx = Nginx::start(host, carrier, &conf_with(&options));
        status_when(host, "active");

        match carrier.kind {
            CarrierKind::Agent => assert_eq!(policy_of(&nginx, "vrrp"), SCHED_RR),
            CarrierKind::Worker => {
                eventually("the log says so", Duration::from_secs(2), || {
                    let log = nginx.error_log();
                    if log.contains("CAP_SYS_NICE is needed") { Ok(()) } else { Err(log) }
                });
            }
        }
        assert_eq!(policy_of(&nginx, "vrrp-net"), SCHED_OTHER);
        nginx.assert_no_complaints();
    });
}

/// Returns the scheduling policy of a thread of the carrier.
#[track_caller]
fn policy_of(nginx: &Nginx, name: &str) -> u32 {
    let path = format!("/proc/{}/task", nginx.carrier_pid());
    let threads = fs::read_dir(path).expect("the carrier runs").flatten();
    let stats = threads.filter_map(|it| fs::read_to_string(it.path().join("stat")).ok());
    let stat = stats.into_iter().find(|stat| stat.contains(&format!("({name})")));
    let stat = stat.expect("the thread runs");
    let fields = stat.rsplit(')').next().expect("a name in brackets");
    fields.split_whitespace().nth(38).and_then(|it| it.parse().ok()).expect("a number")
}

const SCHED_OTHER: u32 = 0;
const SCHED_RR: u32 = 2;
