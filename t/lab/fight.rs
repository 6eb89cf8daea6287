//! Somebody else on the host who keeps removing what the thread keeps putting back.

use std::time::{Duration, Instant};

use harness::{Host, Sniffer, eventually, wait_until};
use resty_vrrp::runtime::kernel::{AddressFacts, KernelThread};

use crate::kernel::{claim, one_host, plan, start};

#[test]
fn a_contested_address_is_back_at_once_every_time_and_announced_at_a_slow_pace() {
    let (_lab, host) = one_host("contested");
    let kernel = start(&host, plan(&[&["192.168.56.100/24", "192.168.56.200/24"]]));
    claim(&kernel, &[0]);
    let sniffer = Sniffer::start(&host);
    let began = Instant::now();

    let longest = (1..=50).map(|time| remove(&host, &kernel, time)).max().expect("it was removed");

    assert!(longest < TENTH, "it was away for {longest:?}");
    let counted = |lost| AddressFacts { assigned: true, ours: true, lost, contested: lost > 0 };
    assert_eq!(facts(&kernel), [counted(50), counted(0)]);
    // Twice at once, before it was a fight; since then, once a second.
    let most = 3 + usize::try_from(began.elapsed().as_secs()).expect("a short test");
    let mut announced = sniffer.announcements();
    announced.retain(|it| it.at >= began && it.address.to_string() == ADDRESS);
    assert!((2..=most).contains(&announced.len()), "{} times", announced.len());
    let paused = Instant::now();
    sniffer.wait_for_announcement(ADDRESS, paused, 2 * SECOND);
}

#[test]
fn a_fight_is_over_when_nobody_has_removed_the_address_for_ten_seconds() {
    let (_lab, host) = one_host("calm");
    let kernel = start(&host, plan(&[&["192.168.56.100/24"]]));
    claim(&kernel, &[0]);
    let contested = || facts(&kernel)[0].contested;

    for time in 1..=3 {
        assert!(!contested(), "{time}");
        remove(&host, &kernel, time);
    }
    let removed = Instant::now();
    assert!(contested());

    wait_until("it is over", 11 * SECOND, || !contested());
    assert!(removed.elapsed() > 9 * SECOND, "after {:?}", removed.elapsed());
}

#[test]
fn who_gives_a_contested_address_away_does_not_fight_for_it() {
    let (_lab, host) = one_host("given away");
    let kernel = start(&host, plan(&[&["192.168.56.100/24"]]));
    claim(&kernel, &[0]);
    for time in 1..=3 {
        remove(&host, &kernel, time);
    }
    assert!(facts(&kernel)[0].contested);

    kernel.claim(0, false);

    let given = AddressFacts { assigned: false, ours: false, lost: 3, contested: false };
    wait_until("it is none any more", SECOND, || facts(&kernel) == [given]);
    assert!(!host.has(ADDRESS));
}

/// Removes the address for the first, second, … time, and returns how long it was away.
fn remove(host: &Host, kernel: &KernelThread, time: u64) -> Duration {
    host.ip("address del 192.168.56.100/24 dev eth0");
    let removed = Instant::now();
    wait_until("it is back", SECOND, || host.has(ADDRESS));
    let away = removed.elapsed();
    eventually("the removal is counted", SECOND, || {
        let seen = facts(kernel)[0];
        let known = seen.assigned && seen.lost == time;
        if known { Ok(()) } else { Err(format!("{seen:?}")) }
    });
    away
}

fn facts(kernel: &KernelThread) -> Vec<AddressFacts> {
    kernel.facts().routers[0].addresses.clone()
}

const ADDRESS: &str = "192.168.56.100";
const TENTH: Duration = Duration::from_millis(100);
const SECOND: Duration = Duration::from_secs(1);
