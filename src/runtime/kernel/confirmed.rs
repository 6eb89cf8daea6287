//! When the election last stood by its claims.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use crate::types::Instant;

/// A moment that the election moves forward in every turn of its loop. Clones are the same.
///
/// It is no part of the orders, as the election must not wait for whoever is reading those.
#[derive(Clone, Debug, Default)]
pub(super) struct Confirmed(Arc<AtomicU64>);

impl Confirmed {
    pub(super) fn set(&self, at: Instant) {
        self.0.store(at.as_nanos(), Relaxed);
    }

    pub(super) fn get(&self) -> Instant {
        Instant::from_nanos(self.0.load(Relaxed))
    }
}
