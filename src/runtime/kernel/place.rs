//! What is known of one link of the plan.

use crate::net::{Announcer, sysctl};

/// A link of the plan, as long as it has the same index.
#[derive(Debug, Default)]
pub(super) struct Place {
    pub(super) index: Option<u32>,
    pub(super) secondaries_survive: bool,
    pub(super) leftovers_are_gone: bool,
    pub(super) announcer: Option<Announcer>,
    /// Addresses that somebody has just removed: they are to be put back.
    pub(super) lost: usize,
}

impl Place {
    pub(super) fn keep_secondaries(&mut self, link: &str) {
        if std::mem::replace(&mut self.secondaries_survive, true) {
            return;
        }
        if let Err(error) = sysctl::promote_secondaries(link) {
            let error = error.with_cause();
            tracing::warn!("{error}: virtual addresses of {link} may go with its primary one");
        }
    }
}
