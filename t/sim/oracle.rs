//! What must hold after every step, whatever happened before.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use resty_vrrp::proto::{Action, Health, RouterId, State};
use resty_vrrp::types::{Instant, Priority, Vrid};

use crate::host::{Cause, Host};
use crate::model::Candidate;
use crate::network::Network;

/// More actions than this for one router in one step are too many.
const MOST_ACTIONS: usize = 8;

/// More advertisements than this in one interval are a storm: the fastest interval of the tests
/// fits thirty times into the slowest, and each of four neighbours may be answered twice.
const MOST_ADVERTISEMENTS: u64 = 300;

#[derive(Default)]
pub(crate) struct Oracle {
    /// How far each router has got in its term as Active; it has none without an entry.
    terms: BTreeMap<(usize, RouterId), Term>,
    /// What each router has said about itself so far.
    records: BTreeMap<(usize, RouterId), Spoken>,
    /// Since when a host has held addresses although it can hear a better one that holds them too.
    rivals: BTreeMap<(Vrid, usize, usize), Duration>,
    /// Since when a host has held addresses that a worse one holds, too, which it can hear.
    unheeded: BTreeMap<(Vrid, usize, usize), Duration>,
    /// Who has left without a resignation, and may have had no link to send it on.
    owing: BTreeSet<(usize, RouterId)>,
    /// Since when an Active router has had no link, or no address to send from.
    blinks: BTreeMap<(usize, RouterId), Duration>,
    /// Since when nobody at all has held the addresses.
    orphaned: BTreeMap<Vrid, Duration>,
    /// When each Active router last advertised, and the longest interval it has had since.
    voices: BTreeMap<(usize, RouterId), (Duration, Duration)>,
    /// Since when a router that is to go has kept the addresses.
    leaving: BTreeMap<(usize, RouterId), Duration>,
    /// Since when nothing has kept a host from taking over.
    able: BTreeMap<usize, Duration>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Term {
    /// Has advertised, and may claim.
    Begun,
    /// Has the addresses.
    Holding,
}

/// What a router has said with its actions, to be compared with what its snapshot says.
#[derive(Clone, Copy, Debug, Default)]
struct Spoken {
    state: Option<State>,
    since: Option<Instant>,
    transitions: u64,
    advertisements: u64,
    /// How many there had been when this interval began, and when that was.
    counted: (Duration, u64),
}

/// What one host did in one step.
impl Oracle {
    pub(crate) fn judge(
        &mut self,
        lan_now: Duration,
        index: usize,
        host: &mut Host,
        cause: &Cause,
        actions: &[Action],
    ) {
        assert!(
            actions.len() <= MOST_ACTIONS * host.instances.len(),
            "{} actions at once: {actions:?}",
            actions.len()
        );
        for router in host.routers() {
            self.judge_router(index, host, router, cause, actions);
            if actions
                .iter()
                .any(|it| matches!(it, Action::Advertise { router: of, .. } if *of == router))
            {
                self.voices.remove(&(index, router));
            }
            self.judge_snapshot(lan_now, index, host, router, actions);
        }
        judge_clock(host, cause, lan_now);
    }

    /// No claim without an advertisement, no resignation that keeps the addresses, one per term.
    fn judge_router(
        &mut self,
        index: usize,
        host: &Host,
        router: RouterId,
        cause: &Cause,
        actions: &[Action],
    ) {
        let before = self.terms.get(&(index, router)).copied();
        let mut term = before;
        let mut resigned = false;
        for action in actions.iter().filter(|action| concerns(action, router)) {
            match action {
                Action::Advertise { priority: Priority::RESIGN, .. } => {
                    let owed = self.owing.remove(&(index, router));
                    let needed = term.is_some() || owed;
                    assert!(needed && !resigned, "resigns without need: {actions:?}");
                    resigned = term.is_some();
                }
                Action::Advertise { priority, .. } => {
                    assert!(!resigned, "advertises after it resigned: {actions:?}");
                    assert_eq!(*priority, host.priority(router), "advertises another priority");
                    term = term.or(Some(Term::Begun));
                }
                Action::Claim(_) => {
                    let inherits = matches!(cause, Cause::Succeed) && before.is_some();
                    assert!(
                        inherits || term == Some(Term::Begun),
                        "claims in silence: {actions:?}"
                    );
                    assert!(!resigned, "claims after it resigned: {actions:?}");
                    term = Some(Term::Holding);
                }
                Action::Release(_) | Action::Yield { .. } => {
                    assert_eq!(term, Some(Term::Holding), "releases what it has not: {actions:?}");
                    term = None;
                }
                Action::Relay { .. } => {
                    assert_eq!(term, Some(Term::Begun), "relays in vain: {actions:?}");
                }
                Action::Announce(_) => {
                    assert_eq!(term, Some(Term::Holding), "announces what it has not: {actions:?}");
                }
                Action::Transition(_) | Action::Report(_) => {}
            }
        }
        assert!(
            !resigned || term.is_none() || host.is_leaving(),
            "resigned and kept the addresses: {actions:?}"
        );
        if before.is_some() && term.is_none() && !resigned {
            assert!(!leaves_in_order(host, cause), "left without a word: {actions:?}");
            self.owing.insert((index, router));
        }
        // Who finds out whether it is heard by now claims nothing.
        let term = term.filter(|term| *term == Term::Holding || !host.defers(router));
        let (state, held) = (host.state(router), term == Some(Term::Holding));
        assert_eq!(state == State::Active, held, "{} is {state}: {actions:?}", host.name);
        assert_eq!(host.table.contains(&router), held, "the table of {}", host.name);
        let blinks = state == State::Active && !host.has_link() && !host.is_leaving();
        let takes_part = matches!(state, State::Backup | State::Active) && !blinks;
        assert!(!(takes_part && is_barred(host, cause)), "{} is {state} all the same", host.name);
        let serves = host.health == Health::Serving || host.last_one_standing;
        assert!(!blinks || serves, "{} keeps what it cannot serve", host.name);
        self.terms.retain(|key, _| *key != (index, router));
        self.terms.extend(term.map(|term| ((index, router), term)));
    }

