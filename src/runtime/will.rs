//! What an engine that was killed left on the board: it shows all that peers would miss.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::proto::{
    ActiveRouter, Backup, Bequest, Bequests, Counters, Hold, PastTransition, Phase, Reason,
    RouterKey, State, Untold,
};
use crate::status::layout::{self, AddressSlot, HISTORY, InstanceSlot, TransitionSlot};
use crate::status::{Beat, Board};
use crate::types::{
    Centiseconds, ChecksumForm, Family, HeldAddress, Instant, LinkName, Priority, VirtualAddress,
    Vrid,
};

/// What is left of an engine.
pub(super) struct Will {
    state: Bequests,
    /// How long after its last beat its guard gives the addresses away if it lives.
    guarded: Option<Duration>,
}

impl Will {
    /// Tells whether any router took part in the election.
    pub(super) fn has_running_routers(&self) -> bool {
        self.state.has_running_routers()
    }

    /// Returns what is left after a failure: all is remembered, and nothing held.
    pub(super) fn of_the_failed(mut self) -> Self {
        for router in &mut self.state.routers {
            router.phase = Phase::Initialize { hold: Hold::Stopped, listen_first: true };
        }
        self
    }

    /// Returns the state of one that is dead: if it was given away before, the board says so.
    pub(super) fn of_the_dead(self) -> Bequests {
        self.state
    }

    /// Returns the state of one that lives: if it hangs, nobody says here when it is given away.
    pub(super) fn of_the_living(self) -> Bequests {
        let Self { state, guarded } = self;
        let withdrawn_at = guarded.map(|guarded| state.at + guarded);
        Bequests { withdrawn_at: state.withdrawn_at.or(withdrawn_at), ..state }
    }
}

/// Reads the will of the engine that last wrote on the board; `None` if none ever did.
pub(super) fn read(board: &Board) -> Option<Will> {
    let beat = board.last_beat()?;
    let state = state_of(board, beat);
    Some(Will { state, guarded: board.guarded() })
}

fn state_of(board: &Board, beat: Beat) -> Bequests {
    let at = beat.at();
    let slots = (0..board.instances()).map(|index| board.instance(index));
    Bequests {
        version: Bequests::VERSION,
        at,
        withdrawn_at: beat.is_withdrawn().then_some(at),
        draining: board.is_draining(),
        // Whoever comes after a dead engine finds out for itself.
        serving: false,
        routers: slots.filter_map(|slot| bequest(&slot?, at)).collect(),
        unattributed: Vec::new(),
        // They stand on the board still.
        untold: Untold::default(),
        addresses: addresses(board),
    }
}

/// Returns what its engine had put on links, as far as it is known.
fn addresses(board: &Board) -> Vec<HeldAddress> {
    let mut held = Vec::new();
    for slot in (0..board.instances()).filter_map(|index| board.instance(index)) {
        let Some(link) = LinkName::new(&layout::untext(&slot.interface)) else { continue };
        let [first, count] = [slot.first_address, slot.addresses]
            .map(|number| usize::try_from(number).unwrap_or(usize::MAX));
        let all = board.addresses().iter().skip(first).take(count);
        for address in all.filter(|address| address.ours.load(Relaxed) != 0) {
            held.push(HeldAddress { link: link.clone(), address: virtual_address(address) });
        }
    }
    held
}

fn virtual_address(slot: &AddressSlot) -> VirtualAddress {
    let [a, b, c, d, ..] = slot.address;
    let address = match slot.family {
        4 => IpAddr::V4(Ipv4Addr::new(a, b, c, d)),
        _ => IpAddr::V6(Ipv6Addr::from(slot.address)),
    };
    VirtualAddress { address, prefix: slot.prefix }
}

