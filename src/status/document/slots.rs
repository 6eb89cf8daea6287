//! What the slots of the board say, as members of the status.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::AtomicU8;
use std::sync::atomic::Ordering::Relaxed;

use serde::Serialize;

use super::{Clocks, WallTime};
use crate::status::Board;
use crate::status::board::{EngineSight, owned};
use crate::status::layout::{
    CHECKS, CheckSlot, CounterSlot, HISTORY, InstanceSlot, WarningSlot, state, untext,
};

/// The status of a virtual router.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "lua/README.md describes every member")]
pub struct InstanceStatus {
    pub name: String,
    pub interface: String,
    pub vrid: u8,
    pub family: Option<&'static str>,
    pub version: u8,
    pub state: Option<&'static str>,
    pub since: Option<WallTime>,
    pub reason: Option<String>,
    pub fault: Option<String>,
    pub transitions: u64,
    pub priority: u8,
    pub effective_priority: u8,
    pub preempt: bool,
    pub advert_interval_ms: u32,
    pub active_down_interval_ms: u64,
    pub active: Option<ActiveStatus>,
    pub sync_group: Option<String>,
    pub addresses: Vec<AddressStatus>,
    pub peers: Vec<PeerStatus>,
    pub checks: Vec<CheckStatus>,
    pub warnings: Vec<WarningStatus>,
    pub counters: CounterStatus,
    pub history: Vec<TransitionStatus>,
}

/// The active router.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "lua/README.md describes every member")]
pub struct ActiveStatus {
    pub address: String,
    pub priority: u8,
    #[serde(rename = "self")]
    pub is_self: bool,
    pub last_advert_age_ms: Option<i64>,
}

/// A virtual address.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "lua/README.md describes every member")]
pub struct AddressStatus {
    pub address: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interface: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    pub assigned: bool,
    pub lost: u64,
    pub contested: bool,
}

/// A peer that is spoken to by its address.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "lua/README.md describes every member")]
pub struct PeerStatus {
    pub address: String,
    pub last_advert_age_ms: Option<i64>,
}

/// What it takes to leave Initialize.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "lua/README.md describes every member")]
pub struct CheckStatus {
    pub name: String,
    pub ok: bool,
    pub weight: Option<i16>,
}

/// Something that an operator should look into.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "lua/README.md describes every member")]
pub struct WarningStatus {
    pub name: String,
    pub since: Option<WallTime>,
    pub text: String,
}

/// What was counted.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "lua/README.md describes every member")]
pub struct CounterStatus {
    pub advertisements_sent: u64,
    pub advertisements_received: u64,
    pub priority_zero_sent: u64,
    pub priority_zero_received: u64,
    pub announcements_sent: u64,
    pub errors: ErrorStatus,
}

/// Advertisements that were dropped or reported.
#[derive(Clone, Copy, Debug, Serialize)]
#[expect(missing_docs, reason = "lua/README.md describes every member")]
pub struct ErrorStatus {
    pub checksum: u64,
    pub ttl: u64,
    pub version: u64,
    pub vrid: u64,
    pub length: u64,
    #[serde(rename = "type")]
    pub kind: u64,
    pub auth: u64,
    pub interval: u64,
    pub address_list: u64,
    pub owner: u64,
    pub own_source: u64,
    pub unlisted: u64,
    pub martian: u64,
    pub not_running: u64,
}

/// A change of state.
#[derive(Clone, Debug, Serialize)]
#[expect(missing_docs, reason = "lua/README.md describes every member")]
pub struct TransitionStatus {
    pub at: WallTime,
    pub from: Option<&'static str>,
    pub to: Option<&'static str>,
    pub reason: Option<String>,
}

impl InstanceStatus {
    pub(super) fn of(
        board: &Board,
        index: usize,
        engine: &EngineSight,
        warnings: Vec<WarningStatus>,
        clocks: Clocks,
    ) -> Self {
        let slot = board.instance(index).unwrap_or(InstanceSlot::EMPTY);
        let reason = |number: u8| text_or_none(&board.reason(number));
        let is_in_fault = slot.state == u32::from(state::FAULT);
        let fault = text_or_none(&untext(&slot.fault)).filter(|_| is_in_fault);
        // The last state that an engine wrote does not count when that engine no longer runs.
        let (state, why, fault) = match engine {
            EngineSight::Runs => (state_name(slot.state), reason(slot.reason), fault),
            EngineSight::Awaited(_) => (state_name(state::INITIALIZE.into()), None, None),
            EngineSight::Down(problem) => {
                let why = Some(ENGINE_DOWN.to_owned());
                (state_name(state::FAULT.into()), why, Some(problem.clone()))
            }
        };
        Self {
            name: untext(&slot.name),
            interface: untext(&slot.interface),
            vrid: slot.vrid,
            family: family_name(slot.family),
            version: slot.version,
            state,
            since: clocks.wall_time(slot.since_ms),
            reason: why,
            fault,
            transitions: slot.transitions,
            priority: slot.priority,
            effective_priority: slot.effective_priority,
            preempt: slot.preempt == 1,
            advert_interval_ms: slot.adver_interval_ms,
            active_down_interval_ms: slot.active_down_interval_us / 1000,
            active: (*engine == EngineSight::Runs).then(|| active_of(&slot, clocks)).flatten(),
            sync_group: text_or_none(&untext(&slot.sync_group)),
            addresses: addresses_of(board, &slot),
            peers: peers_of(board, &slot, clocks),
            checks: slot
                .check
                .iter()
                .take(usize::from(slot.checks).min(CHECKS))
                .map(check_of)
                .collect(),
            warnings,
            counters: (&slot.counters).into(),
            history: history_of(&slot, reason, clocks),
        }
    }
}

