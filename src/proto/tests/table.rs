//! The state machine as a table: every state, every event.

use super::*;
use State::{Active, Backup, Fault, Initialize};

/// Something that happens to a router of priority 100 and address 192.0.2.3.
#[derive(Clone, Copy, Debug)]
enum Event {
    Startup,
    Shutdown,
    Timeout,
    Resignation,
    LowerPriority,
    EqualPriorityLowerAddress,
    EqualPriorityHigherAddress,
    HigherPriority,
    LinkDown,
    LinkUp,
    NginxFails,
    NginxServes,
}

/// State, event, next state; then what is sent and done.
const TABLE: &[(State, Event, State, &str)] = &[
    (Initialize, Event::Startup, Backup, ""),
    (Initialize, Event::Shutdown, Initialize, ""),
    (Initialize, Event::Timeout, Initialize, ""),
    (Initialize, Event::Resignation, Initialize, ""),
    (Initialize, Event::LowerPriority, Initialize, ""),
    (Initialize, Event::EqualPriorityLowerAddress, Initialize, ""),
    (Initialize, Event::EqualPriorityHigherAddress, Initialize, ""),
    (Initialize, Event::HigherPriority, Initialize, ""),
    (Initialize, Event::LinkDown, Initialize, ""),
    (Initialize, Event::LinkUp, Initialize, ""),
    (Initialize, Event::NginxFails, Initialize, ""),
    (Initialize, Event::NginxServes, Initialize, ""),
    (Fault, Event::Startup, Fault, ""),
    (Fault, Event::Shutdown, Initialize, ""),
    (Fault, Event::Timeout, Fault, ""),
    (Fault, Event::Resignation, Fault, ""),
    (Fault, Event::LowerPriority, Fault, ""),
    (Fault, Event::EqualPriorityLowerAddress, Fault, ""),
    (Fault, Event::EqualPriorityHigherAddress, Fault, ""),
    (Fault, Event::HigherPriority, Fault, ""),
    (Fault, Event::LinkDown, Fault, ""),
    (Fault, Event::LinkUp, Fault, ""),
    (Fault, Event::NginxFails, Fault, ""),
    (Fault, Event::NginxServes, Backup, ""),
    (Backup, Event::Startup, Backup, ""),
    (Backup, Event::Shutdown, Initialize, ""),
    (Backup, Event::Timeout, Active, "advertise 100, claim"),
    (Backup, Event::Resignation, Backup, ""),
    (Backup, Event::LowerPriority, Backup, ""),
    (Backup, Event::EqualPriorityLowerAddress, Backup, ""),
    (Backup, Event::EqualPriorityHigherAddress, Backup, ""),
    (Backup, Event::HigherPriority, Backup, ""),
    (Backup, Event::LinkDown, Fault, ""),
    (Backup, Event::LinkUp, Backup, ""),
    (Backup, Event::NginxFails, Fault, ""),
    (Backup, Event::NginxServes, Backup, ""),
    (Active, Event::Startup, Active, ""),
    (Active, Event::Shutdown, Initialize, "advertise 0, release"),
    (Active, Event::Timeout, Active, "advertise 100"),
    (Active, Event::Resignation, Active, "advertise 100"),
    (Active, Event::LowerPriority, Active, "advertise 100, announce"),
    (Active, Event::EqualPriorityLowerAddress, Active, "advertise 100, announce"),
    (Active, Event::EqualPriorityHigherAddress, Backup, "advertise 100, yield"),
    (Active, Event::HigherPriority, Backup, "advertise 100, yield"),
    (Active, Event::LinkDown, Active, ""),
    (Active, Event::LinkUp, Active, ""),
    (Active, Event::NginxFails, Fault, "advertise 0, release"),
    (Active, Event::NginxServes, Active, ""),
];

#[test]
fn every_event_in_every_state_does_what_the_table_says() {
    for &(state, event, next, expected) in TABLE {
        let mut subject = subject_in(state);

        let done = cause(&mut subject, event);

        let words: Vec<_> = effects(done).iter().map(word).collect();
        assert_eq!(words.join(", "), expected, "{event:?} in {state}");
        assert_eq!(subject.state(), next, "{event:?} in {state}");
        let rests = matches!(next, Initialize | Fault);
        assert_eq!(subject.timeout().is_none(), rests, "{event:?} in {state}");
    }
}

/// The node is not started in Initialize; its nginx fails in Fault.
fn subject_in(state: State) -> Subject {
    let subject = match state {
        Initialize => Subject::stopped(&config()),
        Backup => Subject::started(&config()),
        Active => Subject::active(&config()),
        Fault => {
            let mut subject = Subject::started(&config());
            subject.handle(failing());
            subject
        }
    };
    assert_eq!(subject.state(), state);
    subject
}

fn cause(subject: &mut Subject, event: Event) -> Vec<Action> {
    match event {
        Event::Startup => subject.handle(Input::Startup),
        Event::Shutdown => subject.handle(Input::Shutdown),
        Event::Timeout => {
            let wait = subject.timeout().unwrap_or(60 * SECOND);
            subject.oversleep(wait)
        }
        Event::Resignation => subject.hears(&Advert::new(0)),
        Event::LowerPriority => subject.hears(&Advert::new(99).from(HIGHER)),
        Event::EqualPriorityLowerAddress => subject.hears(&Advert::new(100).from(LOWER)),
        Event::EqualPriorityHigherAddress => subject.hears(&Advert::new(100).from(HIGHER)),
        Event::HigherPriority => subject.hears(&Advert::new(101).from(LOWER)),
        Event::LinkDown => subject.handle(link(LinkCarrier::Down, None)),
        Event::LinkUp => subject.handle(link_up(OURS)),
        Event::NginxFails => subject.handle(failing()),
        Event::NginxServes => subject.handle(Input::Health(Health::Serving)),
    }
}

fn word(action: &Action) -> String {
    match action {
        Action::Advertise { priority, .. } => format!("advertise {priority}"),
        Action::Claim(_) => "claim".to_owned(),
        Action::Release(_) => "release".to_owned(),
        Action::Announce(_) => "announce".to_owned(),
        Action::Yield { .. } => "yield".to_owned(),
        Action::Relay { .. } => "relay".to_owned(),
        Action::Transition(transition) => format!("{transition:?}"),
        Action::Report(report) => format!("{report:?}"),
    }
}
