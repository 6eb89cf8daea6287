//! What a reload costs, with the same configuration and with a mistake in it.

use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use harness::{Advert, Host, Probe, Process, Sniffer, urgently};

use crate::figures::{count, ms};
use crate::network::ADDRESS;
use crate::options::Options;
use crate::pair::{Pair, attempt, failed, in_turn};
use crate::plan::{HIGH, Plan};
use crate::report::{Column, Line, Section};
use crate::side::Side;

/// What was seen of a reload.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// The longest time without an advertisement.
    silence_ms: f64,
    failed: f64,
    /// Changes of state of both nodes.
    transitions: f64,
    resignations: f64,
}

pub(crate) fn reloaded(options: &Options) -> Section {
    let mut section = Section::new("A reload of the active node, advertisements every 100 ms");
    let plan = Plan::single(3, INTERVAL);
    for (name, loaded) in [("client alone", false), ("with wrk at full speed", true)] {
        let (all, runs) = (Side::both(&plan), options.runs(7));
        let [ours, theirs] = in_turn(&mut section, name, runs, all, |side, plan, _| {
            reload(&Pair::start(side, &options.carrier, plan), loaded)
        });
        let columns = [
            Column::new("longest silence between advertisements", "ms", |it: &Seen| {
                Some(it.silence_ms)
            })
            .limit("1.5 intervals:", ms(INTERVAL * 3 / 2)),
            Column::new("failed connections", "", |it: &Seen| Some(it.failed)).limit("target", 0.0),
            Column::new("transitions", "", |it: &Seen| Some(it.transitions)).limit("target", 0.0),
            Column::new("advertisements of priority 0", "", |it: &Seen| Some(it.resignations))
                .limit("target", 0.0),
        ];
        section.compare(name, columns, &ours, &theirs);
    }
    section.remark(
        "`nginx -s reload`; with keepalived, it is reloaded, too (SIGHUP). The client opens a new \
         connection every 2 ms.",
    );
    section
}

fn reload(pair: &Pair, loaded: bool) -> Seen {
    let nodes = [&pair.first, &pair.second];
    let transitions = || -> u64 { nodes.iter().map(|node| node.transitions()).sum() };
    let before = transitions();
    let sniffer = urgently(|| Sniffer::start(&pair.client));
    let probe = Probe::start(&pair.client, &Pair::server(), "/");
    probe.wait_for(pair.first.host.name(), PATIENCE);
    let load = loaded.then(|| load(&pair.client));
    let settling = Instant::now();
    thread::sleep(INTERVAL * 5);

    let start = Instant::now();
    pair.first.reload();
    thread::sleep(INTERVAL * 10);
    let end = Instant::now();
    drop(load);

    // One before the reload begins the first silence.
    let mut adverts = sniffer.adverts_since(settling);
    adverts.retain(|advert| advert.at <= end);
    let moments = adverts.iter().map(|advert| advert.at).chain([end]);
    let moments: Vec<Instant> = moments.collect();
    let silence = moments.windows(2).map(|two| two[1] - two[0]).max().unwrap_or_default();
    let resignations = adverts.iter().filter(|advert| advert.priority == 0).count();
    Seen {
        silence_ms: ms(silence),
        failed: failed(&probe.finish(), start),
        transitions: count(transitions() - before),
        resignations: count(resignations),
    }
}

/// Keeps 50 connections busy.
fn load(client: &Host) -> Process {
    let url = format!("http://{ADDRESS}/");
    client.spawn(Command::new("wrk").args(["-t1", "-c50", "-d60s", &url]))
}

/// A slip of the pen, in the words of either side: what was right, and what is written instead.
struct Typo {
    name: &'static str,
    ours: [&'static str; 2],
    theirs: [&'static str; 2],
}

/// What a reload with it has left behind.
struct Left {
    verdict: String,
    failed: f64,
}

pub(crate) fn mistyped(options: &Options) -> Section {
    let mut section = Section::new("A reload of the active node's router with a typo");
    let plan = Plan::single(3, INTERVAL);
    for typo in TYPOS {
        let left = Side::BOTH.map(|side| {
            let left = attempt(|| slip(Pair::start(side, &options.carrier, &plan), typo));
            section.note(&format!("{}, {}", typo.name, side.name()), left)
        });
        let words = left.each_ref().map(|left| left.as_ref().map(|left| left.verdict.clone()));
        section.push(Line::new(typo.name, "").words(words));
        let failed = Column::new("failed connections", "", |it: &Left| Some(it.failed));
        let [ours, theirs] = left.each_ref().map(Option::as_slice);
        section.compare(typo.name, [failed.limit("target", 0.0)], ours, theirs);
    }
    section.remark(format!("Looked at {} s later.", AFTERMATH.as_secs()));
    section
}

fn slip(mut pair: Pair, typo: &Typo) -> Left {
    let sniffer = urgently(|| Sniffer::start(&pair.client));
    let probe = Probe::start(&pair.client, &Pair::server(), "/");
    probe.wait_for(pair.first.host.name(), PATIENCE);
    let [right, wrong] = if pair.first.keepalived.is_some() { typo.theirs } else { typo.ours };

    let start = Instant::now();
    let refused = pair.first.reload_with(right, wrong);
    thread::sleep(AFTERMATH);
    let lately = Instant::now();
    thread::sleep(INTERVAL * 10);

    let lately = sniffer.adverts_since(lately);
    let its = |advert: &&Advert| advert.source == pair.first.host.address();
    let as_before = |advert: &Advert| its(&advert) && advert.priority == HIGH;
    let owners = [&pair.first, &pair.second].into_iter().filter(|it| it.host.has(ADDRESS)).count();
    let priority = lately.iter().rfind(its).map(|advert| advert.priority);
    let undisturbed = owners == 1 && !lately.is_empty() && lately.iter().all(as_before);
    let what = match priority {
        _ if undisturbed => "runs on as before".to_owned(),
        Some(priority) => format!("runs on with priority {priority} instead of {HIGH}"),
        None if pair.first.has_router() => "runs on, but does not advertise".to_owned(),
        None => "has ended".to_owned(),
    };
    let refused = if refused { "refused; " } else { "" };
    let verdict = format!("{refused}{what}; nodes with the address: {owners}");
    Left { verdict, failed: failed(&probe.finish(), start) }
}

const TYPOS: &[Typo] = &[
    Typo {
        name: "virtual router identifier 511",
        ours: ["vrid = 51,", "vrid = 511,"],
        theirs: ["virtual_router_id 51\n", "virtual_router_id 511\n"],
    },
    Typo {
        name: "`prority`",
        ours: ["priority = ", "prority = "],
        theirs: ["    priority ", "    prority "],
    },
];

const INTERVAL: Duration = Duration::from_millis(100);
const PATIENCE: Duration = Duration::from_secs(5);
const AFTERMATH: Duration = Duration::from_secs(5);
