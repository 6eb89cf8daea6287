//! Links that say that all is well although nothing passes.

use std::time::{Duration, Instant};

use harness::{Probe, Sniffer, Traffic, holds_for};

use crate::pair::{assert_settled, on_every_nginx};
use crate::router::{ADDRESS, PATIENCE, Router, SERVICE, SLACK, v3};

/// As behind a port of a switch with a spanning tree, which forwards nothing for 30 s after its
/// link has come up. By then the node has taken over in vain, and announced that to nobody.
#[test]
fn a_link_that_is_up_but_deaf_ends_with_one_owner_and_a_client_that_follows_at_once() {
    on_every_nginx("spanning tree", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);
        lab.a.unplug();
        a.wait_for("fault");
        b.wait_for("active");
        let probe = Probe::start(&lab.client, SERVICE, "/");
        probe.wait_for("worker-02", PATIENCE);

        lab.a.drop_sent(Traffic::All);
        lab.a.drop_received(Traffic::All);
        lab.a.plug();
        a.wait_for("active");
        holds_for("both are active", Duration::from_secs(30), || {
            let states = [a.state(), b.state()];
            if states == ["active", "active"] { Ok(()) } else { Err(format!("{states:?}")) }
        });

        let sniffer = Sniffer::start(&lab.client);
        let forwarded = Instant::now();
        lab.a.heal();
        probe.wait_for("worker-01", PATIENCE);

        let report = probe.finish();
        let turns = report.served_by();
        let (_, from, _) = turns.iter().find(|turn| turn.0 == "worker-01").expect("it serves");
        assert!(*from - forwarded < INTERVAL + SLACK, "{report}");
        assert!(report.outage() < SLACK, "{report}");
        assert_settled(&a, &[&b]);
        let announced = sniffer.wait_for_announcement(ADDRESS, forwarded, PATIENCE);
        assert_eq!(announced.mac, lab.a.mac());
    });
}

const INTERVAL: Duration = Duration::from_millis(100);
