//! What arrives: for whom it is, what it teaches, what is said of it.

use super::*;

/// Replaces one octet of the VRRP message and leaves the checksum as it was.
fn damaged(mut datagram: Vec<u8>) -> Vec<u8> {
    datagram[20 + 7] ^= 1;
    datagram
}

#[test]
fn bad_datagrams_do_not_keep_a_backup_back() {
    let mut subject = Subject::started(&config());
    let mut strange = Advert::new(200).datagram();
    strange[8] = 254;

    let mut took_over = false;
    for _ in 0..5 {
        for bytes in [&strange, &damaged(Advert::new(200).datagram()), &Vec::new()] {
            subject.handle(arrival(LINK, bytes));
        }
        took_over |= subject.run(SECOND).iter().any(|(_, action)| *action == CLAIM);
    }

    assert!(took_over);
    let counted = [Discard::Ttl, Discard::Checksum, Discard::Runt];
    assert_eq!(counted.map(|discard| subject.discarded(discard)), [5, 5, 5]);
}

#[test]
fn our_own_advertisement_is_not_answered_when_it_comes_back() {
    let mut subject = Subject::active(&config());

    for _ in 0..10 {
        assert_eq!(effects(subject.hears(&Advert::new(100).from(OURS))), []);
    }

    assert_eq!(subject.discarded(Discard::OwnSource), 10);
}

#[test]
fn an_owner_of_version_2_does_not_listen_to_others() {
    let mut subject = Subject::started(&InstanceConfig { priority: Priority::OWNER, ..v2() });

    assert_eq!(effects(subject.hears(&Advert::new(255).v2().from(HIGHER))), []);
    assert_eq!((subject.state(), subject.discarded(Discard::Owner)), (State::Active, 1));
}

#[test]
fn an_owner_of_version_3_hears_others() {
    let mut subject = Subject::started(&owner());

    assert_eq!(effects(subject.hears(&Advert::new(100))), [advertise(255), ANNOUNCE]);
}

#[test]
fn version_2_follows_its_own_interval_alone() {
    let mut subject = Subject::started(&v2());
    subject.run(SECOND);

    subject.hears(&Advert::new(200).v2().every(200));

    assert_eq!(subject.discarded(Discard::Interval), 1);
    assert_eq!(subject.takes_over_after(), DOWN.saturating_sub(SECOND));
}

#[test]
fn a_peer_whose_advertisements_are_discarded_is_shown_until_it_is_gone() {
    let interval = |config| (config, Advert::new(200).v2().every(200), Discard::Interval);
    let version = (config(), Advert::new(200).v2(), Discard::Version);
    for (config, advert, discard) in [interval(v2()), version] {
        let mut subject = Subject::active(&config);
        subject.hears(&advert);
        assert_eq!(subject.snapshot().discarded_peer, None, "once is an accident");
        subject.run(40 * SECOND);
        subject.hears(&advert);
        subject.hears(&advert.clone().from(HIGHER));

        let shown = Some((LOWER.into(), discard));
        assert_eq!(subject.snapshot().discarded_peer, shown);
        subject.run(59 * SECOND);
        assert_eq!(subject.snapshot().discarded_peer, shown);
        subject.run(2 * SECOND);
        assert_eq!(subject.snapshot().discarded_peer, None);
    }
}

#[test]
fn what_was_discarded_wakes_no_router_that_takes_no_part() {
    let mut subject = Subject::active(&v2());
    let advert = Advert::new(200).v2().every(200);
    subject.hears(&advert);
    subject.hears(&advert);

    subject.handle(link(LinkCarrier::Missing, None));
    subject.run(10 * SECOND);
    subject.hears(&advert);
    subject.hears(&advert);

    assert_eq!((subject.timeout(), subject.snapshot().discarded_peer), (None, None));
}

