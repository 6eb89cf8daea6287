//! The findings of the doctor.

use std::slice;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};

use super::{Board, Tables, seq};
use crate::status::layout::{FINDINGS, FindingSlot};

impl Board {
    /// Returns the findings as they were last published.
    pub fn findings(&self) -> impl Iterator<Item = FindingSlot> {
        let count = self.header().findings.load(Acquire) as usize;
        (0..count.min(FINDINGS)).filter_map(|place| seq::read(self.finding_words(place)))
    }

    /// Publishes the findings of an examination: [`FINDINGS`] at most.
    pub fn publish_findings(&mut self, findings: impl Iterator<Item = FindingSlot>) {
        let mut count = 0;
        for (place, finding) in findings.take(FINDINGS).enumerate() {
            let words = self.finding_words(place);
            let published: FindingSlot = seq::copy(words);
            if published != (FindingSlot { seq: published.seq, ..finding }) {
                seq::publish(words, &finding);
            }
            count += 1;
        }
        self.header().findings.store(count, Release);
    }

    fn finding_words(&self, place: usize) -> &[AtomicU64] {
        debug_assert!(place < FINDINGS, "there is no slot {place} for a finding");
        let offset = Tables::FINDINGS_AT + place * size_of::<FindingSlot>();
        // SAFETY: `create` and `of` made sure that all slots lie there, aligned to words.
        unsafe { slice::from_raw_parts(self.map.as_ptr().add(offset).cast(), FINDING_WORDS) }
    }
}

const FINDING_WORDS: usize = size_of::<FindingSlot>() / size_of::<u64>();
