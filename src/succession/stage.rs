//! The stage of an engine, and the deadlines of each stage.

use super::{Backlog, MAX_HEIRS, PeerId, Will};
use crate::proto::Bequests;
use crate::types::{HeldAddress, Instant};

/// The stage of an engine among those of its host. The diagram is in [`super`].
#[derive(Debug)]
pub(super) enum Stage {
    /// Another engine may have the routers.
    Waiting(Waiting),
    /// This engine has the routers.
    Holding(Tenure),
    /// The next engine has taken the routers.
    Retired(Retired),
    /// This engine had the routers, and has given them away to a peer.
    Gone,
}

/// What a waiting engine knows of its predecessor.
#[derive(Debug)]
pub(super) enum Waiting {
    /// It has knocked at the door: is there a holder?
    Knocking { will: Option<Will> },
    /// There is no holder. The state is the last one's.
    Alone { state: Option<Box<Bequests>> },
    /// The predecessor lives, and is asked for its state once this nginx serves.
    Asking { predecessor: PeerId, will: Option<Box<Bequests>> },
    /// It was asked; without an answer by `until`, it counts as hung.
    Asked { predecessor: PeerId, will: Option<Box<Bequests>>, until: Instant },
    /// It has given its state, and waits for the confirmation.
    Given { predecessor: PeerId, state: Box<Bequests> },
    /// The connection to it broke. The engine has knocked again, and keeps the state it was given.
    PredecessorLost { state: Option<Box<Bequests>> },
    /// The door is being opened.
    Opening { predecessor: Option<PeerId>, inheritance: Inheritance },
    /// The heartbeat on the board is becoming this engine's.
    TakingBoard { predecessor: Option<PeerId>, inheritance: Inheritance, has_door: bool },
    /// The election is starting from the predecessor's state. The predecessor is not yet informed.
    Assuming { tenure: Tenure, since: Instant },
}

/// How far an engine that has the routers has come in stopping.
#[derive(Debug)]
pub(super) enum Departure {
    /// It does not stop.
    NotYet,
    /// nginx wants it to stop, and a successor is expected at the door.
    AwaitingHeir { until: Instant },
    /// nginx wants it to stop, and an heir has been given the state.
    Offering { heir: PeerId, until: Instant },
    /// No engine takes over. It checks the door for one that has done so without asking.
    CheckingDoor,
    /// The routers leave with grace.
    Leaving { until: Instant },
    /// The loop has failed, and the routers are given up at once, unless the door shows that
    /// another engine has them.
    Failing,
}

/// What a retired engine knows of the one that took the routers over.
#[derive(Debug)]
pub(super) enum Retired {
    /// It is informed as soon as `vrrp-net` of this engine has ended.
    LettingGo { holder: PeerId },
    /// It may give the routers back while this process lives.
    StandingBy { holder: PeerId },
    /// It has ended, or gives the routers back: the loop ends.
    LoopEnds,
    /// It has died. nginx starts another, which gets the routers; this engine takes them back if
    /// there is none at `knock_at`.
    Orphaned { knock_at: Instant },
    /// It has died, and this engine has knocked: is there another holder?
    Knocking,
}

/// The state with which this engine takes the routers over.
#[derive(Debug)]
pub(super) enum Inheritance {
    /// The predecessor has given it.
    Given(Box<Bequests>),
    /// It was read from the board of a predecessor; `None` without one.
    Found(Option<Box<Bequests>>),
}

/// What an engine that has the routers knows of the other engines.
#[derive(Debug)]
pub(super) struct Tenure {
    pub(super) departure: Departure,
    /// Whether a door is open for the next engine.
    pub(super) has_door: bool,
    /// The loop was paused for so long that another engine may have taken the routers over.
    pub(super) was_paused: bool,
    /// Engines that may take the routers over, the newest last. Bounded by [`MAX_HEIRS`].
    heirs: Vec<Heir>,
    pub(super) leftovers: Option<Leftovers>,
    /// The operator's request since the state was last given: to drain, or to take part again.
    pub(super) request: Option<bool>,
}

/// The addresses of the predecessor. Until its `vrrp-net` has ended, it would put them back.
#[derive(Debug)]
pub(super) struct Leftovers {
    pub(super) clear_at: Instant,
    pub(super) addresses: Vec<HeldAddress>,
}

#[derive(Debug)]
pub(super) struct Heir {
    pub(super) peer: PeerId,
    pub(super) standing: Standing,
}

/// The role of an heir.
#[derive(Debug)]
pub(super) enum Standing {
    /// It takes the routers over next.
    Successor,
    /// It had the routers before, and gets them back if there is no successor. The changes are not
    /// yet on its board.
    Predecessor(Backlog),
    /// It had the routers before, and was given them back: it gets no partial state any more.
    Returning,
}

impl Stage {
    pub(super) fn tenure(&self) -> Option<&Tenure> {
        if let Self::Holding(tenure) = self { Some(tenure) } else { None }
    }

    pub(super) fn tenure_mut(&mut self) -> Option<&mut Tenure> {
        if let Self::Holding(tenure) = self { Some(tenure) } else { None }
    }

