//! Who has the routers: this engine, the one before it, or the one after it.

use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::task::{Context, Poll};
use std::time::Duration;

use super::{Driver, End};
use crate::proto::{Bequests, Health, Input, LinkId, RouterKey};
use crate::runtime::clock;
use crate::runtime::handover::{Door, DoorId, Message, Peer, Place};
use crate::types::Instant;

/// This engine's part among those of its host.
pub(super) struct Succession {
    /// Where they meet; `None` if that cannot be: then every start is the first.
    place: Option<Place>,
    /// Whose door was knocked at.
    knocked_at: Option<DoorId>,
    role: Role,
    farewell: Option<Farewell>,
    /// A router changed state since the last look.
    has_news: bool,
    /// When the loop last turned: after a long pause somebody else may have the routers.
    turned_at: Instant,
}

enum Role {
    /// Another engine may have the routers. They are asked for as soon as nginx serves here.
    Waiting {
        predecessor: Option<Peer>,
        /// Until then the predecessor may think about it.
        patience_until: Option<Instant>,
        /// What is known of the routers so far.
        state: Option<Bequests>,
        /// The predecessor has given its state; it only waits to hear that it arrived.
        given: bool,
    },
    /// The routers are here.
    Holding {
        door: Option<Door>,
        /// Engines that may take them over, the newest last. Bounded by [`MAX_HEIRS`].
        heirs: Vec<Heir>,
    },
    /// The next engine has them, and may give them back while this process lives.
    Retired { holder: Option<Peer> },
}

struct Heir {
    peer: Peer,
    /// It was here before us: it gets the routers back when we stop and nobody else wants them.
    was_before: bool,
}

/// How this engine stops.
enum Farewell {
    /// The master has begun a new configuration: the next engine must be about to knock.
    AwaitingHeir { until: Instant },
    /// The next engine was given the state.
    Given { until: Instant },
    /// Nobody takes over: the routers leave with grace.
    Leaving { until: Instant },
}

/// How a run of the loop begins.
pub(in crate::runtime) enum Start {
    /// As far as this engine knows, it is the first of this process.
    First,
    /// It failed before, and its addresses were released.
    Anew,
    /// The engine that took the routers over gives them back.
    GivenBack {
        /// Their state.
        state: Bequests,
        /// It waits to hear that the state arrived.
        holder: Peer,
    },
    /// The engine that took the routers over has died.
    Orphaned,
}

/// What came from another engine.
pub(super) enum Incident {
    Visitor(io::Result<Peer>),
    FromPredecessor(io::Result<Message>),
    FromHolder(io::Result<Message>),
    FromHeir(usize, io::Result<Message>),
}

impl Succession {
    /// Finds out whether another engine has the routers. `will` is what a killed one left.
    pub(super) async fn begin(
        run_dir: Option<&Path>,
        start: Start,
        will: Option<Bequests>,
    ) -> Self {
        let place = Place::find(run_dir).inspect_err(|error| {
            tracing::warn!("a reload will cost a failover, engines cannot meet: {error}");
        });
        let place = place.ok();
        let knocked_at = place.as_ref().and_then(Place::door_id);
        // An engine that cannot be met may live on, and do as its will says itself.
        let will = will.filter(|_| place.is_some());
        let role = match start {
            Start::First => Role::first(place.as_ref(), will).await,
            Start::Anew => Role::first(place.as_ref(), None).await,
            Start::GivenBack { state, holder } => Role::given(holder, state),
            Start::Orphaned => Role::orphaned(place.as_ref()).await,
        };
        Self { place, knocked_at, role, farewell: None, has_news: false, turned_at: clock::now() }
    }

    /// Tells whether the routers are this engine's.
    pub(super) fn is_holding(&self) -> bool {
        matches!(self.role, Role::Holding { .. })
    }

    /// Tells whether the routers are another engine's now: this one must not touch them.
    pub(super) fn is_retired(&self) -> bool {
        matches!(self.role, Role::Retired { .. })
    }

    /// Notes that a router changed state.
    pub(super) fn note_transition(&mut self) {
        self.has_news = true;
    }

