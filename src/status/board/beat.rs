//! The engine's beat, and the word of its guard that it has come too late.
//!
//! Both are one number, so that there is no moment between them: either the guard finds the beat
//! as old as it was and marks it, and the engine finds the mark with its next one; or the engine
//! has beaten again, and the guard finds nothing to mark.

use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use std::time::Duration;

use super::Board;
use crate::status::layout::WITHDRAWN;
use crate::types::Instant;

/// A sign of life of the engine.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Beat(u64);

impl Beat {
    /// Returns when the engine turned.
    #[must_use]
    pub fn at(self) -> Instant {
        Instant::from_nanos((self.0 & !WITHDRAWN).saturating_mul(1_000_000))
    }

    /// Tells whether what the engine held was given away since.
    #[must_use]
    pub fn is_withdrawn(self) -> bool {
        self.0 & WITHDRAWN != 0
    }
}

impl Board {
    /// Says that the engine turned. Returns whether what it held was given away since the last
    /// time.
    #[must_use]
    pub fn beat(&mut self, now: Instant) -> bool {
        Beat(self.header().engine_beat_ms.swap(now.as_millis(), AcqRel)).is_withdrawn()
    }

    /// Says that an engine turned which has nothing yet: what became of that of the engine before
    /// it still stands.
    pub fn beat_while_waiting(&mut self, now: Instant) {
        let beat = |before| Some(now.as_millis() | before & WITHDRAWN);
        // It cannot fail: the closure always has an answer.
        self.header().engine_beat_ms.fetch_update(Release, Relaxed, beat).ok();
    }

    /// Returns the last beat, be it of an engine on an earlier board; `None` if none ever beat.
    #[must_use]
    pub fn last_beat(&self) -> Option<Beat> {
        let beat = self.header().engine_beat_ms.load(Acquire);
        (beat != 0).then_some(Beat(beat))
    }

    /// Notes that what the engine holds is about to be given away. Returns `false` if it has
    /// turned since its `last` beat, and nothing was noted.
    #[must_use]
    pub fn withdraw(&self, last: Beat) -> bool {
        let beat = &self.header().engine_beat_ms;
        beat.compare_exchange(last.0, last.0 | WITHDRAWN, AcqRel, Relaxed).is_ok()
    }

    /// Sets the silence after which the guard withdraws the routers; `None` if nobody would.
    pub fn set_guarded(&mut self, patience: Option<Duration>) {
        let millis = patience.map_or(0, |patience| patience.as_millis());
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        self.header().guarded_ms.store(millis, Relaxed);
    }

    /// Returns after how long a silence what the engine of the last beat held may have been given
    /// away without a word here, if that engine lives.
    #[must_use]
    pub fn guarded(&self) -> Option<Duration> {
        let millis = self.header().guarded_ms.load(Relaxed);
        (millis > 0).then(|| Duration::from_millis(millis))
    }
}
