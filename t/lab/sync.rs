//! A sync group that is drained, with a client on each side.

use harness::{Lab, Probe, carriers};

use crate::beside::sync::{assert_active, start, two_hosts, wait_for};
use crate::router::PATIENCE;

#[test]
fn no_connection_is_lost_on_either_side_when_a_node_with_a_sync_group_is_drained() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("sync group drained, {}", carrier.version));
        let (a, b) = two_hosts(&lab);
        let client = lab.host_on_links("client", &["10.77.1.10/24", "10.77.2.10/24"]);
        let nodes = [start(&a, carrier, 150), start(&b, carrier, 100)];
        assert_active(&a, &b);
        let sides = ["10.77.1.100:80", "10.77.2.100:80"];
        let probes = sides.map(|side| Probe::start(&client, side, "/"));
        let served_by = |host: &str| probes.iter().for_each(|it| it.wait_for(host, PATIENCE));

        for _ in 0..3 {
            served_by("worker-01");
            a.exec("curl", &["-fsS", "-X", "POST", "http://127.0.0.1/ha/drain"]);
            wait_for(&a, ["initialize", "initialize"]);
            served_by("worker-02");
            assert_active(&b, &a);
            a.exec("curl", &["-fsS", "-X", "POST", "http://127.0.0.1/ha/undrain"]);
            assert_active(&a, &b);
        }

        for (probe, side) in probes.into_iter().zip(sides) {
            let report = probe.finish();
            assert!(report.failures().is_empty(), "{side}: {report}");
        }
        nodes.iter().for_each(harness::Nginx::assert_no_complaints);
    }
}