    /// Tells whether another engine may have the routers: the board shows what that one said.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.role, Role::Waiting { .. })
    }

    /// Tells whether this engine was told to stop.
    pub(super) fn is_leaving(&self) -> bool {
        self.farewell.is_some()
    }

    /// Tells whether the door is not the one that was knocked at.
    fn has_another_holder(&self) -> bool {
        let now = self.place.as_ref().and_then(Place::door_id);
        now.is_some() && now != self.knocked_at
    }

    /// Tells whether another engine has taken the place of this one without its consent.
    fn was_replaced(&self) -> bool {
        matches!(&self.role, Role::Holding { door: Some(door), .. } if door.was_replaced())
    }

    /// Returns when there is something to do although nothing happened.
    pub(super) fn due(&self) -> Option<Instant> {
        let patience = match self.role {
            Role::Waiting { patience_until, .. } => patience_until,
            Role::Holding { .. } | Role::Retired { .. } => None,
        };
        let farewell = self.farewell.as_ref().map(Farewell::until);
        patience.into_iter().chain(farewell).min()
    }

    /// Waits for another engine. Cancel-safe.
    pub(super) async fn incident(&mut self) -> Incident {
        poll_fn(|cx| self.poll_incident(cx)).await
    }

    fn poll_incident(&mut self, cx: &mut Context<'_>) -> Poll<Incident> {
        match &mut self.role {
            Role::Waiting { predecessor: Some(peer), .. } => {
                peer.poll_receive(cx).map(Incident::FromPredecessor)
            }
            Role::Retired { holder: Some(holder) } => {
                holder.poll_receive(cx).map(Incident::FromHolder)
            }
            Role::Waiting { predecessor: None, .. } | Role::Retired { holder: None } => {
                Poll::Pending
            }
            Role::Holding { door, heirs } => {
                for (index, heir) in heirs.iter_mut().enumerate() {
                    if let Poll::Ready(message) = heir.peer.poll_receive(cx) {
                        return Poll::Ready(Incident::FromHeir(index, message));
                    }
                }
                match door {
                    Some(door) => door.poll_visitor(cx).map(Incident::Visitor),
                    None => Poll::Pending,
                }
            }
        }
    }
}

impl Role {
    async fn first(place: Option<&Place>, will: Option<Bequests>) -> Self {
        let mut predecessor = knock(place).await;
        if let Some(predecessor) = &mut predecessor {
            predecessor.say(&Message::Hello);
        }
        Self::Waiting { predecessor, patience_until: None, state: will, given: false }
    }

    fn given(predecessor: Peer, state: Bequests) -> Self {
        let patience_until = Some(clock::now() + PATIENCE);
        let predecessor = Some(predecessor);
        Self::Waiting { predecessor, patience_until, state: Some(state), given: true }
    }

    /// The engine after this one has died. nginx starts another in its place, which is to have the
    /// routers; only if it does not, they come back here.
    async fn orphaned(place: Option<&Place>) -> Self {
        tokio::time::sleep(RESPAWN).await;
        match knock(place).await {
            Some(mut holder) => {
                holder.say(&Message::Standby);
                Self::Retired { holder: Some(holder) }
            }
            None => Self::first(None, None).await,
        }
    }
}

async fn knock(place: Option<&Place>) -> Option<Peer> {
    match place {
        Some(place) => place.knock().await,
        None => None,
    }
}

impl Farewell {
    fn until(&self) -> Instant {
        match self {
            Self::AwaitingHeir { until } | Self::Given { until } | Self::Leaving { until } => {
                *until
            }
        }
    }
}

