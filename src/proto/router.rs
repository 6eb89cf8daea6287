//! One virtual router: the state machine of RFC 9568 §6.4.

mod backup;
mod blink;
mod conflict;
mod discarded;
mod group;
mod inherit;
mod last_resort;
mod leave;
mod meet;
mod mute;
mod peers;
mod rival;
mod sleep;
mod weight;

use std::collections::VecDeque;
use std::mem;
use std::net::IpAddr;
use std::time::Duration;

use self::conflict::VridConflict;
use self::group::Membership;
pub(super) use self::group::Standing;
pub use self::leave::linger;
use super::bequest::{Lowering, Rival};
use super::event::{Action, LinkId, Problem, Report, RouterId, Transition};
use super::history::History;
use super::hold::Hold;
use super::interval;
use super::phase::{Backup, Blink, Deference, Leaving, Phase};
use super::receive::{Accepted, AddressLists, Discard};
use super::report::{self, Limiter};
use super::snapshot::{ActiveRouter, Counters, PeerRouter};
use super::state::{Reason, State};
use crate::config::InstanceConfig;
use crate::types::{Centiseconds, ChecksumForm, ChecksumPolicy, Instant, Priority, Version};

/// One virtual router of this node.
///
/// It performs no I/O and reads no clock. After each input, [drain](Self::drain_actions) its
/// actions, then wait until [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub(super) struct VirtualRouter {
    pub(super) id: RouterId,
    pub(super) link: LinkId,
    pub(super) config: InstanceConfig,
    /// The configured priority unless tracking changed it.
    priority: Priority,
    /// Since when that is lower than configured, and whether it matters, while Active.
    lowering: Option<Lowering>,
    /// The checksum form of our next advertisement.
    pub(super) form: ChecksumForm,
    pub(super) counters: Counters,
    pub(super) history: History,
    /// Who was Active when this router last became it, as far as it knew.
    pub(super) replaced: Option<IpAddr>,
    phase: Phase,
    /// Priority 1 means that no router serves (`last_one_standing`).
    lowest_is_reserved: bool,
    /// Until then, a late advertisement belongs to a lateness that was announced for.
    late_until: Instant,
    mute: mute::Mute,
    /// A router that is Active beside this one.
    rival: Option<Rival>,
    /// The router to which the addresses were left last because it did not hear this one.
    deferred: Option<Deference>,
    /// Another router that uses our VRID for other addresses.
    conflict: Option<VridConflict>,
    discarded: Option<discarded::DiscardedPeer>,
    pub(super) peers: Vec<PeerRouter>,
    /// Until then, no peer is answered.
    unanswered_until: Instant,
    /// What it needs as a member of a sync group.
    membership: Option<Membership>,
    /// Whether advertisements can leave the host.
    can_send: bool,
    /// Whether addresses would have to wait for the kernel.
    cannot_claim: bool,
    /// Until when it preempts no living router.
    tolerates_until: Instant,
    /// Until when a resignation that could not be sent is still useful.
    owes_resignation_until: Option<Instant>,
    limiter: Limiter,
    actions: VecDeque<Action>,
}

impl VirtualRouter {
    /// Creates a router in Initialize; nothing happens before [`let_go`](Self::let_go).
    pub(super) fn new(id: RouterId, link: LinkId, config: &InstanceConfig) -> Self {
        Self {
            id,
            link,
            config: config.clone(),
            priority: config.priority,
            lowering: None,
            form: match config.checksum {
                ChecksumPolicy::Auto => ChecksumForm::PseudoHeader,
                ChecksumPolicy::Only(form) => form,
            },
            counters: Counters::default(),
            history: History::new(),
            replaced: None,
            phase: Phase::Initialize { hold: Hold::Stopped, listen_first: true },
            lowest_is_reserved: false,
            late_until: Instant::default(),
            mute: mute::Mute::default(),
            rival: None,
            deferred: None,
            conflict: None,
            discarded: None,
            peers: peers::unheard(config),
            unanswered_until: Instant::default(),
            membership: None,
            can_send: true,
            cannot_claim: false,
            tolerates_until: Instant::default(),
            owes_resignation_until: None,
            limiter: Limiter::default(),
            actions: VecDeque::new(),
        }
    }

    /// Holds the router in Initialize: the Shutdown event (RFC 9568 §6.4).
    pub(super) fn hold(&mut self, hold: Hold, now: Instant) {
        if hold.leaves_with_grace() && self.holds() {
            return self.leave(hold, now);
        }
        if self.holds() {
            self.resign(now);
            self.actions.push_back(Action::Release(self.id));
        }
        let due = matches!(self.phase, Phase::Initialize { listen_first: true, .. });
        let listen_first = due || hold != Hold::Unhealthy;
        self.enter(Phase::Initialize { hold, listen_first }, hold.reason(), now);
    }

