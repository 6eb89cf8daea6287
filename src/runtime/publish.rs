//! What the core says of itself, on its way to the board.

mod mirror;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::Ordering::{Acquire, Relaxed};
use std::time::Duration;

use super::checks::Check;
use super::events;
use super::kernel::{Facts, accusation};
use super::report;
use super::words::{BoardWord as _, countable, instance_to_board};
use crate::config::Config;
use crate::proto::{
    ActiveRouter, Bequests, Counters, Health, LinkCarrier, Node, Problem, Reason, ReceiveCounters,
    RouterId, Snapshot, Transition, Untold,
};
use crate::status::layout::{self, CheckSlot, InstanceSlot, WarningSlot};
use crate::status::{Board, EngineState, Workers};
use crate::types::{HeldAddress, Instant};

/// Writes the board.
///
/// A change of state is published at once; counters with the next beat.
pub(super) struct Publisher<'a> {
    board: &'a mut Board,
    facts: Facts,
    /// What was last published of each router, to leave alone what has not changed.
    published: Vec<Option<Published>>,
    /// Which addresses of the board are each router's.
    places: Vec<Range<usize>>,
    /// What earlier engines have announced of each router.
    announced_before: Vec<u64>,
    /// How often earlier engines have lost each address.
    lost_before: Vec<u64>,
    health: Health,
    enough_workers: bool,
    more_checks: Vec<Check>,
    tracked: BTreeMap<RouterId, Vec<Check>>,
    /// Whether this engine waited when the facts were last shown.
    waited: bool,
}

#[derive(Clone, PartialEq)]
struct Published {
    counters: Counters,
    unattributed: ReceiveCounters,
    announcements: u64,
    active_down_interval: Duration,
    active: Option<ActiveRouter>,
    warning: Option<Problem>,
    contested: Option<(usize, usize)>,
}

impl<'a> Publisher<'a> {
    pub(super) fn new(board: &'a mut Board, config: &Config) -> Self {
        events::pause(board);
        board.set_healthy(false);
        board.name_reasons(&Reason::ALL.map(Reason::name));
        let mut next = 0;
        let places = config.instances.iter().map(|instance| {
            let first = next;
            next += instance.addresses.len() + instance.addresses_excluded.len();
            first..next
        });
        let slots = (0..board.instances()).map(|index| board.instance(index));
        let announced =
            slots.map(|slot| slot.map_or(0, |it| countable(it.counters.announcements_sent)));
        let lost =
            board.addresses().iter().map(|slot| countable(slot.lost.load(Relaxed))).collect();
        Self {
            announced_before: announced.collect(),
            lost_before: lost,
            places: places.collect(),
            published: vec![None; config.instances.len()],
            facts: Facts::default(),
            health: Health::Unknown,
            enough_workers: false,
            more_checks: Vec::new(),
            tracked: BTreeMap::new(),
            waited: false,
            board,
        }
    }

    /// Returns how many workers beat.
    pub(super) fn workers(&self, now: Instant, timeout: Duration) -> Workers {
        self.board.workers(now, timeout)
    }

    /// Tells whether nginx's own loop in this process has not turned for so long.
    pub(super) fn is_carrier_silent(&self, now: Instant, timeout: Duration) -> bool {
        self.board.is_carrier_silent(now, timeout)
    }

    /// Tells whether the master has taken on another configuration than this engine's.
    pub(super) fn is_superseded(&self) -> bool {
        self.board.is_superseded()
    }

    /// Takes what an operator asked for since the last time: to drain, or to take part again.
    pub(super) fn take_request(&mut self) -> Option<bool> {
        self.board.take_request()
    }

    /// Says that another engine has the routers now.
    pub(super) fn retire(&mut self) {
        self.board.set_engine(EngineState::Stopped, "");
    }

    /// Says that the next engine's process tells events now.
    pub(super) fn end_events(&mut self) {
        events::pause(self.board);
    }

    /// Says that the engine lives, although another one has the routers and judges nginx.
    pub(super) fn stand_by(&mut self) {
        self.take_health(&Health::Serving);
        self.board.set_engine(EngineState::Running, "");
    }

    /// Keeps what was judged of nginx, for the checks of every router.
    pub(super) fn take_health(&mut self, health: &Health) {
        self.health = health.clone();
        self.board.set_healthy(self.health == Health::Serving);
        self.published.fill(None);
    }

