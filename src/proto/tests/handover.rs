//! A node that goes on where another one ended.

use super::*;

#[test]
fn an_active_successor_advertises_when_its_predecessor_would_have() {
    let mut before = Subject::active(&config());
    before.run(millis(2300));

    let (mut after, actions) = succeed(&before, &config(), millis(40));

    assert_eq!(actions, [CLAIM]);
    assert_eq!(after.timeout(), Some(millis(660)));
    assert_eq!(after.run(millis(660)), [(millis(660), advertise(100))]);
}

#[test]
fn an_advertisement_that_fell_due_meanwhile_is_sent_at_once() {
    let before = Subject::active(&config());

    let (after, actions) = succeed(&before, &config(), millis(2700));

    assert_eq!(actions, [CLAIM, advertise(100)]);
    assert_eq!(after.timeout(), Some(SECOND));
}

#[test]
fn a_successor_that_comes_after_the_peers_lost_patience_listens_first() {
    let before = Subject::active(&config());

    let (after, actions) = succeed(&before, &config(), SECOND + DOWN + millis(1));

    assert_eq!(effects(actions), [RELEASE]);
    assert_eq!((after.state(), after.reason()), (State::Backup, Some(Reason::Overslept)));
    assert_eq!(after.timeout(), Some(DOWN));
}

#[test]
fn a_successor_of_one_whose_addresses_were_given_away_listens_first() {
    let before = Subject::active(&config());
    let mut leaving = Subject::active(&config());
    leaving.handle(Input::Drain(true));
    for (before, state) in [(before, State::Backup), (leaving, State::Initialize)] {
        let withdrawn_at = Some(before.now + millis(5));
        let bequests = Bequests { withdrawn_at, ..before.node.bequeath(before.now) };
        let inherited = |after: Instant| {
            let mut heir = Subject::unstarted(&config(), after);
            assert_eq!(heir.node.inherit(&bequests, heir.now), Ok(Vec::new()));
            (effects(heir.drain()), heir.state())
        };

        assert_eq!(inherited(before.now + millis(4)), (vec![CLAIM], State::Active));
        assert_eq!(inherited(before.now + millis(5)), (vec![RELEASE], state));
    }
}

#[test]
fn a_successor_goes_on_counting_why_the_router_became_active_and_why_it_was_no_longer() {
    let mut before = Subject::active(&config());
    before.hears(&Advert::new(99));
    before.hears(&Advert::new(101));
    before.run(DOWN);
    let text = serde_json::to_string(&before.node.bequeath(before.now)).unwrap();
    let mut after = Subject::unstarted(&config(), before.now);
    after.node.inherit(&serde_json::from_str(&text).unwrap(), after.now).unwrap();

    after.handle(Input::Drain(true));
    after.run(10 * SECOND);

    let Counters { became_active, left_active, rivals, .. } = after.snapshot().counters;
    assert_eq!(became_active.of(Reason::NoResponse), 2);
    assert_eq!(became_active.of(Reason::HigherPriority), 0);
    assert_eq!(left_active.of(Reason::HigherPriority), 1);
    assert_eq!(left_active.of(Reason::Drained), 1);
    assert_eq!(*rivals, 2);
}

#[test]
fn a_backup_successor_does_not_count_the_silence_that_nobody_heard() {
    let mut before = Subject::started(&config());
    before.hears(&Advert::new(200));
    before.run(3 * SECOND);

    let (mut after, actions) = succeed(&before, &config(), SECOND);

    assert_eq!(actions, []);
    assert_eq!(after.snapshot().active.map(|active| active.address), Some(LOWER.into()));
    assert_eq!(after.takes_over_after() + 3 * SECOND, DOWN);
}

#[test]
fn what_was_counted_and_what_happened_is_not_forgotten() {
    let mut before = Subject::active(&config());
    before.hears(&Advert { vrid: 77, ..Advert::new(1) });
    before.hears(&Advert::new(50));
    before.run(10 * SECOND);

    let (after, _) = succeed(&before, &config(), millis(5));

    let (old, new) = (before.snapshot(), after.snapshot());
    assert_eq!((new.since, new.reason), (old.since, old.reason));
    assert_eq!(new.transitions, old.transitions);
    assert_eq!(new.counters, old.counters);
    assert_eq!(new.discarded(Discard::Vrid), 1);
    assert!(new.history().eq(old.history()));
}

#[test]
fn another_priority_counts_from_the_next_advertisement_on() {
    let before = Subject::active(&config());
    let promoted = InstanceConfig { priority: Priority::new(180), ..config() };

    let (mut after, _) = succeed(&before, &promoted, millis(5));

    assert_eq!(after.run(SECOND), [(millis(995), advertise(180))]);
}

