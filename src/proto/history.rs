//! The transitions of one virtual router.

use std::collections::VecDeque;

use super::event::Transition;

/// The last [`HISTORY_LENGTH`] transitions, and how many there ever were.
#[derive(Debug)]
pub(super) struct History {
    last: VecDeque<Transition>,
    total: u64,
}

impl History {
    pub(super) fn new() -> Self {
        Self { last: VecDeque::with_capacity(HISTORY_LENGTH), total: 0 }
    }

    /// Records a transition; the oldest one makes room for it.
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

    /// Returns the number of transitions since the node was made.
    pub(super) fn total(&self) -> u64 {
        self.total
    }
}

/// Transitions kept for the status of each router.
pub const HISTORY_LENGTH: usize = 32;