    /// Keeps what was looked at.
    pub(super) fn take_checks(&mut self, checks: Vec<Check>, enough_workers: bool) {
        if self.more_checks != checks || self.enough_workers != enough_workers {
            self.published.fill(None);
        }
        (self.more_checks, self.enough_workers) = (checks, enough_workers);
    }

    /// Keeps what became of the tracked interfaces of a router.
    pub(super) fn take_tracked(&mut self, router: RouterId, tracked: Vec<Check>) {
        self.tracked.insert(router, tracked);
        self.published[router.0] = None;
    }

    /// Has a router shown anew: what it says of its link may be new without a change of state.
    pub(super) fn take_link(&mut self, router: RouterId) {
        self.published[router.0] = None;
    }

    /// Tells whether the kernel has an address of a virtual router from us.
    pub(super) fn holds_any(&self, router: RouterId) -> bool {
        let facts = self.facts.routers.get(router.0);
        facts.is_some_and(|facts| facts.addresses.iter().any(|held| held.ours))
    }

    /// Tells whether the kernel has an address of a virtual router from somebody else.
    pub(super) fn is_foreign(&self, router: RouterId, place: usize) -> bool {
        let held = self.facts.routers.get(router.0).and_then(|facts| facts.addresses.get(place));
        held.is_some_and(|held| held.assigned && !held.ours)
    }

    /// Returns what this engine has put on links.
    pub(super) fn held_addresses(&self, node: &Node) -> Vec<HeldAddress> {
        let mut held = Vec::new();
        for (router, facts) in node.routers().zip(&self.facts.routers) {
            let Snapshot { addresses, addresses_excluded, .. } = node.snapshot(router);
            let link = &node.links()[node.site_of(router).speaks_on.0];
            let all = addresses.iter().chain(addresses_excluded).zip(&facts.addresses);
            let ours = all.filter(|(_, facts)| facts.ours);
            let on_link = |address: &_| HeldAddress { link: link.clone(), address: *address };
            held.extend(ours.map(|(address, _)| on_link(address)));
        }
        held
    }

    /// Keeps what the kernel has, and shows what has become of each address.
    ///
    /// An engine that waits has adopted nothing yet. What a killed one before it owned stays in its
    /// will: should this one die, too, the next one is to find it there.
    pub(super) fn take_facts(&mut self, facts: &Facts, waits: bool) {
        let is_other_view = std::mem::replace(&mut self.waited, waits) != waits;
        self.facts.routers.resize_with(facts.routers.len(), Default::default);
        let shown = self.facts.routers.iter_mut().zip(&facts.routers).zip(&self.places);
        for ((known, router), places) in shown {
            if !is_other_view && known == router {
                continue;
            }
            for (index, held) in places.clone().zip(&router.addresses) {
                let before = self.lost_before.get(index).copied().unwrap_or_default();
                let was_ours = || self.board.addresses()[index].ours.load(Relaxed) != 0;
                let ours = held.ours || waits && held.assigned && was_ours();
                self.board.set_assigned(index, held.assigned, ours);
                self.board.set_lost(index, before + held.lost, held.contested);
            }
            known.clone_from(router);
        }
    }

    /// Says that the engine lives, and publishes every router about which something is new.
    pub(super) fn beat(&mut self, node: &Node) {
        for router in node.routers() {
            if self.published[router.0] != Some(self.gist(node, router)) {
                self.publish(node, router);
            }
        }
        self.board.set_draining(node.is_draining());
        self.board.set_engine(EngineState::Running, "");
    }

    /// Says that the engine lives: to the millisecond, as a successor may have to know. Returns
    /// whether its guard has given away since the last time what it held.
    #[must_use]
    pub(super) fn turn(&mut self, now: Instant) -> bool {
        self.board.beat(now)
    }

    /// Says that the engine lives, but that what the board shows is another one's.
    pub(super) fn turn_while_waiting(&mut self, now: Instant) {
        self.board.beat_while_waiting(now);
    }

    /// Says for how long the guard of this engine bears its silence; `None` if it has none.
    pub(super) fn set_guarded(&mut self, patience: Option<Duration>) {
        self.board.set_guarded(patience);
    }

    /// Publishes one router.
    pub(super) fn publish(&mut self, node: &Node, router: RouterId) {
        let slot = self.slot(node, router);
        self.board.publish(router.0, &slot);
        self.published[router.0] = Some(self.gist(node, router));
    }

    /// Publishes a router that has changed state, and tells Lua.
    pub(super) fn publish_transition(&mut self, node: &Node, transition: &Transition) {
        self.publish(node, transition.router);
        events::push(self.board, node.snapshot(transition.router).name, transition);
    }

