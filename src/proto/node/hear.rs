//! Received datagrams: finds the router of each, and reports those that are for none.

use super::{
    Action, Discard, Expectations, Heard, IpAddr, Link, LinkId, Node, Problem, Report, report,
};
use crate::wire::ip::{Datagram, Malformed};

impl Node {
    pub(super) fn handle_datagram(
        &mut self,
        link: LinkId,
        received: Result<Datagram<'_>, Malformed>,
    ) {
        let heard = match Heard::open(received) {
            Ok(heard) => heard,
            Err(discard) => return self.discard(link, discard, None),
        };
        let family = heard.family();
        let id = heard.vrid().and_then(|vrid| self.by_vrid.get(&(link, family, vrid)));
        let Some(&id) = id else {
            if let Err(discard) = heard.check(None) {
                self.discard(link, discard, Some(heard.source()));
            }
            return;
        };
        let source = self.source_of(id);
        let router = &mut self.routers[id.0];
        let running = router.is_running();
        let expected = Expectations { config: &router.config, source, running };
        match heard.check(Some(&expected)) {
            Ok(accepted) => {
                router.handle_advertisement(&accepted, source, self.now);
                router.yield_if_mute(&accepted, self.now);
                if router.yields_as_mute() {
                    return self.settle(id);
                }
            }
            Err(Discard::NotRunning) => router.handle_while_not_running(heard.source(), self.now),
            Err(discard) => router.handle_discard(discard, heard.source(), self.now),
        }
        self.collect(id);
    }

    /// Handles a datagram that is for no router of this node.
    fn discard(&mut self, link: LinkId, discard: Discard, source: Option<IpAddr>) {
        let Link { counters, limiter, .. } = &mut self.links[link.0];
        counters.count_discarded(discard);
        self.changed_links.insert(link);
        if !report::worth_reading(discard) {
            return;
        }
        let problem = Problem::Discarded(discard);
        if let Some(suppressed) = limiter.admit(&problem, self.now) {
            let report = Report { link, router: None, source, problem, suppressed };
            self.actions.push_back(Action::Report(report));
        }
    }
}
