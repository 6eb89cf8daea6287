//! Routers of a sync group: all are Active, or none.

use super::*;
use crate::config::SyncGroupConfig;

const SECOND_ROUTER: RouterId = RouterId(1);
const SECOND_LINK: LinkId = LinkId(1);

#[test]
fn members_become_active_at_the_same_moment_the_last_one_ready_decides() {
    let slow = InstanceConfig { adver_interval: Centiseconds::new(200).unwrap(), ..second() };
    let mut subject = group_of(&[config(), slow]);

    let done = timed_effects(subject.run(20 * SECOND));

    let claims: Vec<_> = done.iter().filter(|(_, it)| matches!(it, Action::Claim(_))).collect();
    let at = 2 * DOWN;
    assert_eq!(claims, [&(at, CLAIM), &(at, Action::Claim(SECOND_ROUTER))]);
    assert_eq!(done[0].0, at, "nothing is said before");
}

#[test]
fn a_member_waits_for_one_that_hears_an_active_router_and_says_so() {
    let mut subject = group();
    for _ in 0..20 {
        subject.hears_on(SECOND_LINK, &Advert::new(200));
        assert_eq!(timed_effects(subject.run(SECOND)), []);
    }
    assert_eq!(subject.states(), [State::Backup; 2]);
    let awaited = subject.snapshot().awaited;
    assert_eq!(awaited, Some(("VI_2", Some(LOWER.into()))));

    subject.hears_on(SECOND_LINK, &Advert::new(0));
    let done = subject.run(SKEW);

    let claimed = |done: &[(Duration, Action)]| {
        done.iter().filter(|(_, it)| matches!(it, Action::Claim(_))).count()
    };
    assert_eq!(claimed(&done), 2);
    assert_eq!(subject.states(), [State::Active; 2]);
    assert_eq!(subject.snapshot().awaited, None);
}

#[test]
fn a_member_in_fault_holds_the_others_with_a_resignation_and_lets_them_go_with_it() {
    let mut subject = active();

    let done = subject.tell_second_link(LinkCarrier::Down);
    assert_eq!(effects(done), [], "for a moment nobody can have taken over");
    let done = timed_effects(subject.run(3 * SECOND));
    assert!(done.iter().any(|(_, it)| *it == RELEASE), "{done:?}");
    assert!(done.iter().any(|(_, it)| *it == Action::Release(SECOND_ROUTER)), "{done:?}");
    assert!(done.iter().any(|(_, it)| *it == advertise(0)), "{done:?}");

    assert_eq!(subject.states(), [State::Fault; 2]);
    assert_eq!(subject.reason(), Some(Reason::SyncGroup));
    let why = "VI_2 of sync group G1 is in fault: interface eth1 is down";
    assert_eq!(subject.snapshot().fault.as_deref(), Some(why));

    subject.tell_second_link(LinkCarrier::Up);
    assert_eq!(subject.states(), [State::Backup; 2]);
    subject.run(DOWN);
    assert_eq!(subject.states(), [State::Active; 2]);
}

#[test]
fn where_another_router_wins_the_first_member_the_others_follow_within_an_interval() {
    let mut subject = active();
    let heard = subject.hears_on(LINK, &Advert::new(200));
    assert!(effects(heard).iter().any(|it| matches!(it, Action::Yield { .. })));

    let done = timed_effects(subject.run(SECOND));

    let zero = Action::Advertise { router: SECOND_ROUTER, priority: Priority::RESIGN };
    assert!(done.iter().any(|(at, it)| *it == zero && *at == SECOND), "{done:?}");
    assert_eq!(subject.states(), [State::Backup; 2]);
    assert_eq!(subject.node.snapshot(SECOND_ROUTER).reason, Some(Reason::SyncGroup));
}

/// That is what happens as a rule: the other node takes all members at once.
#[test]
fn members_that_are_won_together_step_down_without_a_resignation() {
    let mut subject = active();
    let first = effects(subject.hears_on(LINK, &Advert::new(200)));
    let second = effects(subject.hears_on(SECOND_LINK, &Advert::new(200)));
    let done = [first, second].concat();
    assert!(
        !done
            .iter()
            .any(|it| matches!(it, Action::Advertise { priority, .. } if priority.is_resigning()))
    );
    assert_eq!(subject.states(), [State::Backup; 2]);
    assert_eq!(timed_effects(subject.run(SECOND)), []);
}

/// Two nodes of equal priority, of which each has the higher address on one link.
#[test]
fn the_node_that_keeps_the_first_member_waits_for_the_others_to_come_back() {
    let mut subject = active();
    subject.hears_on(SECOND_LINK, &Advert::new(100).from(HIGHER));
    assert_eq!(subject.states(), [State::Active, State::Backup]);

    subject.run(SECOND);
    subject.hears_on(SECOND_LINK, &Advert::new(0).from(HIGHER));
    subject.run(SKEW);
    assert_eq!(subject.states(), [State::Active; 2], "the other node has given up");

    subject.hears_on(SECOND_LINK, &Advert::new(200).from(HIGHER));
    for _ in 0..5 {
        subject.run(SECOND);
        subject.hears_on(SECOND_LINK, &Advert::new(200).from(HIGHER));
    }
    assert_eq!(subject.states(), [State::Backup; 2], "the other node has not");
}

