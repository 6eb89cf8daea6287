//! The transitions of one virtual router.

use std::collections::VecDeque;

use super::event::{PastTransition, RouterId, Transition};

/// The last [`HISTORY_LENGTH`] transitions, and how many there ever were.
#[derive(Debug)]
pub(super) struct History {
    last: VecDeque<Transition>,
    total: u64,
}

impl History {
    pub(super) fn new() -> Self {
        // Most routers change their state a few times only.
        Self { last: VecDeque::new(), total: 0 }
    }

    /// Creates the history of a router that goes on where another one ended.
    pub(super) fn inherited(router: RouterId, past: &[PastTransition], total: u64) -> Self {
        let forgotten = past.len().saturating_sub(HISTORY_LENGTH);
        let mut history = Self::new();
        for &PastTransition { at, from, to, reason } in &past[forgotten..] {
            history.record(Transition { router, at, from, to, reason });
        }
        history.total = total.max(history.total);
        history
    }

    /// Records a transition; in a full history it replaces the oldest one.
    pub(super) fn record(&mut self, transition: Transition) {
        if self.last.len() == HISTORY_LENGTH {
            self.last.pop_front();
        }
        self.last.push_back(transition);
        self.total += 1;
    }

    /// Returns the latest transition.
    pub(super) fn latest(&self) -> Option<&Transition> {
        self.last.back()
    }

    /// Returns the transitions kept, oldest first.
    pub(super) fn iter(&self) -> impl ExactSizeIterator<Item = &Transition> {
        self.last.iter()
    }

    /// Returns the transitions kept, oldest first, without the place of the router.
    pub(super) fn bequeath(&self) -> Vec<PastTransition> {
        self.last.iter().map(PastTransition::from).collect()
    }

    /// Returns the number of transitions there ever were.
    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

/// Transitions kept for the status of each router.
pub const HISTORY_LENGTH: usize = 32;