    /// Returns what Lua has not told yet, for the next engine to have it told; Lua pauses here.
    /// `ends` says whether this process ends.
    pub(super) fn bequeath_events(&mut self, ends: bool, now: Instant) -> Untold {
        events::bequeath(self.board, ends, now)
    }

    /// Has Lua tell events here, those first that another engine had yet to tell.
    pub(super) fn begin_events(&mut self, state: Option<&Bequests>, now: Instant) {
        events::begin(self.board, state.map(|state| &state.untold), now);
    }

    /// Has Lua tell events here, now that another process has told them up to a number.
    pub(super) fn resume_events(&mut self, told: u64) {
        events::resume(self.board, told);
    }

    /// Returns the number of the last event that Lua has told.
    pub(super) fn events_told(&self) -> u64 {
        self.board.header().events_told.load(Acquire)
    }

    fn gist(&self, node: &Node, router: RouterId) -> Published {
        let snapshot = node.snapshot(router);
        Published {
            counters: *snapshot.counters,
            unattributed: *snapshot.unattributed,
            announcements: self.announcements(router),
            active_down_interval: snapshot.active_down_interval,
            active: snapshot.active,
            warning: snapshot.warning,
            contested: self.contested(router),
        }
    }

    fn announcements(&self, router: RouterId) -> u64 {
        let here = self.facts.routers.get(router.0).map_or(0, |facts| facts.announcements_sent);
        self.announced_before.get(router.0).map_or(here, |before| before + here)
    }

    /// Returns which address of a router somebody keeps removing first of all, and how many others.
    fn contested(&self, router: RouterId) -> Option<(usize, usize)> {
        let addresses = &self.facts.routers.get(router.0)?.addresses;
        let all = addresses.iter().enumerate().filter(|(_, held)| held.contested);
        let mut places = all.map(|(place, _)| place);
        places.next().map(|first| (first, places.count()))
    }

    fn slot(&self, node: &Node, router: RouterId) -> InstanceSlot {
        let snapshot = node.snapshot(router);
        let (check, checks) = self.checks(node, router);
        let (warning, warnings) = self.warnings(&snapshot, router);
        let mut slot = InstanceSlot {
            checks,
            check,
            warnings,
            warning,
            first_address: u32::try_from(self.places[router.0].start).unwrap_or(u32::MAX),
            ..instance_to_board(&snapshot)
        };
        slot.counters.announcements_sent = self.announcements(router);
        slot
    }

    /// What a router needs to leave Initialize, in the order it is looked at.
    fn checks(&self, node: &Node, router: RouterId) -> ([CheckSlot; layout::CHECKS], u8) {
        let own = [
            ("interface", node.carrier_of(router) == Some(LinkCarrier::Up)),
            ("primary_address", node.source_of(router).is_some()),
            ("workers", self.enough_workers),
        ];
        let own = own.map(|(name, ok)| CheckSlot {
            name: layout::text(name),
            ok: u8::from(ok),
            ..CheckSlot::EMPTY
        });
        let tracked = self.tracked.get(&router).into_iter().flatten();
        let more = tracked.chain(&self.more_checks).map(Check::to_board);
        let mut checks = [CheckSlot::EMPTY; layout::CHECKS];
        let mut count = 0;
        for (slot, check) in checks.iter_mut().zip(own.into_iter().chain(more)) {
            *slot = check;
            count += 1;
        }
        (checks, count)
    }

    /// What an operator should look into, although it holds nothing up.
    fn warnings(
        &self,
        snapshot: &Snapshot<'_>,
        router: RouterId,
    ) -> ([WarningSlot; layout::WARNINGS], u8) {
        let contested = self.contested(router).and_then(|(first, others)| {
            let mut all = snapshot.addresses.iter().chain(snapshot.addresses_excluded);
            let text = accusation(all.nth(first)?, others, snapshot.link);
            Some(warning_slot("address_contested", &text))
        });
        let in_vain = snapshot.warning.as_ref().map(|problem| {
            let text = report::problem(problem);
            warning_slot("weight_in_vain", &text)
        });
        let mut warnings = [WarningSlot::EMPTY; layout::WARNINGS];
        let mut count = 0;
        for (slot, warning) in warnings.iter_mut().zip([contested, in_vain].into_iter().flatten()) {
            *slot = warning;
            count += 1;
        }
        (warnings, count)
    }
}

fn warning_slot(name: &str, text: &str) -> WarningSlot {
    WarningSlot { name: layout::text(name), text: layout::text(text) }
}
