//! Changes of state on their way to Lua: they stand in a ring on the board, which outlives whoever
//! writes it. A timer of the carrier reads them there and calls whoever asked for them.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::words::{BoardWord, countable};
use crate::proto::{PastTransition, Transition, Untold};
use crate::status::Board;
use crate::status::layout::{EVENTS, carrier};
use crate::succession::PUNCTUAL;
use crate::types::Instant;

/// Numbers a change of state, and has it told. In a full ring it takes the place of the oldest one.
pub(super) fn push(board: &mut Board, instance: &str, transition: &Transition) {
    let number = countable(board.header().events.load(Acquire)) + 1;
    let event = (number, instance.to_owned(), PastTransition::from(transition));
    board.put_event(&event.to_board());
}

/// Has nothing told in this process until [`begin`].
pub(super) fn pause(board: &mut Board) {
    board.header().events_from_ms.store(u64::MAX, Release);
}

/// Returns what the next engine has to have told. Until it has the routers, nobody tells anything;
/// should it never have them, this process goes on when it has [waited](PUNCTUAL) for that.
///
/// What Lua is telling right now is told to its end by a process that lives on. One that `ends` may
/// not come to its end, and says so when it does end.
pub(super) fn bequeath(board: &mut Board, ends: bool, now: Instant) -> Untold {
    let header = board.header();
    header.events_from_ms.store((now + PUNCTUAL).as_millis(), Release);
    // A privileged agent ends without another turn of its loop, and soon after a reload.
    let ends = ends || board.is_superseded();
    let [last, told, begun] = [&header.events, &header.events_told, &header.events_begun]
        .map(|number| countable(number.load(Acquire)));
    let open = ends && begun > told && header.carrier.load(Relaxed) == carrier::AGENT;
    let told = if open { told } else { told.max(begun) };
    let first = (told + 1).max((last + 1).saturating_sub(EVENTS as u64));
    let waiting = (first..=last).filter_map(|number| BoardWord::from_board(&board.event(number)?));
    Untold { last, told, open, waiting: waiting.collect() }
}

/// Has Lua tell events in this process, those first that another one had yet to tell.
pub(super) fn begin(board: &mut Board, untold: Option<&Untold>, now: Instant) {
    let Some(Untold { last, told, open, waiting }) = untold else { return resume(board, 0) };
    for event in waiting.iter().rev().take(EVENTS).rev() {
        board.put_event(&event.to_board());
    }
    board.header().events.fetch_max(*last, AcqRel);
    resume(board, (*told).min(*last));
    if *open {
        board.header().events_from_ms.store(now.as_millis() + LAST_WORDS_MS, Release);
    }
}

/// Has Lua go on, now that another process has told events up to a number.
pub(super) fn resume(board: &mut Board, told: u64) {
    board.header().events_told.fetch_max(told, AcqRel);
    board.header().events_from_ms.store(0, Release);
}

/// How long an agent may need to end. nginx kills it then.
const LAST_WORDS_MS: u64 = 5000;
