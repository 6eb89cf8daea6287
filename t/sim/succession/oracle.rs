//! What must hold for a host after every step, whatever happened to its engines.

use std::collections::BTreeMap;
use std::time::Duration;

use resty_vrrp::proto::{Health, Input, LinkId, RouterKey, State, Transition};
use resty_vrrp::types::{Instant, Priority};

use super::world::{EngineIndex, INTERVAL, VRIDS, World};
use crate::packet::encoded;

#[derive(Default)]
pub(super) struct WorldOracle {
    voices: BTreeMap<u8, Voice>,
    /// The last advertisement of each engine for each router.
    last_said: BTreeMap<(EngineIndex, u8), (Instant, Priority)>,
    /// Since when an engine could take the routers over, and no engine that turns has them.
    deserted_since: Option<Instant>,
    /// A router was resigned for, or given up.
    was_noticed: bool,
}

/// What the LAN has heard of a virtual router of this host.
#[derive(Clone, Copy, Debug)]
struct Voice {
    advertised_at: Instant,
    /// The last moment at which no engine could be blamed for the silence since.
    excused_at: Instant,
    /// Whether peers take this host for Active.
    claims: bool,
}

/// More than an engine may be late, and a message or a turn of `vrrp-net` may take.
const SLACK: Duration = Duration::from_millis(5);
/// How long after its holder was lost a host may be silent: another carrier is started, or a hung
/// predecessor is waited for.
const RECOVERY: Duration = Duration::from_secs(1);

impl WorldOracle {
    /// The peer is Active: it has lost patience, or was resigned to.
    pub(super) fn hear_the_peer(&mut self, vrid: u8, now: Instant) {
        let voice = self.voices.get_mut(&vrid);
        if let Some(voice) = voice.filter(|voice| now.since(voice.advertised_at) > 3 * INTERVAL) {
            voice.claims = false;
        }
    }
}

/// What is judged when it happens.
impl World {
    pub(super) fn hear_an_engine(&mut self, engine: EngineIndex, vrid: u8, priority: Priority) {
        let now = self.now;
        // It is about to tell the predecessor that it took the routers over.
        let assumes = self.engines[engine].succession.is_waiting();
        for other in (0..self.engines.len()).filter(|other| *other != engine) {
            let said = self.oracle.last_said.get(&(other, vrid));
            let Some((at, what)) = said.filter(|(at, _)| now.since(*at) <= INTERVAL * 3 / 2) else {
                continue;
            };
            let both = self.is_in_office(other, vrid) && self.engines[other].is_able();
            let is_handed_over = self.is_about_to_hear(other) || self.is_about_to_hear(engine);
            assert!(
                !both || *what == priority || is_handed_over || assumes,
                "engine {engine} says {priority:?} for {vrid}, and engine {other} said {what:?} \
                 {:?} before",
                now.since(*at)
            );
        }
        self.oracle.last_said.insert((engine, vrid), (now, priority));
        let claims = !priority.is_resigning();
        self.oracle.was_noticed |= !claims;
        self.oracle.voices.insert(vrid, Voice { advertised_at: now, excused_at: now, claims });
    }

    pub(super) fn resign_for(&mut self, engine: EngineIndex, vrid: u8) {
        self.trace(|| format!("the guard of engine {engine} resigns for {vrid}"));
        self.oracle.voices.remove(&vrid);
        let it = &self.engines[engine];
        let router = it.conf.iter().position(|conf| conf.vrid.get() == vrid);
        let mut node = resty_vrrp::proto::Node::new(&it.conf);
        node.handle(Input::Link { link: LinkId(0), facts: super::world::our_facts() }, self.now);
        let router = resty_vrrp::proto::RouterId(router.expect("it is guarded"));
        let datagrams = encoded(&node, router, Priority::RESIGN);
        for bytes in datagrams {
            self.transmit(bytes);
        }
    }

    /// The election itself gives a router up, and says why.
    pub(super) fn hear_a_transition(&mut self, _: EngineIndex, vrid: u8, it: &Transition) {
        if it.from == State::Active {
            self.oracle.was_noticed = true;
            if let Some(voice) = self.oracle.voices.get_mut(&vrid) {
                voice.claims = false;
            }
        }
    }

    /// An engine begins that knows nothing: where the holder was lost, peers will see that.
    pub(super) fn begin_anew(&mut self, engine: EngineIndex) {
        self.forget_lost(engine, &VRIDS);
    }

    /// Where the holder was lost, nobody is there to resign for what is configured no longer.
    pub(super) fn nobody_resigns_for(&mut self, engine: EngineIndex, not_inherited: &[RouterKey]) {
        let vrids: Vec<u8> = not_inherited.iter().map(|key| key.vrid.get()).collect();
        self.forget_lost(engine, &vrids);
    }

    pub(super) fn forget_lost(&mut self, engine: EngineIndex, vrids: &[u8]) {
        for vrid in vrids {
            let others =
                (0..self.engines.len()).filter(|it| *it != engine && self.engines[*it].is_able());
            if !others.into_iter().any(|other| self.is_in_office(other, *vrid)) {
                self.oracle.voices.remove(vrid);
            }
        }
    }

    /// No address is removed that an engine claims whose loop turns, unless whoever removes it has
    /// decided so before it can have heard that it is claimed.
    pub(super) fn judge_removal(&mut self, vrid: u8, by: &str, own: Option<EngineIndex>) {
        let has_decided = |own: EngineIndex| self.engines[own].net.released.contains(&vrid);
        if own.is_some_and(|own| self.is_about_to_hear(own) || has_decided(own)) {
            return;
        }
        for engine in (0..self.engines.len()).filter(|engine| Some(*engine) != own) {
            let it = &self.engines[engine];
            let claims = it.net.claims.contains(&vrid) && !it.net.is_abandoned;
            assert!(
                !(it.is_able() && claims && self.is_in_office(engine, vrid)),
                "{by} removes the address of {vrid}, which engine {engine} claims"
            );
        }
    }
}

