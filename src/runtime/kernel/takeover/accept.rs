//! Virtual addresses on which this host does not answer: it has none without the rules for that.

use std::collections::BTreeSet;

use super::{RouterSite, Takeover};
use crate::runtime::kernel::accept::{AcceptFilter, Enforcement, NEEDED};
use crate::runtime::kernel::link_sites::LinkSite;
use crate::types::VirtualAddress;

/// The rules for such addresses, at this moment.
#[derive(Debug)]
pub(super) struct Unanswered(Enforcement);

impl Takeover {
    pub(super) fn unanswered(&self) -> Unanswered {
        let enforcement = self.filter.as_deref().map(AcceptFilter::enforcement);
        Unanswered(enforcement.unwrap_or(Enforcement::InForce))
    }
}

impl Unanswered {
    /// Tells whether a router may have its addresses; present ones wait until the rules have
    /// failed.
    pub(super) fn permit(&self, router: &RouterSite) -> bool {
        router.planned.accepts || !matches!(self.0, Enforcement::Failed(_))
    }

    /// Tells whether addresses of a router may be added.
    pub(super) fn permit_more(&self, router: &RouterSite) -> bool {
        router.planned.accepts || self.0 == Enforcement::InForce
    }

    /// Returns those of some addresses that are claimed and have to wait, each with the reason.
    pub(super) fn refused(
        &self,
        site: &LinkSite,
        routers: &[RouterSite],
        addresses: &BTreeSet<VirtualAddress>,
        is_present: impl Fn(&VirtualAddress) -> bool,
    ) -> Vec<(VirtualAddress, String)> {
        let (why, present_too) = match &self.0 {
            Enforcement::InForce => return Vec::new(),
            Enforcement::Pending => ("nf_tables is busy", false),
            Enforcement::Failed(problem) => (problem.as_str(), true),
        };
        let waits = |held: &&VirtualAddress| {
            if !present_too && is_present(held) {
                return false;
            }
            let mut slots = site.slots(held).iter().map(|slot| &routers[slot.0]);
            slots.any(|router| router.claim.claimed && !router.planned.accepts)
        };
        let refused = addresses
            .iter()
            .filter(waits)
            .map(|held| (*held, format!("cannot add {held} to {}: {NEEDED}: {why}", site.name)));
        refused.collect()
    }
}