impl WarningStatus {
    /// The one warning of an engine that does not run.
    pub(super) fn engine_down(why: &str) -> Self {
        Self { name: ENGINE_DOWN.to_owned(), since: None, text: why.to_owned() }
    }

    pub(super) fn of(slot: &WarningSlot, clocks: Clocks) -> Self {
        Self {
            name: untext(&slot.name),
            since: clocks.wall_time(slot.since_ms),
            text: untext(&slot.text),
        }
    }
}

impl From<&CounterSlot> for CounterStatus {
    fn from(slot: &CounterSlot) -> Self {
        Self {
            advertisements_sent: slot.advertisements_sent,
            advertisements_received: slot.advertisements_received,
            priority_zero_sent: slot.priority_zero_sent,
            priority_zero_received: slot.priority_zero_received,
            announcements_sent: slot.announcements_sent,
            errors: ErrorStatus {
                checksum: slot.checksum,
                ttl: slot.ttl,
                version: slot.version,
                vrid: slot.vrid,
                length: slot.length,
                kind: slot.kind,
                auth: slot.auth,
                interval: slot.interval,
                address_list: slot.address_list,
                owner: slot.owner,
                own_source: slot.own_source,
                unlisted: slot.unlisted,
                martian: slot.martian,
                not_running: slot.not_running,
            },
        }
    }
}

impl Board {
    /// Returns the name of a reason; empty if the board has no such reason.
    fn reason(&self, number: u8) -> String {
        let reasons = &self.header().reasons;
        reasons.get(usize::from(number)).map_or_else(String::new, |name| owned(name))
    }
}

fn active_of(slot: &InstanceSlot, clocks: Clocks) -> Option<ActiveStatus> {
    (slot.active_family != 0).then(|| ActiveStatus {
        address: address_text(&slot.active_address, slot.active_family),
        priority: slot.active_priority,
        is_self: slot.active_is_self == 1,
        last_advert_age_ms: clocks.age_ms(slot.active_last_advert_ms),
    })
}

fn addresses_of(board: &Board, slot: &InstanceSlot) -> Vec<AddressStatus> {
    let is_set = |flag: &AtomicU8| flag.load(Relaxed) == 1;
    part(board.addresses(), slot.first_address, slot.addresses)
        .iter()
        .map(|one| AddressStatus {
            address: format!("{}/{}", address_text(&one.address, one.family), one.prefix),
            interface: text_or_none(&untext(&one.interface)),
            label: text_or_none(&untext(&one.label)),
            assigned: is_set(&one.assigned),
            lost: one.lost.load(Relaxed),
            contested: is_set(&one.contested),
        })
        .collect()
}

fn peers_of(board: &Board, slot: &InstanceSlot, clocks: Clocks) -> Vec<PeerStatus> {
    part(board.peers(), slot.first_peer, slot.peers)
        .iter()
        .map(|one| PeerStatus {
            address: address_text(&one.address, one.family),
            last_advert_age_ms: clocks.age_ms(one.heard_ms.load(Relaxed)),
        })
        .collect()
}

fn check_of(check: &CheckSlot) -> CheckStatus {
    CheckStatus {
        name: untext(&check.name),
        ok: check.ok == 1,
        weight: (check.weighted == 1).then_some(check.weight),
    }
}

/// Returns the last changes of state, oldest first.
fn history_of(
    slot: &InstanceSlot,
    reason: impl Fn(u8) -> Option<String>,
    clocks: Clocks,
) -> Vec<TransitionStatus> {
    let kept = HISTORY as u64;
    let total = slot.transitions;
    let numbers = total.saturating_sub(kept)..total;
    let slots = numbers.map(|number| {
        let place = usize::try_from(number % kept).unwrap_or_default();
        &slot.history[place]
    });
    slots
        .map(|one| TransitionStatus {
            at: clocks.wall_time(one.at_ms).unwrap_or(WallTime(0)),
            from: state_name(one.from.into()),
            to: state_name(one.to.into()),
            reason: reason(one.reason),
        })
        .collect()
}

/// Returns the slots of one virtual router, if the board has those that it names.
fn part<T>(slots: &[T], first: u32, count: u32) -> &[T] {
    let first = first as usize;
    slots.get(first..first.saturating_add(count as usize)).unwrap_or_default()
}

fn address_text(octets: &[u8; 16], family: u8) -> String {
    match family {
        4 => Ipv4Addr::new(octets[0], octets[1], octets[2], octets[3]).to_string(),
        _ => Ipv6Addr::from(*octets).to_string(),
    }
}

fn family_name(family: u8) -> Option<&'static str> {
    let names = [(4, "ipv4"), (6, "ipv6")];
    names.into_iter().find(|(number, _)| *number == family).map(|(_, name)| name)
}

fn state_name(state: u32) -> Option<&'static str> {
    STATES.get(usize::try_from(state).ok()?).copied()
}

fn text_or_none(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// The names of [`state`].
const STATES: [&str; 4] = ["initialize", "backup", "active", "fault"];
const ENGINE_DOWN: &str = "engine_not_running";
