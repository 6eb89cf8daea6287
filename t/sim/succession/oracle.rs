//! What must hold for a host after every step, whatever happened to its engines.

use std::collections::BTreeMap;
use std::time::Duration;

use resty_vrrp::proto::{Input, LinkId, State, Transition};
use resty_vrrp::types::{Instant, Priority};

use super::world::{EngineIndex, INTERVAL, VRIDS, World};

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
    /// The last advertisement, or the last moment at which no engine could be blamed for silence.
    since: Instant,
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
        if let Some(voice) = voice.filter(|voice| now.since(voice.since) > 3 * INTERVAL) {
            voice.claims = false;
        }
    }
}

/// What is judged when it happens.
impl World {
    pub(super) fn hear_an_engine(&mut self, engine: EngineIndex, vrid: u8, priority: Priority) {
        let now = self.now;
        for other in (0..self.engines.len()).filter(|other| *other != engine) {
            let said = self.oracle.last_said.get(&(other, vrid));
            let Some((at, what)) = said.filter(|(at, _)| now.since(*at) <= INTERVAL * 3 / 2) else {
                continue;
            };
            let both = self.is_in_office(other, vrid) && self.engines[other].is_able();
            let is_handed_over = self.has_said_took(other) || self.has_said_took(engine);
            assert!(
                !both || *what == priority || is_handed_over,
                "engine {engine} says {priority:?} for {vrid}, and engine {other} said {what:?} \
                 {:?} before",
                now.since(*at)
            );
        }
        self.oracle.last_said.insert((engine, vrid), (now, priority));
        let claims = !priority.is_resigning();
        self.oracle.was_noticed |= !claims;
        self.oracle.voices.insert(vrid, Voice { since: now, claims });
    }

    pub(super) fn resign_for(&mut self, engine: EngineIndex, vrid: u8) {
        self.trace(|| format!("the guard of engine {engine} resigns for {vrid}"));
        self.oracle.voices.insert(vrid, Voice { since: self.now, claims: false });
        let it = &self.engines[engine];
        let router = it.conf.iter().position(|conf| conf.vrid.get() == vrid);
        let mut node = resty_vrrp::proto::Node::new(&it.conf);
        node.handle(Input::Link { link: LinkId(0), facts: super::world::our_facts() }, self.now);
        let router = resty_vrrp::proto::RouterId(router.expect("it is guarded"));
        let mut bytes = Vec::new();
        node.encode(router, Priority::RESIGN, &mut bytes);
        self.transmit(bytes);
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
    pub(super) fn begin_anew(&mut self) {
        if self.oracle.deserted_since.is_some() {
            self.oracle.voices.clear();
        }
    }

    /// No address is removed that an engine claims whose loop turns.
    pub(super) fn judge_removal(&mut self, vrid: u8, by: &str, own: Option<EngineIndex>) {
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
            voice.since = self.now;
            self.oracle.voices.insert(vrid, voice);
            return;
        }
        let silence = self.now.since(voice.since);
        let late = self.weather.lateness + self.weather.latency;
        assert!(silence <= INTERVAL * 3 / 2 + SLACK + late, "{vrid} was silent for {silence:?}");
    }

    /// Where no engine that turns has the routers, another one soon has.
    fn observe_desertion(&mut self) {
        let is_served = self.engines.iter().any(|it| it.is_able() && it.succession.is_holding());
        let could_serve = |it: &super::engine::EngineModel| {
            let superseded = self.boards[it.board].is_superseded;
            let is_ready = it.is_ready && !superseded || it.succession.is_retired();
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
        for vrid in &self.addresses {
            let configured = holder.conf.iter().any(|conf| conf.vrid.get() == *vrid);
            assert!(configured, "the address of {vrid} was left behind");
        }
    }
}
