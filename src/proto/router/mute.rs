//! A router whose advertisements the kernel refuses to send: peers take it for dead.

use super::{
    Accepted, AddressLists, Discard, Duration, Instant, IpAddr, Phase, Priority, VirtualRouter,
};
use crate::proto::event::SendOutcome;

/// The results of the latest advertisements.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mute {
    /// Since when every one was refused, while the addresses are held.
    refused_since: Option<Instant>,
    /// The router leaves the addresses to another one.
    yielded: Option<Yielded>,
}

/// How long a mute router leaves the addresses to another one.
#[derive(Clone, Copy, Debug)]
struct Yielded {
    /// The other one.
    source: Option<IpAddr>,
    /// When it was last heard, and how long it may be silent.
    heard_at: Instant,
    patience: Duration,
    /// Since when the kernel takes every attempt.
    taken_since: Option<Instant>,
}

impl VirtualRouter {
    /// Counts an advertisement that left, or notes that it could not.
    pub(in crate::proto) fn note_sent(
        &mut self,
        priority: Priority,
        outcome: SendOutcome,
        now: Instant,
    ) {
        match outcome {
            SendOutcome::Sent => {
                self.counters.advertisements_sent += 1;
                self.counters.priority_zero_sent += u64::from(priority.is_resigning());
                self.mute.refused_since = None;
                self.note_sent_to_rival();
            }
            SendOutcome::Refused => {
                self.mute.refused_since.get_or_insert(now);
            }
        }
        self.forget_refusal_unless_held();
    }

    /// Notes the result of a test advertisement, which reaches no host. The router takes part again
    /// when the kernel sends, or when the other router is silent.
    ///
    /// A firewall may be changed back and forth: only after [`STEADY`] the kernel counts as
    /// sending.
    pub(in crate::proto) fn note_tried(&mut self, outcome: SendOutcome, now: Instant) {
        let Some(yielded) = &mut self.mute.yielded else { return };
        let taken_since = match outcome {
            SendOutcome::Sent => Some(*yielded.taken_since.get_or_insert(now)),
            SendOutcome::Refused => None,
        };
        yielded.taken_since = taken_since;
        let is_steady = taken_since.is_some_and(|since| now >= since + STEADY);
        if is_steady || now > yielded.heard_at + yielded.patience {
            self.mute = Mute::default();
        }
    }

    /// Notes that another router is Active beside this one. If the kernel sends nothing, that one
    /// cannot hear this one, and the addresses are left to it.
    pub(in crate::proto) fn yield_if_mute(&mut self, heard: &Accepted<'_>, now: Instant) {
        let is_peer = heard.lists != AddressLists::Disjoint;
        let resigns = heard.priority.is_resigning();
        if is_peer && !resigns && matches!(self.phase, Phase::Active { .. }) && self.is_mute(now) {
            let patience = self.patience(heard.adver_interval);
            let source = Some(heard.source);
            self.mute.yielded =
                Some(Yielded { source, heard_at: now, patience, taken_since: None });
        }
    }

    /// Handles an advertisement while this router takes no part. Only the router that has the
    /// addresses prolongs that: its peer, or a stranger, may have none of them.
    pub(in crate::proto) fn handle_while_not_running(&mut self, source: IpAddr, now: Instant) {
        self.handle_discard(Discard::NotRunning, source, now);
        // A successor does not know who it is: the first one that it hears.
        let yielded = self.mute.yielded.as_mut();
        let yielded = yielded.filter(|it| it.source.is_none_or(|known| known == source));
        if let Some(yielded) = yielded {
            (yielded.source, yielded.heard_at) = (Some(source), now);
        }
    }

    /// Goes on leaving the addresses to another router, as a predecessor did that could not send.
    pub(super) fn yield_further(&mut self, now: Instant) {
        let patience = self.patience(self.config.adver_interval);
        self.mute.yielded =
            Some(Yielded { source: None, heard_at: now, patience, taken_since: None });
    }

    /// Tells whether the router leaves the addresses to another one, as it cannot send.
    pub(in crate::proto) fn yields_as_mute(&self) -> bool {
        self.mute.yielded.is_some()
    }

    /// Tells whether the kernel has refused every advertisement for `Active_Down_Interval`.
    pub(in crate::proto) fn is_mute(&self, now: Instant) -> bool {
        let since = self.mute.refused_since;
        self.yields_as_mute()
            || since.is_some_and(|since| now >= since + self.active_down_interval())
    }

    /// Forgets refused advertisements unless the addresses are held. Call it after every other
    /// call.
    pub(in crate::proto) fn forget_refusal_unless_held(&mut self) {
        if !self.holds() {
            self.mute.refused_since = None;
        }
    }
}

/// How long the kernel must take every attempt before it counts as sending again.
const STEADY: Duration = Duration::from_secs(3);
