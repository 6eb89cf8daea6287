//! Checks besides the workers, their verdicts, and their weights.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::sync::watch;

use crate::proto::RouterId;
use crate::types::{Instant, Priority};

/// A check that is made periodically.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlannedCheck {
    /// Its name in the status.
    pub name: String,
    /// How the priority changes while it does not hold; `None` holds the node in fault.
    pub weight: Option<i16>,
    /// How long one verdict may take.
    pub timeout: Duration,
    /// Whether nginx's event loop in the carrier makes it: while that stalls, there are no
    /// verdicts.
    pub in_lua: bool,
}

/// The verdict of a check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Check {
    /// Its name in the status.
    pub name: String,
    /// Whether it holds.
    pub ok: bool,
    /// How the priority changes while it does not; `None` holds the node in fault.
    pub weight: Option<i16>,
    /// Why it does not hold, for people.
    pub detail: String,
}

/// The verdicts so far, each check once.
pub(super) type Verdicts = watch::Sender<Vec<Check>>;

/// Takes the newest verdict about a check in place of an earlier one.
pub(super) fn tell(verdicts: &Verdicts, check: Check) {
    verdicts.send_if_modified(|known| {
        match known.iter_mut().find(|other| other.name == check.name) {
            Some(known) if *known == check => return false,
            Some(known) => *known = check,
            None => known.push(check),
        }
        true
    });
}

/// Returns the verdicts while nginx's event loop in the carrier stalls: checks in Lua count as
/// failed.
pub(super) fn blocked(planned: &[PlannedCheck], known: &[Check], silence: Duration) -> Vec<Check> {
    let missed = planned.iter().filter(|check| check.in_lua).map(|check| Check {
        name: check.name.clone(),
        ok: false,
        weight: check.weight,
        detail: format!("no answer, the carrier's event loop is blocked for {silence:?} or more"),
    });
    let missed: Vec<_> = missed.collect();
    let is_missed = |check: &Check| missed.iter().any(|missed| missed.name == check.name);
    let others = known.iter().filter(|check| !is_missed(check)).cloned().collect();
    [missed, others].concat()
}

/// The result of all checks of this node.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Findings {
    /// No check fails.
    Fine,
    /// A check holds the node in fault, for this reason.
    Failing(String),
    /// No check has failed, but this one has no verdict yet.
    Awaited(String),
}

/// Returns the result of the checks without a weight.
pub(super) fn findings(planned: &[PlannedCheck], checks: &[Check]) -> Findings {
    if let Some(failing) = broken(checks) {
        return Findings::Failing(failure(&failing.name) + &failing.detail);
    }
    let known = |name: &str| checks.iter().any(|check| check.name == name);
    let mut planned = planned.iter().filter(|check| check.weight.is_none());
    match planned.find(|check| !known(&check.name)) {
        Some(check) => Findings::Awaited(failure(&check.name) + "it was not made yet"),
        None => Findings::Fine,
    }
}

pub(super) fn failure(name: &str) -> String {
    format!("check {name} fails: ")
}

/// Returns the first check that is a fault.
pub(super) fn broken(checks: &[Check]) -> Option<&Check> {
    checks.iter().find(|check| !check.ok && check.weight.is_none())
}

/// How the priorities of this node differ from those that were configured.
#[derive(Debug)]
pub(super) struct Weighing {
    routers: Vec<Weighed>,
    /// The weight of the checks that count for every router.
    common: i32,
    /// The routers whose own weight has changed since the last call.
    changed: BTreeSet<RouterId>,
    has_begun: bool,
    /// Until then, checks without a verdict keep the weight that an earlier engine gave them.
    patience_until: Option<Instant>,
}

#[derive(Debug)]
struct Weighed {
    configured: Priority,
    /// The weight of the interfaces that it tracks.
    tracked: i32,
    in_use: Priority,
}

impl Weighing {
    pub(super) fn new(configured: impl Iterator<Item = Priority>) -> Self {
        let weighed = |configured| Weighed { configured, tracked: 0, in_use: configured };
        Self {
            routers: configured.map(weighed).collect(),
            common: 0,
            changed: BTreeSet::new(),
            has_begun: false,
            patience_until: None,
        }
    }

    /// Takes the state of the tracked interfaces of a router.
    pub(super) fn track(&mut self, router: RouterId, tracked: &[Check]) {
        self.routers[router.0].tracked = weight(tracked);
        self.changed.insert(router);
    }

    /// Returns the priorities to use from now on, where they are not those returned before; all of
    /// them at first. `checks` count for every router.
    pub(super) fn changes(&mut self, checks: &[Check], now: Instant) -> Vec<(RouterId, Priority)> {
        let patience_until = *self.patience_until.get_or_insert(now + PATIENCE);
        let common = weight(checks);
        if !self.has_begun {
            let is_spoken_of = checks.iter().any(|check| check.weight.is_some());
            let is_weighed = self.routers.iter().any(|router| router.tracked != 0);
            if !is_spoken_of && !is_weighed && now < patience_until {
                return Vec::new();
            }
        }
        let changed = std::mem::take(&mut self.changed).into_iter();
        let concerned: Vec<_> = if common == self.common && self.has_begun {
            changed.collect()
        } else {
            (0..self.routers.len()).map(RouterId).collect()
        };
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        self.common = common;
        let weigh = |router: RouterId| {
            let weighed = &mut self.routers[router.0];
            let priority = weigh(weighed.configured, common + weighed.tracked);
            let before = std::mem::replace(&mut weighed.in_use, priority);
            (is_first || before != priority).then_some((router, priority))
        };
        concerned.into_iter().filter_map(weigh).collect()
    }
}

