//! Where an engine stands, and with it the only deadlines that make sense there.

use super::{Backlog, MAX_HEIRS, PeerId, Will};
use crate::proto::Bequests;
use crate::types::{HeldAddress, Instant};

/// Where an engine stands among those of its host. The picture is in the module.
#[derive(Debug)]
pub(super) enum Stage {
    /// Another engine may have the routers.
    Waiting(Waiting),
    /// The routers are here.
    Holding(Tenure),
    /// The next engine has taken the routers.
    Retired(Retired),
    /// The routers were here, and have left the host.
    Gone,
}

/// What an engine that waits knows of the one before it.
#[derive(Debug)]
pub(super) enum Waiting {
    /// It is about to learn whether there is a holder.
    Knocking { will: Option<Will> },
    /// There is no holder. The state is what one has left behind.
    Alone { state: Option<Box<Bequests>> },
    /// The predecessor lives, and is asked for its state once nginx serves here.
    Asking { predecessor: PeerId, will: Option<Box<Bequests>> },
    /// It was asked, and may think about it until then.
    Asked { predecessor: PeerId, will: Option<Box<Bequests>>, until: Instant },
    /// It has given its state; it only waits to hear that this arrived.
    Given { predecessor: PeerId, state: Box<Bequests> },
    /// It has gone. It is about to learn whether there is another holder, and what came of the one
    /// before is known.
    Bereft { state: Option<Box<Bequests>> },
    /// The door is being opened.
    Opening { predecessor: Option<PeerId>, inheritance: Inheritance },
    /// The beat on the board is becoming this engine's.
    TakingBoard { predecessor: Option<PeerId>, inheritance: Inheritance, has_door: bool },
    /// The election is beginning where the engine before was. That one has yet to be told.
    Assuming { tenure: Tenure, since: Instant },
}

/// What an engine that has the routers is about to do with them.
#[derive(Debug)]
pub(super) enum Farewell {
    /// It keeps them.
    NotYet,
    /// It was told to stop, and the next engine must be about to knock.
    AwaitingHeir { until: Instant },
    /// It was told to stop, and has given the state to an heir.
    Offering { heir: PeerId, until: Instant },
    /// No engine takes over, unless one has done so without asking: the door is being looked at.
    Parting,
    /// The routers leave with grace.
    Leaving { until: Instant },
    /// The loop has failed. The routers are given up at once, unless another engine has taken them
    /// over: the door is being looked at.
    Failing,
}

/// What an engine knows of the one that took the routers over.
#[derive(Debug)]
pub(super) enum Retired {
    /// It has yet to hear that `vrrp-net` has let go of them here.
    LettingGo { holder: PeerId },
    /// It may give them back while this process lives.
    StandingBy { holder: PeerId },
    /// It has gone, or gives them back: the loop ends.
    Unheard,
    /// It has died. nginx starts another in its place, which is to have the routers; only if it
    /// does not, they come back here.
    Orphaned { knock_at: Instant },
    /// It has died, and this engine is about to learn which one came in its place.
    Knocking,
}

/// What the engine before leaves to this one.
#[derive(Debug)]
pub(super) enum Inheritance {
    /// It gave it itself.
    Given(Box<Bequests>),
    /// It stood on the board, or there is none.
    Found(Option<Box<Bequests>>),
}

/// What an engine that has the routers knows of the others.
#[derive(Debug)]
pub(super) struct Tenure {
    pub(super) farewell: Farewell,
    /// Whether the next engine finds this one.
    pub(super) has_door: bool,
    /// The loop was paused for so long that another engine may have done without this one.
    pub(super) was_paused: bool,
    /// Engines that may take the routers over, the newest last. Bounded by [`MAX_HEIRS`].
    heirs: Vec<Heir>,
    pub(super) leftovers: Option<Leftovers>,
    /// What an operator has asked for since the state was last given.
    pub(super) request: Option<bool>,
}

/// What the engine before this one held. Until it has let go, it would put everything back.
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

/// What an heir has to do with the routers.
#[derive(Debug)]
pub(super) enum Standing {
    /// It has yet to have them.
    Successor,
    /// It had them before, and gets them back if no successor wants them. Its board shows all but
    /// this.
    Predecessor(Backlog),
    /// It had them before, and was given them back: it must hear nothing that is not the whole.
    Returning,
}

impl Stage {
    pub(super) fn tenure(&self) -> Option<&Tenure> {
        if let Self::Holding(tenure) = self { Some(tenure) } else { None }
    }

    pub(super) fn tenure_mut(&mut self) -> Option<&mut Tenure> {
        if let Self::Holding(tenure) = self { Some(tenure) } else { None }
    }

    /// Returns the engines that had the routers before, and what they have yet to be told.
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

    /// Waits longer for what other engines may have said while this one did not listen.
    pub(super) fn bear_silence_until(&mut self, moment: Instant) {
        let deadline = match self {
            Self::Waiting(Waiting::Asked { until, .. })
            | Self::Holding(Tenure {
                farewell: Farewell::AwaitingHeir { until } | Farewell::Offering { until, .. },
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

    /// Returns when there is something to do although nothing happened.
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
            Self::Knocking { .. } | Self::Alone { .. } | Self::Bereft { .. } => None,
            Self::Assuming { tenure, .. } => tenure.heirs.first().map(|heir| heir.peer),
        }
    }
}

impl Farewell {
    /// Tells whether the routers are meant for another engine.
    pub(super) fn is_for_an_heir(&self) -> bool {
        matches!(self, Self::AwaitingHeir { .. } | Self::Offering { .. })
    }

    fn deadline(&self) -> Option<Instant> {
        match self {
            Self::NotYet | Self::Parting | Self::Failing => None,
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
            farewell: Farewell::NotYet,
            has_door,
            was_paused: false,
            heirs,
            leftovers,
            request: None,
        }
    }

    /// Tells whether this engine was told to stop.
    pub(super) fn ends(&self) -> bool {
        !matches!(self.farewell, Farewell::NotYet)
    }

    fn deadline(&self) -> Option<Instant> {
        let leftovers = self.leftovers.as_ref().map(|leftovers| leftovers.clear_at);
        leftovers.into_iter().chain(self.farewell.deadline()).min()
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

    /// Tells whether an engine is there that has yet to have the routers.
    pub(super) fn has_successor(&self) -> bool {
        self.heirs.iter().any(Heir::is_successor)
    }

    /// Returns who is to have the routers: the newest engine that wants them, else the newest that
    /// had them before.
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
