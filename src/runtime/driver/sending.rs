//! Sends advertisements, and informs the core whether they left.

use std::collections::BTreeMap;
use std::io;
use std::net::IpAddr;

use super::Driver;
use crate::proto::{Input, RouterId, SendOutcome};
use crate::runtime::clock;
use crate::types::{Instant, Priority};
use crate::wire::ip::{Datagram, Envelope};

/// The peers to which the kernel sends nothing, of each router that reaches others.
pub(super) type Unreachable = BTreeMap<RouterId, UnreachablePeer>;

/// A peer to which the last advertisement was not sent.
#[derive(Debug)]
pub(super) struct UnreachablePeer {
    peer: IpAddr,
    error: io::Error,
    /// How many more there are.
    others: usize,
}

impl Driver<'_> {
    /// Sends one advertisement to each destination, or drops it: the next one is never far.
    pub(super) fn advertise(&mut self, router: RouterId, priority: Priority) {
        let outcome = self.send(router, priority, false);
        self.node.handle(Input::Sent { router, priority, outcome }, clock::now());
    }

    /// Checks whether the kernel sends again for routers that have left the addresses to another
    /// one because it did not.
    ///
    /// A datagram with a hop limit of 0 passes the firewall of this host and reaches no group: the
    /// kernel drops it before the link. A peer may get it; there is nothing in it.
    pub(super) fn try_mute_routers(&mut self, now: Instant) {
        for router in self.node.routers() {
            if !self.node.yields_as_mute(router) {
                continue;
            }
            let priority = self.node.snapshot(router).effective_priority;
            let outcome = self.send(router, priority, true);
            self.node.handle(Input::Tried { router, outcome }, now);
        }
    }

    /// Sends an advertisement to each destination, whatever becomes of the others. Any one that can
    /// be reached makes it one that was sent. A trial is not heard by the group.
    fn send(&mut self, router: RouterId, priority: Priority, is_trial: bool) -> SendOutcome {
        let Self { node, links, planned_routers, outgoing, unreachable, view, .. } = self;
        let (link, family) = (node.link_of(router), node.snapshot(router).family);
        // A switch sends what is for the virtual router to the port from which it spoke last: to
        // this host once it has the addresses. Until then another one may serve them.
        let advertises_from = planned_routers[router.0].site.advertises_from;
        let advertises_from = advertises_from.filter(|_| view.holds_what_it_can(router));
        let (mut sent, mut refused) = (0_usize, None);
        for destination in node.destinations(router) {
            let envelope = node.encode(router, priority, destination, outgoing);
            let Some(envelope) = envelope else { continue };
            let datagram = if is_trial {
                Datagram { envelope: Envelope { hop_limit: 0, ..envelope }, payload: &[] }
            } else {
                Datagram { envelope, payload: outgoing }
            };
            // To a peer it goes as any other datagram of this host.
            let mac = advertises_from.filter(|_| destination.is_multicast() && !is_trial);
            let outcome = match mac {
                Some(mac) => links.send_from(link, mac, datagram),
                None => links.send(link, datagram),
            };
            match outcome {
                Ok(()) => sent += 1,
                Err(error) => {
                    let new = UnreachablePeer { peer: destination, error, others: 0 };
                    refused.get_or_insert(new).others += 1;
                }
            }
        }
        unreachable.remove(&router);
        match refused {
            None if sent == 0 => SendOutcome::Refused,
            Some(peer) if sent == 0 => {
                links.note_sent(link, family, &Err(peer.error));
                SendOutcome::Refused
            }
            refused => {
                links.note_sent(link, family, &Ok(()));
                unreachable.extend(refused.map(|peer| (router, peer)));
                SendOutcome::Sent
            }
        }
    }

    /// Returns what is to be said of peers to which the kernel sends nothing, although it does to
    /// others.
    pub(super) fn unreachable_peers(&self, router: RouterId) -> Option<String> {
        let UnreachablePeer { peer, error, others } = self.unreachable.get(&router)?;
        let more = if *others > 1 { format!(" and {} more", others - 1) } else { String::new() };
        Some(format!(
            "the kernel sends no advertisements to peer {peer}{more} ({error}), which takes this \
             node for dead. Look at the route (ip route get {peer}), and for a firewall of this \
             host on output"
        ))
    }
}
