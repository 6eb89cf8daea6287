//! What an earlier engine left on the board: all that peers would miss, and what it had checked.

use std::sync::atomic::Ordering::Relaxed;

use super::checks::{Check, PlannedCheck, failure};
use super::words::{BoardWord as _, address_places, bequest_from_board};
use crate::config::Config;
use crate::proto::{Bequests, Untold};
use crate::status::layout::{InstanceSlot, untext};
use crate::status::{Beat, Board};
use crate::succession::Will;
use crate::types::HeldAddress;

/// Reads the will of the engine that last wrote on the board of a configuration; `None` if none
/// ever did.
pub(super) fn read(board: &Board, config: &Config) -> Option<Will> {
    let beat = board.last_beat()?;
    let state = state_of(board, config, beat);
    Some(Will { state: Box::new(state), guarded: board.guarded() })
}

/// Returns the verdicts of the engine before this one about the checks that are planned here, too.
/// They count until there is a newer one: a new process says nothing about this nginx.
pub(super) fn checks(board: &Board, planned: &[PlannedCheck]) -> Vec<Check> {
    let slots = || (0..board.instances()).filter_map(|index| board.instance(index));
    let found = |check| slots().find_map(|slot| found_before(check, &slot));
    planned.iter().filter_map(found).collect()
}

fn state_of(board: &Board, config: &Config, beat: Beat) -> Bequests {
    let at = beat.at();
    let slots = (0..board.instances()).map(|index| board.instance(index));
    Bequests {
        version: Bequests::VERSION,
        at,
        withdrawn_at: beat.is_withdrawn().then_some(at),
        draining: board.is_draining(),
        // The successor of a dead engine judges nginx itself.
        serving: false,
        routers: slots.filter_map(|slot| bequest_from_board(&slot?, at)).collect(),
        unattributed: Vec::new(),
        // They are still on the board.
        untold: Untold::default(),
        addresses: addresses(board, config),
    }
}

/// Returns those of the configured addresses that its engine had put on links.
fn addresses(board: &Board, config: &Config) -> Vec<HeldAddress> {
    let mut held = Vec::new();
    for (instance, places) in config.instances.iter().zip(address_places(config)) {
        let all = instance.addresses.iter().chain(&instance.addresses_excluded).zip(places);
        let is_ours = |place: usize| {
            let slot = board.addresses().get(place);
            slot.is_some_and(|slot| slot.ours.load(Relaxed) != 0)
        };
        let ours = all.filter(|(_, place)| is_ours(*place));
        let on_link =
            |address: &_| HeldAddress { link: instance.interface.clone(), address: *address };
        held.extend(ours.map(|(address, _)| on_link(address)));
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
