//! How an engine comes by the routers.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use super::going::Holding;
use super::{PATIENCE, PUNCTUAL, Role};
use crate::proto::{Bequests, Health, Input, LinkId, RouterKey};
use crate::runtime::clock;
use crate::runtime::driver::Driver;
use crate::runtime::handover::{Door, Message, Peer, Place};
use crate::runtime::will::Will;
use crate::types::Instant;

/// What an engine knows of the one before it. `will` is what the last one left that was killed.
pub(super) enum Waiting {
    /// There is none.
    Alone { will: Option<Bequests> },
    /// It lives, and is asked for its state once nginx serves here.
    Asking {
        predecessor: Peer,
        /// It was asked, and may think about it until then.
        until: Option<Instant>,
        will: Option<Bequests>,
    },
    /// It has given its state; it only waits to hear that this arrived.
    Given { predecessor: Peer, state: Bequests },
}

/// What an engine knows of its own side.
struct Readiness {
    health: Health,
    /// The master has taken on another configuration: a later engine is to have the routers.
    superseded: bool,
}

impl Waiting {
    /// Knocks at the door of whoever has the routers.
    pub(super) async fn knock(place: Option<&Place>, will: Option<Will>) -> Self {
        let Some(mut predecessor) = knock(place).await else {
            return Self::Alone { will: will.map(Will::of_the_dead) };
        };
        predecessor.say(&Message::Hello);
        Self::Asking { predecessor, until: None, will: will.map(Will::of_the_living) }
    }

    pub(super) fn due(&self) -> Option<Instant> {
        match self {
            Self::Asking { until, .. } => *until,
            Self::Alone { .. } | Self::Given { .. } => None,
        }
    }

    pub(super) fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Message>> {
        match self.predecessor() {
            Some(predecessor) => predecessor.poll_receive(cx),
            None => Poll::Pending,
        }
    }

    /// Goes on asking, or tells that the routers are to be taken over now.
    fn is_over(&mut self, here: &Readiness, now: Instant) -> bool {
        let known = here.health != Health::Unknown;
        match self {
            Self::Alone { .. } => known,
            // Whoever gave it may have given us up since.
            Self::Given { state, .. } if now.since(state.at) > FRESH => {
                self.ask_anew();
                false
            }
            // Its word is enough while the workers here are about to begin.
            Self::Given { state, .. } => known || state.serving,
            Self::Asking { until, .. } if here.superseded => {
                *until = None;
                false
            }
            Self::Asking { predecessor, until: until @ None, .. } => {
                if here.health == Health::Serving {
                    predecessor.say(&Message::Take);
                    *until = Some(now + PATIENCE);
                }
                false
            }
            Self::Asking { until: Some(until), .. } => {
                let overdue = *until <= now;
                if overdue {
                    // Should it only be slow, it will hear that it was done without.
                    tracing::warn!("the engine before this one hangs; it is done without");
                }
                overdue
            }
        }
    }

    pub(super) fn predecessor(&mut self) -> Option<&mut Peer> {
        match self {
            Self::Alone { .. } => None,
            Self::Asking { predecessor, .. } | Self::Given { predecessor, .. } => Some(predecessor),
        }
    }

    fn take_state(&mut self, state: Bequests) {
        *self = match std::mem::replace(self, Self::NOBODY) {
            Self::Asking { predecessor, .. } | Self::Given { predecessor, .. } => {
                Self::Given { predecessor, state }
            }
            Self::Alone { will } => Self::Alone { will },
        };
    }

    fn ask_anew(&mut self) {
        *self = match std::mem::replace(self, Self::NOBODY) {
            Self::Asking { predecessor, .. } | Self::Given { predecessor, .. } => {
                Self::Asking { predecessor, until: None, will: None }
            }
            Self::Alone { will } => Self::Alone { will },
        };
    }

    fn lose_predecessor(&mut self) {
        *self = match std::mem::replace(self, Self::NOBODY) {
            Self::Alone { will } => Self::Alone { will },
            Self::Asking { mut will, .. } => {
                if let Some(will) = &mut will {
                    // What its guard has not given away by now, it will not while we are here.
                    will.withdrawn_at = will.withdrawn_at.filter(|at| *at <= clock::now());
                }
                Self::Alone { will }
            }
            Self::Given { state, .. } => Self::Alone { will: Some(state) },
        };
    }

    pub(super) const NOBODY: Self = Self::Alone { will: None };
}

pub(super) async fn knock(place: Option<&Place>) -> Option<Peer> {
    match place {
        Some(place) => place.knock().await,
        None => None,
    }
}

impl Driver<'_> {
    pub(super) fn settle_waiting(&mut self, now: Instant) {
        if !self.knows_links() {
            return;
        }
        let Role::Waiting(waiting) = &mut self.succession.role else { return };
        let health = self.publisher.health().clone();
        let here = Readiness { health, superseded: self.publisher.is_superseded() };
        if waiting.is_over(&here, now) {
            self.assume();
        }
    }

    pub(super) fn hear_predecessor(&mut self, message: Message) {
        if let (Role::Waiting(waiting), Message::State(state) | Message::Return(state)) =
            (&mut self.succession.role, message)
        {
            waiting.take_state(state);
        }
    }

    pub(super) fn lose_predecessor(&mut self) {
        if let Role::Waiting(waiting) = &mut self.succession.role {
            waiting.lose_predecessor();
        }
    }

    /// Takes the routers over, with what an earlier engine knew of them.
    fn assume(&mut self) {
        // The guard of one that hangs looks for another door before it gives anything away: what it
        // has not given away by now, it will not.
        let door = self.open_door();
        let withdrawn_at = self.take_the_board(clock::now());
        let Role::Waiting(waiting) = &mut self.succession.role else { return };
        let judged =
            |will: Bequests| Bequests { withdrawn_at: will.withdrawn_at.or(withdrawn_at), ..will };
        let (predecessor, state) = match std::mem::replace(waiting, Waiting::NOBODY) {
            Waiting::Alone { will } => (None, will.map(judged)),
            Waiting::Asking { predecessor, will, .. } => (Some(predecessor), will.map(judged)),
            Waiting::Given { predecessor, state } => (Some(predecessor), Some(state)),
        };
        self.publisher.begin_events(state.as_ref(), clock::now());
        let held = state.as_ref().map(|state| state.addresses.clone()).unwrap_or_default();
        let left = self.begin_with(state);
        self.perform_actions();
        self.publisher.beat(&self.node);

        let predecessor = predecessor.map(|mut peer| {
            peer.say(&Message::Took { left });
            peer
        });
        let mut holding = Holding::new(door, predecessor);
        holding.clear_after(&self.kernel, held, clock::now());
        self.succession.role = Role::Holding(holding);
    }

    fn open_door(&mut self) -> Option<Door> {
        let door = self.succession.place.as_ref()?.open().inspect_err(|error| {
            tracing::warn!("a reload will cost a failover, engines cannot meet: {error}");
        });
        let door = door.ok()?;
        self.guard.opened(door.id());
        Some(door)
    }

    /// Makes the beat on the board this engine's. Returns since when at the latest that of the
    /// engine before is given away, if the board says that it is.
    fn take_the_board(&mut self, now: Instant) -> Option<Instant> {
        let timeout = self.liveness.worker_timeout();
        self.publisher.set_guarded(self.guard.is_possible().then_some(timeout));
        self.publisher.turn(now).then_some(now)
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
}

/// How long a state may be relied upon: its giver waits [`PUNCTUAL`] before it gives us up.
const FRESH: Duration = PUNCTUAL.saturating_sub(Duration::from_millis(100));
