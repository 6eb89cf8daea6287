//! Writes the slots of the virtual routers and of their addresses on the board.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::atomic::Ordering::Relaxed;

use super::checks::Check;
use super::events;
use super::view::View;
use super::words::{
    BoardWord as _, address_places, bequest_to_board, instance_to_board, key_from_board,
    peer_places,
};
use crate::config::Config;
use crate::proto::{Bequests, LinkCarrier, Node, Reason, RouterId};
use crate::status::layout::{CheckSlot, InstanceSlot, text};
use crate::status::{Board, EngineState};

/// Writes the slots of the board.
///
/// A change of state is shown at once; everything else with the next beat.
pub(super) struct BoardWriter {
    /// The places of each router's addresses on the board.
    places: Vec<Range<usize>>,
    /// Which peers of the board are each router's.
    peer_places: Vec<Range<usize>>,
    /// Whether the addresses are shown as those of an engine that waits.
    waits: bool,
}

impl BoardWriter {
    /// Prepares the board for an engine that starts: no health is known, and no event delivered.
    pub(super) fn new(board: &mut Board, config: &Config) -> Self {
        events::pause(board);
        board.set_healthy(false);
        board.name_reasons(&Reason::ALL.map(Reason::name));
        let (places, peer_places) = (address_places(config), peer_places(config));
        Self { places, peer_places, waits: true }
    }

    /// Shows that the engine runs, and the routers that have changed.
    pub(super) fn beat(
        &self,
        board: &mut Board,
        view: &View,
        node: &Node,
        changed: &BTreeSet<RouterId>,
    ) {
        for router in changed {
            self.show(board, view, node, *router);
        }
        board.set_draining(node.is_draining());
        board.set_engine(EngineState::Running, "");
    }

    /// Shows a router.
    pub(super) fn show(&self, board: &mut Board, view: &View, node: &Node, router: RouterId) {
        let snapshot = node.snapshot(router);
        let (check, checks) = filled(CheckSlot::EMPTY, checks(view, node, router));
        let [first_address, first_peer] = [&self.places, &self.peer_places]
            .map(|places| u32::try_from(places[router.0].start).unwrap_or(u32::MAX));
        let mut slot = InstanceSlot {
            checks,
            first_address,
            first_peer,
            check,
            ..instance_to_board(&snapshot)
        };
        slot.counters.announcements_sent = view.announcements(router);
        board.publish(router.0, &slot);
        // What an earlier engine has heard stays.
        for (index, peer) in self.peer_places[router.0].clone().zip(snapshot.peers) {
            if let Some(heard) = peer.last_heard {
                board.set_heard(index, heard.to_board());
            }
        }
    }

    /// Shows whether the addresses of routers are assigned.
    ///
    /// A waiting engine has adopted nothing yet. The addresses of a killed predecessor stay on the
    /// board: if this engine dies, too, the next one finds them there.
    pub(super) fn show_addresses(
        &mut self,
        board: &mut Board,
        view: &View,
        changed: BTreeSet<RouterId>,
        waits: bool,
    ) {
        let ends_to_wait = std::mem::replace(&mut self.waits, waits) != waits;
        let all = (0..self.places.len()).map(RouterId);
        let changed = if ends_to_wait { all.collect() } else { changed };
        for router in changed {
            let addresses = view.addresses(router).iter().enumerate();
            for (index, (place, address)) in self.places[router.0].clone().zip(addresses) {
                let was_ours = || board.addresses()[index].ours.load(Relaxed) != 0;
                let ours = address.ours || waits && address.assigned && was_ours();
                board.set_assigned(index, address.assigned, ours);
                board.set_lost(index, view.losses(router, place), address.contested);
            }
        }
    }

    /// Shows the state that the engine which has the routers has sent.
    pub(super) fn mirror(&self, board: &mut Board, state: &Bequests) {
        for (index, places) in self.places.iter().enumerate() {
            let Some(mut slot) = board.instance(index) else { continue };
            let key = key_from_board(&slot);
            let bequest = state.routers.iter().find(|it| Some(&it.key) == key.as_ref());
            let Some(bequest) = bequest.filter(|it| !it.history.is_empty()) else { continue };
            bequest_to_board(bequest, &mut slot);
            board.publish(index, &slot);
            for address in places.clone() {
                board.set_assigned(address, bequest.phase.holds(), false);
            }
        }
        board.set_draining(state.draining);
    }
}

/// Returns the checks of a router, in the order of the status.
fn checks(view: &View, node: &Node, router: RouterId) -> impl Iterator<Item = CheckSlot> {
    let own = [
        ("interface", node.carrier_of(router) == Some(LinkCarrier::Up)),
        ("primary_address", node.source_of(router).is_some()),
        ("workers", view.has_enough_workers()),
    ];
    let own =
        own.map(|(name, ok)| CheckSlot { name: text(name), ok: ok.into(), ..CheckSlot::EMPTY });
    own.into_iter().chain(view.checks(router).map(Check::to_board))
}

/// Fills as many slots as there are, and returns how many are in use.
fn filled<T: Copy, const N: usize>(empty: T, all: impl Iterator<Item = T>) -> ([T; N], u8) {
    let mut slots = [empty; N];
    let mut count = 0;
    for (slot, one) in slots.iter_mut().zip(all) {
        *slot = one;
        count += 1;
    }
    (slots, count)
}
