//! A router that becomes Active, and steps down, together with the others of its sync group.

use super::{
    Action, Backup, Blink, Duration, Hold, Instant, Phase, Priority, Reason, VirtualRouter,
};
use crate::proto::state::State;

/// What a member of a sync group knows of itself besides its state.
#[derive(Clone, Copy, Debug)]
pub(in crate::proto) struct Membership {
    /// Its own priority after weights. In use is the lowest one of the group.
    pub(in crate::proto) own_priority: Priority,
    /// It would be Active already, but others of the group are not ready.
    waits: Option<GroupWait>,
    /// When it steps down, as another router is Active for a member of the group.
    follows_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct GroupWait {
    since: Instant,
    /// The deadline of the Backup that has passed.
    deadline: Instant,
    /// When to check that the host was awake meanwhile.
    look_again: Instant,
}

/// Where a member stands, as far as it concerns the others.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(in crate::proto) enum Standing {
    /// It takes no part, for a reason that concerns the whole node.
    Out,
    /// It is in fault for a reason of its own.
    Faulty,
    /// It is Backup, and hears no Active router that it would not replace.
    Listening,
    /// It is Backup to an Active router.
    Led,
    /// It is Backup, and nothing keeps it from being Active but the group.
    Due,
    /// It is Active.
    Active,
}

impl VirtualRouter {
    /// Makes the router a member of a group.
    pub(in crate::proto) fn join_group(&mut self) {
        let own_priority = self.config.priority;
        self.membership = Some(Membership { own_priority, waits: None, follows_at: None });
    }

    /// Returns the priority that weights leave to the router itself.
    pub(in crate::proto) fn own_priority(&self) -> Priority {
        self.membership.map_or(self.priority, |membership| membership.own_priority)
    }

    /// Replaces that priority; an owner keeps its own.
    pub(in crate::proto) fn set_own_priority(&mut self, priority: Priority) {
        let lowest = self.lowest_priority();
        if let Some(membership) = self.membership.as_mut().filter(|_| !self.priority.is_owner()) {
            let clamped = priority.get().clamp(lowest.get(), 254);
            membership.own_priority = Priority::new(clamped);
        }
    }

    /// Returns where the router stands.
    pub(in crate::proto) fn standing(&self) -> Standing {
        match (self.phase, self.held_by()) {
            (Phase::Active { .. }, _) => Standing::Active,
            (Phase::Backup(_), _) if self.group_wait().is_some() && !self.cannot_claim => {
                Standing::Due
            }
            (_, Some(Hold::Group | Hold::Unhealthy)) => Standing::Out,
            (_, Some(hold)) if hold.state() == State::Fault => Standing::Faulty,
            (Phase::Initialize { .. } | Phase::Leaving(_), _) => Standing::Out,
            (Phase::Backup(Backup { active: Some(_), takeover, .. }), _)
                if takeover != Reason::Preempted =>
            {
                Standing::Led
            }
            (Phase::Backup(_), _) => Standing::Listening,
        }
    }

    /// Becomes Active with the group.
    pub(in crate::proto) fn take_over(&mut self, now: Instant) {
        if let Phase::Backup(backup) = self.phase {
            self.become_active(backup.takeover, backup.predecessor(), now);
        }
    }

    /// Notes that a Backup whose deadline has passed waits for the others of its group. Returns
    /// whether it has any.
    pub(super) fn waits_for_group(&mut self, deadline: Instant, now: Instant) -> bool {
        let look_again = now + self.config.adver_interval.duration();
        let known = self.group_wait().map(|wait| wait.since);
        let Some(membership) = &mut self.membership else { return false };
        let since = known.unwrap_or(now);
        membership.waits = Some(GroupWait { since, deadline, look_again });
        true
    }

    /// Returns when a Backup has something to do.
    pub(super) fn deadline_of(&self, backup: &Backup) -> Instant {
        self.group_wait().map_or(backup.deadline(), |wait| wait.look_again)
    }

    /// Returns since when the router waits for its group, if it does.
    pub(in crate::proto) fn waits_since(&self) -> Option<Instant> {
        self.group_wait().map(|wait| wait.since)
    }

    fn group_wait(&self) -> Option<GroupWait> {
        let Phase::Backup(backup) = self.phase else { return None };
        self.membership?.waits.filter(|wait| wait.deadline == backup.deadline())
    }

    /// Has an Active router step down after a while, unless that is to be sooner anyway. Returns
    /// whether that is new.
    pub(in crate::proto) fn follow_within(&mut self, delay: Duration, now: Instant) -> bool {
        let Some(membership) = &mut self.membership else { return false };
        let at = now + delay;
        let is_news = membership.follows_at.is_none_or(|before| at < before);
        if is_news {
            membership.follows_at = Some(at);
        }
        is_news
    }

    /// Has the router stay Active after all. Returns whether that is new.
    pub(in crate::proto) fn stay(&mut self) -> bool {
        self.membership.as_mut().is_some_and(|it| it.follows_at.take().is_some())
    }

    /// Forgets that the router was to step down, once it has.
    pub(super) fn forget_to_follow(&mut self) {
        if !matches!(self.phase, Phase::Active { .. }) {
            self.stay();
        }
    }

    /// Returns when an Active router steps down with its group, if it does.
    pub(super) fn follows_at(&self) -> Option<Instant> {
        self.membership?.follows_at
    }

    /// Steps down if it is time: the group is Active elsewhere. Peers learn it by a resignation, in
    /// case nobody is Active for this router yet.
    pub(super) fn follow_group(&mut self, now: Instant) {
        if self.follows_at().is_none_or(|at| now < at) {
            return;
        }
        self.stay();
        if let Some(Blink { hold, .. }) = self.blink() {
            return self.hold(hold, now);
        }
        self.resign(now);
        let until = now + super::leave::linger(self.config.adver_interval);
        self.actions.push_back(Action::Yield { router: self.id, until });
        let backup = self.listening(self.config.adver_interval, now);
        self.enter(Phase::Backup(backup), Reason::SyncGroup, now);
    }
}
