//! What nginx does to its engines, one thing at a time.

use super::engine::Fate;
use super::world::{World, conf};
use crate::setup::ms;

#[test]
fn a_reload_is_noticed_by_nobody() {
    let mut world = serving();

    world.reload(0, conf(150));
    world.run_for(ms(1000));

    world.assert_unnoticed();
    assert_eq!(world.holder(), Some(1));
}

/// On a busy host the loop may not turn between the moment at which the master takes on another
/// configuration and the one at which it stops the engine. The next one has knocked meanwhile.
#[test]
fn a_reload_that_an_engine_learns_of_only_when_it_is_to_stop_is_noticed_by_nobody() {
    for (pause, hang) in (0..100).step_by(10).flat_map(|it| [(it, 125), (it, 160), (it, 180)]) {
        let mut world = serving();
        world.run_for(ms(pause));

        world.reload(0, conf(150));
        world.hang(0, ms(hang));
        world.run_for(ms(3000));

        world.assert_unnoticed();
        assert_eq!(world.holder(), Some(1));
    }
}

/// `vrrp-net` of the next engine waits for the kernel, which says nothing about the links.
#[test]
fn a_reload_while_the_kernel_keeps_netlink_waiting_is_noticed_by_nobody() {
    let mut world = serving();
    world.weather.links_delay = ms(4000);

    world.reload(0, conf(150));
    world.run_for(ms(1000));
    world.reload(0, conf(150));
    world.run_for(ms(5000));

    world.assert_unnoticed();
    assert_eq!(world.holder(), Some(2));
}

#[test]
fn a_reload_in_the_middle_of_another_one_is_noticed_by_nobody() {
    for pause in [0, 5, 12, 40, 100, 110, 160] {
        let mut world = serving();

        world.reload(0, conf(150));
        world.run_for(ms(pause));
        world.reload(0, conf(150));
        world.run_for(ms(1500));

        world.assert_unnoticed();
        let holder = world.holder().expect("there is one");
        assert_eq!(world.engines[holder].board, 2);
    }
}

#[test]
fn an_upgrade_and_its_end_are_noticed_by_nobody() {
    let mut world = serving();

    let new = world.start(conf(150));
    world.run_for(ms(500));
    world.quit(0);
    world.run_for(ms(1000));

    world.assert_unnoticed();
    assert_eq!(world.engines[world.holder().expect("there is one")].master, new);
}

/// It does not know of the next engine before it has woken.
#[test]
fn an_engine_that_wakes_to_stop_hands_over_to_the_one_that_has_knocked_meanwhile() {
    for hang in [80, 110, 160, 180] {
        let mut world = serving();

        world.start(conf(150));
        world.hang(0, ms(hang));
        world.run_for(ms(60));
        world.quit(0);
        world.run_for(ms(3000));

        world.assert_unnoticed();
        assert_eq!(world.holder(), Some(1));
    }
}

#[test]
fn an_upgrade_that_is_taken_back_at_any_time_is_noticed_by_nobody() {
    for pause in [0, 6, 10, 20, 40, 500] {
        let mut world = serving();

        let new = world.start(conf(150));
        world.run_for(ms(pause));
        world.quit(new);
        world.run_for(ms(1500));

        world.assert_unnoticed();
        assert_eq!(world.holder(), Some(0));
    }
}

#[test]
fn an_upgrade_that_is_taken_back_late_is_noticed_by_nobody() {
    let mut world = serving();
    let new = world.start(conf(150));
    world.run_for(ms(500));

    world.winch(0);
    world.run_for(ms(500));
    world.hup_after_winch(0);
    world.run_for(ms(500));
    world.quit(new);
    world.run_for(ms(1000));

    world.assert_unnoticed();
    assert_eq!(world.engines[world.holder().expect("there is one")].master, 0);
}

#[test]
fn a_killed_carrier_is_replaced_before_anybody_notices() {
    let mut world = serving();

    world.kill(0);
    world.run_for(ms(1000));

    world.assert_unnoticed();
    assert_eq!(world.holder(), Some(1));
}

#[test]
fn a_successor_that_dies_hangs_or_fails_at_any_command_is_noticed_by_nobody() {
    for fate in [Fate::Dies, Fate::Fails, Fate::Hangs(ms(30)), Fate::Hangs(ms(300))] {
        for commands in 0..12 {
            let mut world = serving();

            world.reload(0, conf(150));
            world.run_for(ms(20));
            if let Some(next) = world.engines.get_mut(1) {
                next.fuse = Some((commands, fate));
            }
            world.run_for(ms(4000));

            world.assert_settled();
        }
    }
}

#[test]
fn an_engine_that_hangs_is_done_without_and_steps_aside_when_it_wakes() {
    let mut world = serving();

    world.hang(0, ms(1500));
    world.reload(0, conf(150));
    world.run_for(ms(4000));

    world.assert_settled();
    assert!(!world.engines[0].is_alive());
}

#[test]
fn an_engine_that_hangs_alone_is_withdrawn_by_its_guard_and_listens_when_it_wakes() {
    let mut world = serving();

    world.hang(0, ms(1500));
    world.run_for(ms(1000));
    assert!(world.addresses.is_empty() && world.peer_is_active());
    world.run_for(ms(3000));

    world.assert_settled();
}

#[test]
fn the_guard_clears_up_when_all_of_nginx_is_killed() {
    let mut world = serving();

    world.kill_all();
    world.run_for(ms(100));

    assert!(world.addresses.is_empty() && world.peer_is_active());
}

#[test]
fn a_connection_that_breaks_leaves_everything_as_it_was() {
    for pause in (0..30).chain([80, 100, 105, 110, 120]) {
        let mut world = serving();

        world.reload(0, conf(150));
        world.run_for(ms(pause));
        for connection in world.open_connections() {
            world.sever(connection);
        }
        world.run_for(ms(4000));

        world.assert_settled();
    }
}

#[test]
fn messages_that_arrive_late_or_twice_are_noticed_by_nobody() {
    let mut world = serving();
    world.weather.latency = ms(30);
    world.weather.doubled_percent = 100;

    for _ in 0..5 {
        world.reload(0, conf(150));
        world.run_for(ms(1000));
    }

    world.assert_unnoticed();
}

#[test]
fn a_router_that_is_no_longer_configured_is_resigned_for_and_the_other_goes_on() {
    let mut world = serving();

    world.reload(0, conf(150)[..1].to_vec());
    world.run_for(ms(1000));

    world.assert_settled();
    assert_eq!(world.addresses.len(), 1);
}

#[test]
fn an_operator_who_asks_beside_a_retired_engine_is_heard_by_the_holder() {
    let mut world = serving();
    world.start(conf(150));
    world.run_for(ms(500));
    let holder = world.holder().expect("there is one");
    let board = world.engines[0].board;

    world.boards[board].request = Some(true);
    world.run_for(ms(500));

    assert!(world.engines[holder].node.is_draining());
    let shown = world.boards[board].shown.as_ref().expect("it has a board");
    assert!(shown.routers.iter().all(|router| !router.phase.holds()));
}

/// A host that is Active, beside a peer that is Backup.
pub(super) fn serving() -> World {
    let mut world = World::new(0);
    world.start(conf(150));
    world.run_for(ms(1000));
    world.assert_settled();
    assert!(!world.peer_is_active());
    world
}
