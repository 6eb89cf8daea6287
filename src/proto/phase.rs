//! The state of a virtual router, and with it the only deadlines that make sense in it.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::hold::Hold;
use super::lenient::known_or_default;
use super::receive::Accepted;
use super::snapshot::ActiveRouter;
use super::state::Reason;
use crate::types::{Centiseconds, Instant, Priority};

/// Where a virtual router stands in the state machine of RFC 9568 §6.4.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It takes no part.
    Initialize {
        /// What holds it here.
        #[serde(deserialize_with = "known_or_default")]
        hold: Hold,
        /// Whether `startup_hold` is due: the node is new, or the link was away.
        listen_first: bool,
    },
    /// It listens to the Active router.
    Backup(Backup),
    /// It holds the addresses.
    Active {
        /// `Adver_Timer`: when the next advertisement is due.
        adver_at: Instant,
        /// nginx does not serve, but no other router is Active: see [`Backup::last_resort`].
        #[serde(default)]
        last_resort: bool,
        /// The link or the primary address is gone, but not for long enough to lose the addresses.
        #[serde(default)]
        blink: Option<Blink>,
    },
    /// It has resigned, but answers for the addresses until another router does.
    Leaving(Leaving),
}

/// A router with an unknown state starts in Initialize.
impl Default for Phase {
    fn default() -> Self {
        Self::Initialize { hold: Hold::default(), listen_first: true }
    }
}

impl Phase {
    /// Tells whether it takes part in the election.
    #[must_use]
    pub fn is_running(&self) -> bool {
        !matches!(self, Self::Initialize { .. })
    }
}

/// What an Active router lacks for a moment.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Blink {
    /// What will hold the router if it lasts.
    #[serde(deserialize_with = "known_or_default")]
    pub hold: Hold,
    /// When it has lasted too long.
    pub until: Instant,
}

/// What a Backup knows, and waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Backup {
    /// `Active_Down_Timer`: when the Active router is taken for dead.
    pub down_at: Instant,
    /// How much of the present silence the router may have been deaf for, without proof.
    #[serde(default)]
    pub doubt: Duration,
    /// The end of the startup hold: until then the router only listens.
    pub claim_after: Instant,
    /// `Active_Adver_Interval`: what the Active router last advertised; ours until it is heard.
    pub adver_interval: Centiseconds,
    /// When an Active router of lower priority has been tolerated long enough, once one was heard.
    pub preempt_after: Option<Instant>,
    /// The Active router as last heard.
    pub active: Option<ActiveRouter>,
    /// The one that was Active until it resigned.
    #[serde(default)]
    pub resigned: Option<IpAddr>,
    /// Why we would take over, as things stand.
    pub takeover: Reason,
    /// nginx does not serve, but if no other router does either, this one becomes Active at the
    /// lowest priority. It shows as Fault.
    #[serde(default)]
    pub last_resort: bool,
    /// A router that this one outranks is Active, and does not hear it: the addresses are left to
    /// that one. It shows as Fault.
    #[serde(default)]
    pub deference: Option<Deference>,
}

/// A router to which a Backup leaves the addresses although it outranks that one, and for how long.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Deference {
    /// The router that does not hear this one.
    pub to: IpAddr,
    /// When to test again whether it hears this one.
    pub try_at: Instant,
    /// The pause before that.
    pub pause: Duration,
    /// The advertisements sent by the present test.
    pub tries: u8,
}

/// What an Active router that leaves with grace waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize, Deserialize)]
pub struct Leaving {
    /// Why it leaves.
    #[serde(deserialize_with = "known_or_default")]
    pub hold: Hold,
    /// When to resign again.
    pub resign_at: Instant,
    /// When the addresses go although no other Active router was heard.
    pub release_at: Instant,
}

impl Phase {
    /// Tells whether the router holds the addresses.
    #[must_use]
    pub fn holds(&self) -> bool {
        matches!(self, Self::Active { .. } | Self::Leaving(_))
    }
}

impl Backup {
    pub(super) fn deadline(&self) -> Instant {
        self.down_at.max(self.claim_after)
    }

    /// Follows the router that is Active.
    pub(super) fn follow(&mut self, heard: &Accepted<'_>, patience: Duration, now: Instant) {
        self.active = Some(ActiveRouter {
            address: heard.source,
            priority: heard.priority,
            is_self: false,
            last_heard: Some(now),
        });
        self.takeover = Reason::NoResponse;
        self.adver_interval = heard.adver_interval;
        self.down_at = now + patience;
        self.doubt = Duration::ZERO;
    }

    /// Tells whether the Active router has resigned, and no better one was heard since.
    pub(super) fn is_left(&self) -> bool {
        self.takeover == Reason::Resigned && self.resigned.is_some()
    }

    /// Tells whether a router that advertises is the one known as Active, or a better one.
    pub(super) fn is_outranked_by(&self, priority: Priority, source: IpAddr) -> bool {
        self.active.is_none_or(|active| {
            active.address == source || (priority, source) > (active.priority, active.address)
        })
    }

    /// Returns the router that leaves the addresses to this one, if one does.
    pub(super) fn predecessor(&self) -> Option<IpAddr> {
        if self.takeover == Reason::Resigned {
            self.resigned
        } else {
            let preempted = self.active.filter(|_| self.takeover == Reason::Preempted);
            preempted.map(|active| active.address)
        }
    }
}

impl Deference {
    /// Leaves the addresses to a router from now on.
    #[must_use]
    pub fn to(to: IpAddr, now: Instant) -> Self {
        Self { to, try_at: now + SHORTEST_PAUSE, pause: SHORTEST_PAUSE, tries: 0 }
    }

    /// Tells whether that router has had the chance to hear this one.
    pub(super) fn has_tried(&self) -> bool {
        self.tries >= TRIES
    }

    /// Leaves them to it for longer, as it has not.
    pub(super) fn pause_longer(&mut self, now: Instant) {
        self.pause = (2 * self.pause).min(LONGEST_PAUSE);
        (self.try_at, self.tries) = (now + self.pause, 0);
    }

    /// Tells whether it ended so short a time ago that the next one belongs to it: of several
    /// routers, one may hear this one and another not.
    pub(super) fn is_recent(&self, now: Instant) -> bool {
        now < self.try_at + LONGEST_PAUSE
    }

    /// Returns what a successor believes of it.
    pub(super) fn inherited(self, now: Instant) -> Self {
        let pause = self.pause.clamp(SHORTEST_PAUSE, LONGEST_PAUSE);
        Self { try_at: self.try_at.min(now + pause), pause, ..self }
    }
}

impl Leaving {
    pub(super) fn deadline(&self) -> Instant {
        self.resign_at.min(self.release_at)
    }
}

/// The pause before a router that is not heard tests that again.
const SHORTEST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Advertisements of one test.
const TRIES: u8 = 3;
