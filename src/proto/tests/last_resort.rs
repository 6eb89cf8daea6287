//! Better served badly than not at all: the last one standing.

use super::*;

/// `Active_Down_Interval` and `Skew_Time` of priority 1.
const DOWN_LOWEST: Duration = Duration::from_nanos(3_996_093_750);
const SKEW_LOWEST: Duration = Duration::from_nanos(996_093_750);

#[test]
fn without_the_option_an_unhealthy_node_serves_nobody() {
    let mut subject = Subject::active(&config());

    subject.handle(failing());

    assert_eq!(subject.timeout(), None);
}

#[test]
fn an_unhealthy_node_leaves_and_serves_again_at_priority_1_if_nobody_else_does() {
    for (mut subject, leaves) in [(active(), vec![advertise(0), RELEASE]), (backup(), vec![])] {
        assert_eq!(effects(subject.handle(failing())), leaves);
        assert_eq!((subject.state(), subject.reason()), (State::Fault, Some(Reason::Unhealthy)));
        assert!(subject.snapshot().fault.is_some());

        let done = timed_effects(subject.run(DOWN_LOWEST));

        assert_eq!(done, [(DOWN_LOWEST, advertise(1)), (DOWN_LOWEST, CLAIM)]);
        assert_eq!(subject.reason(), Some(Reason::LastOneStanding));
        assert_eq!(subject.snapshot().effective_priority, Priority::new(1));
        assert_eq!(subject.run(SECOND), [(SECOND, advertise(1))]);
    }
}

#[test]
fn it_does_not_while_another_router_is_active() {
    let mut subject = backup();
    subject.handle(failing());

    for _ in 0..10 {
        assert_eq!(subject.hears(&Advert::new(1)), []);
        assert_eq!(subject.run(3 * SECOND), []);
    }
    assert_eq!(subject.state(), State::Fault);
    assert_eq!(subject.snapshot().active.map(|active| active.address), Some(LOWER.into()));

    subject.hears(&Advert::new(0));
    assert_eq!(timed_effects(subject.run(SECOND))[0], (SKEW_LOWEST, advertise(1)));
}

#[test]
fn a_router_that_serves_relieves_it_even_if_it_does_not_preempt() {
    let patient = InstanceConfig { preempt_delay: 60 * SECOND, ..config() };
    for config in [InstanceConfig { preempt: false, ..config() }, patient] {
        let mut subject = Subject::willing(&config);
        subject.handle(Input::Startup);

        let mut done = Vec::new();
        for _ in 0..4 {
            assert_eq!(subject.hears(&Advert::new(1)), []);
            done.extend(subject.run(SECOND));
        }

        assert!(done.iter().any(|(_, action)| *action == CLAIM), "{done:?}");
        assert_eq!(subject.reason(), Some(Reason::Preempted));
    }
}

#[test]
fn without_the_option_priority_1_is_a_priority_as_any_other() {
    let mut subject = Subject::started(&InstanceConfig { preempt: false, ..config() });

    for _ in 0..10 {
        subject.hears(&Advert::new(1));
        subject.run(SECOND);
    }

    assert_eq!(subject.state(), State::Backup);
}

/// The lowest priority says that a router does not serve; this one does.
#[test]
fn no_weight_lowers_a_router_that_serves_to_priority_1() {
    let lowest = |mut subject: Subject| {
        subject.handle(Input::Priority { router: ROUTER, priority: Priority::new(1) });
        subject.snapshot().effective_priority.get()
    };

    assert_eq!(lowest(backup()), 2);
    assert_eq!(lowest(Subject::started(&config())), 1);
}

#[test]
fn it_yields_to_whoever_comes_with_more() {
    let mut subject = standing();

    let done = effects(subject.hears(&Advert::new(2)));
    assert_eq!(done, [advertise(1), yields(subject.now, millis(500))]);

    assert_eq!((subject.state(), subject.reason()), (State::Fault, Some(Reason::HigherPriority)));
    assert_eq!(subject.timeout(), Some(DOWN_LOWEST));
}

#[test]
fn of_two_that_stand_alone_the_higher_address_remains() {
    let mut higher = standing();
    assert_eq!(effects(higher.hears(&Advert::new(1))), [advertise(1), ANNOUNCE]);

    let mut lower = standing();
    let done = effects(lower.hears(&Advert::new(1).from(HIGHER)));
    assert_eq!(done, [advertise(1), yields(lower.now, millis(500))]);
}

#[test]
fn a_cure_makes_it_a_proper_active_router_without_a_transition() {
    let mut subject = standing();
    subject.run(millis(400));

    assert_eq!(subject.handle(Input::Health(Health::Serving)), [advertise(100)]);

    assert_eq!(subject.run(SECOND), [(SECOND, advertise(100))]);
}

#[test]
fn a_cure_before_that_makes_it_a_proper_backup() {
    let mut subject = backup();
    subject.handle(failing());
    subject.run(3 * SECOND);

    subject.handle(Input::Health(Health::Serving));

    assert_eq!((subject.state(), subject.timeout()), (State::Backup, Some(DOWN)));
}

#[test]
fn a_startup_hold_holds_the_last_one_standing_too() {
    let config = InstanceConfig { startup_hold: 20 * SECOND, ..config() };
    let mut subject = Subject::willing(&config);
    subject.handle(failing());
    subject.handle(Input::Startup);

    assert_eq!(timed_effects(subject.run(30 * SECOND))[0], (20 * SECOND, advertise(1)));
}

#[test]
fn an_owner_stands_alone_at_priority_1_and_is_the_owner_again_when_cured() {
    let mut subject = Subject::willing(&owner());
    subject.handle(failing());
    subject.handle(Input::Startup);
    subject.hears(&Advert::new(50));
    assert_eq!(subject.timeout(), Some(DOWN_LOWEST));

    let done = subject.handle(Input::Health(Health::Serving));

    assert_eq!(effects(done), [advertise(255), CLAIM]);
}

#[test]
fn another_priority_does_not_count_before_the_cure() {
    let mut subject = standing();
    subject.handle(Input::Priority { router: ROUTER, priority: Priority::new(130) });
    assert_eq!(subject.run(SECOND), [(SECOND, advertise(1))]);

    assert_eq!(subject.handle(Input::Health(Health::Serving)), [advertise(130)]);
}

#[test]
fn nobody_who_is_drained_stands_alone() {
    let mut subject = standing();

    assert_eq!(effects(subject.handle(Input::Drain(true))), [advertise(0), RELEASE]);

    assert_eq!((subject.state(), subject.timeout()), (State::Fault, None));
}

#[test]
fn a_successor_stands_where_its_predecessor_stood() {
    for before in [standing(), {
        let mut it = backup();
        it.handle(failing());
        it
    }] {
        let mut after = Subject::willing(&config());
        after.now = before.now;
        after.handle(failing());

        after.node.inherit(&before.node.bequeath(before.now), before.now).unwrap();

        assert_eq!((after.state(), after.timeout()), (before.state(), before.timeout()));
        assert_eq!(after.snapshot().effective_priority, Priority::new(1));
    }
}

fn active() -> Subject {
    let mut subject = backup();
    subject.run(DOWN);
    assert_eq!(subject.state(), State::Active);
    subject
}

fn backup() -> Subject {
    let mut subject = Subject::willing(&config());
    subject.handle(Input::Startup);
    subject
}

/// Active although nginx does not serve.
fn standing() -> Subject {
    let mut subject = active();
    subject.handle(failing());
    subject.run(DOWN_LOWEST);
    assert_eq!(subject.state(), State::Active);
    subject
}
