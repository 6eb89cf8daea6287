//! Sending the addresses away on purpose, under load and while the kernel has much to do.

use std::fs::{self, File};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Advert, Lab, carriers};

use crate::drain::{post, start};
use crate::pair::{ADDRESS, Pair, on_every_fallible_pair};
use crate::{PATIENCE, assert_mostly_within, lua, status_when};

/// Somebody on each host loads a large set, say.
#[test]
fn no_address_waits_for_nf_tables() {
    on_every_fallible_pair("nf_tables waits", "", |pair, _| {
        let Pair { one, two, sniffer, .. } = pair;
        for node in [one, two] {
            node.nginx.failpoints().arm("nf_tables", "sleep(3000)");
        }
        let drained = Instant::now();

        assert_eq!(lua(&one.host, "return vrrp.drain()"), "true");

        let from_two = |it: &Advert| it.source == two.source();
        let first = sniffer.wait_for_advert("it takes over", drained, PATIENCE, from_two);
        let announced = sniffer.wait_for_announcement(ADDRESS, drained, PATIENCE);
        let gone = one.addresses.wait_for_removal(drained, ADDRESS, PATIENCE);
        let (announced, gone) = (announced.at.saturating_duration_since(first.at), gone - first.at);
        println!("nf_tables waits: announced after {announced:.1?}, gone after {gone:.1?}");
        assert_mostly_within(Duration::from_millis(50), vec![announced]);
        assert_mostly_within(Duration::from_millis(250), vec![gone]);
    });
}

#[test]
fn under_full_load_neither_a_drain_nor_the_return_costs_a_connection() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("drain under load, {}", carrier.version));
        let a = lab.host("worker-01", "192.168.56.101/24");
        let b = lab.host("worker-02", "192.168.56.102/24");
        let client = lab.host("client", "192.168.56.10/24");
        let _nginx = [start(&a, carrier, "150"), start(&b, carrier, "100")];
        status_when(&a, "active");
        status_when(&b, "backup");
        let mut wrk = Command::new("wrk");
        wrk.args(["-c", "50", "-t", "1", "-d", "5", "-H", "Connection: close"]);
        let said = lab.directory().join("wrk");
        wrk.arg("http://192.168.56.100/").stdout(File::create(&said).unwrap());
        let mut load = client.spawn(&mut wrk);

        for _ in 0..3 {
            thread::sleep(Duration::from_millis(500));
            assert_eq!(post(&a, "/ha/drain").status, 200);
            thread::sleep(Duration::from_millis(500));
            assert_eq!(post(&a, "/ha/undrain").status, 200);
            status_when(&a, "active");
        }

        load.wait(Duration::from_secs(30));
        let said = fs::read_to_string(said).unwrap();
        assert!(said.contains("requests in"), "{said}");
        assert!(!said.contains("Socket errors") && !said.contains("Non-2xx"), "{said}");
    }
}
