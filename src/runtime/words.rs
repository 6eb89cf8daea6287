//! Converts values of the engine to those of the board and back, both directions side by side.
//!
//! Any worker may have written what is read: `from_board` takes any octets, returns `None` for an
//! unknown value, and uses no number of the board as an index or a size.
//!
//! A round trip keeps everything but this:
//!
//! | value | what the board has no room for |
//! |---|---|
//! | a moment | less than a millisecond; the very first millisecond reads as "never" |
//! | the priority in use | above the configured one, or without a serving nginx: reads as that |
//! | a name | what is longer than its field |
//! | [`Check`] | why it fails; that stands in [`InstanceSlot::fault`] |
//! | [`Bequest::counters`] | what was discarded: its sums include what the link counted |
//! | [`Phase::Leaving`] | reads as Active: another engine of this host answers for the addresses |
//! | [`Phase::Active`] | when the next advertisement is due: reads as at once |
//! | [`Phase::Backup`] | all of it: reads as one that has yet to listen |
//! | [`Phase::Initialize`] | whether it listens first: reads as yes |

mod counters;
#[cfg(test)]
mod damage;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::ops::Range;
use std::sync::atomic::{AtomicU8, AtomicU64};
use std::time::Duration;

use self::counters::{counters_from_board, counters_to_board};
use super::checks::Check;
use crate::config::Config;
use crate::proto::{
    ActiveRouter, Backup, Bequest, Deference, Hold, PastTransition, Phase, Reason, RouterKey,
    Snapshot, State,
};
use crate::status::layout::{
    AddressSlot, CheckSlot, EventSlot, HISTORY, InstanceSlot, TransitionSlot, checksum, state,
    text, untext,
};
use crate::types::{
    Centiseconds, ChecksumForm, Family, Instant, LinkName, Priority, VirtualAddress, Vrid,
};

/// A value with a representation on the board.
pub trait BoardWord: Sized {
    /// The representation on the board.
    type Form;

    /// Returns the representation.
    fn to_board(&self) -> Self::Form;

    /// Returns the value; `None` if the representation is unknown.
    fn from_board(form: &Self::Form) -> Option<Self>;
}

impl BoardWord for State {
    type Form = u8;

    fn to_board(&self) -> u8 {
        match self {
            Self::Initialize => state::INITIALIZE,
            Self::Backup => state::BACKUP,
            Self::Active => state::ACTIVE,
            Self::Fault => state::FAULT,
        }
    }

    fn from_board(form: &u8) -> Option<Self> {
        find([Self::Initialize, Self::Backup, Self::Active, Self::Fault], form)
    }
}

/// The place among the names on the board, which begin at 1; 0 is no reason.
impl BoardWord for Reason {
    type Form = u8;

    fn to_board(&self) -> u8 {
        *self as u8 + 1
    }

    fn from_board(form: &u8) -> Option<Self> {
        find(Self::ALL, form)
    }
}

impl BoardWord for Family {
    type Form = u8;

    fn to_board(&self) -> u8 {
        match self {
            Self::Ipv4 => 4,
            Self::Ipv6 => 6,
        }
    }

    fn from_board(form: &u8) -> Option<Self> {
        find([Self::Ipv4, Self::Ipv6], form)
    }
}

impl BoardWord for ChecksumForm {
    type Form = u8;

    fn to_board(&self) -> u8 {
        match self {
            Self::Message => checksum::MESSAGE,
            Self::PseudoHeader => checksum::PSEUDO_HEADER,
        }
    }

    fn from_board(form: &u8) -> Option<Self> {
        find([Self::Message, Self::PseudoHeader], form)
    }
}

/// Milliseconds of `CLOCK_MONOTONIC`; 0 is never.
impl BoardWord for Instant {
    type Form = u64;

    fn to_board(&self) -> u64 {
        self.as_millis()
    }

    fn from_board(form: &u64) -> Option<Self> {
        (*form > 0).then(|| Self::from_nanos(form.saturating_mul(1_000_000)))
    }
}

/// Milliseconds.
impl BoardWord for Centiseconds {
    type Form = u32;

    fn to_board(&self) -> u32 {
        u32::from(self.get()) * 10
    }