#[test]
fn a_weight_on_one_member_counts_for_all() {
    let mut subject = active();
    let priority = |subject: &Subject| {
        subject
            .node
            .routers()
            .map(|id| subject.node.snapshot(id).effective_priority.get())
            .collect::<Vec<_>>()
    };
    let weigh = |subject: &mut Subject, router, priority| {
        subject.handle(Input::Priority { router, priority: Priority::new(priority) });
    };

    weigh(&mut subject, SECOND_ROUTER, 40);
    assert_eq!(priority(&subject), [40, 40]);
    weigh(&mut subject, ROUTER, 60);
    assert_eq!(priority(&subject), [40, 40]);
    weigh(&mut subject, SECOND_ROUTER, 100);
    assert_eq!(priority(&subject), [60, 60]);

    let heir = subject.heir(&[config(), second()]);
    assert_eq!(priority(&heir), [60, 60]);
    let mut heir = heir;
    weigh(&mut heir, ROUTER, 100);
    assert_eq!(priority(&heir), [100, 100], "each knows its own");
}

#[test]
fn a_successor_that_groups_routers_gets_together_what_is_apart() {
    let mut alone = grouped(&[config(), second()], &[]);
    alone.run(DOWN);
    alone.hears_on(SECOND_LINK, &Advert::new(200));
    assert_eq!(alone.states(), [State::Active, State::Backup]);

    let mut heir = alone.heir(&[config(), second()]);
    for _ in 0..6 {
        heir.hears_on(SECOND_LINK, &Advert::new(200));
        heir.run(SECOND);
    }

    assert_eq!(heir.states(), [State::Backup; 2]);
}

/// A reload that adds a member must not cost the others their addresses.
#[test]
fn a_member_that_is_new_becomes_active_beside_the_others() {
    let mut alone = grouped(&[config()], &[]);
    alone.run(DOWN);
    let mut heir = alone.heir(&[config(), second()]);
    assert_eq!(heir.states(), [State::Active, State::Backup]);

    heir.run(DOWN);

    assert_eq!(heir.states(), [State::Active; 2]);
    assert_eq!(heir.snapshot().transitions, 2);
}

#[test]
fn owners_of_a_group_are_active_as_soon_as_all_can_be() {
    let owners = [owner(), InstanceConfig { priority: Priority::OWNER, ..second() }];
    let mut subject = unstarted(&owners, &both());
    subject.handle(Input::Startup);
    subject.handle(link_up(OURS));
    subject.wake();
    assert_ne!(subject.state(), State::Active, "the second link is not known yet");

    subject.tell_second_link(LinkCarrier::Up);
    subject.wake();

    assert_eq!(subject.states(), [State::Active; 2]);
}

#[test]
fn peers_of_a_group_are_as_patient_as_those_of_its_slowest_member() {
    let slow = InstanceConfig { adver_interval: Centiseconds::new(300).unwrap(), ..second() };
    let subject = group_of(&[config(), slow]);

    let patience = subject.node.patience_of_peers(ROUTER);

    assert_eq!(patience, subject.node.patience_of_peers(SECOND_ROUTER));
    assert_eq!(patience[0], 3 * DOWN);
}

#[test]
fn a_drain_of_a_group_leaves_with_grace() {
    let mut subject = active();

    let done = effects(subject.handle(Input::Drain(true)));

    let zero = |router| Action::Advertise { router, priority: Priority::RESIGN };
    assert_eq!(done, [zero(ROUTER), zero(SECOND_ROUTER)]);
    subject.hears_on(LINK, &Advert::new(50));
    subject.hears_on(SECOND_LINK, &Advert::new(50));
    assert_eq!(subject.states(), [State::Initialize; 2]);
}

fn second() -> InstanceConfig {
    let (name, interface) = ("VI_2".to_owned(), LinkName::new("eth1").unwrap());
    InstanceConfig { name, interface, ..config() }
}

fn both() -> [SyncGroupConfig; 1] {
    [SyncGroupConfig { name: "G1".to_owned(), members: vec![0, 1] }]
}

fn unstarted(instances: &[InstanceConfig], groups: &[SyncGroupConfig]) -> Subject {
    let node = Node::new(instances).with_sync_groups(groups);
    let mut subject = Subject { node, now: Instant::from_nanos(77_000_000_000) };
    subject.handle(Input::Health(Health::Serving));
    subject
}

fn grouped(instances: &[InstanceConfig], groups: &[SyncGroupConfig]) -> Subject {
    let mut subject = unstarted(instances, groups);
    subject.handle(link_up(OURS));
    if instances.len() > 1 {
        subject.tell_second_link(LinkCarrier::Up);
    }
    subject.handle(Input::Startup);
    subject
}

fn group_of(instances: &[InstanceConfig]) -> Subject {
    grouped(instances, &both())
}

fn group() -> Subject {
    group_of(&[config(), second()])
}

fn active() -> Subject {
    let mut subject = group();
    subject.run(DOWN);
    assert_eq!(subject.states(), [State::Active; 2]);
    subject
}

impl Subject {
    fn states(&self) -> Vec<State> {
        self.node.routers().map(|id| self.node.snapshot(id).state).collect()
    }

    fn hears_on(&mut self, link: LinkId, advert: &Advert) -> Vec<Action> {
        let (envelope, payload) = advert.sent();
        let received = Ok(Datagram { envelope, payload: &payload });
        self.handle(Input::Datagram { link, received })
    }

    fn tell_second_link(&mut self, carrier: LinkCarrier) -> Vec<Action> {
        let Input::Link { facts, .. } = link(carrier, Some(OURS)) else { unreachable!() };
        self.handle(Input::Link { link: SECOND_LINK, facts })
    }

    /// Returns a successor that has the group.
    fn heir(&self, instances: &[InstanceConfig]) -> Self {
        let bequests = self.node.bequeath(self.now);
        let mut heir = unstarted(instances, &both());
        heir.now = self.now;
        heir.handle(link_up(OURS));
        heir.tell_second_link(LinkCarrier::Up);
        heir.node.inherit(&bequests, heir.now).unwrap();
        heir
    }
}
