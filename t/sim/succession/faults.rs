//! Faults that random trouble has found, one test each.

use super::engine::Fate;
use super::scenarios::serving;
use super::world::{World, conf};
use crate::setup::ms;

/// The engine that had given its state was asked to take part again.
#[test]
fn what_an_operator_asks_while_the_routers_are_handed_over_is_not_lost() {
    let mut world = serving();
    world.weather.latency = ms(40);
    world.start(conf(150));
    for _ in 0..200 {
        world.run_for(ms(1));
        if world.engines.get(1).is_some_and(|it| it.succession.is_holding()) {
            break;
        }
    }

    let board = world.engines[0].board;
    world.boards[board].request = Some(true);
    world.beat_now(0);
    world.run_for(ms(1000));

    let holder = world.holder().expect("there is one");
    assert!(holder == 1 && world.engines[1].node.is_draining());
}

/// The door of the dead was all that the next engine found.
#[test]
fn a_successor_that_dies_once_its_door_is_open_does_not_hide_the_holder() {
    for fate in [Fate::Dies, Fate::Fails] {
        let mut world = serving();
        world.start(conf(150));
        world.run_for(ms(10));
        // It says that it is there, asks, and opens its door.
        world.engines[1].fuse = Some((1, fate));

        world.run_for(ms(3000));

        world.assert_unnoticed();
    }
}

#[test]
fn a_successor_that_fails_before_it_says_that_it_took_over_resigns_for_nothing() {
    let mut world = serving();
    world.start(conf(150));
    world.run_for(ms(10));
    world.engines[1].fuse = Some((3, Fate::Fails));

    world.run_for(ms(3000));

    world.assert_unnoticed();
}

/// Both had knocked before either of them had a door.
#[test]
fn of_two_engines_that_found_no_holder_one_takes_the_routers_over() {
    let mut world = World::new(0);
    world.weather.workers_delay = ms(0);
    world.start(conf(150));
    world.start(conf(150));

    world.run_for(ms(1000));

    let holders = world.engines.iter().filter(|it| it.succession.is_holding());
    assert_eq!(holders.count(), 1);
    assert!(!world.peer_is_active());
}

/// The state was true when it was given, and nobody had been silent since.
#[test]
fn a_successor_that_hangs_with_the_state_asks_for_it_anew() {
    let mut world = serving();
    world.reload(0, conf(150));
    world.run_for(ms(20));

    world.engines[1].fuse = Some((0, Fate::Hangs(ms(700))));
    world.run_for(ms(2000));

    world.assert_unnoticed();
    assert_eq!(world.holder(), Some(1));
}

#[test]
fn an_engine_that_fails_when_the_next_one_has_taken_over_removes_nothing() {
    let mut world = serving();
    world.weather.latency = ms(30);
    world.start(conf(150));

    for _ in 0..100 {
        world.run_for(ms(1));
        if world.engines.get(1).is_some_and(|it| it.succession.is_holding()) {
            break;
        }
    }
    world.fail(0);
    world.run_for(ms(2000));

    world.assert_unnoticed();
}

/// It knew that another engine had the routers, and not which one.
#[test]
fn an_engine_that_was_done_without_gets_the_routers_back_when_the_next_one_stops() {
    let mut world = serving();
    let new = world.start(conf(150));
    world.hang(0, ms(800));
    world.run_for(ms(2500));
    assert!(world.engines[0].succession.is_retired());

    world.quit(new);
    world.run_for(ms(1000));

    world.assert_settled();
    assert_eq!(world.holder(), Some(0));
}

/// It took the silence of its own pause for that of the engine it had asked.
#[test]
fn an_engine_that_hangs_after_it_has_asked_waits_for_the_answer() {
    let mut world = serving();
    world.start(conf(150));
    world.run_for(ms(10));

    // It says that it is there, and asks.
    world.engines[1].fuse = Some((0, Fate::Hangs(ms(900))));
    world.run_for(ms(3000));

    world.assert_unnoticed();
}
