//! `drain` and `undrain`: a word on the page of the node, as any of its workers may write it. The
//! kernel decides who may open the page.

use std::io;
use std::sync::atomic::Ordering::Relaxed;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::arguments::RequestArguments;
use super::nodes::now;
use super::{Exit, node_of, print, problem_of};
use crate::status::Board;
use crate::status::layout::state;

/// Asks the engine of a node, and waits until it is done: a drained node holds no address.
pub(super) fn drain(arguments: &RequestArguments, draining: bool) -> io::Result<Exit> {
    let node = match node_of(&arguments.node.choice())? {
        Ok(node) => node,
        Err(exit) => return Ok(exit),
    };
    let board = match node.board_for_requests() {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            eprintln!("resty-vrrp: this user may not ask for that: run resty-vrrp as root");
            return Ok(Exit::NoRights);
        }
        other => other?,
    };
    if let Some(problem) = problem_of(&board.engine(now().board_ms)) {
        return Err(io::Error::other(problem));
    }
    board.ask(draining);
    let deadline = Instant::now() + Duration::from_secs(arguments.timeout.into());
    while !is_done(&board, draining) {
        if let Some(problem) = problem_of(&board.engine(now().board_ms)) {
            return Err(io::Error::other(problem));
        }
        if Instant::now() > deadline {
            return Err(io::Error::other("asked for, but not done yet"));
        }
        sleep(PAUSE);
    }
    print(if draining { "drained: no address is here\n" } else { "takes part again\n" })?;
    Ok(Exit::Well)
}

fn is_done(board: &Board, draining: bool) -> bool {
    !board.is_asked() && board.is_draining() == draining && !(draining && holds_any(board))
}

/// Tells whether an instance is active, or keeps addresses for connections that are still open.
fn holds_any(board: &Board) -> bool {
    let is_active =
        |index| board.instance(index).is_none_or(|slot| slot.state == u32::from(state::ACTIVE));
    (0..board.instances()).any(is_active)
        || board.addresses().iter().any(|address| address.ours.load(Relaxed) != 0)
}

const PAUSE: Duration = Duration::from_millis(20);
