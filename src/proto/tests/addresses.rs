//! The addresses of a router cannot be had on this host.

use super::*;

#[test]
fn a_router_whose_addresses_cannot_be_had_resigns_and_says_why() {
    let mut subject = Subject::active(&config());

    let done = effects(subject.handle(trouble(Some(WHY))));

    assert_eq!(done, [advertise(0), RELEASE]);
    let seen = (subject.state(), subject.reason());
    assert_eq!(seen, (State::Fault, Some(Reason::AddressesUnavailable)));
    assert_eq!(subject.snapshot().fault.as_deref(), Some(WHY));
}

#[test]
fn a_backup_whose_addresses_cannot_be_had_takes_no_part() {
    let mut subject = Subject::started(&config());

    subject.handle(trouble(Some(WHY)));

    assert_eq!((subject.state(), subject.timeout()), (State::Fault, None));
}

#[test]
fn it_listens_first_when_they_can_be_had_again() {
    let mut subject = Subject::active(&config());
    subject.handle(trouble(Some(WHY)));

    subject.handle(trouble(None));

    assert_eq!(subject.takes_over_after(), DOWN);
}

const WHY: &str = "cannot add 192.0.2.1/24 to eth0: not permitted";

fn trouble(trouble: Option<&str>) -> Input<'_> {
    Input::Addresses { router: ROUTER, trouble }
}

#[test]
fn a_router_that_did_not_get_its_addresses_leaves_them_to_a_living_one_for_a_time() {
    for config in [config(), owner()] {
        let mut subject = Subject::active(&config);
        let until = subject.now + 100 * SECOND;
        subject.handle(Input::Tolerate { router: ROUTER, until });
        subject.handle(trouble(Some("refused")));
        subject.hears(&Advert::new(50));

        assert_eq!(effects(subject.handle(trouble(None))), []);
        for _ in 0..99 {
            subject.hears(&Advert::new(50));
            assert_eq!(timed_effects(subject.run(SECOND)), []);
        }
        assert_eq!(subject.state(), State::Backup);
        subject.run(SECOND);
        subject.hears(&Advert::new(50));
        assert!(subject.takes_over_after() <= DOWN, "the time is over");
    }
}

#[test]
fn a_router_that_did_not_get_its_addresses_takes_over_from_a_dead_one() {
    let mut subject = Subject::active(&config());
    let until = subject.now + 100 * SECOND;
    subject.handle(Input::Tolerate { router: ROUTER, until });
    subject.handle(trouble(Some("refused")));
    subject.handle(trouble(None));
    subject.hears(&Advert::new(50));

    assert_eq!(subject.takes_over_after(), DOWN);
}

#[test]
fn a_drain_that_ends_has_a_router_try_at_once_whether_it_gets_its_addresses() {
    let mut subject = Subject::active(&config());
    let until = subject.now + 1_000 * SECOND;
    subject.handle(Input::Tolerate { router: ROUTER, until });
    subject.handle(trouble(Some("refused")));
    subject.handle(trouble(None));

    subject.handle(Input::Drain(true));
    subject.handle(Input::Drain(false));

    for _ in 0..4 {
        subject.hears(&Advert::new(50));
        subject.run(SECOND);
    }
    assert_eq!((subject.state(), subject.reason()), (State::Active, Some(Reason::Preempted)));
}

#[test]
fn a_router_that_did_not_get_its_addresses_relieves_one_whose_nginx_does_not_serve() {
    let mut subject = Subject::willing(&config());
    subject.handle(Input::Startup);
    let until = subject.now + 1_000 * SECOND;
    subject.handle(Input::Tolerate { router: ROUTER, until });

    for _ in 0..4 {
        subject.hears(&Advert::new(1));
        subject.run(SECOND);
    }

    assert_eq!((subject.state(), subject.reason()), (State::Active, Some(Reason::Preempted)));
}
