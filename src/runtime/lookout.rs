//! Routers that may not hear their peers, and what a look at the link has found.
//!
//! An Active router that hears nobody may be alone, or deaf: its host may drop what peers send, or
//! they may use other settings. Only a look at the link layer can tell. A healthy Active router
//! hears nobody either, so the looks become rare.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use crate::proto::{LinkId, RouterId, Sighted, Sighting};
use crate::types::{Family, Instant};

/// The links of routers that hear nobody, and the findings of the last look at each.
#[derive(Debug, Default)]
pub(super) struct Lookout {
    doubts: BTreeMap<LinkId, Doubt>,
    watched: BTreeMap<RouterId, UnheardSince>,
    verdicts: BTreeMap<RouterId, LookVerdict>,
    /// The routers that the core and the operator believe to have a finding.
    judged: BTreeSet<RouterId>,
}

/// What has to be known of one router.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Reception {
    /// The link where it listens.
    pub(super) link: LinkId,
    /// Whether it is Active.
    pub(super) is_active: bool,
    /// How many datagrams have reached it.
    pub(super) received: u64,
    /// How many of these were accepted advertisements.
    pub(super) accepted: u64,
    /// How long peers may be silent.
    pub(super) patience: Duration,
}

/// The finding of a look about a router.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum LookVerdict {
    /// This host drops what a peer sends.
    Dropped {
        /// The peer.
        source: IpAddr,
        /// Whether it outranks this node.
        outranks: bool,
    },
    /// The previous engine found that. It counts until this engine has looked.
    DroppedBefore,
    /// A router advertises with settings that this one does not accept.
    Otherwise {
        /// Who.
        source: IpAddr,
        /// How.
        what: Sighted,
    },
}

/// Looks at one link.
#[derive(Clone, Copy, Debug)]
struct Doubt {
    look_at: Instant,
    pause: Duration,
}

/// Since when an Active router has heard nothing.
#[derive(Clone, Copy, Debug)]
struct UnheardSince {
    accepted: u64,
    /// How many datagrams had reached it when it was found deaf.
    received: u64,
    since: Instant,
}

impl Lookout {
    /// Takes the state of all routers, and forgets the findings about those that hear.
    pub(super) fn note(&mut self, all: impl Iterator<Item = (RouterId, Reception)>, now: Instant) {
        let mut in_doubt = BTreeSet::new();
        for (router, reception) in all {
            if self.is_in_doubt(router, reception, now) {
                in_doubt.insert(reception.link);
            } else {
                self.verdicts.remove(&router);
            }
        }
        self.doubts.retain(|link, _| in_doubt.contains(link));
        for link in in_doubt {
            self.doubts.entry(link).or_insert(Doubt { look_at: now, pause: SHORTEST_PAUSE });
        }
    }

    fn is_in_doubt(&mut self, router: RouterId, reception: Reception, now: Instant) -> bool {
        let Reception { is_active, received, accepted, patience, .. } = reception;
        let fresh = UnheardSince { accepted, received, since: now };
        let is_deaf = self.is_deaf(router);
        let watched = self.watched.entry(router).or_insert(fresh);
        if is_deaf {
            return watched.received == received;
        }
        if !is_active || watched.accepted != accepted {
            *watched = fresh;
        }
        watched.received = received;
        is_active && now >= watched.since + patience.max(SHORTEST_SILENCE)
    }

    /// Returns the link that is to be looked at now, if there is one.
    pub(super) fn next_link(&self, now: Instant) -> Option<LinkId> {
        let due = self.doubts.iter().filter(|(_, doubt)| doubt.look_at <= now);
        due.min_by_key(|(_, doubt)| doubt.look_at).map(|(link, _)| *link)
    }

