//! Random trouble for the engines of a host; once it stops, one of them has the routers.

use std::env;
use std::ops::Range;
use std::time::Duration;

use super::engine::Fate;
use super::world::{World, conf};
use crate::setup::{ms, us};
use harness::Rng;

#[test]
fn a_host_survives_any_trouble_on_a_quiet_machine() {
    explore(0..5_000, |seed| trouble(World::new(seed)));
}

#[test]
fn a_host_survives_any_trouble_on_a_busy_machine() {
    explore(1_000_000..1_005_000, |seed| {
        let mut world = World::new(seed);
        world.weather.latency = us(100) + world.rng.up_to(ms(40));
        world.weather.doubled_percent = world.rng.below(10);
        world.weather.lateness = world.rng.up_to(ms(5));
        world.weather.net_delay = world.rng.up_to(ms(60));
        world.weather.workers_delay = world.rng.up_to(ms(1500));
        trouble(world);
    });
}

/// Each wakes late, and one of them stands still for as long as no peer takes over yet.
#[test]
fn a_reload_on_a_busy_machine_is_noticed_by_nobody() {
    explore(2_000_000..2_000_300, |seed| {
        let mut world = World::new(seed);
        world.weather.latency = us(100) + world.rng.up_to(ms(40));
        world.weather.lateness = world.rng.up_to(ms(30));
        world.weather.net_delay = world.rng.up_to(ms(150));
        world.weather.workers_delay = world.rng.up_to(ms(700));
        world.start(conf(150));
        let settled = ms(3000) + world.rng.up_to(ms(100));
        world.run_for(settled);
        world.assert_settled();

        world.reload(0, conf(150));
        let engine = world.rng.index(2);
        let (waits, hangs) = (world.rng.up_to(ms(250)), world.rng.up_to(ms(150)));
        world.run_for(waits);
        if engine < world.engines.len() {
            world.hang(engine, hangs);
        }
        world.run_for(ms(4000));

        world.assert_unnoticed();
    });
}

/// Runs every seed. `SEED` in the environment replaces them; with `LONG`, there are ten times as
/// many.
fn explore(seeds: Range<u64>, scenario: impl Fn(u64)) {
    let seed = env::var("SEED").ok().map(|text| text.parse().expect("SEED is a number"));
    if let Some(seed) = seed {
        return scenario(seed);
    }
    let times = if env::var_os("LONG").is_some() { 10 } else { 1 };
    let end = seeds.start + (seeds.end - seeds.start) * times;
    (seeds.start..end).for_each(scenario);
}

/// Some things go wrong, one on top of another; then the host is left in peace.
fn trouble(mut world: World) {
    world.start(conf(150));
    let begins = world.rng.up_to(ms(1500));
    world.run_for(begins);
    for _ in 0..=world.rng.below(6) {
        upset(&mut world);
        let pause = pause(&mut world.rng);
        world.run_for(pause);
    }
    mend(&mut world);
    for _ in 0..30 {
        world.run_for(ms(300));
        if world.is_settled() {
            break;
        }
    }
    world.run_for(ms(600));
    world.assert_settled();
}

/// Most things happen shortly after one another, some when all is calm again.
fn pause(rng: &mut Rng) -> Duration {
    let most = *rng.pick(&[ms(3), ms(20), ms(120), ms(500), ms(2000)]);
    rng.up_to(most)
}

fn upset(world: &mut World) {
    let master = world.rng.index(world.masters.len());
    let engine = world.rng.index(world.engines.len().max(1));
    let has_engine = engine < world.engines.len();
    let masters = world.masters.iter().filter(|it| it.is_alive && !it.ends).count();
    let serves = world.masters[master].is_alive && !world.masters[master].ends;
    match world.rng.below(16) {
        0..=2 if serves => {
            let conf = another_conf(&mut world.rng);
            world.reload(master, conf);
        }
        3 if serves => world.reload_in_vain(master),
        4 if masters == 1 => drop(world.start(conf(150))),
        5 if masters > 1 && serves => world.quit(master),
        6 if masters > 1 && serves => world.winch(master),
        7 if serves => world.hup_after_winch(master),
        8 if has_engine => world.kill(engine),
        9 if has_engine => {
            let pause = pause(&mut world.rng);
            world.hang(engine, pause);
        }
        10 if has_engine => world.fail(engine),
        11 | 12 if has_engine => {
            let commands = u32::try_from(world.rng.below(8)).expect("few");
            let pause = pause(&mut world.rng);
            let fate = *world.rng.pick(&[Fate::Dies, Fate::Fails, Fate::Hangs(pause)]);
            world.engines[engine].fuse = Some((commands, fate));
        }
        13 => {
            for connection in world.open_connections() {
                if world.rng.chance(50) {
                    world.sever(connection);
                }
            }
        }
        14 if has_engine => {
            let board = world.engines[engine].board;
            let drains = world.rng.chance(50);
            world.boards[board].request = Some(drains);
        }
        15 if serves && masters > 1 => world.kill_master(master),
        _ => {}
    }
}

/// Of two routers, both stay or one goes; a priority may change.
fn another_conf(rng: &mut Rng) -> Vec<resty_vrrp::config::InstanceConfig> {
    let mut conf = conf(*rng.pick(&[150, 150, 150, 140, 200]));
    if rng.chance(15) {
        conf.remove(rng.index(conf.len()));
    }
    conf
}

/// Lets one master with a carrier go on alone.
fn mend(world: &mut World) {
    world.weather.doubled_percent = 0;
    let living = (0..world.masters.len()).filter(|it| {
        let master = &world.masters[*it];
        master.is_alive && !master.ends
    });
    let living: Vec<_> = living.collect();
    let kept = living.last().copied().unwrap_or_else(|| world.start(conf(150)));
    for master in living.into_iter().filter(|master| *master != kept) {
        world.quit(master);
    }
    world.hup_after_winch(kept);
    world.engines.iter_mut().for_each(|engine| engine.fuse = None);
    world.boards.iter_mut().for_each(|board| board.request = None);
    world.undrain(kept);
    world.kill_orphans();
}
