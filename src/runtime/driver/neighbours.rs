//! Virtual routers that another engine of this host has which does not come to the door.

use std::collections::BTreeSet;
use std::task::{Context, Poll};
use std::time::Duration;

use super::Driver;
use crate::proto::{Bequests, Input, RouterId, RouterKey};
use crate::runtime::handover::{Neighbours, Outlook};
use crate::runtime::warnings::{
    WARNING_ALREADY_HERE, WARNING_NO_PLACE, WARNING_STRANGER, WarningScope,
};
use crate::succession::Incident;
use crate::types::{HeldAddress, Instant};

/// The other engines of this host, and which routers they have.
#[derive(Debug)]
pub(super) struct Neighbourhood {
    neighbours: Neighbours,
    /// The routers, in the order of the configuration.
    routers: Vec<RouterKey>,
    own: BTreeSet<RouterKey>,
    /// Those that a predecessor gave to this engine: it had checked them before.
    given: BTreeSet<RouterKey>,
    outlook: Outlook,
    /// When to ask the other engines next.
    look_at: Option<Instant>,
    /// Addresses to remove once none of them can be another engine's.
    leftovers: Option<Vec<HeldAddress>>,
}

impl Neighbourhood {
    pub(super) fn new(neighbours: Neighbours, routers: Vec<RouterKey>, now: Instant) -> Self {
        Self {
            neighbours,
            routers,
            own: BTreeSet::new(),
            given: BTreeSet::new(),
            outlook: Outlook::default(),
            look_at: Some(now),
            leftovers: None,
        }
    }

    /// Stops answering other engines: the routers are not this engine's any more.
    pub(super) fn close(&mut self, now: Instant) {
        self.neighbours.close();
        self.look_at = Some(now);
    }

    /// Waits for the answers of the other engines.
    pub(super) fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<Outlook> {
        self.neighbours.poll_look(cx)
    }

    /// Returns why a router cannot be this engine's.
    fn obstacle(&self, router: &RouterKey) -> Option<String> {
        if self.own.contains(router) {
            return None;
        }
        if let Some(who) = self.outlook.taken.get(router) {
            return Some(format!(
                "another engine of this host has it ({who}): stop one of the two, or give both \
                 nginx the same run_dir"
            ));
        }
        let who = self.outlook.silent.as_ref().filter(|_| !self.given.contains(router))?;
        Some(format!(
            "another engine of this host does not say which virtual routers it has ({who}): stop \
             it if it hangs"
        ))
    }
}

impl Driver<'_> {
    /// Asks engines of this host that do not come to the door, and answers those that ask this one.
    pub(super) fn look_around(&mut self, now: Instant) {
        let problem = self.meeting.problem().map(|problem| {
            format!(
                "engines of this host cannot meet, so a reload costs a failover: {problem}; mend \
                 that, or set run_dir"
            )
        });
        self.warnings.set(WarningScope::Node, WARNING_NO_PLACE, problem, now);
        if self.succession.is_retired() {
            return self.neighbourhood.close(now);
        }
        let Neighbourhood { neighbours, look_at, .. } = &mut self.neighbourhood;
        if look_at.is_some_and(|at| at <= now) {
            *look_at = None;
            neighbours.look(now);
        }
        neighbours.answer();
    }

    /// Handles the answers of the other engines.
    pub(super) fn take_outlook(&mut self, outlook: Outlook, now: Instant) {
        if self.succession.is_retired() {
            return;
        }
        self.neighbourhood.outlook = outlook;
        self.give_way(now);
        self.succession.handle(Incident::NeighboursKnown, now);
    }

    /// Notes which routers an engine has given to this one.
    pub(super) fn note_given(&mut self, state: &Bequests, now: Instant) {
        if !self.succession.is_waiting() {
            return;
        }
        let running = state.routers.iter().filter(|router| router.phase.is_running());
        self.neighbourhood.given = running.map(|router| router.key.clone()).collect();
        if self.neighbourhood.outlook.silent.is_some() {
            self.give_way(now);
        }
    }

    /// Removes the addresses that another engine of this nginx left behind, as soon as none of them
    /// can be those of another nginx.
    pub(super) fn clear_leftovers(&mut self, addresses: Vec<HeldAddress>) {
        if self.neighbourhood.own.len() == self.neighbourhood.routers.len() {
            self.kernel.clear_leftovers(addresses);
        } else {
            self.neighbourhood.leftovers = Some(addresses);
        }
    }

    /// Leaves the routers that other engines have to them.
    fn give_way(&mut self, now: Instant) {
        let mut own = BTreeSet::new();
        for (place, key) in self.neighbourhood.routers.iter().enumerate() {
            let (router, obstacle) = (RouterId(place), self.neighbourhood.obstacle(key));
            let is_so = obstacle.is_some();
            if !is_so {
                own.insert(key.clone());
            }
            self.node.handle(Input::AlreadyHere { router, is_so }, now);
            let scope = WarningScope::Router(router);
            self.warnings.set(scope, WARNING_ALREADY_HERE, obstacle, now);
        }
        let Neighbourhood { neighbours, routers, outlook, look_at, .. } = &mut self.neighbourhood;
        let has_all = own.len() == routers.len();
        let pause =
            if has_all { outlook.stranger.as_ref().map(|_| STRANGER_PAUSE) } else { Some(PAUSE) };
        *look_at = pause.map(|pause| now + pause);
        neighbours.keep(own.clone());
        let stranger = outlook.stranger.as_ref().map(|who| {
            format!("{who} has a socket as engines of this host have: it is ignored, end it")
        });
        self.warnings.set(WarningScope::Node, WARNING_STRANGER, stranger, now);
        self.neighbourhood.own = own;
        if let Some(leftovers) = self.neighbourhood.leftovers.take() {
            self.clear_leftovers(leftovers);
        }
    }
}

/// Time between two checks whether the other engine has gone.
const PAUSE: Duration = Duration::from_secs(1);
/// Time between two checks whether a stranger has gone, if no router waits for that.
const STRANGER_PAUSE: Duration = Duration::from_secs(5);
