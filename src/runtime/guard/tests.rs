use std::cell::Cell;

use super::*;
use crate::config::Config;

#[test]
fn a_change_of_one_router_is_all_that_is_looked_at_until_a_second_has_passed() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _context = runtime.enter();
    let (channel, _other_end) = Channel::pair().unwrap();
    let mut guard = guard_with(channel);
    let node = node_of(100);
    let looks = Cell::new(0);
    let index_of = |_| {
        looks.set(looks.get() + 1);
        Some(1)
    };

    for router in node.routers() {
        guard.claim(router);
        guard.tell(&held(&node, &index_of));
    }

    assert_eq!((looks.get(), guard.told.len()), (100, 100));
    let mut looks_after = |ms: u64| {
        looks.set(0);
        guard.beat(&held(&node, &index_of), Instant::default() + Duration::from_millis(ms));
        looks.get()
    };
    assert_eq!([0, 100, 900, 1_000, 1_100].map(&mut looks_after), [100, 0, 0, 100, 0]);
}

#[test]
fn what_finds_no_room_is_told_as_soon_as_there_is_some() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _context = runtime.enter();
    let (channel, other_end) = Channel::pair().unwrap();
    let (mut guard, other_end) = (guard_with(channel), Channel::of(other_end).unwrap());
    let node = node_of(250);
    while guard.send(&Order::Bye).is_ok() {}
    node.routers().for_each(|router| guard.claim(router));
    let held = held(&node, &|_| Some(1));
    guard.tell(&held);
    assert_eq!(guard.told.len(), 0);

    let mut order = Vec::with_capacity(1024);
    for _ in 0..1_000 {
        while other_end.try_recv(&mut order).is_ok() {}
        guard.tell(&held);
    }

    assert_eq!((guard.told.len(), guard.stale.len()), (250, 0));
}

#[test]
fn a_guard_that_has_acted_is_told_everything_anew() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _context = runtime.enter();
    let (channel, other_end) = Channel::pair().unwrap();
    let (mut guard, other_end) = (guard_with(channel), Channel::of(other_end).unwrap());
    let node = node_of(1);
    guard.claim(RouterId(0));
    let mut orders_of_a_beat = || {
        guard.beat(&held(&node, &|_| Some(1)), Instant::default());
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
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _context = runtime.enter();
    let (channel, other_end) = Channel::pair().unwrap();
    let (mut guard, other_end) = (guard_with(channel), Channel::of(other_end).unwrap());
    let node = node_of(1);
    let held = Held { is_foreign: &|_, _| true, ..held(&node, &|_| Some(1)) };
    guard.claim(RouterId(0));
    // What is claimed is not there yet, or is about to be adopted.
    guard.tell(&held);

    guard.beat(&held, Instant::default());

    let mut order = Vec::with_capacity(1024);
    let told = std::iter::from_fn(|| {
        other_end.try_recv(&mut order).ok()?;
        match Order::parse(&order)? {
            Order::Claim { claim, .. } => Some(claim.addresses.len()),
            Order::Release { .. } | Order::Door(_) | Order::Bye => None,
        }
    });
    assert_eq!(told.collect::<Vec<_>>(), [1, 0]);
}

fn held<'a>(node: &'a Node, index_of: &'a dyn Fn(LinkId) -> Option<u32>) -> Held<'a> {
    Held { node, index_of, is_foreign: &|_, _| false }
}

fn guard_with(channel: Channel) -> Guard {
    let answer = Vec::with_capacity(1);
    Guard { in_charge: true, channel: Some(channel), answer, ..Guard::default() }
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
