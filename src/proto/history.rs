//! The transitions of one virtual router.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use super::event::{PastTransition, RouterId, Transition};
use super::state::Reason;

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

/// A counter of transitions for every reason. Written down by their names: the next version may
/// have other reasons.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize, Deserialize)]
#[serde(into = "BTreeMap<&'static str, u64>", from = "BTreeMap<String, u64>")]
pub struct ReasonCounters([u64; Reason::ALL.len()]);

impl ReasonCounters {
    /// Creates counters from the number for each reason.
    pub(crate) fn new(count: impl Fn(Reason) -> u64) -> Self {
        Self(Reason::ALL.map(count))
    }

    /// Counts a transition.
    pub(super) fn count(&mut self, reason: Reason) {
        self.0[reason as usize] += 1;
    }

    /// Returns how many transitions had a reason.
    #[must_use]
    pub const fn of(&self, reason: Reason) -> u64 {
        self.0[reason as usize]
    }
}

impl From<ReasonCounters> for BTreeMap<&'static str, u64> {
    fn from(counters: ReasonCounters) -> Self {
        let names = Reason::ALL.iter().map(|reason| reason.name());
        names.zip(counters.0).filter(|(_, count)| *count > 0).collect()
    }
}

impl From<BTreeMap<String, u64>> for ReasonCounters {
    fn from(counts: BTreeMap<String, u64>) -> Self {
        Self::new(|reason| counts.get(reason.name()).copied().unwrap_or_default())
    }
}

/// Transitions kept for the status of each router.
pub const HISTORY_LENGTH: usize = 32;
