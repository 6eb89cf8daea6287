//! How an engine hands the routers over, or gives them up.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Incident, PATIENCE, PUNCTUAL, Role};
use crate::proto::{Input, RouterKey};
use crate::runtime::clock;
use crate::runtime::driver::{Driver, End};
use crate::runtime::handover::{Door, Message, Peer};
use crate::runtime::kernel::KernelThread;
use crate::types::{HeldAddress, Instant};

/// Where the next engine finds the one that has the routers.
#[derive(Default)]
pub(super) struct Holding {
    door: Option<Door>,
    /// Nobody is let in before the next beat, and why: said once.
    refusal: Option<String>,
    rests: bool,
    /// Engines that may take the routers over, the newest last. Bounded by [`MAX_HEIRS`].
    heirs: Vec<Heir>,
    /// What the engine before this one held, and by when it has let go of it.
    leftovers: Option<(Instant, Vec<HeldAddress>)>,
}

struct Heir {
    peer: Peer,
    /// It was here before us: it gets the routers back when we stop and nobody else wants them.
    was_before: bool,
}

/// How an engine stops.
pub(super) enum Farewell {
    /// The master has begun a new configuration: the next engine must be about to knock.
    AwaitingHeir { until: Instant },
    /// The next engine was given the state.
    Given { until: Instant },
    /// Nobody takes over: the routers leave with grace.
    Leaving { until: Instant },
}

impl Holding {
    pub(super) fn new(door: Option<Door>, predecessor: Option<Peer>) -> Self {
        let before = predecessor.map(|peer| Heir { peer, was_before: true });
        Self { door, heirs: before.into_iter().collect(), ..Self::default() }
    }

    /// Removes what the engine before this one held, and nobody claims: at once if there is none,
    /// else when it has let go of it. Until then it would put everything back.
    pub(super) fn clear_after(
        &mut self,
        kernel: &KernelThread,
        held: Vec<HeldAddress>,
        now: Instant,
    ) {
        if self.heirs.is_empty() {
            kernel.clear_leftovers(held);
        } else {
            self.leftovers = Some((now + PATIENCE, held));
        }
    }

    pub(super) fn poll_incident(&mut self, cx: &mut Context<'_>) -> Poll<Incident> {
        for (index, heir) in self.heirs.iter_mut().enumerate() {
            if let Poll::Ready(message) = heir.peer.poll_receive(cx) {
                return Poll::Ready(Incident::FromHeir(index, message));
            }
        }
        match &self.door {
            Some(door) if !self.rests => door.poll_visitor(cx).map(Incident::Visitor),
            Some(_) | None => Poll::Pending,
        }
    }

    /// Lets another engine in. Without file descriptors, say, every look at the door would fail at
    /// once: it is not looked at for a while.
    pub(super) fn welcome(&mut self, visitor: io::Result<Peer>) {
        match visitor {
            Ok(peer) => {
                self.refusal = None;
                if self.heirs.len() >= MAX_HEIRS {
                    self.heirs.remove(0);
                }
                self.heirs.push(Heir { peer, was_before: false });
            }
            Err(error) => {
                self.rests = true;
                let refusal = error.to_string();
                if self.refusal.as_ref() != Some(&refusal) {
                    tracing::warn!("turned away: {refusal}");
                    self.refusal = Some(refusal);
                }
            }
        }
    }

    pub(super) fn beat(&mut self, kernel: &KernelThread, now: Instant) {
        self.rests = false;
        if self.leftovers.as_ref().is_some_and(|(until, _)| *until <= now) {
            self.clear_leftovers(kernel);
        }
    }

    fn clear_leftovers(&mut self, kernel: &KernelThread) {
        if let Some((_, held)) = self.leftovers.take() {
            kernel.clear_leftovers(held);
        }
    }

    pub(super) fn was_replaced(&self) -> bool {
        self.door.as_ref().is_some_and(Door::was_replaced)
    }

    /// Tells whether an engine is there that has yet to have the routers.
    fn has_successor(&self) -> bool {
        self.heirs.iter().any(|heir| !heir.was_before)
    }

    /// Returns who is to have the routers: the newest engine that wants them, else the newest that
    /// had them before.
    fn heir(&mut self) -> Option<&mut Heir> {
        let newest = self.heirs.iter().rposition(|heir| !heir.was_before);
        let index = newest.or(self.heirs.len().checked_sub(1))?;
        self.heirs.get_mut(index)
    }
}

impl Farewell {
    fn is_for_an_heir(&self) -> bool {
        matches!(self, Self::AwaitingHeir { .. } | Self::Given { .. })
    }

    pub(super) fn until(&self) -> Instant {
        match self {
            Self::AwaitingHeir { until } | Self::Given { until } | Self::Leaving { until } => {
                *until
            }
        }
    }
}

