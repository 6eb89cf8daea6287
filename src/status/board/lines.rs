//! The last lines of the engine's log, for people who may not read nginx's.

use std::slice;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};

use super::{Board, Tables, seq};
use crate::status::layout::{LINES, LineSlot, text};

impl Board {
    /// Appends a line to the engine's log; the oldest one makes room.
    pub fn put_line(&mut self, at_ms: u64, level: u8, line: &str) {
        let number = self.header().lines.load(Relaxed).wrapping_add(1);
        let slot = LineSlot { number, at_ms, level, reserved: [0; 7], text: text(line) };
        seq::put(self.line_words(number), &slot);
        self.header().lines.store(number, Release);
    }

    /// Returns the lines of the engine's log that are still there, oldest first. One that is being
    /// overwritten is left out.
    ///
    /// Those that the engine before has written last may have been put behind later ones.
    #[must_use]
    pub fn lines(&self) -> Vec<LineSlot> {
        let last = self.header().lines.load(Acquire);
        let first = last.saturating_sub(LINES as u64 - 1).max(1);
        let lines = (first..=last).filter_map(|number| seq::get(self.line_words(number), number));
        let mut lines: Vec<LineSlot> = lines.collect();
        lines.sort_by_key(|line| line.at_ms);
        lines
    }

    fn line_words(&self, number: u64) -> &[AtomicU64] {
        let place = usize::try_from(number % LINES as u64).unwrap_or_default();
        let offset = Tables::LINES_AT + place * size_of::<LineSlot>();
        let words = size_of::<LineSlot>() / size_of::<u64>();
        // SAFETY: `create` and `of` made sure that all places lie there, aligned to words.
        unsafe { slice::from_raw_parts(self.map.as_ptr().add(offset).cast(), words) }
    }
}
