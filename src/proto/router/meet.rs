//! Two Active routers meet: one of them steps down.

use super::{Accepted, Instant, IpAddr, Phase, Problem, Reason, Version, VirtualRouter, sender};

impl VirtualRouter {
    /// Handles an advertisement while we are Active ourselves (RFC 9568 §6.4.3).
    pub(super) fn heard_as_active(
        &mut self,
        heard: &Accepted<'_>,
        own_source: Option<IpAddr>,
        now: Instant,
    ) {
        self.counters.rivals += u64::from(!heard.priority.is_resigning());
        if heard.priority.is_resigning() {
            self.advertise_anew(self.is_last_resort(), now);
            self.end_rivalry(Some(heard.source), now);
        } else if self.is_outranked_by(heard.priority, heard.source, own_source) {
            self.step_down(heard, now);
        } else if self.is_unheeded_for_good(heard.source, now) {
            self.defer_to(heard, now);
        } else {
            self.defend(heard, now);
        }
    }

    /// Steps down for a router that outranks us.
    ///
    /// Our last advertisement tells the winner that there were two, so that it announces the
    /// addresses again and no switch goes on sending to us.
    fn step_down(&mut self, heard: &Accepted<'_>, now: Instant) {
        self.report_duplicate_owner(heard, now);
        self.advertise(self.effective_priority());
        self.yield_to(heard, now);
        let mut backup = self.listening(heard.adver_interval, now);
        backup.active = Some(sender(heard, now));
        self.enter(Phase::Backup(backup), Reason::HigherPriority, now);
    }

    /// Answers a router that we outrank but that is Active too (RFC 9568 §6.4.3). In version 2
    /// nothing is sent (RFC 3768 §6.4.3).
    ///
    /// Hosts and switches may have learned that the addresses are there: they are announced again.
    fn defend(&mut self, heard: &Accepted<'_>, now: Instant) {
        self.note_rival(heard, now);
        if !self.report_duplicate_owner(heard, now) {
            let problem = Problem::AnotherActive { priority: heard.priority };
            self.report(problem, Some(heard.source), now);
        }
        if self.config.version == Version::V3 && self.is_to_answer(now) {
            self.advertise(self.effective_priority());
        }
        self.announce_beside_rival(now);
    }

    fn report_duplicate_owner(&mut self, heard: &Accepted<'_>, now: Instant) -> bool {
        let duplicate = self.effective_priority().is_owner() && heard.priority.is_owner();
        if duplicate {
            self.report(Problem::DuplicateOwner, Some(heard.source), now);
        }
        duplicate
    }
}
