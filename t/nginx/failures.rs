//! A part of the engine fails: what becomes of its addresses, of nginx, and of the engine.

use std::time::{Duration, Instant};

use harness::{Nginx, eventually, holds_for};
use serde_json::Value;

use crate::pair::{ADDRESS, INTERVAL, PATIENCE, Pair, on_every_fallible_pair};
use crate::{get, logs, lua};

#[test]
fn a_failure_of_the_thread_vrrp_costs_a_failover_and_is_got_over() {
    fails_and_recovers("vrrp", "");
}

#[test]
fn a_failure_of_the_thread_vrrp_net_costs_a_failover_and_is_got_over() {
    fails_and_recovers("vrrp-net", "the thread vrrp-net has ended: ");
}

#[test]
fn a_failure_of_the_probe_costs_a_failover_and_is_got_over() {
    fails_and_recovers("probe", "");
}

#[test]
fn an_engine_that_goes_on_failing_is_tried_ever_less_often_and_disturbs_nobody() {
    on_every_fallible_pair("again and again", OPTIONS, |pair, _| {
        fail(pair, "vrrp", "panic", "panic: failpoint vrrp panic");
        let start = Instant::now();

        logs(&pair.one.nginx, "failed, next attempt in 4s");

        let log = pair.one.nginx.error_log();
        assert_eq!(log.matches("failed, next attempt").count(), 3, "{log}");
        let adverts = pair.sniffer.adverts_since(start);
        let strange = adverts.iter().find(|advert| advert.source != pair.two.source());
        assert_eq!(strange, None, "it fails before it claims anything");
        nobody_died(&pair.one.nginx);
    });
}

#[test]
fn a_drained_node_stays_drained_after_a_failure_and_remembers_what_was() {
    on_every_fallible_pair("drained", "", |pair, _| {
        let node = &pair.one;
        assert_eq!(lua(&node.host, "return vrrp.drain()"), "true");
        let before = node.wait_for("initialize");

        node.nginx.failpoints().arm("vrrp", "panic");
        node.wait_for("fault");
        node.nginx.failpoints().disarm("vrrp");

        let after = node.wait_for("initialize");
        assert_eq!(after["node"]["draining"], true);
        let [before, after] = [before, after].map(|status| status["instances"][0].clone());
        let reasons = |instance: &Value| {
            let history = instance["history"].as_array().expect("a list").iter();
            history.map(|it| it["reason"].to_string()).collect::<Vec<_>>()
        };
        let [before, after] = [before, after].map(|instance| reasons(&instance));
        assert!(after.starts_with(&before), "{before:?}, {after:?}");
        holds_for("it stays away", INTERVAL * 8, || {
            if node.host.has(ADDRESS) { Err("it has the address") } else { Ok(()) }
        });
    });
}

/// A part of the first node's engine panics, and is put right, then it returns an error.
fn fails_and_recovers(point: &str, whose: &str) {
    on_every_fallible_pair(point, OPTIONS, |pair, _| {
        let failures = [
            ("panic", format!("{whose}panic: failpoint {point} panic"), "1s"),
            ("return(no luck)", format!("{whose}no luck"), "2s"),
        ];
        for (actions, said, pause) in failures {
            fail(pair, point, actions, &said);
            logs(&pair.one.nginx, &format!("failed, next attempt in {pause}: {said}"));
            recover(pair, point);
        }
    });
}

/// Lets a part of the first node's engine fail, and sees that the second node takes over, and that
/// nginx serves on and says what has failed.
#[track_caller]
fn fail(pair: &Pair, point: &str, actions: &str, said: &str) {
    let Pair { one, two, sniffer, .. } = pair;
    let carrier = one.nginx.carrier_pid();
    let start = Instant::now();
    one.nginx.failpoints().arm(point, actions);
    // Otherwise the thread vrrp-net would have nothing to look at.
    one.host.ip("address add 192.0.2.1/32 dev lo");
    one.host.ip("address delete 192.0.2.1/32 dev lo");

    let resigned = sniffer.wait_for_advert("the first node resigns", start, PATIENCE, |advert| {
        advert.priority == 0 && advert.source == one.source()
    });
    let gone = one.addresses.wait_for_removal(start, ADDRESS, PATIENCE);
    let claimed = sniffer.wait_for_advert("the second takes over", start, PATIENCE, |advert| {
        advert.source == two.source()
    });

    let (gone, claimed) = (gone - start, claimed.at - resigned.at);
    let resigned = resigned.at - start;
    println!("{point}: resigned {resigned:.1?}, gone {gone:.1?}, taken over after {claimed:.1?}");
    assert!(gone < resigned + SOON, "gone {gone:?}, resigned {resigned:?}");
    assert!(claimed < ACTIVE_DOWN_INTERVAL, "it has not waited for silence: {claimed:?}");
    two.wait_for("active");
    let health = eventually("the failure is told", PATIENCE, || {
        let health = get(&one.host, "/ha/healthz");
        if health.body.contains(said) { Ok(health) } else { Err(health.body) }
    });
    assert_eq!(health.status, 503);
    let status = one.wait_for("fault");
    assert_eq!(status["node"]["healthy"], false);
    let instance = &status["instances"][0];
    assert_eq!(instance["reason"], "engine_not_running");
    let told = instance["warnings"][0]["text"].as_str();
    assert!(told.is_some_and(|told| told.contains(said)), "{instance}");
    assert_eq!(instance["addresses"][0]["assigned"], false);
    assert_eq!(get(&one.host, "/").status, 200);
    assert_eq!(one.nginx.carrier_pid(), carrier, "nginx has not started another one");
}

/// Puts right what failed, and sees that the first node comes back by itself.
#[track_caller]
fn recover(pair: &Pair, point: &str) {
    pair.one.nginx.failpoints().disarm(point);
    pair.one.wait_for("active");
    pair.wait_until_settled();
    assert_eq!(get(&pair.one.host, "/ha/healthz").status, 200);
    nobody_died(&pair.one.nginx);
}

/// Checks that no process of nginx has ended.
#[track_caller]
pub(crate) fn nobody_died(nginx: &Nginx) {
    let log = nginx.error_log();
    for words in ["exited with", "exited on signal"] {
        assert!(!log.contains(words), "{log}");
    }
}

/// There is a probe, and an address that nobody removes stays for a minute.
const OPTIONS: &str = "address_lifetime_s = 60,
    health = { probe = { url = 'http://127.0.0.1/', interval_ms = 100 } },";
/// The second node's.
const ACTIVE_DOWN_INTERVAL: Duration = Duration::from_millis(361);
pub(crate) const SOON: Duration = Duration::from_secs(1);
