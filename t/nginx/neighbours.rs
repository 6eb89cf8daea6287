//! Engines of one host that cannot meet in a directory: they notice each other all the same, and do
//! not fight. And the directories where engines meet.

use std::thread;
use std::time::{Duration, Instant};

use harness::{
    AddressWatch, Carrier, CarrierKind, Host, Lab, Nginx, Sniffer, carriers, eventually, holds_for,
    wait_until,
};
use serde_json::Value;

use crate::ownership::conf_of;
use crate::pair::{INTERVAL, PATIENCE, on_every_pair};
use crate::{logs, status_when};

#[test]
fn a_second_nginx_with_the_same_router_touches_nothing_until_the_first_has_gone() {
    on_every_network("two with one router", |host, carrier, sniffer| {
        let first = Nginx::start(host, carrier, &conf_of(80, "/run/first", 51, VIP, carrier, host));
        status_when(host, "active");
        wait_until("it has the address", PATIENCE, || host.has(VIP));
        let (addresses, start) = (AddressWatch::start(host), Instant::now());

        let second = conf_of(81, "/run/second", 51, VIP, carrier, host);
        let second = Nginx::start(host, carrier, &second);

        wait_until_it_gives_way(host);
        for nginx in [&first, &second] {
            nginx.reload();
            thread::sleep(INTERVAL * 12);
            wait_until_it_gives_way(host);
        }
        let adverts = sniffer.adverts_since(start);
        assert!(adverts.iter().all(|advert| advert.priority == 150), "{adverts:?}");
        let pauses = adverts.windows(2).map(|pair| pair[1].at - pair[0].at);
        // Of two that advertise, there would be twice as many.
        let close = pauses.clone().filter(|pause| *pause < INTERVAL / 2).count();
        assert!(close <= 2, "{close} of {} came too early", adverts.len());
        assert!(pauses.max() < Some(INTERVAL * 5 / 2), "{adverts:?}");
        let gone = addresses.since(start, VIP);
        assert!(gone.iter().all(|event| !event.removed), "the address went: {gone:?}");

        first.quit();

        eventually("the second has the address", PATIENCE, || {
            let instance = instance_at(host, 81)?;
            let is_active = instance["state"] == "active" && host.has(VIP);
            if is_active { Ok(()) } else { Err(instance.to_string()) }
        });
        let instance = instance_at(host, 81).expect("it answers");
        assert_eq!(instance["warnings"].as_array().map(Vec::len), Some(0), "{instance}");
    });
}

#[test]
fn an_nginx_in_another_container_takes_the_routers_over_in_a_directory_that_both_share() {
    on_every_network("a shared directory", |host, carrier, sniffer| {
        let [first, second] = [80, 81].map(|port| {
            Nginx::prepare(host, carrier, &conf_of(port, "/run/both", 51, VIP, carrier, host))
        });
        let old = first.launch_in_a_container();
        let before = status_when(host, "active");
        wait_until("it has the address", PATIENCE, || host.has(VIP));
        let (addresses, start) = (AddressWatch::start(host), Instant::now());

        let _new = second.launch_in_a_container();

        logs(&second, "goes on where the engine before this one was");
        drop(old);
        thread::sleep(INTERVAL * 10);
        let instance = instance_at(host, 81).expect("it answers");
        assert_eq!(instance["transitions"], before["instances"][0]["transitions"], "{instance}");
        let gone = addresses.since(start, VIP);
        assert!(gone.iter().all(|event| !event.removed), "the address went: {gone:?}");
        let adverts = sniffer.adverts_since(start);
        assert!(adverts.iter().all(|advert| advert.priority == 150), "{adverts:?}");
        let pauses = adverts.windows(2).map(|pair| pair[1].at - pair[0].at);
        assert!(pauses.max() < Some(INTERVAL * 5 / 2), "{adverts:?}");
    });
}

#[test]
fn engines_meet_in_the_usual_directory_that_can_be_used() {
    on_every_pair("usual directories", |pair, carrier| {
        let (host, nginx) = (&pair.one.host, &pair.one.nginx);
        let (theirs, other) = match carrier.kind {
            CarrierKind::Agent => ("/run/openresty", "/run/resty-vrrp"),
            CarrierKind::Worker => ("/run/resty-vrrp", "/run/openresty"),
        };
        let met_in =
            |directory: &str| !host.exec("find", &[directory, "-name", "vrrp-*.sock"]).is_empty();
        assert!(met_in(theirs));
        let calm = pair.calm();

        // One that is there as well, and could be used by whoever comes anew.
        let owner = if carrier.kind == CarrierKind::Agent { "root" } else { "www-data" };
        host.exec("install", &["-d", "-o", owner, other]);
        nginx.reload();
        pair.one.wait_for_generation(2);
        thread::sleep(INTERVAL * 5);
        pair.assert_calm(&calm);

        // The first cannot be used: the next engine finds nobody in the other, and uses that.
        nginx.stop();
        host.exec("chown", &["4711", "/run/openresty"]);
        host.exec("install", &["-d", "-o", owner, "/run/resty-vrrp"]);
        nginx.launch().expect("it starts again");
        pair.one.wait_for("active");
        assert!(met_in("/run/resty-vrrp"));
        assert_eq!(named(&pair.one.status().expect("it answers"), "no_place_to_meet"), None);
    });
}

/// Waits until the second nginx of the host gives way, and stays so.
#[track_caller]
pub(crate) fn wait_until_it_gives_way(host: &Host) -> Value {
    let gives_way = |instance: Value| {
        let is_so = instance["state"] == "fault"
            && instance["reason"] == "already_here"
            && instance["warnings"][0]["name"] == "already_here";
        if is_so { Ok(instance) } else { Err(instance.to_string()) }
    };
    eventually("the second gives way", PATIENCE, || instance_at(host, 81).and_then(gives_way));
    holds_for("it stays so", Duration::from_millis(1_500), || {
        instance_at(host, 81).and_then(gives_way).map(drop)
    });
    instance_at(host, 81).expect("it answers")
}

pub(crate) fn instance_at(host: &Host, port: u16) -> Result<Value, String> {
    let answer = host.get(&format!("127.0.0.1:{port}"), "/ha/status");
    answer.map(|answer| answer.json()["instances"][0].clone()).map_err(|error| error.to_string())
}

/// Returns the text of a warning of the node.
pub(crate) fn named(status: &Value, name: &str) -> Option<String> {
    let warnings = status["node"]["warnings"].as_array()?;
    let found = warnings.iter().find(|warning| warning["name"] == name)?;
    found["text"].as_str().map(str::to_owned)
}

/// Runs a test on a fresh host, to which somebody listens, with each nginx of this machine.
pub(crate) fn on_every_network(name: &str, test: impl Fn(&Host, &Carrier, &Sniffer)) {
    for carrier in carriers() {
        let lab = Lab::new(&format!("{name}, {}", carrier.version));
        let host = lab.host("worker-01", "192.168.56.101/24");
        let sniffer = Sniffer::start(&lab.host("client", "192.168.56.10/24"));
        test(&host, carrier, &sniffer);
    }
}

pub(crate) const VIP: &str = "192.168.56.100";
