//! How soon a host that has died is followed, over each network.

use std::time::{Duration, Instant};

use harness::Sniffer;

use crate::pair::on_every_nginx;
use crate::router::{PATIENCE, Router, v3, v6};

/// The time is that between two advertisements: the last one of before, and the first one of after.
#[test]
fn over_each_network_a_dead_host_is_followed_after_the_down_interval_and_hardly_later() {
    on_every_nginx("dead host", |lab, carrier| {
        lab.set_ipv6();
        for (name, high, low) in [
            ("IPv4", v3(150), v3(100)),
            ("IPv6", v6(150), v6(100)),
            (
                "IPv4, one by one",
                v3(150).with("peers = { '192.168.56.102' }"),
                v3(100).with("peers = { '192.168.56.101' }"),
            ),
            (
                "IPv6, one by one",
                v6(150).with("peers = { 'fe80::102' }"),
                v6(100).with("peers = { 'fe80::101' }"),
            ),
        ] {
            let b = Router::start(&lab.b, carrier, low);
            let a = Router::start(&lab.a, carrier, high);
            a.wait_for("active");
            b.wait_for("backup");
            let (sniffer, start) = (Sniffer::start(&lab.b), Instant::now());
            sniffer.wait_for_advert("a leads", start, PATIENCE, |it| it.priority == high.priority);

            lab.a.unplug();
            b.wait_for("active");

            let adverts = sniffer.adverts();
            let first = adverts.iter().find(|it| it.priority == low.priority);
            let first = first.expect("it is active");
            let last = adverts.iter().rfind(|it| it.priority == high.priority);
            let waited = first.at - last.expect("it was active").at;
            println!("{name}: {waited:.1?} after the last advertisement");
            let interval = low.active_down_interval();
            assert!((interval..interval + HARDLY_LATER).contains(&waited), "{name}: {waited:?}");
            assert_eq!(b.instance().expect("it answers")["reason"], "no_response");
            a.nginx.quit();
            b.nginx.quit();
            lab.a.plug();
        }
    });
}

const HARDLY_LATER: Duration = Duration::from_millis(50);
