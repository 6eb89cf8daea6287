//! Sends advertisements, and informs the core whether they left.

use super::Driver;
use crate::proto::{Input, RouterId, SendOutcome};
use crate::runtime::clock;
use crate::types::{Instant, Priority};
use crate::wire::ip::{Datagram, Envelope};

impl Driver<'_> {
    /// Sends one advertisement to each destination, or drops it: the next one is never far.
    pub(super) fn advertise(&mut self, router: RouterId, priority: Priority) {
        let outcome = self.send(router, priority, |envelope| envelope);
        self.node.handle(Input::Sent { router, priority, outcome }, clock::now());
    }

    /// Checks whether the kernel sends again for routers that have left the addresses to another
    /// one because it did not.
    ///
    /// A datagram with a hop limit of 0 passes the firewall of this host and reaches no other: the
    /// kernel drops it before the link.
    pub(super) fn try_mute_routers(&mut self, now: Instant) {
        for router in self.node.routers() {
            if !self.node.yields_as_mute(router) {
                continue;
            }
            let priority = self.node.snapshot(router).effective_priority;
            let outcome =
                self.send(router, priority, |envelope| Envelope { hop_limit: 0, ..envelope });
            self.node.handle(Input::Tried { router, outcome }, now);
        }
    }

    /// Sends an advertisement to each destination. It counts as sent if one of them can be reached.
    fn send(
        &mut self,
        router: RouterId,
        priority: Priority,
        envelope_of: fn(Envelope) -> Envelope,
    ) -> SendOutcome {
        let Self { node, links, outgoing, .. } = self;
        let mut outcome = SendOutcome::Refused;
        for destination in node.destinations(router) {
            let envelope = node.encode(router, priority, destination, outgoing);
            let Some(envelope) = envelope.map(envelope_of) else { continue };
            let datagram = Datagram { envelope, payload: outgoing };
            if links.send(node.site_of(router).speaks_on, datagram) == SendOutcome::Sent {
                outcome = SendOutcome::Sent;
            }
        }
        outcome
    }
}
