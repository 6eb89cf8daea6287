//! The board as its writer sees it.

mod beat;
mod engine;
mod findings;
mod lines;
mod reader;
mod seq;

use std::fs::File;
use std::io;
use std::path::Path;
use std::ptr;
use std::slice;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::atomic::{AtomicU8, AtomicU64};
use std::time::Duration;

use memmap2::MmapRaw;

pub use self::beat::Beat;
pub use self::engine::EngineSight;
pub(super) use self::engine::owned;
use super::layout::{
    AddressSlot, EVENTS, EngineState, EventSlot, FINDINGS, FindingSlot, Header, InstanceSlot,
    LAYOUT, LINES, LineSlot, MAGIC, PeerSlot, REASONS, WARNINGS, WarningSlot,
};
use super::memory::{open_shared, seal};
use super::page::{Page, Workers, silence};
use super::text::cut;
use crate::types::Instant;

/// What a new board says about a configuration before any engine runs.
#[derive(Debug)]
pub struct Plan {
    /// Name of this node.
    pub router_id: String,
    /// Silence after which a worker counts as dead, stopped or hung.
    pub worker_timeout: Duration,
    /// Whether an operator's requests are taken over HTTP, too.
    pub control: bool,
    /// What such a request must show; empty if nothing.
    pub token: String,
    /// See [`Header::shutdown_timeout_ms`].
    pub shutdown_timeout_ms: u32,
    /// The virtual routers.
    pub instances: Vec<InstanceSlot>,
    /// The addresses of all virtual routers.
    pub addresses: Vec<AddressSlot>,
    /// The peers of all virtual routers.
    pub peers: Vec<PeerSlot>,
}

/// Why a board cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BoardError {
    /// The shared memory cannot be opened, sized or mapped.
    #[error("cannot map the board")]
    Map(#[from] io::Error),
    /// Another version of this library made it.
    #[error(
        "the board of this nginx has layout {0}, and this native library knows layout {LAYOUT}: it \
         was installed after nginx was started; reload nginx"
    )]
    Layout(u32),
    /// Something else made it, or it is damaged.
    #[error("this is not a board")]
    Foreign,
    /// There are more virtual routers or addresses than can be numbered.
    #[error("the board would be too large")]
    TooLarge,
}

/// The board, mapped by its writer. There is one writer at a time: the engine of the carrier.
#[derive(Debug)]
pub struct Board {
    map: MmapRaw,
    /// Not as the header says: nginx's workers may be able to write there, and have fewer rights.
    tables: Tables,
    page: Option<Page>,
}

impl Board {
    /// Gives the empty memfd at `path` (`/proc/self/fd/7`) its size and what is known from the
    /// configuration.
    ///
    /// # Errors
    ///
    /// If the memory cannot be opened, sized or mapped, or would be larger than the board can
    /// address.
    pub fn create(path: &Path, plan: &Plan) -> Result<Self, BoardError> {
        let counts = [plan.instances.len(), plan.addresses.len(), plan.peers.len()];
        let tables = Tables::new(counts).ok_or(BoardError::TooLarge)?;
        let file = open_shared(path)?;
        file.set_len(tables.end as u64)?;
        seal(&file)?;
        let mut board = Self { map: MmapRaw::map_raw(&file)?, tables, page: None };

        board.write_header(plan);
        for (index, slot) in plan.instances.iter().enumerate() {
            board.publish(index, slot);
        }
        let Tables { addresses_at, peers_at, .. } = board.tables;
        board.write_table(addresses_at, &plan.addresses);
        board.write_table(peers_at, &plan.peers);
        board.header().magic.store(MAGIC, Release);
        Ok(board)
    }

    /// Opens the board at `path` (`/proc/self/fd/7`) to write on it.
    ///
    /// # Errors
    ///
    /// If it cannot be opened or mapped, or is not a board of this version.
    pub fn open(path: &Path) -> Result<Self, BoardError> {
        Self::of(&open_shared(path)?)
    }

    /// Takes the page that belongs to the board: without one, nothing is known of workers.
    #[must_use]
    pub fn with_page(self, page: Page) -> Self {
        self.header().page.store(page.inode(), Relaxed);
        self.beside(page)
    }

    /// Maps the board in a file that is open to be read and written.
    ///
    /// # Errors
    ///
    /// If it cannot be mapped, or is not a board of this version.
    pub fn of(file: &File) -> Result<Self, BoardError> {
        Self::mapped(MmapRaw::map_raw(file)?)
    }