/// Returns what one router left; `None` if the slot was not written to its end.
fn bequest(slot: &InstanceSlot, at: Instant) -> Option<Bequest> {
    let interval = u16::try_from(slot.adver_interval_ms / 10).ok();
    let adver_interval = Centiseconds::new(interval?)?;
    let effective_priority =
        if last_resort(slot) { slot.priority } else { slot.effective_priority };
    Some(Bequest {
        key: RouterKey {
            interface: LinkName::new(&layout::untext(&slot.interface))?,
            family: Family::Ipv4,
            vrid: Vrid::new(slot.vrid)?,
        },
        phase: phase(slot, adver_interval, at),
        priority: Priority::new(slot.priority),
        effective_priority: Priority::new(effective_priority),
        // It takes its time to show again.
        lowering: None,
        adver_interval,
        checksum: match slot.checksum {
            layout::checksum::MESSAGE => ChecksumForm::Message,
            _ => ChecksumForm::PseudoHeader,
        },
        counters: counters(slot),
        history: history(slot),
        transitions: slot.transitions,
    })
}

/// An Active router's next advertisement is due at once: nobody knows when the last one was sent.
fn phase(slot: &InstanceSlot, adver_interval: Centiseconds, at: Instant) -> Phase {
    match slot.state {
        layout::state::ACTIVE => Phase::Active { adver_at: at, last_resort: last_resort(slot) },
        layout::state::BACKUP => {
            let heard = moment(slot.active_last_advert_ms).or(moment(slot.since_ms));
            let down = Duration::from_micros(slot.active_down_interval_us);
            Phase::Backup(Backup {
                down_at: heard.unwrap_or(at) + down,
                claim_after: heard.unwrap_or(at),
                adver_interval,
                preempt_after: None,
                active: active(slot),
                resigned: None,
                takeover: Reason::NoResponse,
                last_resort: false,
            })
        }
        _ => {
            let hold = reason(slot.reason).map_or(Hold::Stopped, Hold::told_by);
            Phase::Initialize { hold, listen_first: true }
        }
    }
}

/// Tells whether the router was Active although nginx did not serve.
fn last_resort(slot: &InstanceSlot) -> bool {
    slot.effective_priority == 1 && reason(slot.reason) == Some(Reason::LastOneStanding)
}

fn active(slot: &InstanceSlot) -> Option<ActiveRouter> {
    let [a, b, c, d, ..] = slot.active_address;
    (slot.active_family == 4).then(|| ActiveRouter {
        address: Ipv4Addr::new(a, b, c, d),
        priority: Priority::new(slot.active_priority),
        is_self: slot.active_is_self != 0,
        last_heard: moment(slot.active_last_advert_ms),
    })
}

/// The board adds up what was discarded, so that part begins at zero.
fn counters(slot: &InstanceSlot) -> Counters {
    let shown = &slot.counters;
    let mut counters = Counters {
        advertisements_sent: shown.advertisements_sent,
        priority_zero_sent: shown.priority_zero_sent,
        ..Counters::default()
    };
    counters.received.accepted = shown.advertisements_received;
    counters.received.priority_zero = shown.priority_zero_received;
    counters
}

fn history(slot: &InstanceSlot) -> Vec<PastTransition> {
    let newest = usize::try_from(slot.transitions).unwrap_or(usize::MAX);
    let places = newest.saturating_sub(HISTORY)..newest;
    places.filter_map(|place| past(slot.history[place % HISTORY])).collect()
}

fn past(slot: TransitionSlot) -> Option<PastTransition> {
    Some(PastTransition {
        at: moment(slot.at_ms)?,
        from: state(slot.from),
        to: state(slot.to),
        reason: reason(slot.reason)?,
    })
}

pub(super) fn state(number: u8) -> State {
    match u32::from(number) {
        layout::state::BACKUP => State::Backup,
        layout::state::ACTIVE => State::Active,
        layout::state::FAULT => State::Fault,
        _ => State::Initialize,
    }
}

/// Reasons are numbered from 1 on.
pub(super) fn reason(number: u8) -> Option<Reason> {
    Reason::ALL.get(usize::from(number).checked_sub(1)?).copied()
}

pub(super) fn moment(millis: u64) -> Option<Instant> {
    (millis > 0).then(|| Instant::from_nanos(millis.saturating_mul(1_000_000)))
}
