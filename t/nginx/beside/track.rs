//! Other interfaces that a virtual router depends on.

use std::time::Duration;

use harness::{Nginx, eventually, wait_until};

use crate::{ONE, conf_with, get, on_every_nginx, status_when};

fn conf_tracking(track: &str) -> String {
    conf_with(&ONE.replace("vrid = 51,", &format!("vrid = 51, track = {{ {track} }},")))
}

#[test]
fn a_tracked_interface_that_goes_down_is_a_fault_until_it_is_up_again() {
    on_every_nginx("track", |host, carrier| {
        host.ip("link add eth1 type veth peer name other");
        host.ip("link set other up");
        host.ip("link set eth1 up");
        let nginx = Nginx::start(host, carrier, &conf_tracking("{ interface = 'eth1' }"));
        let status = status_when(host, "active");
        let check = status["instances"][0]["checks"][3].clone();
        assert_eq!((&check["name"], &check["ok"]), (&"track eth1".into(), &true.into()));

        host.ip("link set eth1 down");
        let status = status_when(host, "fault");

        assert_eq!(status["instances"][0]["reason"], "tracked_link_down");
        assert!(get(host, "/ha/healthz").body.contains("interface eth1 is down"));
        assert_eq!(status["instances"][0]["counters"]["priority_zero_sent"], 1);
        wait_until("the address is gone", Duration::from_secs(2), || !host.has("192.168.56.100"));
        host.ip("link set eth1 up");
        status_when(host, "active");
        host.ip("link del eth1");
        status_when(host, "fault");
        eventually("the status says why", Duration::from_secs(2), || {
            let said = get(host, "/ha/healthz").body;
            if said.contains("interface eth1 does not exist") { Ok(()) } else { Err(said) }
        });
        nginx.assert_no_complaints();
    });
}

#[test]
fn a_tracked_interface_with_a_weight_lowers_the_priority_while_it_is_down() {
    on_every_nginx("track weight", |host, carrier| {
        host.ip("link add eth1 type veth peer name other");
        host.ip("link set other up");
        let conf = conf_tracking("{ interface = 'eth1', weight = -50 }");
        let _nginx = Nginx::start(host, carrier, &conf);
        let effective = |priority: u8| {
            eventually("the priority follows", Duration::from_secs(5), || {
                let one = get(host, "/ha/status").json()["instances"][0].clone();
                let right = one["effective_priority"] == priority && one["state"] == "active";
                if right { Ok(one) } else { Err(one.to_string()) }
            })
        };

        let one = effective(100);
        assert_eq!(one["checks"][3]["weight"], -50);
        host.ip("link set eth1 up");

        effective(150);
    });
}
