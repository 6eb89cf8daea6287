//! Which engine of a host has the routers; pure, as [`proto`](crate::proto) is.
//!
//! [`Succession`] takes what happened ([`Incident`]), with the time, and returns [`Command`]s.
//! Engines of one host, which is one network namespace, meet at a socket in `run_dir`. The engine
//! that has the routers, the holder, keeps that door open; the next one takes its place by opening
//! another door over it.
//!
//! ```text
//!   successor                       holder
//!      │──── Hello ──────────────────►│
//!      │──── Take ───────────────────►│  the successor's nginx serves
//!      │◄─── State ───────────────────│  advertises on: two may say the same, silence may not be
//!      │──── Took { not_inherited } ─►│  resigns for those not inherited, and falls silent
//!      │◄─── Standby ─────────────────│  can take the routers back
//!      │──── State … ────────────────►│  changes, for its board: its workers may still serve
//!      │                              │
//!      │──── Return ─────────────────►│  the successor stops: a rollback
//!      │◄─── Took { not_inherited } ──│
//! ```
//!
//! A holder that has to stop offers the state without being asked. A connection that breaks before
//! `Took` changes nothing. No engine waits for one that hangs: after [`HANG_TIMEOUT`] the successor
//! takes over without it, and the hung engine finds another door in place of its own.
//!
//! ```text
//!  Waiting                                                      Holding
//!   Knocking ──► Asking ──► Asked ──► Given ──► Opening ──► TakingBoard ──► NotYet
//!      └───────► Alone ──────────────────────────┘                         │   nginx stops it
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
    Backlog, Beginning, Command, DoorOpening, DoorState, Ending, Incident, PeerId, Question,
};
pub use message::HandoverMessage;
pub use will::Will;

use self::stage::{Retired, Stage, Waiting};
use crate::proto::Health;
use crate::types::Instant;

/// The part of one engine among those of its host: a function of its inputs.
///
/// After every [`handle`](Self::handle) and [`handle_timeout`](Self::handle_timeout), carry out
/// [`poll_command`](Self::poll_command) until there is none, then wait for an incident or until
/// [`poll_timeout`](Self::poll_timeout).
#[derive(Debug)]
pub struct Succession {
    stage: Stage,
    /// Whether engines can meet; if not, this engine starts as the only one.
    can_meet: bool,
    knowledge: Knowledge,
    health: Health,
    /// The master has taken on another configuration: a later engine is to have the routers.
    is_superseded: bool,
    /// The last turn of the loop: after a long pause another engine may have the routers.
    turned_at: Instant,
    /// How often it has looked for the holder, or asked it, again.
    attempts: u32,
    commands: VecDeque<Command>,
}

