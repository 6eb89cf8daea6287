//! The page: shared memory that all workers write, beside the board, which they can only read.
//!
//! A worker can have written anything there. It is made of single words, and each says something
//! of its writer, or asks for something that any worker may ask for.

use std::fs::File;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use memmap2::{MmapOptions, MmapRaw};

use super::layout::{WORKERS, WorkerSlot, WorkerWords, request};
use super::memory::{is_sealed_if_possible, open_shared, seal};
use crate::types::Instant;

/// Workers as they were found on the page.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Workers {
    /// Configured workers of nginx; 0 until the carrier has started.
    pub total: u32,
    /// Workers that have beaten in time.
    pub alive: u32,
    /// Workers that have left in order.
    pub ended: u32,
}

/// The page, mapped by the engine.
#[derive(Debug)]
pub struct Page {
    map: MmapRaw,
    inode: u64,
}

impl Page {
    /// Gives the empty memfd at `path` (`/proc/self/fd/8`) its size.
    ///
    /// # Errors
    ///
    /// If the memory cannot be opened, sized or mapped.
    pub fn create(path: &Path) -> io::Result<Self> {
        let file = open_shared(path)?;
        file.set_len(size_of::<WorkerWords>() as u64)?;
        seal(&file)?;
        Self::of(&file)
    }

    /// Opens the page at `path`.
    ///
    /// # Errors
    ///
    /// If it cannot be opened or mapped, or is no page of this version.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::of(&open_shared(path)?)
    }

    /// Opens the page at `path` (`/proc/4711/fd/8`) to read it: whoever writes to it crashes.
    ///
    /// # Errors
    ///
    /// If it cannot be opened or mapped, could be cut off while it is read, or is no page of this
    /// version.
    pub fn open_to_read(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        if !is_sealed_if_possible(&file) {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Self::mapped(&file, MmapOptions::new().map_raw_read_only(&file)?)
    }

    fn of(file: &File) -> io::Result<Self> {
        Self::mapped(file, MmapRaw::map_raw(file)?)
    }

    fn mapped(file: &File, map: MmapRaw) -> io::Result<Self> {
        if map.len() != size_of::<WorkerWords>() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        Ok(Self { map, inode: file.metadata()?.ino() })
    }

    /// Returns by which number the page is found among the maps of a process.
    #[must_use]
    pub fn inode(&self) -> u64 {
        self.inode
    }

    /// Takes what an operator asked for since the last time: to drain, or to take part again.
    pub(super) fn take_request(&self) -> Option<bool> {
        match self.words().request.swap(request::NONE, Relaxed) {
            request::DRAIN => Some(true),
            request::UNDRAIN => Some(false),
            _ => None,
        }
    }

    /// Asks the engine to drain, or to take part again.
    pub(super) fn ask(&self, draining: bool) {
        let request = if draining { request::DRAIN } else { request::UNDRAIN };
        self.words().request.store(request, Relaxed);
    }

    /// Tells whether the engine has yet to take what it was asked for.
    pub(super) fn is_asked(&self) -> bool {
        self.words().request.load(Relaxed) != request::NONE
    }

    /// Returns the user of the workers, once the first one has started.
    pub(super) fn user(&self) -> Option<u32> {
        self.words().user.load(Relaxed).checked_sub(1)
    }

    /// Returns how many of `total` workers have beaten within `timeout`.
    pub(super) fn workers(&self, total: u32, now: Instant, timeout: Duration) -> Workers {
        let slots = &self.words().workers[..WORKERS.min(total as usize)];
        let alive = slots.iter().filter(|slot| beats(slot, now, timeout)).count();
        let ended = slots.iter().filter(|slot| slot.ended.load(Relaxed) != 0).count();
        let number = |count| u32::try_from(count).unwrap_or(u32::MAX);
        Workers { total, alive: number(alive), ended: number(ended) }
    }

    #[expect(clippy::cast_ptr_alignment, reason = "a map begins on a page")]
    fn words(&self) -> &WorkerWords {
        // SAFETY: `of` made sure that the map, page-aligned, is as long as the words, which are
        // atomics; it lives as long as `self`, and its length is sealed.
        unsafe { &*self.map.as_ptr().cast::<WorkerWords>() }
    }
}

/// A beat from the future counts: another processor's clock may be read a moment ahead of ours.
fn beats(slot: &WorkerSlot, now: Instant, timeout: Duration) -> bool {
    slot.beat_ms.load(Relaxed) != 0 && silence(&slot.beat_ms, now) <= timeout
}

pub(super) fn silence(beat_ms: &AtomicU64, now: Instant) -> Duration {
    Duration::from_millis(now.as_millis().saturating_sub(beat_ms.load(Relaxed)))
}