#[test]
fn a_shorter_interval_begins_at_once_and_a_longer_one_after_the_advertisement_that_is_due() {
    let before = Subject::active(&config());
    let every = |centiseconds| InstanceConfig {
        adver_interval: Centiseconds::new(centiseconds).unwrap(),
        ..config()
    };

    let (shorter, _) = succeed(&before, &every(10), millis(5));
    let (mut longer, _) = succeed(&before, &every(500), millis(5));

    assert_eq!(shorter.timeout(), Some(millis(100)));
    assert_eq!(longer.timeout(), Some(millis(995)));
    longer.run(millis(995));
    assert_eq!(longer.timeout(), Some(5 * SECOND));
}

#[test]
fn a_lowered_priority_stays_lowered_until_somebody_knows_better() {
    let mut before = Subject::active(&config());
    before.handle(Input::Priority { router: ROUTER, priority: Priority::new(60) });
    let promoted = InstanceConfig { priority: Priority::new(110), ..config() };

    let (after, _) = succeed(&before, &promoted, millis(5));

    assert_eq!(after.snapshot().effective_priority, Priority::new(70));
}

#[test]
fn a_backup_that_becomes_owner_takes_over_at_once() {
    let mut before = Subject::started(&config());
    before.hears(&Advert::new(200));

    let (after, actions) = succeed(&before, &owner(), millis(5));

    assert_eq!(effects(actions), [advertise(255), CLAIM]);
    assert_eq!(after.reason(), Some(Reason::Owner));
}

#[test]
fn an_active_successor_without_a_link_keeps_the_addresses_only_for_a_moment() {
    let before = Subject::active(&config());
    let mut after = Subject::unstarted(&config(), before.now + millis(5));
    after.handle(link(LinkCarrier::Down, Some(OURS)));

    let not_inherited = after.node.inherit(&before.node.bequeath(before.now), after.now);

    assert_eq!(not_inherited, Ok(Vec::new()));
    assert_eq!(effects(after.drain()), [CLAIM]);
    assert_eq!(timed_effects(after.run(DOWN)), [(millis(2_995), RELEASE)]);
    assert_eq!((after.state(), after.reason()), (State::Fault, Some(Reason::LinkDown)));
}

#[test]
fn a_predecessor_resigns_for_what_nobody_inherits_and_is_silent_otherwise() {
    let mut before = Subject::active(&config());
    let other = InstanceConfig { vrid: Vrid::new(11).unwrap(), ..config() };
    let (_, not_inherited) = inherited(&before, &other);
    assert_eq!(not_inherited, [before.node.bequeath(before.now).routers[0].key.clone()]);

    before.node.hand_over(&not_inherited, before.now);
    assert_eq!(effects(before.drain()), [advertise(0), RELEASE]);

    let mut before = Subject::active(&config());
    let (_, not_inherited) = inherited(&before, &config());

    before.node.hand_over(&not_inherited, before.now);
    assert_eq!((before.drain(), before.timeout()), (Vec::new(), None));
}

#[test]
fn a_router_that_the_predecessor_had_not_starts_as_ever() {
    let other = InstanceConfig { vrid: Vrid::new(11).unwrap(), ..config() };

    let (after, _) = inherited(&Subject::active(&other), &config());

    assert_eq!((after.state(), after.reason()), (State::Backup, Some(Reason::Startup)));
}

#[test]
fn nothing_that_no_node_can_have_written_is_inherited() {
    let before = Subject::active(&config());
    let good = before.node.bequeath(before.now);
    let refused = |change: fn(&mut Bequests)| {
        let mut bequests = good.clone();
        change(&mut bequests);
        let mut after = Subject::unstarted(&config(), before.now);
        let error = after.node.inherit(&bequests, after.now).unwrap_err();
        assert_eq!((after.drain(), after.state()), (Vec::new(), State::Initialize));
        error
    };

    assert_eq!(refused(|it| it.version = 2), BequestError::Version(2));
    assert_eq!(refused(|it| it.at = it.at + SECOND), BequestError::FromTheFuture);
    assert!(matches!(refused(|it| it.routers.push(it.routers[0].clone())), BequestError::Twice(_)));
    assert_eq!(
        refused(|it| it.routers = vec![it.routers[0].clone(); 5000]),
        BequestError::TooMany(5000)
    );
}

#[test]
fn a_node_that_does_not_know_yet_whether_it_may_be_active_inherits_nothing() {
    let before = Subject::active(&config());
    let bequests = before.node.bequeath(before.now);
    let mut blank = Node::new(&[config()]);
    let mut started = Subject::started(&config());

    assert_eq!(blank.inherit(&bequests, before.now), Err(BequestError::TooEarly));
    assert_eq!(started.node.inherit(&bequests, before.now), Err(BequestError::Started));
}

