//! A virtual router with a hardware address of its own (RFC 9568 §7.3).

use std::net::UdpSocket;
use std::time::{Duration, Instant};

use harness::{Advert, Carrier, Host, Role, Sniffer, eventually, holds_for, wait_until};
use serde_json::Value;

use super::{no_warning, warning};
use crate::pair::{Pair, assert_settled, on_every_nginx};
use crate::router::{ADDRESS, PATIENCE, Router, SERVICE, Setup, v3, v6_without_link_local};

#[test]
fn everything_comes_from_the_virtual_mac_and_hosts_learn_no_other() {
    on_every_nginx("virtual MAC", |lab, carrier| {
        let sniffer = Sniffer::start(&lab.client);
        let (a, b) = start(lab, carrier, [v3(150), v3(100)]);
        assert_settled(&a, &[&b]);
        assert_eq!(mac_of(lab, ADDRESS), MAC);
        assert_ne!(mac_of(lab, "192.168.56.101"), MAC);
        let start = Instant::now();
        a.nginx.quit();
        b.wait_for("active");
        let announced = sniffer.wait_for_announcement(ADDRESS, start, PATIENCE);
        assert_eq!((announced.mac, announced.frame.1), (OCTETS, OCTETS));

        // What the new one sends to the client must not teach it another.
        lab.b.exec("ip", &["neigh", "flush", "all"]);
        holds_for("the client knows no other", SECOND / 2, || {
            lab.client.get(SERVICE, "/").map_err(|error| error.to_string())?;
            let known = known_mac(lab, ADDRESS);
            if known.as_deref() == Some(MAC) { Ok(()) } else { Err(format!("{known:?}")) }
        });
        let own = [lab.a.address(), lab.b.address()];
        let mut before = None;
        for advert in sniffer.adverts() {
            // The first one is sent before the addresses are there.
            let is_known = advert.mac == OCTETS || before != Some(advert.source);
            assert!(is_known && own.contains(&advert.source), "{advert:?}");
            before = Some(advert.source);
        }
        b.nginx.assert_no_complaints();
    });
}

#[test]
fn only_the_active_one_hears_what_is_sent_to_the_virtual_mac() {
    on_every_nginx("frames to the virtual MAC", |lab, carrier| {
        let (a, b) = start(lab, carrier, [v3(150), v3(100)]);
        assert_settled(&a, &[&b]);
        for host in [&lab.a, &lab.b] {
            let is_on = macvlan(host)["flags"].to_string().contains("\"UP\"");
            assert_eq!(is_on, host.has(ADDRESS), "{}", macvlan(host));
        }
        // To the own addresses of both, in frames to the virtual MAC.
        for (host, hears) in [(&lab.a, true), (&lab.b, false)] {
            let own = host.address();
            lab.client.ip(&format!("neigh replace {own} lladdr {MAC} dev eth0"));
            let socket = host.enter(|| UdpSocket::bind("0.0.0.0:7777").expect("it is free"));
            socket.set_read_timeout(Some(SECOND / 2)).expect("it is not zero");
            lab.client.enter(|| {
                let sender = UdpSocket::bind("0.0.0.0:0").expect("a port is free");
                sender.send_to(b"?", (own, 7777)).expect("the link is up");
            });
            assert_eq!(socket.recv(&mut [0; 8]).is_ok(), hears, "{}", host.name());
        }
    });
}

