//! Reads the state that an earlier engine left on the board, and its verdicts.

use std::collections::BTreeSet;

use super::checks::{Check, PlannedCheck, failure};
use super::words::{BoardWord as _, bequest_from_board};
use crate::guard::{Claim, ClaimedPlace};
use crate::proto::{Bequests, Hold, Phase, RouterKey, UndeliveredEvents};
use crate::status::layout::{InstanceSlot, untext};
use crate::status::{Beat, Board};
use crate::succession::Will;
use crate::types::HeldAddress;

/// Reads the will of the engine that last wrote on the board of a configuration; `None` if none
/// ever did.
///
/// `claims` are those that the guard of that engine states. Other claims on the board do not count:
/// a process that can write there makes no router Active, and has no address removed.
pub(super) fn read(board: &Board, claims: &[Claim]) -> Option<Will> {
    let beat = board.last_beat()?;
    let mut state = state_of(board, beat);
    let held: BTreeSet<_> = claims.iter().map(key_of).collect();
    for router in &mut state.routers {
        if router.phase.holds() && !held.contains(&router.key) {
            router.phase = Phase::Initialize { hold: Hold::Stopped, listen_first: true };
        }
    }
    state.addresses = claims.iter().flat_map(addresses_of).collect();
    Some(Will { state: Box::new(state), guarded: board.guarded() })
}

/// Returns the verdicts of the predecessor about the checks that are planned here, too. They count
/// until there is a newer one: a new process has none of its own.
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
        // The successor of a dead engine judges nginx itself.
        serving: false,
        routers: slots.filter_map(|slot| bequest_from_board(&slot?, at)).collect(),
        unattributed: Vec::new(),
        // They are still on the board.
        undelivered: UndeliveredEvents::default(),
        addresses: Vec::new(),
        links: Vec::new(),
        // So are these.
        lines: Vec::new(),
    }
}

fn key_of(claim: &Claim) -> RouterKey {
    let Claim { interface, family, vrid, .. } = claim;
    RouterKey { interface: *interface, family: *family, vrid: *vrid }
}

fn addresses_of(claim: &Claim) -> impl Iterator<Item = HeldAddress> {
    claim.places.iter().flat_map(|ClaimedPlace { name, addresses, .. }| {
        addresses.iter().map(|address| HeldAddress { link: *name, address: *address })
    })
}

fn found_before(planned: &PlannedCheck, slot: &InstanceSlot) -> Option<Check> {
    let mut shown = slot.check.iter().take(slot.checks.into()).filter_map(Check::from_board);
    let found = shown.find(|check| check.name == planned.name)?;
    let fault = untext(&slot.fault);
    let detail = fault.strip_prefix(&failure(&found.name)).unwrap_or("it did before").to_owned();
    Some(Check { weight: planned.weight, detail, ..found })
}
