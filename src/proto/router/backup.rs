//! A router that listens to the Active one, and when it replaces that one.

use super::{Accepted, Backup, Duration, Instant, Phase, Priority, Reason, VirtualRouter, sender};

impl VirtualRouter {
    /// Handles an advertisement while Backup (RFC 9568 §6.4.2).
    pub(super) fn heard_as_backup(
        &mut self,
        mut backup: Backup,
        heard: &Accepted<'_>,
        now: Instant,
    ) {
        if heard.priority.is_resigning() {
            // Its interval is not adopted: the next Active router may have another.
            backup.down_at = now + self.skew_time(self.effective_priority(), backup.adver_interval);
            backup.doubt = Duration::ZERO;
            // It has listened: who was Active is none any more.
            backup.claim_after = backup.claim_after.min(now);
            if !backup.is_left() {
                let known = backup.active.map(|active| active.address);
                backup.resigned = known.filter(|known| *known == heard.source);
            }
            backup.active = None;
            backup.takeover = Reason::Resigned;
        } else if let Some(deference) = backup.deference
            && self.is_deferred_to(heard, deference)
        {
            return self.heard_while_deferring(backup, deference, heard, now);
        } else if heard.priority < self.effective_priority()
            && self.preempts(&mut backup, heard.priority, now)
        {
            // That may be anybody: the addresses are with who leaves them, or the best one heard.
            if backup.is_outranked_by(heard.priority, heard.source) {
                backup.active = Some(sender(heard, now));
                if !backup.is_left() {
                    backup.takeover = Reason::Preempted;
                }
            }
        } else {
            backup.follow(heard, self.patience(heard.adver_interval), now);
            if heard.priority >= self.effective_priority() {
                (backup.preempt_after, backup.deference) = (None, None);
            }
        }
        self.enter(Phase::Backup(backup), Reason::HigherPriority, now);
    }

    /// Tells whether a living router of lower priority is to be replaced.
    ///
    /// The first one heard starts `preempt_delay`; while it runs, `Preempt_Mode` is as if false. An
    /// owner always preempts (RFC 9568 §6.1), and a last one standing is always preempted: it is
    /// Active only as long as no router serves.
    fn preempts(&self, backup: &mut Backup, priority: Priority, now: Instant) -> bool {
        if self.is_last_one_standing(priority) {
            return true;
        }
        if now < self.tolerates_until {
            return false;
        }
        let patience = now + self.config.preempt_delay;
        let tolerated_until = *backup.preempt_after.get_or_insert(patience);
        let at_once = self.effective_priority().is_owner();
        self.would_replace(priority) && (at_once || now >= tolerated_until)
    }

    /// Tells whether a living router is to be preempted, at once or later.
    pub(super) fn would_replace(&self, priority: Priority) -> bool {
        let may = self.config.preempt
            || self.effective_priority().is_owner()
            || self.is_last_one_standing(priority);
        may && priority < self.effective_priority()
    }
}