    /// Holds the router no more: the Startup event (RFC 9568 §6.4.1).
    pub(super) fn let_go(&mut self, now: Instant) {
        let listen_first = match self.phase {
            Phase::Initialize { listen_first, .. } => listen_first,
            Phase::Backup(Backup { last_resort: true, .. })
            | Phase::Active { last_resort: true, .. } => return self.recover(now),
            // No peer has taken over yet: it goes on as Active.
            Phase::Leaving(_) => return self.advertise_anew(false, now),
            Phase::Active { .. } => return self.go_on(now),
            Phase::Backup(_) => return,
        };
        let listen = if listen_first { self.config.startup_hold } else { Duration::ZERO };
        let is_owner = self.priority.is_owner() && now >= self.tolerates_until;
        let is_free = self.membership.is_none() && !self.cannot_claim;
        if is_owner && listen.is_zero() && is_free {
            return self.become_active(Reason::Owner, None, now);
        }
        let mut backup = self.listening(self.config.adver_interval, now);
        backup.claim_after = now + listen;
        if is_owner {
            (backup.down_at, backup.takeover) = (now, Reason::Owner);
        }
        self.enter(Phase::Backup(backup), Reason::Startup, now);
    }

    /// Handles an advertisement (RFC 9568 §6.4.2 and §6.4.3). `own_source` is the address that we
    /// send from.
    pub(super) fn handle_advertisement(
        &mut self,
        heard: &Accepted<'_>,
        own_source: Option<IpAddr>,
        now: Instant,
    ) {
        self.counters.received.count_accepted(heard);
        self.note_peer(heard.source, now);
        self.end_blink(now);
        self.listen_if_overslept(now);
        if heard.lists == AddressLists::Disjoint {
            self.meet_stranger(heard, now);
            // One hardware address on two ports of a switch would be worse than to yield.
            let shares_mac = self.config.macvlan.is_some();
            if !(shares_mac && self.is_outranked_by(heard.priority, heard.source, own_source)) {
                return;
            }
        }
        self.note(heard, now);
        match self.phase {
            Phase::Initialize { .. } => {}
            Phase::Backup(backup) => self.heard_as_backup(backup, heard, now),
            Phase::Active { blink: Some(Blink { hold, .. }), .. } => {
                self.heard_in_blink(hold, heard, own_source, now);
            }
            Phase::Active { .. } => self.heard_as_active(heard, own_source, now),
            Phase::Leaving(leaving) => self.heard_while_leaving(leaving, heard, now),
        }
    }

    /// Handles a datagram for this router that is no valid advertisement.
    pub(super) fn handle_discard(&mut self, discard: Discard, source: IpAddr, now: Instant) {
        self.counters.received.count_discarded(discard);
        if report::worth_reading(discard) {
            self.report(Problem::Discarded(discard), Some(source), now);
        }
        self.note_discarded(discard, source, now);
    }

    /// Handles the passing of time. Calling it early, or twice, does nothing.
    pub(super) fn handle_timeout(&mut self, now: Instant) {
        self.end_blink(now);
        self.listen_if_overslept(now);
        self.end_conflict(now);
        self.end_discarded(now);
        self.follow_group(now);
        match self.phase {
            Phase::Backup(mut backup) if now >= self.deadline_of(&backup) && self.cannot_claim => {
                backup.down_at = now + POSTPONEMENT;
                self.phase = Phase::Backup(backup);
            }
            Phase::Backup(backup) if now >= self.deadline_of(&backup) => {
                if !self.waits_for_group(backup.deadline(), now) {
                    self.become_active(backup.takeover, backup.predecessor(), now);
                }
            }
            Phase::Active { adver_at, last_resort, blink: None } if now >= adver_at => {
                let adver_interval = self.config.adver_interval;
                let next = next_tick(adver_at, adver_interval, now);
                self.phase = Phase::Active { adver_at: next, last_resort, blink: None };
                self.advertise(self.effective_priority());
                self.end_rivalry(None, now);
                if now >= adver_at + adver_interval.duration() {
                    self.announce_after_lateness(now);
                }
            }
            Phase::Leaving(leaving) => self.leave_further(leaving, now),
            Phase::Initialize { .. } | Phase::Backup(_) | Phase::Active { .. } => {}
        }
    }

    /// Has the router preempt nobody until a moment.
    pub(super) fn tolerate(&mut self, until: Instant) {
        self.tolerates_until = until;
    }

    /// Has the router take over later than it would, as long as it could not add the addresses.
    pub(super) fn postpone_takeovers(&mut self, cannot_claim: bool) {
        self.cannot_claim = cannot_claim;
    }

