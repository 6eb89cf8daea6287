//! Publishes the facts for the election, as far as they have changed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::facts::{Facts, HostFinding, LinkView};
use super::link_sites::LinkSites;
use super::router_site::RouterSite;
use crate::types::Instant;

/// The writer of the facts.
#[derive(Clone, Debug)]
pub(super) struct FactsWriter {
    readers: watch::Sender<Facts>,
    problem: Option<String>,
    problem_changed: bool,
    /// The findings, unless they were published.
    new_findings: Option<Arc<BTreeMap<HostFinding, String>>>,
    changed_links: BTreeSet<usize>,
    changed_routers: BTreeSet<usize>,
    /// Routers of which only the counts of announcements have changed.
    changed_counts: BTreeSet<usize>,
    counts_due: Option<Instant>,
}

impl FactsWriter {
    pub(super) fn new(readers: watch::Sender<Facts>) -> Self {
        Self {
            readers,
            problem: None,
            problem_changed: false,
            new_findings: None,
            changed_links: BTreeSet::new(),
            changed_routers: BTreeSet::new(),
            changed_counts: BTreeSet::new(),
            counts_due: None,
        }
    }

    pub(super) fn link_changed(&mut self, link: usize) {
        self.changed_links.insert(link);
    }

    pub(super) fn router_changed(&mut self, router: usize) {
        self.changed_routers.insert(router);
    }

    /// Notes that the router has announced an address. A count alone is published after
    /// [`COUNTS_PAUSE`], so that a thousand announcements do not wake the election a thousand
    /// times.
    pub(super) fn counts_changed(&mut self, router: usize, now: Instant) {
        self.changed_counts.insert(router);
        self.counts_due.get_or_insert(now + COUNTS_PAUSE);
    }

    /// Replaces the problem, and tells whether it has changed.
    pub(super) fn set_problem(&mut self, problem: Option<String>) -> bool {
        let has_changed = self.problem != problem;
        self.problem = problem;
        self.problem_changed |= has_changed;
        has_changed
    }

    /// Replaces the findings.
    pub(super) fn set_findings(&mut self, findings: BTreeMap<HostFinding, String>) {
        self.new_findings = Some(Arc::new(findings));
    }

    /// Returns when counts are to be published.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.counts_due
    }

    /// Publishes everything that has changed, if anything but a count has, or a count is due.
    pub(super) fn publish(&mut self, links: &LinkSites, routers: &[RouterSite], now: Instant) {
        let is_due = self.counts_due.is_some_and(|due| due <= now);
        let changed = !self.changed_links.is_empty() || !self.changed_routers.is_empty();
        if !(is_due || changed || self.problem_changed || self.new_findings.is_some()) {
            return;
        }
        self.changed_routers.append(&mut self.changed_counts);
        (self.counts_due, self.problem_changed) = (None, false);
        let new_views: Vec<_> = std::mem::take(&mut self.changed_links)
            .into_iter()
            .map(|it| (it, links[it].view.unwrap_or_default()))
            .collect();
        let new_facts: Vec<_> = std::mem::take(&mut self.changed_routers)
            .into_iter()
            .map(|router| (router, Arc::new(routers[router].facts.clone())))
            .collect();
        self.readers.send_modify(|facts| {
            if !new_views.is_empty() {
                facts.links.resize(links.len(), LinkView::default());
            }
            for (link, view) in new_views {
                facts.links[link] = view;
            }
            for (router, new) in new_facts {
                facts.routers[router] = new;
            }
            facts.problem.clone_from(&self.problem);
            if let Some(findings) = self.new_findings.take() {
                facts.findings = findings;
            }
        });
    }
}

/// As often as the board is written.
const COUNTS_PAUSE: Duration = Duration::from_millis(100);
