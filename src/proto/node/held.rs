//! What holds the routers of a node in Initialize, and what an operator is told of it.

use std::borrow::Cow;

use super::{Family, Health, Hold, Life, LinkCarrier, LinkId, Node, RouterId, Site, VirtualRouter};

impl Node {
    /// Holds a router in Initialize if anything holds it there, else lets it go.
    pub(super) fn settle(&mut self, id: RouterId) {
        self.settled += 1;
        let hold = self.hold(id);
        let router = &mut self.routers[id.0];
        match hold {
            Some(Hold::Unhealthy) if self.last_one_standing && !self.draining => {
                router.stand_by(self.now);
            }
            Some(hold) => router.hold(hold, self.now),
            None => router.let_go(self.now),
        }
        self.collect(id);
    }

    /// Leaves a router to another engine of this host, or has it take part.
    pub(super) fn leave_to_another(&mut self, router: RouterId, is_so: bool) {
        let is_news = if is_so {
            self.already_here.insert(router)
        } else {
            self.already_here.remove(&router)
        };
        if is_news {
            self.settle(router);
        }
    }

    /// Returns what holds a router in Initialize, the weightiest reason first.
    fn hold(&self, id: RouterId) -> Option<Hold> {
        if self.life == Life::Stopped {
            return Some(Hold::Stopped);
        }
        if self.already_here.contains(&id) {
            return Some(Hold::AlreadyHere);
        }
        if self.troubles[id.0].is_some() {
            return Some(Hold::AddressesUnavailable);
        }
        match self.carrier_of(id) {
            None => return Some(Hold::Unknown),
            Some(LinkCarrier::Missing) => return Some(Hold::LinkMissing),
            Some(LinkCarrier::Down) => return Some(Hold::LinkDown),
            Some(LinkCarrier::Up) => {}
        }
        if self.source_of(id).is_none() {
            return Some(Hold::NoPrimaryAddress);
        }
        if self.life == Life::Leaving {
            return Some(Hold::Left);
        }
        if self.tracked[id.0].is_some() {
            return Some(Hold::Tracked);
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

    /// Returns whichever link of a router is worse, once both are known.
    pub(super) fn worst_link(&self, router: RouterId) -> Option<(LinkCarrier, LinkId)> {
        let Site { listens_on, speaks_on } = self.site_of(router);
        let carrier = |link: LinkId| self.facts(link).map(|facts| (facts.carrier, link));
        Some(carrier(speaks_on)?.min(carrier(listens_on)?))
    }

    pub(super) fn fault(&self, router: &VirtualRouter) -> Option<Cow<'_, str>> {
        let worst = self.worst_link(router.id).map_or(router.site.speaks_on, |(_, link)| link);
        let [worst, speaks_on] = [worst, router.site.speaks_on].map(|link| &self.names[link.0]);
        match router.held_by()? {
            Hold::Stopped | Hold::Unknown | Hold::Drained | Hold::Left => None,
            Hold::LinkMissing => Some(format!("interface {worst} does not exist").into()),
            Hold::LinkDown => Some(format!("interface {worst} is down").into()),
            Hold::NoPrimaryAddress => {
                let kind = match router.config.family() {
                    Family::Ipv4 => "IPv4",
                    Family::Ipv6 => "link-local IPv6",
                };
                Some(format!("interface {speaks_on} has no {kind} address").into())
            }
            Hold::AlreadyHere => Some("another engine of this host has it".into()),
            Hold::Tracked => self.tracked[router.id.0].as_deref().map(Cow::from),
            Hold::AddressesUnavailable => self.troubles[router.id.0].as_deref().map(Cow::from),
            Hold::CannotSend => {
                let what = "the kernel sends no advertisements, and another router is active";
                Some(what.into())
            }
            Hold::Unhealthy => match &self.health {
                Health::Failing(why) => Some(why.into()),
                Health::Unknown | Health::Serving => None,
            },
        }
    }
}
