//! Makes, keeps and removes the macvlans of virtual routers.
//!
//! One is made when the engine has the routers, and is switched off while its router is not Active:
//! so a Backup neither hears nor sends anything from the hardware address of the virtual router.
//! It is known by its tag; what was made by somebody else is not touched.

use std::collections::BTreeSet;

use super::Takeover;
use crate::net::{ArpSettings, KernelLink, NetError, Tag, macvlan, sysctl};
use crate::runtime::kernel::HostFinding;
use crate::runtime::kernel::link_sites::PlannedMacvlan;
use crate::types::{Family, MacAddress};

/// What there is where a macvlan is to be.
enum Found {
    /// Nothing, or nothing that could be told: its parent is not there.
    Nothing,
    /// What is to be there.
    Planned {
        index: u32,
        is_on: bool,
        /// The settings that its parent had before.
        before: ArpSettings,
        /// Whether an engine of this place has made it.
        is_ours: bool,
    },
    /// One of ours, on another link or with another hardware address.
    Outdated(u32),
    /// A link of somebody else.
    Foreign(String),
}

impl Takeover {
    /// Returns the present index of a link of the plan. A macvlan counts only if it is what it is
    /// to be.
    pub(super) fn present_index(&self, link: usize) -> Option<u32> {
        match self.links[link].macvlan {
            None => self.kernel_links.named(&self.links[link].name).map(|(index, _)| index),
            Some(planned) => match self.found(link, planned) {
                Found::Planned { index, .. } => Some(index),
                Found::Nothing | Found::Outdated(_) | Found::Foreign(_) => None,
            },
        }
    }

    /// Makes, keeps or switches on what is to be the macvlan of a virtual router.
    pub(super) fn settle_macvlan(&mut self, link: usize, in_doubt: bool) -> Result<(), NetError> {
        let Some(planned) = self.links[link].macvlan else { return Ok(()) };
        // Until it is known what the engine before has, it is only looked at.
        if self.inherited.is_none() {
            return Ok(());
        }
        let mut is_ready = false;
        let problem = match self.found(link, planned) {
            Found::Nothing => self.make_macvlan(link, planned)?,
            Found::Outdated(index) => {
                self.delete_macvlans(&BTreeSet::from([index]))?;
                self.unsettled.link(link);
                None
            }
            Found::Foreign(why) => Some(why),
            // Another engine of this host has it, until this one claims the addresses.
            Found::Planned { is_ours: false, .. } if !self.any_claimed(link) => None,
            Found::Planned { index, is_on, before, is_ours } => {
                if !(is_ours && planned.is_prepared) {
                    self.prepare_macvlan(link, index, before)?;
                }
                let is_wanted = self.any_kept(link) && !in_doubt;
                let problem = match self.twin(index, planned) {
                    Some(twin) => Some(self.complaint_of_twin(&twin, planned)),
                    None if is_wanted && !is_on => self.switch_macvlan(link, index, true)?,
                    None => None,
                };
                is_ready = problem.is_none();
                problem
            }
        };
        if let Some(planned) = &mut self.links[link].macvlan {
            planned.is_ready = is_ready;
        }
        self.note_macvlan_problem(link, problem.as_deref());
        Ok(())
    }

    /// Tells whether the macvlan of a router is to be switched off before its addresses go: what is
    /// left of one of IPv6 would speak from a hardware address that is another host's now.
    pub(super) fn is_to_rest_first(&self, link: usize) -> bool {
        let has_ipv6 = |planned: PlannedMacvlan| planned.families.has(Family::Ipv6);
        self.links[link].macvlan.is_some_and(has_ipv6) && self.needless(link).is_some()
    }

    /// Switches the macvlan of a router off that keeps no address any more, and returns whether it
    /// was on.
    pub(super) fn rest_macvlan(&mut self, link: usize) -> Result<bool, NetError> {
        let Some(index) = self.needless(link) else { return Ok(false) };
        self.switch_macvlan(link, index, false).map(|_| true)
    }

    /// Returns the index of the macvlan of a router if it is on, and the router keeps no address.
    fn needless(&self, link: usize) -> Option<u32> {
        if self.inherited.is_none() || self.any_kept(link) {
            return None;
        }
        match self.found(link, self.links[link].macvlan?) {
            Found::Planned { index, is_on: true, is_ours: true, .. } => Some(index),
            Found::Nothing | Found::Planned { .. } | Found::Outdated(_) | Found::Foreign(_) => None,
        }
    }

