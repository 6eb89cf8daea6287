//! The inputs and outputs of the succession.

use std::collections::BTreeSet;

use super::HandoverMessage;
use crate::proto::{Bequests, Health, RouterId, RouterKey};
use crate::types::HeldAddress;

/// A connection to another engine. No two have one number in the life of a process.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct PeerId(pub u64);

/// An input. The first seven answer a [`Question`].
#[derive(Debug)]
pub enum Incident {
    /// An engine answered the [knock](Question::Knock).
    Answered(PeerId),
    /// No engine answered the [knock](Question::Knock).
    NobodyAnswered,
    /// The result of [opening](Question::OpenDoor) the door.
    DoorOpened(DoorOpening),
    /// The board was [taken](Question::TakeBoard).
    BoardTaken {
        /// The guard of the engine before has withdrawn its routers.
        is_withdrawn: bool,
    },
    /// The routers were [assumed](Question::Assume).
    Assumed {
        /// Routers of the state that are not configured in this engine.
        not_inherited: Vec<RouterKey>,
    },
    /// The door was [looked at](Question::LookAtDoor).
    DoorSeen(DoorState),
    /// An operator had [asked](Question::TakeRequest) to drain (`true`), to take part again
    /// (`false`), or nothing.
    Requested(Option<bool>),
    /// An engine came to the door.
    Visited(PeerId),
    /// An engine sent a message.
    Heard(PeerId, HandoverMessage),
    /// A connection broke.
    Lost(PeerId),
    /// The facts about every link are known now.
    LinksKnown,
    /// The routers of engines of this host that do not come to the door are known now.
    NeighboursKnown,
    /// nginx began or ceased to serve.
    HealthChanged(Health),
    /// A virtual router changed state.
    Changed(RouterId),
    /// The node drains, or takes part again.
    Drained,
    /// A turn of the loop begins; the first input of each turn.
    Turned {
        /// The master has taken on another configuration. What a turn is for must not be judged by
        /// an older answer: on a busy host the next turn may be the one that is told to stop.
        is_superseded: bool,
    },
    /// A tenth of a second has passed, or less.
    Beat {
        /// Connections whose last message is not yet sent.
        unsent: Vec<PeerId>,
    },
    /// nginx wants this engine to stop.
    StopAsked,
    /// No address is held any more, not even for open connections.
    Released,
    /// `vrrp-net` has ended: it puts no address back any more.
    KernelEnded,
    /// The loop has ended, for any reason.
    LoopEnded,
}

/// An output. Carry them out in the order given.
#[derive(Debug)]
pub enum Command {
    /// Carry out a question, and answer it before the next command.
    Answer(Question),
    /// Send a message without a state.
    Send {
        /// The receiver.
        to: PeerId,
        /// The message.
        message: HandoverMessage,
    },
    /// Send [`HandoverMessage::State`] with all routers.
    Give {
        /// The receiver.
        to: PeerId,
        /// Whether this process ends.
        ends: bool,
    },
    /// Send [`HandoverMessage::Return`] with all routers: this process ends.
    GiveBack {
        /// The receiver.
        to: PeerId,
    },
    /// Send [`HandoverMessage::State`] with what has changed.
    SendChanges {
        /// The receiver.
        to: PeerId,
        /// What has changed.
        backlog: Backlog,
    },
    /// Send [`HandoverMessage::Delivered`] with the number of the last event that this nginx has
    /// delivered.
    SendDelivered {
        /// The receiver.
        to: PeerId,
    },
    /// Close a connection.
    Disconnect(PeerId),
    /// Show the state that the holder has sent on the board.
    Mirror(Box<Bequests>),
    /// Show on the board that this engine runs, and another one has the routers.
    ShowStandby,
    /// Show on the board that this engine has stopped.
    ShowStopped,
    /// Remove those addresses of the predecessor that no router claims.
    ClearLeftovers(Vec<HeldAddress>),
    /// Have the node drain, or take part again.
    Drain(bool),
    /// Deliver events in this nginx; another process has delivered them up to a number.
    ResumeEvents(u64),
    /// Resign for these routers, and stop advertising for all others: the next engine has them.
    FallSilent {
        /// Routers that are not configured in the next engine.
        not_inherited: Vec<RouterKey>,
    },
    /// Give the routers up without a resignation: close the door and every connection but one.
    StepAside {
        /// The engine that has the routers.
        holder: PeerId,
    },
    /// Give the routers to a peer, with grace.
    Leave,
    /// End the loop, once all other commands are carried out.
    End(Ending),
}

/// A command whose result decides the next one.
#[derive(Debug)]
pub enum Question {
    /// Connect to the door: [`Incident::Answered`] or [`Incident::NobodyAnswered`].
    Knock,
    /// Open a door, and inform the guard, unless the door is neither this engine's nor the one that
    /// it knocked at last: [`Incident::DoorOpened`].
    OpenDoor,
    /// Make the heartbeat on the board this engine's: [`Incident::BoardTaken`].
    TakeBoard,
    /// Start the election, with the state of an earlier engine if there is one:
    /// [`Incident::Assumed`].
    Assume(Option<Box<Bequests>>),
    /// Check the door: [`Incident::DoorSeen`].
    LookAtDoor,
    /// Take the operator's request off the board: [`Incident::Requested`].
    TakeRequest,
}

/// The result of opening the door.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DoorOpening {
    /// The door is open.
    Opened,
    /// The directory does not allow it.
    Refused,
    /// Another engine has opened a door.
    Foreign,
}

/// The door at the usual place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DoorState {
    /// This engine's.
    Own,
    /// Another engine's.
    Foreign,
    /// There is none.
    Missing,
}

/// Why the loop ends.
#[derive(Debug)]
pub enum Ending {
    /// nginx wanted it to stop.
    Stopped,
    /// The loop has to run again.
    Again(Beginning),
}

/// How a run of the loop begins.
#[derive(Debug)]
pub enum Beginning {
    /// The first run in this process.
    First,
    /// The run before failed, and its addresses were released.
    AfterFailure,
    /// The engine that took the routers over gives them back.
    GivenBack {
        /// The state of the routers.
        state: Box<Bequests>,
        /// It waits for the confirmation.
        holder: PeerId,
    },
    /// The engine that took the routers over has died.
    Orphaned,
}

/// The changes that were not yet sent to a predecessor, whose board shows them.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum Backlog {
    /// Nothing.
    #[default]
    Nothing,
    /// The node, and these routers.
    Of(BTreeSet<RouterId>),
    /// All of it.
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

    /// Adds the node alone.
    pub(super) fn add_node(&mut self) {
        if *self == Self::Nothing {
            *self = Self::Of(BTreeSet::new());
        }
    }
}
