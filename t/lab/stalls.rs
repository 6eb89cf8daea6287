//! A thread of the engine that stands still at random, as where the kernel keeps it waiting.

use std::thread;
use std::time::{Duration, Instant};

use harness::{Owners, Rng, StuckThread, wait_until};

use crate::pair::{assert_settled, on_every_nginx};
use crate::router::{ADDRESS, PATIENCE, Router, v3};

#[test]
fn a_thread_for_addresses_that_stands_still_at_random_leaves_one_owner_and_a_short_log() {
    on_every_nginx("stalls", |lab, carrier| {
        let a = Router::start(&lab.a, carrier, v3(150));
        let b = Router::start(&lab.b, carrier, v3(100));
        assert_settled(&a, &[&b]);
        let lines = || [&a, &b].map(|node| node.nginx.error_log().lines().count());
        let before = lines();

        let (owners, ()) = Owners::of(ADDRESS, &[&lab.a, &lab.b], || {
            let (mut random, begun) = (Rng::seeded(10), Instant::now());
            while begun.elapsed() < LONG {
                let node = if random.chance(70) { &a } else { &b };
                let stuck = StuckThread::of(node.nginx.carrier_pid(), "vrrp-net");
                thread::sleep(Duration::from_millis(random.below(6_000)));
                stuck.release();
                thread::sleep(Duration::from_millis(random.below(1_000)));
            }
        });

        let [both, nobody] = [owners.longest(|it| it > 1), owners.longest(|it| it == 0)];
        println!("two had the address for {both:.1?}, nobody for {nobody:.1?}");
        assert!(both < Duration::from_millis(1_500), "{owners:?}");
        assert!(nobody < Duration::from_millis(1_500), "{owners:?}");
        assert_settled(&a, &[&b]);
        for (before, after) in before.into_iter().zip(lines()) {
            assert!(after - before < 60, "{}{}", a.nginx.error_log(), b.nginx.error_log());
        }
        for node in [&a, &b] {
            node.nginx.quit();
            wait_until("it leaves no address", PATIENCE, || !node.host.has(ADDRESS));
        }
    });
}

const LONG: Duration = Duration::from_secs(30);
