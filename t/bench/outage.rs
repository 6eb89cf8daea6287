//! How long a client is in the dark when a node dies, is stopped or drained, or when its nginx is
//! killed or hangs.
//!
//! The client opens a new connection every 2 ms; an outage is the longest time between two pages.

use std::thread;
use std::time::{Duration, Instant};

use harness::{AddressWatch, Probe, Report, Role, Signal};

use crate::figures::ms;
use crate::network::Network;
use crate::options::Options;
use crate::pair::{FIRST, Pair, SECOND, comes, failed, in_turn};
use crate::plan::{LOW, Plan};
use crate::report::{Column, Section};
use crate::script::Script;
use crate::side::{Node, Side};

/// What happens to the first node.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// Its cable is pulled.
    HostDies,
    /// `nginx -s stop`; of keepalived, the service is stopped.
    Stop,
    /// `nginx -s quit`; of keepalived, the same as above.
    Quit,
    /// `POST /ha/drain`; of keepalived, the same as above.
    Drain,
    /// Every nginx process is killed at once; keepalived lives.
    NginxKilled,
    /// Every nginx worker stands still; nothing has died.
    NginxHung,
}

/// How an outage went. What had not happened when the watch ended is infinite.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Outage {
    /// Of several addresses the one that was dark for longest counts.
    dark_ms: f64,
    /// How long the first node kept the address after the event.
    kept_ms: f64,
    /// How many connections brought no page.
    failed: f64,
}

/// A case of an event, and how often to try.
pub(crate) struct Case<'a> {
    pub(crate) event: Event,
    pub(crate) name: &'a str,
    pub(crate) runs: u32,
}

pub(crate) fn host_dies(options: &Options) -> Section {
    let mut section = Section::new("Outage when the active host dies");
    for (name, version, interval_ms, runs) in
        [("v2, 1 s", 2, 1000, 3), ("v3, 100 ms", 3, 100, 7), ("v3, 10 ms", 3, 10, 9)]
    {
        let plan = Plan::single(version, Duration::from_millis(interval_ms));
        let bound = ms(plan.active_down_interval(LOW));
        let case = Case { event: Event::HostDies, name, runs };
        let [ours, theirs] = case.measure(&mut section, options, Side::both(&plan));
        let dark = dark("").limit("Active_Down_Interval + 5 ms:", bound + 5.0);
        section.compare(name, [dark], &ours, &theirs);
    }
    section.remark("Least / **median** / most. The client opens a new connection every 2 ms.");
    section
}

pub(crate) fn stopped(options: &Options) -> Section {
    let mut section = Section::new("Outage when it is stopped gracefully");
    for (what, event) in [("stop", Event::Stop), ("quit", Event::Quit)] {
        for (interval, plan, runs) in intervals(options) {
            let name = &format!("{what}, {interval}");
            let case = Case { event, name, runs };
            let [ours, theirs] = case.measure(&mut section, options, Side::both(&plan));
            section.compare(name, [dark("")], &ours, &theirs);
        }
    }
    section.remark("`nginx -s stop` and `nginx -s quit`; of keepalived, its service is stopped.");
    section
}

pub(crate) fn drained(options: &Options) -> Section {
    let mut section = Section::new("A node is drained, and its nginx runs on");
    for (name, plan, runs) in intervals(options) {
        let plan = Plan { options: "control = true,", ..plan };
        let case = Case { event: Event::Drain, name, runs };
        let [ours, theirs] = case.measure(&mut section, options, Side::both(&plan));
        section.compare(name, [dark("outage"), unanswered()], &ours, &theirs);
    }
    section.remark("`POST /ha/drain`; of keepalived, its service is stopped.");
    section
}

pub(crate) fn nginx_killed(options: &Options) -> Section {
    let mut section = Section::new("Outage when all of nginx is killed at once (kill -9)");
    for (interval_ms, priorities, runs) in
        [(100, [150, 100], 7), (100, [254, 253], 7), (1000, [150, 100], 3)]
    {
        let plan = Plan { priorities, ..v3(interval_ms) };
        let usual = Plan { script: Script::Weighs, ..plan.clone() };
        let [high, low] = priorities;
        let name = &format!("v3, {interval_ms} ms, priorities {high} and {low}");
        let case = Case { event: Event::NginxKilled, name, runs };
        let all = [(Side::Ours, &plan), (Side::Theirs, &plan), (Side::Theirs, &usual)];
        let [ours, best, usual] = case.measure(&mut section, options, all);
        let bound = ms(plan.skew_time(low)) + 8.0;
        for (script, theirs) in [("best script", best), ("usual script", usual)] {
            let name = format!("{name}, {script}");
            let dark = dark("outage").limit("Skew_Time + 8 ms:", bound);
            section.compare(&name, [dark, kept()], &ours, &theirs);
        }
    }
    section.remark(
        "keepalived lives; its script has to find out. Best: every second, and one failure is a \
         fault. Usual, as in most guides: every 2 s, and a failure lowers the priority (`weight`). \
         Skew_Time is that of the second priority.",
    );
    section
}