    fn from_board(form: &u32) -> Option<Self> {
        Self::new(u16::try_from(form / 10).ok()?)
    }
}

/// The family, and the octets in network order.
impl BoardWord for IpAddr {
    type Form = (u8, [u8; 16]);

    fn to_board(&self) -> Self::Form {
        let mut octets = [0; 16];
        match self {
            Self::V4(address) => octets[..4].copy_from_slice(&address.octets()),
            Self::V6(address) => octets = address.octets(),
        }
        (Family::of(*self).to_board(), octets)
    }

    fn from_board((family, octets): &Self::Form) -> Option<Self> {
        match Family::from_board(family)? {
            Family::Ipv4 => octets.first_chunk::<4>().copied().map(Self::from),
            Family::Ipv6 => Some(Self::from(*octets)),
        }
    }
}

/// A configured address, without facts.
impl BoardWord for VirtualAddress {
    type Form = AddressSlot;

    fn to_board(&self) -> AddressSlot {
        let (family, address) = self.address.to_board();
        AddressSlot {
            address,
            family,
            prefix: self.prefix,
            excluded: 0,
            assigned: AtomicU8::new(0),
            contested: AtomicU8::new(0),
            ours: AtomicU8::new(0),
            reserved: [0; 2],
            lost: AtomicU64::new(0),
            interface: [0; 16],
            label: [0; 16],
        }
    }

    fn from_board(slot: &AddressSlot) -> Option<Self> {
        let address = IpAddr::from_board(&(slot.family, slot.address))?;
        Some(Self { address, prefix: slot.prefix })
    }
}

impl BoardWord for PastTransition {
    type Form = TransitionSlot;

    fn to_board(&self) -> TransitionSlot {
        TransitionSlot {
            at_ms: self.at.to_board(),
            from: self.from.to_board(),
            to: self.to.to_board(),
            reason: self.reason.to_board(),
            ..TransitionSlot::EMPTY
        }
    }

    fn from_board(slot: &TransitionSlot) -> Option<Self> {
        Some(Self {
            at: Instant::from_board(&slot.at_ms)?,
            from: State::from_board(&slot.from)?,
            to: State::from_board(&slot.to)?,
            reason: Reason::from_board(&slot.reason)?,
        })
    }
}

/// A transition with its number and the name of its router.
impl BoardWord for (u64, String, PastTransition) {
    type Form = EventSlot;

    fn to_board(&self) -> EventSlot {
        let (number, instance, past) = self;
        let TransitionSlot { at_ms, from, to, reason, reserved } = past.to_board();
        EventSlot { number: *number, instance: text(instance), at_ms, from, to, reason, reserved }
    }

    fn from_board(slot: &EventSlot) -> Option<Self> {
        let &EventSlot { number, instance, at_ms, from, to, reason, reserved } = slot;
        let past = TransitionSlot { at_ms, from, to, reason, reserved };
        Some((number, untext(&instance), PastTransition::from_board(&past)?))
    }
}

impl BoardWord for Check {
    type Form = CheckSlot;

    fn to_board(&self) -> CheckSlot {
        CheckSlot {
            name: text(&self.name),
            ok: u8::from(self.ok),
            weight: self.weight.unwrap_or_default(),
            weighted: u8::from(self.weight.is_some()),
            ..CheckSlot::EMPTY
        }
    }

    fn from_board(slot: &CheckSlot) -> Option<Self> {
        let weight = (slot.weighted != 0).then_some(slot.weight);
        Some(Self { name: untext(&slot.name), ok: slot.ok != 0, weight, detail: String::new() })
    }
}

/// Returns the places of each virtual router's addresses on the board.
pub(super) fn address_places(config: &Config) -> Vec<Range<usize>> {
    let mut next = 0;
    let places = config.instances.iter().map(|instance| {
        let first = next;
        next += instance.addresses.len() + instance.addresses_excluded.len();
        first..next
    });
    places.collect()
}

/// Returns which peers of the board are each virtual router's.
pub(super) fn peer_places(config: &Config) -> Vec<Range<usize>> {
    let mut next = 0;
    let places = config.instances.iter().map(|instance| {
        let first = next;
        next += instance.peers().len();
        first..next
    });
    places.collect()
}

