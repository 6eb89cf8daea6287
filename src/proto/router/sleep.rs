//! A router whose host did not run for a while: what it missed, and what it may still claim.

use super::{Action, Blink, Duration, Instant, Leaving, Phase, Reason, VirtualRouter};

impl VirtualRouter {
    /// Handles that this host did not run since a moment, and so woke `late`.
    ///
    /// Advertisements of that time may be lost: a Backup was deaf, and the time does not count as
    /// silence. A time too short to lose an advertisement changes nothing. Returns whether that has
    /// changed anything.
    pub(in crate::proto) fn slept(
        &mut self,
        since: Instant,
        late: Duration,
        suspended: Duration,
        now: Instant,
    ) -> bool {
        let Phase::Backup(mut backup) = self.phase else { return self.suspended(suspended, now) };
        if late + suspended <= backup.adver_interval.duration() / 4 {
            return false;
        }
        let patience = self.patience(backup.adver_interval);
        // It has slept for as long as it is late, and perhaps before that, too. But a router that
        // wakes late every time would doubt for ever.
        let proven = late + suspended;
        let doubt = now.since(since).saturating_sub(late);
        let doubt = doubt.min(patience.saturating_sub(backup.doubt));
        backup.doubt += doubt;
        let deaf = proven + doubt;
        backup.down_at = (backup.down_at + deaf).min(now + patience);
        if backup.claim_after > since {
            let latest = now + self.config.startup_hold;
            backup.claim_after = (backup.claim_after + deaf).min(latest);
        }
        self.phase = Phase::Backup(backup);
        true
    }

    /// Handles that the machine was suspended while the addresses were held: that counts as
    /// silence, although no deadline has passed.
    fn suspended(&mut self, suspended: Duration, now: Instant) -> bool {
        match &mut self.phase {
            _ if suspended.is_zero() => return false,
            Phase::Initialize { .. } | Phase::Backup(_) => return false,
            Phase::Leaving(leaving) => leaving.release_at = leaving.release_at - suspended,
            Phase::Active { blink: Some(blink), .. } => blink.until = blink.until - suspended,
            Phase::Active { adver_at, .. } => *adver_at = *adver_at - suspended,
        }
        self.handle_timeout(now);
        true
    }

    /// Handles that one advertisement was missed at least: switches may have learned from another
    /// router meanwhile.
    ///
    /// A router that is late all the time announces only at the beginning. The announcements of a
    /// thousand routers take time as well, and must not delay the next advertisements.
    pub(super) fn announce_after_lateness(&mut self, now: Instant) {
        if now >= self.late_until {
            self.actions.push_back(Action::Announce(self.id));
        }
        let few = PUNCTUAL_INTERVALS * self.config.adver_interval.duration();
        self.late_until = now + few.max(PUNCTUAL_TIME);
    }

    /// Listens anew if the host was paused or starved for a whole `Active_Down_Interval`.
    ///
    /// Peers take an Active router that has sent nothing for so long for dead; and silence during
    /// its sleep proves nothing to a Backup.
    pub(super) fn listen_if_overslept(&mut self, now: Instant) {
        let slept_since = match self.phase {
            // A blink has its own end.
            Phase::Initialize { .. } | Phase::Leaving(_) | Phase::Active { blink: Some(_), .. } => {
                return;
            }
            Phase::Backup(backup) => self.deadline_of(&backup),
            Phase::Active { adver_at, .. } => adver_at - self.config.adver_interval.duration(),
        };
        if now > slept_since + self.active_down_interval() {
            self.listen_anew(now);
        }
    }

    /// Handles that the guard has resigned for this router and removed the addresses: peers have
    /// them.
    pub(in crate::proto) fn withdraw(&mut self, now: Instant) {
        match self.phase {
            Phase::Initialize { .. } | Phase::Backup(_) => {}
            Phase::Active { blink: Some(Blink { hold, .. }), .. } => {
                self.actions.push_back(Action::Release(self.id));
                self.enter(Phase::Initialize { hold, listen_first: true }, hold.reason(), now);
            }
            Phase::Active { .. } => self.listen_anew(now),
            Phase::Leaving(leaving) => {
                self.leave_further(Leaving { release_at: now, ..leaving }, now);
            }
        }
    }

    /// Takes no part any more in what was before a long sleep.
    pub(super) fn listen_anew(&mut self, now: Instant) {
        if matches!(self.phase, Phase::Active { .. }) {
            self.actions.push_back(Action::Release(self.id));
        }
        let adver_interval = self.active_adver_interval();
        let backup = self.listening(adver_interval, now);
        self.enter(Phase::Backup(backup), Reason::Overslept, now);
    }
}

/// A lateness has ended after so many advertisements in time, and so long.
const PUNCTUAL_INTERVALS: u32 = 3;
const PUNCTUAL_TIME: Duration = Duration::from_secs(1);
