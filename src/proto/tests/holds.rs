//! What keeps a router from taking part, and how it leaves.

use super::*;

#[test]
fn shutdown_of_an_active_router_resigns_then_releases() {
    let mut subject = Subject::active(&config());

    let done = subject.handle(Input::Shutdown);

    assert_eq!(effects(done), [advertise(0), RELEASE]);
    assert_eq!(subject.state(), State::Initialize);
    assert_eq!((subject.reason(), subject.timeout()), (Some(Reason::Shutdown), None));
}

#[test]
fn shutdown_of_a_backup_sends_nothing() {
    let mut subject = Subject::started(&config());

    assert_eq!(effects(subject.handle(Input::Shutdown)), []);
    assert_eq!((subject.state(), subject.timeout()), (State::Initialize, None));
}

#[test]
fn a_link_that_comes_back_finds_a_backup_with_a_fresh_timer() {
    let mut subject = Subject::active(&config());
    subject.handle(link(LinkCarrier::Down, Some(OURS)));
    subject.run(60 * SECOND);

    subject.handle(link_up(OURS));

    assert_eq!((subject.state(), subject.reason()), (State::Backup, Some(Reason::Startup)));
    assert_eq!(subject.timeout(), Some(DOWN));
    assert_eq!(subject.snapshot().fault, None);
}

#[test]
fn an_active_router_whose_nginx_fails_resigns_then_releases() {
    let mut subject = Subject::active(&config());

    let done = subject.handle(failing());

    assert_eq!(effects(done), [advertise(0), RELEASE]);
    assert_eq!((subject.state(), subject.reason()), (State::Fault, Some(Reason::Unhealthy)));
    let fault = subject.snapshot().fault.map(std::borrow::Cow::into_owned);
    assert_eq!(fault.as_deref(), Some("2 of 2 workers silent for 2000 ms"));
}

#[test]
fn an_owner_whose_nginx_serves_again_is_active_at_once() {
    let mut subject = Subject::started(&owner());
    subject.handle(failing());

    let done = subject.handle(Input::Health(Health::Serving));

    assert_eq!(effects(done), [advertise(255), CLAIM]);
}

#[test]
fn a_node_waits_for_all_that_it_needs_in_any_order() {
    let inputs =
        || [Input::Startup, Input::Health(Health::Serving), link_up(OURS)].map(|input| (input, 0));

    for first in 0..3 {
        let mut subject = Subject { node: Node::new(&[config()]), now: Instant::from_nanos(9) };
        let mut inputs = Vec::from(inputs());
        inputs.rotate_left(first);
        for (input, _) in inputs {
            assert_eq!((subject.state(), subject.timeout()), (State::Initialize, None));
            subject.handle(input);
        }
        assert_eq!(subject.state(), State::Backup);
    }
}

#[test]
fn a_router_that_is_held_ignores_what_it_hears() {
    let mut subject = Subject::active(&config());
    subject.handle(failing());

    for priority in [0, 50, 200] {
        assert_eq!(subject.hears(&Advert::new(priority)), []);
    }

    assert_eq!(subject.state(), State::Fault);
    assert_eq!(subject.discarded(Discard::NotRunning), 3);
}

#[test]
fn a_fault_of_the_link_outweighs_one_of_nginx_and_shutdown_both() {
    let mut subject = Subject::active(&config());

    subject.handle(failing());
    subject.handle(link(LinkCarrier::Down, None));
    let both = subject.snapshot().fault.map(std::borrow::Cow::into_owned);
    subject.handle(Input::Shutdown);

    assert_eq!(both.as_deref(), Some("interface eth0 is down"));
    assert_eq!((subject.state(), subject.snapshot().fault), (State::Initialize, None));
}

#[test]
fn a_primary_address_that_changes_is_in_the_next_advertisement() {
    let mut subject = Subject::active(&config());
    let moved = Ipv4Addr::new(192, 0, 2, 7);

    assert_eq!(subject.handle(link_up(moved)), []);

    assert_eq!(subject.encoded(100), Advert::new(100).from(moved).datagram());
    assert_eq!(subject.snapshot().active.map(|active| active.address), Some(moved.into()));
}

#[test]
fn links_are_listed_once_in_the_order_of_first_use() {
    let on = |name, vrid| InstanceConfig {
        interface: LinkName::new(name).unwrap(),
        vrid: Vrid::new(vrid).unwrap(),
        ..config()
    };
    let mut node = Node::new(&[on("eth1", 10), on("eth0", 10), on("eth1", 11)]);
    let start = Instant::from_nanos(1);
    node.handle(Input::Startup, start);
    node.handle(Input::Health(Health::Serving), start);

    node.handle(link_up(OURS), start);

    assert_eq!(node.links(), [LinkName::new("eth1").unwrap(), LinkName::new("eth0").unwrap()]);
    let states: Vec<_> = node.routers().map(|id| node.snapshot(id).state).collect();
    assert_eq!(states, [State::Backup, State::Initialize, State::Backup]);
}

#[test]
fn the_history_keeps_the_last_transitions_and_the_counter_all() {
    let mut subject = Subject::started(&owner());

    for _ in 0..50 {
        subject.run(SECOND);
        subject.handle(failing());
        subject.handle(Input::Health(Health::Serving));
    }

    let snapshot = subject.snapshot();
    let history: Vec<_> = snapshot.history().cloned().collect();
    assert_eq!((snapshot.transitions, history.len()), (101, HISTORY_LENGTH));
    assert_eq!(snapshot.since, history.last().map(|last| last.at));
    for pair in history.windows(2) {
        assert_eq!(pair[0].to, pair[1].from);
        assert!(pair[0].at <= pair[1].at);
    }
}

#[test]
fn a_tracked_interface_that_breaks_holds_its_router_and_says_so() {
    let mut subject = Subject::active(&config());
    let down = |down| Input::Tracked { router: ROUTER, down };

    let done = subject.handle(down(Some("interface eth1 is down")));

    assert_eq!(effects(done), [advertise(0), RELEASE]);
    assert_eq!((subject.state(), subject.reason()), (State::Fault, Some(Reason::TrackedLinkDown)));
    assert_eq!(subject.snapshot().fault.as_deref(), Some("interface eth1 is down"));
    subject.handle(down(None));
    assert_eq!(subject.state(), State::Backup);
}
