//! How often a backup node takes over from a living active node because advertisements are lost.

use std::thread;
use std::time::Duration;

use harness::Carrier;

use crate::figures::count;
use crate::network::Network;
use crate::options::Options;
use crate::pair::{Pair, attempt};
use crate::plan::Plan;
use crate::report::{Column, Section};
use crate::side::Side;

/// How often is advertised, and how many missed advertisements are a death.
const CASES: [(u64, u32); 3] = [(100, 3), (20, 3), (20, 10)];
/// How many percent of the advertisements do not arrive, at either node.
const LOSSES: [u8; 3] = [10, 20, 30];

pub(crate) fn lost_advertisements(options: &Options) -> Section {
    let mut section = Section::new("False takeovers while advertisements are lost");
    let long = Duration::from_secs(if options.quick { 3 } else { 8 });
    for (interval_ms, dead_factor) in CASES {
        let many = Plan::many(Network::Ipv4, ROUTERS, Duration::from_millis(interval_ms));
        let plan = Plan { dead_factor, ..many };
        let [ours, theirs] = Side::BOTH.map(|side| {
            let takeovers = attempt(|| takeovers(side, &options.carrier, &plan, long));
            section.note(side.name(), takeovers)
        });
        for (index, percent) in LOSSES.into_iter().enumerate() {
            let name = format!("{interval_ms} ms, dead_factor {dead_factor}, {percent} % lost");
            let [ours, theirs] = [&ours, &theirs].map(|all| all.as_ref().map(|all| all[index]));
            let per_hour = Column::new("", "per router and hour", |it: &f64| Some(*it));
            section.compare(&name, [per_hour], ours.as_slice(), theirs.as_slice());
        }
    }
    section.remark(format!(
        "Counted for {} s at each loss on {ROUTERS} virtual routers of one pair, which lose \
         independently. keepalived has `down_timer_adverts` for `dead_factor`.",
        long.as_secs()
    ));
    section
}

/// Returns how often the second node became active at each of [`LOSSES`], per router and hour.
fn takeovers(side: Side, carrier: &Carrier, plan: &Plan, long: Duration) -> [f64; LOSSES.len()] {
    let pair = Pair::start(side, carrier, plan);
    let hosts = [&pair.first.host, &pair.second.host];
    thread::sleep(SETTLING);
    LOSSES.map(|percent| {
        let before = pair.second.transitions();
        for host in hosts {
            host.lose(percent);
        }
        thread::sleep(long);
        for host in hosts {
            host.heal();
        }
        thread::sleep(plan.interval * 2);
        // It becomes active, and backup again.
        let takeovers = (pair.second.transitions() - before).div_ceil(2);
        count(takeovers) * 3600.0 / (long.as_secs_f64() * count(ROUTERS))
    })
}

/// Each is an experiment of its own; more of them would keep the machine busy.
const ROUTERS: usize = 32;
/// Until keepalived has come to rest, too.
const SETTLING: Duration = Duration::from_secs(2);
