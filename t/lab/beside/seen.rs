//! What others see of the active node.

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use harness::{Announcement, Host, Lab, Sniffer, carriers, eventually, holds_for};

use crate::pair::{assert_settled, on_every_nginx};
use crate::router::{ADDRESS, PATIENCE, Router, v3};

#[test]
fn a_takeover_is_advertised_and_then_every_address_is_announced() {
    on_every_nginx("takeover", |lab, carrier| {
        let sniffer = Sniffer::start(&lab.client);
        let start = Instant::now();
        let more = "addresses_excluded = { '192.168.56.110/24' },";
        let _router = Router::start(&lab.a, carrier, v3(150).with(more));

        let announced = [ADDRESS, "192.168.56.110"]
            .map(|it| sniffer.wait_for_announcement(it, start, PATIENCE));

        let (first, mac) = (&sniffer.adverts_since(start)[0], lab.a.mac());
        assert_eq!((first.priority, first.mac), (150, mac));
        for Announcement { at, mac: target, reply, target_mac, frame, .. } in announced {
            assert!(at > first.at, "the advertisement comes first");
            assert_eq!((reply, target, target_mac), (false, mac, mac));
            assert_eq!(frame, ([0xff; 6], mac));
        }
    });
}

#[test]
fn the_active_node_answers_arp_and_a_backup_is_silent() {
    on_every_nginx("arp", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);
        let active = lab.a.mac().map(|octet| format!("{octet:02x}")).join(":");
        let is_found = || match found_at(&lab.client) {
            Some(mac) if mac == active => Ok(()),
            other => Err(format!("{other:?}")),
        };
        ask_for_it(&lab.client);
        eventually("the active node answers", PATIENCE, is_found);

        // Now the backup is the only one that can hear the client.
        lab.a.part_from(&lab.client);
        ask_for_it(&lab.client);
        holds_for("the backup is silent", Duration::from_secs(2), || {
            found_at(&lab.client).map_or(Ok(()), Err)
        });
        assert_settled(&a, &[&b]);
        lab.a.heal();
        eventually("the active node answers", PATIENCE, || {
            ask_for_it(&lab.client);
            is_found()
        });
    });
}

/// RFC 9568 §5.1.1.2: "Routers MUST NOT forward" what goes to the group, whatever its TTL.
#[test]
fn advertisements_are_not_forwarded() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("forwarding, {}", carrier.version));
        let host = lab.host_on_links("worker-01", &["192.168.56.101/24", "192.168.57.101/24"]);
        let peer = lab.host("worker-02", "192.168.56.102/24");
        let both = lab.host_on_links("client", &["192.168.56.10/24", "192.168.57.10/24"]);
        host.sysctl("net.ipv4.ip_forward", "1");
        let sniffer = Sniffer::start_on_all_links(&both);
        let a = Router::start(&host, carrier, v3(100));
        let b = Router::start(&peer, carrier, v3(150));
        assert_settled(&b, &[&a]);

        let eth0 = both.enter(|| nix::net::if_::if_nametoindex("eth0").expect("it is there"));
        let adverts = eventually("there are some", PATIENCE, || {
            let heard = sniffer.adverts();
            if heard.len() > 10 { Ok(heard) } else { Err(format!("{heard:?}")) }
        });
        assert!(adverts.iter().all(|it| u32::try_from(it.link) == Ok(eth0)), "{adverts:?}");
    }
}

/// Has a host forget where the address is, and ask for it.
fn ask_for_it(host: &Host) {
    host.ip("neigh flush all");
    host.enter(|| {
        let socket = UdpSocket::bind("0.0.0.0:0").expect("a port is free");
        socket.send_to(b"?", (ADDRESS, 9)).expect("it is on the link");
    });
}

/// Returns where a host finds the address.
fn found_at(host: &Host) -> Option<String> {
    let all = host.neighbours();
    all.into_iter().find(|it| it.address.to_string() == ADDRESS).and_then(|it| it.mac)
}
