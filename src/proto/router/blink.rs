//! An Active router whose link or primary address is gone for a moment.
//!
//! No peer can have taken over yet: so it keeps the addresses, and goes on when the link is back.
//! It does not know how long peers wait, nor what they heard last: it counts three intervals from
//! its last advertisement, or `dead_factor` if that is less, and no `Skew_Time`.

use super::{Accepted, Action, Hold, Instant, IpAddr, Phase, Priority, VirtualRouter};
use crate::proto::phase::Blink;

impl VirtualRouter {
    /// Handles that only its link holds the router.
    ///
    /// While a resignation can be sent, it is sent an interval before a peer can take over.
    pub(in crate::proto) fn hold_unless_brief(&mut self, hold: Hold, now: Instant) {
        if let Phase::Active { adver_at, blink, .. } = &mut self.phase {
            let adver_interval = self.config.adver_interval.duration();
            let resigns = u8::from(hold == Hold::NoPrimaryAddress);
            let patience = self.config.dead_factor.min(FEW_ADVERTISEMENTS);
            // The next advertisement is the first of those that peers miss.
            let until = *adver_at + adver_interval * u32::from(patience)
                - adver_interval * u32::from(1 + resigns);
            *blink = Some(Blink { hold, until });
            return self.end_blink(now);
        }
        self.hold(hold, now);
    }

    /// Gives the addresses up if the link has been gone for too long.
    pub(in crate::proto) fn end_blink(&mut self, now: Instant) {
        if let Some(Blink { hold, until }) = self.blink()
            && now >= until
        {
            self.hold(hold, now);
        }
    }

    /// Goes on after a blink, if there was one.
    pub(super) fn go_on(&mut self, now: Instant) {
        if self.blink().is_some() {
            self.go_on_as(self.is_last_resort(), now);
        }
    }

    /// Goes on as Active. After a blink, hosts and switches may have learned another router.
    pub(super) fn go_on_as(&mut self, last_resort: bool, now: Instant) {
        let blinked = self.blink().is_some();
        self.advertise_anew(last_resort, now);
        if blinked {
            self.actions.push_back(Action::Announce(self.id));
        }
    }

    /// Handles an advertisement during a blink: its sender is Active, and gets no answer.
    pub(super) fn heard_in_blink(
        &mut self,
        hold: Hold,
        heard: &Accepted<'_>,
        own_source: Option<IpAddr>,
        now: Instant,
    ) {
        let is_active = !heard.priority.is_resigning();
        let is_outranked = self.is_outranked_by(heard.priority, heard.source, own_source);
        if is_active && (!self.config.preempt || is_outranked) {
            if self.can_send {
                self.advertise(self.effective_priority());
            }
            self.yield_to(heard, now);
            self.enter(Phase::Initialize { hold, listen_first: true }, hold.reason(), now);
        }
    }

    /// Returns what is missing while the router goes on.
    pub(in crate::proto) fn blink(&self) -> Option<Blink> {
        match self.phase {
            Phase::Active { blink, .. } => blink,
            Phase::Initialize { .. } | Phase::Backup(_) | Phase::Leaving(_) => None,
        }
    }

    /// Notes whether anything can be sent. A resignation that could not be is sent as soon as it
    /// can, unless every peer has lost patience.
    pub(in crate::proto) fn connect(&mut self, can_send: bool, now: Instant) {
        self.can_send = can_send;
        if can_send && self.owes_resignation_until.take().is_some_and(|until| now < until) {
            self.advertise(Priority::RESIGN);
        }
    }

    /// Resigns, now or as soon as that is possible.
    pub(super) fn resign(&mut self, now: Instant) {
        if self.can_send {
            return self.advertise(Priority::RESIGN);
        }
        let longest = self.config.adver_interval.duration() * LONGEST_PATIENCE;
        self.owes_resignation_until = Some(now + longest);
    }
}

/// The RFC's constant: peers miss so many advertisements before they take over.
const FEW_ADVERTISEMENTS: u8 = 3;
/// No peer is configured to miss more advertisements, `Skew_Time` included.
const LONGEST_PATIENCE: u32 = 101;
