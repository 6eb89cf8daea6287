//! How long a client is in the dark when a node dies, is stopped, or loses all of nginx.
//!
//! The client opens a new connection every 2 ms; an outage is the longest time between two pages.

use std::thread;
use std::time::{Duration, Instant};

use harness::{Carrier, Host, Probe, Role};

use crate::figures::{Figures, ms};
use crate::options::Options;
use crate::pair::{Pair, SECOND, attempt};
use crate::plan::{ADDRESS, LOW, Plan};
use crate::report::{Line, Section};
use crate::side::{Node, Side};

/// What happens to the first node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Event {
    /// Its cable is pulled.
    HostDies,
    /// `nginx -s stop`; of keepalived, the service is stopped.
    Stop,
    /// `nginx -s quit`; of keepalived, the same as above.
    Quit,
    /// Every nginx process is killed at once; keepalived lives.
    NginxKilled,
}

/// How an outage went.
#[derive(Clone, Copy, Debug)]
struct Outage {
    dark: Duration,
    /// How long the first node kept the address after the event.
    kept: Option<Duration>,
}

/// A protocol version, an advertisement interval, and how often to try.
struct Case {
    name: &'static str,
    plan: Plan,
    runs: u32,
}

pub(crate) fn host_dies(options: &Options) -> Section {
    let mut section = Section::new("Outage when the active host dies");
    let cases = [
        Case::new("v2, 1 s", 2, 1000, options.runs(3)),
        Case::new("v3, 100 ms", 3, 100, options.runs(7)),
        Case::new("v3, 10 ms", 3, 10, options.runs(9)),
    ];
    for case in &cases {
        let bound = ms(case.plan.active_down_interval(LOW));
        let line = Line::new(case.name, "ms").limit("Active_Down_Interval + 5 ms:", bound + 5.0);
        measure(&mut section, line, case, Event::HostDies, &options.carrier);
    }
    section.remark("Least / **median** / most. The client opens a new connection every 2 ms.");
    section
}

pub(crate) fn stopped(options: &Options) -> Section {
    let mut section = Section::new("Outage when it is stopped gracefully");
    for (name, event) in [("stop", Event::Stop), ("quit", Event::Quit)] {
        for (interval_ms, runs) in [(100, 7), (1000, 3)] {
            if options.quick && interval_ms > 100 {
                continue;
            }
            let what = format!("{name}, v3, {interval_ms} ms");
            let case = Case::new("", 3, interval_ms, options.runs(runs));
            measure(&mut section, Line::new(what, "ms"), &case, event, &options.carrier);
        }
    }
    section.remark("`nginx -s stop` and `nginx -s quit`; of keepalived, its service is stopped.");
    section
}

pub(crate) fn nginx_killed(options: &Options) -> Section {
    let mut section = Section::new("Outage when all of nginx is killed at once (kill -9)");
    let cases = [
        Case::new("v3, 100 ms", 3, 100, options.runs(7)),
        Case::new("v3, 1 s", 3, 1000, options.runs(3)),
    ];
    for case in &cases {
        let bound = ms(case.plan.skew_time(LOW)) + 25.0;
        let line = Line::new(case.name, "ms").limit("Skew_Time + 25 ms:", bound);
        measure(&mut section, line, case, Event::NginxKilled, &options.carrier);
    }
    section.remark("keepalived lives; its script (interval 1 s, fall 1) has to find out.");
    section
}

/// Tries both sides in turn, so that a change of the machine's mood meets both.
fn measure(section: &mut Section, line: Line, case: &Case, event: Event, carrier: &Carrier) {
    let mut outages = [Vec::new(), Vec::new()];
    for run in 0..case.runs {
        for (side, outages) in Side::BOTH.into_iter().zip(&mut outages) {
            // Where in the second of the check script it happens must not be left to chance.
            let delay = Duration::from_secs(1) * run / case.runs;
            let outage = attempt(|| one(side, carrier, &case.plan, event, delay));
            outages.extend(section.note(side.name(), outage));
        }
    }
    let figures = |of: fn(&Outage) -> Option<Duration>| {
        let one = |outages: &[Outage]| Figures::new(outages.iter().filter_map(of).map(ms));
        (one(&outages[0]), one(&outages[1]))
    };
    let (ours, theirs) = figures(|outage| Some(outage.dark));
    let kept = format!("{}: address kept by the node that failed", line.what());
    section.push(line.ours(ours).theirs(theirs));
    if event == Event::NginxKilled {
        let (ours, theirs) = figures(|outage| outage.kept);
        section.push(Line::new(kept, "ms").ours(ours).theirs(theirs));
    }
}

fn one(side: Side, carrier: &Carrier, plan: &Plan, event: Event, delay: Duration) -> Outage {
    let mut pair = Pair::start(side, carrier, plan);
    let probe = Probe::start(&pair.client, &Pair::server(), "/");
    probe.wait_for(pair.first.host.name(), PATIENCE);
    thread::sleep(BEFORE + delay);

    let start = Instant::now();
    event.happen(&mut pair.first);
    let kept = (event != Event::HostDies).then(|| time_until_gone(&pair.first.host, start));
    probe.wait_for(SECOND, PATIENCE);
    thread::sleep(AFTER);

    Outage { dark: probe.finish().outage(), kept: kept.flatten() }
}

fn time_until_gone(host: &Host, start: Instant) -> Option<Duration> {
    while start.elapsed() < PATIENCE {
        if !host.has(ADDRESS) {
            return Some(start.elapsed());
        }
        thread::sleep(Duration::from_millis(5));
    }
    None
}

impl Event {
    fn happen(self, node: &mut Node) {
        match self {
            Self::HostDies => node.host.cut(),
            Self::Stop => node.stop(),
            Self::Quit => node.quit(),
            Self::NginxKilled => node.nginx.kill9(Role::All),
        }
    }
}

impl Case {
    fn new(name: &'static str, version: u8, interval_ms: u64, runs: u32) -> Self {
        Self { name, plan: Plan::single(version, Duration::from_millis(interval_ms)), runs }
    }
}

const BEFORE: Duration = Duration::from_millis(300);
const AFTER: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(15);