/// Returns the sum of the weights of failed checks.
fn weight(checks: &[Check]) -> i32 {
    let failing = checks.iter().filter(|check| !check.ok);
    failing.filter_map(|check| check.weight).map(i32::from).sum()
}

/// An owner of addresses does not compete: its priority stays.
fn weigh(priority: Priority, weight: i32) -> Priority {
    if priority.is_owner() {
        return priority;
    }
    let sum = (i32::from(priority.get()) + weight).clamp(1, 254);
    Priority::new(u8::try_from(sum).unwrap_or(1))
}

/// Time after which each check has its first verdict.
const PATIENCE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_nanos(1_000_000_000);

    fn planned(name: &str, weight: Option<i16>) -> PlannedCheck {
        let timeout = Duration::from_secs(1);
        PlannedCheck { name: name.to_owned(), weight, timeout, in_lua: true }
    }

    fn check(name: &str, ok: bool, weight: Option<i16>) -> Check {
        Check { name: name.to_owned(), ok, weight, detail: "no answer".to_owned() }
    }

    #[test]
    fn a_failing_check_without_a_weight_is_a_fault_with_the_reason() {
        let checks = [check("disk", false, Some(-10)), check("app", false, None)];

        let why = "check app fails: no answer".to_owned();
        assert_eq!(findings(&[], &checks), Findings::Failing(why));
        assert_eq!(findings(&[], &checks[..1]), Findings::Fine);
    }

    #[test]
    fn a_check_without_a_weight_is_awaited_until_it_was_made() {
        let planned = [planned("disk", Some(-10)), planned("app", None)];
        let disk = check("disk", true, Some(-10));

        let before = findings(&planned, std::slice::from_ref(&disk));
        let after = findings(&planned, &[disk, check("app", true, None)]);

        assert_eq!(before, Findings::Awaited("check app fails: it was not made yet".to_owned()));
        assert_eq!(after, Findings::Fine);
    }

    #[test]
    fn while_the_loop_is_blocked_all_checks_in_lua_fail_and_the_probe_says_for_itself() {
        let planned = [planned("app", None), planned("disk", Some(-10))];
        let known = [check("probe", true, None), check("app", true, None)];

        let checks = blocked(&planned, &known, Duration::from_secs(2));

        let seen: Vec<_> = checks.iter().map(|it| (it.name.as_str(), it.ok, it.weight)).collect();
        assert_eq!(seen, [("app", false, None), ("disk", false, Some(-10)), ("probe", true, None)]);
        assert!(checks[0].detail.contains("blocked for 2s"), "{}", checks[0].detail);
    }

    #[test]
    fn weights_add_up_within_the_range_of_a_priority_and_spare_the_owner() {
        let mut weighing = weighing(&[150, 20, 255]);
        let mut checks = vec![check("a", false, Some(-30)), check("b", true, Some(-50))];

        let lower = changes(&mut weighing, &checks, START);
        checks[0].ok = true;
        let normal = changes(&mut weighing, &checks, START);

        assert_eq!(lower, [(0, 120), (1, 1), (2, 255)]);
        assert_eq!(normal, [(0, 150), (1, 20)], "the owner's has not changed");
        assert_eq!(changes(&mut weighing, &checks, START), []);
    }

    #[test]
    fn a_tracked_interface_weighs_on_its_own_router_alone() {
        let mut weighing = weighing(&[150, 150]);
        let checks = [check("a", false, Some(-10))];
        weighing.track(RouterId(0), &[check("track eth1", false, Some(-100))]);

        let lower = changes(&mut weighing, &checks, START);
        weighing.track(RouterId(0), &[check("track eth1", true, Some(-100))]);
        let higher = changes(&mut weighing, &checks, START);

        assert_eq!(lower, [(0, 40), (1, 140)]);
        assert_eq!(higher, [(0, 140)]);
    }

    #[test]
    fn an_inherited_priority_stays_until_checks_were_made_or_there_are_none() {
        let mut weighing = weighing(&[150]);

        assert_eq!(changes(&mut weighing, &[], START), []);
        assert_eq!(changes(&mut weighing, &[], START + PATIENCE), [(0, 150)]);
    }

    fn weighing(configured: &[u8]) -> Weighing {
        Weighing::new(configured.iter().copied().map(Priority::new))
    }

    fn changes(weighing: &mut Weighing, checks: &[Check], now: Instant) -> Vec<(usize, u8)> {
        let changes = weighing.changes(checks, now).into_iter();
        changes.map(|(router, priority)| (router.0, priority.get())).collect()
    }
}