    /// Replaces the priority in use with one of 1–254 (2–254 with `last_one_standing`); an owner
    /// keeps its own.
    ///
    /// The next advertisement of an Active router carries it. The timer of a Backup moves by the
    /// difference of the two skews, so a higher priority never waits longer than the lower one did.
    pub(super) fn set_priority(&mut self, priority: Priority) {
        if self.priority.is_owner() {
            return;
        }
        let before = self.effective_priority();
        self.priority = Priority::new(priority.get().clamp(self.lowest_priority().get(), 254));
        if let Phase::Backup(mut backup) = self.phase {
            let skew = |priority| self.skew_time(priority, backup.adver_interval);
            backup.down_at = backup.down_at + skew(self.effective_priority()) - skew(before);
            self.phase = Phase::Backup(backup);
        }
    }

    /// Moves the actions to the end of `actions`. Call it after every other call.
    pub(super) fn drain_actions(&mut self, actions: &mut VecDeque<Action>) {
        // Most routers wait most of the time: they keep no room for actions.
        actions.extend(mem::take(&mut self.actions));
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout); `None` only in Initialize.
    pub(super) fn poll_timeout(&self) -> Option<Instant> {
        let deadline = match self.phase {
            Phase::Initialize { .. } => return None,
            Phase::Backup(backup) => self.deadline_of(&backup),
            Phase::Active { adver_at, blink, .. } => blink.map_or(adver_at, |blink| blink.until),
            Phase::Leaving(leaving) => leaving.deadline(),
        };
        let ends = self.end_of_conflict().into_iter().chain(self.end_of_discarded());
        ends.chain(self.follows_at()).chain([deadline]).min()
    }

    /// Returns the state in the status.
    pub(super) fn state(&self) -> State {
        match self.phase {
            Phase::Initialize { hold, .. } => hold.state(),
            Phase::Backup(Backup { last_resort: true, .. } | Backup { deference: Some(_), .. }) => {
                State::Fault
            }
            Phase::Backup(_) => State::Backup,
            Phase::Active { .. } | Phase::Leaving(_) => State::Active,
        }
    }

    /// Tells whether the router holds the addresses.
    pub(super) fn holds(&self) -> bool {
        self.phase.holds()
    }

    /// Tells whether the router has left Initialize.
    pub(super) fn is_running(&self) -> bool {
        self.phase.is_running()
    }

    /// Returns what makes a Backup or Active router show as Fault.
    pub(super) fn held_by(&self) -> Option<Hold> {
        match self.phase {
            Phase::Initialize { hold, .. } => Some(hold),
            Phase::Backup(Backup { deference: Some(_), .. }) => Some(Hold::Unheeded),
            Phase::Backup(Backup { last_resort: true, .. }) => Some(Hold::Unhealthy),
            Phase::Backup(_) | Phase::Active { .. } | Phase::Leaving(_) => None,
        }
    }

    /// Returns `Active_Down_Interval` as it is now.
    pub(super) fn active_down_interval(&self) -> Duration {
        self.patience(self.active_adver_interval())
    }

    /// Returns `Active_Down_Interval` of a peer of the lowest priority.
    pub(super) fn longest_down_interval(&self) -> Duration {
        let InstanceConfig { version, dead_factor, adver_interval, .. } = self.config;
        interval::active_down_interval(version, last_resort::LOWEST, adver_interval, dead_factor)
    }

    /// Returns who is Active, as far as this router knows. `own_source` is the address that we send
    /// from.
    pub(super) fn active_router(&self, own_source: Option<IpAddr>) -> Option<ActiveRouter> {
        match self.phase {
            Phase::Initialize { .. } => None,
            Phase::Backup(backup) => backup.active,
            Phase::Active { .. } | Phase::Leaving(_) => own_source.map(|address| ActiveRouter {
                address,
                priority: self.effective_priority(),
                is_self: true,
                last_heard: None,
            }),
        }
    }

    /// Notes what every advertisement of a peer shows, whatever its rank: the checksum form, and
    /// differences to our configuration (RFC 9568 §7.1).
    fn note(&mut self, heard: &Accepted<'_>, now: Instant) {
        // With a form chosen in the configuration, no other one is accepted.
        if let Some(form) = heard.checksum {
            self.form = form;
        }
        if heard.interval_differs {
            let intervals = [heard.adver_interval, self.config.adver_interval];
            let [theirs_ms, ours_ms] = intervals.map(millis);
            self.report(Problem::IntervalDiffers { theirs_ms, ours_ms }, Some(heard.source), now);
        }
        let of_the_lists = match heard.lists {
            AddressLists::Same | AddressLists::Disjoint => None,
            AddressLists::Disordered => Some(Problem::AddressesDisordered),
            AddressLists::Overlapping => Some(Problem::AddressesDiffer),
        };
        if let Some(problem) = of_the_lists {
            self.report(problem, Some(heard.source), now);
        }
    }

