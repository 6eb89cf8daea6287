//! Random trouble: whatever happens, in whatever order, the [oracle](crate::oracle) must be
//! content, and once it stops, the right router must be Active.
//!
//! Every seed runs twice, and the two runs must agree on everything that every host did.

use std::env;
use std::net::Ipv4Addr;
use std::ops::Range;
use std::time::Duration;

use resty_vrrp::config::InstanceConfig;
use resty_vrrp::proto::{Health, LinkCarrier};
use resty_vrrp::types::Family;

use crate::host::{Condition, Host};
use crate::lan::Lan;
use crate::packet::link_local;
use crate::setup::{A, Stack, US, Vary as _, b2, b3, ms, secs, us};
use crate::sync;

const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

#[test]
fn version_3_survives_any_trouble_on_a_reliable_link() {
    explore(0..150, |seed| trouble(seed, &b3().over(Stack::of(seed)), 0));
}

#[test]
fn version_3_survives_any_trouble_on_a_lossy_link() {
    explore(1_000..1_150, |seed| trouble(seed, &b3().over(Stack::of(seed)), 20));
}

#[test]
fn version_2_survives_any_trouble_on_a_reliable_link() {
    explore(2_000..2_100, |seed| trouble(seed, &b2(), 0));
}

#[test]
fn version_2_survives_any_trouble_on_a_lossy_link() {
    explore(3_000..3_100, |seed| trouble(seed, &b2(), 20));
}

#[test]
fn two_routers_per_host_survive_any_trouble() {
    explore(4_000..4_060, |seed| {
        let mut lan = weather(seed, 5);
        let hosts = 2 + lan.rng.index(3);
        for (name, last) in NAMES.iter().zip(2..).take(hosts) {
            let first = vary(&mut lan, b3().vrid(1).over(Stack::of(seed)));
            let second = vary(&mut lan, b3().vrid(2).over(Stack::of(seed / 4)));
            lan.add(name, Ipv4Addr::new(192, 0, 2, last), vec![first, second]);
            lan.restart(name);
        }
        disturb(&mut lan);
        lan
    });
}

#[test]
fn routers_with_peers_survive_any_trouble_on_a_lossy_link() {
    explore(5_000..5_150, |seed| {
        let mut lan = weather(seed, if seed % 2 == 0 { 0 } else { 20 });
        let addresses: Vec<_> = (2..4 + lan.rng.below(4)).map(node).collect();
        for (name, primary) in NAMES.iter().zip(&addresses) {
            let peers: Vec<_> = addresses.iter().filter(|it| *it != primary).copied().collect();
            let instance = vary(&mut lan, b3()).peers(&peers).over(Stack::of(seed / 2));
            lan.add(name, *primary, vec![instance]);
            lan.restart(name);
        }
        disturb(&mut lan);
        lan
    });
}

#[test]
fn sync_groups_survive_any_trouble_and_come_to_rest_on_one_host() {
    explore(6_000..6_100, |seed| {
        let mut lan = weather(seed, if seed % 2 == 0 { 0 } else { 20 });
        let hosts = 2 + lan.rng.index(3);
        for (name, last) in NAMES.iter().zip(2..).take(hosts) {
            let both = vary_group(&mut lan, &b3().over(Stack::of(seed / 2)));
            sync::add(&mut lan, name, Ipv4Addr::new(192, 0, 2, last), both);
        }
        disturb(&mut lan);
        let [first, second] = sync::held(&lan);
        assert_eq!(first, second, "one host has both");
        let before = sync::moves(&lan);
        lan.run_for(secs(60));
        assert_eq!(sync::moves(&lan), before, "nothing moves any more");
        lan
    });
}

/// Random runs are of both families: so that they are what they seem to be.
#[test]
fn a_pair_of_either_family_elects_one_router_over_that_family() {
    let families = [Family::Ipv4, Family::Ipv6, Family::Ipv4, Family::Ipv6];
    for (seed, family) in (0..).zip(families) {
        let router = |priority| vec![b3().over(Stack::of(seed)).priority(priority)];
        let mut lan = Lan::seeded(seed).with("a", US, router(200)).with("b", A, router(100));
        lan.run_until(secs(10));

        assert_eq!(lan.active(), ["a"]);
        let seen = lan.snapshot("b");
        assert_eq!((seen.family, seen.addresses.len()), (family, if seed < 2 { 2 } else { 4 }));
        let source = if family == Family::Ipv4 { US.into() } else { link_local(US).into() };
        assert_eq!(seen.active.map(|active| active.address), Some(source));
        assert!(lan.packets("a").iter().all(|(_, packet)| packet.addresses.len() == 2));
    }
}

/// The members of a group have one priority, but not one interval.
fn vary_group(lan: &mut Lan, base: &InstanceConfig) -> Vec<InstanceConfig> {
    let both = vary(lan, base.clone());
    let mut members = sync::members(&both);
    members[1] = members[1].clone().every_cs(*lan.rng.pick(&[10, 100, 100, 300]));
    members
}