    /// The snapshot agrees with what was done.
    fn judge_snapshot(
        &mut self,
        lan_now: Duration,
        index: usize,
        host: &Host,
        router: RouterId,
        actions: &[Action],
    ) {
        let spoken = self.records.entry((index, router)).or_default();
        for action in actions.iter().filter(|action| concerns(action, router)) {
            if let Action::Transition(transition) = action {
                let from = spoken.state.unwrap_or(State::Initialize);
                assert_eq!((transition.from, transition.at), (from, host.local(lan_now)));
                assert_ne!(transition.to, from, "a transition to the same state");
                spoken.state = Some(transition.to);
                spoken.since = Some(transition.at);
                spoken.transitions += 1;
            }
            spoken.advertisements += u64::from(matches!(action, Action::Advertise { .. }));
        }
        let (begin, before) = spoken.counted;
        if lan_now >= begin + host.instance(router).adver_interval.duration() {
            spoken.counted = (lan_now, spoken.advertisements);
        }
        assert!(spoken.advertisements - before <= MOST_ADVERTISEMENTS, "{} storms", host.name);
        let seen = host.node.snapshot(router);
        assert_eq!(seen.state, spoken.state.unwrap_or(State::Initialize));
        assert_eq!((seen.since, seen.transitions), (spoken.since, spoken.transitions));
        assert_eq!(seen.counters.advertisements_sent, spoken.advertisements);
        assert_eq!(seen.fault.is_some(), seen.state == State::Fault, "{:?}", seen.fault);
        let is_self = seen.active.is_some_and(|active| active.is_self);
        assert_eq!(is_self, seen.state == State::Active, "{:?}", seen.active);
    }

    /// A host goes on with another engine, which knows what the last one had left.
    ///
    /// It may be more patient or less than that.
    pub(crate) fn succeed(&mut self, index: usize, host: &Host) {
        self.able.remove(&index);
        for router in host.routers() {
            if let Some(spoken) = self.records.get_mut(&(index, router)) {
                spoken.advertisements = host.advertisements_willed(router);
                spoken.counted.1 = spoken.counted.1.min(spoken.advertisements);
            }
        }
    }

    /// A host has lost its memory.
    pub(crate) fn forget(&mut self, index: usize) {
        self.terms.retain(|(host, _), _| *host != index);
        self.records.retain(|(host, _), _| *host != index);
        self.owing.retain(|(host, _)| *host != index);
    }
}

/// What all hosts are together.
impl Oracle {
    /// `late` is how much later than due an advertisement may be handled.
    pub(crate) fn observe(
        &mut self,
        now: Duration,
        hosts: &[Host],
        network: &Network,
        late: Duration,
    ) {
        for (index, host) in hosts.iter().enumerate() {
            if host.is_able() {
                self.able.entry(index).or_insert(now);
            } else {
                self.able.remove(&index);
            }
        }
        for (index, host) in hosts.iter().enumerate() {
            for router in host.routers() {
                self.observe_voice(now, (index, router), host, late);
                self.observe_leaving(now, (index, router), host, late);
                self.observe_blink(now, (index, router), host, late);
            }
        }
        let vrids: BTreeSet<Vrid> =
            hosts.iter().flat_map(|host| host.instances.iter().map(|it| it.vrid)).collect();
        for vrid in vrids {
            self.observe_rivals(now, vrid, hosts, network, late);
            self.observe_orphans(now, vrid, hosts, late);
        }
    }

