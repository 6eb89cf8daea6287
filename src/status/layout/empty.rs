//! Slots that say nothing.

use super::{
    CHECKS, CheckSlot, CounterSlot, FindingSlot, HISTORY, InstanceSlot, NODE, REASONS,
    TransitionSlot, WarningSlot, state,
};

impl InstanceSlot {
    /// A slot that says nothing.
    pub const EMPTY: Self = Self {
        seq: 0,
        state: state::INITIALIZE as u32,
        adver_interval_ms: 0,
        since_ms: 0,
        transitions: 0,
        active_down_interval_us: 0,
        active_last_advert_ms: 0,
        active_address: [0; 16],
        active_family: 0,
        active_priority: 0,
        active_is_self: 0,
        reason: 0,
        vrid: 0,
        family: 0,
        version: 0,
        priority: 0,
        effective_priority: 0,
        preempt: 0,
        checks: 0,
        checksum: 0,
        reserved: [0; 4],
        first_address: 0,
        addresses: 0,
        first_peer: 0,
        peers: 0,
        name: [0; 64],
        sync_group: [0; 64],
        interface: [0; 16],
        fault: [0; 256],
        counters: CounterSlot::ZERO,
        check: [CheckSlot::EMPTY; CHECKS],
        history: [TransitionSlot::EMPTY; HISTORY],
    };
}

impl CounterSlot {
    /// Nothing counted yet.
    pub const ZERO: Self = Self {
        advertisements_sent: 0,
        advertisements_received: 0,
        priority_zero_sent: 0,
        priority_zero_received: 0,
        announcements_sent: 0,
        checksum: 0,
        ttl: 0,
        version: 0,
        vrid: 0,
        length: 0,
        kind: 0,
        auth: 0,
        interval: 0,
        address_list: 0,
        owner: 0,
        own_source: 0,
        unlisted: 0,
        martian: 0,
        not_running: 0,
        rivals: 0,
        became_active: [0; REASONS],
        left_active: [0; REASONS],
    };
}

impl CheckSlot {
    /// A slot that says nothing.
    pub const EMPTY: Self = Self { name: [0; 32], weight: 0, weighted: 0, ok: 0, reserved: [0; 4] };
}

impl WarningSlot {
    /// A slot that says nothing.
    pub const EMPTY: Self = Self {
        seq: 0,
        since_ms: 0,
        instance: NODE,
        reserved: [0; 4],
        name: [0; 32],
        text: [0; 456],
    };
}

impl TransitionSlot {
    /// A slot that says nothing.
    pub const EMPTY: Self = Self { at_ms: 0, from: 0, to: 0, reason: 0, reserved: [0; 5] };
}

impl FindingSlot {
    /// A slot that says nothing.
    pub const EMPTY: Self =
        Self { seq: 0, verdict: 0, reserved: [0; 4], test: [0; 24], text: [0; 600] };
}
