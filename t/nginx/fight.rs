//! Somebody else on the host who keeps removing the address: what an operator sees of it.

use std::time::{Duration, Instant};

use harness::{eventually, wait_until};
use serde_json::json;

use crate::{PATIENCE, get, instance_when, on_every_nginx, start_active};

#[test]
fn a_fight_over_an_address_shows_while_it_lasts_and_is_logged_at_its_begin_and_end() {
    on_every_nginx("fight", |host, carrier| {
        let nginx = start_active(host, carrier);
        instance_when(host, |one| one["addresses"][0]["assigned"] == true);

        for time in 1..=5 {
            host.ip("address del 192.168.56.100/24 dev eth0");
            let removed = Instant::now();
            wait_until("it is back", TENTH, || host.has("192.168.56.100"));
            instance_when(host, |one| one["addresses"][0]["lost"] == time);
            assert!(removed.elapsed() < Duration::from_secs(1));
        }

        let one = instance_when(host, |one| one["warnings"].get(0).is_some());
        let address = |name: &str, lost: u8| {
            let contested = lost > 0;
            json!({ "address": name, "assigned": true, "lost": lost, "contested": contested })
        };
        let expected = [address("192.168.56.100/24", 5), address("192.168.56.110/24", 0)];
        assert_eq!(one["addresses"], json!(expected));
        assert_eq!(one["warnings"].as_array().map(Vec::len), Some(1));
        assert_eq!(one["warnings"][0]["name"], "address_contested");
        let text = one["warnings"][0]["text"].as_str().expect("a text");
        assert!(text.starts_with(ACCUSATION), "{text}");
        assert!(text.ends_with("systemd-networkd, another VRRP daemon?"), "{text}");
        assert_eq!((&one["state"], &one["transitions"]), (&json!("active"), &json!(2)));

        let one = instance_when(host, |one| one["warnings"] == json!([]));
        assert_eq!(one["addresses"][0]["contested"], false);
        let logged = |what: &str| nginx.error_log().matches(what).count();
        let ended = "address_contested: no longer the case";
        wait_until("the end is logged", TENTH * 5, || logged(ended) == 1);
        assert_eq!(logged("somebody removed 192.168.56.100/24 from eth0; it is put back"), 1);
        assert_eq!((logged("keeps removing"), logged(ACCUSATION)), (1, 1));
        assert_eq!(logged("addresses changed"), 1, "at the takeover");
        nginx.assert_no_complaints();
    });
}

#[test]
fn what_was_lost_is_still_counted_after_a_reload() {
    on_every_nginx("count", |host, carrier| {
        let nginx = start_active(host, carrier);
        instance_when(host, |one| one["addresses"][1]["assigned"] == true);
        host.ip("address del 192.168.56.110/24 dev eth0");
        instance_when(host, |one| one["addresses"][1]["lost"] == 1);

        nginx.reload();

        let lost = |generation: u8, count: u8| {
            eventually("the loss is known", PATIENCE, || {
                let status = get(host, "/ha/status").json();
                let addresses = &status["instances"][0]["addresses"];
                let known = status["node"]["generation"] == generation
                    && addresses[0]["lost"] == 0
                    && addresses[1]["lost"] == count;
                if known { Ok(()) } else { Err(status.to_string()) }
            });
        };
        lost(2, 1);
        host.ip("address del 192.168.56.110/24 dev eth0");
        lost(2, 2);
        nginx.assert_no_complaints();
        nginx.kill9(harness::Role::Carrier);
        lost(2, 2);
    });
}

const ACCUSATION: &str = "something else on this host keeps removing 192.168.56.100/24 from eth0";
const TENTH: Duration = Duration::from_millis(100);