    /// A frame was lost: the receiver could not have known better.
    pub(crate) fn excuse(&mut self, from: usize, to: usize) {
        self.rivals.retain(|(_, winner, loser), _| (*winner, *loser) != (from, to));
        self.unheeded.retain(|(_, winner, loser), _| (*winner, *loser) != (to, from));
    }

    /// Somebody who is not simulated speaks, and so may well have the addresses.
    pub(crate) fn hear_stranger(&mut self) {
        self.orphaned.clear();
    }

    /// An Active router is never silent for much longer than its interval.
    fn observe_voice(
        &mut self,
        now: Duration,
        key: (usize, RouterId),
        host: &Host,
        late: Duration,
    ) {
        if !host.is_able() || host.state(key.1) != State::Active {
            self.voices.remove(&key);
            return;
        }
        let interval = host.instance(key.1).adver_interval.duration();
        let (last, longest) = self.voices.entry(key).or_insert((now, interval));
        *longest = interval.max(*longest);
        let silence = now - *last;
        assert!(silence <= *longest * 3 / 2 + late, "{} was silent for {silence:?}", host.name);
    }

    /// A router that is to go answers for a while, but not for long.
    fn observe_leaving(
        &mut self,
        now: Duration,
        key: (usize, RouterId),
        host: &Host,
        late: Duration,
    ) {
        if !host.is_running() || !host.is_leaving() || !host.table.contains(&key.1) {
            self.leaving.remove(&key);
            return;
        }
        let answers = now - *self.leaving.entry(key).or_insert(now);
        let skew = host.slowest.max(Duration::from_secs(1));
        assert!(answers <= 3 * host.slowest + skew + late, "{} stays {answers:?}", host.name);
    }

    /// A router whose link is gone keeps the addresses for as long as no peer takes over.
    fn observe_blink(
        &mut self,
        now: Duration,
        key: (usize, RouterId),
        host: &Host,
        late: Duration,
    ) {
        if !host.is_running() || host.has_link() || host.state(key.1) != State::Active {
            self.blinks.remove(&key);
            return;
        }
        let lasts = now - *self.blinks.entry(key).or_insert(now);
        let patience = u32::from(host.instance(key.1).dead_factor.min(3));
        assert!(lasts <= patience * host.slowest + late, "{} stays {lasts:?}", host.name);
    }

    /// A router that can hear a better Active one yields within one advertisement interval.
    fn observe_rivals(
        &mut self,
        now: Duration,
        vrid: Vrid,
        hosts: &[Host],
        network: &Network,
        late: Duration,
    ) {
        let holders: Vec<(usize, Candidate)> = hosts
            .iter()
            .enumerate()
            .filter(|(_, host)| host.is_able() && host.holds(vrid))
            .filter_map(|(index, host)| Some((index, Candidate::of(host, vrid)?)))
            .collect();
        let mut rivals = BTreeMap::new();
        for (winner, better) in &holders {
            for (loser, worse) in &holders {
                let passes = network.carries(vrid, *winner, *loser)
                    && hosts[*loser].would_hear(&hosts[*winner], vrid, network.routers);
                if better.outranks(worse) && passes {
                    let key = (vrid, *winner, *loser);
                    let since = self.rivals.get(&key).copied().unwrap_or(now);
                    let limit = hosts[*winner].slowest + late * 2;
                    let both = now - since;
                    assert!(both <= limit, "{} beside {} for {both:?}", worse.name, better.name);
                    rivals.insert(key, since);
                }
            }
        }
        self.rivals.retain(|(other, _, _), _| *other != vrid);
        self.rivals.append(&mut rivals);
        self.observe_unheeded(now, vrid, &holders, hosts, network, late);
    }

