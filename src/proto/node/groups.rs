//! Sync groups: routers of this node of which all are Active, or none.
//!
//! * A member that is in fault for a reason of its own holds all others in fault.
//! * The members become Active together: when none of them hears a router that it would not
//!   replace. So a member whose peers are silent waits for the others: its link to them may be
//!   broken, while they are Active and well.
//! * When another router becomes Active for a member, the others step down a moment later, as
//!   that one is about to be Active for them, too. When hosts meet as equals, each may win a
//!   member: then the first member decides. Its host waits for longer, and gets the others back.
//! * All advertise the lowest priority that weights leave to any of them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use super::{Hold, Node, Priority, RouterId, VirtualRouter};
use crate::config::{InstanceConfig, SyncGroupConfig};
use crate::proto::router::Standing;
use crate::proto::state::State;
use crate::types::Family;

/// The groups of a node.
#[derive(Debug, Default)]
pub(super) struct SyncGroups {
    groups: Vec<SyncGroup>,
    of: BTreeMap<RouterId, usize>,
    /// Groups in which a member stands elsewhere than before.
    unsettled: BTreeSet<usize>,
}

#[derive(Debug)]
struct SyncGroup {
    name: String,
    members: Vec<RouterId>,
    /// The member that decides: the same one on every node that has the group.
    first: RouterId,
    slowest: Duration,
    standings: BTreeMap<RouterId, Standing>,
    /// The members in fault for a reason of their own.
    faulty_members: BTreeSet<RouterId>,
    /// The one of them that holds the others.
    faulty: Option<RouterId>,
    /// Members are about to step down.
    is_splitting: bool,
    priority: Option<Priority>,
}

impl SyncGroup {
    fn has(&self, standing: Standing) -> bool {
        self.standings.values().any(|it| *it == standing)
    }

    fn members_that_are(&self, standing: Standing) -> Vec<RouterId> {
        let all = self.members.iter().filter(|it| self.standings.get(it) == Some(&standing));
        all.copied().collect()
    }

    /// Tells whether every member is Active, or could be.
    fn is_ready(&self) -> bool {
        let is_ready = |it: &Standing| matches!(it, Standing::Due | Standing::Active);
        self.standings.len() == self.members.len() && self.standings.values().all(is_ready)
    }

    /// Returns how long members that are Active wait for the group to be whole again.
    fn patience(&self) -> Duration {
        let is_first_active = self.standings.get(&self.first) == Some(&Standing::Active);
        let short = self.slowest.min(SHORT_SPLIT);
        // Until then, a host that has lost the first member has given up the others.
        if is_first_active { 3 * self.slowest + SHORT_SPLIT } else { short }
    }
}

impl Node {
    /// Has routers be Active together.
    #[must_use]
    pub fn with_sync_groups(mut self, groups: &[SyncGroupConfig]) -> Self {
        for (place, group) in groups.iter().enumerate() {
            let members: Vec<_> = group.members.iter().copied().map(RouterId).collect();
            let config = |id: &RouterId| &self.routers[id.0].config;
            let first = members.iter().min_by_key(|id| rank(config(id))).copied();
            let slowest = members.iter().map(|id| config(id).adver_interval.duration()).max();
            let (Some(first), Some(slowest)) = (first, slowest) else { continue };
            for id in &members {
                self.groups.of.insert(*id, place);
                self.routers[id.0].join_group();
            }
            self.groups.groups.push(SyncGroup {
                name: group.name.clone(),
                members,
                first,
                slowest,
                standings: BTreeMap::new(),
                faulty_members: BTreeSet::new(),
                faulty: None,
                is_splitting: false,
                priority: None,
            });
        }
        self
    }

    /// Returns how long peers let a router be silent before they take over: the most eager ones,
    /// and the most patient ones. Those of a group take over together.
    #[must_use]
    pub fn patience_of_peers(&self, router: RouterId) -> [Duration; 2] {
        let alone = [router];
        let members = self.group_of(router).map_or(&alone[..], |group| &group.members);
        let all = members.iter().map(|id| &self.routers[id.0]);
        let longest = all.clone().map(VirtualRouter::longest_down_interval).max();
        [all.map(VirtualRouter::active_down_interval).max(), longest].map(Option::unwrap_or_default)
    }

    /// Returns the name of the group that a router is in.
    pub(super) fn name_of_group(&self, router: RouterId) -> Option<&str> {
        self.group_of(router).map(|group| group.name.as_str())
    }

    /// Returns the member of its group that a router has waited for too long, and which router is
    /// Active there.
    pub(super) fn awaited(&self, router: RouterId) -> Option<(&str, Option<IpAddr>)> {
        let waiting = &self.routers[router.0];
        let since = waiting.waits_since()?;
        let group = self.group_of(router)?;
        if self.now < since + waiting.active_down_interval().max(SHORT_SPLIT) {
            return None;
        }
        let is_awaited = |id: &&RouterId| {
            !matches!(group.standings.get(id), Some(Standing::Due | Standing::Active))
        };
        let awaited = &self.routers[group.members.iter().find(is_awaited)?.0];
        let active = awaited.active_router(None).map(|active| active.address);
        Some((awaited.config.name.as_str(), active))
    }