#[test]
fn the_interface_outlives_engines_and_ends_with_nginx() {
    on_every_nginx("life of the interface", |lab, carrier| {
        let settings = arp_settings(&lab.a);
        let (a, b) = start(lab, carrier, [v3(150), v3(100)]);
        assert_settled(&a, &[&b]);
        let index = macvlan(&lab.a)["ifindex"].clone();
        let transitions = b.transitions();

        // As an engine leaves it that ends between the two steps of deleting it.
        lab.a.ip("link set vrrp4.51 group 1448235600");
        a.nginx.reload();
        wait_until("the next engine has it", PATIENCE, || {
            a.host
                .get("127.0.0.1:80", "/ha/status")
                .is_ok_and(|it| it.json()["node"]["generation"] == 2)
        });
        wait_until("it is in no group", PATIENCE, || macvlan(&lab.a)["group"] == "default");
        let carrier_before = a.nginx.carrier_pid();
        a.nginx.kill9(Role::Carrier);
        wait_until("there is another carrier", PATIENCE, || {
            a.nginx.carrier_pid() != carrier_before
        });
        assert_settled(&a, &[&b]);
        assert_eq!((macvlan(&lab.a)["ifindex"].clone(), b.transitions()), (index, transitions));

        a.nginx.quit();
        a.nginx.wait_for_the_end();
        assert_eq!((macvlan(&lab.a), arp_settings(&lab.a)), (Value::Null, settings.clone()));

        a.nginx.launch().expect("it starts again");
        assert_settled(&a, &[&b]);
        a.nginx.kill9(Role::All);
        eventually("the guard has removed it", PATIENCE, || {
            let left = (macvlan(&lab.a), arp_settings(&lab.a));
            if left == (Value::Null, settings.clone()) { Ok(()) } else { Err(format!("{left:?}")) }
        });
    });
}

#[test]
fn a_reload_without_it_leaves_the_address_to_the_real_interface() {
    on_every_nginx("without it", |lab, carrier| {
        let settings = arp_settings(&lab.a);
        let a = Router::start(&lab.a, carrier, v3(150).with("virtual_mac = 'vrrp.lan'"));
        a.wait_for("active");
        assert!(lab.a.ip("link show vrrp.lan").contains(MAC));

        a.nginx.write("nginx.conf", &v3(150).conf());
        a.nginx.reload();

        eventually("only eth0 has it", PATIENCE, || {
            let all = lab.a.ip("-o address show");
            let settings_now = arp_settings(&lab.a);
            let is_so = all.contains("192.168.56.100/24 brd 192.168.56.255 scope global secondary")
                && !all.contains("vrrp.lan")
                && settings_now == settings;
            if is_so { Ok(()) } else { Err(format!("{all} {settings_now:?}")) }
        });
        assert_eq!((a.state().as_str(), a.transitions()), ("active", 2));
    });
}

#[test]
fn what_somebody_else_has_made_is_not_touched() {
    on_every_nginx("not ours", |lab, carrier| {
        let sniffer = Sniffer::start(&lab.client);
        lab.a.ip("link add vrrp4.51 type bridge");
        let a = Router::start(&lab.a, carrier, v3(150).with("virtual_mac = true"));
        a.wait_for("fault");
        let text = warning(&a, "address_refused", PATIENCE);
        assert!(text.contains("vrrp4.51 is there already"), "{text}");
        assert!(lab.a.ip("-d link show vrrp4.51").contains("bridge"));

        // As a keepalived that was killed leaves one.
        lab.a.ip(&format!("link add vrrp.51 link eth0 address {MAC} type macvlan mode private"));
        lab.a.ip("link set vrrp.51 up");
        lab.a.ip("link delete vrrp4.51");
        eventually("the other one is named", PATIENCE, || {
            let text = warning(&a, "address_refused", PATIENCE);
            if text.contains("ip link delete vrrp.51") { Ok(()) } else { Err(text) }
        });
        assert_eq!((sniffer.announcements(), sniffer.adverts()), (vec![], vec![]));
        lab.a.ip("link delete vrrp.51");
        a.wait_for("active");
        no_warning(&a, PATIENCE);
    });
}

#[test]
fn an_interface_that_is_deleted_is_back_and_counted() {
    on_every_nginx("deleted", |lab, carrier| {
        let (a, b) = start(lab, carrier, [v3(150), v3(100)]);
        assert_settled(&a, &[&b]);
        let transitions = (a.transitions(), b.transitions());

        lab.a.ip("link delete vrrp4.51");

        wait_until("it is back", SECOND, || lab.a.has(ADDRESS));
        eventually("it is counted", PATIENCE, || {
            let instance = a.instance()?;
            let lost = instance["addresses"][0]["lost"].as_u64();
            if lost == Some(1) { Ok(()) } else { Err(instance.to_string()) }
        });
        assert_settled(&a, &[&b]);
        assert_eq!((a.transitions(), b.transitions()), transitions);

        lab.a.delete_link();
        b.wait_for("active");
        lab.a.make_link();
        assert_settled(&a, &[&b]);
        assert_eq!(mac_of(lab, ADDRESS), MAC);
    });
}

