//! What a test asks a [`Lan`] after it has run.

use std::time::Duration;

use resty_vrrp::proto::{Reason, Report, RouterId, Snapshot, State};
use resty_vrrp::types::Vrid;

use crate::lan::Lan;
use crate::model::{Candidate, may_be_active};
use crate::packet::Packet;
use crate::trace::Deed;

/// The first virtual router of a host.
const FIRST: RouterId = RouterId(0);

impl Lan {
    pub(crate) fn snapshot(&self, name: &str) -> Snapshot<'_> {
        self.hosts[self.index(name)].node.snapshot(FIRST)
    }

    pub(crate) fn state(&self, name: &str) -> State {
        self.snapshot(name).state
    }

    pub(crate) fn holds(&self, name: &str) -> bool {
        self.hosts[self.index(name)].table.contains(&FIRST)
    }

    /// The hosts that have the addresses of their first router, in the order they were added.
    pub(crate) fn active(&self) -> Vec<&'static str> {
        let holders = self.hosts.iter().filter(|host| host.table.contains(&FIRST));
        holders.map(|host| host.name).collect()
    }

    /// The hosts that have the addresses of this virtual router.
    pub(crate) fn holders(&self, vrid: u8) -> Vec<&'static str> {
        let vrid = Vrid::new(vrid).unwrap();
        let holders = self.hosts.iter().filter(|host| host.holds(vrid));
        holders.map(|host| host.name).collect()
    }

    /// What the host did about its first router, and when.
    pub(crate) fn deeds(&self, name: &str) -> impl Iterator<Item = (Duration, &Deed)> {
        self.trace.iter().filter(move |record| record.host == name).map(|it| (it.at, &it.deed))
    }

    /// The advertisements of the host's first router.
    pub(crate) fn packets(&self, name: &str) -> Vec<(Duration, Packet)> {
        let mut packets = Vec::new();
        for (at, deed) in self.deeds(name) {
            if let Deed::Sent(FIRST, packet) = deed {
                packets.push((at, packet.clone()));
            }
        }
        packets
    }

    /// When the host advertised, and with which priority.
    pub(crate) fn adverts(&self, name: &str) -> Vec<(Duration, u8)> {
        self.packets(name).into_iter().map(|(at, packet)| (at, packet.priority)).collect()
    }

    /// The transitions of the host's first router.
    pub(crate) fn transitions(&self, name: &str) -> Vec<(Duration, State, Reason)> {
        let mut transitions = Vec::new();
        for (at, deed) in self.deeds(name) {
            if let Deed::Became(FIRST, state, reason) = deed {
                transitions.push((at, *state, *reason));
            }
        }
        transitions
    }

    /// When the host became Active, and why.
    pub(crate) fn takeovers(&self, name: &str) -> Vec<(Duration, Reason)> {
        let transitions = self.transitions(name).into_iter();
        let active = transitions.filter(|(_, state, _)| *state == State::Active);
        active.map(|(at, _, reason)| (at, reason)).collect()
    }

    /// What the host did from `start` on, without its state changes and reports.
    pub(crate) fn acts_since(&self, name: &str, start: Duration) -> Vec<Act> {
        let recent = self.deeds(name).filter(|(at, _)| *at >= start);
        recent.filter_map(|(_, deed)| Act::of(deed)).collect()
    }

    /// When the host last did this.
    pub(crate) fn last(&self, name: &str, act: Act) -> Option<Duration> {
        self.deeds(name).filter(|(_, deed)| Act::of(deed) == Some(act)).map(|(at, _)| at).last()
    }

    pub(crate) fn last_act(&self, name: &str) -> Option<Act> {
        self.deeds(name).filter_map(|(_, deed)| Act::of(deed)).last()
    }

    /// What the host reported to its operator.
    pub(crate) fn reports(&self, name: &str) -> Vec<(Duration, &Report)> {
        self.deeds(name).filter_map(|(at, deed)| Some((at, deed.report()?))).collect()
    }

    /// Asserts that in every part of the LAN exactly one router is Active, and a rightful one.
    pub(crate) fn assert_settled(&self) {
        for vrid in self.vrids() {
            for members in self.parts() {
                self.assert_part_settled(vrid, &members);
            }
        }
    }

    /// How long the slowest router may need once everything is well.
    pub(crate) fn settling_time(&self) -> Duration {
        let instances = self.hosts.iter().flat_map(|host| &host.instances);
        let slowest = self.hosts.iter().map(|host| host.slowest).max();
        let slowest = slowest.unwrap_or_default().max(Duration::from_secs(1));
        let patience = instances
            .map(|it| {
                slowest * (u32::from(it.dead_factor) + 2) + it.preempt_delay + it.startup_hold
            })
            .max()
            .unwrap_or_default();
        2 * patience + *self.network.delay.end() * 4 + self.lateness * 4
    }

    fn assert_part_settled(&self, vrid: Vrid, members: &[usize]) {
        let candidates: Vec<Candidate> = members
            .iter()
            .filter(|host| self.hosts[**host].is_able())
            .filter_map(|host| Candidate::of(&self.hosts[*host], vrid))
            .collect();
        let rightful = may_be_active(&candidates);
        let active: Vec<&str> = members
            .iter()
            .map(|host| &self.hosts[*host])
            .filter(|host| host.holds(vrid))
            .map(|host| host.name)
            .collect();
        let fine = match active.as_slice() {
            [] => rightful.is_empty(),
            [one] => rightful.contains(one),
            _ => false,
        };
        assert!(fine, "VRID {vrid}: active {active:?}, rightful {rightful:?}");
    }

    /// The hosts that hear each other; `cuts` must leave whole parts.
    fn parts(&self) -> Vec<Vec<usize>> {
        let mut parts: Vec<Vec<usize>> = Vec::new();
        for host in 0..self.hosts.len() {
            let home = parts.iter_mut().find(|part| self.network.passes(host, part[0]));
            match home {
                Some(part) => part.push(host),
                None => parts.push(vec![host]),
            }
        }
        parts
    }

    fn vrids(&self) -> Vec<Vrid> {
        let instances = self.hosts.iter().flat_map(|host| &host.instances);
        let mut vrids: Vec<Vrid> = instances.map(|instance| instance.vrid).collect();
        vrids.sort();
        vrids.dedup();
        vrids
    }
}

/// Something a peer or a switch can see a host do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Act {
    Advertise(u8),
    Claim,
    Release,
    Announce,
}

impl Act {
    const fn of(deed: &Deed) -> Option<Self> {
        match deed {
            Deed::Sent(_, packet) => Some(Self::Advertise(packet.priority)),
            Deed::Claimed(_) => Some(Self::Claim),
            Deed::Released(_) => Some(Self::Release),
            Deed::Announced(_) => Some(Self::Announce),
            Deed::Touched(_) | Deed::Unsent(..) | Deed::Became(..) | Deed::Reported(_) => None,
        }
    }
}
