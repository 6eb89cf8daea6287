//! The board and its page for processes that are none of nginx's.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use memmap2::MmapOptions;

use super::{Board, BoardError, owned, write_text};
use crate::status::Page;
use crate::status::layout::carrier;
use crate::status::memory::is_sealed_if_possible;

impl Board {
    /// Opens the board at `path` (`/proc/4711/fd/7`) to read it: whoever writes to it crashes.
    ///
    /// # Errors
    ///
    /// If it cannot be opened or mapped, could be cut off while it is read, or is not a board of
    /// this version.
    pub fn open_to_read(path: &Path) -> Result<Self, BoardError> {
        let file = File::open(path)?;
        if !is_sealed_if_possible(&file) {
            return Err(BoardError::Foreign);
        }
        Self::mapped(MmapOptions::new().map_raw_read_only(&file)?)
    }

    /// Takes the page that belongs to a board which is only read.
    #[must_use]
    pub fn beside(self, page: Page) -> Self {
        Self { page: Some(page), ..self }
    }

    /// Shows where the engine meets others of its host.
    pub fn set_run_dir(&mut self, directory: &Path) {
        write_text(&self.header().run_dir, &directory.to_string_lossy());
    }

    /// Returns where the engine meets others of its host; empty if it does not.
    #[must_use]
    pub fn run_dir(&self) -> String {
        owned(&self.header().run_dir)
    }

    /// Returns the silence after which a worker counts as dead, stopped or hung.
    #[must_use]
    pub fn worker_timeout(&self) -> Duration {
        Duration::from_millis(self.header().worker_timeout_ms.load(Relaxed).into())
    }

    /// Returns the user of the workers, once the first one has started.
    #[must_use]
    pub fn user_of_workers(&self) -> Option<u32> {
        self.page.as_ref()?.user()
    }

    /// Tells whether workers cannot write on the board.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        let header = self.header();
        let by_agent = header.carrier.load(Relaxed) == carrier::AGENT;
        let user = self.user_of_workers();
        let is_other = |user| user != 0 && user != header.owner.load(Relaxed);
        by_agent && user.is_some_and(is_other)
    }

    /// Asks the engine to drain, or to take part again.
    pub fn ask(&self, draining: bool) {
        if let Some(page) = &self.page {
            page.ask(draining);
        }
    }

    /// Tells whether the engine has yet to take what it was asked for.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.page.as_ref().is_some_and(Page::is_asked)
    }
}
