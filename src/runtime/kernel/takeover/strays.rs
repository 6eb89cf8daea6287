//! Addresses that an earlier engine has left on links where this one has none of them.

use std::collections::BTreeSet;

use super::Takeover;
use crate::net::address;
use crate::types::{VirtualAddress, is_link_local};

impl Takeover {
    /// Makes such addresses ours, once, so that they are removed: those in the list of the engine
    /// before, and virtual addresses with our tag that are planned elsewhere.
    ///
    /// A link-local address may be that of another nginx, on each link.
    pub(super) fn own_strays(&mut self) {
        let Some(inherited) = self.strays.take() else { return };
        let sites = self.links.iter().flat_map(|site| site.planned.keys());
        let planned: BTreeSet<_> =
            sites.filter(|it| !is_link_local(&it.address)).copied().collect();
        for (index, link) in self.kernel_links.iter() {
            let here = self.links.named(link.name()).map(|site| &self.links[site].planned);
            let is_elsewhere =
                |held: &&VirtualAddress| here.is_none_or(|it| !it.contains_key(held));
            let listed = inherited.iter().filter(|held| held.link.as_str() == link.name());
            let listed: BTreeSet<_> = listed.map(|held| held.address).collect();
            let all = planned.iter().chain(&listed).filter(is_elsewhere);
            let mut strays = address::tagged(all, link.addresses());
            if !self.tags_are_kept {
                strays.extend(listed.iter().filter(is_elsewhere));
            }
            if !strays.is_empty() {
                self.links.own(index, strays);
            }
        }
    }
}