fn node(number: u64) -> Ipv4Addr {
    Ipv4Addr::new(192, 0, 2, u8::try_from(number).expect("there are few"))
}

#[test]
fn a_higher_dead_factor_means_fewer_false_takeovers_on_a_lossy_link() {
    for percent in [10, 20, 30] {
        let [three, five, ten] = [3, 5, 10]
            .map(|factor| (0..4).map(|seed| false_takeovers(seed, factor, percent)).sum());
        let counts: [usize; 3] = [three, five, ten];

        assert!(three > five && five >= ten, "{percent} %: {counts:?}");
        assert!(ten <= three / 20, "{percent} %: {counts:?}");
    }
}

/// Runs every seed twice. `SEED` in the environment replaces them, `SEEDS` says how many to try.
fn explore(seeds: Range<u64>, scenario: impl Fn(u64) -> Lan) {
    let number = |name| env::var(name).ok().map(|text| text.parse().expect("a number"));
    let first: u64 = number("SEED").unwrap_or(seeds.start);
    let many = if number("SEED").is_some() { 1 } else { seeds.end - seeds.start };
    for seed in first..first + number("SEEDS").unwrap_or(many) {
        let first = scenario(seed);
        let again = scenario(seed);
        let differs = first.trace.iter().zip(&again.trace).find(|(one, other)| one != other);
        assert!(differs.is_none(), "two runs of seed {seed} differ: {differs:?}");
        assert_eq!(first.trace.len(), again.trace.len(), "two runs of seed {seed} differ");
    }
}

fn trouble(seed: u64, base: &InstanceConfig, loss_percent: u64) -> Lan {
    let mut lan = weather(seed, loss_percent);
    let hosts = 2 + lan.rng.index(4);
    for (name, last) in NAMES.iter().zip(2..).take(hosts) {
        let instance = vary(&mut lan, base.clone());
        lan.add(name, Ipv4Addr::new(192, 0, 2, last), vec![instance]);
        let willing = lan.rng.chance(30);
        lan.hosts.last_mut().unwrap().last_one_standing = willing;
        lan.restart(name);
    }
    disturb(&mut lan);
    lan
}

fn weather(seed: u64, loss_percent: u64) -> Lan {
    let mut lan = Lan::seeded(seed);
    lan.network.loss_percent = loss_percent;
    lan.network.duplicate_percent = lan.rng.below(10);
    lan.network.delay = us(30)..=us(30) + lan.rng.up_to(ms(2));
    lan.network.reflects = lan.rng.chance(10);
    lan.lateness = lan.rng.up_to(ms(2));
    lan
}

/// Version 2 routers must agree on the interval; everything else may differ.
fn vary(lan: &mut Lan, base: InstanceConfig) -> InstanceConfig {
    let rng = &mut lan.rng;
    let mut it = base.priority(*rng.pick(&[1, 50, 100, 100, 150, 200, 254]));
    if it.version == b3().version {
        it = it.every_cs(*rng.pick(&[10, 100, 100, 300]));
    }
    it = it.dead_factor(*rng.pick(&[3, 3, 5, 10]));
    if rng.chance(20) {
        it = it.no_preempt();
    }
    if rng.chance(20) {
        it = it.preempt_delay(rng.up_to(secs(5)));
    }
    if rng.chance(20) {
        it = it.startup_hold(rng.up_to(secs(5)));
    }
    let owner = lan.hosts.iter().any(|host| host.instances.iter().any(|i| i.priority.is_owner()));
    if !owner && lan.rng.chance(5) { it.priority(255) } else { it }
}

/// Forty things go wrong; then everything is mended, first in two parts and then as one.
fn disturb(lan: &mut Lan) {
    let interval = lan.hosts[0].instances[0].adver_interval.duration();
    for _ in 0..40 {
        upset(lan);
        let pause = lan.rng.up_to(4 * interval);
        lan.run_for(pause);
    }
    mend(lan);
    await_deference(lan);
    divide(lan);
    lan.run_for(lan.settling_time());
    lan.assert_settled();
    lan.heal();
    lan.run_for(lan.settling_time());
    lan.assert_settled();
}

/// Who was not heard finds out within five minutes that it is now.
fn await_deference(lan: &mut Lan) {
    for _ in 0..40 {
        let defers = |host: &Host| host.routers().any(|router| host.defers(router));
        if !lan.hosts.iter().any(defers) {
            return;
        }
        lan.run_for(secs(10));
    }
    panic!("nobody has found out that the link is well");
}

/// Every host hears those of its own part, and nobody else.
fn divide(lan: &mut Lan) {
    let sides: Vec<bool> = lan.hosts.iter().map(|_| lan.rng.chance(50)).collect();
    for (from, to) in (0..sides.len()).flat_map(|from| (0..sides.len()).map(move |to| (from, to))) {
        if sides[from] != sides[to] {
            lan.cut_one_way(lan.hosts[from].name, lan.hosts[to].name);
        }
    }
}

