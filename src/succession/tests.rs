//! What one engine says to others; whole hosts are simulated in `t/sim/succession`.

use super::*;
use crate::proto::{Bequests, RouterId};

const PREDECESSOR: PeerId = PeerId(1);
const OTHER: PeerId = PeerId(2);
const NOW: Instant = Instant::from_nanos(1_000_000_000);

#[test]
fn an_engine_that_had_the_routers_is_told_of_what_has_changed_and_nothing_else() {
    let mut engine = successor();

    engine.handle(Incident::Changed(RouterId(0)), NOW);
    engine.handle(Incident::Changed(RouterId(0)), NOW);

    assert_eq!(news(&mut engine, &[]), [(PREDECESSOR, Backlog::Of([RouterId(0)].into()))]);
    assert_eq!(news(&mut engine, &[]), []);
}

#[test]
fn an_engine_that_does_not_listen_keeps_no_news_from_the_others() {
    let mut engine = successor();
    engine.handle(Incident::Visited(OTHER), NOW);
    engine.handle(Incident::Heard(OTHER, HandoverMessage::Standby), NOW);

    engine.handle(Incident::Drained, NOW);

    let changed = Backlog::Of([].into());
    assert_eq!(news(&mut engine, &[PREDECESSOR]), [(OTHER, Backlog::Everything)]);
    assert_eq!(news(&mut engine, &[]), [(PREDECESSOR, changed)]);
}

/// It was told to stop while the word that its routers are taken was under way.
#[test]
fn a_state_that_crosses_the_word_that_it_was_taken_is_no_reason_to_part() {
    let mut engine = successor();

    engine.handle(Incident::Heard(PREDECESSOR, HandoverMessage::State(state())), NOW);
    engine.handle(Incident::Heard(PREDECESSOR, HandoverMessage::Delivered(7)), NOW);

    let commands: Vec<_> = std::iter::from_fn(|| engine.poll_command()).collect();
    assert!(matches!(commands[..], [Command::ResumeEvents(7)]), "{commands:?}");
}

#[test]
fn a_message_of_a_later_version_changes_nothing() {
    let mut engine = successor();

    engine.handle(Incident::Heard(PREDECESSOR, HandoverMessage::Unknown), NOW);

    assert!(engine.poll_command().is_none() && engine.is_holding());
}

/// An engine that has just taken the routers over from another one.
fn successor() -> Succession {
    let mut engine = Succession::new(Beginning::First, None, true, NOW);
    for incident in [
        Incident::Answered(PREDECESSOR),
        Incident::LinksKnown,
        Incident::NeighboursKnown,
        Incident::HealthChanged(Health::Serving),
        Incident::Heard(PREDECESSOR, HandoverMessage::State(state())),
        Incident::DoorOpened(DoorOpening::Opened),
        Incident::BoardTaken { is_withdrawn: false },
        Incident::Assumed { not_inherited: Vec::new() },
    ] {
        engine.handle(incident, NOW);
    }
    while engine.poll_command().is_some() {}
    assert!(engine.is_holding());
    engine
}

fn state() -> Box<Bequests> {
    let written =
        r#"{"version":1,"at":1000000000,"draining":false,"routers":[],"unattributed":[]}"#;
    Box::new(serde_json::from_str::<Bequests>(written).expect("it is a state"))
}

fn news(engine: &mut Succession, unsent: &[PeerId]) -> Vec<(PeerId, Backlog)> {
    engine.handle(Incident::Beat { unsent: unsent.to_vec() }, NOW);
    let commands = std::iter::from_fn(|| engine.poll_command());
    let news = commands.filter_map(|command| {
        if let Command::SendChanges { to, backlog } = command { Some((to, backlog)) } else { None }
    });
    news.collect()
}
