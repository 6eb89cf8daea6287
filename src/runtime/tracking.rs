//! Interfaces that a virtual router depends on besides its own.

use super::checks::Check;
use super::kernel::LinkView;
use crate::config::Config;
use crate::net::Carrier;
use crate::types::LinkName;

/// What each router tracks.
#[derive(Debug)]
pub(super) struct Tracking {
    routers: Vec<Vec<Tracked>>,
}

#[derive(Debug)]
struct Tracked {
    /// Its place among the links that are watched.
    link: usize,
    name: LinkName,
    weight: Option<i16>,
}

impl Tracking {
    /// Adds to `links` what is tracked and not among them.
    pub(super) fn new(config: &Config, links: &mut Vec<LinkName>) -> Self {
        let mut place = |name: &LinkName| {
            links.iter().position(|known| known == name).unwrap_or_else(|| {
                links.push(name.clone());
                links.len() - 1
            })
        };
        let routers = config.instances.iter().map(|instance| {
            let tracked = instance.track.iter().map(|track| Tracked {
                link: place(&track.interface),
                name: track.interface.clone(),
                weight: track.weight,
            });
            tracked.collect()
        });
        Self { routers: routers.collect() }
    }

    /// Returns for each router what became of its tracked interfaces.
    pub(super) fn look(&self, links: &[LinkView]) -> Vec<Vec<Check>> {
        let look = |tracked: &Tracked| tracked.look(links.get(tracked.link));
        self.routers.iter().map(|tracked| tracked.iter().map(look).collect()).collect()
    }
}

impl Tracked {
    fn look(&self, link: Option<&LinkView>) -> Check {
        let exists = link.is_some_and(|link| link.index.is_some());
        let ok = exists && link.is_some_and(|link| link.carrier == Carrier::Up);
        let is = if exists { "is down" } else { "does not exist" };
        Check {
            name: format!("track {}", self.name),
            ok,
            weight: self.weight,
            detail: format!("interface {} {is}", self.name),
        }
    }
}
