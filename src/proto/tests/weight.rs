//! Priorities that a weight has lowered, and whether that moves the addresses.

use super::*;

#[test]
fn a_lowered_priority_that_nobody_takes_over_for_is_reported_once_and_shows_while_it_lasts() {
    let mut subject = Subject::active(&config());

    subject.lower(70);
    let early = subject.run(TOO_EARLY);
    assert_eq!((problems_reported(&early), subject.snapshot().warning), (vec![], None));
    let late = subject.run(SECOND);
    let later = subject.run(600 * SECOND);

    assert_eq!(problems_reported(&late), [in_vain(70)]);
    assert_eq!(problems_reported(&later), []);
    assert_eq!(subject.snapshot().warning, Some(in_vain(70)));
}

#[test]
fn a_lowered_priority_that_somebody_takes_over_for_is_not_reported() {
    let mut subject = Subject::active(&config());

    subject.lower(70);
    subject.run(DOWN);
    subject.hears(&Advert::new(80));

    assert_eq!(subject.state(), State::Backup);
    let mut hears = || {
        subject.hears(&Advert::new(80));
        problems_reported(&subject.run(SECOND))
    };
    assert!((0..60).all(|_| hears().is_empty()));
    assert_eq!(subject.snapshot().warning, None);
}

#[test]
fn a_priority_that_comes_back_takes_the_warning_with_it() {
    let mut subject = Subject::active(&config());
    subject.lower(70);
    subject.run(60 * SECOND);

    subject.lower(100);

    assert_eq!(subject.snapshot().warning, None);
    subject.lower(70);
    assert_eq!(subject.snapshot().warning, None, "it may be another story now");
    assert_eq!(problems_reported(&subject.run(60 * SECOND)), [in_vain(70)]);
}

#[test]
fn a_priority_lowered_further_is_judged_anew_and_one_raised_a_little_is_not() {
    let mut subject = Subject::active(&config());
    subject.lower(70);
    subject.run(60 * SECOND);

    subject.lower(80);
    assert_eq!(subject.snapshot().warning, Some(in_vain(80)));
    assert_eq!(problems_reported(&subject.run(60 * SECOND)), []);
    subject.lower(60);

    assert_eq!(subject.snapshot().warning, None);
    assert_eq!(problems_reported(&subject.run(60 * SECOND)), [in_vain(60)]);
}

#[test]
fn a_backup_says_nothing_of_a_lowered_priority_until_it_is_active_for_long_enough() {
    let mut subject = Subject::started(&config());
    subject.lower(70);
    for _ in 0..60 {
        assert_eq!(reports(&subject.hears(&Advert::new(90))), [] as [&Report; 0]);
        assert_eq!(problems_reported(&subject.run(SECOND)), []);
    }

    subject.run(PATIENCE);
    assert_eq!((subject.state(), subject.snapshot().warning), (State::Active, None));

    assert_eq!(problems_reported(&subject.run(PATIENCE)), [in_vain(70)]);
}

#[test]
fn who_tolerates_lower_priorities_for_a_while_is_given_the_time() {
    let delay = 30 * SECOND;
    let mut subject = Subject::active(&InstanceConfig { preempt_delay: delay, ..config() });

    subject.lower(70);

    assert_eq!(problems_reported(&subject.run(TOO_EARLY + delay)), []);
    assert_eq!(problems_reported(&subject.run(SECOND)), [in_vain(70)]);
}

#[test]
fn who_leaves_or_is_of_last_resort_or_owns_the_addresses_does_not_compete_by_weight() {
    let mut leaving = Subject::active(&config());
    leaving.lower(70);
    leaving.run(60 * SECOND);
    leaving.handle(Input::Drain(true));
    assert_eq!((leaving.state(), leaving.snapshot().warning), (State::Active, None));

    let mut last = Subject::willing(&config());
    last.handle(Input::Startup);
    last.run(60 * SECOND);
    last.lower(70);
    last.handle(failing());
    assert_eq!(problems_reported(&last.run(60 * SECOND)), []);
    assert_eq!((last.state(), last.snapshot().warning), (State::Active, None));

    let mut owner = Subject::active(&owner());
    owner.lower(70);
    assert_eq!(problems_reported(&owner.run(60 * SECOND)), []);
}

#[test]
fn a_successor_does_not_report_again_what_its_predecessor_has() {
    let mut before = Subject::active(&config());
    before.lower(70);
    before.run(60 * SECOND);

    let mut after = Subject::unstarted(&config(), before.now + millis(5));
    let not_inherited = after.node.inherit(&before.node.bequeath(before.now), after.now);

    assert_eq!(not_inherited, Ok(Vec::new()));
    assert_eq!(after.snapshot().warning, Some(in_vain(70)));
    assert_eq!(problems_reported(&after.run(60 * SECOND)), []);
}

impl Subject {
    fn lower(&mut self, priority: u8) {
        self.handle(Input::Priority { router: ROUTER, priority: Priority::new(priority) });
    }
}

fn in_vain(lowered: u8) -> Problem {
    Problem::WeightInVain { configured: Priority::new(100), lowered: Priority::new(lowered) }
}

fn problems_reported(actions: &[(Duration, Action)]) -> Vec<Problem> {
    let actions: Vec<_> = actions.iter().map(|(_, action)| action.clone()).collect();
    reports(&actions).into_iter().map(|report| report.problem.clone()).collect()
}

/// `Active_Down_Interval` at priority 70, and two seconds more.
const PATIENCE: Duration = Duration::from_nanos(5_726_562_500);
const TOO_EARLY: Duration = Duration::from_nanos(5_726_562_499);
