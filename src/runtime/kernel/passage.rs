//! What becomes of open connections while addresses move from one living host to another.

use std::time::Duration;

use super::Yield;
use crate::net::{Firewall, Rules};
use crate::types::Instant;

/// The rules for addresses on the move, as far as this kernel can follow them.
#[derive(Debug, Default)]
pub(super) struct Passage {
    firewall: Option<Firewall>,
    is_impossible: bool,
}

impl Passage {
    /// Prepares for the next move. A host that cannot do it does without.
    pub(super) fn prepare(&mut self) {
        if self.firewall.is_some() || self.is_impossible {
            return;
        }
        match Firewall::open() {
            Ok(firewall) => self.firewall = Some(firewall),
            Err(error) => {
                let error = error.with_cause();
                tracing::info!("connections are cut when addresses move: {error}");
                self.is_impossible = true;
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

    /// Makes the rules what the moves of this moment need.
    pub(super) fn keep(&mut self, rules: &Rules) {
        let Some(firewall) = &mut self.firewall else { return };
        if let Err(error) = firewall.set(rules) {
            tracing::warn!("connections are cut in this move: {}", error.with_cause());
            // With the socket goes whatever stands. The next move may do better.
            self.firewall = None;
        }
    }
}

/// Some milliseconds are needed: the next host announces the addresses after it has advertised.
const LONGEST_DISTURBANCE: Duration = Duration::from_millis(200);
