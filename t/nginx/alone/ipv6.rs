//! How soon a peer serves over IPv6, and in both families, when all of nginx is killed; and what a
//! planned move costs.

use std::time::Duration;

use harness::{Probe, Role, urgently, wait_until};

use super::killed::kill_all_of;
use crate::guard::{guards, no_guard_is_left};
use crate::ipv6::{
    ADDRESS, DUAL_STACK, DUAL_STACK_BY_IPV6, DUAL_STACK_VIRTUAL_MAC, IPV6, Nodes, on_every_pair,
    servers,
};
use crate::{PATIENCE, assert_mostly_within};

#[test]
fn when_all_of_nginx_is_killed_both_families_move_within_twelve_milliseconds() {
    for addresses in [IPV6, DUAL_STACK] {
        on_every_pair("all killed", addresses, 100, |nodes| {
            let Nodes { a, b, client, nginx, .. } = nodes;
            let [first, _] = nginx;
            let mut dark = Vec::new();
            for _ in 0..KILLS {
                wait_until("the guard is here", PATIENCE, || guards(a).len() == 1);
                let probes = servers(addresses);
                let probes: Vec<_> =
                    probes.map(|it| urgently(|| Probe::start(client, it, "/"))).collect();
                for probe in &probes {
                    probe.wait_for("worker-01", PATIENCE);
                }

                kill_all_of(first);

                for probe in probes {
                    probe.wait_for("worker-02", PATIENCE);
                    dark.push(probe.finish().outage());
                }
                assert!(!a.has(ADDRESS) && b.has(ADDRESS));
                first.kill9(Role::All);
                first.wait_for_the_end();
                no_guard_is_left(a);
                first.launch().expect("it starts again");
                nodes.wait_until_settled();
            }
            println!("{addresses}: {dark:.1?} dark");
            assert_mostly_within(Duration::from_millis(12), dark);
        });
    }
}

/// Of the node before, no address of the family is known that has not the election. With a virtual
/// MAC the hardware address moves, too.
#[test]
fn in_both_families_no_connection_is_lost_whichever_has_the_election() {
    for addresses in [DUAL_STACK, DUAL_STACK_BY_IPV6, DUAL_STACK_VIRTUAL_MAC] {
        on_every_pair("drain", addresses, 500, |nodes| {
            nodes.assert_drained_without_a_loss(addresses, 2);
        });
    }
}

const KILLS: usize = 6;
