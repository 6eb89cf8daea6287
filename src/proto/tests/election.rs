//! Who is Active.

use super::*;

#[test]
fn a_node_that_starts_listens_and_sends_nothing() {
    let mut subject = Subject::stopped(&config());
    assert_eq!((subject.state(), subject.timeout()), (State::Initialize, None));

    let done = subject.handle(Input::Startup);

    assert_eq!(effects(done), []);
    assert_eq!((subject.state(), subject.timeout()), (State::Backup, Some(DOWN)));
}

/// RFC 9568 §6.4.1: the owner advertises and is Active at once.
#[test]
fn the_owner_is_active_as_soon_as_it_starts() {
    let mut subject = Subject::stopped(&InstanceConfig { preempt: false, ..owner() });

    let done = subject.handle(Input::Startup);

    assert_eq!(effects(done), [advertise(255), CLAIM]);
    assert_eq!((subject.state(), subject.reason()), (State::Active, Some(Reason::Owner)));
    assert_eq!(subject.timeout(), Some(SECOND));
}

/// RFC 9568 §6.4.2 compares priorities only; addresses count between Active routers.
#[test]
fn a_backup_follows_an_equal_priority_whatever_its_address() {
    for source in [LOWER, HIGHER] {
        let mut subject = Subject::started(&config());
        subject.run(SECOND);

        subject.hears(&Advert::new(100).from(source));

        assert_eq!(subject.takes_over_after(), DOWN);
    }
}

#[test]
fn a_backup_preempts_an_active_router_of_lower_priority() {
    let mut subject = Subject::started(&config());

    let mut done = Vec::new();
    for _ in 0..4 {
        subject.hears(&Advert::new(99));
        done.extend(subject.run(SECOND));
    }

    let claims: Vec<_> = done.iter().filter(|(_, action)| *action == CLAIM).collect();
    assert_eq!(claims, [&(millis(609) + Duration::from_micros(375), CLAIM)]);
    assert_eq!(subject.reason(), Some(Reason::Preempted));
}

#[test]
fn without_preempt_a_backup_follows_a_lower_priority_until_it_is_silent() {
    let mut subject = Subject::started(&InstanceConfig { preempt: false, ..config() });

    for _ in 0..10 {
        subject.run(SECOND);
        subject.hears(&Advert::new(99).every(200));
        assert_eq!(subject.state(), State::Backup);
    }

    assert_eq!(subject.takes_over_after(), Duration::from_micros(7_218_750));
    assert_eq!(subject.reason(), Some(Reason::NoResponse));
}

#[test]
fn an_owner_preempts_even_if_preempt_is_off() {
    let mut subject = Subject::started(&InstanceConfig { preempt: false, ..owner() });
    subject.hears(&Advert::new(255).from(HIGHER));
    assert_eq!(subject.state(), State::Backup);
    subject.run(3 * SECOND);

    subject.hears(&Advert::new(254).from(HIGHER));

    assert_eq!(subject.takes_over_after(), Duration::from_nanos(3_906_250));
}

#[test]
fn preempt_delay_tolerates_a_living_router_of_lower_priority() {
    let mut subject = Subject::started(&InstanceConfig { preempt_delay: 10 * SECOND, ..config() });

    let mut claimed = None;
    for second in 0..20 {
        subject.hears(&Advert::new(99));
        for (after, action) in subject.run(SECOND) {
            if action == CLAIM {
                claimed = claimed.or(Some(second * SECOND + after));
            }
        }
    }

    assert_eq!(claimed, Some(9 * SECOND + DOWN), "the last one tolerated was heard after 9 s");
}

#[test]
fn preempt_delay_does_not_protect_a_dead_router() {
    let mut subject = Subject::started(&InstanceConfig { preempt_delay: 10 * SECOND, ..config() });

    for _ in 0..4 {
        subject.hears(&Advert::new(99));
        subject.run(SECOND);
    }

    assert_eq!(subject.takes_over_after(), DOWN.saturating_sub(SECOND));
}

#[test]
fn a_better_router_starts_preempt_delay_anew() {
    let mut subject = Subject::started(&InstanceConfig { preempt_delay: 3 * SECOND, ..config() });

    for priority in [99, 99, 99, 100, 99, 99, 99] {
        subject.hears(&Advert::new(priority));
        subject.run(SECOND);
    }

    assert_eq!(
        subject.takes_over_after(),
        DOWN.saturating_sub(SECOND),
        "all of them were tolerated"
    );
}

#[test]
fn an_active_router_yields_to_a_higher_priority() {
    let mut subject = Subject::active(&config());

    let done = subject.hears(&Advert::new(200));

    assert_eq!(effects(done), [advertise(100), yields(subject.now, millis(500))]);
    assert_eq!(subject.reason(), Some(Reason::HigherPriority));
    assert_eq!(subject.takes_over_after(), DOWN);
}

#[test]
fn an_active_router_that_yields_learns_the_interval() {
    let mut subject = Subject::active(&config());

    subject.hears(&Advert::new(200).every(300));

    assert_eq!(subject.takes_over_after(), Duration::from_micros(10_828_125));
}

