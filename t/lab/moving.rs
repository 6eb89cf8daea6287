//! Addresses that move from one living host to another: what the kernel has meanwhile.

use std::thread;
use std::time::{Duration, Instant};

use harness::{Host, Sniffer, eventually, holds_for, wait_until};
use resty_vrrp::net::clock;

use crate::kernel::{claim, one_host, plan, start};

#[test]
fn what_is_yielded_stays_in_silence_until_its_time_is_over() {
    let (_lab, host) = one_host("yield");
    let kernel = start(&host, plan(&[&[VIP]]));
    claim(&kernel, &[0]);

    kernel.yield_until(0, clock::now() + HALF_SECOND);

    assert!(kernel.lingers(clock::now()));
    eventually("it is silent", TENTH, || silent(&host));
    holds_for("it stays", HALF_SECOND / 2, || {
        host.has(ADDRESS).then_some(()).ok_or("it is not here")
    });
    silent(&host).expect("it is silent still");
    wait_until("it goes", SECOND, || !host.has(ADDRESS));
    wait_until("the rules go", TENTH, || rules(&host).is_empty());
    assert!(!kernel.lingers(clock::now()));
}

#[test]
fn what_is_claimed_again_while_it_lingers_is_announced() {
    let (_lab, host) = one_host("claimed again");
    let kernel = start(&host, plan(&[&[VIP]]));
    claim(&kernel, &[0]);
    let sniffer = Sniffer::start(&host);
    kernel.yield_until(0, clock::now() + HALF_SECOND);
    eventually("it is silent", TENTH, || silent(&host));
    let again = Instant::now();

    kernel.claim(0, true);

    sniffer.wait_for_announcement(ADDRESS, again, TENTH);
    assert_eq!(rules(&host), "");
    thread::sleep(HALF_SECOND);
    assert!(host.has(ADDRESS));
}

#[test]
fn what_somebody_removes_while_it_lingers_is_not_put_back() {
    let (_lab, host) = one_host("removed while it lingers");
    let kernel = start(&host, plan(&[&[VIP]]));
    claim(&kernel, &[0]);
    kernel.yield_until(0, clock::now() + HALF_SECOND);

    host.ip(&format!("address del {VIP} dev eth0"));

    holds_for("it is away", HALF_SECOND, || (!host.has(ADDRESS)).then_some(()).ok_or("it is here"));
    assert_eq!(kernel.facts().routers[0].addresses[0].lost, 0);
}

#[test]
fn an_engine_that_hands_over_takes_what_lingers_with_it() {
    let (_lab, host) = one_host("abandoned while it lingers");
    let mut kernel = start(&host, plan(&[&[VIP], &["192.168.56.200/24"]]));
    claim(&kernel, &[0, 1]);
    kernel.yield_until(0, clock::now() + 20 * SECOND);

    kernel.abandon();

    wait_until("it is gone", TENTH, || !host.has(ADDRESS));
    assert!(host.has("192.168.56.200"));
}

#[test]
fn what_lingers_for_one_virtual_router_is_loud_for_another_that_claims_it() {
    let (_lab, host) = one_host("claimed by another");
    let kernel = start(&host, plan(&[&[VIP], &[VIP]]));
    claim(&kernel, &[0, 1]);

    kernel.yield_until(0, clock::now() + HALF_SECOND);

    holds_for("it is loud", HALF_SECOND, || match rules(&host) {
        none if none.is_empty() && host.has(ADDRESS) => Ok(()),
        rules => Err(rules),
    });
}

#[test]
fn what_is_not_for_us_is_relayed_for_a_time_and_never_to_ourselves() {
    let (_lab, host) = one_host("relay");
    let kernel = start(&host, plan(&[&[VIP], &["192.168.56.200/24"]]));
    let until = clock::now() + HALF_SECOND;
    kernel.relay(0, [192, 168, 56, 102].into(), until);
    kernel.relay(1, [192, 168, 56, 100].into(), until);
    assert_eq!(rules(&host), "");

    claim(&kernel, &[0, 1]);

    eventually("it is relayed", TENTH, || {
        let rules = rules(&host);
        if rules.contains(": 192.168.56.102 }") { Ok(()) } else { Err(rules) }
    });
    assert!(!rules(&host).contains("192.168.56.200"));
    wait_until("it is over", SECOND, || rules(&host).is_empty());
}

/// Of the host before an address of one family is known: the kernel is asked where that is.
#[test]
fn of_the_other_family_it_goes_to_the_hardware_address_if_the_host_says_it() {
    let (lab, host) = one_host("forward");
    let before = lab.host("worker-02", "192.168.56.102/24");
    let [one, two] = [[VIP, "2001:db8::1/64"], ["192.168.56.200/24", "2001:db8::2/64"]];
    let kernel = start(&host, plan(&[&one, &two]));
    let until = clock::now() + HALF_SECOND;
    kernel.relay(0, [192, 168, 56, 102].into(), until);
    // Nobody is there.
    kernel.relay(1, [192, 168, 56, 103].into(), until);

    claim(&kernel, &[0, 1]);

    let rules = rules(&host);
    let mac = before.mac().map(|octet| format!("{octet:02x}")).join(":");
    assert!(rules.contains("netdev") && rules.contains(&format!(": {mac} }}")), "{rules}");
    assert!(!rules.contains("2001:db8::2"), "{rules}");
}

/// Tells whether the rules keep the host quiet about the address.
fn silent(host: &Host) -> Result<(), String> {
    let rules = rules(host);
    let silent = rules.contains("table arp") && rules.contains("192.168.56.100 : 192.168.56.101");
    if silent { Ok(()) } else { Err(rules) }
}

fn rules(host: &Host) -> String {
    host.exec("nft", &["list", "ruleset"])
}

const VIP: &str = "192.168.56.100/24";
const ADDRESS: &str = "192.168.56.100";
const TENTH: Duration = Duration::from_millis(100);
const HALF_SECOND: Duration = Duration::from_millis(500);
const SECOND: Duration = Duration::from_secs(1);
