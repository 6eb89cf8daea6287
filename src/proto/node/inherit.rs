//! A node that goes on where another one ended, without a sign on the link.

use std::collections::BTreeSet;

use super::{Health, Hold, Instant, Life, LinkCarrier, Node, Obstacle, RouterId};
use crate::proto::bequest::{BequestError, Bequests, RouterKey, UndeliveredEvents};
use crate::proto::phase::Phase;

impl Node {
    /// Returns the state for a successor. Once the successor has it, this node must do nothing
    /// more.
    #[must_use]
    pub fn bequeath(&self, now: Instant) -> Bequests {
        let counted = self.links.iter().map(|link| link.counters);
        Bequests {
            unattributed: self.names.iter().copied().zip(counted).collect(),
            ..self.bequeath_only(self.routers(), now)
        }
    }

    /// Returns the state of some routers, without links: for an engine that shows the changes. A
    /// successor needs all of it.
    #[must_use]
    pub fn bequeath_only(
        &self,
        routers: impl IntoIterator<Item = RouterId>,
        now: Instant,
    ) -> Bequests {
        let routers = routers.into_iter().map(|id| self.routers[id.0].bequeath());
        Bequests {
            version: Bequests::VERSION,
            at: self.now.max(now),
            withdrawn_at: None,
            draining: self.draining,
            serving: self.health == Health::Serving,
            routers: routers.collect(),
            unattributed: Vec::new(),
            undelivered: UndeliveredEvents::default(),
            addresses: Vec::new(),
            links: Vec::new(),
            lines: Vec::new(),
        }
    }

    /// Starts the node as the successor of another one, instead of with
    /// [`Input::Startup`](super::Input::Startup).
    ///
    /// A router with the interface, family and VRID of a bequeathed one goes on where that was:
    /// with its state, deadlines, counters and history, and without a transition or a resignation.
    /// Options that differ count from the next advertisement on. An Active one
    /// [claims](super::Action::Claim) the addresses that are already there. Other routers start as
    /// ever.
    ///
    /// The facts about all links must be known before, and the health unless the predecessor's
    /// nginx served: a router is held in Initialize as always.
    ///
    /// Returns the routers that are not configured here: the predecessor has to resign for them.
    ///
    /// # Errors
    ///
    /// A state that no node can have written is refused as a whole, without any effect.
    pub fn inherit(
        &mut self,
        bequests: &Bequests,
        now: Instant,
    ) -> Result<Vec<RouterKey>, BequestError> {
        let now = self.now.max(now);
        bequests.check(now)?;
        if self.life != Life::Stopped {
            return Err(BequestError::Started);
        }
        let known = bequests.serving || self.health != Health::Unknown;
        let mut routers = self.routers();
        let knows_links = self.links.iter().all(|link| link.facts.is_some())
            && routers.all(|router| self.knows_own_addresses(router));
        if !known || !knows_links {
            return Err(BequestError::TooEarly);
        }
        (self.life, self.now) = (Life::Running, now);
        if self.health == Health::Unknown {
            self.health = Health::Serving;
        }
        self.draining |= bequests.draining;
        let withdrawn = bequests.withdrawn_at.is_some_and(|at| at <= now);
        let mut not_inherited = Vec::new();
        for bequest in &bequests.routers {
            match self.router(&bequest.key) {
                Some(id) => {
                    self.routers[id.0].inherit(bequest, bequests.at, withdrawn, now);
                    self.inherit_deafness(id, bequest.phase);
                }
                None => not_inherited.push(bequest.key.clone()),
            }
        }
        for (name, counters) in &bequests.unattributed {
            if let Some(link) = self.by_name.get(name) {
                self.links[link.0].counters = *counters;
            }
        }
        self.use_lowest_priorities();
        self.settle_all();
        self.handle_timeout(now);
        Ok(not_inherited)
    }

    /// Goes on holding a router that did not hear a peer, until somebody has looked again.
    fn inherit_deafness(&mut self, router: RouterId, phase: Phase) {
        let was_deaf = matches!(phase, Phase::Initialize { hold: Hold::CannotListen, .. });
        if was_deaf && self.carrier_of(router) != Some(LinkCarrier::Deaf) {
            self.obstacles.insert((router, Obstacle::Deafness), DEAF_BEFORE.to_owned());
        }
    }

    /// Returns the routers that are held because they do not hear a peer that outranks them.
    pub fn deaf(&self) -> impl Iterator<Item = RouterId> {
        let deaf = self.obstacles.keys().filter(|(_, kind)| *kind == Obstacle::Deafness);
        deaf.map(|(router, _)| *router)
    }

    /// Returns the key of a router.
    #[must_use]
    pub fn key_of(&self, router: RouterId) -> RouterKey {
        self.routers[router.0].key()
    }

    /// Returns the router of a key.
    #[must_use]
    pub fn router(&self, key: &RouterKey) -> Option<RouterId> {
        let link = *self.by_name.get(&key.interface)?;
        self.by_vrid.get(&(link, key.family, key.vrid)).copied()
    }

    /// Ends this node once a successor has inherited: it resigns for the routers that were not
    /// inherited, and stops advertising for the others, whose addresses stay.
    pub fn hand_over(&mut self, not_inherited: &[RouterKey], now: Instant) {
        self.now = self.now.max(now);
        self.life = Life::Stopped;
        let not_inherited: BTreeSet<_> =
            not_inherited.iter().filter_map(|key| self.router(key)).collect();
        for id in self.routers() {
            let router = &mut self.routers[id.0];
            if not_inherited.contains(&id) {
                router.hold(Hold::Stopped, self.now);
            } else {
                router.fall_silent();
            }
            self.collect(id);
        }
    }
}

/// What is to be said until this engine knows more.
const DEAF_BEFORE: &str = "a peer advertises, and this host drops it: so it was a moment ago";