/// What is judged after every step.
impl World {
    pub(super) fn observe(&mut self) {
        for vrid in VRIDS {
            self.observe_voice(vrid);
        }
        self.observe_desertion();
    }

    /// A claimed router is never silent for much longer than its interval, unless every engine that
    /// has it is dead or hangs.
    fn observe_voice(&mut self, vrid: u8) {
        let Some(mut voice) = self.oracle.voices.get(&vrid).copied().filter(|it| it.claims) else {
            return;
        };
        let mut held = (0..self.engines.len()).filter(|it| self.is_in_office(*it, vrid)).peekable();
        let is_lost = held.peek().is_none() && self.oracle.deserted_since.is_some();
        if is_lost || held.peek().is_some() && !held.any(|it| self.engines[it].is_able()) {
            voice.excused_at = self.now;
            self.oracle.voices.insert(vrid, voice);
            return;
        }
        let silence = self.now.since(voice.advertised_at.max(voice.excused_at));
        let late = self.weather.lateness + self.weather.latency;
        assert!(silence <= INTERVAL * 3 / 2 + SLACK + late, "{vrid} was silent for {silence:?}");
    }

    /// Where no engine that turns has the routers, another one soon has.
    fn observe_desertion(&mut self) {
        let is_served = self.engines.iter().any(|it| it.is_able() && it.succession.is_holding());
        let is_held = self.engines.iter().any(|it| it.is_alive() && it.succession.is_holding());
        let could_serve = |it: &super::engine::EngineModel| {
            let superseded = self.boards[it.board].is_superseded;
            let serves = it.health == Health::Serving;
            // One that has handed over is not to notice that the next one hangs.
            let is_heir = it.succession.is_retired() && !is_held;
            let is_ready = it.succession.is_waiting() && serves && !superseded || is_heir;
            it.is_able() && is_ready && it.stop_asked_at.is_none()
        };
        if is_served {
            self.oracle.deserted_since = None;
            return;
        }
        let since = *self.oracle.deserted_since.get_or_insert(self.now);
        if !self.engines.iter().any(could_serve) {
            self.oracle.deserted_since = Some(self.now);
            return;
        }
        let alone = self.now.since(since);
        assert!(alone <= RECOVERY, "no engine has taken the routers over for {alone:?}");
    }

    /// Tells whether an engine has a router, as far as it knows.
    pub(super) fn is_in_office(&self, engine: EngineIndex, vrid: u8) -> bool {
        let it = &self.engines[engine];
        if !matches!(it.life, super::engine::LifeModel::Running | super::engine::LifeModel::Hung)
            || !it.succession.is_holding()
        {
            return false;
        }
        let router = it.conf.iter().position(|conf| conf.vrid.get() == vrid);
        router.is_some_and(|router| {
            let router = resty_vrrp::proto::RouterId(router);
            it.node.snapshot(router).state == State::Active
        })
    }

    /// Returns the engine that has the routers.
    pub(super) fn holder(&self) -> Option<EngineIndex> {
        let mut all = 0..self.engines.len();
        all.find(|it| self.engines[*it].is_alive() && self.engines[*it].succession.is_holding())
    }

    /// No peer has noticed anything: the host never resigned, and never gave a router up.
    pub(super) fn assert_unnoticed(&self) {
        self.assert_settled();
        assert!(!self.oracle.was_noticed && !self.peer_is_active(), "a peer has noticed");
    }

    /// Tells whether one engine has the routers and the addresses, and none is about to stop.
    pub(super) fn is_settled(&self) -> bool {
        let Some(holder) = self.holder() else { return false };
        let mut living = self.engines.iter().filter(|it| it.is_alive());
        let is_calm = living.all(|it| it.is_able() && it.stop_asked_at.is_none());
        let vrids = self.engines[holder].conf.iter().map(|conf| conf.vrid.get());
        let mut vrids = vrids
            .filter(|vrid| !self.is_in_office(holder, *vrid) || !self.addresses.contains(vrid));
        is_calm && vrids.next().is_none()
    }

    /// All trouble is over: one engine has the routers, and every other one knows its place.
    pub(super) fn assert_settled(&self) {
        let holders: Vec<_> = (0..self.engines.len())
            .filter(|it| self.engines[*it].is_alive() && self.engines[*it].succession.is_holding())
            .collect();
        assert_eq!(holders.len(), 1, "engines {holders:?} have the routers");
        for (engine, it) in self.engines.iter().enumerate().filter(|(_, it)| it.is_alive()) {
            assert!(it.stop_asked_at.is_none(), "engine {engine} has not stopped");
        }
        let holder = &self.engines[holders[0]];
        for conf in &holder.conf {
            let vrid = conf.vrid.get();
            let active = self.is_in_office(holders[0], vrid);
            assert!(active, "{vrid} is not Active");
            assert!(self.addresses.contains(&vrid), "{vrid} has no address");
        }
        // An address that nobody refreshes goes with its lifetime.
        let is_refreshed =
            |vrid: &&u8| self.engines.iter().any(|it| it.is_alive() && it.net.owned.contains(vrid));
        for vrid in self.addresses.iter().filter(is_refreshed) {
            let configured = holder.conf.iter().any(|conf| conf.vrid.get() == *vrid);
            assert!(configured, "the address of {vrid} was left behind");
        }
    }
}
