//! What becomes of open connections while addresses move from one living host to another.

use std::time::Duration;

use super::Yield;
use crate::net::{Firewall, Rules};
use crate::types::Instant;

/// The rules for addresses on the move, as far as this kernel can follow them.
#[derive(Debug, Default)]
pub(super) struct Passage {
    firewall: Option<Firewall>,
}

impl Passage {
    /// Prepares for the first move. A host that cannot do it does without.
    pub(super) fn open() -> Self {
        let firewall = Firewall::open().inspect_err(|error| {
            tracing::info!("connections are cut when addresses move: {}", error.with_cause());
        });
        Self { firewall: firewall.ok() }
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
            tracing::warn!("connections are cut when addresses move: {}", error.with_cause());
            // With the socket goes whatever stands.
            self.firewall = None;
        }
    }
}

/// Some milliseconds are needed: the next host announces the addresses after it has advertised.
const LONGEST_DISTURBANCE: Duration = Duration::from_millis(200);
