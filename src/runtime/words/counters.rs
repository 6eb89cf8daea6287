//! What is counted for a virtual router.

use super::{BoardWord as _, countable};
use crate::proto::{Counters, Discard, Reason, ReasonCounters, Snapshot};
use crate::status::layout::{CounterSlot, REASONS};

/// Returns the counters of the core; `vrrp-net` counts the announcements.
pub(super) fn counters_to_board(snapshot: &Snapshot<'_>) -> CounterSlot {
    let Counters { received, became_active, left_active, .. } = snapshot.counters;
    let discarded = |reasons: &[Discard]| reasons.iter().map(|&why| snapshot.discarded(why)).sum();
    CounterSlot {
        advertisements_sent: snapshot.counters.advertisements_sent,
        advertisements_received: received.accepted,
        priority_zero_sent: snapshot.counters.priority_zero_sent,
        priority_zero_received: received.priority_zero,
        announcements_sent: 0,
        checksum: discarded(&[Discard::Checksum]),
        ttl: discarded(&[Discard::Ttl]),
        version: discarded(&[Discard::Version]),
        vrid: discarded(&[Discard::Vrid]),
        length: discarded(&[Discard::Runt, Discard::Length, Discard::NoAddresses]),
        kind: discarded(&[Discard::Type]),
        auth: discarded(&[Discard::AuthType, Discard::AuthMismatch, Discard::AuthFailure]),
        interval: discarded(&[Discard::Interval, Discard::ZeroInterval])
            + received.interval_differs,
        address_list: discarded(&[Discard::AddressList]) + received.addresses_differ,
        owner: discarded(&[Discard::Owner]) + received.duplicate_owner,
        own_source: discarded(&[Discard::OwnSource]),
        unlisted: discarded(&[Discard::Unlisted]),
        martian: discarded(&[Discard::Martian]),
        not_running: discarded(&[Discard::NotRunning]),
        rivals: snapshot.counters.rivals,
        became_active: by_place(became_active),
        left_active: by_place(left_active),
    }
}

pub(super) fn counters_from_board(slot: &CounterSlot) -> Counters {
    let mut counters = Counters {
        advertisements_sent: countable(slot.advertisements_sent),
        priority_zero_sent: countable(slot.priority_zero_sent),
        rivals: countable(slot.rivals),
        became_active: by_reason(&slot.became_active),
        left_active: by_reason(&slot.left_active),
        ..Counters::default()
    };
    counters.received.accepted = countable(slot.advertisements_received);
    counters.received.priority_zero = countable(slot.priority_zero_received);
    counters
}

fn by_place(counters: &ReasonCounters) -> [u64; REASONS] {
    let mut places = [0; REASONS];
    for reason in Reason::ALL {
        places[usize::from(reason.to_board())] = counters.of(reason);
    }
    places
}

fn by_reason(places: &[u64; REASONS]) -> ReasonCounters {
    ReasonCounters::new(|reason| countable(places[usize::from(reason.to_board())]))
}
