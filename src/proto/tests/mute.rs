//! The kernel sends nothing for a router: it counts what left, and yields where a peer is heard.

use super::*;

#[test]
fn an_advertisement_counts_as_sent_when_the_kernel_took_it() {
    let mut subject = Subject::active(&config());

    subject.handle(sent(100));
    subject.handle(refused());
    subject.handle(sent(0));

    let counters = subject.snapshot().counters;
    assert_eq!((counters.advertisements_sent, counters.priority_zero_sent), (2, 1));
}

#[test]
fn a_router_is_mute_once_nothing_could_be_sent_for_active_down_interval() {
    let mut subject = Subject::active(&config());
    subject.handle(refused());

    subject.refuses_for(SECOND * 3);
    assert!(!subject.node.is_mute(ROUTER));
    subject.refuses_for(SECOND);

    assert!(subject.node.is_mute(ROUTER));
    assert_eq!(subject.state(), State::Active, "nobody else is heard");
    subject.handle(sent(100));
    assert!(!subject.node.is_mute(ROUTER));
}

#[test]
fn a_mute_router_leaves_the_addresses_to_a_peer_that_is_heard() {
    let mut subject = Subject::active(&config());
    subject.handle(refused());
    subject.refuses_for(DOWN);

    let done = effects(subject.hears(&Advert::new(50)));

    assert!(done.ends_with(&[advertise(0), RELEASE]), "{done:?}");
    let seen = (subject.state(), subject.reason());
    assert_eq!(seen, (State::Fault, Some(Reason::CannotSend)));
    assert!(subject.snapshot().fault.is_some_and(|why| why.contains("another router is active")));
}

#[test]
fn a_mute_router_leaves_nothing_to_a_router_of_other_addresses() {
    let mut subject = Subject::active(&config());
    subject.handle(refused());
    subject.refuses_for(DOWN);
    let addresses = vec![VirtualAddress { address: [192, 0, 2, 77].into(), prefix: 24 }];

    subject.hears(&Advert { addresses, ..Advert::new(50) });

    assert_eq!(subject.state(), State::Active);
}

#[test]
fn a_peer_that_is_heard_while_a_single_advertisement_failed_takes_nothing() {
    let mut subject = Subject::active(&config());
    subject.handle(refused());

    subject.hears(&Advert::new(50));

    assert_eq!(subject.state(), State::Active);
}

#[test]
fn a_router_that_yielded_comes_back_when_the_kernel_has_taken_all_for_three_seconds() {
    let mut subject = Subject::active(&config());
    subject.handle(refused());
    subject.refuses_for(DOWN);
    subject.hears(&Advert::new(50));

    // A firewall that comes and goes.
    for outcome in [SendOutcome::Sent, SendOutcome::Refused].into_iter().cycle().take(60) {
        subject.hears(&Advert::new(50));
        subject.handle(Input::Tried { router: ROUTER, outcome });
        subject.run(SECOND);
        assert_eq!(subject.state(), State::Fault);
    }
    for _ in 0..3 {
        subject.hears(&Advert::new(50));
        subject.handle(Input::Tried { router: ROUTER, outcome: SendOutcome::Sent });
        subject.run(SECOND);
    }
    assert_eq!(subject.state(), State::Fault);
    subject.hears(&Advert::new(50));
    subject.handle(Input::Tried { router: ROUTER, outcome: SendOutcome::Sent });

    assert_eq!(subject.state(), State::Backup, "it listens first");
    assert_eq!(subject.takes_over_after(), DOWN);
}

#[test]
fn a_router_that_yielded_serves_again_when_the_other_one_has_died() {
    let mut subject = Subject::active(&config());
    subject.handle(refused());
    subject.refuses_for(DOWN);
    subject.hears(&Advert::new(50));

    subject.run(SECOND * 3);
    subject.handle(Input::Tried { router: ROUTER, outcome: SendOutcome::Refused });
    assert_eq!(subject.state(), State::Fault);
    subject.run(SECOND);
    subject.handle(Input::Tried { router: ROUTER, outcome: SendOutcome::Refused });

    assert_eq!(subject.takes_over_after(), DOWN);
}

#[test]
fn only_the_router_that_has_the_addresses_prolongs_how_long_they_are_left_to_it() {
    let mut subject = Subject::active(&config());
    subject.handle(refused());
    subject.refuses_for(DOWN);
    subject.hears(&Advert::new(0));
    assert_eq!(subject.state(), State::Active, "who resigns takes nothing");
    subject.hears(&Advert::new(50));
    assert_eq!(subject.state(), State::Fault);

    for _ in 0..4 {
        subject.run(SECOND);
        subject.hears(&Advert::new(40).from(HIGHER));
        subject.handle(Input::Tried { router: ROUTER, outcome: SendOutcome::Refused });
    }

    assert_eq!(subject.state(), State::Backup);
}

#[test]
fn a_successor_of_a_router_that_yielded_yields_until_it_can_send() {
    let mut subject = Subject::active(&config());
    subject.handle(refused());
    subject.refuses_for(DOWN);
    subject.hears(&Advert::new(50));
    let state = subject.node.bequeath(subject.now);

    let mut heir = Subject::unstarted(&config(), subject.now);
    heir.node.inherit(&state, heir.now).unwrap();

    assert_eq!((heir.state(), heir.timeout()), (State::Fault, None));
    for _ in 0..=3 {
        heir.hears(&Advert::new(50));
        heir.handle(Input::Tried { router: ROUTER, outcome: SendOutcome::Sent });
        heir.run(SECOND);
    }
    assert_eq!(heir.state(), State::Backup);
}

#[test]
fn a_backup_that_resigned_in_vain_is_no_fault() {
    let mut subject = Subject::active(&config());
    subject.hears(&Advert::new(200));
    assert_eq!(subject.state(), State::Backup);

    subject.handle(refused());
    subject.run(SECOND * 3);

    assert!(!subject.node.is_mute(ROUTER));
}

impl Subject {
    /// Lets time pass, in which the kernel refuses every advertisement.
    fn refuses_for(&mut self, duration: Duration) {
        for (_, action) in self.run(duration) {
            if matches!(action, Action::Advertise { .. }) {
                self.handle(refused());
            }
        }
        self.handle(refused());
    }
}

fn sent(priority: u8) -> Input<'static> {
    let outcome = SendOutcome::Sent;
    Input::Sent { router: ROUTER, priority: Priority::new(priority), outcome }
}

fn refused() -> Input<'static> {
    let outcome = SendOutcome::Refused;
    Input::Sent { router: ROUTER, priority: Priority::new(100), outcome }
}