    /// Deletes the macvlans that an earlier engine of this place has made, and that are in no plan
    /// any more.
    pub(super) fn clear_macvlans(&mut self) -> Result<(), NetError> {
        if self.inherited.is_none() || std::mem::replace(&mut self.macvlans_are_cleared, true) {
            return Ok(());
        }
        let planned: BTreeSet<_> = self
            .links
            .iter()
            .filter(|it| it.macvlan.is_some())
            .map(|it| it.name.as_str())
            .collect();
        let ours = self.kernel_links.iter().filter(|(_, link)| self.is_of_this_place(link));
        let unplanned = ours.filter(|(_, link)| !planned.contains(link.name()));
        let unplanned = unplanned.map(|(index, _)| index).collect();
        self.delete_macvlans(&unplanned)
    }

    /// Tells whether a link of the plan is a macvlan, and this engine has to delete it at its end.
    pub(super) fn has_macvlan(&self, link: usize) -> bool {
        self.links[link].macvlan.is_some() && self.inherited.is_some()
    }

    /// Deletes every macvlan that an engine of this place has made.
    pub(super) fn remove_macvlans(&mut self) {
        if self.inherited.is_none() || self.read_events().is_err() {
            return;
        }
        let ours = self.kernel_links.iter().filter(|(_, link)| self.is_of_this_place(link));
        let ours = ours.map(|(index, _)| index).collect();
        let deleted = self.delete_macvlans(&ours);
        if let Err(error) = deleted.and_then(|()| self.read_events()) {
            tracing::warn!("{}", error.with_cause());
        }
    }

    /// Looks again at the settings that a macvlan in use needs.
    pub(super) fn survey_macvlan(&mut self, link: usize) {
        let Some(planned) = self.links[link].macvlan.filter(|it| it.is_prepared) else { return };
        if let Found::Planned { index, before, is_ours: true, .. } = self.found(link, planned) {
            // A socket that fails is noticed where events are read.
            self.prepare_macvlan(link, index, before).ok();
        }
    }

    fn found(&self, link: usize, planned: PlannedMacvlan) -> Found {
        let name = &self.links[link].name;
        let Some((index, present)) = self.kernel_links.named(name) else { return Found::Nothing };
        let Some(parent) = self.links[planned.parent].index else { return Found::Nothing };
        let Some((macvlan, tag)) = present.macvlan().and_then(|it| Some((it, it.tag.as_ref()?)))
        else {
            return Found::Foreign(format!(
                "{name} is there already, and was not made by this module: it is not touched. \
                 Give virtual_mac another name, or, if nothing needs it, remove it: ip link \
                 delete {name}"
            ));
        };
        let is_ours = tag.place == self.place;
        if self.is_on(macvlan.parent, parent) && present.mac() == Some(planned.mac) {
            Found::Planned { index, is_on: macvlan.is_on, before: tag.before, is_ours }
        } else if is_ours {
            Found::Outdated(index)
        } else {
            Found::Foreign(format!(
                "{name} belongs to another virtual router, of another nginx: give virtual_mac \
                 another name"
            ))
        }
    }

    /// Tells whether a macvlan is on a link, or beside it if that is a macvlan itself.
    fn is_on(&self, parent: Option<u32>, link: u32) -> bool {
        let beside = || self.kernel_links.at(link)?.macvlan()?.parent;
        parent == Some(link) || parent.is_some() && parent == beside()
    }

    fn is_of_this_place(&self, link: &KernelLink) -> bool {
        let tag = link.macvlan().and_then(|macvlan| macvlan.tag.as_ref());
        tag.is_some_and(|tag| tag.place == self.place)
    }

    fn any_kept(&self, link: usize) -> bool {
        self.links[link].routers.iter().any(|router| self.routers[*router].keeps_addresses)
    }

    fn any_claimed(&self, link: usize) -> bool {
        self.links[link].routers.iter().any(|router| self.routers[*router].claim.claimed)
    }

    /// Returns the name of another macvlan that is switched on with the same hardware address, as
    /// a killed VRRP daemon leaves one: the kernel allows one.
    fn twin(&self, index: u32, planned: PlannedMacvlan) -> Option<String> {
        let parent = self.links[planned.parent].index?;
        let mut others = self.kernel_links.iter().filter(|(other, _)| *other != index);
        let twin = others.find(|(_, link)| {
            let macvlan = link.macvlan().filter(|it| it.is_on && self.is_on(it.parent, parent));
            macvlan.is_some() && link.mac() == Some(planned.mac)
        });
        twin.map(|(_, link)| link.name().to_owned())
    }

    fn complaint_of_twin(&self, twin: &str, planned: PlannedMacvlan) -> String {
        format!(
            "{twin} on {} has the hardware address of this virtual router, {}: stop what has made \
             it, another VRRP daemon, then remove it: ip link delete {twin}",
            self.links[planned.parent].name,
            shown(planned.mac)
        )
    }