    fn mapped(map: MmapRaw) -> Result<Self, BoardError> {
        // Without any routers, for the header alone.
        let tables = Tables::new([0; 3]).ok_or(BoardError::TooLarge)?;
        if map.len() < tables.end {
            return Err(BoardError::Foreign);
        }
        let board = Self { map, tables, page: None };
        let header = board.header();
        let known = header.magic.load(Acquire) == MAGIC;
        let layout = header.layout.load(Relaxed);
        if known && layout != LAYOUT {
            return Err(BoardError::Layout(layout));
        }
        let known = known && header.length.load(Relaxed) == board.map.len() as u64;
        let counts = [&header.instances, &header.addresses, &header.peers];
        let tables = Tables::new(counts.map(|count| count.load(Relaxed) as usize));
        let tables = tables.filter(|tables| known && board.consists_of(tables));
        Ok(Self { tables: tables.ok_or(BoardError::Foreign)?, ..board })
    }

    /// Returns the fields of the whole node, to be read and written.
    #[must_use]
    #[expect(clippy::cast_ptr_alignment, reason = "a map begins on a page")]
    pub fn header(&self) -> &Header {
        // SAFETY: `create` and `open` made sure that the map, page-aligned, holds a `Header`, which
        // is made of atomics; it lives as long as `self`.
        unsafe { &*self.map.as_ptr().cast::<Header>() }
    }