    /// Takes the result of a look at a link: how often which datagrams were seen for each router
    /// that listens there, and which of the routers have received something meanwhile.
    pub(super) fn conclude(
        &mut self,
        link: LinkId,
        routers: &BTreeMap<RouterId, bool>,
        sighted: &BTreeMap<Sighting, usize>,
        outranks: impl Fn(&Sighting) -> bool,
        now: Instant,
    ) {
        let mut is_worth_another = false;
        for (router, has_received) in routers {
            let of_it = sighted.iter().filter(|(sighting, _)| sighting.router == *router);
            let verdicts = of_it.filter_map(|(sighting, times)| {
                verdict(sighting, *times, *has_received, outranks(sighting))
            });
            // The most harmful finding.
            let worst = verdicts.max_by_key(|verdict| match verdict {
                LookVerdict::Dropped { outranks, .. } => 1 + u8::from(*outranks),
                LookVerdict::Otherwise { .. } | LookVerdict::DroppedBefore => 0,
            });
            is_worth_another |= worst.is_some();
            match worst {
                Some(verdict) => self.verdicts.insert(*router, verdict),
                None => self.verdicts.remove(router),
            };
        }
        let Some(doubt) = self.doubts.get_mut(&link) else { return };
        if is_worth_another {
            doubt.pause = SHORTEST_PAUSE;
        }
        doubt.look_at = now + doubt.pause;
        doubt.pause = (doubt.pause * 2).min(LONGEST_PAUSE);
    }

    /// Postpones the next look at a link after a failed one. Findings of the previous engine about
    /// the routers that listen there count no longer then: the next look may never succeed.
    pub(super) fn put_off(
        &mut self,
        link: LinkId,
        routers: impl IntoIterator<Item = RouterId>,
        now: Instant,
    ) {
        for router in routers {
            if self.verdicts.get(&router) == Some(&LookVerdict::DroppedBefore) {
                self.verdicts.remove(&router);
            }
        }
        if let Some(doubt) = self.doubts.get_mut(&link) {
            doubt.look_at = now + LONGEST_PAUSE;
        }
    }

    /// Returns the findings.
    pub(super) fn verdicts(&self) -> &BTreeMap<RouterId, LookVerdict> {
        &self.verdicts
    }

    /// Returns the routers with a finding, and those whose finding has ended since the last call.
    pub(super) fn take_judged(&mut self) -> BTreeSet<RouterId> {
        let judged = self.verdicts.keys().copied().collect();
        let before = std::mem::replace(&mut self.judged, judged);
        &before | &self.judged
    }

    /// Tells whether a router must not be Active: a peer that it cannot hear outranks it.
    pub(super) fn is_deaf(&self, router: RouterId) -> bool {
        let verdict = self.verdicts.get(&router);
        matches!(
            verdict,
            Some(LookVerdict::Dropped { outranks: true, .. } | LookVerdict::DroppedBefore)
        )
    }

    /// Has the link of a router looked at that the engine before this one found deaf.
    pub(super) fn suspect(&mut self, router: RouterId) {
        self.verdicts.insert(router, LookVerdict::DroppedBefore);
        // The core holds it already, also if the finding ends before it was ever told.
        self.judged.insert(router);
    }
}

fn verdict(
    sighting: &Sighting,
    times: usize,
    has_received: bool,
    outranks: bool,
) -> Option<LookVerdict> {
    let Sighting { source, what, .. } = *sighting;
    match what {
        // The last advertisement of a router that steps down is no sign of deafness.
        Sighted::Acceptable { .. } if has_received || times < 2 => None,
        Sighted::Acceptable { .. } => Some(LookVerdict::Dropped { source, outranks }),
        Sighted::To(_) | Sighted::Authenticated | Sighted::OwnAddress | Sighted::OtherVrid(_) => {
            Some(LookVerdict::Otherwise { source, what })
        }
    }
}

