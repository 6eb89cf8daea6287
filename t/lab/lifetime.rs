//! How long the kernel keeps an address of ours, and what it costs to keep it longer.

use std::time::{Duration, Instant};

use harness::{AddressWatch, Host, eventually, wait_until};
use resty_vrrp::config::Config;
use resty_vrrp::net::clock;
use resty_vrrp::runtime::kernel::KernelPlan;

use crate::kernel::{claim, one_host, plan, start};

#[test]
fn an_address_is_refreshed_at_most_every_other_second() {
    let (_lab, host) = one_host("refreshes");
    let many: Vec<_> = (1..=250).map(|octet| format!("10.0.0.{octet}/24")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let kernel = start(&host, with_the_usual_lifetime(&many));
    claim(&kernel, &[0]);
    let watch = AddressWatch::start(&host);

    let began = Instant::now();
    let span = Duration::from_secs(10);
    wait_until("time has passed", span * 2, || began.elapsed() >= span);

    let events = watch.all_since(began);
    println!("250 addresses: {} events in {span:?}", events.len());
    assert!(events.iter().all(|event| !event.removed), "an address went");
    // A refresh every second is 2,500.
    assert!(events.len() <= 1_250, "{} events", events.len());
    let longest = longest_pause(&watch, began, "10.0.0.1");
    assert!(longest < Duration::from_millis(2_500), "{longest:?} without a refresh");
    assert_eq!(kernel.facts().routers[0].addresses.iter().filter(|it| it.lost > 0).count(), 0);
}

#[test]
fn an_address_that_has_expired_all_the_same_is_back_at_once() {
    let (_lab, host) = one_host("expired");
    let kernel = start(&host, with_the_usual_lifetime(&[VIP]));
    claim(&kernel, &[0]);
    let watch = AddressWatch::start(&host);
    for _ in 0..3 {
        let refreshed = Instant::now();
        wait_until("it is refreshed", SECOND * 4, || {
            watch.since(refreshed, BARE).iter().any(|event| !event.removed)
        });
        let shortened = Instant::now();

        host.ip(&format!("address change {VIP} dev eth0 valid_lft 1 preferred_lft 1"));

        let gone = watch.wait_for_removal(shortened, BARE, SECOND * 3);
        let back = eventually("it is back", SECOND, || {
            let after = watch.since(gone, BARE).into_iter().find(|event| !event.removed);
            after.ok_or("it is away")
        });
        println!("expired: back after {:.1?}", back.at - gone);
        assert!(back.at - gone < Duration::from_millis(100), "after {:?}", back.at - gone);
    }
    assert!(kernel.facts().routers[0].addresses[0].ours);
}

#[test]
fn what_is_handed_over_lives_for_as_long_as_the_kernel_may_keep_the_next_engine_waiting() {
    let (_lab, host) = one_host("handed over");
    let mut old = start(&host, with_the_usual_lifetime(&[VIP]));
    claim(&old, &[0]);
    // The election stands by its claim, until another engine has the routers.
    old.confirm(clock::now());

    old.abandon();

    eventually("it lives long", SECOND, || {
        let left = seconds_left(&host);
        if (9..=10).contains(&left) { Ok(()) } else { Err(format!("{left} s left")) }
    });
    let new = start(&host, with_the_usual_lifetime(&[VIP]));
    new.confirm(clock::now());
    claim(&new, &[0]);
    eventually("it lives as long as usual", SECOND, || {
        let left = seconds_left(&host);
        if left <= 4 { Ok(()) } else { Err(format!("{left} s left")) }
    });
}

#[test]
fn an_engine_that_is_late_to_hand_over_refreshes_nothing() {
    let (_lab, host) = one_host("late");
    let mut old = start(&host, with_the_usual_lifetime(&[VIP]));
    claim(&old, &[0]);
    let confirmed = Instant::now();
    old.confirm(clock::now());
    wait_until("it is late", SECOND, || confirmed.elapsed() > Duration::from_millis(400));

    old.abandon();

    wait_until("it expires", SECOND * 6, || !host.has(BARE));
}

fn with_the_usual_lifetime(addresses: &[&str]) -> KernelPlan {
    let options = r#"{ "instances": [{ "name": "VI_1", "interface": "eth0", "vrid": 51,
        "addresses": ["192.0.2.1/24"] }] }"#;
    let config = Config::from_json(options).expect("the options are right");
    KernelPlan { lifetime: config.address_lifetime, ..plan(&[addresses]) }
}

fn longest_pause(watch: &AddressWatch, since: Instant, address: &str) -> Duration {
    let moments = watch.since(since, address).into_iter().map(|event| event.at);
    let moments: Vec<_> = [since].into_iter().chain(moments).collect();
    moments.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
}

fn seconds_left(host: &Host) -> u32 {
    let shown = host.ip("-4 -o address show dev eth0");
    let ours = shown.lines().find(|line| line.contains(VIP)).unwrap_or_default();
    let left = ours.split_once("valid_lft ").and_then(|(_, rest)| rest.split_once("sec"));
    left.and_then(|(seconds, _)| seconds.parse().ok()).unwrap_or_default()
}

const VIP: &str = "192.168.56.100/24";
const BARE: &str = "192.168.56.100";
const SECOND: Duration = Duration::from_secs(1);
