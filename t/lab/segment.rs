//! Links that say that all is well although nothing passes, and hosts gone mad.

use std::time::{Duration, Instant};

use harness::{Carrier, Flood, Host, Lab, Probe, Sniffer, Traffic, carriers, holds_for};

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
        // The announcements of the beginning are over.
        holds_for("both are active", Duration::from_secs(8), || {
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

const INTERVAL: Duration = Duration::from_millis(100);
