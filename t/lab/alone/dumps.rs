//! What the kernel tells of links and addresses, while they change.

use std::fmt::Write as _;
use std::process::Command;
use std::{fs, thread};

use harness::{Host, Lab};

use crate::kernel::{claim, netlink, one_host, parse, plan, start, table};

#[test]
fn events_beyond_what_the_socket_holds_are_reported_and_a_new_dump_tells_the_truth() {
    let (lab, host) = one_host("overrun");
    let (runtime, mut deaf) = netlink(&host);
    let _context = runtime.enter();

    flood(&lab, &host, 12_000);

    deaf.events().expect_err("some were lost");
    let known = table(&host).into_iter().map(|(held, _)| held);
    let known: Vec<_> = known.filter(|held| held.address.is_ipv4()).collect();
    assert_eq!(known, [parse("192.168.56.101/24")]);
}

#[test]
fn a_dump_leaves_nothing_out_although_addresses_come_and_go_meanwhile() {
    let (lab, host) = one_host("dumps");
    let many: Vec<_> = (0..1_000).map(|n| format!("10.0.{}.{}/16", n / 250, n % 250)).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let kernel = start(&host, plan(&[&many]));
    claim(&kernel, &[0]);

    let known = thread::scope(|scope| {
        let flood = scope.spawn(|| (0..300).for_each(|_| flood(&lab, &host, 2)));
        let mut known = Vec::new();
        while !flood.is_finished() {
            let held = table(&host).into_iter().map(|(held, _)| held);
            known.push(held.filter(|held| held.prefix == 16).count());
        }
        known
    });

    assert!(known.iter().all(|count| *count == 1_000), "{known:?}");
}

/// Adds and removes an address so many times.
fn flood(lab: &Lab, host: &Host, times: usize) {
    let mut script = String::new();
    for _ in 0..times {
        for verb in ["add", "del"] {
            writeln!(script, "address {verb} 10.9.9.9/32 dev eth0").expect("text can grow");
        }
    }
    let path = lab.directory().join("flood");
    fs::write(&path, script).expect("there is room for a file");
    let done = host.try_exec(Command::new("ip").arg("-batch").arg(&path));
    fs::remove_file(&path).expect("the file is ours");
    done.expect("ip obeys");
}
