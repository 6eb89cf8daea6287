use std::cell::Cell;

use tokio::runtime::Runtime;
use tokio::task::yield_now;

use super::*;
use crate::config::Config;
use crate::guard::Order;
use crate::proto::Node;
use crate::types::LinkName;

#[test]
fn a_change_of_one_router_is_all_that_is_looked_at_until_a_second_has_passed() {
    let runtime = event_loop();
    let _context = runtime.enter();
    let (mut guard, _other_end) = guarding();
    let node = node_of(100);
    let looks = Cell::new(0);
    let site_of = |_| {
        looks.set(looks.get() + 1);
        Some(site())
    };

    for router in node.routers() {
        guard.claim(router);
        guard.tell(&held(&node, &site_of));
    }

    assert_eq!((looks.get(), process_of(&mut guard).sent.len()), (100, 100));
    let mut looks_after = |ms: u64| {
        looks.set(0);
        guard.beat(&held(&node, &site_of), Instant::default() + Duration::from_millis(ms));
        looks.get()
    };
    assert_eq!([0, 100, 900, 1_000, 1_100].map(&mut looks_after), [100, 0, 0, 100, 0]);
}

#[test]
fn what_finds_no_room_is_told_as_soon_as_there_is_some() {
    let runtime = event_loop();
    let _context = runtime.enter();
    let (mut guard, other_end) = guarding();
    let node = node_of(250);
    while process_of(&mut guard).send(&Order::Bye).is_ok() {}
    node.routers().for_each(|router| guard.claim(router));
    let held = held(&node, &|_| Some(site()));
    guard.tell(&held);
    assert_eq!(process_of(&mut guard).sent.len(), 0);

    let mut order = Vec::with_capacity(1024);
    for _ in 0..1_000 {
        while other_end.try_recv(&mut order).is_ok() {}
        guard.tell(&held);
    }

    let process = process_of(&mut guard);
    assert_eq!((process.sent.len(), process.stale.len()), (250, 0));
}

#[test]
fn a_guard_that_has_acted_is_told_everything_anew() {
    let runtime = event_loop();
    let _context = runtime.enter();
    let (mut guard, other_end) = guarding();
    let node = node_of(1);
    guard.claim(RouterId(0));
    let mut orders_of_a_beat = || {
        guard.beat(&held(&node, &|_| Some(site())), Instant::default());
        guard.tell_anew();
        let mut order = Vec::with_capacity(1024);
        std::iter::from_fn(|| {
            other_end.try_recv(&mut order).ok()?;
            Order::parse(&order)
        })
        .count()
    };

    assert_eq!([orders_of_a_beat(), orders_of_a_beat()], [1, 1]);
}

#[test]
fn an_address_that_somebody_else_has_put_there_is_not_told() {
    let runtime = event_loop();
    let _context = runtime.enter();
    let (mut guard, other_end) = guarding();
    let node = node_of(1);
    let held = Held { is_foreign: &|_, _| true, ..held(&node, &|_| Some(site())) };
    guard.claim(RouterId(0));
    // What is claimed is not there yet, or is about to be adopted.
    guard.tell(&held);

    guard.beat(&held, Instant::default());

    let mut order = Vec::with_capacity(1024);
    let told = std::iter::from_fn(|| {
        other_end.try_recv(&mut order).ok()?;
        match Order::parse(&order)? {
            Order::Claim { claim, .. } => {
                Some(claim.places.iter().map(|place| place.addresses.len()).sum::<usize>())
            }
            Order::Release { .. } | Order::Door(_) | Order::Bye => None,
        }
    });
    assert_eq!(told.collect::<Vec<_>>(), [1, 0]);
}

