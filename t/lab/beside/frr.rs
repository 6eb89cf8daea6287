//! With FRR as the peer.

use harness::{Frr, FrrConfig, Role, eventually, holds_for};

use crate::pair::on_every_nginx;
use crate::router::{PATIENCE, Router, SLACK, Setup, v2, v3, v6, v6_without_link_local};

#[test]
fn version_3_we_lead_and_frr_follows() {
    we_lead_and_follow(v3(150), v3(100));
}

#[test]
fn version_2_we_lead_and_frr_follows() {
    we_lead_and_follow(v2(150), v2(100));
}

#[test]
fn version_3_frr_leads_and_we_follow() {
    they_lead_and_we_follow(v3(150), v3(100));
}

#[test]
fn version_2_frr_leads_and_we_follow() {
    they_lead_and_we_follow(v2(150), v2(100));
}

#[test]
fn over_ipv6_we_lead_and_frr_follows() {
    we_lead_and_follow(v6(150), v6(100));
}

#[test]
fn over_ipv6_frr_leads_and_we_follow_without_a_link_local_address() {
    they_lead_and_we_follow(v6_without_link_local(150), v6_without_link_local(100));
}

/// FRR always has the virtual MAC, so both send from the same.
#[test]
fn with_the_virtual_mac_we_lead_and_frr_follows() {
    we_lead_and_follow(v3(150).with(VIRTUAL_MAC), v3(100));
}

#[test]
fn with_the_virtual_mac_frr_leads_and_we_follow_over_ipv6_too() {
    they_lead_and_we_follow(v3(150), v3(100).with(VIRTUAL_MAC));
    they_lead_and_we_follow(v6(150), v6(100).with(VIRTUAL_MAC));
}

/// FRR sends the pseudo-header, and insists on it.
#[test]
fn a_checksum_over_the_message_alone_is_refused_by_frr_and_theirs_by_us() {
    on_every_nginx("FRR, other checksum", |lab, carrier| {
        let theirs = Frr::start(&lab.b, like(v3(100)));
        let ours = Router::start(&lab.a, carrier, v3(150).with("checksum = 'rfc9568'"));

        ours.wait_for("active");
        ours.wait_until_counted("checksum");
        assert_eq!(theirs.state().as_deref(), Some("Master"), "{}", theirs.log());
    });
}

fn we_lead_and_follow(high: Setup, low: Setup) {
    on_every_nginx("we lead FRR", |lab, carrier| {
        let theirs = Frr::start(&lab.b, like(low));
        let ours = Router::start(&lab.a, carrier, high);
        assert_settled(&ours, "active", &theirs, "Backup");

        ours.nginx.quit();
        becomes(&theirs, "Master");

        ours.nginx.launch().expect("it starts again");
        assert_settled(&ours, "active", &theirs, "Backup");

        ours.nginx.kill9(Role::All);
        becomes(&theirs, "Master");
    });
}

fn they_lead_and_we_follow(high: Setup, low: Setup) {
    on_every_nginx("FRR leads", |lab, carrier| {
        let ours = Router::start(&lab.a, carrier, low);
        ours.wait_for("active");
        let mut theirs = Frr::start(&lab.b, like(high));
        assert_settled(&ours, "backup", &theirs, "Master");

        theirs.stop();
        ours.wait_for("active");
        assert_eq!(ours.instance().expect("it answers")["reason"], "resigned");
        drop(theirs);

        let mut theirs = Frr::start(&lab.b, like(high));
        assert_settled(&ours, "backup", &theirs, "Master");

        theirs.kill9();
        ours.wait_for("active");
        assert_eq!(ours.instance().expect("it answers")["reason"], "no_response");
        let counters = &ours.instance().expect("it answers")["counters"];
        assert_eq!(counters["errors"]["checksum"], 0, "{counters}");
        assert_eq!(counters["errors"]["address_list"], 0, "{counters}");
        ours.nginx.assert_no_complaints();
    });
}

const VIRTUAL_MAC: &str = "virtual_mac = true";

/// Configures FRR as a router of ours is.
pub(super) fn like(setup: Setup) -> FrrConfig {
    let Setup { version, priority, interval_ms, addresses, .. } = setup;
    FrrConfig { version, priority, interval_ms, addresses }
}

#[track_caller]
fn becomes(theirs: &Frr, wanted: &str) {
    eventually(&format!("FRR is {wanted}"), PATIENCE, || match theirs.state() {
        Some(state) if state == wanted => Ok(()),
        other => Err(format!("{other:?}")),
    });
}

/// Waits until each is what it should be, and checks that it stays so.
#[track_caller]
fn assert_settled(ours: &Router, here: &str, theirs: &Frr, there: &str) {
    ours.wait_for(here);
    becomes(theirs, there);
    holds_for("one router is active", 3 * SLACK, || match (ours.state(), theirs.state()) {
        (is, Some(state)) if is == here && state == there => Ok(()),
        other => Err(format!("{other:?}")),
    });
}
