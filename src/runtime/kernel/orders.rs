//! What the election wants of the thread, and since when it has not changed its mind.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use tokio::sync::watch;

use super::Wanted;
use crate::types::Instant;

/// When the election last stood by all that it wants. Clones are the same.
///
/// It moves in every turn of the election's loop, which must not wait there for whoever is reading
/// the rest.
#[derive(Clone, Debug, Default)]
pub(super) struct Confirmed(Arc<AtomicU64>);

impl Confirmed {
    /// To be called after everything that was wanted by then was said.
    pub(super) fn set(&self, at: Instant) {
        self.0.store(at.as_nanos(), Release);
    }

    fn get(&self) -> Instant {
        Instant::from_nanos(self.0.load(Acquire))
    }
}

/// The thread's end of what the election says.
#[derive(Debug)]
pub(super) struct Orders {
    pub(super) wanted: watch::Receiver<Wanted>,
    pub(super) confirmed: Confirmed,
}

impl Orders {
    /// Returns what is wanted, and a moment at which the election stood by it.
    pub(super) fn read(&self) -> (Wanted, Instant) {
        // In this order: what was said before that moment has been heard then. In the other one, a
        // fresh word would seem to confirm what it took back.
        let confirmed_at = self.confirmed.get();
        (self.wanted.borrow().clone(), confirmed_at)
    }
}
