//! The state that an engine leaves behind when it could not hand over.

use std::time::Duration;

use super::STATE_MAX_AGE;
use crate::proto::{Bequests, Hold, Phase};
use crate::types::Instant;

/// The state that an engine left on the board, which outlives it.
#[derive(Debug)]
pub struct Will {
    /// The state of its routers.
    pub state: Box<Bequests>,
    /// Silence after which its guard withdraws the routers, if the engine lives and hangs.
    pub guarded: Option<Duration>,
}

impl Will {
    /// Tells whether any router took part in the election.
    #[must_use]
    pub fn has_running_routers(&self) -> bool {
        self.state.has_running_routers()
    }

    /// Returns the will of an engine that failed: counters and history stay, no router is Active.
    #[must_use]
    pub fn after_failure(mut self) -> Self {
        for router in &mut self.state.routers {
            router.phase = Phase::Initialize { hold: Hold::Stopped, listen_first: true };
        }
        self
    }

    /// Returns the state of a dead engine. Whether its guard has withdrawn it stands on the board.
    #[must_use]
    pub fn of_dead_engine(self) -> Box<Bequests> {
        self.state
    }

    /// Returns the state of a living engine. If it hangs, its guard withdraws the routers, and no
    /// other sign says when.
    #[must_use]
    pub fn of_living_engine(self) -> Box<Bequests> {
        let Self { mut state, guarded } = self;
        let withdrawn_at = guarded.map(|guarded| state.at + guarded);
        state.withdrawn_at = state.withdrawn_at.or(withdrawn_at);
        state
    }
}

/// Tells whether a state is recent enough to take the routers over with it. Later, the engine that
/// gave it may have stopped waiting; one that was silent for two intervals may hang.
pub(super) fn is_fresh(state: &Bequests, now: Instant) -> bool {
    let age = now.since(state.at);
    let mut running = state.routers.iter().filter(|router| router.phase.is_running());
    age <= STATE_MAX_AGE && running.all(|router| age < 2 * router.adver_interval.duration())
}

/// Notes that the predecessor has ended: a withdrawal that its guard has not made by `now` is not
/// made any more while this engine runs.
pub(super) fn cancel_later_withdrawal(state: &mut Bequests, now: Instant) {
    state.withdrawn_at = state.withdrawn_at.filter(|at| *at <= now);
}
