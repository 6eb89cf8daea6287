use std::sync::atomic::AtomicU8;

use super::*;
use crate::runtime::kernel::{AddressFacts, Facts, RouterFacts};
use crate::status::fixture;
use crate::status::layout::AddressSlot;

const OPTIONS: &str = r#"{"instances":[{"name":"VI_1","interface":"eth0","vrid":51,
    "addresses":["192.168.56.100/24"]}]}"#;

/// Makes the board that an engine left which was killed while it owned its address.
fn board_of_the_killed() -> Board {
    let address =
        Config::from_json(OPTIONS).expect("the options are right").instances[0].addresses[0];
    let owned = || AtomicU8::new(1);
    let address = AddressSlot { assigned: owned(), ours: owned(), ..address.to_board() };
    let instance = InstanceSlot { addresses: 1, ..InstanceSlot::EMPTY };
    fixture::board(&fixture::plan(vec![instance], vec![address]))
}

/// Returns what the kernel says of an address that this engine has not put there.
fn facts(assigned: bool) -> Facts {
    let addresses = vec![AddressFacts { assigned, ..AddressFacts::default() }];
    let routers = vec![RouterFacts { addresses, ..RouterFacts::default() }.into()];
    Facts { routers, ..Facts::default() }
}

/// Shows what the kernel says, and returns whether the address counts as this engine's.
fn shown(
    writer: &mut BoardWriter,
    board: &mut Board,
    view: &mut View,
    facts: &Facts,
    waits: bool,
) -> u8 {
    let changed = view.take_facts(facts);
    writer.show_addresses(board, view, changed, waits);
    board.addresses()[0].ours.load(Relaxed)
}

#[test]
fn what_a_killed_engine_owned_is_shown_until_its_successor_knows_better() {
    let config = Config::from_json(OPTIONS).expect("the options are right");
    let mut board = board_of_the_killed();
    let (mut writer, mut view) =
        (BoardWriter::new(&mut board, &config), View::new(&board, &config));

    assert_eq!(shown(&mut writer, &mut board, &mut view, &facts(true), true), 1);
    assert_eq!(shown(&mut writer, &mut board, &mut view, &facts(true), false), 0);
}

#[test]
fn an_address_that_has_gone_is_not_a_killed_engines_any_more() {
    let config = Config::from_json(OPTIONS).expect("the options are right");
    let mut board = board_of_the_killed();
    let (mut writer, mut view) =
        (BoardWriter::new(&mut board, &config), View::new(&board, &config));

    shown(&mut writer, &mut board, &mut view, &facts(false), true);

    assert_eq!(shown(&mut writer, &mut board, &mut view, &facts(true), true), 0);
}
