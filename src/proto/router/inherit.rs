//! A virtual router that goes on where another one ended.

use super::last_resort::LOWEST;
use super::{Action, Backup, Duration, History, Instant, Phase, Priority, Reason, VirtualRouter};
use crate::proto::bequest::{Bequest, RouterKey};
use crate::proto::hold::Hold;
use crate::types::{ChecksumForm, ChecksumPolicy, Version};

impl VirtualRouter {
    /// Returns the state for a successor.
    pub(in crate::proto) fn bequeath(&self) -> Bequest {
        Bequest {
            key: self.key(),
            phase: self.phase,
            priority: self.config.priority,
            effective_priority: self.priority,
            own_priority: self.membership.map(|membership| membership.own_priority),
            lowering: self.lowering,
            rival: self.rival,
            deferred: self.deferred,
            adver_interval: self.config.adver_interval,
            checksum: self.form,
            counters: self.counters,
            history: self.history.bequeath(),
            transitions: self.history.total(),
            peers: self.peers.iter().filter(|peer| peer.last_heard.is_some()).copied().collect(),
        }
    }

    /// Goes on where a predecessor was at `left_at`, with our own configuration.
    ///
    /// That is no transition. Deadlines that have passed meanwhile are handled with the next
    /// [`handle_timeout`](Self::handle_timeout). `withdrawn` says that the predecessor's routers
    /// were withdrawn since.
    pub(in crate::proto) fn inherit(
        &mut self,
        bequest: &Bequest,
        left_at: Instant,
        withdrawn: bool,
        now: Instant,
    ) {
        self.counters = bequest.counters;
        self.history = History::inherited(self.id, &bequest.history, bequest.transitions);
        self.form = self.inherited_form(bequest.checksum);
        self.priority = self.inherited_priority(bequest, bequest.effective_priority);
        let own = bequest.own_priority.unwrap_or(bequest.effective_priority);
        self.set_own_priority(self.inherited_priority(bequest, own));
        self.lowering = bequest.lowering;
        self.deferred = bequest.deferred.map(|it| it.inherited(now));
        self.inherit_peers(&bequest.peers);
        self.phase = bequest.phase;
        match bequest.phase {
            Phase::Initialize { hold: Hold::CannotSend, .. } => self.yield_further(now),
            Phase::Initialize { .. } => {}
            Phase::Backup(backup) => self.inherit_backup(backup, bequest, now.since(left_at), now),
            Phase::Active { .. } | Phase::Leaving(_) if withdrawn => self.withdraw(now),
            Phase::Active { blink: Some(_), .. } => self.actions.push_back(Action::Claim(self.id)),
            Phase::Active { adver_at, .. } => self.inherit_active(adver_at, bequest, now),
            Phase::Leaving(leaving) => self.inherit_leaving(leaving, now),
        }
    }

    /// Stops without an advertisement: a successor goes on.
    pub(in crate::proto) fn fall_silent(&mut self) {
        self.phase = Phase::Initialize { hold: Hold::Stopped, listen_first: false };
        self.owes_resignation_until = None;
    }

    /// Goes on as Backup. Silence while no engine listened does not count.
    fn inherit_backup(
        &mut self,
        mut backup: Backup,
        bequest: &Bequest,
        deaf: Duration,
        now: Instant,
    ) {
        if self.config.version == Version::V2 || backup.active.is_none() {
            backup.adver_interval = self.config.adver_interval;
        }
        let skew = |priority| self.skew_time(priority, backup.adver_interval);
        let before = if backup.last_resort { LOWEST } else { bequest.effective_priority };
        let moved = backup.down_at + deaf + skew(self.effective_priority()) - skew(before);
        backup.down_at = moved.min(now + self.patience(backup.adver_interval));
        backup.claim_after = backup.claim_after.min(now + self.config.startup_hold);
        let tolerated_until = now + self.config.preempt_delay;
        backup.preempt_after = backup.preempt_after.map(|at| at.min(tolerated_until));
        backup.deference = backup.deference.map(|it| it.inherited(now));
        self.deferred = backup.deference.or(self.deferred);
        if self.effective_priority().is_owner() && backup.deference.is_none() {
            (backup.down_at, backup.takeover) = (now, Reason::Owner);
        }
        self.phase = Phase::Backup(backup);
    }

    /// Goes on as Active, unless peers must have taken over since.
    ///
    /// They know the interval that the predecessor advertised, not yet ours.
    fn inherit_active(&mut self, adver_at: Instant, bequest: &Bequest, now: Instant) {
        if now > adver_at + self.patience(bequest.adver_interval) {
            return self.listen_anew(now);
        }
        let latest = now + self.config.adver_interval.duration();
        let adver_at = adver_at.clamp(now, latest);
        let last_resort = self.is_last_resort();
        self.phase = Phase::Active { adver_at, last_resort, blink: None };
        self.rival = bequest.rival.map(|it| it.inherited(now));
        self.actions.push_back(Action::Claim(self.id));
    }

    fn inherited_form(&self, form: ChecksumForm) -> ChecksumForm {
        match self.config.checksum {
            ChecksumPolicy::Auto => form,
            ChecksumPolicy::Only(form) => form,
        }
    }

    /// Applies the weights of the predecessor to our priority.
    ///
    /// This engine has no verdicts of its own yet, and must not win an election until then for that
    /// reason.
    fn inherited_priority(&self, bequest: &Bequest, used: Priority) -> Priority {
        let configured = self.config.priority;
        if configured.is_owner() || bequest.priority.is_owner() {
            return configured;
        }
        let [ours, theirs, used] =
            [configured, bequest.priority, used].map(|priority| i16::from(priority.get()));
        let priority = (ours + used - theirs).clamp(i16::from(self.lowest_priority().get()), 254);
        Priority::new(u8::try_from(priority).unwrap_or(configured.get()))
    }

    /// Returns the key of the router.
    pub(in crate::proto) fn key(&self) -> RouterKey {
        RouterKey {
            interface: self.config.interface,
            family: self.config.family(),
            vrid: self.config.vrid,
        }
    }
}
