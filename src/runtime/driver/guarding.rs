//! Informs the guard of what this engine holds.

use super::Driver;
use crate::runtime::guard::{Held, HeldLinks};
use crate::runtime::kernel::Site;
use crate::types::Instant;

impl Driver<'_> {
    /// Informs the guard of changes; with a beat, compares everything.
    pub(super) fn tell_guard(&mut self, beat: Option<Instant>) {
        let Self { node, known_links, watched, sites, view, guard, .. } = self;
        let held = Held {
            node,
            links_of: &|router| {
                let site: &Site = &sites[router.0];
                let index = |link: usize| known_links.get(link).and_then(|view| view.index);
                Some(HeldLinks {
                    speaks_on: index(site.link)?,
                    addresses_on: (index(site.addresses_on)?, watched[site.addresses_on]),
                    virtual_mac: site.advertises_from,
                })
            },
            is_foreign: &|router, place| view.is_foreign(router, place),
        };
        match beat {
            Some(now) => guard.beat(&held, now),
            None => guard.tell(&held),
        }
    }
}
