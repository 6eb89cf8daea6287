//! Addresses that an earlier engine has left on links where this one has none of them.

use std::collections::{BTreeMap, BTreeSet};

use super::Takeover;
use crate::net::address::PROTOCOL;
use crate::types::is_link_local;

impl Takeover {
    /// Makes such addresses ours, once, so that they are removed: those in the list of the engine
    /// before, and virtual addresses with our tag that are planned elsewhere.
    ///
    /// A link-local address may be that of another nginx, on each link.
    pub(super) fn own_strays(&mut self) {
        let Some(inherited) = self.strays.take() else { return };
        let planned = self.links.iter().flat_map(|site| site.planned.keys());
        let planned: BTreeSet<_> = planned.filter(|it| !is_link_local(&it.address)).collect();
        let mut listed: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for held in inherited.iter() {
            listed.entry(held.link.as_str()).or_default().insert(held.address);
        }
        let mut strays = Vec::new();
        for (index, link) in self.kernel_links.iter() {
            let site = self.links.named(link.name()).map(|site| &self.links[site]);
            let listed = listed.get(link.name());
            let are_strays = link.addresses().iter().filter(|(held, present)| {
                let is_ours = present.protocol == PROTOCOL;
                let is_listed = listed.is_some_and(|it| it.contains(held));
                let is_left = is_listed && (is_ours || !self.tags_are_kept);
                let is_planned_here = site.is_some_and(|it| it.planned.contains_key(held));
                !is_planned_here && (is_left || is_ours && planned.contains(held))
            });
            let are_strays: BTreeSet<_> = are_strays.map(|(held, _)| *held).collect();
            strays.extend((!are_strays.is_empty()).then_some((index, are_strays)));
        }
        for (index, strays) in strays {
            self.links.own(index, strays);
        }
    }
}
