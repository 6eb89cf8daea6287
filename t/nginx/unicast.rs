//! A pair that speaks to each other one by one. The client is a peer that never answers: so it
//! hears what each of them says.

use std::time::{Duration, Instant};

use harness::{Advert, Probe, Role, eventually, urgently, wait_until};

use crate::alone::killed::UNDOUBTED;
use crate::guard::guard_knows;
use crate::pair::{Node, PATIENCE, Pair, SERVER, SKEW, conf, on_every_pair_of, options};
use crate::{assert_mostly_within, lua};

#[test]
fn nobody_notices_a_reload_of_a_node_with_peers_nor_that_its_carrier_is_killed() {
    on_every_pair_of("unicast reloads", conf_with_peers, |pair, _| {
        let calm = pair.calm();

        for generation in 2..=6 {
            pair.one.nginx.reload();
            pair.one.wait_for_generation(generation);
        }
        pair.assert_calm(&calm);

        let started = pair.one.status().expect("it answers")["node"]["pid"].clone();
        wait_until("its guard knows", PATIENCE, || guard_knows(&pair.one.host));
        pair.one.nginx.kill9(Role::Carrier);
        eventually("another carrier runs", PATIENCE, || {
            let status = pair.one.status().map_err(|error| error.to_string())?;
            let is_another = status["node"]["pid"] != started && status["node"]["healthy"] == true;
            if is_another { Ok(()) } else { Err(status["node"].to_string()) }
        });
        let longest = pair.assert_calm(&calm);
        println!("unicast: longest silence {longest:.1?}");
        let peers = pair.two.wait_for_instance()["peers"].clone();
        let age = peers[0]["last_advert_age_ms"].as_u64();
        assert!(age < Some(1000) && peers[1]["last_advert_age_ms"].is_null(), "{peers}");
    });
}

#[test]
fn a_drain_between_nodes_with_peers_costs_no_connection() {
    on_every_pair_of("unicast drain", conf_with_peers, |pair, _| {
        let Pair { one, two, client, .. } = pair;
        let probe = Probe::start(client, SERVER, "/");
        probe.wait_for("worker-01", PATIENCE);

        for _ in 0..5 {
            probe.wait_for("worker-01", PATIENCE);
            assert_eq!(lua(&one.host, "return vrrp.drain()"), "true");
            one.wait_for("initialize");
            probe.wait_for("worker-02", PATIENCE);
            assert_eq!(lua(&one.host, "return vrrp.undrain()"), "true");
            one.wait_for("active");
            two.wait_for("backup");
        }

        let report = probe.finish();
        assert!(report.failures().is_empty(), "{report}");
        one.nginx.assert_no_complaints();
    });
}

#[test]
fn when_all_of_nginx_is_killed_its_guard_resigns_to_every_peer() {
    on_every_pair_of("unicast killed", conf_with_peers, |pair, _| {
        let Pair { one, two, sniffer, .. } = pair;
        let (mut resigned, mut taken) = (Vec::new(), Vec::new());

        for _ in 0..5 {
            wait_until("its guard knows", PATIENCE, || guard_knows(&one.host));
            let killed = Instant::now();
            urgently(|| one.nginx.kill9(Role::All));
            let from = |node: &Node, priority| {
                let source = node.source();
                move |it: &Advert| it.source == source && (it.priority == 0) == (priority == 0)
            };
            let zero = sniffer.wait_for_advert("it resigns", killed, PATIENCE, from(one, 0));
            let next =
                sniffer.wait_for_advert("a peer takes over", zero.at, PATIENCE, from(two, 1));
            resigned.push(zero.at.saturating_duration_since(killed));
            taken.push(next.at.saturating_duration_since(zero.at));
            two.wait_for("active");
            one.nginx.launch().expect("it starts again");
            one.wait_for("active");
            pair.wait_until_settled();
        }

        println!("unicast: resigned after {resigned:.1?}, taken over after {taken:.1?}");
        assert_mostly_within(UNDOUBTED, resigned);
        assert_mostly_within(SKEW + Duration::from_millis(8), taken);
    });
}

/// Returns the configuration of node number one, two, …; each speaks to the other and the client.
fn conf_with_peers(number: u8) -> String {
    let peers = format!("peers = {{ '192.168.56.10{}', '192.168.56.10' }}, vrid", 3 - number);
    conf(&options(number).replacen("vrid", &peers, 1))
}
