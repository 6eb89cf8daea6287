//! With real keepalived as the peer.

use std::time::Instant;

use harness::{
    Checksum, Keepalived, KeepalivedConfig, KeepalivedState, Owners, Probe, Role, Sniffer,
    eventually, holds_for,
};

use crate::pair::{Pair, on_every_nginx};
use crate::router::{
    ADDRESS, PATIENCE, Router, SERVICE, SLACK, Setup, v2, v3, v6, v6_without_link_local,
};

/// Configures keepalived as a router of ours is.
pub(crate) fn like(setup: Setup) -> KeepalivedConfig {
    KeepalivedConfig {
        version: setup.version,
        priority: setup.priority,
        advert_int: format!("{}", f64::from(setup.interval_ms) / 1000.0),
        addresses: setup.addresses.iter().map(|&it| it.to_owned()).collect(),
        ..KeepalivedConfig::default()
    }
}

/// Waits until we are active and keepalived is not, and checks that it stays so.
#[track_caller]
fn assert_ours(ours: &Router, theirs: &Keepalived, lab: &Pair) {
    ours.wait_for("active");
    assert_stays(ours, theirs, lab, ("active", KeepalivedState::Backup));
}

/// Waits until keepalived is active and we are not, and checks that it stays so.
#[track_caller]
pub(crate) fn assert_theirs(ours: &Router, theirs: &Keepalived, lab: &Pair) {
    ours.wait_for("backup");
    assert_stays(ours, theirs, lab, ("backup", KeepalivedState::Master));
}

#[track_caller]
fn assert_stays(ours: &Router, theirs: &Keepalived, lab: &Pair, wanted: (&str, KeepalivedState)) {
    let right = || {
        let (here, there) = (ours.state(), theirs.state());
        let owners = (lab.a.has(ours.address), lab.b.has(ours.address));
        let one = owners == (wanted.0 == "active", wanted.0 != "active");
        if one && here == wanted.0 && there == Some(wanted.1) {
            Ok(())
        } else {
            Err(format!("ours {here}, theirs {there:?}, owners {owners:?}"))
        }
    };
    eventually("one router is active", PATIENCE, right);
    holds_for("one router is active", 3 * SLACK, right);
}

fn we_lead_and_follow(setups: (Setup, Setup), instance: &str) {
    let (high, low) = setups;
    on_every_nginx("we lead and follow", |lab, carrier| {
        lab.set_ipv6();
        let config = KeepalivedConfig { instance: instance.to_owned(), ..like(low) };
        let theirs = Keepalived::start(&lab.b, &config);
        let ours = Router::start(&lab.a, carrier, high);
        assert_ours(&ours, &theirs, lab);

        let sniffer = Sniffer::start(&lab.b);
        let start = Instant::now();
        let (owners, ()) = Owners::of(ours.address, &[&lab.a, &lab.b], || {
            ours.nginx.quit();
            eventually("keepalived takes over", PATIENCE, || match theirs.state() {
                Some(KeepalivedState::Master) if lab.b.has(ours.address) => Ok(()),
                other => Err(format!("{other:?}")),
            });
        });
        sniffer.wait_for_advert("we resign", start, PATIENCE, |it| it.priority == 0);
        assert!(owners.longest(|count| count != 1) < low.skew_time() + SLACK, "{owners:?}");

        ours.nginx.launch().expect("it starts again");
        assert_ours(&ours, &theirs, lab);

        let errors = &ours.instance().expect("it answers")["counters"]["errors"];
        assert_eq!((&errors["ttl"], &errors["auth"]), (&0.into(), &0.into()), "{errors}");

        ours.nginx.kill9(Role::All);
        eventually("keepalived takes over", PATIENCE, || match theirs.state() {
            Some(KeepalivedState::Master) if lab.b.has(ours.address) => Ok(()),
            other => Err(format!("{other:?}")),
        });
        let mut sent = sniffer.adverts();
        sent.retain(|it| it.priority != low.priority);
        assert!(sent.iter().any(|it| it.priority == 0), "the guard resigns, too");
        assert!(sent.iter().all(|it| it.ttl == 255), "{sent:?}");
    });
}

