//! The whole vocabulary of the succession: what it is told, what it asks for.

use std::collections::BTreeSet;

use super::HandoverMessage;
use crate::proto::{Bequests, Health, RouterId, RouterKey};
use crate::types::HeldAddress;

/// A connection to another engine. No two have one number in the life of a process.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct PeerId(pub u64);

/// Something an engine is told. The first seven answer a [`Question`].
#[derive(Debug)]
pub enum Incident {
    /// An engine answered the [knock](Question::Knock).
    Answered(PeerId),
    /// No engine answered the [knock](Question::Knock).
    NobodyAnswered,
    /// It was tried to [open](Question::OpenDoor) the door.
    DoorOpened(DoorOpening),
    /// The board was [taken](Question::TakeBoard).
    BoardTaken {
        /// The guard of the engine before had given away what that one held.
        is_withdrawn: bool,
    },
    /// The routers were [assumed](Question::Assume).
    Assumed {
        /// Routers of the state that are not configured here.
        heirless: Vec<RouterKey>,
    },
    /// The door was [looked at](Question::LookAtDoor).
    DoorSeen(DoorSight),
    /// An operator had [asked](Question::TakeRequest) to drain (`true`) or to take part again, or
    /// for nothing.
    Requested(Option<bool>),
    /// An engine came to the door.
    Visited(PeerId),
    /// An engine said something.
    Heard(PeerId, HandoverMessage),
    /// A connection broke.
    Lost(PeerId),
    /// The facts about every link are known now.
    LinksKnown,
    /// It is known which routers are held by engines of this host that do not come to the door.
    NeighboursKnown,
    /// nginx began or ceased to serve.
    Judged(Health),
    /// The master has taken on another configuration (`true`), or has refused it after all.
    Superseded(bool),
    /// A virtual router changed state.
    Changed(RouterId),
    /// The node drains, or takes part again.
    Drained,
    /// A turn of the loop begins. Come here before anything else that happened.
    Turned,
    /// A tenth of a second has passed, or less.
    Beat {
        /// Connections that have not taken yet what was said last.
        unsent: Vec<PeerId>,
    },
    /// nginx wants this engine to stop.
    StopAsked,
    /// Nothing is held any more, not even for connections that are open.
    Released,
    /// `vrrp-net` has ended, and puts no address back any more.
    LetGo,
    /// The loop has ended, for whatever reason.
    LoopEnded,
}

/// Something the succession asks for. Carry them out in the order given.
#[derive(Debug)]
pub enum Command {
    /// Do or see something, and tell what came of it before the next command is carried out.
    Answer(Question),
    /// Say something that has no state in it.
    Say {
        /// Whom to tell.
        to: PeerId,
        /// What.
        message: HandoverMessage,
    },
    /// Say [`HandoverMessage::State`] with all routers.
    Give {
        /// Whom to tell.
        to: PeerId,
        /// Whether this process ends.
        ends: bool,
    },
    /// Say [`HandoverMessage::Return`] with all routers, as this process ends.
    GiveBack {
        /// Whom to tell.
        to: PeerId,
    },
    /// Say [`HandoverMessage::State`] with what has changed.
    TellNews {
        /// Whom to tell.
        to: PeerId,
        /// What has changed.
        backlog: Backlog,
    },
    /// Say [`HandoverMessage::Told`] with the number of the last event that was told here.
    SayWhatWasTold {
        /// Whom to tell.
        to: PeerId,
    },
    /// Close a connection.
    Disconnect(PeerId),
    /// Show on the board what the holder says.
    Mirror(Box<Bequests>),
    /// Show on the board that this engine lives, although another one has the routers.
    ShowStandby,
    /// Show on the board that this engine has stopped.
    ShowStopped,
    /// Remove what the engine before this one held, and nobody claims.
    ClearLeftovers(Vec<HeldAddress>),
    /// Have the node drain, or take part again.
    Drain(bool),
    /// Have events told here, now that another process has told them up to a number.
    ResumeEvents(u64),
    /// Resign for these routers, and fall silent for all others: the next engine has them.
    FallSilent {
        /// Routers that the next engine has not.
        heirless: Vec<RouterKey>,
    },
    /// Let go of the routers without a word: close the door and every connection but one.
    StepAside {
        /// The engine that has the routers.
        holder: PeerId,
    },
    /// Leave the routers to a peer, with grace.
    Leave,
    /// End the loop, once all other commands are carried out.
    End(Ending),
}

/// Something whose outcome decides what comes next.
#[derive(Debug)]
pub enum Question {
    /// Connect to the door: [`Incident::Answered`] or [`Incident::NobodyAnswered`].
    Knock,
    /// Open a door, and tell the guard, unless there is one that is neither this engine's nor the
    /// one that it knocked at last: [`Incident::DoorOpened`].
    OpenDoor,
    /// Make the beat on the board this engine's: [`Incident::BoardTaken`].
    TakeBoard,
    /// Start the election with the state of an earlier engine, or anew: [`Incident::Assumed`].
    Assume(Option<Box<Bequests>>),
    /// See which door is there: [`Incident::DoorSeen`].
    LookAtDoor,
    /// Take what an operator asked for off the board: [`Incident::Requested`].
    TakeRequest,
}

/// What came of opening the door.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DoorOpening {
    /// The next engine knocks at it.
    Opened,
    /// The directory does not let this engine.
    Refused,
    /// Another engine has opened one.
    Anothers,
}

/// Which door there is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DoorSight {
    /// The one that was opened here.
    Known,
    /// Another one.
    Anothers,
    /// None.
    Missing,
}

/// Why the loop ends.
#[derive(Debug)]
pub enum Ending {
    /// It was told to.
    Stopped,
    /// It is to begin again.
    Again(Beginning),
}

/// How a run of the loop begins.
#[derive(Debug)]
pub enum Beginning {
    /// As far as this engine knows, it is the first of this process.
    First,
    /// It failed before, and its addresses were released.
    Anew,
    /// The engine that took the routers over gives them back.
    GivenBack {
        /// Their state.
        state: Box<Bequests>,
        /// It waits to hear that the state arrived.
        holder: PeerId,
    },
    /// The engine that took the routers over has died.
    Orphaned,
}

/// What an engine that had the routers before has yet to be told, for its board to be true.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Backlog {
    /// Nothing.
    #[default]
    Nothing,
    /// What there is to say of these routers, and of the node.
    Of(BTreeSet<RouterId>),
    /// What there is to say of all routers.
    Everything,
}

impl Backlog {
    pub(super) fn add(&mut self, router: RouterId) {
        match self {
            Self::Nothing => *self = Self::Of(BTreeSet::from([router])),
            Self::Of(routers) => drop(routers.insert(router)),
            Self::Everything => {}
        }
    }

    /// Adds the node, and no router.
    pub(super) fn add_nothing_more(&mut self) {
        if *self == Self::Nothing {
            *self = Self::Of(BTreeSet::new());
        }
    }
}
