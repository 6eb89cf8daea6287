//! Informs the guard of what this engine holds.

use super::Driver;
use crate::runtime::guard::{Held, HeldSite};
use crate::types::Instant;

impl Driver<'_> {
    /// Informs the guard of changes; with a beat, compares everything.
    pub(super) fn tell_guard(&mut self, beat: Option<Instant>) {
        let Self { node, known_links, watched, planned_routers, view, guard, .. } = self;
        let index = |link: usize| known_links.get(link).and_then(|view| view.index);
        let held = Held {
            node,
            site_of: &|router| {
                let site = &planned_routers[router.0].site;
                Some(HeldSite {
                    speaks_on: index(site.link)?,
                    virtual_mac: site.advertises_from,
                    addresses_on: index(site.addresses_on).zip(Some(watched[site.addresses_on])),
                })
            },
            link_of: &|router, place| {
                let link = planned_routers[router.0].addresses.get(place)?.link;
                Some((index(link)?, watched[link]))
            },
            is_foreign: &|router, place| view.is_foreign(router, place),
        };
        match beat {
            Some(now) => guard.beat(&held, now),
            None => guard.tell(&held),
        }
    }
}
