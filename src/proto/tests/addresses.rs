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