impl LookVerdict {
    /// Returns what an operator should know, and do.
    pub(super) fn text(&self, own: Option<IpAddr>) -> String {
        match self {
            Self::Dropped { source, .. } => {
                let or = if source.is_ipv4() { ", or rp_filter" } else { "" };
                format!(
                    "{source} advertises, but this host drops it before it reaches the module: a \
                     firewall on input (nft list ruleset){or}"
                )
            }
            Self::DroppedBefore => {
                "a peer has advertised, and this host has dropped it: it is looked at again"
                    .to_owned()
            }
            Self::Otherwise { source, what } => {
                let how = match what {
                    Sighted::Acceptable { .. } => "as it should".to_owned(),
                    Sighted::To(group) if *group == Family::of(*group).group() => {
                        format!("to the group {group}, not to this node alone (peers)")
                    }
                    Sighted::To(destination) if Some(*destination) == own => {
                        "to this node alone (unicast), not to the group".to_owned()
                    }
                    Sighted::To(destination) => format!("to {destination}, not to the group"),
                    Sighted::Authenticated => {
                        "with an authentication header, which this module does not speak".to_owned()
                    }
                    Sighted::OwnAddress => {
                        "that is the address of this node: another host has it, too".to_owned()
                    }
                    Sighted::OtherVrid(vrid) => format!("vrid {vrid} for the same addresses"),
                };
                format!("{source} advertises {how}. Both nodes have to be configured alike")
            }
        }
    }
}

