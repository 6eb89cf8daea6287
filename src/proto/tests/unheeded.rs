//! A peer that does not hear this router: the addresses are left to it.

use super::*;

/// How long a peer that stays Active has to find out that it is deaf.
const GRACE: Duration = Duration::from_micros(2 * 3_609_375 + 2_000_000);

#[test]
fn a_router_that_a_lower_one_does_not_hear_leaves_the_addresses_to_it() {
    let mut subject = Subject::active(&config());

    let (after, done) = subject.beside(&Advert::new(50), State::Fault);

    assert_eq!(effects(done), [advertise(0), RELEASE]);
    assert!(after >= GRACE && after <= GRACE + SECOND, "{after:?}");
    assert_eq!(subject.reason(), Some(Reason::Unheeded));
    let seen = subject.snapshot();
    assert_eq!(seen.unheeded_by, Some(LOWER.into()));
    let why = seen.fault.expect("a fault says why");
    assert!(why.starts_with("192.0.2.2 is active and does not hear this node"), "{why}");
}

#[test]
fn the_addresses_come_back_as_soon_as_the_other_router_is_silent_or_resigns() {
    let mut subject = unheeded(&config());
    assert_eq!(subject.claims_after(), DOWN);
    assert_eq!((subject.state(), subject.reason()), (State::Active, Some(Reason::NoResponse)));

    let mut subject = unheeded(&config());
    subject.hears(&Advert::new(0));
    assert_eq!(subject.claims_after(), SKEW);
    assert_eq!((subject.state(), subject.reason()), (State::Active, Some(Reason::Resigned)));
}

#[test]
fn who_is_not_heard_finds_out_ever_less_often_whether_it_is() {
    let mut subject = unheeded(&config());

    let mut tries = Vec::new();
    for second in 1..=1_000 {
        subject.run(SECOND);
        let done = effects(subject.hears(&Advert::new(50)));
        assert_eq!(subject.state(), State::Fault);
        if !done.is_empty() {
            assert_eq!(done, [advertise(100)], "no address is claimed");
            tries.push(second);
        }
    }

    let pauses = [60, 120, 240, 300];
    let begins = pauses.iter().scan(0, |at, pause| {
        *at += pause;
        let begin = *at;
        *at += 3;
        Some(begin)
    });
    assert_eq!(tries, begins.flat_map(|at| [at, at + 1, at + 2]).collect::<Vec<_>>());
}

#[test]
fn who_is_heard_again_takes_over_when_the_other_router_has_been_silent_for_the_down_interval() {
    let mut subject = unheeded(&config());
    for _ in 0..59 {
        subject.run(SECOND);
        subject.hears(&Advert::new(50));
    }

    subject.run(SECOND);
    assert_eq!(effects(subject.hears(&Advert::new(50))), [advertise(100)]);
    // Its last word as it steps down.
    assert_eq!(effects(subject.hears(&Advert::new(50))), [advertise(100)]);

    assert_eq!(subject.claims_after(), DOWN);
    assert_eq!(subject.reason(), Some(Reason::Preempted));
}

/// Both would be active, until the other one is found to be as deaf as before.
#[test]
fn one_lost_advertisement_during_a_test_is_no_silence() {
    let mut subject = unheeded(&config());
    for _ in 0..60 {
        subject.run(SECOND);
        subject.hears(&Advert::new(50));
    }
    assert_eq!(subject.state(), State::Fault);

    // The next one is lost.
    let done: Vec<_> = subject.run(2 * SECOND).into_iter().map(|(_, action)| action).collect();

    assert_eq!(effects(done), []);
    assert_eq!(effects(subject.hears(&Advert::new(50))), [advertise(100)], "the test goes on");
}

/// Whoever hears the test steps down, and nobody would have the addresses.
#[test]
fn nobody_is_tested_while_the_addresses_could_not_be_added() {
    let mut subject = unheeded(&config());
    subject.handle(Input::CannotClaim(true));
    for _ in 0..90 {
        subject.run(SECOND);
        assert_eq!(effects(subject.hears(&Advert::new(50))), []);
    }

    subject.handle(Input::CannotClaim(false));

    subject.run(SECOND);
    assert_eq!(effects(subject.hears(&Advert::new(50))), [advertise(100)]);
}

#[test]
fn a_reload_gives_nobody_the_time_again_to_find_out_that_it_is_deaf() {
    let begin = Subject::active(&config());
    let started = begin.now;
    let mut subject = begin;
    while subject.state() == State::Active {
        for _ in 0..3 {
            subject.hears_and_sends(&Advert::new(50));
            subject.lets_pass(SECOND);
        }
        let state = subject.node.bequeath(subject.now);
        let mut heir = Subject::unstarted(&config(), subject.now);
        heir.node.inherit(&state, heir.now).unwrap();
        heir.drain();
        subject = heir;
        assert!(subject.now - started < GRACE + 4 * SECOND, "it is active for too long");
    }
    assert_eq!(subject.state(), State::Fault);
}

#[test]
fn a_router_of_higher_priority_ends_the_fault() {
    let mut subject = unheeded(&config());

    subject.hears(&Advert::new(150).from(HIGHER));

    assert_eq!((subject.state(), subject.reason()), (State::Backup, Some(Reason::HigherPriority)));
    assert_eq!(subject.snapshot().unheeded_by, None);
}

