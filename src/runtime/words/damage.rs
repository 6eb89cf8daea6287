//! What workers could write, and what other processes could say, with a million octets replaced at
//! random: nothing panics, nothing goes on for ever, and no board makes a router Active.

use std::fs::File;
use std::num::NonZero;
use std::os::unix::fs::FileExt;
use std::thread;
use std::time::Duration;

use harness::Rng;

use super::instance_to_board;
use super::tests::{NOW, ROUTER, SLOTS, UNCHECKED, board, heir, read_everything, ready};
use crate::guard::{Claim, ClaimedPlace, Order, Resignation};
use crate::proto::{Input, Node};
use crate::status::Board;
use crate::status::layout::Header;
use crate::succession::HandoverMessage;
use crate::types::{Family, Priority};

#[test]
fn a_million_random_octets_on_the_board_do_no_harm() {
    let mut random = Rng::seeded(1);
    let (mut node, ([file, page], mut board)) = (active(), board());
    assert!(!board.beat(NOW));
    board.publish(0, &instance_to_board(&node.snapshot(ROUTER)));
    let whole = content(&file);
    let length = whole.len() as u64;

    for _ in 0..MILLION / OCTETS {
        file.write_all_at(&whole, 0).expect("it is as long");
        for _ in 0..OCTETS {
            let (begin, end) = match random.below(3) {
                0 => (UNCHECKED, size_of::<Header>() as u64),
                1 => (length - SLOTS, length),
                _ => (0, length),
            };
            let at = begin + random.next() % (end - begin);
            file.write_all_at(&[random.octet()], at).expect("it is as long");
            let at = random.next() % content_length(&page);
            page.write_all_at(&[random.octet()], at).expect("it is as long");
        }
        // Whoever opens it now may find another board, or none.
        drop(Board::of(&file));
        read_everything(&mut board, &mut node);
        board.take_request();
    }
}

#[test]
fn a_million_damaged_hand_over_messages_do_no_harm() {
    let all = messages();
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for core in 0..cores {
            let cases = (core..MILLION).step_by(cores);
            scope.spawn(|| cases.for_each(|case| damage(all[case % all.len()].clone(), case)));
        }
    });
}

/// Replaces a few octets of a hand-over message, and has an engine take what is left of it.
fn damage(mut text: Vec<u8>, case: usize) {
    let mut random = Rng::seeded(case as u64);
    for _ in 0..=random.below(3) {
        let at = random.index(text.len());
        // Another number is a message still, where anything else mostly is none.
        let digit = b'0' + random.octet() % 10;
        text[at] = if text[at].is_ascii_digit() { digit } else { random.octet() };
    }

    let Ok(message) = HandoverMessage::parse(&text) else { return };

    message.emit().ok();
    if let HandoverMessage::State(state) | HandoverMessage::Return(state) = message {
        let mut heir = heir();
        if heir.inherit(&state, NOW).is_ok() {
            heir.handle_timeout(NOW + Duration::from_secs(100_000));
            while heir.poll_action().is_some() {}
        }
    }
}

#[test]
fn a_million_orders_to_the_guard_with_random_octets_do_no_harm() {
    let mut random = Rng::seeded(3);
    let orders = [claim(), Order::Release { router: 7 }, Order::Bye].map(|order| written(&order));
    for case in 0..MILLION {
        let mut message = orders[case % orders.len()].clone();
        for _ in 0..=random.below(3) {
            let at = random.index(message.len());
            message[at] = random.octet();
        }

        let Some(order) = Order::parse(&message) else { continue };

        // What is understood is what was said.
        assert_eq!(written(&order), message);
    }
}

fn content(file: &File) -> Vec<u8> {
    let mut octets = vec![0; usize::try_from(content_length(file)).expect("it is small")];
    file.read_exact_at(&mut octets, 0).expect("it is as long");
    octets
}

fn content_length(file: &File) -> u64 {
    file.metadata().expect("it is open").len()
}

/// Returns a node whose router is Active.
fn active() -> Node {
    let mut node = ready();
    node.handle_timeout(NOW + Duration::from_secs(10));
    node
}

/// Returns one message of each kind, as an engine writes it.
fn messages() -> Vec<Vec<u8>> {
    let mut leaving = active();
    leaving.handle(Input::Leave, NOW + Duration::from_secs(11));
    let states = [ready(), active(), leaving].map(|node| Box::new(node.bequeath(NOW)));
    let key = states[0].routers[0].key.clone();
    let returned = HandoverMessage::Return(states[0].clone());
    let plain = [
        HandoverMessage::Hello,
        HandoverMessage::Took { not_inherited: vec![key] },
        HandoverMessage::Drain(true),
        HandoverMessage::Delivered(7),
        returned,
    ];
    let all = states.into_iter().map(HandoverMessage::State).chain(plain);
    all.map(|message| message.emit().expect("it can be written")).collect()
}

fn claim() -> Order {
    let node = active();
    let snapshot = node.snapshot(ROUTER);
    let resignations = node.destinations(ROUTER).filter_map(|destination| {
        let mut message = Vec::new();
        let envelope = node.encode(ROUTER, Priority::RESIGN, destination, &mut message)?;
        Some(Resignation { envelope, message })
    });
    let claim = Claim {
        interface: *snapshot.link,
        family: Family::Ipv4,
        vrid: snapshot.vrid,
        speaks_on: 3,
        virtual_mac: None,
        active_down_interval: snapshot.active_down_interval,
        longest_down_interval: snapshot.active_down_interval,
        resignations: resignations.collect(),
        places: vec![ClaimedPlace {
            link: 3,
            name: *snapshot.link,
            addresses: snapshot.addresses.to_vec(),
        }],
    };
    Order::Claim { router: 7, claim }
}

fn written(order: &Order) -> Vec<u8> {
    let mut message = Vec::new();
    order.emit(&mut message);
    message
}

const MILLION: usize = 1_000_000;
/// So many octets are replaced before the board is read.
const OCTETS: usize = 128;
