//! What an engine that was killed left on the board: it shows all that peers would miss.

use std::sync::atomic::Ordering::Relaxed;

use super::checks::{Check, PlannedCheck, failure};
use super::words::{BoardWord as _, bequest_from_board, key_from_board};
use crate::proto::{Bequests, Untold};
use crate::status::layout::{InstanceSlot, untext};
use crate::status::{Beat, Board};
use crate::succession::Will;
use crate::types::{HeldAddress, VirtualAddress};

/// Reads the will of the engine that last wrote on the board; `None` if none ever did.
pub(super) fn read(board: &Board) -> Option<Will> {
    let beat = board.last_beat()?;
    let state = state_of(board, beat);
    Some(Will { state: Box::new(state), guarded: board.guarded() })
}

/// Returns what the engine before this one found of what is looked at here, too. That stands until
/// it is looked at again: a new process is no reason to think better or worse of this nginx.
pub(super) fn checks(board: &Board, planned: &[PlannedCheck]) -> Vec<Check> {
    let slots = || (0..board.instances()).filter_map(|index| board.instance(index));
    let found = |check| slots().find_map(|slot| found_before(check, &slot));
    planned.iter().filter_map(found).collect()
}

fn state_of(board: &Board, beat: Beat) -> Bequests {
    let at = beat.at();
    let slots = (0..board.instances()).map(|index| board.instance(index));
    Bequests {
        version: Bequests::VERSION,
        at,
        withdrawn_at: beat.is_withdrawn().then_some(at),
        draining: board.is_draining(),
        // Whoever comes after a dead engine finds out for itself.
        serving: false,
        routers: slots.filter_map(|slot| bequest_from_board(&slot?, at)).collect(),
        unattributed: Vec::new(),
        // They stand on the board still.
        untold: Untold::default(),
        addresses: addresses(board),
    }
}

/// Returns what its engine had put on links, as far as it is known.
fn addresses(board: &Board) -> Vec<HeldAddress> {
    let mut held = Vec::new();
    for slot in (0..board.instances()).filter_map(|index| board.instance(index)) {
        let Some(key) = key_from_board(&slot) else { continue };
        let [first, count] = [slot.first_address, slot.addresses]
            .map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let all = board.addresses().iter().skip(first).take(count);
        let ours = all.filter(|address| address.ours.load(Relaxed) != 0);
        let on_link = |address| HeldAddress { link: key.interface.clone(), address };
        held.extend(ours.filter_map(VirtualAddress::from_board).map(on_link));
    }
    held
}

fn found_before(planned: &PlannedCheck, slot: &InstanceSlot) -> Option<Check> {
    let mut shown = slot.check.iter().take(slot.checks.into()).filter_map(Check::from_board);
    let found = shown.find(|check| check.name == planned.name)?;
    let fault = untext(&slot.fault);
    let detail = fault.strip_prefix(&failure(&found.name)).unwrap_or("it did before").to_owned();
    Some(Check { weight: planned.weight, detail, ..found })
}