    /// Makes a macvlan, and returns why that is not possible. The kernel tells of it at once.
    fn make_macvlan(
        &mut self,
        link: usize,
        planned: PlannedMacvlan,
    ) -> Result<Option<String>, NetError> {
        let Self { links, kernel_links, kernel: Some(kernel), place, .. } = self else {
            return Ok(None);
        };
        let parent = &links[planned.parent];
        let Some(index) = parent.index else { return Ok(None) };
        let tags = kernel_links.iter().filter_map(|(_, link)| link.macvlan());
        let mut of_parent = tags.filter(|macvlan| macvlan.parent == Some(index));
        // Another one on the same parent has noted what was before both.
        let before = of_parent.find_map(|macvlan| Some(macvlan.tag.as_ref()?.before));
        let before = before.unwrap_or_else(|| macvlan::arp_settings(parent.name.as_str()));
        let tag = Tag { place: place.clone(), before };
        let (name, parent) = (links[link].name, (index, parent.name.as_str()));
        let made = macvlan::make(kernel, name.as_str(), parent, planned.mac, &tag)?;
        if made.is_ok() {
            tracing::info!(link = name.as_str(), mac = shown(planned.mac), "macvlan made");
        }
        Ok(made.err().map(|error| error.with_cause()))
    }

    /// Gives a macvlan its tag and settings, and its parent what it needs.
    fn prepare_macvlan(
        &mut self,
        link: usize,
        index: u32,
        before: ArpSettings,
    ) -> Result<(), NetError> {
        let Self { links, kernel: Some(kernel), place, .. } = self else { return Ok(()) };
        let Some(planned) = &mut links[link].macvlan else { return Ok(()) };
        let (parent, families, was_prepared) =
            (planned.parent, planned.families, planned.is_prepared);
        planned.is_prepared = true;
        let (name, above) = (links[link].name, links[parent].name);
        // udev, or a setting of all links that came later, may have made it strict: what clients
        // send would be dropped, since the parent has the route to them.
        if !was_prepared || sysctl::filters_reverse_path(name.as_str()) {
            macvlan::keep(kernel, index, &Tag { place: place.clone(), before })?;
        }
        let mut problems = Vec::new();
        if let Err(error) = sysctl::quiet_ipv6(name.as_str(), families.has(Family::Ipv6)) {
            let harm = "router advertisements may give it addresses and routes of its own";
            problems.push(format!("{}: {harm}", error.with_cause()));
        }
        if let (true, Some(index)) = (families.has(Family::Ipv4), links[parent].index) {
            if let Err(error) = macvlan::prepare_parent(kernel, index, above.as_str())? {
                problems.push(format!(
                    "cannot set arp_ignore and arp_announce of {above}: {error}: it may answer \
                     ARP for the virtual addresses with its own hardware address"
                ));
            }
            if let Err(error) = sysctl::accept_local(above.as_str()) {
                let harm = "an owner of the addresses that comes back is not heard";
                problems.push(format!("{}: {harm}", error.with_cause()));
            }
        }
        let text = (!problems.is_empty()).then(|| problems.join("; "));
        links[link].note(HostFinding::SettingRefused, text);
        Ok(())
    }

    /// Switches a macvlan, and returns why that is not possible.
    fn switch_macvlan(
        &mut self,
        link: usize,
        index: u32,
        on: bool,
    ) -> Result<Option<String>, NetError> {
        let name = self.links[link].name;
        let Some(kernel) = &mut self.kernel else { return Ok(None) };
        let switched = macvlan::switch(kernel, index, on)?;
        let how = if on { "on" } else { "off" };
        Ok(switched.err().map(|error| format!("cannot switch {name} {how}: {error}")))
    }

    fn delete_macvlans(&mut self, indices: &BTreeSet<u32>) -> Result<(), NetError> {
        let Self { kernel_links, kernel: Some(kernel), .. } = self else { return Ok(()) };
        if indices.is_empty() {
            return Ok(());
        }
        let deleted = macvlan::delete(kernel, kernel_links, indices)?;
        tracing::info!("{deleted} macvlans deleted");
        Ok(())
    }

    /// Publishes why a router cannot have its macvlan, or that it can.
    fn note_macvlan_problem(&mut self, link: usize, problem: Option<&str>) {
        if problem.is_some() {
            self.troubled_macvlans.insert(link);
        } else {
            self.troubled_macvlans.remove(&link);
        }
        for &router in &self.links[link].routers {
            let facts = &mut self.routers[router].facts;
            if facts.macvlan_problem.as_deref() != problem {
                facts.macvlan_problem = problem.map(str::to_owned);
                self.facts.router_changed(router);
            }
        }
    }
}

fn shown(mac: MacAddress) -> String {
    mac.map(|octet| format!("{octet:02x}")).join(":")
}