fn they_lead_and_we_follow(setups: (Setup, Setup), instance: &str) {
    let (high, low) = setups;
    on_every_nginx("they lead", |lab, carrier| {
        lab.set_ipv6();
        let config = KeepalivedConfig { instance: instance.to_owned(), ..like(high) };
        let ours = Router::start(&lab.a, carrier, low);
        ours.wait_for("active");
        let mut theirs = Keepalived::start(&lab.b, &config);
        assert_theirs(&ours, &theirs, lab);
        let probe = Probe::start(&lab.client, "192.168.56.101:80", "/");

        let (owners, ()) = Owners::of(ours.address, &[&lab.a, &lab.b], || {
            theirs.stop();
            ours.wait_for("active");
        });
        assert!(owners.longest(|count| count != 1) < low.skew_time() + SLACK, "{owners:?}");
        assert_eq!(ours.instance().expect("it answers")["reason"], "resigned");

        let mut theirs = Keepalived::start(&lab.b, &config);
        assert_theirs(&ours, &theirs, lab);

        let start = Instant::now();
        theirs.kill9();
        ours.wait_for("active");
        assert!(start.elapsed() < low.active_down_interval() + SLACK);
        assert_eq!(ours.instance().expect("it answers")["reason"], "no_response");
        assert!(probe.finish().failures().is_empty(), "nginx itself has served all the time");
        ours.nginx.assert_no_complaints();
    });
}

#[test]
fn version_3_we_lead_and_keepalived_follows() {
    we_lead_and_follow((v3(150), v3(100)), "");
}

#[test]
fn version_2_we_lead_and_keepalived_follows() {
    we_lead_and_follow((v2(150), v2(100)), "");
}

#[test]
fn over_ipv6_we_lead_and_keepalived_follows() {
    we_lead_and_follow((v6(150), v6(100)), "");
}

#[test]
fn over_ipv6_we_lead_and_keepalived_follows_without_a_link_local_address() {
    we_lead_and_follow((v6_without_link_local(150), v6_without_link_local(100)), "");
}

#[test]
fn over_ipv6_keepalived_leads_and_we_follow() {
    they_lead_and_we_follow((v6(150), v6(100)), "");
}

#[test]
fn version_3_keepalived_leads_and_we_follow() {
    they_lead_and_we_follow((v3(150), v3(100)), "");
}

#[test]
fn version_2_keepalived_leads_and_we_follow() {
    they_lead_and_we_follow((v2(150), v2(100)), "");
}

#[test]
fn with_the_virtual_mac_we_lead_and_keepalived_follows() {
    we_lead_and_follow((v3(150).with(VIRTUAL_MAC), v3(100)), "use_vmac");
}

#[test]
fn with_the_virtual_mac_keepalived_leads_and_we_follow() {
    they_lead_and_we_follow((v3(150), v3(100).with(VIRTUAL_MAC)), "use_vmac");
}

#[test]
fn with_the_virtual_mac_keepalived_leads_over_ipv6_and_we_follow() {
    they_lead_and_we_follow((v6(150), v6(100).with(VIRTUAL_MAC)), "use_vmac");
}

/// The kernel keeps from such a keepalived what comes from the virtual MAC.
#[test]
fn with_the_virtual_mac_a_keepalived_that_advertises_as_its_host_hears_us_if_we_do_so_too() {
    let like_theirs = "virtual_mac = true, advert_mac = 'interface'";
    we_lead_and_follow((v3(150).with(like_theirs), v3(100)), "use_vmac\nvmac_xmit_base");
}

#[test]
fn with_the_virtual_mac_we_lead_over_ipv6_and_keepalived_follows() {
    we_lead_and_follow((v6(150).with(VIRTUAL_MAC), v6(100)), "use_vmac");
}

#[test]
fn version_3_we_lead_and_keepalived_follows_one_by_one() {
    we_lead_and_follow((v3(150).with(TO_KEEPALIVED), v3(100)), &to_us("192.168.56.10"));
}

#[test]
fn version_2_keepalived_leads_and_we_follow_one_by_one() {
    they_lead_and_we_follow((v2(150), v2(100).with(TO_KEEPALIVED)), &to_us("192.168.56.10"));
}

#[test]
fn version_3_keepalived_leads_and_we_follow_one_by_one() {
    they_lead_and_we_follow((v3(150), v3(100).with(TO_KEEPALIVED)), &to_us("192.168.56.10"));
}

