//! What holds the routers of a node in Initialize, with the text for the status.

use std::borrow::Cow;
use std::net::IpAddr;

use super::{Family, Health, Hold, Life, LinkCarrier, LinkId, Node, RouterId, VirtualRouter};
use crate::types::NoLinkLocal;

/// What keeps a single router from taking part, besides its links and the whole node.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Obstacle {
    /// Another engine of this host has it.
    AnotherEngine,
    /// Its addresses are unavailable on this host.
    Addresses,
    /// One of its peers is this host itself.
    OwnPeer,
    /// An interface that it depends on does not work.
    Tracked,
    /// It does not hear a peer that outranks it.
    Deafness,
}

impl Node {
    /// Holds a router in Initialize if anything holds it there, else lets it go.
    pub(super) fn settle(&mut self, id: RouterId) {
        self.settled += 1;
        let (hold, can_send) = (self.hold(id), self.can_send(id));
        let is_brief = hold.is_some() && self.is_held_by_the_link_alone(id);
        let (now, is_alive) = (self.now, self.life != Life::Stopped);
        let router = &mut self.routers[id.0];
        if is_alive {
            router.connect(can_send, now);
        }
        router.end_blink(now);
        match hold {
            Some(hold) if is_brief => router.hold_unless_brief(hold, now),
            Some(Hold::Unhealthy) if self.last_one_standing && !self.draining => {
                router.stand_by(self.now);
            }
            Some(hold) => router.hold(hold, self.now),
            None => router.let_go(self.now),
        }
        self.collect(id);
    }

    /// Sets or clears an obstacle of a router.
    pub(super) fn note_obstacle(&mut self, router: RouterId, kind: Obstacle, why: Option<&str>) {
        if self.obstacle(router, kind) == why {
            return;
        }
        match why {
            Some(why) => self.obstacles.insert((router, kind), why.to_owned()),
            None => self.obstacles.remove(&(router, kind)),
        };
        self.settle(router);
    }

    /// Notes which of the addresses that a router speaks from and to are those of this host.
    pub(super) fn note_own_addresses(&mut self, router: RouterId, addresses: &[IpAddr]) {
        let peers = self.routers[router.0].config.peers();
        let own_peer = peers.iter().find(|peer| addresses.contains(peer));
        let why = own_peer.map(|peer| {
            format!("peer {peer} is an address of this host: peers are the other nodes alone")
        });
        let before = self.own_addresses.insert(router, addresses.to_vec());
        self.note_obstacle(router, Obstacle::OwnPeer, why.as_deref());
        if before.as_deref() != Some(addresses) {
            self.settle(router);
        }
    }

    fn obstacle(&self, router: RouterId, kind: Obstacle) -> Option<&str> {
        self.obstacles.get(&(router, kind)).map(String::as_str)
    }

    /// Returns what holds a router in Initialize, the weightiest reason first.
    pub(super) fn hold(&self, id: RouterId) -> Option<Hold> {
        let of_this_engine = self.hold_of_this_engine(id);
        let of_the_link = || self.hold_of_the_link(id);
        let of_the_group = || self.hold_of_group(id);
        let besides = || self.hold_besides_the_link(id);
        of_this_engine.or_else(of_the_link).or_else(of_the_group).or_else(besides)
    }

    fn hold_of_this_engine(&self, id: RouterId) -> Option<Hold> {
        if self.life == Life::Stopped {
            return Some(Hold::Stopped);
        }
        if self.obstacle(id, Obstacle::AnotherEngine).is_some() {
            return Some(Hold::AlreadyHere);
        }
        self.obstacle(id, Obstacle::Addresses).map(|_| Hold::AddressesUnavailable)
    }

    fn hold_of_the_link(&self, id: RouterId) -> Option<Hold> {
        match self.carrier_of(id) {
            None => Some(Hold::Unknown),
            _ if !self.knows_own_addresses(id) => Some(Hold::Unknown),
            Some(LinkCarrier::Missing) => Some(Hold::LinkMissing),
            Some(LinkCarrier::Down) => Some(Hold::LinkDown),
            Some(LinkCarrier::Deaf) => Some(Hold::CannotListen),
            Some(LinkCarrier::Up) => {
                (!self.has_primary_address(id)).then_some(Hold::NoPrimaryAddress)
            }
        }
    }

    fn hold_besides_the_link(&self, id: RouterId) -> Option<Hold> {
        if self.life == Life::Leaving {
            return Some(Hold::Left);
        }
        if self.obstacle(id, Obstacle::OwnPeer).is_some() {
            return Some(Hold::OwnPeer);
        }
        if self.obstacle(id, Obstacle::Tracked).is_some() {
            return Some(Hold::Tracked);
        }
        if self.obstacle(id, Obstacle::Deafness).is_some() {
            return Some(Hold::CannotListen);
        }
        if self.routers[id.0].yields_as_mute() {
            return Some(Hold::CannotSend);
        }
        match self.health {
            Health::Unknown => Some(Hold::Unknown),
            Health::Failing(_) => Some(Hold::Unhealthy),
            Health::Serving => self.draining.then_some(Hold::Drained),
        }
    }