/// Silence after which a router may be deaf.
const SHORTEST_SILENCE: Duration = Duration::from_secs(1);
const SHORTEST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Priority, Vrid};

    #[test]
    fn an_active_router_that_hears_nobody_is_looked_at_ever_less_often() {
        let mut lookout = Lookout::default();
        let mut looks = Vec::new();

        for second in 0..3_600 {
            lookout.note([(ROUTER, silent(1))].into_iter(), at(second));
            if let Some(link) = lookout.next_link(at(second)) {
                looks.push(second);
                lookout.conclude(link, &UNHEARD.into(), &NOTHING, |_| false, at(second));
            }
        }

        assert_eq!(looks, [4, 9, 19, 39, 79, 159, 319, 639, 1239, 1839, 2439, 3039]);
    }

    #[test]
    fn a_router_that_hears_is_never_looked_at() {
        let mut lookout = Lookout::default();

        for second in 0..60 {
            lookout.note([(ROUTER, silent(second))].into_iter(), at(second));
            assert_eq!(lookout.next_link(at(second)), None);
        }
    }

    #[test]
    fn what_is_seen_twice_and_not_received_is_dropped_on_this_host() {
        let seen = |times| BTreeMap::from([(acceptable(), times)]);

        assert_eq!(found(&seen(2), false), Some(DROPPED));
        assert_eq!(found(&seen(1), false), None, "it may have been its last word");
        assert_eq!(found(&seen(2), true), None, "something was received");
    }

    #[test]
    fn whoever_advertises_otherwise_is_named_and_one_that_is_dropped_before_all() {
        let otherwise = |what| Sighting { what, ..acceptable() };
        let vrid = Sighted::OtherVrid(Vrid::new(7).unwrap());
        for what in [Sighted::Authenticated, Sighted::OwnAddress, Sighted::To(PEER), vrid] {
            let mut seen = BTreeMap::from([(otherwise(what), 1)]);
            assert_eq!(found(&seen, true), Some(LookVerdict::Otherwise { source: PEER, what }));
            seen.insert(acceptable(), 5);
            assert_eq!(found(&seen, false), Some(DROPPED));
        }
    }

    #[test]
    fn a_deaf_router_is_deaf_until_it_hears_or_nobody_is_seen() {
        let deaf = || {
            let mut lookout = Lookout::default();
            for second in 0..5 {
                lookout.note([(ROUTER, silent(1))].into_iter(), at(second));
            }
            let seen = BTreeMap::from([(acceptable(), 3)]);
            lookout.conclude(LINK, &UNHEARD.into(), &seen, |_| true, at(5));
            let inactive = Reception { is_active: false, ..silent(1) };
            lookout.note([(ROUTER, inactive)].into_iter(), at(6));
            assert!(lookout.is_deaf(ROUTER));
            assert_eq!(lookout.next_link(at(10)), Some(LINK), "it is looked at again");
            (lookout, inactive)
        };

        let (mut lookout, inactive) = deaf();
        let hears = Reception { received: 2, ..inactive };
        lookout.note([(ROUTER, hears)].into_iter(), at(7));
        assert!(!lookout.is_deaf(ROUTER));

        let (mut lookout, _) = deaf();
        lookout.conclude(LINK, &UNHEARD.into(), &NOTHING, |_| true, at(10));
        assert!(!lookout.is_deaf(ROUTER));
    }

    #[test]
    fn a_router_that_was_deaf_before_is_looked_at_at_once() {
        let suspected = || {
            let mut lookout = Lookout::default();
            lookout.suspect(ROUTER);
            let inactive = Reception { is_active: false, ..silent(7) };
            lookout.note([(ROUTER, inactive)].into_iter(), at(0));
            assert!(lookout.is_deaf(ROUTER));
            assert_eq!(lookout.next_link(at(0)), Some(LINK));
            (lookout, inactive)
        };

        let (mut lookout, inactive) = suspected();
        let hears = Reception { received: 8, ..inactive };
        lookout.note([(ROUTER, hears)].into_iter(), at(1));
        assert!(!lookout.is_deaf(ROUTER));

        let (mut lookout, _) = suspected();
        lookout.conclude(LINK, &UNHEARD.into(), &NOTHING, |_| true, at(1));
        assert!(!lookout.is_deaf(ROUTER));

        let (mut lookout, _) = suspected();
        lookout.put_off(LINK, [ROUTER], at(1));
        assert!(!lookout.is_deaf(ROUTER));

        let (mut lookout, _) = suspected();
        let seen = BTreeMap::from([(acceptable(), 3)]);
        lookout.conclude(LINK, &UNHEARD.into(), &seen, |_| true, at(1));
        assert!(lookout.is_deaf(ROUTER));
    }

    #[test]
    fn a_look_that_fails_ends_the_suspicion_on_its_own_link_and_that_is_told() {
        let (mut lookout, other) = (Lookout::default(), RouterId(1));
        lookout.suspect(ROUTER);
        lookout.suspect(other);

        lookout.put_off(LINK, [ROUTER], at(1));

        assert_eq!([ROUTER, other].map(|router| lookout.is_deaf(router)), [false, true]);
        assert_eq!(lookout.take_judged(), [ROUTER, other].into());
        assert_eq!(lookout.take_judged(), [other].into());
    }

    const ROUTER: RouterId = RouterId(0);
    const LINK: LinkId = LinkId(0);
    const PEER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 7));
    const DROPPED: LookVerdict = LookVerdict::Dropped { source: PEER, outranks: false };
    const UNHEARD: [(RouterId, bool); 1] = [(ROUTER, false)];
    const NOTHING: BTreeMap<Sighting, usize> = BTreeMap::new();

    fn acceptable() -> Sighting {
        let what = Sighted::Acceptable { priority: Priority::new(1) };
        Sighting { router: ROUTER, source: PEER, what }
    }

    fn found(seen: &BTreeMap<Sighting, usize>, has_received: bool) -> Option<LookVerdict> {
        let mut lookout = Lookout::default();
        let routers = BTreeMap::from([(ROUTER, has_received)]);
        lookout.conclude(LINK, &routers, seen, |_| false, at(0));
        lookout.verdicts().get(&ROUTER).cloned()
    }

    /// An Active router that has received so much.
    fn silent(received: u64) -> Reception {
        let patience = Duration::from_millis(3_600);
        Reception { link: LINK, is_active: true, received, accepted: received, patience }
    }

    fn at(second: u64) -> Instant {
        Instant::from_nanos((1_000 + second) * 1_000_000_000)
    }
}