#[test]
fn version_2_we_lead_and_keepalived_follows_one_by_one() {
    we_lead_and_follow((v2(150).with(TO_KEEPALIVED), v2(100)), &to_us("192.168.56.10"));
}

#[test]
fn with_a_password_we_lead_and_keepalived_follows() {
    we_lead_and_follow((v2(150).with(SECRET), v2(100)), PASSWORD);
}

#[test]
fn with_a_password_keepalived_leads_and_we_follow() {
    they_lead_and_we_follow((v2(150), v2(100).with(SECRET)), PASSWORD);
}

const SECRET: &str = "auth = { type = 'simple', secret = 's3cret' }";
const PASSWORD: &str = "authentication {\n auth_type PASS\n auth_pass s3cret\n }";

#[test]
fn over_ipv6_we_lead_and_keepalived_follows_one_by_one() {
    let instance = to_us("fe80::10") + "\nunicast_ttl 255";
    we_lead_and_follow((v6(150).with("peers = { 'fe80::102' }"), v6(100)), &instance);
}

/// Unless it is told to, keepalived sends with the Hop Limit of the kernel over IPv6, which is 64.
#[test]
fn over_ipv6_keepalived_leads_and_we_follow_one_by_one() {
    let to_keepalived = "peers = { '2001:db8::102' }, min_hop_limit = 64";
    let low = v6_without_link_local(100).with(to_keepalived);
    they_lead_and_we_follow((v6_without_link_local(150), low), &to_us("2001:db8::10"));
}

/// keepalived accepts any Time to Live of a peer, and sends the one that it is told to.
#[test]
fn a_keepalived_that_sends_with_another_time_to_live_is_heard_where_that_is_allowed() {
    on_every_nginx("time to live", |lab, carrier| {
        let instance = to_us("192.168.56.10") + "\nunicast_ttl 64";
        let theirs = Keepalived::start(&lab.b, &KeepalivedConfig { instance, ..like(v3(150)) });
        let more = "peers = { '192.168.56.102' }, min_hop_limit = 64, hop_limit = 32";
        let ours = Router::start(&lab.a, carrier, v3(100).with(more));

        assert_theirs(&ours, &theirs, lab);
    });
}

const VIRTUAL_MAC: &str = "virtual_mac = true";
const TO_KEEPALIVED: &str = "peers = { '192.168.56.102' }";

/// Has keepalived speak from one address to the other, which both begin alike.
fn to_us(begin: &str) -> String {
    format!("unicast_src_ip {begin}2\n check_unicast_src\n unicast_peer {{\n {begin}1\n }}")
}

#[test]
fn a_client_follows_when_keepalived_dies_and_leaves_its_address_behind() {
    on_every_nginx("left behind", |lab, carrier| {
        let ours = Router::start(&lab.a, carrier, v3(100));
        let mut theirs = Keepalived::start(&lab.b, &like(v3(150)));
        assert_theirs(&ours, &theirs, lab);
        let probe = Probe::start(&lab.client, SERVICE, "/");

        theirs.kill9();

        probe.wait_for("worker-01", PATIENCE);
        assert!(lab.b.has(ADDRESS), "keepalived leaves it");
    });
}

#[test]
fn neither_preempts_when_told_not_to() {
    on_every_nginx("no preempt", |lab, carrier| {
        let ours = Router::start(&lab.a, carrier, v3(100));
        ours.wait_for("active");
        let gentle = KeepalivedConfig { preempt: false, ..like(v3(150)) };
        let theirs = Keepalived::start(&lab.b, &gentle);
        assert_ours(&ours, &theirs, lab);
        ours.nginx.quit();
        drop((ours, theirs));

        let theirs = Keepalived::start(&lab.b, &like(v3(100)));
        eventually("keepalived is active", PATIENCE, || {
            theirs.state().filter(|it| *it == KeepalivedState::Master).ok_or("no")
        });
        let ours = Router::start(&lab.a, carrier, v3(150).with("preempt = false"));
        assert_theirs(&ours, &theirs, lab);
    });
}

