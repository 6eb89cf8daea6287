use super::*;
use crate::status::fixture;
use crate::status::layout::InstanceSlot;

const NAME: &str = "cannot_speak";
const FIRST: WarningScope = WarningScope::Router(RouterId(0));
const SECOND: WarningScope = WarningScope::Router(RouterId(1));

fn at(seconds: u64) -> Instant {
    Instant::from_nanos((1_000 + seconds) * 1_000_000_000)
}

fn board() -> Board {
    fixture::board(&fixture::plan(vec![InstanceSlot::EMPTY; 2], Vec::new()))
}

/// Returns instance, time in seconds, name and text of what the board shows.
fn shown(board: &Board) -> Vec<(u32, u64, String, String)> {
    let row = |it: WarningSlot| {
        (it.instance, it.since_ms / 1_000 - 1_000, untext(&it.name), untext(&it.text))
    };
    board.warnings().map(row).collect()
}

fn began(scope: WarningScope, others: usize, line: &str) -> WarningLine {
    WarningLine::Began { scope, others, line: line.to_owned() }
}

#[test]
fn a_warning_is_shown_from_when_it_appears_until_it_is_cleared() {
    let mut board = board();
    let mut warnings = Warnings::new(&board, at(0));
    warnings.set(SECOND, NAME, Some("no route".to_owned()), at(1));
    warnings.set(WarningScope::Node, NAME, Some("no guard".to_owned()), at(2));
    warnings.set(SECOND, NAME, Some("no link".to_owned()), at(3));

    warnings.show(&mut board);

    let name = || NAME.to_owned();
    let second = (1, 1, name(), "no link".to_owned());
    assert_eq!(shown(&board), [(NODE, 2, name(), "no guard".to_owned()), second.clone()]);
    warnings.set(WarningScope::Node, NAME, None, at(4));
    warnings.show(&mut board);
    assert_eq!(shown(&board), [second]);
}

#[test]
fn a_warning_that_an_earlier_engine_showed_keeps_its_time() {
    let mut board = board();
    let mut earlier = Warnings::new(&board, at(0));
    earlier.set(FIRST, NAME, Some("no route".to_owned()), at(5));
    earlier.set(SECOND, NAME, Some("no route".to_owned()), at(5));
    earlier.show(&mut board);

    let mut warnings = Warnings::new(&board, at(100));
    warnings.set(FIRST, NAME, Some("no route".to_owned()), at(110));
    warnings.set(SECOND, NAME, Some("no route".to_owned()), at(160));
    warnings.show(&mut board);

    let times: Vec<_> = shown(&board).into_iter().map(|(_, since, ..)| since).collect();
    assert_eq!(times, [5, 160], "what is found a minute later is another story");
}

#[test]
fn warnings_of_one_name_that_appear_together_are_one_line() {
    let mut warnings = Warnings::new(&board(), at(0));
    for router in 0..1_000 {
        let scope = WarningScope::Router(RouterId(router));
        warnings.set(scope, NAME, Some("no route".to_owned()), at(0));
    }

    assert_eq!(warnings.lines(at(0)), [began(FIRST, 999, "cannot_speak: no route")]);
    assert_eq!(warnings.lines(at(60)), []);
}

#[test]
fn a_warning_that_comes_and_goes_is_a_line_every_ten_seconds() {
    let mut warnings = Warnings::new(&board(), at(0));
    let mut logged = Vec::new();
    for second in 0..25 {
        let text = (second % 2 == 0).then(|| "no route".to_owned());
        warnings.set(FIRST, NAME, text, at(second));
        logged.extend(warnings.lines(at(second)).into_iter().map(|line| (second, line)));
    }

    let again = "cannot_speak: no route (4 more like this have come and gone)";
    let expected = [
        (0, began(FIRST, 0, "cannot_speak: no route")),
        (10, began(FIRST, 0, again)),
        (20, began(FIRST, 0, again)),
    ];
    assert_eq!(logged, expected);
}

#[test]
fn the_end_of_a_warning_is_told_once_when_no_router_has_it_any_more() {
    let mut warnings = Warnings::new(&board(), at(0));
    warnings.set(FIRST, NAME, Some("no route".to_owned()), at(0));
    warnings.set(SECOND, NAME, Some("no route".to_owned()), at(0));
    assert_eq!(warnings.lines(at(0)).len(), 1);

    warnings.set(FIRST, NAME, None, at(20));
    assert_eq!(warnings.lines(at(20)), []);
    warnings.set(SECOND, NAME, None, at(30));

    assert_eq!(warnings.lines(at(30)), [WarningLine::Ended(NAME)]);
    assert_eq!(warnings.lines(at(60)), []);
}

#[test]
fn more_warnings_than_the_board_has_room_for_are_counted_in_its_first_one() {
    let mut board = board();
    let mut warnings = Warnings::new(&board, at(0));
    for router in 0..WARNINGS + 10 {
        let scope = WarningScope::Router(RouterId(router));
        warnings.set(scope, NAME, Some("no route".to_owned()), at(0));
    }

    warnings.show(&mut board);

    let shown = shown(&board);
    assert_eq!(shown.len(), WARNINGS);
    assert_eq!((shown[0].0, shown[0].2.as_str()), (NODE, WARNING_MORE));
    assert!(shown[0].3.starts_with("11 more warnings than"), "{}", shown[0].3);
}
