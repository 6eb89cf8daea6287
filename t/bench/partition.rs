//! Two nodes that could not hear each other, and so were both active, hear each other again.

use std::thread;
use std::time::{Duration, Instant};

use harness::{AddressWatch, Probe, Sniffer, urgently, wait_until};

use crate::figures::ms;
use crate::network::ADDRESS;
use crate::options::Options;
use crate::pair::{FIRST, Pair, SECOND, comes, failed, in_turn};
use crate::plan::Plan;
use crate::report::{Column, Section};
use crate::side::Side;

/// What was seen after the partition. What had not happened when the watch ended is infinite.
struct Healed {
    /// How long the client was in the dark.
    dark_ms: f64,
    failed: f64,
    /// How long both nodes still had the address.
    two_owners_ms: f64,
}

/// Whose advertisement is the first to be heard by the other node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum HeardFirst {
    Winner,
    Loser,
}

pub(crate) fn healed(options: &Options) -> Section {
    let mut section = Section::new("A partition heals, and both nodes were active");
    let watched = Duration::from_secs(if options.quick { 10 } else { 60 });
    let cases = [("v3, 100 ms", 100, 5), ("v3, 1 s", 1000, 3)];
    for (interval, interval_ms, runs) in cases.into_iter().take(if options.quick { 1 } else { 2 }) {
        for (first, heard_first) in
            [("winner heard first", HeardFirst::Winner), ("loser heard first", HeardFirst::Loser)]
        {
            let name = format!("{interval}, {first}");
            let plan = Plan::single(3, Duration::from_millis(interval_ms));
            let (all, runs) = (Side::both(&plan), options.runs(runs));
            let [ours, theirs] = in_turn(&mut section, &name, runs, all, |side, plan, _| {
                heal(&Pair::start(side, &options.carrier, plan), heard_first, watched)
            });
            section.compare(&name, columns(ms(plan.interval), watched), &ours, &theirs);
        }
    }
    section.remark(
        "The client reaches both nodes all the time, and its ARP entry points to the one of lower \
         priority: the loser, which has to step down. It heals just after an advertisement of the \
         other one. resty.vrrp's loser keeps the address in silence for an interval more, for \
         connections that are open.",
    );
    section
}

fn columns(interval_ms: f64, watched: Duration) -> [Column<Healed>; 3] {
    let bound = interval_ms + 50.0;
    let lingering = interval_ms.min(LONGEST_LINGER_MS);
    [
        Column::new("client in the dark", "ms", |it: &Healed| Some(it.dark_ms))
            .watched(watched)
            .limit("interval + 50 ms:", bound),
        Column::new("failed connections", "", |it| Some(it.failed)),
        Column::new("until one node alone has the address", "ms", |it: &Healed| {
            Some(it.two_owners_ms)
        })
        .watched(watched)
        .limit("the same, and lingering:", bound + lingering),
    ]
}

fn heal(pair: &Pair, heard_first: HeardFirst, watched: Duration) -> Healed {
    let [winner, loser] = [&pair.first.host, &pair.second.host];
    let sniffer = urgently(|| Sniffer::start(&pair.client));
    let addresses = AddressWatch::start(loser);
    winner.part_from(loser);
    wait_until("both nodes are active", PATIENCE, || loser.has(ADDRESS));
    thread::sleep(ANNOUNCING);
    let probe = Probe::start(&pair.client, &Pair::server(), "/");
    probe.wait_for(SECOND, PATIENCE);
    thread::sleep(BEFORE);
    let heard_last = if heard_first == HeardFirst::Winner { loser } else { winner };
    sniffer.wait_for_advert("its turn is over", Instant::now(), PATIENCE, |advert| {
        advert.source == heard_last.address()
    });

    let start = Instant::now();
    winner.heal();
    let deadline = start + watched;
    let gone = comes(deadline, || addresses.removal(start, ADDRESS));
    let back = comes(deadline, || (probe.last_answer().as_deref() == Some(FIRST)).then_some(()));
    thread::sleep(AFTER);

    let report = probe.finish();
    Healed {
        dark_ms: back.map_or(f64::INFINITY, |()| ms(report.outage())),
        failed: failed(&report, start),
        two_owners_ms: gone.map_or(f64::INFINITY, |at| ms(at - start)),
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
/// How long addresses stay at most where they were, for connections that are open.
const LONGEST_LINGER_MS: f64 = 500.0;
/// Until both nodes have announced the address for the last time: each does it after 5 s again.
const ANNOUNCING: Duration = Duration::from_millis(5500);
const BEFORE: Duration = Duration::from_secs(1);
const AFTER: Duration = Duration::from_millis(300);