#[test]
fn who_preempts_nobody_is_a_backup_after_the_first_pause() {
    for (config, theirs) in [(InstanceConfig { preempt: false, ..config() }, 50), (config(), 100)] {
        let mut subject = unheeded_by(&config, &Advert::new(theirs));
        for _ in 0..60 {
            assert_eq!(subject.state(), State::Fault);
            subject.run(SECOND);
            assert_eq!(effects(subject.hears(&Advert::new(theirs))), []);
        }

        assert_eq!(subject.state(), State::Backup);
        subject.run(SECOND);
        assert_eq!(effects(subject.hears(&Advert::new(theirs))), []);
    }
}

#[test]
fn an_owner_that_is_not_heard_leaves_the_addresses_as_well() {
    let mut subject = Subject::started(&owner());
    assert_eq!(subject.state(), State::Active);
    subject.beside(&Advert::new(100), State::Fault);

    let state = subject.node.bequeath(subject.now);
    let mut heir = Subject::unstarted(&owner(), subject.now);
    heir.node.inherit(&state, heir.now).unwrap();

    assert_eq!((heir.state(), heir.drain()), (State::Fault, vec![]), "over a reload, too");
    heir.hears(&Advert::new(100));
    assert_eq!(heir.claims_after(), SECOND * 3 + SECOND / 256);
}

#[test]
fn the_fault_outlives_a_reload_with_its_pause() {
    let mut subject = unheeded(&config());
    for _ in 0..50 {
        subject.run(SECOND);
        subject.hears(&Advert::new(50));
    }

    let state = subject.node.bequeath(subject.now);
    let mut heir = Subject::unstarted(&config(), subject.now);
    heir.node.inherit(&state, heir.now).unwrap();

    for second in 51..60 {
        heir.run(SECOND);
        assert_eq!(heir.hears(&Advert::new(50)), [], "after {second} s");
        assert_eq!(heir.state(), State::Fault);
    }
    heir.run(SECOND);
    assert_eq!(effects(heir.hears(&Advert::new(50))), [advertise(100)]);
}

#[test]
fn hosts_are_left_to_a_router_that_stays_active_and_taken_back_when_it_is_gone() {
    let mut subject = Subject::active(&config());
    let (mut announced, mut last) = (Vec::new(), Vec::new());
    for second in 0..7 {
        let done = subject.hears_and_sends(&Advert::new(50));
        announced.push(done.contains(&ANNOUNCE));
        last = subject.lets_pass(SECOND);
        assert!(!last.contains(&ANNOUNCE), "after {second} s");
    }
    assert_eq!(announced, [true, true, true, true, false, false, false]);
    assert_eq!(effects(last), [advertise(100)]);

    let done = effects(subject.hears_and_sends(&Advert::new(0)));
    assert_eq!(done, [advertise(100), ANNOUNCE], "it has resigned");

    for _ in 0..6 {
        subject.hears_and_sends(&Advert::new(50));
        subject.lets_pass(SECOND);
    }
    let done = subject.lets_pass(SECOND * 4);
    assert_eq!(done.iter().filter(|it| **it == ANNOUNCE).count(), 1, "it is silent");
}

#[test]
fn who_cannot_send_does_not_take_a_peer_for_deaf() {
    let mut subject = Subject::active(&config());

    for _ in 0..4 {
        subject.hears(&Advert::new(50));
        subject.run(SECOND);
        assert_eq!(subject.snapshot().unheeded_by, None);
    }
}

#[test]
fn a_flood_of_other_senders_does_not_hide_who_hears_nothing() {
    let mut subject = Subject::active(&config());
    let others = [Advert::new(10).from([192, 0, 2, 9]), Advert::new(1).from([192, 0, 2, 10])];

    for _ in 0..12 {
        subject.hears_and_sends(&Advert::new(50));
        for other in &others {
            subject.hears_and_sends(other);
        }
        subject.lets_pass(SECOND);
    }

    assert_eq!(subject.state(), State::Fault);
}

fn unheeded(config: &InstanceConfig) -> Subject {
    unheeded_by(config, &Advert::new(50))
}

fn unheeded_by(config: &InstanceConfig, advert: &Advert) -> Subject {
    let mut subject = Subject::active(config);
    subject.beside(advert, State::Fault);
    subject
}

impl Subject {
    /// Hears an advertisement each second until the router is in a state. Returns how long that
    /// took, and what came of the last one.
    fn beside(&mut self, advert: &Advert, state: State) -> (Duration, Vec<Action>) {
        let begin = self.now;
        for _ in 0..60 {
            let done = self.hears_and_sends(advert);
            if self.state() == state {
                return (self.now - begin, done);
            }
            self.lets_pass(SECOND);
        }
        panic!("it is {} after a minute", self.state());
    }

    /// Lets time pass, in which the kernel takes every advertisement.
    fn lets_pass(&mut self, duration: Duration) -> Vec<Action> {
        let done: Vec<_> = self.run(duration).into_iter().map(|(_, action)| action).collect();
        self.send(&done);
        done
    }

    fn hears_and_sends(&mut self, advert: &Advert) -> Vec<Action> {
        let done = self.hears(advert);
        self.send(&done);
        done
    }

    fn send(&mut self, actions: &[Action]) {
        for action in actions {
            if let Action::Advertise { router, priority } = *action {
                let outcome = SendOutcome::Sent;
                self.handle(Input::Sent { router, priority, outcome });
            }
        }
    }

    fn claims_after(&mut self) -> Duration {
        let claims = self.run(1000 * SECOND).into_iter().find(|(_, action)| *action == CLAIM);
        claims.expect("nobody else is heard").0
    }
}