    /// Returns how many virtual routers there are.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.tables.instances
    }

    /// Returns virtual router `index` as it was last published, whole.
    ///
    /// `None` means that the slot was being written all the time: its writer was put aside or
    /// killed.
    ///
    /// # Panics
    ///
    /// If there is no such virtual router.
    #[must_use]
    pub fn instance(&self, index: usize) -> Option<InstanceSlot> {
        seq::read(self.instance_words(index))
    }

    /// Publishes virtual router `index`. A reader sees the old slot or the new one, never a
    /// mixture.
    ///
    /// # Panics
    ///
    /// If there is no such virtual router.
    pub fn publish(&mut self, index: usize, slot: &InstanceSlot) {
        seq::publish(self.instance_words(index), slot);
    }

    /// Returns the warnings as they were last published.
    pub fn warnings(&self) -> impl Iterator<Item = WarningSlot> {
        let count = self.header().warnings.load(Acquire) as usize;
        (0..count.min(WARNINGS)).filter_map(|place| seq::read(self.warning_words(place)))
    }

    /// Publishes the warnings that there are now; `warnings` has [`WARNINGS`] at most.
    pub fn publish_warnings(&mut self, warnings: impl Iterator<Item = WarningSlot>) {
        let mut count = 0;
        for (place, warning) in warnings.take(WARNINGS).enumerate() {
            let words = self.warning_words(place);
            let published: WarningSlot = seq::copy(words);
            if published != (WarningSlot { seq: published.seq, ..warning }) {
                seq::publish(words, &warning);
            }
            count += 1;
        }
        self.header().warnings.store(count, Release);
    }

    /// Returns the addresses of all virtual routers; each [`InstanceSlot`] tells which ones are
    /// its own.
    #[must_use]
    pub fn addresses(&self) -> &[AddressSlot] {
        let Tables { addresses_at, addresses, .. } = self.tables;
        // SAFETY: `create` and `of` made sure that so many slots lie there, aligned to words; after
        // `create` only their atomics are written.
        unsafe { slice::from_raw_parts(self.map.as_ptr().add(addresses_at).cast(), addresses) }
    }

    /// Returns the peers of all virtual routers; each [`InstanceSlot`] tells which are its own.
    #[must_use]
    pub fn peers(&self) -> &[PeerSlot] {
        let Tables { peers_at, peers, .. } = self.tables;
        // SAFETY: as for the addresses.
        unsafe { slice::from_raw_parts(self.map.as_ptr().add(peers_at).cast(), peers) }
    }

    /// Tells when peer `index` was last heard.
    ///
    /// # Panics
    ///
    /// If there is no such peer.
    pub fn set_heard(&mut self, index: usize, heard_ms: u64) {
        self.peers()[index].heard_ms.store(heard_ms, Relaxed);
    }

    /// Tells whether the interface has address `index` now, and whether it has it from us.
    ///
    /// # Panics
    ///
    /// If there is no such address.
    pub fn set_assigned(&mut self, index: usize, assigned: bool, ours: bool) {
        let slot = &self.addresses()[index];
        slot.assigned.store(u8::from(assigned), Relaxed);
        slot.ours.store(u8::from(ours), Relaxed);
    }

    /// Shows how often other programs removed address `index`, and whether that goes on.
    ///
    /// # Panics
    ///
    /// If there is no such address.
    pub fn set_lost(&mut self, index: usize, lost: u64, contested: bool) {
        let slot = &self.addresses()[index];
        slot.lost.store(lost, Relaxed);
        slot.contested.store(u8::from(contested), Relaxed);
    }

    /// Names the reasons of transitions: [`InstanceSlot::reason`] is an index into `names` plus
    /// one.
    pub fn name_reasons(&mut self, names: &[&str]) {
        debug_assert!(names.len() < REASONS, "the board has no room for so many reasons");
        for (field, name) in self.header().reasons.iter().skip(1).zip(names) {
            write_text(field, name);
        }
    }

    /// Shows the state of the engine, and why it failed.
    pub fn set_engine(&mut self, state: EngineState, error: &str) {
        let header = self.header();
        write_text(&header.error, error);
        header.engine_state.store(state as u32, Release);
    }

    /// Says whether the engine found nginx to serve.
    pub fn set_healthy(&mut self, healthy: bool) {
        self.header().healthy.store(u32::from(healthy), Relaxed);
    }

    /// Counts a turn of the engine that came late.
    pub fn count_late_turn(&mut self, late: Duration) {
        let late_us = u64::try_from(late.as_micros()).unwrap_or(u64::MAX);
        self.header().late_turns.fetch_add(1, Relaxed);
        self.header().late_us.fetch_add(late_us, Relaxed);
    }

    /// Tells whether the master has taken on another configuration since this board was made.
    #[must_use]
    pub fn is_superseded(&self) -> bool {
        self.header().superseded.load(Relaxed) != 0
    }

    /// Tells whether an operator has sent the addresses away.
    #[must_use]
    pub fn is_draining(&self) -> bool {
        self.header().draining.load(Relaxed) != 0
    }

    /// Says whether an operator has sent the addresses away.
    pub fn set_draining(&mut self, draining: bool) {
        self.header().draining.store(u32::from(draining), Relaxed);
    }

    /// Takes what an operator asked for since the last time: to drain, or to take part again.
    pub fn take_request(&mut self) -> Option<bool> {
        self.page.as_ref()?.take_request()
    }

    /// Puts a change of state into its place for Lua, which it tells from now on.
    pub fn put_event(&mut self, event: &EventSlot) {
        seq::put(self.event_words(event.number), event);
        self.header().events.fetch_max(event.number, Release);
    }

    /// Returns a change of state by its number, if it is still there.
    #[must_use]
    pub fn event(&self, number: u64) -> Option<EventSlot> {
        seq::get(self.event_words(number), number)
    }

    /// Returns how many workers have beaten within `timeout`.
    #[must_use]
    pub fn workers(&self, now: Instant, timeout: Duration) -> Workers {
        let total = self.header().workers_total.load(Relaxed);
        let none = Workers { total, alive: 0, ended: 0 };
        self.page.as_ref().map_or(none, |page| page.workers(total, now, timeout))
    }

    /// Tells whether nginx's own loop in the carrier has not turned for longer than `timeout`.
    #[must_use]
    pub fn is_carrier_silent(&self, now: Instant, timeout: Duration) -> bool {
        silence(&self.header().carrier_beat_ms, now) > timeout
    }

    fn write_header(&mut self, plan: &Plan) {
        let (header, tables) = (self.header(), &self.tables);
        header.length.store(tables.end as u64, Relaxed);
        header.layout.store(LAYOUT, Relaxed);
        header.header_size.store(size(size_of::<Header>()), Relaxed);
        header.instance_size.store(size(size_of::<InstanceSlot>()), Relaxed);
        header.address_size.store(size(size_of::<AddressSlot>()), Relaxed);
        header.instances.store(size(tables.instances), Relaxed);
        header.addresses.store(size(tables.addresses), Relaxed);
        header.peers.store(size(tables.peers), Relaxed);
        header.event_size.store(size(size_of::<EventSlot>()), Relaxed);
        header.events_offset.store(size(Tables::EVENTS_AT), Relaxed);
        header.warnings_offset.store(size(Tables::WARNINGS_AT), Relaxed);
        header.instances_offset.store(size(Tables::INSTANCES_AT), Relaxed);
        header.addresses_offset.store(size(tables.addresses_at), Relaxed);
        header.peers_offset.store(size(tables.peers_at), Relaxed);
        let timeout = u32::try_from(plan.worker_timeout.as_millis()).unwrap_or(u32::MAX);
        header.worker_timeout_ms.store(timeout, Relaxed);
        header.engine_state.store(EngineState::None as u32, Relaxed);
        header.control.store(u32::from(plan.control), Relaxed);
        header.shutdown_timeout_ms.store(plan.shutdown_timeout_ms, Relaxed);
        write_text(&header.token, &plan.token);
        write_text(&header.router_id, &plan.router_id);
        write_text(&header.module, env!("CARGO_PKG_VERSION"));
    }

    fn write_table<T>(&mut self, at: usize, slots: &[T]) {
        assert!(
            at + size_of_val(slots) <= self.map.len(),
            "the tables were made for the same plan"
        );
        // SAFETY: the map has room for exactly these slots there, and nobody else has it yet.
        unsafe {
            let target = self.map.as_mut_ptr().add(at).cast::<T>();
            ptr::copy_nonoverlapping(slots.as_ptr(), target, slots.len());
        }
    }

    /// Tells whether everything lies where this version puts it, inside the map.
    fn consists_of(&self, tables: &Tables) -> bool {
        let header = self.header();
        header.instance_size.load(Relaxed) as usize == size_of::<InstanceSlot>()
            && header.events_offset.load(Relaxed) as usize == Tables::EVENTS_AT
            && header.warnings_offset.load(Relaxed) as usize == Tables::WARNINGS_AT
            && header.instances_offset.load(Relaxed) as usize == Tables::INSTANCES_AT
            && header.addresses_offset.load(Relaxed) as usize == tables.addresses_at
            && header.peers_offset.load(Relaxed) as usize == tables.peers_at
            && self.map.len() == tables.end
    }

    fn event_words(&self, number: u64) -> &[AtomicU64] {
        let place = usize::try_from(number % EVENTS as u64).unwrap_or_default();
        let offset = Tables::EVENTS_AT + place * size_of::<EventSlot>();
        // SAFETY: `create` and `of` made sure that all places lie there, aligned to words.
        unsafe { slice::from_raw_parts(self.map.as_ptr().add(offset).cast(), EVENT_WORDS) }
    }

    fn warning_words(&self, place: usize) -> &[AtomicU64] {
        debug_assert!(place < WARNINGS, "there is no slot {place} for a warning");
        let offset = Tables::WARNINGS_AT + place * size_of::<WarningSlot>();
        // SAFETY: `create` and `of` made sure that all slots lie there, aligned to words.
        unsafe { slice::from_raw_parts(self.map.as_ptr().add(offset).cast(), WARNING_WORDS) }
    }

    fn instance_words(&self, index: usize) -> &[AtomicU64] {
        assert!(index < self.instances(), "there is no virtual router {index}");
        let offset = Tables::INSTANCES_AT + index * size_of::<InstanceSlot>();
        // SAFETY: `create` and `of` made sure that slot `index` lies there, aligned to words.
        unsafe { slice::from_raw_parts(self.map.as_ptr().add(offset).cast(), INSTANCE_WORDS) }
    }
}

