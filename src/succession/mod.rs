//! Which engine of a host has the routers; pure, as [`proto`](crate::proto) is.
//!
//! [`Succession`] is told what happened ([`Incident`]) and when, and says what to do ([`Command`]).
//! Engines of one host, which is one network namespace, meet at a socket in `run_dir`. The engine
//! that has the routers, the holder, keeps that door open; the next one takes its place by opening
//! another door over it.
//!
//! ```text
//!   successor                       holder
//!      │──── Hello ──────────────────►│  "when I am ready I shall ask"
//!      │──── Take ───────────────────►│  nginx serves here
//!      │◄─── State ───────────────────│  goes on: twice is harmless, not at all is not
//!      │──── Took { heirless } ──────►│  resigns for what is heirless, and falls silent
//!      │◄─── Standby ─────────────────│  "should you stop, think of me"
//!      │──── State … ────────────────►│  what changed: the workers of its nginx may still serve
//!      │                              │
//!      │──── Return ─────────────────►│  a successor that is told to stop: a rollback
//!      │◄─── Took { heirless } ───────│
//! ```
//!
//! A holder that is told to stop does not wait to be asked. A connection that breaks before `Took`
//! leaves everything as it was. No engine waits for one that hangs: after [`PATIENCE`] it is done
//! without, and learns by the door that it was.
//!
//! ```text
//!  Waiting                                                      Holding
//!   Knocking ──► Asking ──► Asked ──► Given ──► Opening ──► TakingBoard ──► NotYet
//!      └───────► Alone ──────────────────────────┘                         │   told to stop
//!                 ▲                              AwaitingHeir ◄────────────┤
//!                 │ no answer                        └─────► Offering ◄────┘
//!                 │                    nobody comes  ┌──────────┤
//!                 │                                  ▼          │ the heir took them
//!                 │                    Gone ◄── Leaving         ▼
//!      Knocking ──┴────────────────────── StandingBy ◄── LettingGo
//!         ▲  another came in its place         │           Retired
//!         └────────────────────── Orphaned ◄───┘ the holder died
//! ```

mod coming;
mod event;
mod going;
mod message;
mod retired;
mod stage;
#[cfg(test)]
mod tests;
mod will;

use std::collections::VecDeque;
use std::time::Duration;

pub use event::{
    Backlog, Beginning, Command, DoorOpening, DoorSight, Ending, Incident, PeerId, Question,
};
pub use message::HandoverMessage;
pub use will::Will;

use self::stage::{Retired, Stage, Waiting};
use crate::proto::Health;
use crate::types::Instant;

/// The part of one engine among those of its host: a function of what it is told.
///
/// After every [`handle`](Self::handle) and [`handle_timeout`](Self::handle_timeout), carry out
/// [`poll_command`](Self::poll_command) until there is none, then wait for an incident or until
/// [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub struct Succession {
    stage: Stage,
    /// Whether engines can meet; if not, every start is the first.
    can_meet: bool,
    knowledge: Knowledge,
    health: Health,
    /// The master has taken on another configuration: a later engine is to have the routers.
    is_superseded: bool,
    /// When the loop last turned: after a long pause another engine may have the routers.
    turned_at: Instant,
    /// How often it had to look for the holder, or ask it, again.
    attempts: u32,
    commands: VecDeque<Command>,
}

impl Succession {
    /// Creates the part of an engine that begins to run. `will` is what a killed one left behind.
    #[must_use]
    pub fn new(beginning: Beginning, will: Option<Will>, can_meet: bool, now: Instant) -> Self {
        // An engine that cannot be met may live on, and do itself as its will says.
        let will = will.filter(|_| can_meet);
        let stage = match beginning {
            Beginning::First => Stage::Waiting(Waiting::Knocking { will }),
            Beginning::Anew => {
                Stage::Waiting(Waiting::Knocking { will: will.map(Will::of_the_failed) })
            }
            Beginning::GivenBack { state, holder } => {
                Stage::Waiting(Waiting::Given { predecessor: holder, state })
            }
            Beginning::Orphaned => Stage::Retired(Retired::Orphaned { knock_at: now + RESPAWN }),
        };
        let first = match &stage {
            Stage::Waiting(Waiting::Knocking { .. }) => Some(Command::Answer(Question::Knock)),
            Stage::Retired(_) => Some(Command::ShowStandby),
            Stage::Waiting(_) | Stage::Holding(_) | Stage::Gone => None,
        };
        Self {
            stage,
            can_meet,
            knowledge: Knowledge::default(),
            health: Health::Unknown,
            is_superseded: false,
            turned_at: now,
            attempts: 0,
            commands: first.into_iter().collect(),
        }
    }

