//! Slots that are written while other processes read them: copied word by word, each whole or not
//! at all.

use std::mem::MaybeUninit;
use std::ptr;
use std::slice;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU64, fence};

use crate::status::layout::{EventSlot, FindingSlot, InstanceSlot, LineSlot, WarningSlot};

/// A slot that is copied as whole words. The first one tells whether the others belong together.
///
/// # Safety
///
/// The slot is aligned to words and has no gaps, and any bits make one.
pub(super) unsafe trait Slot: Copy {}

// SAFETY: `layout` asserts that the slots are made of whole words without gaps; their fields are
// numbers.
unsafe impl Slot for EventSlot {}
// SAFETY: as above.
unsafe impl Slot for FindingSlot {}
// SAFETY: as above.
unsafe impl Slot for InstanceSlot {}
// SAFETY: as above.
unsafe impl Slot for LineSlot {}
// SAFETY: as above.
unsafe impl Slot for WarningSlot {}

/// Returns the slot as it was last published, whole.
///
/// `None` means that it was being written all the time: its writer was put aside or killed.
pub(super) fn read<T: Slot>(shared: &[AtomicU64]) -> Option<T> {
    for _ in 0..READ_ATTEMPTS {
        let before = shared[0].load(Acquire);
        let slot = copy(shared);
        fence(Acquire);
        if before % 2 == 0 && shared[0].load(Relaxed) == before {
            return Some(slot);
        }
        std::hint::spin_loop();
    }
    None
}

/// Returns the slot of a number, whole, if it is still there.
pub(super) fn get<T: Slot>(shared: &[AtomicU64], number: u64) -> Option<T> {
    let before = shared[0].load(Acquire);
    let slot = copy(shared);
    fence(Acquire);
    (before == number && shared[0].load(Relaxed) == number).then_some(slot)
}

/// Publishes a slot under the next even number. A reader sees the old slot or the new one, never a
/// mixture.
pub(super) fn publish<T: Slot>(shared: &[AtomicU64], slot: &T) {
    // A writer that was killed between the two stores has left an odd number.
    let odd = shared[0].load(Relaxed) | 1;
    store(shared, slot, odd, odd.wrapping_add(1));
}

/// Publishes a slot under its own number; there is none while it is being written.
pub(super) fn put<T: Slot>(shared: &[AtomicU64], slot: &T) {
    store(shared, slot, 0, words_of(slot)[0]);
}

fn store<T: Slot>(shared: &[AtomicU64], slot: &T, meanwhile: u64, number: u64) {
    shared[0].store(meanwhile, Relaxed);
    fence(Release);
    for (shared, own) in shared.iter().zip(words_of(slot)).skip(1) {
        shared.store(*own, Relaxed);
    }
    shared[0].store(number, Release);
}

/// Returns what is there now, perhaps a mixture.
pub(super) fn copy<T: Slot>(shared: &[AtomicU64]) -> T {
    assert_eq!(size_of_val(shared), size_of::<T>(), "the words of one slot");
    let mut slot = MaybeUninit::<T>::uninit();
    let words = slot.as_mut_ptr().cast::<u64>();
    for (index, word) in shared.iter().enumerate() {
        // SAFETY: the slot is as large as all the words, and aligned to them.
        unsafe { words.add(index).write(word.load(Relaxed)) };
    }
    // SAFETY: every word was written, and any bits make a slot.
    unsafe { slot.assume_init() }
}

fn words_of<T: Slot>(slot: &T) -> &[u64] {
    // SAFETY: the slot is aligned to words and has no gaps.
    unsafe { slice::from_raw_parts(ptr::from_ref(slot).cast(), size_of::<T>() / size_of::<u64>()) }
}

/// A writer needs a microsecond.
const READ_ATTEMPTS: usize = 1000;