pub(crate) fn nginx_hung(options: &Options) -> Section {
    let mut section = Section::new("Outage when nginx hangs (SIGSTOP to every worker)");
    let plan = v3(100);
    let alike = Plan { options: "health = { worker_timeout_ms = 1000 },", ..plan.clone() };
    let asks = Plan { script: Script::Asks, ..plan.clone() };
    let case = Case { event: Event::NginxHung, name: "v3, 100 ms", runs: 5 };
    let (ours, theirs) = (Side::Ours, Side::Theirs);
    let all = [(ours, &plan), (ours, &alike), (theirs, &plan), (theirs, &asks)];
    let [default, alike, lives, asks] = case.measure(&mut section, options, all);
    for (name, timeout_ms, ours, theirs) in [
        ("v3, 100 ms, script looks whether nginx lives", 2000.0, &default, &lives),
        ("v3, 100 ms, script makes a request", 2000.0, &default, &asks),
        ("the same, `worker_timeout_ms = 1000`", 1000.0, &alike, &asks),
    ] {
        let bound = timeout_ms + ms(BEAT + plan.skew_time(LOW));
        let dark = dark("outage").limit("timeout + beat + Skew_Time:", bound);
        section.compare(name, [dark, kept()], ours, theirs);
    }
    section.remark(
        "The request is made every second by `curl` with a timeout of 1 s, and one failure is a \
         fault: the best that keepalived can do. resty.vrrp waits for `worker_timeout_ms`, 2 s by \
         default.",
    );
    section
}

/// Returns the intervals at which planned work is measured, and how often.
fn intervals(options: &Options) -> impl Iterator<Item = (&'static str, Plan, u32)> {
    let all = [("v3, 100 ms", v3(100), 7), ("v3, 1 s", v3(1000), 3)];
    all.into_iter().take(if options.quick { 1 } else { 2 })
}

fn v3(interval_ms: u64) -> Plan {
    Plan::single(3, Duration::from_millis(interval_ms))
}

pub(crate) fn dark(what: &'static str) -> Column<Outage> {
    Column::new(what, "ms", |outage: &Outage| Some(outage.dark_ms)).watched(WATCHED)
}

pub(crate) fn kept() -> Column<Outage> {
    let what = "address kept by the node that failed";
    Column::new(what, "ms", |outage: &Outage| Some(outage.kept_ms)).watched(WATCHED)
}

pub(crate) fn unanswered() -> Column<Outage> {
    let failed = |outage: &Outage| Some(outage.failed);
    Column::new("failed connections", "", failed).limit("target", 0.0)
}

impl Case<'_> {
    pub(crate) fn measure<const N: usize>(
        &self,
        section: &mut Section,
        options: &Options,
        all: [(Side, &Plan); N],
    ) -> [Vec<Outage>; N] {
        let runs = options.runs(self.runs);
        in_turn(section, self.name, runs, all, |side, plan, run| {
            // Where between two runs of the script it happens must not be left to chance.
            let delay = plan.script.interval() * run / runs;
            let mut pair = Pair::start(side, &options.carrier, plan);
            self.one(&mut pair, plan.network, delay)
        })
    }

    fn one(&self, pair: &mut Pair, network: Network, delay: Duration) -> Outage {
        let addresses = AddressWatch::start(&pair.first.host);
        let servers = network.servers();
        let probes: Vec<Probe> =
            servers.iter().map(|server| Probe::start(&pair.client, server, "/")).collect();
        for probe in &probes {
            probe.wait_for(FIRST, WATCHED);
        }
        thread::sleep(BEFORE + delay);

        let start = Instant::now();
        self.event.happen(&mut pair.first);
        let deadline = start + WATCHED;
        let has_moved = |probe: &Probe| probe.last_answer().as_deref() == Some(SECOND);
        let moved = comes(deadline, || probes.iter().all(has_moved).then_some(()));
        // A host that has lost its cable does not notice.
        let gone = (self.event != Event::HostDies).then(|| {
            comes(deadline, || {
                let all = network.services().iter().map(|it| addresses.removal(start, it));
                all.collect::<Option<Vec<_>>>()?.into_iter().max()
            })
        });
        thread::sleep(AFTER);

        let reports: Vec<Report> = probes.into_iter().map(Probe::finish).collect();
        let dark = reports.iter().map(|report| ms(report.outage())).reduce(f64::max);
        Outage {
            dark_ms: moved.and(dark).unwrap_or(f64::INFINITY),
            kept_ms: gone.flatten().map_or(f64::INFINITY, |at| ms(at - start)),
            failed: reports.iter().map(|report| failed(report, start)).sum(),
        }
    }
}

impl Event {
    fn happen(self, node: &mut Node) {
        match self {
            Self::HostDies => node.host.cut(),
            Self::Stop => node.stop(),
            Self::Quit => node.quit(),
            Self::Drain => node.drain(),
            Self::NginxKilled => node.nginx.kill9(Role::All),
            Self::NginxHung => node.nginx.signal(Role::Worker, Signal::SIGSTOP),
        }
    }
}

const BEFORE: Duration = Duration::from_millis(300);
const AFTER: Duration = Duration::from_millis(300);
/// How long it is watched whether another node takes over.
const WATCHED: Duration = Duration::from_secs(15);
/// How often resty.vrrp looks at its workers.
const BEAT: Duration = Duration::from_millis(100);
