//! A link, or a primary address, that is gone for a moment, and one that stays away.

use super::*;

/// What can be gone: with the reason, what an operator reads, and how long it may last.
const LOSSES: [(LinkCarrier, Option<Ipv4Addr>, Reason, &str, u32); 3] = [
    (LinkCarrier::Down, Some(OURS), Reason::LinkDown, "interface eth0 is down", 3),
    (LinkCarrier::Missing, None, Reason::LinkMissing, "interface eth0 does not exist", 3),
    (LinkCarrier::Up, None, Reason::NoPrimaryAddress, "interface eth0 has no IPv4 address", 2),
];

#[test]
fn what_is_back_before_a_peer_can_have_taken_over_moves_nobody() {
    for (carrier, primary, _, what, patience) in LOSSES {
        let mut subject = Subject::active(&config());
        let transitions = subject.snapshot().transitions;
        subject.run(millis(300));

        assert_eq!(subject.handle(link(carrier, primary)), []);
        assert_eq!(subject.run((patience * SECOND).saturating_sub(millis(301))), []);
        assert_eq!(subject.snapshot().interruption.as_deref(), Some(what));
        let done = subject.handle(link_up(OURS));

        assert_eq!(done, [advertise(100), ANNOUNCE], "{what}");
        let snapshot = subject.snapshot();
        assert_eq!((snapshot.state, snapshot.transitions), (State::Active, transitions));
        assert_eq!(snapshot.interruption, None);
        assert_eq!(subject.run(SECOND), [(SECOND, advertise(100))]);
    }
}

#[test]
fn what_stays_away_is_a_fault_and_the_addresses_go_before_a_peer_takes_over() {
    for (carrier, primary, reason, what, patience) in LOSSES {
        let mut subject = Subject::active(&config());
        subject.run(millis(300));
        subject.handle(link(carrier, primary));

        let done = timed_effects(subject.run(10 * SECOND));

        let resigns = reason == Reason::NoPrimaryAddress;
        let expected: &[Action] = if resigns { &[advertise(0), RELEASE] } else { &[RELEASE] };
        let at = (patience * SECOND).saturating_sub(millis(300));
        assert!(done.iter().all(|(when, _)| *when == at), "{done:?}");
        assert!(done.iter().map(|(_, action)| action).eq(expected), "{done:?}");
        assert_eq!((subject.state(), subject.reason()), (State::Fault, Some(reason)));
        assert_eq!(subject.snapshot().fault.as_deref(), Some(what));
        assert_eq!((subject.timeout(), subject.snapshot().active), (None, None));
    }
}

#[test]
fn peers_that_may_lose_patience_sooner_are_given_less_time() {
    for (dead_factor, lasts) in [(1, 1), (2, 2), (3, 3), (10, 3)] {
        let mut subject = Subject::active(&InstanceConfig { dead_factor, ..config() });
        subject.handle(link(LinkCarrier::Down, Some(OURS)));

        assert_eq!(timed_effects(subject.run(9 * SECOND)), [(lasts * SECOND, RELEASE)]);
    }
}

#[test]
fn a_resignation_without_a_primary_address_comes_from_the_one_that_was() {
    let mut subject = Subject::active(&config());

    subject.handle(link(LinkCarrier::Up, None));
    subject.run(3 * SECOND);

    assert_eq!(subject.encoded(0), Advert::new(0).from(OURS).datagram());
}

#[test]
fn a_primary_address_that_is_replaced_by_another_one_moves_nobody() {
    let mut subject = Subject::active(&config());
    let moved = Ipv4Addr::new(192, 0, 2, 7);

    subject.handle(link(LinkCarrier::Up, None));
    subject.run(SECOND);

    assert_eq!(subject.handle(link_up(moved)), [advertise(100), ANNOUNCE]);
    assert_eq!(subject.encoded(100), Advert::new(100).from(moved).datagram());
}

#[test]
fn a_resignation_that_could_not_leave_is_sent_when_the_link_is_back() {
    let mut subject = Subject::active(&config());
    subject.handle(link(LinkCarrier::Down, Some(OURS)));
    subject.run(30 * SECOND);

    assert_eq!(effects(subject.handle(link_up(OURS))), [advertise(0)]);

    assert_eq!((subject.state(), subject.timeout()), (State::Backup, Some(DOWN)));
    subject.handle(link(LinkCarrier::Down, Some(OURS)));
    assert_eq!(effects(subject.handle(link_up(OURS))), [], "once is enough");
}