fn upset(lan: &mut Lan) {
    let index = lan.rng.index(lan.hosts.len());
    let (name, condition) = (lan.hosts[index].name, lan.hosts[index].condition);
    let running = condition == Condition::Running;
    let host = &lan.hosts[index];
    let serves = running && !host.leaves && host.health != Health::Unknown;
    let kinds = if lan.hosts[index].groups.is_empty() { 17 } else { 20 };
    match lan.rng.below(kinds) {
        0 if condition != Condition::Dead => lan.kill(name),
        1 if running => lan.stop(name),
        2 if running => lan.pause(name),
        0..=4 => revive(lan, name, condition),
        5 => lan.cut(name),
        6 => {
            let other = *lan.rng.pick(&NAMES[..lan.hosts.len()]);
            if other != name {
                lan.cut_one_way(name, other);
            }
        }
        7 => lan.heal(),
        8 => {
            let carrier = [LinkCarrier::Up, LinkCarrier::Down, LinkCarrier::Missing];
            let carrier = *lan.rng.pick(&carrier);
            lan.set_carrier(name, carrier);
        }
        9 if running => {
            let priority = u8::try_from(1 + lan.rng.below(254)).unwrap();
            lan.set_priority(name, 0, priority);
        }
        10 if running => {
            let failing = Health::Failing("no worker".to_owned());
            let health = lan.rng.pick(&[Health::Serving, Health::Unknown, failing]).clone();
            lan.set_health(name, health);
        }
        11 => {
            let length = lan.rng.index(80);
            let noise: Vec<u8> = (0..length).map(|_| lan.rng.next().to_be_bytes()[0]).collect();
            lan.hear_octets(&noise);
        }
        12 if serves => {
            let draining = lan.rng.chance(50);
            lan.drain(name, draining);
        }
        13 if serves => lan.leave(name),
        14 | 15 if serves => {
            let instances = lan.hosts[index].instances.clone();
            let instances = if lan.hosts[index].groups.is_empty() {
                instances.into_iter().map(|it| vary(lan, it)).collect()
            } else {
                let base = InstanceConfig { addresses: instances[0].addresses.clone(), ..b3() };
                vary_group(lan, &base)
            };
            lan.reload(name, instances);
        }
        16 if serves => {
            lan.crash(name);
            let gap = lan.rng.up_to(ms(300));
            lan.run_for(gap);
            lan.respawn(name);
        }
        17..=19 => upset_group(lan, index),
        _ => {}
    }
}

/// What goes wrong for one member of a group alone.
fn upset_group(lan: &mut Lan, index: usize) {
    let (name, member) = (lan.hosts[index].name, lan.rng.index(2));
    match lan.rng.below(3) {
        0 => {
            let is_dark = lan.rng.chance(50);
            lan.set_dark(name, member, is_dark);
        }
        1 => {
            let other = *lan.rng.pick(&NAMES[..lan.hosts.len()]);
            if other != name {
                lan.break_link(if member == 0 { 1 } else { 2 }, name, other);
            }
        }
        _ if lan.hosts[index].is_running() => {
            let priority = u8::try_from(1 + lan.rng.below(254)).unwrap();
            lan.set_priority(name, member, priority);
        }
        _ => {}
    }
}

fn revive(lan: &mut Lan, name: &str, condition: Condition) {
    match condition {
        Condition::Running => {}
        Condition::Paused => lan.resume(name),
        Condition::Crashed => lan.respawn(name),
        Condition::Stopped | Condition::Dead => lan.restart(name),
    }
}

fn mend(lan: &mut Lan) {
    lan.network.loss_percent = 0;
    lan.heal();
    for index in 0..lan.hosts.len() {
        let (name, condition) = (lan.hosts[index].name, lan.hosts[index].condition);
        revive(lan, name, condition);
        lan.link_up(name);
        (0..2).for_each(|link| lan.set_dark(name, link, false));
        lan.set_health(name, Health::Serving);
        if lan.hosts[index].draining {
            lan.drain(name, false);
        }
    }
}

/// Takeovers in ten minutes at 100 ms although the Active router lives.
fn false_takeovers(seed: u64, dead_factor: u8, loss_percent: u64) -> usize {
    let router = |priority| vec![b3().every_cs(10).dead_factor(dead_factor).priority(priority)];
    let mut lan = Lan::seeded(seed).with("a", Ipv4Addr::new(192, 0, 2, 2), router(200)).with(
        "b",
        Ipv4Addr::new(192, 0, 2, 3),
        router(100),
    );
    lan.run_until(secs(5));
    lan.network.loss_percent = loss_percent;
    lan.run_for(Duration::from_secs(600));

    lan.network.loss_percent = 0;
    lan.run_for(lan.settling_time());
    lan.assert_settled();
    assert_eq!(lan.takeovers("a").len(), 1, "a higher router does not yield to a lossy link");
    lan.takeovers("b").len()
}