/// Returns the slot of a virtual router, as far as the core knows it.
pub(super) fn instance_to_board(snapshot: &Snapshot<'_>) -> InstanceSlot {
    let addresses = snapshot.addresses.len() + snapshot.addresses_excluded.len();
    let down_us = snapshot.active_down_interval.as_micros();
    let mut slot = InstanceSlot {
        state: snapshot.state.to_board().into(),
        adver_interval_ms: snapshot.adver_interval.to_board(),
        since_ms: or_zero(snapshot.since),
        transitions: snapshot.transitions,
        active_down_interval_us: u64::try_from(down_us).unwrap_or(u64::MAX),
        reason: or_zero(snapshot.reason),
        vrid: snapshot.vrid.get(),
        family: snapshot.family.to_board(),
        version: snapshot.version.number(),
        priority: snapshot.priority.get(),
        effective_priority: snapshot.effective_priority.get(),
        preempt: u8::from(snapshot.preempt),
        checksum: snapshot.checksum.to_board(),
        addresses: u32::try_from(addresses).unwrap_or(u32::MAX),
        peers: u32::try_from(snapshot.peers.len()).unwrap_or(u32::MAX),
        name: text(snapshot.name),
        sync_group: text(snapshot.sync_group.unwrap_or_default()),
        interface: text(snapshot.link.as_str()),
        fault: text(snapshot.fault.as_deref().unwrap_or_default()),
        counters: counters_to_board(snapshot),
        history: history_to_board(snapshot),
        ..InstanceSlot::EMPTY
    };
    active_to_board(snapshot.active, &mut slot);
    slot
}

/// Fills a slot with the state that another engine has sent.
pub(super) fn bequest_to_board(bequest: &Bequest, slot: &mut InstanceSlot) {
    let Some(last) = bequest.history.last() else { return };
    slot.state = last.to.to_board().into();
    slot.since_ms = last.at.to_board();
    slot.reason = last.reason.to_board();
    slot.transitions = bequest.transitions;
    slot.effective_priority = bequest.effective_priority.get();
    match bequest.phase {
        Phase::Backup(backup) => active_to_board(backup.active, slot),
        // It was this host before, so the address shown is still the right one.
        Phase::Active { .. } | Phase::Leaving(_) if slot.active_is_self != 0 => {}
        Phase::Initialize { .. } | Phase::Active { .. } | Phase::Leaving(_) => {
            active_to_board(None, slot);
        }
    }
}

/// Returns the state of a virtual router whose engine last turned at `at`; `None` if the slot was
/// not written to its end.
pub(super) fn bequest_from_board(slot: &InstanceSlot, at: Instant) -> Option<Bequest> {
    let adver_interval = Centiseconds::from_board(&slot.adver_interval_ms)?;
    let state = state_from_board(slot);
    // A router whose nginx does not serve shows the lowest priority in place of its own. Weights
    // only lower it: a higher one stands there if a worker wrote it.
    let hidden = is_last_resort(slot) || state == State::Fault && slot.effective_priority == 1;
    let used = if hidden { slot.priority } else { slot.effective_priority };
    let effective_priority = used.min(slot.priority);
    Some(Bequest {
        key: key_from_board(slot)?,
        phase: phase_from_board(slot, adver_interval, at),
        priority: Priority::new(slot.priority),
        effective_priority: Priority::new(effective_priority),
        own_priority: None,
        // It takes its time to show again.
        lowering: None,
        rival: None,
        deferred: None,
        adver_interval,
        checksum: ChecksumForm::from_board(&slot.checksum).unwrap_or(ChecksumForm::PseudoHeader),
        counters: counters_from_board(&slot.counters),
        history: history_from_board(slot),
        transitions: countable(slot.transitions),
        // They show when they are heard again.
        peers: Vec::new(),
    })
}

/// Returns the key of the virtual router of a slot.
pub(super) fn key_from_board(slot: &InstanceSlot) -> Option<RouterKey> {
    Some(RouterKey {
        interface: LinkName::new(&untext(&slot.interface))?,
        family: Family::from_board(&slot.family)?,
        vrid: Vrid::new(slot.vrid)?,
    })
}