#[test]
fn the_checksum_is_by_itself_the_one_that_keepalived_insists_on() {
    on_every_nginx("checksum", |lab, carrier| {
        let sniffer = Sniffer::start(&lab.client);
        let theirs = Keepalived::start(&lab.b, &like(v3(100)));
        let ours = Router::start(&lab.a, carrier, v3(150));
        assert_ours(&ours, &theirs, lab);

        let start = Instant::now();
        let advert = sniffer.wait_for_advert("ours", start, PATIENCE, |it| it.priority == 150);
        assert_eq!(advert.checksum, Checksum::PseudoHeader);
        assert_eq!((advert.ttl, advert.mac), (255, lab.a.mac()));
        assert_eq!(ours.instance().expect("it answers")["counters"]["errors"]["checksum"], 0);
        assert!(!theirs.log().contains("hecksum"), "{}", theirs.log());
    });
}

#[test]
fn a_checksum_that_keepalived_refuses_shows_on_both_sides() {
    on_every_nginx("other checksum", |lab, carrier| {
        let theirs = Keepalived::start(&lab.b, &like(v3(100)));
        let ours = Router::start(&lab.a, carrier, v3(150).with("checksum = 'rfc9568'"));

        ours.wait_for("active");
        ours.wait_until_counted("checksum");
        assert_eq!(theirs.state(), Some(KeepalivedState::Master), "it hears nothing valid");
        assert!(theirs.log().contains("Invalid VRRPv3 checksum"), "{}", theirs.log());
    });
}

#[test]
fn other_addresses_on_the_peer_are_counted_and_not_fatal() {
    on_every_nginx("other addresses", |lab, carrier| {
        let more = vec![format!("{ADDRESS}/24"), "192.168.56.99/24".to_owned()];
        let config = KeepalivedConfig { addresses: more, ..like(v3(150)) };
        let theirs = Keepalived::start(&lab.b, &config);
        let ours = Router::start(&lab.a, carrier, v3(100));

        assert_theirs(&ours, &theirs, lab);
        let errors = &ours.instance().expect("it answers")["counters"]["errors"];
        assert!(errors["address_list"].as_u64() > Some(0), "{errors}");
    });
}

#[test]
fn a_keepalived_with_our_vrid_and_other_addresses_takes_nothing_from_us() {
    on_every_nginx("stranger", |lab, carrier| {
        let ours = Router::start(&lab.a, carrier, v3(150));
        ours.wait_for("active");
        let probe = Probe::start(&lab.client, SERVICE, "/");
        let (transitions, before) = (ours.transitions(), announcements(&ours));

        let mut theirs = Keepalived::start(
            &lab.b,
            &KeepalivedConfig {
                priority: 200,
                advert_int: "0.01".to_owned(),
                addresses: vec!["192.168.56.77/24".to_owned()],
                ..KeepalivedConfig::default()
            },
        );
        eventually("it is named", PATIENCE, || match warning(&ours) {
            Some((name, text)) if name == "vrid_conflict" && text.contains("192.168.56.102") => {
                Ok(())
            }
            other => Err(format!("{other:?}")),
        });
        holds_for("we are active", 2 * SLACK, || match ours.state().as_str() {
            "active" if lab.a.has(ADDRESS) => Ok(()),
            other => Err(other.to_owned()),
        });

        assert_eq!(theirs.state(), Some(KeepalivedState::Master));
        assert_eq!((ours.transitions(), announcements(&ours)), (transitions, before));
        assert!(probe.finish().failures().is_empty(), "nobody notices");
        theirs.stop();
        eventually("it is forgotten", PATIENCE, || match warning(&ours) {
            None => Ok(()),
            other => Err(format!("{other:?}")),
        });
    });
}

/// Returns the first warning of the instance: its name and its text.
fn warning(router: &Router) -> Option<(String, String)> {
    let instance = router.instance().expect("nginx answers");
    let first = &instance["warnings"][0];
    Some((first["name"].as_str()?.to_owned(), first["text"].as_str()?.to_owned()))
}

/// Returns how often the addresses were announced, once the first announcements are over.
fn announcements(router: &Router) -> u64 {
    let count =
        || router.instance().expect("nginx answers")["counters"]["announcements_sent"].as_u64();
    eventually("it has announced as often as it does at first", PATIENCE, || match count() {
        Some(count) if count >= 3 => Ok(()),
        other => Err(format!("{other:?}")),
    });
    count().expect("it is a number")
}
