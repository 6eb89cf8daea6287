//! Who has the routers: this engine, the one before it, or the one after it.

mod coming;
mod going;
mod news;

use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::task::{Context, Poll};
use std::time::Duration;

use self::coming::Waiting;
use self::going::{Farewell, Holding};
use super::{Driver, End};
use crate::guard::DoorId;
use crate::proto::Bequests;
use crate::runtime::clock;
use crate::runtime::handover::{Message, Peer, Place};
use crate::runtime::will::Will;
use crate::types::Instant;

/// This engine's part among those of its host.
pub(super) struct Succession {
    /// Where they meet; `None` if that cannot be: then every start is the first.
    place: Option<Place>,
    /// Whose door was knocked at.
    knocked_at: Option<DoorId>,
    role: Role,
    farewell: Option<Farewell>,
    /// Something changed since the engines before this one were last told.
    has_news: bool,
    /// The engine that has the routers now has yet to hear that `vrrp-net` has let go of them.
    owes_standby: bool,
    /// When the loop last turned: after a long pause somebody else may have the routers.
    turned_at: Instant,
}

enum Role {
    /// Another engine may have the routers. They are asked for as soon as nginx serves here.
    Waiting(Waiting),
    /// The routers are here.
    Holding(Holding),
    /// The next engine has them, and may give them back while this process lives.
    Retired { holder: Option<Peer> },
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
        state: Box<Bequests>,
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
    pub(super) async fn begin(run_dir: Option<&Path>, start: Start, will: Option<Will>) -> Self {
        let place = Place::find(run_dir).inspect_err(|error| {
            tracing::warn!("a reload will cost a failover, engines cannot meet: {error}");
        });
        let place = place.ok();
        let knocked_at = place.as_ref().and_then(Place::door_id);
        // An engine that cannot be met may live on, and do as its will says itself.
        let will = will.filter(|_| place.is_some());
        let role = match start {
            Start::First => Role::Waiting(Waiting::knock(place.as_ref(), will).await),
            Start::Anew => {
                let will = will.map(Will::of_the_failed);
                Role::Waiting(Waiting::knock(place.as_ref(), will).await)
            }
            Start::GivenBack { state, holder } => {
                Role::Waiting(Waiting::Given { predecessor: holder, state: *state })
            }
            Start::Orphaned => Role::orphaned(place.as_ref()).await,
        };
        Self {
            place,
            knocked_at,
            role,
            farewell: None,
            has_news: false,
            owes_standby: false,
            turned_at: clock::now(),
        }
    }

    /// Tells whether the routers are this engine's.
    pub(super) fn is_holding(&self) -> bool {
        matches!(self.role, Role::Holding(_))
    }

    /// Tells whether the routers are another engine's now: this one must not touch them.
    pub(super) fn is_retired(&self) -> bool {
        matches!(self.role, Role::Retired { .. })
    }

    /// Tells whether another engine may have the routers: the board shows what that one said.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.role, Role::Waiting(_))
    }

    /// Tells whether this engine was told to stop.
    pub(super) fn is_leaving(&self) -> bool {
        self.farewell.is_some()
    }

    /// Tells whether it matters here what becomes of `vrrp-net`.
    pub(super) fn minds_the_kernel(&self) -> bool {
        !self.is_retired() || self.owes_standby
    }

    /// Notes that something is new to engines that had the routers before.
    pub(super) fn note_news(&mut self) {
        self.has_news = true;
    }

    /// Returns when there is something to do although nothing happened.
    pub(super) fn due(&self) -> Option<Instant> {
        let patience = match &self.role {
            Role::Waiting(waiting) => waiting.due(),
            Role::Holding(_) | Role::Retired { .. } => None,
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
            Role::Waiting(waiting) => waiting.poll_receive(cx).map(Incident::FromPredecessor),
            Role::Holding(holding) => holding.poll_incident(cx),
            Role::Retired { holder: Some(holder) } => {
                holder.poll_receive(cx).map(Incident::FromHolder)
            }
            Role::Retired { holder: None } => Poll::Pending,
        }
    }

    /// Tells whether the door is not the one that was knocked at.
    fn has_another_holder(&self) -> bool {
        let now = self.place.as_ref().and_then(Place::door_id);
        now.is_some() && now != self.knocked_at
    }

    /// Tells whether another engine has taken the place of this one without its consent.
    fn was_replaced(&self) -> bool {
        matches!(&self.role, Role::Holding(holding) if holding.was_replaced())
    }
}

