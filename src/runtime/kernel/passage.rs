//! What becomes of open connections while addresses move from one living host to another.

use std::time::Duration;

use super::orders::Yield;
use crate::net::{Firewall, Rules};
use crate::types::Instant;

/// The rules for addresses on the move, as far as this kernel can follow them.
#[derive(Debug, Default)]
pub(super) struct Passage {
    firewall: Option<Firewall>,
    /// There are addresses on the move.
    is_under_way: bool,
    /// When to look again whether the kernel can do it, and what it said the last time.
    retry_at: Instant,
    problem: Option<String>,
}

impl Passage {
    /// Prepares for the next move. A host that cannot do it does without.
    pub(super) fn prepare(&mut self, now: Instant) {
        if self.firewall.is_some() || self.is_under_way || now < self.retry_at {
            return;
        }
        match Firewall::open() {
            Ok(firewall) => {
                self.firewall = Some(firewall);
                self.problem = None;
            }
            Err(error) => {
                self.retry_at = now + RETRY_PAUSE;
                let problem = Some(error.with_cause());
                if self.problem != problem {
                    let error = error.with_cause();
                    tracing::info!("connections are cut when addresses move: {error}");
                    self.problem = problem;
                }
            }
        }
    }

    /// Returns until when yielded addresses stay here. On a host that cannot keep quiet about them
    /// that is not for long: who asks where they are would get two answers.
    pub(super) fn end_of(&self, yielded: &Yield) -> Instant {
        match self.firewall {
            Some(_) => yielded.until,
            None => yielded.until.min(yielded.since + LONGEST_DISTURBANCE),
        }
    }

    /// Replaces the rules by those that the moves of this moment need.
    pub(super) fn keep(&mut self, rules: &Rules) {
        self.is_under_way = *rules != Rules::default();
        let Some(firewall) = &mut self.firewall else { return };
        if firewall.set(rules).is_ok() {
            return;
        }
        // What stands may have ended by itself already, which fails as a whole: once more from the
        // beginning. With the socket that is replaced goes whatever stands.
        let anew = Firewall::open().and_then(|mut firewall| {
            firewall.set(rules)?;
            Ok(firewall)
        });
        if let Err(error) = &anew {
            tracing::warn!("connections are cut in this move: {}", error.with_cause());
        }
        self.firewall = anew.ok();
    }
}

/// Some milliseconds are needed: the next host announces the addresses after it has advertised.
const LONGEST_DISTURBANCE: Duration = Duration::from_millis(200);

/// A kernel that cannot do it looks for a module every time it is asked.
const RETRY_PAUSE: Duration = Duration::from_secs(600);
