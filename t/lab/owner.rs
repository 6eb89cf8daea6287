//! The owner of the address: it is the only real one of its host, and comes back.

use std::time::{Duration, Instant};

use harness::{Host, Lab, Role, Sniffer, carriers, eventually, holds_for};

use crate::router::{ADDRESS, PATIENCE, Router, SLACK, Setup, v2, v3};

#[test]
fn an_owner_that_gets_its_link_back_is_heard_by_the_router_that_took_over() {
    comes_back(v3, |a| a.host.unplug(), |a| a.host.plug());
}

#[test]
fn an_owner_of_version_2_that_gets_its_link_back_is_heard_too() {
    comes_back(v2, |a| a.host.unplug(), |a| a.host.plug());
}

#[test]
fn an_owner_whose_nginx_was_killed_is_heard_when_it_starts_again() {
    comes_back(v3, kill, launch);
}

#[test]
fn an_owner_of_version_2_whose_nginx_was_killed_is_heard_too() {
    comes_back(v2, kill, launch);
}

/// Has an owner go and come back, twice.
fn comes_back(version: fn(u8) -> Setup, go: fn(&Router), come: fn(&Router)) {
    for carrier in carriers() {
        let lab = Lab::new(&format!("owner, {}", carrier.version));
        let (client, owner, heir) = hosts(&lab);
        let setup = version(100);
        let a = Router::start(&owner, carrier, version(255));
        let b = Router::start(&heir, carrier, setup);
        assert_owned(&a, &b);
        for _ in 0..2 {
            go(&a);
            b.wait_for("active");
            let sniffer = Sniffer::start(&client);
            let back = Instant::now();

            come(&a);

            let first = sniffer.wait_for_advert("it is back", back, PATIENCE, is_owners);
            let interval = Duration::from_millis(u64::from(setup.interval_ms));
            eventually("there is one owner", interval + SLACK, || is_owned(&a, &b));
            assert!(first.at.elapsed() < interval + SLACK, "{:?}", first.at.elapsed());
            assert_owned(&a, &b);
        }
        a.nginx.assert_no_complaints();
    }
}

fn hosts(lab: &Lab) -> (Host, Host, Host) {
    (
        lab.host("client", "192.168.56.10/24"),
        lab.host("worker-01", "192.168.56.100/24"),
        lab.host("worker-02", "192.168.56.102/24"),
    )
}

fn kill(router: &Router) {
    router.nginx.kill9(Role::All);
}

fn launch(router: &Router) {
    router.nginx.launch().expect("it starts again");
}

fn is_owners(advert: &harness::Advert) -> bool {
    advert.priority == 255
}

#[track_caller]
fn assert_owned(a: &Router, b: &Router) {
    eventually("the owner is active", PATIENCE, || is_owned(a, b));
    holds_for("the owner is active", Duration::from_millis(1_500), || is_owned(a, b));
}

fn is_owned(a: &Router, b: &Router) -> Result<(), String> {
    let (owner, heir) = (a.state(), b.state());
    let is_right = owner == "active" && heir == "backup" && !b.host.has(ADDRESS);
    if is_right { Ok(()) } else { Err(format!("owner {owner}, heir {heir}")) }
}