    /// Returns what holds a router because another one of its group is in fault.
    pub(super) fn hold_of_group(&self, router: RouterId) -> Option<Hold> {
        self.faulty_member(router).map(|_| Hold::Group)
    }

    /// Returns another router of the group that is in fault.
    pub(super) fn faulty_member(&self, router: RouterId) -> Option<RouterId> {
        self.group_of(router)?.faulty.filter(|faulty| *faulty != router)
    }

    /// Notes where a router stands now.
    pub(super) fn note_standing(&mut self, router: RouterId) {
        let Some(&place) = self.groups.of.get(&router) else { return };
        let standing = self.routers[router.0].standing();
        let group = &mut self.groups.groups[place];
        if group.standings.insert(router, standing) == Some(standing) {
            return;
        }
        if standing == Standing::Faulty {
            group.faulty_members.insert(router);
        } else {
            group.faulty_members.remove(&router);
        }
        self.groups.unsettled.insert(place);
    }

    /// Uses a priority for a router; of a group the lowest one for all.
    pub(super) fn set_priority(&mut self, router: RouterId, priority: Priority) {
        match self.groups.of.get(&router) {
            Some(&place) => {
                self.routers[router.0].set_own_priority(priority);
                self.use_lowest_priority(place);
            }
            None => self.routers[router.0].set_priority(priority),
        }
        self.collect(router);
    }

    /// Has each group use its lowest priority.
    pub(super) fn use_lowest_priorities(&mut self) {
        for place in 0..self.groups.groups.len() {
            self.groups.groups[place].priority = None;
            self.use_lowest_priority(place);
        }
    }

    fn use_lowest_priority(&mut self, place: usize) {
        let members = &self.groups.groups[place].members;
        let lowest = members.iter().map(|id| self.routers[id.0].own_priority()).min();
        if self.groups.groups[place].priority == lowest {
            return;
        }
        self.groups.groups[place].priority = lowest;
        let Some(lowest) = lowest else { return };
        for id in self.groups.groups[place].members.clone() {
            self.routers[id.0].set_priority(lowest);
            self.collect(id);
        }
    }

    /// Settles the groups in which something has changed. Call it at the end of every input.
    pub(super) fn settle_groups(&mut self) {
        while let Some(place) = self.groups.unsettled.pop_first() {
            self.settle_fault(place);
            self.settle_takeover(place);
            self.settle_split(place);
        }
    }

    /// Orders routers so that the members that are about to be in fault hold the others of their
    /// groups, before these leave for a milder reason.
    pub(super) fn put_faulty_members_first(&self, routers: &mut [RouterId]) {
        if !self.groups.of.is_empty() {
            let is_fault = |hold: Hold| hold.state() == State::Fault;
            routers.sort_by_key(|id| !self.hold(*id).is_some_and(is_fault));
        }
    }

    /// Has the others of a group held at once.
    pub(super) fn settle_fault_of_group(&mut self, router: RouterId) {
        if let Some(&place) = self.groups.of.get(&router) {
            self.settle_fault(place);
        }
    }

    fn settle_fault(&mut self, place: usize) {
        let group = &mut self.groups.groups[place];
        let faulty = group.faulty_members.first().copied();
        if std::mem::replace(&mut group.faulty, faulty) == faulty {
            return;
        }
        for id in group.members.clone() {
            self.settle(id);
        }
    }

    fn settle_takeover(&mut self, place: usize) {
        let group = &self.groups.groups[place];
        if group.faulty.is_some() || !group.is_ready() {
            return;
        }
        for id in group.members_that_are(Standing::Due) {
            self.routers[id.0].take_over(self.now);
            self.collect(id);
        }
    }

    fn settle_split(&mut self, place: usize) {
        let group = &mut self.groups.groups[place];
        let is_splitting = group.has(Standing::Led) && group.has(Standing::Active);
        if !is_splitting && !group.is_splitting {
            return;
        }
        group.is_splitting = is_splitting;
        let patience = group.patience();
        for id in group.members_that_are(Standing::Active) {
            let router = &mut self.routers[id.0];
            let is_news =
                if is_splitting { router.follow_within(patience, self.now) } else { router.stay() };
            if is_news {
                self.collect(id);
            }
        }
    }

    fn group_of(&self, router: RouterId) -> Option<&SyncGroup> {
        self.groups.groups.get(*self.groups.of.get(&router)?)
    }
}

/// Orders the members in the same way on every node, whatever they are called there.
fn rank(config: &InstanceConfig) -> (Family, u8, Option<IpAddr>) {
    let lowest = config.addresses.iter().map(|held| held.address).min();
    (config.family(), config.vrid.get(), lowest)
}

/// How long a group may be Active on two nodes at most, where nothing speaks for this one.
const SHORT_SPLIT: Duration = Duration::from_secs(1);