    /// Handles something that happened.
    pub fn handle(&mut self, incident: Incident, now: Instant) {
        match incident {
            Incident::Turned => self.notice_a_pause(now),
            Incident::Answered(peer) => self.be_answered(Some(peer), now),
            Incident::NobodyAnswered => self.be_answered(None, now),
            Incident::DoorOpened(opening) => self.have_opened(opening),
            Incident::BoardTaken { is_withdrawn } => self.assume(is_withdrawn, now),
            Incident::Assumed { heirless } => self.tell_what_was_assumed(heirless, now),
            Incident::DoorSeen(sight) => self.see_the_door(sight, now),
            Incident::Requested(request) => {
                if let Some(draining) = request {
                    self.pass_on(draining);
                }
            }
            Incident::Visited(peer) => self.welcome(peer),
            Incident::Heard(peer, message) => self.hear(peer, message, now),
            Incident::Lost(peer) => self.lose(peer, now),
            Incident::LinksKnown => self.knowledge.links = true,
            Incident::NeighboursKnown => self.knowledge.neighbours = true,
            Incident::Judged(health) => self.health = health,
            Incident::Superseded(is_superseded) => self.is_superseded = is_superseded,
            Incident::Changed(router) => self.note(|backlog| backlog.add(router)),
            Incident::Drained => self.note(Backlog::add_nothing_more),
            Incident::Beat { unsent } => self.beat(&unsent),
            Incident::StopAsked => self.begin_to_stop(now),
            Incident::Released => self.have_left(),
            Incident::LetGo => self.stand_by(),
            Incident::LoopEnded => self.end_the_loop(),
        }
        self.settle(now);
    }

