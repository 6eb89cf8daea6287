//! What else is looked at before this nginx counts as serving, and what it does to priorities.

use tokio::sync::watch;

use crate::types::{Instant, Priority};

/// Something that was looked at.
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

/// Returns why the node is in fault, if a check says so.
pub(super) fn failing(checks: &[Check]) -> Option<String> {
    let failing = broken(checks)?;
    Some(format!("check {} fails: {}", failing.name, failing.detail))
}

/// Returns the first check that is a fault.
pub(super) fn broken(checks: &[Check]) -> Option<&Check> {
    checks.iter().find(|check| !check.ok && check.weight.is_none())
}

/// How the priorities of this node differ from those that were configured.
#[derive(Debug)]
pub(super) struct Weighing {
    configured: Vec<Priority>,
    told: Vec<Priority>,
    /// Until then, weights that nobody has spoken of may be those of an earlier engine.
    patience_until: Option<Instant>,
}

impl Weighing {
    pub(super) fn new(configured: Vec<Priority>) -> Self {
        Self { configured, told: Vec::new(), patience_until: None }
    }

    /// Returns the priorities to use from now on if they have changed: `tracked` is of one router
    /// each, `checks` are everybody's.
    pub(super) fn changed(
        &mut self,
        checks: &[Check],
        tracked: &[Vec<Check>],
        now: Instant,
    ) -> Option<Vec<Priority>> {
        let patience_until = *self.patience_until.get_or_insert(now + PATIENCE);
        let common = weight(checks);
        let weights = tracked.iter().map(|tracked| weight(tracked)).chain(std::iter::repeat(0));
        let weighed = self.configured.iter().zip(weights).map(|(configured, own)| {
            let weight = common + own;
            (weighed(*configured, weight), weight)
        });
        let (priorities, weights): (Vec<_>, Vec<_>) = weighed.unzip();
        let spoken_of = checks.iter().any(|check| check.weight.is_some());
        let unknown = !spoken_of && weights.iter().all(|&weight| weight == 0);
        if self.told == priorities || self.told.is_empty() && unknown && now < patience_until {
            return None;
        }
        self.told.clone_from(&priorities);
        Some(priorities)
    }
}

/// Returns the sum of the weights of what fails.
fn weight(checks: &[Check]) -> i32 {
    let failing = checks.iter().filter(|check| !check.ok);
    failing.filter_map(|check| check.weight).map(i32::from).sum()
}

/// An owner of addresses does not compete: its priority stays.
fn weighed(priority: Priority, weight: i32) -> Priority {
    if priority.is_owner() {
        return priority;
    }
    let sum = (i32::from(priority.get()) + weight).clamp(1, 254);
    Priority::new(u8::try_from(sum).unwrap_or(1))
}

/// Checks have been made for the first time after this long.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_nanos(1_000_000_000);

    fn check(name: &str, ok: bool, weight: Option<i16>) -> Check {
        Check { name: name.to_owned(), ok, weight, detail: "no answer".to_owned() }
    }

    #[test]
    fn a_failing_check_without_a_weight_is_a_fault_with_the_reason() {
        let checks = [check("disk", false, Some(-10)), check("app", false, None)];

        assert_eq!(failing(&checks).as_deref(), Some("check app fails: no answer"));
        assert_eq!(failing(&checks[..1]), None);
    }

    #[test]
    fn weights_add_up_within_the_range_of_a_priority_and_spare_the_owner() {
        let mut weighing =
            Weighing::new(vec![Priority::new(150), Priority::new(20), Priority::OWNER]);
        let mut checks = vec![check("a", false, Some(-30)), check("b", true, Some(-50))];

        let lower = weighing.changed(&checks, &[], START);
        checks[0].ok = true;
        let normal = weighing.changed(&checks, &[], START);

        assert_eq!(lower, Some([120, 1, 255].map(Priority::new).to_vec()));
        assert_eq!(normal, Some([150, 20, 255].map(Priority::new).to_vec()));
        assert_eq!(weighing.changed(&checks, &[], START), None);
    }

    #[test]
    fn a_tracked_interface_weighs_on_its_own_router_alone() {
        let mut weighing = Weighing::new(vec![Priority::new(150), Priority::new(150)]);
        let tracked = [vec![check("track eth1", false, Some(-100))], Vec::new()];

        let lower = weighing.changed(&[check("a", false, Some(-10))], &tracked, START);

        assert_eq!(lower, Some([40, 140].map(Priority::new).to_vec()));
    }

    #[test]
    fn an_inherited_priority_stays_until_checks_were_made_or_there_are_none() {
        let mut weighing = Weighing::new(vec![Priority::new(150)]);

        assert_eq!(weighing.changed(&[], &[], START), None);
        assert_eq!(weighing.changed(&[], &[], START + PATIENCE), Some(vec![Priority::new(150)]));
    }
}