    /// Returns the predecessors, with the changes that were not sent to them.
    pub(super) fn backlogs(&mut self) -> impl Iterator<Item = (PeerId, &mut Backlog)> {
        let tenure = match self {
            Self::Holding(tenure) | Self::Waiting(Waiting::Assuming { tenure, .. }) => Some(tenure),
            Self::Waiting(_) | Self::Retired(_) | Self::Gone => None,
        };
        let heirs = tenure.into_iter().flat_map(|tenure| &mut tenure.heirs);
        heirs.filter_map(|heir| match &mut heir.standing {
            Standing::Predecessor(backlog) => Some((heir.peer, backlog)),
            Standing::Successor | Standing::Returning => None,
        })
    }

    /// Extends the deadlines of answers that may have arrived during a pause.
    pub(super) fn extend_deadlines(&mut self, moment: Instant) {
        let deadline = match self {
            Self::Waiting(Waiting::Asked { until, .. })
            | Self::Holding(Tenure {
                departure: Departure::AwaitingHeir { until } | Departure::Offering { until, .. },
                ..
            }) => Some(until),
            Self::Waiting(_) | Self::Holding(_) | Self::Retired(_) | Self::Gone => None,
        };
        if let Some(until) = deadline {
            *until = moment.max(*until);
        }
        let leftovers = self.tenure_mut().and_then(|tenure| tenure.leftovers.as_mut());
        if let Some(leftovers) = leftovers {
            leftovers.clear_at = moment.max(leftovers.clear_at);
        }
    }

    /// Returns the engine that has the routers instead of this one.
    pub(super) fn holder(&self) -> Option<PeerId> {
        match self {
            Self::Waiting(waiting) => waiting.predecessor(),
            Self::Retired(Retired::LettingGo { holder } | Retired::StandingBy { holder }) => {
                Some(*holder)
            }
            Self::Retired(_) | Self::Holding(_) | Self::Gone => None,
        }
    }

    /// Returns the next deadline.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Waiting(Waiting::Asked { until, .. }) => Some(*until),
            Self::Holding(tenure) => tenure.deadline(),
            Self::Retired(Retired::Orphaned { knock_at }) => Some(*knock_at),
            Self::Waiting(_) | Self::Retired(_) | Self::Gone => None,
        }
    }
}

impl Waiting {
    fn predecessor(&self) -> Option<PeerId> {
        match self {
            Self::Asking { predecessor, .. }
            | Self::Asked { predecessor, .. }
            | Self::Given { predecessor, .. } => Some(*predecessor),
            Self::Opening { predecessor, .. } | Self::TakingBoard { predecessor, .. } => {
                *predecessor
            }
            Self::Knocking { .. } | Self::Alone { .. } | Self::PredecessorLost { .. } => None,
            Self::Assuming { tenure, .. } => tenure.heirs.first().map(|heir| heir.peer),
        }
    }
}

impl Departure {
    /// Tells whether the routers are meant for another engine.
    pub(super) fn is_for_an_heir(&self) -> bool {
        matches!(self, Self::AwaitingHeir { .. } | Self::Offering { .. })
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::NotYet | Self::CheckingDoor | Self::Failing => None,
            Self::AwaitingHeir { until }
            | Self::Offering { until, .. }
            | Self::Leaving { until } => Some(*until),
        }
    }
}

impl Inheritance {
    pub(super) fn into_state(self) -> Option<Box<Bequests>> {
        match self {
            Self::Given(state) => Some(state),
            Self::Found(state) => state,
        }
    }
}

impl Tenure {
    pub(super) fn new(has_door: bool, predecessor: Option<PeerId>, leftovers: Leftovers) -> Self {
        let leftovers = Some(leftovers);
        let standing = Standing::Predecessor(Backlog::Nothing);
        let heirs = predecessor.map(|peer| Heir { peer, standing }).into_iter().collect();
        Self {
            departure: Departure::NotYet,
            has_door,
            was_paused: false,
            heirs,
            leftovers,
            request: None,
        }
    }

    /// Tells whether this engine is stopping.
    pub(super) fn ends(&self) -> bool {
        !matches!(self.departure, Departure::NotYet)
    }

    fn deadline(&self) -> Option<Instant> {
        let leftovers = self.leftovers.as_ref().map(|leftovers| leftovers.clear_at);
        leftovers.into_iter().chain(self.departure.deadline()).min()
    }

    /// Adds an heir, and returns the one that had to make room.
    pub(super) fn add(&mut self, peer: PeerId) -> Option<PeerId> {
        let evicted = (self.heirs.len() >= MAX_HEIRS).then(|| self.heirs.remove(0).peer);
        self.heirs.push(Heir { peer, standing: Standing::Successor });
        evicted
    }

    pub(super) fn remove(&mut self, peer: PeerId) {
        self.heirs.retain(|heir| heir.peer != peer);
    }

    pub(super) fn knows(&self, peer: PeerId) -> bool {
        self.heirs.iter().any(|heir| heir.peer == peer)
    }

    pub(super) fn heir(&mut self, peer: PeerId) -> Option<&mut Heir> {
        self.heirs.iter_mut().find(|heir| heir.peer == peer)
    }

    /// Tells whether there is a successor.
    pub(super) fn has_successor(&self) -> bool {
        self.heirs.iter().any(Heir::is_successor)
    }

    /// Returns who gets the routers: the newest successor, else the newest predecessor.
    pub(super) fn next(&mut self) -> Option<&mut Heir> {
        let newest = self.heirs.iter().rposition(Heir::is_successor);
        let index = newest.or(self.heirs.len().checked_sub(1))?;
        self.heirs.get_mut(index)
    }
}

impl Heir {
    pub(super) fn is_successor(&self) -> bool {
        matches!(self.standing, Standing::Successor)
    }
}