    /// Tells whether a router would take part with a working link.
    fn is_held_by_the_link_alone(&self, id: RouterId) -> bool {
        let is_link = matches!(
            self.hold_of_the_link(id),
            Some(Hold::LinkMissing | Hold::LinkDown | Hold::NoPrimaryAddress)
        );
        let serves = match self.hold_besides_the_link(id) {
            None => true,
            Some(Hold::Unhealthy) => self.routers[id.0].is_last_resort(),
            Some(_) => false,
        };
        let is_alone = self.hold_of_this_engine(id).or(self.hold_of_group(id)).is_none();
        is_alone && is_link && serves
    }

    /// Tells whether advertisements of a router can leave, if need be from the last known address.
    fn can_send(&self, id: RouterId) -> bool {
        self.carrier_of(id) == Some(LinkCarrier::Up) && self.source_of(id).is_some()
    }

    /// Tells whether it is known which addresses of a router are those of this host, if that is to
    /// be known of it.
    pub(in crate::proto) fn knows_own_addresses(&self, id: RouterId) -> bool {
        self.routers[id.0].config.unicast.is_none() || self.own_addresses.contains_key(&id)
    }

    fn has_primary_address(&self, id: RouterId) -> bool {
        let router = &self.routers[id.0];
        if let Some(source) = router.config.source() {
            return self.own_addresses.get(&id).is_some_and(|all| all.contains(&source));
        }
        let facts = self.links[router.link.0].facts;
        facts.is_some_and(|facts| router.config.source_among(facts.sources).is_some())
    }

    /// Returns what is wrong, while a router is in fault.
    pub(super) fn fault(&self, router: &VirtualRouter) -> Option<Cow<'_, str>> {
        self.explain(router, router.held_by()?)
    }

    /// Returns what is missing while an Active router goes on.
    pub(super) fn interruption(&self, router: &VirtualRouter) -> Option<Cow<'_, str>> {
        self.explain(router, router.blink()?.hold)
    }

    /// Returns why there is no link-local address on a link, and what to do.
    fn no_link_local(&self, link: LinkId) -> String {
        let name = &self.names[link.0];
        let lacks = format!("interface {name} has no link-local IPv6 address");
        match self.facts(link).and_then(|facts| facts.no_link_local) {
            None | Some(NoLinkLocal::Absent) => lacks,
            Some(NoLinkLocal::Disabled) => {
                format!("{lacks}: IPv6 is disabled, set net.ipv6.conf.{name}.disable_ipv6 to 0")
            }
            Some(NoLinkLocal::Tentative(address)) => {
                format!("{lacks} yet: {address} is tentative until no other host claims it")
            }
            Some(NoLinkLocal::Duplicated(address)) => {
                format!("{lacks}: another host has {address}, too (dadfailed); give it another")
            }
        }
    }

    fn explain(&self, router: &VirtualRouter, hold: Hold) -> Option<Cow<'_, str>> {
        let link = &self.names[router.link.0];
        let obstacle = |kind| self.obstacle(router.id, kind).map(Cow::from);
        match hold {
            Hold::Stopped | Hold::Unknown | Hold::Drained | Hold::Left => None,
            Hold::LinkMissing => Some(format!("interface {link} does not exist").into()),
            Hold::LinkDown => Some(format!("interface {link} is down").into()),
            Hold::CannotListen => match obstacle(Obstacle::Deafness) {
                None => Some(format!("nothing can be received on {link}").into()),
                why => why,
            },
            Hold::NoPrimaryAddress if router.config.source().is_some() => {
                let source = router.config.source()?;
                Some(format!("source {source} is not an address of this host").into())
            }
            Hold::NoPrimaryAddress => Some(match router.config.family() {
                Family::Ipv4 => format!("interface {link} has no IPv4 address").into(),
                Family::Ipv6 if router.config.speaks_globally() => format!(
                    "interface {link} has no IPv6 address that reaches beyond the link and is \
                     known to be its alone: add one, or set source"
                )
                .into(),
                Family::Ipv6 => self.no_link_local(router.link).into(),
            }),
            Hold::AlreadyHere => obstacle(Obstacle::AnotherEngine),
            Hold::OwnPeer => obstacle(Obstacle::OwnPeer),
            Hold::Group => {
                let faulty = &self.routers[self.faulty_member(router.id)?.0];
                let why = self.fault(faulty).unwrap_or_default();
                let group = self.name_of_group(router.id)?;
                Some(
                    format!("{} of sync group {group} is in fault: {why}", faulty.config.name)
                        .into(),
                )
            }
            Hold::Tracked => obstacle(Obstacle::Tracked),
            Hold::AddressesUnavailable => obstacle(Obstacle::Addresses),
            Hold::CannotSend => {
                let what = "the kernel sends no advertisements, and another router is active";
                Some(what.into())
            }
            Hold::Unheeded => router.unheeded_by(self.now).map(|peer| {
                format!("{peer} is active and does not hear this node: it has the addresses").into()
            }),
            Hold::Unhealthy => match &self.health {
                Health::Failing(why) => Some(why.into()),
                Health::Unknown | Health::Serving => None,
            },
        }
    }
}