#[test]
fn another_interval_or_other_addresses_are_counted_and_reported_but_count() {
    let mut subject = Subject::started(&config());
    let mut addresses = addresses();
    addresses.pop();

    let done = subject.hears(&Advert { addresses, ..Advert::new(200).every(300) });

    let interval = Problem::IntervalDiffers { theirs_ms: 3_000, ours_ms: 1_000 };
    let problems: Vec<_> = reports(&done).iter().map(|report| &report.problem).collect();
    assert_eq!(problems, [&interval, &Problem::AddressesDiffer]);
    let received = subject.snapshot().counters.received;
    assert_eq!((received.interval_differs, received.addresses_differ), (1, 1));
    assert_eq!((received.accepted, subject.state()), (1, State::Backup));
}

#[test]
fn a_router_with_none_of_our_addresses_teaches_us_nothing_and_is_shown_until_it_is_gone() {
    let mut subject = Subject::started(&config());
    let stranger = Advert {
        addresses: vec![VirtualAddress { address: [192, 0, 2, 77].into(), prefix: 24 }],
        form: ChecksumForm::Message,
        ..Advert::new(200).every(300)
    };
    let conflict = Problem::VridConflict {
        source: LOWER.into(),
        address: [192, 0, 2, 77].into(),
        one_yields: false,
    };

    let done = subject.hears(&stranger);

    assert_eq!(reports(&done).iter().map(|it| &it.problem).collect::<Vec<_>>(), [&conflict]);
    assert_eq!(subject.timeout(), Some(DOWN), "it is no Active router");
    assert_eq!((subject.snapshot().active, subject.snapshot().checksum), (None, PSEUDO_HEADER));

    subject.run(9 * SECOND);
    assert_eq!(subject.hears(&Advert { addresses: stranger.addresses, ..Advert::new(0) }), []);
    assert_eq!(subject.snapshot().conflict, Some(conflict));
    subject.run(10 * SECOND);
    assert_eq!(subject.snapshot().conflict, None);
}

#[test]
fn a_router_with_a_virtual_mac_yields_to_a_stranger_that_outranks_it_and_to_no_other() {
    let config = InstanceConfig { macvlan: LinkName::new("vrrp4.10"), ..config() };
    let mut subject = Subject::active(&config);
    let stranger = |priority| Advert {
        addresses: vec![VirtualAddress { address: [192, 0, 2, 77].into(), prefix: 24 }],
        ..Advert::new(priority)
    };

    let beside = effects(subject.hears(&stranger(99)));
    let above = effects(subject.hears(&stranger(101)));

    assert_eq!((beside, subject.state()), (vec![], State::Backup));
    assert!(above.iter().any(|it| matches!(it, Action::Release(_) | Action::Yield { .. })));
    let conflict = subject.snapshot().conflict;
    assert!(matches!(conflict, Some(Problem::VridConflict { one_yields: true, .. })));
    assert_eq!(subject.timeout(), Some(DOWN), "it is the Active router");
}

#[test]
fn a_router_that_leaves_does_not_leave_its_addresses_to_a_stranger() {
    let mut subject = Subject::active(&config());
    subject.handle(Input::Drain(true));
    let addresses = vec![VirtualAddress { address: [192, 0, 2, 77].into(), prefix: 24 }];

    assert_eq!(effects(subject.hears(&Advert { addresses, ..Advert::new(200) })), []);

    assert_eq!(subject.state(), State::Active);
}

const PSEUDO_HEADER: ChecksumForm = ChecksumForm::PseudoHeader;

#[test]
fn a_flood_is_counted_exactly_and_reported_rarely() {
    let mut subject = Subject::started(&config());
    let bad = damaged(Advert::new(200).datagram());

    let mut told = Vec::new();
    for _ in 0..10_001 {
        let done = subject.handle(arrival(LINK, &bad));
        told.extend(reports(&done).iter().map(|report| report.suppressed));
        subject.now = subject.now + millis(1);
    }

    assert_eq!(subject.discarded(Discard::Checksum), 10_001);
    assert_eq!(told, [0, 9_999]);
}

