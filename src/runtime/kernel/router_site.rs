//! One virtual router.

use super::facts::RouterFacts;
use super::orders::RouterClaim;
use super::plan::PlannedRouter;
use crate::types::Instant;

/// A virtual router: its plan, what the election wants of it, and what the kernel has of it.
#[derive(Debug)]
pub(super) struct RouterSite {
    pub(super) planned: PlannedRouter,
    pub(super) claim: RouterClaim,
    /// Whether its addresses may be on the link: it claims them, or has just yielded them.
    pub(super) keeps_addresses: bool,
    pub(super) facts: RouterFacts,
}

impl RouterSite {
    pub(super) fn new(planned: PlannedRouter) -> Self {
        let facts = RouterFacts::of(planned.addresses.len());
        Self { planned, claim: RouterClaim::default(), keeps_addresses: false, facts }
    }

    /// Tells whether its addresses are moving between hosts: relayed, yielded, or still assigned
    /// although not claimed.
    pub(super) fn is_moving(&self, now: Instant) -> bool {
        let RouterClaim { claimed, yields, relays, .. } = self.claim;
        yields.is_some_and(|yielded| now < yielded.until)
            || relays.is_some_and(|relay| now < relay.until)
            || !claimed && self.facts.addresses.iter().any(|held| held.ours)
    }

    /// Tells whether the election has not confirmed its claim for longer than it may.
    pub(super) fn is_in_doubt(&self, confirmed_at: Instant, now: Instant) -> bool {
        let claim = &self.claim;
        claim.claimed && now.since(confirmed_at.max(claim.claimed_at)) > self.planned.patience
    }
}