/// What it says of itself is the octet, not that its program was executed.
#[test]
fn a_guard_is_replaced_by_one_that_guards_and_by_no_other() {
    let runtime = event_loop();
    let _context = runtime.enter();
    let (mut guard, first) = guarding();
    let node = node_of(2);
    let held = held(&node, &|_| Some(site()));
    guard.claim(RouterId(0));
    guard.claim(RouterId(1));
    guard.tell(&held);
    assert_eq!(orders(&first).len(), 2);

    // One that refuses. What is released meanwhile is told to whoever guards.
    let second = start_another(&mut guard);
    guard.release(RouterId(1));
    guard.forget(|_| true);
    guard.beat(&held, at(0));
    assert_eq!(orders(&first), [Order::Release { router: 1 }]);
    assert_eq!(orders(&second).len(), 1);
    drop(second);
    see_what_happened(&runtime);
    guard.beat(&held, at(100));
    assert_eq!((orders(&first).len(), guard.problem(), guard.start_at), (0, None, at(1_100)));

    // One that guards.
    let third = start_another(&mut guard);
    third.send(b"g").unwrap();
    see_what_happened(&runtime);
    guard.beat(&held, at(200));
    assert_eq!(orders(&first), [Order::Bye]);
    assert!(matches!(orders(&third)[..], [Order::Claim { router: 0, .. }]));
}

#[test]
fn a_guard_that_ends_again_and_again_is_started_less_and_less_often_until_one_guards_for_long() {
    let runtime = event_loop();
    let _context = runtime.enter();
    let mut guard = Guard::default();
    let mut pause_after = |start: u64, guards: Option<u64>| {
        let end = start + guards.unwrap_or(0);
        let process = start_another(&mut guard);
        if guards.is_some() {
            process.send(b"g").unwrap();
            see_what_happened(&runtime);
            guard.hear(at(start));
            assert!(guard.problem().is_none());
        }
        drop(process);
        see_what_happened(&runtime);
        guard.hear(at(end));
        assert!(guard.problem().is_some() && !guard.is_possible());
        guard.start_at.since(at(end)).as_millis()
    };

    assert_eq!([0, 1_000, 3_000].map(|start| pause_after(start, None)), [1_000, 2_000, 4_000]);
    // The pause counts from the start.
    assert_eq!(pause_after(10_000, Some(3_000)), 5_000);
    assert_eq!(pause_after(20_000, Some(600_000)), 0);
    assert_eq!(pause_after(620_000, None), 2_000);
}

/// Has tokio ask the kernel what is readable.
fn see_what_happened(runtime: &Runtime) {
    runtime.block_on(yield_now());
}

/// Has a guard started, and returns its end of the connection.
fn start_another(guard: &mut Guard) -> Channel {
    let (here, there) = Channel::pair().unwrap();
    guard.next = Some(NextGuard::executed(GuardProcess::new(here, None, &guard.claimed)));
    Channel::of(there).unwrap()
}

fn orders(guard: &Channel) -> Vec<Order> {
    let mut order = Vec::with_capacity(1024);
    std::iter::from_fn(|| {
        guard.try_recv(&mut order).ok()?;
        Order::parse(&order)
    })
    .collect()
}

fn at(millis: u64) -> Instant {
    Instant::default() + Duration::from_millis(millis)
}

fn held<'a>(node: &'a Node, site_of: &'a dyn Fn(RouterId) -> Option<HeldSite>) -> Held<'a> {
    Held { node, site_of, link_of: &|_, _| Some(eth0()), is_foreign: &|_, _| false }
}

fn site() -> HeldSite {
    HeldSite { speaks_on: 1, addresses_on: Some(eth0()), virtual_mac: None }
}

fn eth0() -> (u32, LinkName) {
    (1, LinkName::new("eth0").unwrap())
}

fn event_loop() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

/// Returns an engine's view of a guard, and that guard's end of the connection.
fn guarding() -> (Guard, Channel) {
    let (channel, other_end) = Channel::pair().unwrap();
    let current = Some(GuardProcess::new(channel, None, &BTreeSet::new()));
    let guard = Guard { in_charge: true, current, ..Guard::default() };
    (guard, Channel::of(other_end).unwrap())
}

fn process_of(guard: &mut Guard) -> &mut GuardProcess {
    guard.current.as_mut().expect("there is a guard")
}

fn node_of(count: u8) -> Node {
    let instance = |vrid| {
        serde_json::json!({ "name": format!("VI_{vrid}"), "interface": "eth0", "vrid": vrid,
            "addresses": [format!("192.0.2.{vrid}/24")] })
    };
    let all: Vec<_> = (1..=count).map(instance).collect();
    let options = serde_json::json!({ "instances": all }).to_string();
    Node::new(&Config::from_json(&options).unwrap().instances)
}
