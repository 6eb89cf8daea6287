//! The facts about the links: from `vrrp-net`, or, until that has asked the kernel, from the
//! predecessor.

use std::time::Duration;

use super::Driver;
use crate::net::LinkSignal;
use crate::proto::{Bequests, Input, LinkId};
use crate::runtime::checks;
use crate::runtime::clock;
use crate::runtime::kernel::LinkView;
use crate::succession::{Beginning, HandoverMessage, Incident};
use crate::types::{Instant, KnownLink, LinkName};

impl Driver<'_> {
    /// Takes the changes that `vrrp-net` has seen in the kernel.
    pub(super) fn take_facts(&mut self) {
        let now = clock::now();
        let facts = self.kernel.facts_mut().borrow_and_update();
        if self.succession.is_retired() {
            return;
        }
        // The facts of a `vrrp-net` that fails are not complete.
        let has_failed = self.known_links.is_empty() && facts.problem.is_some();
        let is_news = !facts.links.is_empty() && facts.links != self.known_links && !has_failed;
        let links = is_news.then(|| facts.links.clone());
        let changed = self.view.take_facts(&facts);
        drop(facts);
        self.guard.look_at(changed.iter().copied());
        for &router in &changed {
            if let Some(addresses) = self.view.own_addresses(router) {
                self.node.handle(Input::OwnAddresses { router, addresses }, now);
            }
        }
        if let Some(links) = links {
            self.take_links(links, now);
        }
        self.show_addresses(changed);
        self.judge_addresses(now);
        self.judge_health(now);
    }

    /// Tries again to listen where that failed.
    pub(super) fn retry_links(&mut self, now: Instant) {
        for (link, facts) in self.links.retry(now) {
            self.node.handle(Input::Link { link, facts }, now);
        }
    }

    /// Hands the core what has changed about the links.
    fn take_links(&mut self, known: Vec<LinkView>, now: Instant) {
        let Self { node, guard, links, tracking, weighing, succession, view, .. } = self;
        // The links of the routers come first, then those that are only tracked.
        for (index, link_view) in known.iter().enumerate().take(links.len()) {
            let link = LinkId(index);
            if let Some(facts) = links.take(link, *link_view, now) {
                node.handle(Input::Link { link, facts }, now);
            }
        }
        for (router, tracked) in tracking.look(&known) {
            let down = checks::broken(&tracked).map(|check| check.detail.as_str());
            node.handle(Input::Tracked { router, down }, now);
            weighing.track(router, &tracked);
            view.take_tracked(router, tracked);
        }
        guard.look_at_all();
        self.known_links = known;
        if (0..links.len()).all(|link| node.facts(LinkId(link)).is_some()) {
            succession.handle(Incident::LinksKnown, now);
        }
    }

    /// Keeps the facts that come with the state of a predecessor.
    pub(super) fn take_given(&mut self, state: &Bequests, now: Instant) {
        // A link that only this engine has is waited for.
        let found = |name: &LinkName| state.links.iter().find(|known| known.name == *name);
        let all: Option<Vec<_>> = self.watched.iter().map(|it| found(it).map(seen)).collect();
        self.links_before = all.unwrap_or_default();
        self.take_links_before(now);
        self.note_given(state, now);
    }

    /// Uses the predecessor's facts about the links if the kernel keeps `vrrp-net` waiting, but not
    /// if `vrrp-net` has failed: then nothing is taken over from a living engine.
    pub(super) fn take_links_before(&mut self, now: Instant) {
        let is_late = self.known_links.is_empty() && now >= self.links_awaited_until;
        if is_late && self.succession.is_waiting() && !self.links_before.is_empty() {
            let known = std::mem::take(&mut self.links_before);
            // The engine before speaks with these peers, if anybody does.
            for router in self.node.routers() {
                let addresses: Vec<_> = self.node.source_of(router).into_iter().collect();
                if self.view.own_addresses(router).is_none() {
                    self.node.handle(Input::OwnAddresses { router, addresses: &addresses }, now);
                }
            }
            self.take_links(known, now);
        }
    }

    /// Returns the facts about the links for the next engine.
    pub(super) fn links_for_the_next(&self) -> Vec<KnownLink> {
        let all = self.watched.iter().zip(&self.known_links);
        all.map(|(name, view)| KnownLink {
            name: *name,
            index: view.index,
            is_up: view.carrier == LinkSignal::Up,
            sources: view.sources,
        })
        .collect()
    }
}

/// How long `vrrp-net` is waited for. The predecessor waits longer for this engine.
pub(super) const PATIENCE_WITH_NET: Duration = Duration::from_millis(300);

/// Returns the state that another engine gives with a message.
pub(super) fn state_in(incident: &Incident) -> Option<&Bequests> {
    let Incident::Heard(_, HandoverMessage::State(state) | HandoverMessage::Return(state)) =
        incident
    else {
        return None;
    };
    Some(state)
}

/// Returns the state that another engine has given before the loop began.
pub(super) fn state_given(beginning: &Beginning) -> Option<&Bequests> {
    match beginning {
        Beginning::GivenBack { state, .. } => Some(state),
        Beginning::First | Beginning::AfterFailure | Beginning::Orphaned => None,
    }
}

/// Returns the facts about a link of another engine. Only `vrrp-net` needs the hardware address.
fn seen(known: &KnownLink) -> LinkView {
    let carrier = if known.is_up { LinkSignal::Up } else { LinkSignal::Down };
    let (index, sources) = (known.index, known.sources);
    LinkView { index, carrier, sources, ..LinkView::default() }
}