impl Succession {
    /// Creates the part of an engine that starts. `will` is the state that a killed engine left.
    #[must_use]
    pub fn new(beginning: Beginning, will: Option<Will>, can_meet: bool, now: Instant) -> Self {
        // Where engines cannot meet, the one that wrote the will may still live, and act on it.
        let will = will.filter(|_| can_meet);
        let stage = match beginning {
            Beginning::First => Stage::Waiting(Waiting::Knocking { will }),
            Beginning::AfterFailure => {
                Stage::Waiting(Waiting::Knocking { will: will.map(Will::after_failure) })
            }
            Beginning::GivenBack { state, holder } => {
                Stage::Waiting(Waiting::Given { predecessor: holder, state })
            }
            Beginning::Orphaned => {
                Stage::Retired(Retired::Orphaned { knock_at: now + RESPAWN_TIME })
            }
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
            Incident::Turned { is_superseded } => {
                self.is_superseded = is_superseded;
                self.detect_pause(now);
            }
            Incident::Answered(peer) => self.handle_answer(Some(peer), now),
            Incident::NobodyAnswered => self.handle_answer(None, now),
            Incident::DoorOpened(opening) => self.handle_door_opening(opening),
            Incident::BoardTaken { is_withdrawn } => self.assume(is_withdrawn, now),
            Incident::Assumed { not_inherited } => self.confirm_takeover(not_inherited, now),
            Incident::DoorSeen(sight) => self.handle_door_sight(sight, now),
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
            Incident::HealthChanged(health) => self.health = health,
            Incident::Changed(router) => self.note_change(|backlog| backlog.add(router)),
            Incident::Drained => self.note_change(Backlog::add_node),
            Incident::Beat { unsent } => self.beat(&unsent),
            Incident::StopAsked => self.begin_to_stop(now),
            Incident::Released => self.end_after_leaving(),
            Incident::KernelEnded => self.stand_by(),
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
        // An engine that has asked can do nothing at its deadline before it may begin.
        let could_act =
            self.may_begin() || !matches!(self.stage, Stage::Waiting(Waiting::Asked { .. }));
        self.stage.deadline().filter(|_| could_act)
    }

    /// Tells whether the routers are this engine's.
    #[must_use]
    pub fn is_holding(&self) -> bool {
        matches!(self.stage, Stage::Holding(_))
    }

    /// Tells whether another engine may have the routers; the board shows the state it has sent.
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

    /// Tells whether this engine fails when `vrrp-net` does.
    #[must_use]
    pub fn needs_the_kernel(&self) -> bool {
        !self.is_retired() || matches!(self.stage, Stage::Retired(Retired::LettingGo { .. }))
    }

    /// Returns how to begin again after a failure.
    #[must_use]
    pub fn after_a_failure(&self) -> Beginning {
        match &self.stage {
            Stage::Waiting(_) => Beginning::First,
            Stage::Holding(_) | Stage::Gone => Beginning::AfterFailure,
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

    /// Sends changes to predecessors, and looks for an operator's request.
    fn beat(&mut self, unsent: &[PeerId]) {
        self.send_changes(unsent);
        let takes_requests = match &self.stage {
            Stage::Holding(_) => true,
            // The workers of a retired engine may serve on for long.
            Stage::Retired(_) => self.stage.holder().is_some(),
            // A request stays on the board until this engine has the routers.
            Stage::Waiting(_) | Stage::Gone => false,
        };
        if takes_requests {
            self.ask(Question::TakeRequest);
        }
    }

    fn command(&mut self, command: Command) {
        self.commands.push_back(command);
    }

    fn ask(&mut self, question: Question) {
        self.command(Command::Answer(question));
    }

    fn send(&mut self, to: PeerId, message: HandoverMessage) {
        self.command(Command::Send { to, message });
    }

    /// Takes the stage out, to make the next one of it.
    fn take_stage(&mut self) -> Stage {
        std::mem::replace(&mut self.stage, Stage::Gone)
    }
}

/// What an engine must know before it takes the routers.
#[derive(Debug, Default)]
struct Knowledge {
    /// Whether the facts about every link are known.
    links: bool,
    /// Whether the routers of engines that do not come to the door are known.
    neighbours: bool,
}

/// A pause after which the door is checked: less than the next engine waits for an answer.
const LONG_PAUSE: Duration = Duration::from_millis(120);
/// How long an engine waits for an answer before the other one counts as hung. The other one
/// advertises meanwhile, so a busy host loses nothing.
pub const HANG_TIMEOUT: Duration = Duration::from_millis(400);
/// How long an engine that has to stop advertises on until a successor comes. Events wait for the
/// successor as long.
pub const HANDOVER_TIMEOUT: Duration = Duration::from_millis(1500);
/// How long nginx may need to start a carrier in place of one that died.
pub const RESPAWN_TIME: Duration = Duration::from_millis(250);
/// How long a stop may wait for the next Active router: nginx kills a process after a second.
pub const LEAVE_TIMEOUT: Duration = Duration::from_millis(900);
/// Most engines that may wait for the routers at a time; a new one replaces the oldest.
const MAX_HEIRS: usize = 8;
/// Most attempts to find the holder, or to ask it. After them, a holder that breaks each connection
/// is ignored, and a state that is too old is used.
const MAX_ATTEMPTS: u32 = 16;
/// Age up to which a state is used: the engine that gave it waits for [`HANDOVER_TIMEOUT`].
const STATE_MAX_AGE: Duration = HANDOVER_TIMEOUT.saturating_sub(Duration::from_millis(100));