#[test]
fn until_a_successor_knows_whether_nginx_serves_the_predecessors_word_counts() {
    let before = Subject::active(&config());
    let mut bequests = before.node.bequeath(before.now);
    let mut after = Node::new(&[config()]);
    after.handle(link_up(OURS), before.now);

    let without_word = Bequests { serving: false, ..bequests.clone() };
    assert_eq!(after.inherit(&without_word, before.now), Err(BequestError::TooEarly));
    bequests.serving = true;
    assert_eq!(after.inherit(&bequests, before.now), Ok(Vec::new()));
    assert_eq!(after.snapshot(RouterId(0)).state, State::Active);
}

#[test]
fn a_bequest_survives_being_written_down() {
    let mut before = Subject::active(&config());
    before.hears(&Advert::new(50).every(200));
    before.hears(&Advert { vrid: 77, ..Advert::new(1) });
    let mut backup = Subject::started(&config());
    backup.hears(&Advert::new(200));
    let mut failed = Subject::started(&config());
    failed.handle(failing());

    for subject in [before, backup, failed] {
        let bequests = subject.node.bequeath(subject.now);
        let text = serde_json::to_string(&bequests).unwrap();

        assert_eq!(serde_json::from_str::<Bequests>(&text).unwrap(), bequests, "{text}");
    }
}

/// An engine of an earlier version wrote this when both were for IPv4 only.
#[test]
fn the_addresses_of_peers_are_written_as_ever() {
    let mut before = Subject::started(&config());
    before.hears(&Advert::new(200));
    let active = serde_json::json!({
        "address": "192.0.2.2", "priority": 200, "is_self": false, "last_heard": before.now,
    });

    let backup = serde_json::to_value(before.node.bequeath(before.now)).unwrap();
    before.hears(&Advert::new(0));
    let resigned = serde_json::to_value(before.node.bequeath(before.now)).unwrap();

    assert_eq!(backup["routers"][0]["phase"]["backup"]["active"], active);
    assert_eq!(resigned["routers"][0]["phase"]["backup"]["resigned"], "192.0.2.2");
}

#[test]
fn a_bequest_of_a_later_version_of_the_program_is_read_as_far_as_possible() {
    let before = Subject::active(&config());
    let text = serde_json::to_string(&before.node.bequeath(before.now)).unwrap();

    let later =
        text.replace("\"no_response\"", "\"sunspots\"").replace("\"at\":", "\"moon\":1,\"at\":");
    let read: Bequests = serde_json::from_str(&later).unwrap();

    assert_ne!(later, text);
    assert_eq!(read.routers[0].history.last().unwrap().reason, Reason::Startup);
}

#[test]
fn a_hold_or_a_state_of_a_later_version_spoils_nothing_else() {
    let written =
        |subject: &Subject| serde_json::to_string(&subject.node.bequeath(subject.now)).unwrap();
    let active = written(&Subject::active(&config()));
    let mut failed = Subject::started(&config());
    failed.handle(failing());
    let failed = written(&failed);
    let listens_first = Phase::Initialize { hold: Hold::Stopped, listen_first: true };
    let waits = Phase::Initialize { hold: Hold::Stopped, listen_first: false };

    for (text, known, later, phase) in [
        (&failed, "\"unhealthy\"", "\"sunspots\"", waits),
        (&failed, "\"unhealthy\"", "{\"sunspots\":[7]}", waits),
        (&active, "{\"active\":", "{\"sunbathing\":", listens_first),
    ] {
        let changed = text.replacen(known, later, 1);
        let read: Bequests = serde_json::from_str(&changed).unwrap();

        assert_ne!(&changed, text);
        assert_eq!(read.routers[0].phase, phase);
        assert!(!read.routers[0].history.is_empty());
    }
    let changed = active.replace("\"to\":\"active\"", "\"to\":\"sunbathing\"");
    let read: Bequests = serde_json::from_str(&changed).unwrap();
    assert_ne!(changed, active);
    assert_eq!(read.routers[0].history.last().unwrap().to, State::Initialize);
    assert!(read.routers[0].phase.is_running());
}

/// A successor that takes over after `pause`, and what it does first.
fn succeed(before: &Subject, config: &InstanceConfig, pause: Duration) -> (Subject, Vec<Action>) {
    let mut after = Subject::unstarted(config, before.now + pause);
    let not_inherited = after.node.inherit(&before.node.bequeath(before.now), after.now);
    assert_eq!(not_inherited, Ok(Vec::new()));
    let actions = after.drain();
    (after, actions)
}

/// A successor that takes over at once, and the routers that it has not.
fn inherited(before: &Subject, config: &InstanceConfig) -> (Subject, Vec<RouterKey>) {
    let mut after = Subject::unstarted(config, before.now);
    let not_inherited = after.node.inherit(&before.node.bequeath(before.now), after.now).unwrap();
    (after, not_inherited)
}