/// RFC 9568 §5.2.9.
#[test]
fn over_ipv6_a_link_local_address_is_made_of_the_virtual_mac() {
    on_every_nginx("virtual MAC, IPv6", |lab, carrier| {
        lab.client.ip("address add 2001:db8::10/64 dev eth0 nodad");
        let sniffer = Sniffer::start(&lab.client);
        let started = Instant::now();
        let setups = [v6_without_link_local(150), v6_without_link_local(100)];
        let (a, b) = start(lab, carrier, setups);
        a.wait_for("active");
        b.wait_for("backup");

        let is_settled = |it: &Advert| it.mac == OCTETS_IPV6;
        let advert = sniffer.wait_for_advert("it advertises", started, PATIENCE, is_settled);
        let listed: Vec<_> = advert.addresses.iter().map(ToString::to_string).collect();
        assert_eq!(listed, ["fe80::200:5eff:fe00:233", "2001:db8::100"]);
        for address in &listed {
            let announced = sniffer.wait_for_announcement(address, started, PATIENCE);
            assert_eq!((announced.mac, announced.frame.1), (OCTETS_IPV6, OCTETS_IPV6));
        }
        let asked = lab.client.enter(|| {
            let socket = UdpSocket::bind("[::]:0").expect("a port is free");
            socket.send_to(b"?", "[2001:db8::100]:9")
        });
        asked.expect("the link is up");
        eventually("it is answered for", PATIENCE, || match known_mac(lab, "2001:db8::100") {
            Some(mac) if mac == "00:00:5e:00:02:33" => Ok(()),
            other => Err(format!("{other:?}")),
        });
        let own = lab.a.ip("-6 -o address show dev vrrp6.51");
        assert_eq!(own.lines().count(), 2, "nothing else is made of the virtual MAC: {own}");

        a.nginx.quit();
        b.wait_for("active");
    });
}

#[test]
fn an_owner_has_its_addresses_on_the_interface_too() {
    on_every_nginx("owner", |lab, carrier| {
        let (a, b) = start(lab, carrier, [v3(255), v3(100)]);
        assert_settled(&a, &[&b]);
        assert_eq!(mac_of(lab, ADDRESS), MAC);
    });
}

/// Starts a router on each host, with the virtual MAC.
fn start(lab: &Pair, carrier: &Carrier, setups: [Setup; 2]) -> (Router, Router) {
    let [a, b] = setups.map(|setup| setup.with("virtual_mac = true"));
    (Router::start(&lab.a, carrier, a), Router::start(&lab.b, carrier, b))
}

/// Has the client ask for an address, and returns what it is told.
fn mac_of(lab: &Pair, address: &str) -> String {
    lab.client.ip("neigh flush all");
    let server = format!("{address}:80");
    eventually("the address is answered for", PATIENCE, || {
        lab.client.get(&server, "/").map_err(|error| error.to_string())
    });
    known_mac(lab, address).expect("it was asked for")
}

/// Returns what the client knows.
fn known_mac(lab: &Pair, address: &str) -> Option<String> {
    let mut all = lab.client.neighbours().into_iter();
    all.find(|it| it.address.to_string() == address)?.mac
}

/// Returns what `ip` says of the interface of the virtual router; null if there is none.
fn macvlan(host: &Host) -> Value {
    let all = host.ip("-j -d link show type macvlan");
    let all: Value = serde_json::from_str(&all).unwrap_or_default();
    let mut all = all.as_array().into_iter().flatten();
    all.find(|it| it["ifname"] == "vrrp4.51").cloned().unwrap_or_default()
}

fn arp_settings(host: &Host) -> String {
    let names = ["arp_ignore", "arp_announce"];
    names.map(|name| host.exec("sysctl", &["-n", &format!("net.ipv4.conf.eth0.{name}")])).join(" ")
}

const MAC: &str = "00:00:5e:00:01:33";
const OCTETS: [u8; 6] = [0, 0, 0x5e, 0, 1, 0x33];
const OCTETS_IPV6: [u8; 6] = [0, 0, 0x5e, 0, 2, 0x33];
const SECOND: Duration = Duration::from_secs(1);
