//! A host gone mad, which sends as much as it can.

use std::time::Duration;

use harness::{
    Carrier, Checksum, Flood, Host, Lab, Probe, Sniffer, carriers, holds_for, wait_until,
};

use crate::pair::assert_settled;
use crate::router::{ADDRESS, PATIENCE, Router, SERVICE, SLACK, v3};

#[test]
fn a_flood_is_one() {
    let lab = Lab::new("flood");
    let rogue = lab.host("rogue", "192.168.56.66/24");
    let client = lab.host("client", "192.168.56.10/24");
    let sniffer = Sniffer::start(&client);

    let flood = Flood::start(&rogue, 50_000);
    wait_until("rubbish is heard", PATIENCE, || sniffer.adverts().len() > 1000);

    assert!(flood.finish() > 1000);
    assert!(sniffer.adverts().iter().any(|it| it.checksum == Checksum::Wrong));
}

#[test]
fn fifty_thousand_rubbish_adverts_a_second_change_nothing() {
    for carrier in carriers() {
        let crowd = Crowd::start("flood", carrier);

        let sent = crowd.bear(|rogue| Flood::start(rogue, 50_000));

        let errors = &crowd.a.instance().expect("it answers")["counters"]["errors"];
        for kind in ["checksum", "length", "version"] {
            assert!(errors[kind].as_u64() > Some(0), "{kind}: {errors} of {sent}");
        }
    }
}

/// The other node cannot know them from those of the active one.
#[test]
fn fifty_thousand_adverts_a_second_from_a_clone_of_the_active_node_change_nothing() {
    for carrier in carriers() {
        let crowd = Crowd::start("clone", carrier);

        let sent = crowd.bear(|rogue| Flood::start_cloned(rogue, 50_000));

        let heard = crowd.b.instance().expect("it answers")["counters"]["advertisements_received"]
            .as_u64()
            .expect("it is a number");
        assert!(heard > sent / 10, "{heard} of {sent}");
        for node in [&crowd.a, &crowd.b] {
            let lines = node.nginx.error_log().lines().count();
            assert!(lines < 100, "{lines} lines");
        }
    }
}

/// A pair with a client, and a host that does not belong there.
struct Crowd {
    a: Router,
    b: Router,
    client: Host,
    rogue: Host,
    _lab: Lab,
}

impl Crowd {
    #[track_caller]
    fn start(name: &str, carrier: &Carrier) -> Self {
        let lab = Lab::new(&format!("{name}, {}", carrier.version));
        let [one, two] = [("worker-01", "192.168.56.101/24"), ("worker-02", "192.168.56.102/24")]
            .map(|(name, address)| lab.host(name, address));
        let client = lab.host("client", "192.168.56.10/24");
        let rogue = lab.host("rogue", "192.168.56.66/24");
        let a = Router::start(&one, carrier, v3(150));
        let b = Router::start(&two, carrier, v3(100));
        assert_settled(&a, &[&b]);
        Self { a, b, client, rogue, _lab: lab }
    }

    /// Has the rogue send for ten seconds, and checks that nobody notices. Returns how much.
    #[track_caller]
    fn bear(&self, flood: impl FnOnce(&Host) -> Flood) -> u64 {
        let Self { a, b, .. } = self;
        let before = (a.transitions(), b.transitions());
        let probe = Probe::start(&self.client, SERVICE, "/");

        let flood = flood(&self.rogue);
        holds_for("a answers", Duration::from_secs(10), || {
            if a.host.has(ADDRESS) { Ok(()) } else { Err("the address has gone") }
        });
        let sent = flood.finish();
        assert!(sent > 100_000, "only {sent} were sent");

        assert_settled(a, &[b]);
        assert_eq!((a.transitions(), b.transitions()), before, "after {sent}");
        let report = probe.finish();
        assert!(report.outage() < SLACK, "{report}");
        sent
    }
}