impl Role {
    /// The engine after this one has died. nginx starts another in its place, which is to have the
    /// routers; only if it does not, they come back here.
    async fn orphaned(place: Option<&Place>) -> Self {
        tokio::time::sleep(RESPAWN).await;
        let Some(mut holder) = coming::knock(place).await else {
            return Self::Waiting(Waiting::NOBODY);
        };
        holder.say(&Message::Standby);
        Self::Retired { holder: Some(holder) }
    }
}

impl Driver<'_> {
    /// Handles what came from another engine.
    pub(super) fn take_incident(&mut self, incident: Incident) -> Option<End> {
        match incident {
            Incident::Visitor(visitor) => {
                if let Role::Holding(holding) = &mut self.succession.role {
                    holding.welcome(visitor);
                }
            }
            Incident::FromPredecessor(Ok(message)) => self.hear_predecessor(message),
            // Another engine came first: it is the one to ask.
            Incident::FromPredecessor(Err(_)) if self.succession.has_another_holder() => {
                return Some(End::Again(Start::First));
            }
            Incident::FromPredecessor(Err(_)) => self.lose_predecessor(),
            Incident::FromHolder(Ok(Message::Return(state))) => {
                let Role::Retired { holder } = &mut self.succession.role else { return None };
                let holder = holder.take()?;
                return Some(End::Again(Start::GivenBack { state: Box::new(state), holder }));
            }
            Incident::FromHolder(Ok(Message::State(state))) => self.publisher.mirror(&state),
            Incident::FromHolder(Ok(_)) => {}
            Incident::FromHolder(Err(_)) => return Some(End::Again(Start::Orphaned)),
            Incident::FromHeir(index, Ok(message)) => self.hear_heir(index, message),
            Incident::FromHeir(index, Err(_)) => self.lose_heir(index),
        }
        None
    }

    /// Does what is due between engines, now that everything else is settled.
    pub(super) fn settle_succession(&mut self, now: Instant) -> Option<End> {
        self.settle_waiting(now);
        self.settle_farewell(now)
    }

    /// Does what has time between engines.
    pub(super) fn beat_succession(&mut self, now: Instant) {
        match &mut self.succession.role {
            Role::Holding(holding) => {
                holding.beat(&self.kernel, now);
                self.tell_those_before(now);
            }
            // The workers beside a retired engine may serve for long.
            Role::Retired { .. } => self.pass_request_on(),
            Role::Waiting(_) => {}
        }
    }

    /// Passes on what an operator asked of the workers beside us: it is for the engine that has the
    /// routers.
    fn pass_request_on(&mut self) {
        let other = match &mut self.succession.role {
            Role::Waiting(waiting) => waiting.predecessor(),
            Role::Holding(_) => None,
            Role::Retired { holder } => holder.as_mut(),
        };
        let Some(other) = other else { return };
        if let Some(draining) = self.publisher.take_request() {
            other.say(&Message::Drain(draining));
        }
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
        self.publisher.end_events();
        self.guard.dismiss();
        self.kernel.abandon();
        self.links.fill_with(Default::default);
        if holder.is_none() {
            self.publisher.retire();
        }
        self.succession.role = Role::Retired { holder };
    }
}

/// A pause that another engine may have taken for death: less than its patience.
const LONG_PAUSE: Duration = Duration::from_millis(120);
/// How long an engine may think before it counts as hung. One that is only slow goes on meanwhile,
/// so a busy host is given its time.
const PATIENCE: Duration = Duration::from_millis(400);
/// How long an engine that was told to stop goes on for the next one, which may be slow to come.
/// What waits to be told in Lua waits as long.
pub(in crate::runtime) const PUNCTUAL: Duration = Duration::from_millis(1500);
/// How long nginx may need to start a carrier in the place of one that died.
const RESPAWN: Duration = Duration::from_millis(250);
