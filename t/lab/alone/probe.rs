//! The client that measures: what it measures is what happens.

use std::time::{Duration, Instant};

use harness::{Lab, Nginx, Outcome, Probe, carriers};

use crate::bench::PAGE;

#[test]
fn a_probe_measures_how_long_it_was_dark() {
    let lab = Lab::new("probe");
    let host = lab.host("worker-01", "192.168.56.101/24");
    let client = lab.host("client", "192.168.56.10/24");
    let _nginx = Nginx::start(&host, &carriers()[0], PAGE);
    let probe = Probe::start(&client, "192.168.56.101:80", "/");
    probe.wait_for("worker-01", Duration::from_secs(2));

    let start = Instant::now();
    host.cut();
    while start.elapsed() < Duration::from_millis(300) {
        std::thread::yield_now();
    }
    host.heal();
    let dark = start.elapsed();
    probe.wait_for("worker-01", Duration::from_secs(2));

    let report = probe.finish();
    let error = report.outage().abs_diff(dark);
    assert!(error < Duration::from_millis(50), "{dark:?} dark; {report}");
    assert!(report.failures().iter().all(|it| it.outcome == Outcome::TimedOut), "{report}");
    assert_eq!(report.served_by().len(), 1);
}
