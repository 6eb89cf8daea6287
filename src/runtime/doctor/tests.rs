use super::*;
use crate::status::layout::{InstanceSlot, untext};
use crate::status::{Board, fixture};

#[test]
fn of_many_warnings_the_first_is_told_and_how_many_others_there_are() {
    let mut warnings = Warnings::new(&board(), at(0));
    for router in 0..3 {
        let scope = WarningScope::Router(RouterId(router));
        warnings.set(scope, WARNING_CANNOT_SEND, Some("it is dropped".to_owned()), at(0));
    }
    warnings.set(WarningScope::Node, WARNING_NO_GUARD, Some("it is missing".to_owned()), at(0));

    let findings = from_warnings(&warnings, |_| "VI_1");

    let more = "VI_1: cannot_send: it is dropped (2 more: see the warnings of the status)";
    let found = |name| findings.iter().find(|it| it.test == name).expect("it is tested");
    assert_eq!(*found("firewall"), Finding::warning("firewall", more));
    assert_eq!(*found("guard"), Finding::warning("guard", "no_guard: it is missing"));
    let others = findings.iter().filter(|it| !["firewall", "guard"].contains(&it.test));
    assert!(others.clone().count() > 5);
    assert!(others.into_iter().all(|it| it.verdict == verdict::OK), "{findings:?}");
}

#[test]
fn a_warning_of_no_test_is_told_all_the_same() {
    let mut warnings = Warnings::new(&board(), at(0));
    warnings.set(WarningScope::Node, "unheard_of", Some("and true".to_owned()), at(0));

    let mut findings = from_warnings(&warnings, |_| "VI_1");

    assert_eq!(findings.pop(), Some(Finding::warning("other", "unheard_of: and true")));
}

#[test]
fn workers_must_not_end_before_the_addresses_have_moved() {
    let verdict_of = |ms| shutdown_timeout(ms, Duration::from_millis(500)).verdict;

    assert_eq!([0, 1400, 60_000].map(verdict_of), [verdict::OK; 3]);
    assert_eq!([1, 100, 1399, u32::MAX].map(verdict_of), [verdict::WARNING; 4]);
}

#[test]
fn late_turns_count_by_the_shortest_interval() {
    let late = |turns, ms| (turns, Duration::from_millis(ms));
    let verdict_of =
        |late, interval_ms| late_turns(late, Duration::from_millis(interval_ms)).verdict;

    assert_eq!(verdict_of(late(0, 0), 10), verdict::OK);
    assert_eq!(verdict_of(late(10, 200), 100), verdict::OK, "20 ms of 100");
    assert_eq!(verdict_of(late(10, 250), 100), verdict::WARNING, "25 ms of 100");
}

#[test]
fn a_text_that_is_too_long_is_cut() {
    let slot = Finding::fault("state", "ä".repeat(1000)).to_board();

    assert_eq!((slot.verdict, untext(&slot.test)), (verdict::FAULT, "state".to_owned()));
    assert_eq!(untext(&slot.text), "ä".repeat(299));
}

fn at(seconds: u64) -> Instant {
    Instant::from_nanos((1_000 + seconds) * 1_000_000_000)
}

fn board() -> Board {
    fixture::board(&fixture::plan(vec![InstanceSlot::EMPTY; 3], Vec::new()))
}
