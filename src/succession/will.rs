//! What is left of an engine that could not hand over.

use std::time::Duration;

use super::FRESH;
use crate::proto::{Bequests, Hold, Phase};
use crate::types::Instant;

/// What an engine left on the board, which outlives it.
#[derive(Debug)]
pub struct Will {
    /// What it knew of the routers.
    pub state: Box<Bequests>,
    /// How long after its last beat its guard gives the addresses away if it lives.
    pub guarded: Option<Duration>,
}

impl Will {
    /// Tells whether any router took part in the election.
    #[must_use]
    pub fn has_running_routers(&self) -> bool {
        self.state.has_running_routers()
    }

    /// Returns what is left after a failure: all is remembered, and nothing held.
    #[must_use]
    pub fn of_the_failed(mut self) -> Self {
        for router in &mut self.state.routers {
            router.phase = Phase::Initialize { hold: Hold::Stopped, listen_first: true };
        }
        self
    }

    /// Returns the state of one that is dead: if it was given away before, the board says so.
    #[must_use]
    pub fn of_the_dead(self) -> Box<Bequests> {
        self.state
    }

    /// Returns the state of one that lives: if it hangs, nobody says here when it is given away.
    #[must_use]
    pub fn of_the_living(self) -> Box<Bequests> {
        let Self { mut state, guarded } = self;
        let withdrawn_at = guarded.map(|guarded| state.at + guarded);
        state.withdrawn_at = state.withdrawn_at.or(withdrawn_at);
        state
    }
}

/// Tells whether a state that was given may be relied upon: its giver waits for a while before it
/// gives us up, and whoever has been silent for two intervals may hang.
pub(super) fn is_fresh(state: &Bequests, now: Instant) -> bool {
    let age = now.since(state.at);
    let mut running = state.routers.iter().filter(|router| router.phase.is_running());
    age <= FRESH && running.all(|router| age < 2 * router.adver_interval.duration())
}

/// Says that the predecessor has gone: what its guard has not given away `now`, it will not while
/// this engine is there.
pub(super) fn forgive(state: &mut Bequests, now: Instant) {
    state.withdrawn_at = state.withdrawn_at.filter(|at| *at <= now);
}