    /// Takes the addresses, which `predecessor` leaves to us on purpose if there is one.
    fn become_active(&mut self, reason: Reason, predecessor: Option<IpAddr>, now: Instant) {
        let last_resort = self.is_last_resort();
        let reason = if last_resort { Reason::LastOneStanding } else { reason };
        self.advertise(self.effective_priority());
        self.relay_to(predecessor, now);
        self.actions.push_back(Action::Claim(self.id));
        let adver_at = now + self.config.adver_interval.duration();
        (self.owes_resignation_until, self.rival) = (None, None);
        self.enter(Phase::Active { adver_at, last_resort, blink: None }, reason, now);
    }

    /// Advertises as Active, and restarts the interval.
    fn advertise_anew(&mut self, last_resort: bool, now: Instant) {
        let adver_at = now + self.config.adver_interval.duration();
        self.phase = Phase::Active { adver_at, last_resort, blink: None };
        self.advertise(self.effective_priority());
    }

    /// Returns a Backup that has just begun to listen to a router of this interval.
    fn listening(&self, adver_interval: Centiseconds, now: Instant) -> Backup {
        Backup {
            down_at: now + self.patience(adver_interval),
            doubt: Duration::ZERO,
            claim_after: now,
            adver_interval,
            preempt_after: None,
            active: None,
            resigned: None,
            takeover: Reason::NoResponse,
            last_resort: self.is_last_resort(),
            deference: None,
        }
    }

    /// Returns `Active_Adver_Interval`: learned while Backup, else our own.
    fn active_adver_interval(&self) -> Centiseconds {
        match self.phase {
            Phase::Backup(backup) => backup.adver_interval,
            Phase::Initialize { .. } | Phase::Active { .. } | Phase::Leaving(_) => {
                self.config.adver_interval
            }
        }
    }

    /// Returns how long a router of this interval may be silent before it is taken for dead.
    fn patience(&self, adver_interval: Centiseconds) -> Duration {
        let InstanceConfig { version, dead_factor, .. } = self.config;
        let priority = self.effective_priority();
        interval::active_down_interval(version, priority, adver_interval, dead_factor)
    }

    fn skew_time(&self, priority: Priority, adver_interval: Centiseconds) -> Duration {
        interval::skew_time(self.config.version, priority, adver_interval)
    }

    fn advertise(&mut self, priority: Priority) {
        self.actions.push_back(Action::Advertise { router: self.id, priority });
    }

    fn report(&mut self, problem: Problem, source: Option<IpAddr>, now: Instant) {
        let Some(suppressed) = self.limiter.admit(&problem, now) else { return };
        let (link, router) = (self.link, Some(self.id));
        let report = Report { link, router, source, problem, suppressed };
        self.actions.push_back(Action::Report(report));
    }

    /// Enters a phase; that is a transition if it looks different from outside.
    fn enter(&mut self, phase: Phase, reason: Reason, now: Instant) {
        let from = self.state();
        if let (Phase::Backup(backup), Phase::Active { .. }) = (self.phase, phase) {
            self.replaced = backup.active.map(|active| active.address);
        }
        self.phase = phase;
        self.conflict = self.conflict.filter(|_| self.phase.is_running());
        self.discarded = self.discarded.filter(|_| self.phase.is_running());
        self.forget_to_follow();
        let to = self.state();
        if from == to {
            return;
        }
        let transition = Transition { router: self.id, at: now, from, to, reason };
        if to == State::Active {
            self.counters.became_active.count(reason);
        } else if from == State::Active {
            self.counters.left_active.count(reason);
        }
        self.history.record(transition.clone());
        self.actions.push_back(Action::Transition(transition));
    }
}

fn sender(heard: &Accepted<'_>, now: Instant) -> ActiveRouter {
    ActiveRouter {
        address: heard.source,
        priority: heard.priority,
        is_self: false,
        last_heard: Some(now),
    }
}

/// Returns the first tick after `now`: those missed are skipped, the rest stay where they were.
///
/// They are few: a router that missed more than `dead_factor` of them has stepped down.
fn next_tick(due: Instant, adver_interval: Centiseconds, now: Instant) -> Instant {
    let mut tick = due;
    while tick <= now {
        tick = tick + adver_interval.duration();
    }
    tick
}

fn millis(interval: Centiseconds) -> u32 {
    u32::from(interval.get()) * 10
}

/// After so long a router tries again to take over.
const POSTPONEMENT: Duration = Duration::from_millis(100);