#[test]
fn a_resignation_that_no_peer_can_wait_for_is_not_sent() {
    let mut subject = Subject::active(&config());
    subject.handle(link(LinkCarrier::Down, Some(OURS)));
    subject.run(200 * SECOND);

    assert_eq!(effects(subject.handle(link_up(OURS))), []);
}

#[test]
fn a_node_that_does_not_serve_any_more_does_not_wait_for_its_link() {
    let mut without_address = Subject::active(&config());
    without_address.handle(link(LinkCarrier::Up, None));
    assert_eq!(effects(without_address.handle(failing())), [advertise(0), RELEASE]);

    let mut without_link = Subject::active(&config());
    without_link.handle(link(LinkCarrier::Down, Some(OURS)));
    assert_eq!(effects(without_link.handle(failing())), [RELEASE]);
    assert_eq!(effects(without_link.handle(link_up(OURS))), [advertise(0)]);
}

#[test]
fn another_router_that_is_heard_meanwhile_decides_as_ever() {
    let patient = InstanceConfig { preempt: false, ..config() };
    for (config, priority, yields_to_it) in [
        (config(), 0, false),
        (config(), 99, false),
        (config(), 101, true),
        (patient.clone(), 0, false),
        (patient, 99, true),
    ] {
        let mut subject = Subject::active(&config);
        subject.handle(link(LinkCarrier::Up, None));

        let done = effects(subject.hears(&Advert::new(priority)));

        let leaves = [advertise(100), yields(subject.now, millis(500))];
        let expected = if yields_to_it { &leaves[..] } else { &[] };
        assert_eq!(done, expected, "priority {priority}");
        subject.handle(link_up(OURS));
        let state = if yields_to_it { State::Backup } else { State::Active };
        assert_eq!(subject.state(), state);
    }
}

/// The address that was counts as well: of two equal routers one remains.
#[test]
fn a_tie_with_a_router_that_is_heard_meanwhile_is_decided_by_the_address_that_was() {
    for (source, remains) in [(LOWER, true), (HIGHER, false)] {
        let mut subject = Subject::active(&config());
        subject.handle(link(LinkCarrier::Up, None));

        subject.hears(&Advert::new(100).from(source));

        assert_eq!(subject.state() == State::Active, remains);
    }
}

#[test]
fn the_last_one_standing_stands_a_blink_as_well() {
    let mut subject = Subject::willing(&config());
    subject.handle(Input::Startup);
    subject.handle(failing());
    subject.run(4 * SECOND);
    assert_eq!(subject.state(), State::Active);

    subject.handle(link(LinkCarrier::Down, Some(OURS)));
    assert_eq!(subject.handle(link_up(OURS)), [advertise(1), ANNOUNCE]);

    subject.handle(link(LinkCarrier::Down, Some(OURS)));
    subject.handle(Input::Health(Health::Serving));
    assert_eq!(subject.handle(link_up(OURS)), [advertise(100), ANNOUNCE]);
}

#[test]
fn a_successor_goes_on_in_the_middle_of_a_blink() {
    for (pause, done) in [(SECOND, vec![CLAIM]), (4 * SECOND, vec![CLAIM, RELEASE])] {
        let mut before = Subject::active(&config());
        before.handle(link(LinkCarrier::Down, Some(OURS)));
        let mut after = Subject::stopped(&config());
        after.now = before.now;
        after.handle(link(LinkCarrier::Down, Some(OURS)));

        let bequests = before.node.bequeath(before.now);
        after.now = after.now + pause;
        after.node.inherit(&bequests, after.now).unwrap();

        assert_eq!(effects(after.drain()), done);
    }
}

#[test]
fn addresses_that_were_given_away_during_a_blink_are_gone() {
    let mut subject = Subject::active(&config());
    subject.handle(link(LinkCarrier::Down, Some(OURS)));

    assert_eq!(effects(subject.handle(Input::Withdrawn)), [RELEASE]);

    assert_eq!((subject.state(), subject.timeout()), (State::Fault, None));
}