fn state_from_board(slot: &InstanceSlot) -> State {
    let state = u8::try_from(slot.state).ok().and_then(|state| State::from_board(&state));
    state.unwrap_or(State::Initialize)
}

/// An Active router's next advertisement is due at once: the time of the last one is not known.
fn phase_from_board(slot: &InstanceSlot, adver_interval: Centiseconds, at: Instant) -> Phase {
    match state_from_board(slot) {
        State::Active => {
            Phase::Active { adver_at: at, last_resort: is_last_resort(slot), blink: None }
        }
        State::Backup => Phase::Backup(listening(adver_interval, at)),
        State::Initialize | State::Fault => {
            let hold = Reason::from_board(&slot.reason).map_or(Hold::Stopped, Hold::for_reason);
            match active_from_board(slot) {
                Some(active) if hold == Hold::Unheeded => Phase::Backup(Backup {
                    deference: Some(Deference::to(active.address, at)),
                    ..listening(adver_interval, at)
                }),
                _ => Phase::Initialize { hold, listen_first: true },
            }
        }
    }
}

/// Returns a Backup that has yet to listen, for as long as it is configured to: any worker can
/// write down a long silence.
fn listening(adver_interval: Centiseconds, at: Instant) -> Backup {
    Backup {
        down_at: at + FOR_EVER,
        doubt: Duration::ZERO,
        claim_after: at,
        adver_interval,
        preempt_after: None,
        active: None,
        resigned: None,
        takeover: Reason::NoResponse,
        last_resort: false,
        deference: None,
    }
}

/// Tells whether the router was Active although nginx did not serve.
fn is_last_resort(slot: &InstanceSlot) -> bool {
    let reason = Reason::from_board(&slot.reason);
    slot.effective_priority == 1 && reason == Some(Reason::LastOneStanding)
}

fn active_to_board(active: Option<ActiveRouter>, slot: &mut InstanceSlot) {
    let address = active.map(|active| active.address.to_board());
    (slot.active_family, slot.active_address) = address.unwrap_or_default();
    slot.active_priority = active.map_or(0, |active| active.priority.get());
    slot.active_is_self = active.map_or(0, |active| u8::from(active.is_self));
    slot.active_last_advert_ms = or_zero(active.and_then(|active| active.last_heard));
}

fn active_from_board(slot: &InstanceSlot) -> Option<ActiveRouter> {
    Some(ActiveRouter {
        address: IpAddr::from_board(&(slot.active_family, slot.active_address))?,
        priority: Priority::new(slot.active_priority),
        is_self: slot.active_is_self != 0,
        last_heard: Instant::from_board(&slot.active_last_advert_ms),
    })
}

/// Lays out a ring: transition `n` stands in place `n % HISTORY`.
fn history_to_board(snapshot: &Snapshot<'_>) -> [TransitionSlot; HISTORY] {
    let mut ring = [TransitionSlot::EMPTY; HISTORY];
    let kept = snapshot.history();
    for (number, transition) in numbers(snapshot.transitions, kept.len()).zip(kept) {
        ring[number % HISTORY] = PastTransition::from(transition).to_board();
    }
    ring
}

fn history_from_board(slot: &InstanceSlot) -> Vec<PastTransition> {
    let kept = numbers(slot.transitions, HISTORY);
    kept.filter_map(|number| PastTransition::from_board(&slot.history[number % HISTORY])).collect()
}

/// Returns the numbers of the last transitions, of which there were `total` ever.
fn numbers(total: u64, kept: usize) -> Range<usize> {
    let total = usize::try_from(total).unwrap_or(usize::MAX);
    total.saturating_sub(kept)..total
}

/// Bounds a number from the board so that it can be added to without overflow.
pub(super) fn countable(number: u64) -> u64 {
    number.min(1 << 53)
}

fn find<T: BoardWord<Form: PartialEq>, const N: usize>(all: [T; N], form: &T::Form) -> Option<T> {
    all.into_iter().find(|value| value.to_board() == *form)
}

fn or_zero<T: BoardWord<Form: Default>>(value: Option<T>) -> T::Form {
    value.map(|value| value.to_board()).unwrap_or_default()
}

/// Longer than any node listens.
const FOR_EVER: Duration = Duration::from_secs(86_400);
