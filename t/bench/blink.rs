//! The link of the active node, or its own address, is gone for a moment.

use std::thread;
use std::time::Duration;

use harness::{Host, Probe};

use crate::figures::{count, ms};
use crate::network::NUMBERS;
use crate::options::Options;
use crate::pair::{FIRST, Pair, in_turn};
use crate::plan::Plan;
use crate::report::{Column, Section};
use crate::side::Side;

/// What a client saw.
struct Seen {
    dark_ms: f64,
    /// How often another node served than before.
    moves: f64,
}

/// What happens to the active node.
struct Blink {
    name: &'static str,
    happen: fn(&Host),
}

const BLINKS: [Blink; 2] = [
    Blink {
        name: "the link is gone for 200 ms",
        happen: |host| {
            host.unplug();
            thread::sleep(Duration::from_millis(200));
            host.plug();
        },
    },
    Blink {
        name: "another primary address after 50 ms",
        happen: |host| {
            host.ip(&format!("address delete {} dev eth0", address(NUMBERS[0])));
            thread::sleep(Duration::from_millis(50));
            host.ip(&format!("address add {} brd + dev eth0", address(NUMBERS[0] + 10)));
        },
    },
];

pub(crate) fn blinked(options: &Options) -> Section {
    let mut section = Section::new("The link or the primary address of the active node blinks");
    for (interval, interval_ms, runs) in [("v3, 100 ms", 100, 5), ("v3, 1 s", 1000, 3)] {
        for Blink { name, happen } in &BLINKS {
            let name = format!("{name}, {interval}");
            let plan = Plan::single(3, Duration::from_millis(interval_ms));
            let (all, runs) = (Side::both(&plan), options.runs(runs));
            let [ours, theirs] = in_turn(&mut section, &name, runs, all, |side, plan, _| {
                see(&Pair::start(side, &options.carrier, plan), *happen)
            });
            section.compare(&name, columns(), &ours, &theirs);
        }
    }
    section.remark(
        "No peer can take over before three intervals after the last advertisement. The client \
         opens a new connection every 2 ms, and is watched for 8 s.",
    );
    section
}

fn columns() -> [Column<Seen>; 2] {
    [
        Column::new("outage", "ms", |it: &Seen| Some(it.dark_ms)).limit("target:", 250.0),
        Column::new("moves", "", |it: &Seen| Some(it.moves)).limit("target:", 0.0),
    ]
}

fn see(pair: &Pair, happen: fn(&Host)) -> Seen {
    let probe = Probe::start(&pair.client, &Pair::server(), "/");
    probe.wait_for(FIRST, WATCHED);
    thread::sleep(BEFORE);

    happen(&pair.first.host);
    thread::sleep(WATCHED);

    let report = probe.finish();
    let moves = report.served_by().len().saturating_sub(1);
    Seen { dark_ms: ms(report.outage()), moves: count(moves) }
}

fn address(number: u8) -> String {
    format!("192.168.56.{number}/24")
}

const BEFORE: Duration = Duration::from_millis(500);
const WATCHED: Duration = Duration::from_secs(8);