/// RFC 9568 §6.4.3: discard, and send an advertisement immediately; `Adver_Timer` runs on.
#[test]
fn an_active_router_answers_a_lower_priority_at_once() {
    let mut subject = Subject::active(&config());
    subject.run(millis(300));

    let done = subject.hears(&Advert::new(50));

    assert_eq!(effects(done), [advertise(100), ANNOUNCE]);
    assert_eq!((subject.state(), subject.timeout()), (State::Active, Some(millis(700))));
}

/// RFC 3768 §6.4.3: discard.
#[test]
fn an_active_router_of_version_2_does_not_answer_a_lower_priority() {
    let mut subject = Subject::active(&v2());

    let done = subject.hears(&Advert::new(50).v2());

    assert_eq!(effects(done), [ANNOUNCE]);
    assert_eq!(subject.state(), State::Active);
}

#[test]
fn of_two_active_routers_of_one_priority_the_greater_address_stays() {
    let ties = [
        (OURS, HIGHER, State::Backup),
        (OURS, LOWER, State::Active),
        // A signed comparison gets this one wrong, and one in the host's byte order the next.
        (Ipv4Addr::new(10, 0, 0, 5), Ipv4Addr::new(192, 0, 2, 1), State::Backup),
        (Ipv4Addr::new(10, 0, 1, 0), Ipv4Addr::new(10, 0, 0, 255), State::Active),
    ];

    for (ours, theirs, expected) in ties {
        let mut subject = Subject::active(&config());
        subject.handle(link_up(ours));

        subject.hears(&Advert::new(100).from(theirs));

        assert_eq!(subject.state(), expected, "{ours} against {theirs}");
    }
}

#[test]
fn of_two_owners_the_greater_address_stays_and_both_report() {
    for (source, expected) in [(LOWER, State::Active), (HIGHER, State::Backup)] {
        let mut subject = Subject::started(&owner());

        let done = subject.hears(&Advert::new(255).from(source));

        assert_eq!(subject.state(), expected);
        let problems: Vec<_> = reports(&done).iter().map(|report| &report.problem).collect();
        assert_eq!(problems, [&Problem::DuplicateOwner]);
    }
}

#[test]
fn an_active_router_reports_another_one() {
    let mut subject = Subject::active(&config());

    let done = subject.hears(&Advert::new(50));

    let expected = Report {
        link: LINK,
        router: Some(ROUTER),
        source: Some(LOWER.into()),
        problem: Problem::AnotherActive { priority: Priority::new(50) },
        suppressed: 0,
    };
    assert_eq!(reports(&done), [&expected]);
}

#[test]
fn a_lowered_priority_is_carried_by_the_next_advertisement_and_lets_a_peer_preempt() {
    let mut subject = Subject::active(&config());

    subject.handle(Input::Priority { router: ROUTER, priority: Priority::new(40) });
    let next = subject.run(SECOND);
    let outranked = subject.hears(&Advert::new(90));

    assert_eq!(next, [(SECOND, advertise(40))]);
    assert_eq!(effects(outranked), [advertise(40), yields(subject.now, millis(500))]);
    assert_eq!(subject.snapshot().effective_priority, Priority::new(40));
}

#[test]
fn a_changed_priority_stays_between_1_and_254() {
    let mut subject = Subject::started(&config());

    for (asked, given) in [(0, 1), (255, 254), (7, 7)] {
        subject.handle(Input::Priority { router: ROUTER, priority: Priority::new(asked) });
        assert_eq!(subject.snapshot().effective_priority, Priority::new(given));
    }
}

#[test]
fn an_owner_keeps_its_priority() {
    let mut subject = Subject::started(&owner());

    subject.handle(Input::Priority { router: ROUTER, priority: Priority::new(40) });

    assert_eq!(subject.run(SECOND), [(SECOND, advertise(255))]);
}

#[test]
fn one_virtual_router_does_not_move_another() {
    let second = InstanceConfig { vrid: Vrid::new(11).unwrap(), ..config() };
    let mut node = Node::new(&[config(), second]);
    let start = Instant::from_nanos(1);
    node.handle(Input::Startup, start);
    node.handle(Input::Health(Health::Serving), start);
    node.handle(link_up(OURS), start);
    node.handle_timeout(start + DOWN);
    let states = |node: &Node| node.routers().map(|id| node.snapshot(id).state).collect::<Vec<_>>();
    assert_eq!(states(&node), [State::Active, State::Active]);

    let bytes = Advert::new(200).datagram();
    node.handle(arrival(LINK, &bytes), start + DOWN);

    assert_eq!(states(&node), [State::Backup, State::Active]);
}

#[test]
fn a_router_knows_who_is_active() {
    let mut subject = Subject::started(&config());
    let mut seen = vec![subject.snapshot().active];

    subject.hears(&Advert::new(200));
    seen.push(subject.snapshot().active);
    subject.hears(&Advert::new(0));
    seen.push(subject.snapshot().active);
    subject.hears(&Advert::new(50));
    seen.push(subject.snapshot().active);
    let heard_at = Some(subject.now);
    subject.run(DOWN);
    seen.push(subject.snapshot().active);

    let peer = |priority| ActiveRouter {
        address: LOWER.into(),
        priority: Priority::new(priority),
        is_self: false,
        last_heard: heard_at,
    };
    let own = ActiveRouter {
        address: OURS.into(),
        priority: Priority::new(100),
        is_self: true,
        last_heard: None,
    };
    assert_eq!(seen, [None, Some(peer(200)), None, Some(peer(50)), Some(own)]);
}