impl Driver<'_> {
    /// Handles what came from another engine.
    pub(super) fn take_incident(&mut self, incident: Incident) -> Option<End> {
        match incident {
            Incident::Visitor(Ok(peer)) => self.welcome(peer),
            Incident::Visitor(Err(error)) => tracing::warn!("turned away: {error}"),
            Incident::FromPredecessor(Ok(Message::State(state))) => {
                let role = std::mem::replace(&mut self.succession.role, Role::NONE);
                if let Role::Waiting { predecessor: Some(predecessor), .. } = role {
                    self.succession.role = Role::given(predecessor, state);
                }
            }
            // Another engine came first: it is the one to ask.
            Incident::FromPredecessor(Err(_)) if self.succession.has_another_holder() => {
                return Some(End::Again(Start::First));
            }
            Incident::FromPredecessor(Err(_)) => self.lose_predecessor(),
            Incident::FromHolder(Ok(Message::Return(state))) => {
                let role = std::mem::replace(&mut self.succession.role, Role::NONE);
                let Role::Retired { holder: Some(holder) } = role else { return None };
                return Some(End::Again(Start::GivenBack { state, holder }));
            }
            Incident::FromHolder(Ok(Message::State(state))) => self.publisher.mirror(&state),
            Incident::FromPredecessor(Ok(_)) | Incident::FromHolder(Ok(_)) => {}
            Incident::FromHolder(Err(_)) => return Some(End::Again(Start::Orphaned)),
            Incident::FromHeir(index, Ok(message)) => return self.hear_heir(index, message),
            Incident::FromHeir(index, Err(_)) => self.lose_heir(index),
        }
        None
    }

    /// Does what is due between engines, now that everything else is settled.
    pub(super) fn settle_succession(&mut self, now: Instant) -> Option<End> {
        let knows_links = self.knows_links();
        let health = self.publisher.health();
        let role = &mut self.succession.role;
        if let Role::Waiting { predecessor, patience_until, given, .. } = role {
            let overdue = patience_until.is_some_and(|until| until <= now);
            match predecessor {
                _ if !knows_links => {}
                Some(_) if *given && *health != Health::Unknown => self.assume(),
                Some(_) if overdue => {
                    // Should it only be slow, it will hear that it was done without.
                    tracing::warn!("the engine before this one hangs; it is done without");
                    self.assume();
                }
                Some(predecessor) if patience_until.is_none() && *health == Health::Serving => {
                    predecessor.say(&Message::Take);
                    *patience_until = Some(now + PATIENCE);
                }
                None if *health != Health::Unknown => self.assume(),
                Some(_) | None => {}
            }
        }
        self.tell_those_before(now);
        self.settle_farewell(now)
    }

    /// Keeps the boards of engines true that have handed over: their workers may still serve.
    fn tell_those_before(&mut self, now: Instant) {
        if !std::mem::take(&mut self.succession.has_news) {
            return;
        }
        let Role::Holding { heirs, .. } = &mut self.succession.role else { return };
        for heir in heirs.iter_mut().filter(|heir| heir.was_before) {
            heir.peer.say(&Message::State(self.node.bequeath(now)));
        }
    }

    /// Begins to stop. The loop goes on until [`Self::settle_succession`] ends it.
    pub(super) fn begin_farewell(&mut self) -> Option<End> {
        let now = clock::now();
        let Role::Holding { door, heirs } = &self.succession.role else {
            return Some(End::Stopped);
        };
        // One that had the routers before gets them back only if none is about to come after.
        let superseded = door.is_some() && self.publisher.is_superseded();
        if heirs.iter().any(|heir| !heir.was_before || !superseded) {
            self.give(now);
        } else if superseded {
            self.succession.farewell = Some(Farewell::AwaitingHeir { until: now + PUNCTUAL });
        } else {
            self.leave_with_grace(now);
        }
        None
    }

    fn settle_farewell(&mut self, now: Instant) -> Option<End> {
        match &self.succession.farewell {
            None => None,
            Some(_) if self.succession.is_retired() => Some(End::Stopped),
            Some(Farewell::Leaving { until }) => {
                (!self.node.holds_any() || *until <= now).then_some(End::Stopped)
            }
            Some(Farewell::AwaitingHeir { until } | Farewell::Given { until }) => {
                if *until <= now {
                    self.leave_with_grace(now);
                }
                None
            }
        }
    }

    fn welcome(&mut self, peer: Peer) {
        let Role::Holding { heirs, .. } = &mut self.succession.role else { return };
        if heirs.len() >= MAX_HEIRS {
            heirs.remove(0);
        }
        heirs.push(Heir { peer, was_before: false });
    }

    fn hear_heir(&mut self, index: usize, message: Message) -> Option<End> {
        let Role::Holding { heirs, .. } = &mut self.succession.role else { return None };
        let heir = &mut heirs[index];
        match message {
            Message::Hello => {
                if let Some(Farewell::AwaitingHeir { .. }) = self.succession.farewell {
                    self.give(clock::now());
                }
            }
            Message::Standby => heir.was_before = true,
            Message::Take => {
                heir.peer.say(&Message::State(self.node.bequeath(clock::now())));
            }
            Message::Took { left } => return self.retire(index, &left),
            Message::State(_) | Message::Return(_) => self.lose_heir(index),
        }
        None
    }

    /// Gives the state to the newest engine that wants it, else to one that had it before.
    fn give(&mut self, now: Instant) {
        let state = self.node.bequeath(now);
        let Role::Holding { heirs, .. } = &mut self.succession.role else { return };
        let newest = heirs.iter().rposition(|heir| !heir.was_before);
        let Some(heir) = newest.or(heirs.len().checked_sub(1)) else { return };
        let heir = &mut heirs[heir];
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

    /// Takes the routers over, with what an earlier engine knew of them.
    fn assume(&mut self) {
        let role = std::mem::replace(&mut self.succession.role, Role::NONE);
        let Role::Waiting { predecessor, state, .. } = role else { return };
        let left = self.begin_with(state);
        self.perform_actions();
        self.kernel.clear_leftovers();
        self.publisher.beat(&self.node);

        let mut heirs = Vec::new();
        if let Some(mut peer) = predecessor {
            peer.say(&Message::Took { left });
            heirs.push(Heir { peer, was_before: true });
        }
        let door = self.succession.place.as_ref().map(Place::open).transpose();
        let door = door.inspect_err(|error| {
            tracing::warn!("a reload will cost a failover, engines cannot meet: {error}");
        });
        self.succession.role = Role::Holding { door: door.ok().flatten(), heirs };
    }

    /// Starts the election where another engine was; returns what of its routers is none of ours.
    fn begin_with(&mut self, state: Option<Bequests>) -> Vec<RouterKey> {
        let now = clock::now();
        if let Some(state) = state {
            match self.node.inherit(&state, now) {
                Ok(left) => {
                    tracing::info!("goes on where the engine before this one was");
                    return left;
                }
                Err(error) => tracing::warn!("beginning anew: {error}"),
            }
            self.node.handle(Input::Startup, now);
            return state.routers.into_iter().map(|bequest| bequest.key).collect();
        }
        self.node.handle(Input::Startup, now);
        Vec::new()
    }

    fn knows_links(&self) -> bool {
        (0..self.links.len()).all(|link| self.node.facts(LinkId(link)).is_some())
    }

    /// The next engine has the routers: this one keeps quiet from here on.
    fn retire(&mut self, index: usize, left: &[RouterKey]) -> Option<End> {
        self.node.hand_over(left, clock::now());
        self.perform_actions();
        let Role::Holding { heirs, .. } = &mut self.succession.role else { return None };
        let mut holder = heirs.swap_remove(index).peer;
        holder.say(&Message::Standby);
        tracing::info!("the next engine has the routers");
        self.step_aside(Some(holder));
        self.succession.farewell.is_some().then_some(End::Stopped)
    }

    /// Checks after a pause whether another engine has done without this one.
    pub(super) fn retire_if_replaced(&mut self, now: Instant) {
        let paused = now.since(self.succession.turned_at) > LONG_PAUSE;
        self.succession.turned_at = now;
        if paused && self.succession.was_replaced() {
            tracing::warn!("this engine was paused, and another one has the routers now");
            self.step_aside(None);
        }
    }

    fn step_aside(&mut self, holder: Option<Peer>) {
        self.guard.dismiss();
        self.kernel.abandon();
        self.links.fill_with(Default::default);
        if holder.is_none() {
            self.publisher.retire();
        }
        self.succession.role = Role::Retired { holder };
    }

    fn lose_predecessor(&mut self) {
        if let Role::Waiting { predecessor, .. } = &mut self.succession.role {
            *predecessor = None;
        }
    }

    fn lose_heir(&mut self, index: usize) {
        let Role::Holding { heirs, .. } = &mut self.succession.role else { return };
        heirs.swap_remove(index);
        if let (Some(Farewell::Given { .. }), true) = (&self.succession.farewell, heirs.is_empty())
        {
            self.leave_with_grace(clock::now());
        }
    }
}

impl Role {
    /// What stands in for a role while it changes.
    const NONE: Self = Self::Holding { door: None, heirs: Vec::new() };
}

/// Engines that may wait for the routers at a time; the oldest makes room.
const MAX_HEIRS: usize = 8;
/// A pause that another engine may have taken for death: less than its [`PATIENCE`].
const LONG_PAUSE: Duration = Duration::from_millis(120);
/// How long an engine may think before it counts as hung. One that is only slow goes on meanwhile,
/// so a busy host is given its time.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long an engine that was told to stop goes on for the next one, which may be slow to come.
const PUNCTUAL: Duration = Duration::from_millis(1500);
/// How long nginx may need to start a carrier in the place of one that died.
const RESPAWN: Duration = Duration::from_millis(250);
/// How long a stop may wait for the next active router: nginx loses patience after a second.
const GRACE: Duration = Duration::from_millis(900);