impl Driver<'_> {
    /// Begins to stop. The loop goes on until [`Self::settle_succession`] ends it.
    pub(in crate::runtime::driver) fn begin_farewell(&mut self) {
        let now = clock::now();
        let superseded = self.publisher.is_superseded();
        let holding = match &mut self.succession.role {
            Role::Holding(holding) => holding,
            role @ (Role::Waiting(_) | Role::Retired { .. }) => {
                // nginx as a whole is about to end: the one before need not wait for us.
                if let (Role::Waiting(waiting), false) = (role, superseded) {
                    waiting.predecessor().into_iter().for_each(|peer| peer.say(&Message::Over));
                }
                self.succession.farewell = Some(Farewell::Leaving { until: now });
                return;
            }
        };
        let awaited = holding.door.is_some() && superseded;
        match holding.heir() {
            // One that had the routers before gets them back only if none is about to come after.
            Some(heir) if !heir.was_before || !awaited => self.give(now),
            _ if awaited => {
                self.succession.farewell = Some(Farewell::AwaitingHeir { until: now + PUNCTUAL });
            }
            _ => self.leave_with_grace(now),
        }
    }

    pub(super) fn settle_farewell(&mut self, now: Instant) -> Option<End> {
        match &self.succession.farewell {
            None => None,
            Some(_) if !self.succession.is_holding() => {
                // From here on, no worker beside us is promised anything.
                self.publisher.retire();
                self.pass_request_on();
                Some(End::Stopped)
            }
            Some(Farewell::Leaving { until }) => {
                let done = !self.node.holds_any() && !self.kernel.lingers(now);
                (done || *until <= now).then_some(End::Stopped)
            }
            Some(Farewell::AwaitingHeir { until } | Farewell::Given { until }) => {
                if *until <= now {
                    self.leave_with_grace(now);
                }
                None
            }
        }
    }

    pub(super) fn hear_heir(&mut self, index: usize, message: Message) {
        let now = clock::now();
        let Role::Holding(holding) = &mut self.succession.role else { return };
        let heir = &mut holding.heirs[index];
        match message {
            Message::Hello => {
                if let Some(Farewell::AwaitingHeir { .. }) = self.succession.farewell {
                    self.give(now);
                }
            }
            Message::Standby => {
                heir.was_before = true;
                holding.clear_leftovers(&self.kernel);
                self.succession.note_news();
            }
            Message::Take => {
                let state = self.bequeath(false, now);
                let Role::Holding(holding) = &mut self.succession.role else { return };
                holding.heirs[index].peer.say(&Message::State(state));
            }
            Message::Told(number) => self.publisher.resume_events(number),
            Message::Took { left } => self.retire(index, &left),
            Message::Drain(draining) => self.drain(draining, now),
            Message::Over => {
                holding.heirs.remove(index);
                let awaited = Farewell::is_for_an_heir;
                let awaited = self.succession.farewell.as_ref().is_some_and(awaited);
                if awaited && !holding.has_successor() {
                    self.leave_with_grace(now);
                }
            }
            Message::State(_) | Message::Return(_) => self.lose_heir(index),
        }
    }

    /// Forgets an engine that has gone. If it was about to have the routers, nginx starts another
    /// in its place.
    pub(super) fn lose_heir(&mut self, index: usize) {
        let Role::Holding(holding) = &mut self.succession.role else { return };
        holding.heirs.remove(index);
        let nobody = holding.heirs.is_empty();
        if !holding.has_successor() {
            self.publisher.resume_events(0);
        }
        let Some(Farewell::Given { until }) = self.succession.farewell else { return };
        if self.publisher.is_superseded() {
            self.succession.farewell = Some(Farewell::AwaitingHeir { until });
        } else if nobody {
            self.leave_with_grace(clock::now());
        } else {
            self.give(clock::now());
        }
    }

    /// Keeps the boards of engines true that have handed over: their workers may still serve.
    pub(super) fn tell_those_before(&mut self, now: Instant) {
        let Role::Holding(holding) = &mut self.succession.role else { return };
        let before = |heir: &&mut Heir| heir.was_before;
        // One that does not listen hears the latest when it does.
        let mut heirs = holding.heirs.iter_mut().filter(before);
        if !self.succession.has_news || !heirs.all(|heir| heir.peer.has_said_all()) {
            return;
        }
        self.succession.has_news = false;
        for heir in holding.heirs.iter_mut().filter(before) {
            heir.peer.say(&Message::State(self.node.bequeath(now)));
        }
    }

    fn give(&mut self, now: Instant) {
        let state = self.bequeath(true, now);
        let Role::Holding(holding) = &mut self.succession.role else { return };
        let Some(heir) = holding.heir() else { return };
        heir.peer.say(&if heir.was_before {
            Message::Return(state)
        } else {
            Message::State(state)
        });
        self.succession.farewell = Some(Farewell::Given { until: now + PUNCTUAL });
    }

    fn leave_with_grace(&mut self, now: Instant) {
        if self.succession.was_replaced() {
            self.step_aside(None);
            self.succession.farewell = Some(Farewell::Leaving { until: now });
            return;
        }
        self.node.handle(Input::Leave, now);
        self.succession.farewell = Some(Farewell::Leaving { until: now + GRACE });
    }

    /// The next engine has the routers: this one keeps quiet from here on.
    fn retire(&mut self, index: usize, left: &[RouterKey]) {
        if !left.is_empty() && left.len() == self.node.routers().len() {
            tracing::warn!(
                "an engine took over that has none of these virtual routers; if it is not this \
                 nginx with a new configuration, give each nginx a run_dir of its own"
            );
        }
        self.node.hand_over(left, clock::now());
        self.perform_actions();
        let Role::Holding(holding) = &mut self.succession.role else { return };
        let holder = holding.heirs.remove(index).peer;
        tracing::info!("the next engine has the routers");
        self.step_aside(Some(holder));
        self.succession.owes_standby = true;
    }

    /// Says that nothing here puts addresses back any more: what the next engine does not want is
    /// gone as soon as it removes it.
    pub(in crate::runtime::driver) fn stand_by(&mut self) {
        if !std::mem::take(&mut self.succession.owes_standby) {
            return;
        }
        if let Role::Retired { holder: Some(holder) } = &mut self.succession.role {
            holder.say(&Message::Standby);
        }
    }
}

/// Engines that may wait for the routers at a time; the oldest makes room.
const MAX_HEIRS: usize = 8;
/// How long a stop may wait for the next active router: nginx loses patience after a second.
const GRACE: Duration = Duration::from_millis(900);