#[test]
fn a_virtual_router_that_is_not_ours_is_counted_for_the_link_and_not_reported() {
    let elsewhere = InstanceConfig { interface: LinkName::new("eth1").unwrap(), ..config() };
    let mut node = Node::new(&[config(), elsewhere]);
    let start = Instant::from_nanos(1);
    let bytes = Advert { vrid: 77, ..Advert::new(200) }.datagram();

    node.handle(arrival(LINK, &bytes), start);

    assert_eq!(node.poll_action(), None);
    let counted = node.routers().map(|id| node.snapshot(id).discarded(Discard::Vrid));
    assert_eq!(counted.collect::<Vec<_>>(), [1, 0]);
}

#[test]
fn a_virtual_router_hears_only_its_own_link() {
    let elsewhere = InstanceConfig { interface: LinkName::new("eth1").unwrap(), ..config() };
    let mut node = Node::new(&[config(), elsewhere]);
    let start = Instant::from_nanos(1);
    node.handle(Input::Startup, start);
    node.handle(Input::Health(Health::Serving), start);
    for link in [LINK, LinkId(1)] {
        let facts = LinkFacts::new(LinkCarrier::Up, over_ipv4(Some(OURS)));
        node.handle(Input::Link { link, facts }, start);
    }

    let bytes = Advert::new(200).datagram();
    node.handle(arrival(LinkId(1), &bytes), start);

    let accepted = node.routers().map(|id| node.snapshot(id).counters.received.accepted);
    assert_eq!(accepted.collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn a_damaged_datagram_for_nobody_is_damaged() {
    let mut subject = Subject::started(&config());
    let bytes = damaged(Advert { vrid: 77, ..Advert::new(200) }.datagram());

    let done = subject.handle(arrival(LINK, &bytes));

    assert_eq!(subject.discarded(Discard::Checksum), 1);
    assert_eq!(reports(&done).len(), 1);
    assert_eq!(reports(&done)[0].router, None);
}

#[test]
fn advertisements_begin_with_a_pseudo_header_and_then_take_the_form_of_the_peers() {
    let mut subject = Subject::active(&config());
    let own = |form| Advert { form, ..Advert::new(100).from(OURS) }.datagram();
    assert_eq!(subject.encoded(100), own(ChecksumForm::PseudoHeader));

    subject.hears(&Advert { form: ChecksumForm::Message, ..Advert::new(50) });
    let after_message = subject.encoded(100);
    subject.hears(&Advert { form: ChecksumForm::PseudoHeader, ..Advert::new(50) });
    let after_pseudo_header = subject.encoded(100);

    assert_eq!(after_message, own(ChecksumForm::Message));
    assert_eq!(after_pseudo_header, own(ChecksumForm::PseudoHeader));
}

#[test]
fn a_chosen_checksum_form_is_kept() {
    let checksum = ChecksumPolicy::Only(ChecksumForm::Message);
    let subject = Subject::active(&InstanceConfig { checksum, ..config() });

    let own = Advert { form: ChecksumForm::Message, ..Advert::new(0).from(OURS) };
    assert_eq!(subject.encoded(0), own.datagram());
}

#[test]
fn encoding_uses_the_room_that_is_there() {
    let subject = Subject::active(&config());
    let mut message = Vec::with_capacity(1500);
    let room = message.as_ptr();

    for _ in 0..3 {
        let group = GROUP_IPV4.into();
        assert!(subject.node.encode(ROUTER, Priority::new(100), group, &mut message).is_some());
    }

    assert_eq!((message.as_ptr(), message.len()), (room, 8 + 2 * 4));
}

#[test]
fn without_a_primary_address_there_is_nothing_to_encode() {
    let subject = Subject { node: Node::new(&[config()]), now: Instant::from_nanos(1) };
    let mut message = vec![1, 2, 3];

    let group = GROUP_IPV4.into();
    let envelope = subject.node.encode(ROUTER, Priority::new(100), group, &mut message);

    assert_eq!((envelope, message), (None, Vec::new()));
}