    /// Handles the passing of time. Calling it late, early or twice is harmless.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.knock_again(now);
        self.clear_leftovers_due(now);
        self.stop_waiting(now);
        self.settle(now);
    }

    /// Returns the next thing to do, oldest first.
    #[must_use]
    pub fn poll_command(&mut self) -> Option<Command> {
        self.commands.pop_front()
    }

    /// Returns when to call [`handle_timeout`](Self::handle_timeout); `None` if only an incident
    /// can change anything. Poll again after every other call.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        // Before that, an engine that has asked could do nothing then.
        let could_act =
            self.may_begin() || !matches!(self.stage, Stage::Waiting(Waiting::Asked { .. }));
        self.stage.deadline().filter(|_| could_act)
    }

    /// Tells whether the routers are this engine's.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        matches!(self.stage, Stage::Holding(_))
    }

    /// Tells whether another engine may have the routers: the board shows what that one said.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        matches!(self.stage, Stage::Waiting(_))
    }

    /// Tells whether the routers are another engine's now: this one must not touch them.
    #[must_use]
    pub fn is_retired(&self) -> bool {
        matches!(self.stage, Stage::Retired(_))
    }

    /// Tells whether the routers are on their way to the next engine, or to a peer.
    #[must_use]
    pub fn is_leaving(&self) -> bool {
        match &self.stage {
            Stage::Holding(tenure) => tenure.ends(),
            Stage::Gone => true,
            Stage::Waiting(_) | Stage::Retired(_) => false,
        }
    }

    /// Tells whether it matters what becomes of `vrrp-net`.
    #[must_use]
    pub fn minds_the_kernel(&self) -> bool {
        !self.is_retired() || matches!(self.stage, Stage::Retired(Retired::LettingGo { .. }))
    }

    /// Returns how to begin again after a failure.
    #[must_use]
    pub fn after_a_failure(&self) -> Beginning {
        match &self.stage {
            Stage::Waiting(_) => Beginning::First,
            Stage::Holding(_) | Stage::Gone => Beginning::Anew,
            Stage::Retired(_) => Beginning::Orphaned,
        }
    }

    /// Tells whether this engine knows all that it must know before it takes the routers.
    fn may_begin(&self) -> bool {
        self.knowledge.links && self.knowledge.neighbours
    }

    fn hear(&mut self, peer: PeerId, message: HandoverMessage, now: Instant) {
        let is_holder = self.stage.holder() == Some(peer);
        match &self.stage {
            Stage::Holding(tenure) if tenure.knows(peer) => self.hear_heir(peer, message, now),
            Stage::Waiting(_) if is_holder => self.hear_predecessor(message),
            Stage::Retired(_) if is_holder => self.hear_holder(peer, message),
            Stage::Waiting(_) | Stage::Holding(_) | Stage::Retired(_) | Stage::Gone => {}
        }
    }

    fn lose(&mut self, peer: PeerId, now: Instant) {
        let is_holder = self.stage.holder() == Some(peer);
        match &self.stage {
            Stage::Holding(tenure) if tenure.knows(peer) => self.lose_heir(peer, now),
            Stage::Waiting(_) if is_holder => self.lose_predecessor(),
            Stage::Retired(_) if is_holder => self.lose_holder(),
            Stage::Waiting(_) | Stage::Holding(_) | Stage::Retired(_) | Stage::Gone => {}
        }
    }

    /// Does what has time between engines.
    fn beat(&mut self, unsent: &[PeerId]) {
        self.tell_news(unsent);
        let speaks = match &self.stage {
            Stage::Holding(_) => true,
            // The workers beside a retired engine may serve for long.
            Stage::Retired(_) => self.stage.holder().is_some(),
            // A request waits on the board until the routers are this engine's.
            Stage::Waiting(_) | Stage::Gone => false,
        };
        if speaks {
            self.ask(Question::TakeRequest);
        }
    }

    fn command(&mut self, command: Command) {
        self.commands.push_back(command);
    }

    fn ask(&mut self, question: Question) {
        self.command(Command::Answer(question));
    }

    fn say(&mut self, to: PeerId, message: HandoverMessage) {
        self.command(Command::Say { to, message });
    }

    /// Moves the stage out, for one that is made of it.
    fn take_stage(&mut self) -> Stage {
        std::mem::replace(&mut self.stage, Stage::Gone)
    }
}

/// What an engine must know before it takes the routers.
#[derive(Debug, Default)]
struct Knowledge {
    /// The facts about every link.
    links: bool,
    /// Which routers other engines have that do not come to the door.
    neighbours: bool,
}

/// How long a pause may be before the door is looked at: less than the patience of the next engine.
const LONG_PAUSE: Duration = Duration::from_millis(120);
/// How long an engine may think before it counts as hung. One that is only slow goes on meanwhile,
/// so a busy host is given its time.
pub const PATIENCE: Duration = Duration::from_millis(400);
/// How long an engine that was told to stop goes on for the next one, which may be slow to come.
/// What waits to be told in Lua waits as long.
pub const PUNCTUAL: Duration = Duration::from_millis(1500);
/// How long nginx may need to start a carrier in the place of one that died.
pub const RESPAWN: Duration = Duration::from_millis(250);
/// How long a stop may wait for the next active router: nginx loses patience after a second.
pub const GRACE: Duration = Duration::from_millis(900);
/// Engines that may wait for the routers at a time; the oldest makes room.
const MAX_HEIRS: usize = 8;
/// How often the holder is looked for, or asked, again. One that breaks each connection is done
/// without; where each state comes late, the last one must do.
const MAX_ATTEMPTS: u32 = 16;
/// How long a state may be relied upon: its giver waits [`PUNCTUAL`] before it gives us up.
const FRESH: Duration = PUNCTUAL.saturating_sub(Duration::from_millis(100));
