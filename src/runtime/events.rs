//! Changes of state on their way to Lua. They stand in a ring on the board, which outlives its
//! writer. A timer of the carrier reads them there and calls the functions given to `on_state`.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};

use super::words::{BoardWord, countable};
use crate::proto::{PastTransition, Transition, UndeliveredEvents};
use crate::status::Board;
use crate::status::layout::{EVENTS, carrier};
use crate::succession::HANDOVER_TIMEOUT;
use crate::types::Instant;

/// Numbers a change of state, and has Lua deliver it. In a full ring it replaces the oldest one.
pub(super) fn push(board: &mut Board, instance: &str, transition: &Transition) {
    let number = countable(board.header().events.load(Acquire)) + 1;
    let event = (number, instance.to_owned(), PastTransition::from(transition));
    board.put_event(&event.to_board());
}

/// Has Lua deliver nothing in this process until [`begin`].
pub(super) fn pause(board: &mut Board) {
    board.header().events_from_ms.store(u64::MAX, Release);
}

/// Returns the events that the next engine has to deliver. Until it has the routers, no process
/// delivers any; if it never has them, this process goes on after [`HANDOVER_TIMEOUT`].
///
/// A process that lives on completes the event that Lua is delivering now. One that `ends` may not:
/// it informs the next engine when it ends.
pub(super) fn bequeath(board: &mut Board, ends: bool, now: Instant) -> UndeliveredEvents {
    let header = board.header();
    header.events_from_ms.store((now + HANDOVER_TIMEOUT).as_millis(), Release);
    // A privileged agent ends without another turn of its loop, and soon after a reload.
    let ends = ends || board.is_superseded();
    let [last, delivered, begun] = [&header.events, &header.events_delivered, &header.events_begun]
        .map(|number| countable(number.load(Acquire)));
    let open = ends && begun > delivered && header.carrier.load(Relaxed) == carrier::AGENT;
    let delivered = if open { delivered } else { delivered.max(begun) };
    let first = (delivered + 1).max((last + 1).saturating_sub(EVENTS as u64));
    let waiting = (first..=last).filter_map(|number| BoardWord::from_board(&board.event(number)?));
    UndeliveredEvents { last, delivered, open, waiting: waiting.collect() }
}

/// Has Lua deliver events in this process, first those that another one has not delivered.
pub(super) fn begin(board: &mut Board, undelivered: Option<&UndeliveredEvents>, now: Instant) {
    let Some(UndeliveredEvents { last, delivered, open, waiting }) = undelivered else {
        return resume(board, 0);
    };
    for event in waiting.iter().rev().take(EVENTS).rev() {
        board.put_event(&event.to_board());
    }
    board.header().events.fetch_max(*last, AcqRel);
    resume(board, (*delivered).min(*last));
    if *open {
        board.header().events_from_ms.store(now.as_millis() + LAST_WORDS_MS, Release);
    }
}

/// Has Lua go on after the events up to a number, which another process has delivered.
pub(super) fn resume(board: &mut Board, delivered: u64) {
    board.header().events_delivered.fetch_max(delivered, AcqRel);
    board.header().events_from_ms.store(0, Release);
}

/// Returns the number of the last event that Lua has delivered.
pub(super) fn last_delivered(board: &Board) -> u64 {
    board.header().events_delivered.load(Acquire)
}

/// How long an agent may need to end. nginx kills it then.
const LAST_WORDS_MS: u64 = 5000;
