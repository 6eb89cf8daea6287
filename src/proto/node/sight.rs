//! Advertisements that were seen on a link but do not reach the routers of this node.

use std::time::Duration;

use super::{Expectations, Heard, IpAddr, LinkId, Node, Priority, RouterId, Vrid};
use crate::proto::receive::Discard;
use crate::types::{ChecksumPolicy, Family, TrailingOctets};
use crate::wire::advertisement::{self, Accept, Advertisement};
use crate::wire::ip::{Datagram, Enclosed, Envelope};

/// An advertisement that was seen on a link, as it concerns one router of this node.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Sighting {
    /// The router.
    pub router: RouterId,
    /// The sender.
    pub source: IpAddr,
    /// The finding.
    pub what: Sighted,
}

/// Why a seen advertisement does not reach a router.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Sighted {
    /// The router would accept it.
    Acceptable {
        /// The priority of the sender.
        priority: Priority,
    },
    /// It was sent there, and not where the router listens: to the group, or to this node.
    To(IpAddr),
    /// It has an authentication header (RFC 2402).
    Authenticated,
    /// It has the source address of this node.
    OwnAddress,
    /// It is about another virtual router that has the same addresses.
    OtherVrid(Vrid),
}

impl Node {
    /// Judges a datagram that was seen on a link, from its header on, for a router of this node.
    #[must_use]
    pub fn sight(&self, link: LinkId, bytes: &[u8]) -> Option<Sighting> {
        let (enclosed, datagram) = Datagram::parse_with(bytes).ok()?;
        let source = datagram.envelope.endpoints.source();
        let vrid = Vrid::new(advertisement::vrid(datagram.payload)?)?;
        let Some(router) = self.by_vrid.get(&(link, Family::of(source), vrid)).copied() else {
            let router = self.with_an_address_of(link, datagram)?;
            return Some(Sighting { router, source, what: Sighted::OtherVrid(vrid) });
        };
        let sighting = |what| Some(Sighting { router, source, what });
        if enclosed == Enclosed::Authenticated {
            return sighting(Sighted::Authenticated);
        }
        let Envelope { endpoints, .. } = datagram.envelope;
        let config = &self.routers[router.0].config;
        let own_source = self.source_of(router);
        let expected = Expectations { config, source: own_source, running: true };
        if config.unicast.is_some() && self.is_for_another_host(router, endpoints.destination()) {
            return None;
        }
        match Heard::open(Ok(datagram)).and_then(|heard| heard.check(Some(&expected))) {
            Ok(accepted) => sighting(Sighted::Acceptable { priority: accepted.priority }),
            Err(Discard::OwnSource) => sighting(Sighted::OwnAddress),
            Err(Discard::Martian) => sighting(Sighted::To(endpoints.destination())),
            Err(Discard::Unlisted) if Some(endpoints.destination()) != own_source => {
                sighting(Sighted::To(endpoints.destination()))
            }
            // If it were received, it would be counted and reported.
            Err(_) => None,
        }
    }

    /// Returns how many datagrams have reached a router, and how many of these were advertisements
    /// that counted.
    #[must_use]
    pub fn received(&self, router: RouterId) -> (u64, u64) {
        let received = &self.routers[router.0].counters.received;
        (received.total(), received.accepted)
    }

    /// Returns how long a router waits for the Active router.
    #[must_use]
    pub fn patience_of(&self, router: RouterId) -> Duration {
        self.routers[router.0].active_down_interval()
    }

    /// Tells whether the sender of an advertisement outranks a router of this node.
    #[must_use]
    pub fn is_outranked(&self, router: RouterId, priority: Priority, source: IpAddr) -> bool {
        self.routers[router.0].is_outranked_by(priority, source, self.source_of(router))
    }

    /// Tells whether a datagram is for another peer of a router: a switch may show those, too.
    fn is_for_another_host(&self, router: RouterId, destination: IpAddr) -> bool {
        Some(destination) != self.source_of(router)
            && destination != Family::of(destination).group()
    }

    /// Returns a router of a link that has an address of an advertisement.
    fn with_an_address_of(&self, link: LinkId, datagram: Datagram<'_>) -> Option<RouterId> {
        let accept = Accept {
            version: None,
            trailing_octets: TrailingOctets::Reject,
            checksum: ChecksumPolicy::Auto,
        };
        let Datagram { envelope, payload } = datagram;
        let seen = Advertisement::parse(payload, envelope.endpoints, accept).ok()?;
        let has_one = |id: &&RouterId| {
            let addresses = &self.routers[id.0].config.addresses;
            addresses.iter().any(|ours| seen.addresses().any(|theirs| theirs == ours.address))
        };
        self.links[link.0].routers.iter().find(has_one).copied()
    }
}