/// How many routers, addresses and peers there are, where their tables begin, and where the board
/// ends.
#[derive(Debug)]
struct Tables {
    instances: usize,
    addresses: usize,
    addresses_at: usize,
    peers: usize,
    peers_at: usize,
    end: usize,
}

impl Tables {
    const EVENTS_AT: usize = size_of::<Header>();
    const LINES_AT: usize = Self::EVENTS_AT + EVENTS * size_of::<EventSlot>();
    const WARNINGS_AT: usize = Self::LINES_AT + LINES * size_of::<LineSlot>();
    const FINDINGS_AT: usize = Self::WARNINGS_AT + WARNINGS * size_of::<WarningSlot>();
    const INSTANCES_AT: usize = Self::FINDINGS_AT + FINDINGS * size_of::<FindingSlot>();

    /// Returns `None` if the header cannot name such places.
    fn new([instances, addresses, peers]: [usize; 3]) -> Option<Self> {
        let addresses_at =
            instances.checked_mul(size_of::<InstanceSlot>())?.checked_add(Self::INSTANCES_AT)?;
        let peers_at =
            addresses.checked_mul(size_of::<AddressSlot>())?.checked_add(addresses_at)?;
        let end = peers.checked_mul(size_of::<PeerSlot>())?.checked_add(peers_at)?;
        u32::try_from(end).ok()?;
        Some(Self { instances, addresses, addresses_at, peers, peers_at, end })
    }
}

fn write_text(field: &[AtomicU8], text: &str) {
    let kept = cut(text, field.len() - 1);
    for (index, octet) in field.iter().enumerate() {
        octet.store(kept.as_bytes().get(index).copied().unwrap_or(0), Relaxed);
    }
}

/// Sizes and counts that [`Tables::new`] has found to fit.
fn size(bytes: usize) -> u32 {
    u32::try_from(bytes).unwrap_or(u32::MAX)
}

const EVENT_WORDS: usize = size_of::<EventSlot>() / size_of::<u64>();
const INSTANCE_WORDS: usize = size_of::<InstanceSlot>() / size_of::<u64>();
const WARNING_WORDS: usize = size_of::<WarningSlot>() / size_of::<u64>();