    /// A router that hears a worse Active one, and is not heard by it, leaves the addresses to it.
    fn observe_unheeded(
        &mut self,
        now: Duration,
        vrid: Vrid,
        holders: &[(usize, Candidate)],
        hosts: &[Host],
        network: &Network,
        late: Duration,
    ) {
        let mut unheeded = BTreeMap::new();
        for (winner, better) in holders {
            let Some(router) = hosts[*winner].router_of(vrid) else { continue };
            // A third router may be in the way: the first one that is heard counts.
            let reaches_it = |it: &usize| {
                let counts =
                    it == winner || hosts[*winner].would_hear(&hosts[*it], vrid, network.routers);
                network.carries(vrid, *it, *winner) && counts
            };
            let heard: Vec<_> = holders.iter().filter(|(it, _)| reaches_it(it)).collect();
            let [_, _] = heard[..] else { continue };
            for (loser, worse) in heard.into_iter().filter(|(_, it)| better.outranks(it)) {
                let since = self.unheeded.get(&(vrid, *winner, *loser)).copied().unwrap_or(now);
                unheeded.insert((vrid, *winner, *loser), since);
                let slowest = hosts[*winner].slowest.max(hosts[*loser].slowest);
                let factor = u32::from(hosts[*winner].instance(router).dead_factor);
                let patience = (slowest * factor + slowest).max(Duration::from_secs(1));
                let limit = 2 * patience + Duration::from_secs(2) + 2 * slowest + late * 4;
                let both = now - since;
                let is_deaf = hosts[*winner].is_deaf(router);
                assert!(
                    is_deaf || both <= limit,
                    "{} and {} for {both:?}",
                    better.name,
                    worse.name
                );
            }
        }
        self.unheeded.retain(|(other, _, _), _| *other != vrid);
        self.unheeded.append(&mut unheeded);
    }

    /// Nobody waits longer than the down interval for addresses that nobody has.
    fn observe_orphans(&mut self, now: Duration, vrid: Vrid, hosts: &[Host], late: Duration) {
        if hosts.iter().any(|host| host.holds(vrid)) {
            self.orphaned.remove(&vrid);
            return;
        }
        let orphaned = *self.orphaned.entry(vrid).or_insert(now);
        let slowest = hosts.iter().map(|host| host.slowest).max().unwrap_or_default();
        for (index, able) in &self.able {
            let host = &hosts[*index];
            let Some(router) = host.router_of(vrid) else { continue };
            if !host.groups.is_empty() {
                continue;
            }
            let patience = u32::from(host.instance(router).dead_factor);
            let skew = slowest.max(Duration::from_secs(1));
            let limit = patience * slowest + skew + host.instance(router).startup_hold + late * 4;
            let waited = now - orphaned.max(*able);
            assert!(waited <= limit, "{} has let VRID {vrid} lie for {waited:?}", host.name);
        }
    }
}

/// Nothing is due any more after a timeout, and the past changes nothing.
fn judge_clock(host: &mut Host, cause: &Cause, lan_now: Duration) {
    let now = host.local(lan_now);
    let deadline = host.node.poll_timeout();
    if matches!(cause, Cause::Timeout) {
        assert!(deadline.is_none_or(|at| at > now), "{deadline:?} is due at {now:?}");
    }
    let waits = host.routers().any(|it| match host.state(it) {
        State::Backup | State::Active => true,
        State::Fault => host.stands_by() && !host.is_deaf(it) || host.defers(it),
        State::Initialize => false,
    });
    assert_eq!(deadline.is_some(), waits, "{} waits for nothing", host.name);

    let before = host.local(lan_now.saturating_sub(Duration::from_millis(1)));
    if deadline.is_none_or(|at| at > now) {
        host.node.handle_timeout(before);
        assert_eq!(host.drain(), [], "the past changed something");
        assert_eq!(host.node.poll_timeout(), deadline, "the past changed a deadline");
    }
}

/// Tells whether a host was told just now that it cannot take part.
fn is_barred(host: &Host, cause: &Cause) -> bool {
    match cause {
        Cause::Shutdown => true,
        Cause::Link => !host.has_link() && host.groups.is_empty(),
        Cause::Health => host.health != Health::Serving && !host.leaves && !host.stands_by(),
        Cause::Timeout
        | Cause::Datagram(_)
        | Cause::Startup
        | Cause::Slept(_)
        | Cause::Drain(_)
        | Cause::Leave
        | Cause::Succeed
        | Cause::Stall(_)
        | Cause::Priority(..) => false,
    }
}

/// Tells whether a host that gives the addresses away now can and must say so.
fn leaves_in_order(host: &Host, cause: &Cause) -> bool {
    let leaves = match cause {
        Cause::Shutdown => true,
        Cause::Health => host.health != Health::Serving && !host.leaves,
        Cause::Timeout
        | Cause::Datagram(_)
        | Cause::Startup
        | Cause::Slept(_)
        | Cause::Link
        | Cause::Drain(_)
        | Cause::Leave
        | Cause::Succeed
        | Cause::Stall(_)
        | Cause::Priority(..) => false,
    };
    leaves && host.has_link()
}

fn concerns(action: &Action, router: RouterId) -> bool {
    match action {
        Action::Advertise { router: it, .. }
        | Action::Claim(it)
        | Action::Release(it)
        | Action::Announce(it)
        | Action::Yield { router: it, .. }
        | Action::Relay { router: it, .. } => *it == router,
        Action::Transition(transition) => transition.router == router,
        Action::Report(_) => false,
    }
}
