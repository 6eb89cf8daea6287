//! An engine that cannot start, or that takes its process along.

use harness::{Lab, Nginx, Role, carriers, eventually};

use crate::failures::{SOON, nobody_died};
use crate::pair::PATIENCE;
use crate::{ONE, conf_with, get, logs, status_when};

#[test]
fn an_engine_that_takes_its_process_along_is_not_started_again_without_a_pause() {
    for carrier in carriers() {
        let lab = Lab::fallible(&format!("crash, {}", carrier.version));
        let host = lab.host("worker-01", "192.168.56.101/24");
        let nginx = Nginx::prepare(&host, carrier, &conf_with(ONE));
        nginx.failpoints().arm("vrrp", "abort");
        nginx.launch().expect("nginx itself starts");

        // Ten crashes at once, then one after 1 s, and one after 2 s.
        logs(&nginx, "the engine is not started for 4 s");

        let crashes = nginx.error_log().matches("exited on signal 6").count();
        assert_eq!(crashes, 12, "{}", nginx.error_log());
        let health = get(&host, "/ha/healthz");
        assert_eq!(health.status, 503);
        let told = "its start has ended the last 12 carriers within a second";
        assert!(health.body.contains(told), "{}", health.body);
        let status = status_when(&host, "fault");
        assert_eq!(status["instances"][0]["reason"], "engine_not_running");
        nginx.failpoints().disarm("vrrp");

        status_when(&host, "active");
        std::thread::sleep(SOON * 2);
        nginx.kill9(Role::Carrier);
        status_when(&host, "active");
        let log = nginx.error_log();
        assert_eq!(log.matches("the engine is not started for").count(), 3, "{log}");
    }
}

#[test]
fn an_engine_that_cannot_start_is_told_of_and_started_later_while_nginx_serves() {
    let failures = [
        ("engine", "panic", "panic: failpoint engine panic"),
        ("start", "return(no luck)", "cannot start: no luck"),
    ];
    for (point, actions, said) in failures {
        for carrier in carriers() {
            let lab = Lab::fallible(&format!("{point} {actions}, {}", carrier.version));
            let host = lab.host("worker-01", "192.168.56.101/24");
            let nginx = Nginx::prepare(&host, carrier, &conf_with(ONE));
            nginx.failpoints().arm(point, actions);
            nginx.launch().expect("nginx itself starts");

            eventually("the engine has failed", PATIENCE, || {
                let health = get(&host, "/ha/healthz");
                let told = health.status == 503 && health.body.contains(said);
                if told { Ok(()) } else { Err(health.body) }
            });
            let status = status_when(&host, "fault");
            assert_eq!(status["instances"][0]["reason"], "engine_not_running");
            nginx.failpoints().disarm(point);

            status_when(&host, "active");
            nobody_died(&nginx);
        }
    }
}
