//! Leaving with grace: whoever is Active resigns, and answers until another router does.

use super::*;

/// `Skew_Time` of priority 1 and three intervals of one second.
const LONGEST: Duration = Duration::from_micros(3_996_093);

#[test]
fn a_drained_active_router_resigns_but_keeps_the_addresses() {
    let mut subject = Subject::active(&config());

    assert_eq!(subject.handle(Input::Drain(true)), [advertise(0)]);

    assert_eq!(subject.state(), State::Active);
    assert!(subject.node.holds_any() && subject.node.is_draining());
}

#[test]
fn it_releases_a_moment_after_the_next_active_router_was_heard() {
    for (centiseconds, linger) in [(100, 200), (10, 100)] {
        let mut subject = Subject::active(&config());
        subject.handle(Input::Drain(true));
        subject.run(millis(700));

        let answer = subject.hears(&Advert::new(50).every(centiseconds));
        let done = subject.run(60 * SECOND);

        assert_eq!(effects(answer), [HUSH]);
        assert_eq!(timed_effects(done), [(millis(linger), RELEASE)]);
        assert_eq!((subject.state(), subject.reason()), (State::Initialize, Some(Reason::Drained)));
        assert_eq!(subject.snapshot().fault, None);
        assert!(!subject.node.holds_any());
    }
}

#[test]
fn further_advertisements_do_not_make_it_linger() {
    let mut subject = Subject::active(&config());
    subject.handle(Input::Drain(true));

    subject.hears(&Advert::new(50));
    subject.run(millis(150));
    subject.hears(&Advert::new(60));

    assert_eq!(timed_effects(subject.run(SECOND)), [(millis(50), RELEASE)]);
}

#[test]
fn it_resigns_every_interval_until_somebody_takes_over_and_then_goes_anyway() {
    let mut subject = Subject::active(&config());
    subject.handle(Input::Drain(true));
    subject.hears(&Advert::new(0));

    let done = timed_effects(subject.run(60 * SECOND));

    let [resigned @ .., (released, RELEASE)] = done.as_slice() else { panic!("{done:?}") };
    assert_eq!(resigned, [1, 2, 3].map(|tick| (tick * SECOND, advertise(0))));
    assert!(*released >= LONGEST && *released < LONGEST + millis(1), "{released:?}");
}

#[test]
fn a_drained_backup_leaves_in_silence_and_takes_part_again_when_it_may() {
    let mut subject = Subject::started(&config());

    assert_eq!(effects(subject.handle(Input::Drain(true))), []);
    assert_eq!((subject.state(), subject.timeout()), (State::Initialize, None));

    assert_eq!(effects(subject.handle(Input::Drain(false))), []);
    assert_eq!((subject.state(), subject.timeout()), (State::Backup, Some(DOWN)));
}

#[test]
fn a_node_that_is_drained_before_it_starts_takes_no_part() {
    let mut subject = Subject::stopped(&config());
    subject.handle(Input::Drain(true));

    assert_eq!(subject.handle(Input::Startup), []);

    assert_eq!((subject.state(), subject.timeout()), (State::Initialize, None));
}

#[test]
fn a_drain_that_is_called_off_before_anybody_took_over_never_was() {
    let mut subject = Subject::active(&config());
    subject.handle(Input::Drain(true));
    subject.run(millis(300));

    assert_eq!(subject.handle(Input::Drain(false)), [advertise(100)]);

    assert_eq!(subject.run(SECOND), [(SECOND, advertise(100))]);
}

#[test]
fn a_drain_that_is_called_off_too_late_makes_a_backup() {
    let mut subject = Subject::active(&config());
    subject.handle(Input::Drain(true));
    subject.hears(&Advert::new(200));

    assert_eq!(effects(subject.handle(Input::Drain(false))), [RELEASE]);

    assert_eq!((subject.state(), subject.timeout()), (State::Backup, Some(DOWN)));
}

#[test]
fn nothing_keeps_the_addresses_where_nobody_can_serve_them() {
    let troubles = [
        (failing(), vec![advertise(0), RELEASE], Reason::Unhealthy),
        (link(LinkCarrier::Down, Some(OURS)), vec![RELEASE], Reason::LinkDown),
        (Input::Shutdown, vec![advertise(0), RELEASE], Reason::Shutdown),
    ];
    for (trouble, done, reason) in troubles {
        let mut subject = Subject::active(&config());
        subject.handle(Input::Drain(true));

        assert_eq!(effects(subject.handle(trouble)), done);
        assert_eq!(subject.reason(), Some(reason));
    }
}

#[test]
fn a_node_whose_addresses_were_given_away_while_it_left_has_left() {
    let mut subject = Subject::active(&config());
    subject.handle(Input::Drain(true));

    assert_eq!(effects(subject.handle(Input::Withdrawn)), [RELEASE]);

    assert_eq!((subject.state(), subject.reason()), (State::Initialize, Some(Reason::Drained)));
}

#[test]
fn a_node_that_leaves_for_good_serves_to_the_last_although_its_nginx_ends() {
    let mut subject = Subject::active(&config());

    assert_eq!(subject.handle(Input::Leave), [advertise(0)]);
    assert_eq!(subject.handle(failing()), []);
    subject.hears(&Advert::new(50));
    assert_eq!(timed_effects(subject.run(SECOND)), [(millis(200), RELEASE)]);

    assert_eq!((subject.state(), subject.reason()), (State::Initialize, Some(Reason::Shutdown)));
}

#[test]
fn a_drained_node_that_leaves_goes_on_with_what_it_had_begun() {
    let mut subject = Subject::active(&config());
    subject.handle(Input::Drain(true));
    subject.hears(&Advert::new(50));
    subject.run(millis(150));

    assert_eq!(subject.handle(Input::Leave), []);

    assert_eq!(timed_effects(subject.run(SECOND)), [(millis(50), RELEASE)]);
}

#[test]
fn a_successor_goes_on_leaving_and_stays_away() {
    let mut before = Subject::active(&config());
    before.handle(Input::Drain(true));
    before.run(millis(500));
    let mut after = Subject::unstarted(&config(), before.now + millis(5));

    after.node.inherit(&before.node.bequeath(before.now), after.now).unwrap();

    assert_eq!(after.drain(), [CLAIM]);
    assert!(after.node.is_draining());
    after.hears(&Advert::new(50));
    assert_eq!(timed_effects(after.run(60 * SECOND)), [(millis(200), RELEASE)]);
    assert_eq!(after.state(), State::Initialize);
}
