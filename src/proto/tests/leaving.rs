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
fn it_yields_to_the_next_active_router_and_lingers_for_one_of_its_intervals() {
    for (centiseconds, linger) in [(100, 500), (10, 100), (4095, 500)] {
        let mut subject = Subject::active(&config());
        subject.handle(Input::Drain(true));
        subject.run(millis(700));

        let answer = subject.hears(&Advert::new(50).every(centiseconds));

        assert_eq!(effects(answer), [yields(subject.now, millis(linger))]);
        assert_eq!((subject.state(), subject.reason()), (State::Initialize, Some(Reason::Drained)));
        assert_eq!(subject.snapshot().fault, None);
        assert!(!subject.node.holds_any());
        assert_eq!(subject.hears(&Advert::new(60)), []);
        assert_eq!(subject.run(60 * SECOND), []);
    }
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

    assert_eq!(effects(subject.handle(Input::Drain(false))), []);

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
    assert_eq!(effects(subject.hears(&Advert::new(50))), [yields(subject.now, millis(500))]);

    assert_eq!((subject.state(), subject.reason()), (State::Initialize, Some(Reason::Shutdown)));
}

#[test]
fn a_drained_node_that_leaves_goes_on_with_what_it_had_begun() {
    let mut subject = Subject::active(&config());
    subject.handle(Input::Drain(true));
    subject.run(millis(300));

    assert_eq!(subject.handle(Input::Leave), []);

    assert_eq!(subject.run(SECOND), [(millis(700), advertise(0))]);
    assert_eq!(effects(subject.hears(&Advert::new(50))), [yields(subject.now, millis(500))]);
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
    assert_eq!(effects(after.hears(&Advert::new(50))), [yields(after.now, millis(500))]);
    assert_eq!(after.state(), State::Initialize);
}

#[test]
fn whoever_takes_over_from_a_living_router_relays_to_it_for_as_long_as_it_lingers() {
    for (centiseconds, linger) in [(100, 500), (10, 100), (4095, 500)] {
        let adver_interval = Centiseconds::new(centiseconds).unwrap();
        let mut subject = Subject::started(&InstanceConfig { adver_interval, ..config() });
        subject.hears(&Advert::new(200).from(HIGHER));
        subject.hears(&Advert::new(0).from(HIGHER));
        subject.hears(&Advert::new(0).from(HIGHER));

        assert_eq!(takes_over(&mut subject), [advertise(100), relay(&subject, linger), CLAIM]);

        // One of lower priority is preempted: at its next advertisement, and then it yields.
        let mut subject = Subject::started(&InstanceConfig { adver_interval, ..config() });
        subject.hears(&Advert::new(50).from(HIGHER));

        assert_eq!(takes_over(&mut subject), [advertise(100), relay(&subject, linger), CLAIM]);
    }
}

#[test]
fn nothing_is_relayed_to_a_router_that_is_dead_or_was_not_active() {
    let told: [&[Advert]; 4] = [
        &[],
        &[Advert::new(200).from(HIGHER)],
        &[Advert::new(0).from(HIGHER)],
        &[Advert::new(200).from(HIGHER), Advert::new(0).from(LOWER)],
    ];
    for adverts in told {
        let mut subject = Subject::started(&config());
        for advert in adverts {
            subject.hears(advert);
        }

        assert_eq!(takes_over(&mut subject), [advertise(100), CLAIM], "{adverts:?}");
    }
}

/// A router that nobody obeys may say what it likes: connections stay with who has them.
#[test]
fn a_router_of_lower_priority_beside_the_active_one_is_not_who_had_the_addresses() {
    let stray = |priority| Advert::new(priority).from(LOWER);
    let left = [Advert::new(200).from(HIGHER), Advert::new(0).from(HIGHER)];
    let dead = [Advert::new(200).from(HIGHER), stray(1), stray(1), stray(1)];
    let mut subject = Subject::started(&config());

    for advert in &dead {
        subject.hears(advert);
    }
    assert_eq!(takes_over(&mut subject), [advertise(100), CLAIM]);

    for strays in [[stray(1), stray(1)], [stray(1), stray(0)]] {
        let mut subject = Subject::started(&config());
        let told = [&left[..1], &strays[..1], &left[1..], &strays[..], &left[1..]].concat();
        for advert in &told {
            subject.hears(advert);
        }

        assert_eq!(takes_over(&mut subject), [advertise(100), relay(&subject, 500), CLAIM]);
    }
}

/// Waits for the end of `Active_Down_Timer`, and returns what is done then.
fn takes_over(subject: &mut Subject) -> Vec<Action> {
    let patience = subject.timeout().unwrap();
    timed_effects(subject.run(patience)).into_iter().map(|(_, action)| action).collect()
}

fn relay(subject: &Subject, linger: u64) -> Action {
    Action::Relay { router: ROUTER, to: HIGHER.into(), until: subject.now + millis(linger) }
}
