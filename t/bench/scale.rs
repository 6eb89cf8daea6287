//! How long hundreds of addresses take to move, and how large the library is.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::net::{IpAddr, Ipv4Addr};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{fs, thread};

use harness::{Carrier, Host, Sniffer};

use crate::figures::{Figures, ms};
use crate::options::Options;
use crate::pair::{Pair, attempt, urgently};
use crate::plan::Plan;
use crate::report::{Column, Line, Section};
use crate::side::Side;

/// How a takeover went, in ms from the first advertisement of the new active router.
struct Takeover {
    /// Until the last address was on its interface.
    present: Option<f64>,
    /// Until the last address was announced for the first time.
    announced: Option<f64>,
    /// The longest time between two of its advertisements in the seconds after.
    gap: Option<f64>,
    /// How many addresses have come.
    addresses: usize,
}

/// Writes down when each address came to an interface. Dropping it ends it.
struct Monitor {
    child: Child,
    arrivals: Arc<Mutex<BTreeMap<Ipv4Addr, Instant>>>,
}

pub(crate) fn size_and_scale(options: &Options) -> Section {
    let mut section = Section::new("Size, and many addresses in one virtual router");
    let size = library_size().map(|bytes| Figures::one(bytes / 1024.0));
    section.push(Line::new("core.so", "kB").ours(size).limit("target", 3072.0));
    for addresses in [250, 1000] {
        let plan = Plan::wide(addresses, Duration::from_secs(1));
        let takeovers = Side::BOTH.map(|side| {
            let takeover = attempt(|| take_over(side, &options.carrier, &plan, addresses));
            let takeover = section.note(side.name(), takeover)?;
            if takeover.present.is_none() {
                let (name, moved) = (side.name(), takeover.addresses);
                section.remark(format!("{name}: {moved} of {addresses} addresses had moved."));
            }
            Some(takeover)
        });
        push(&mut section, addresses, &takeovers);
    }
    section.remark("From the first advertisement of the new active router, after the other's end.");
    section
}

fn push(section: &mut Section, addresses: usize, [ours, theirs]: &[Option<Takeover>; 2]) {
    let columns: [Column<Takeover>; 3] = [
        ("until the last is on the interface", "ms", |it| it.present),
        ("until the last is announced", "ms", |it| it.announced),
        ("longest gap between advertisements (of 1 s) meanwhile", "ms", |it| it.gap),
    ];
    for (what, unit, of) in columns {
        let figure = |it: &Option<Takeover>| it.as_ref().and_then(of).map(Figures::one);
        let line = Line::new(format!("{addresses} addresses, {what}"), unit);
        section.push(line.ours(figure(ours)).theirs(figure(theirs)));
    }
}

fn take_over(side: Side, carrier: &Carrier, plan: &Plan, addresses: usize) -> Takeover {
    let pair = Pair::start(side, carrier, plan);
    let second = &pair.second.host;
    let monitor = Monitor::start(second);
    let sniffer = urgently(|| Sniffer::start(&pair.client));
    let start = Instant::now();
    pair.first.host.power_off();
    let its = |source: Ipv4Addr| IpAddr::V4(source) == second.address();
    let first = sniffer
        .wait_for_advert("the second node is active", start, PATIENCE, |advert| its(advert.source));
    let announced = wait_for_all(&sniffer, second, first.at, addresses);
    thread::sleep(AFTER);

    let arrivals = monitor.arrivals();
    let after = |at: Instant| ms(at.saturating_duration_since(first.at));
    let adverts: Vec<Instant> = sniffer.adverts_since(first.at).iter().map(|it| it.at).collect();
    let gaps = adverts.windows(2).map(|two| ms(two[1] - two[0]));
    let last = arrivals.values().max().filter(|_| arrivals.len() >= addresses);
    Takeover {
        present: last.map(|&at| after(at)),
        announced: announced.map(after),
        gap: gaps.reduce(f64::max),
        addresses: arrivals.len(),
    }
}

/// Waits until so many addresses have been announced; returns when the last of them first was.
fn wait_for_all(sniffer: &Sniffer, by: &Host, start: Instant, count: usize) -> Option<Instant> {
    let mac = by.mac();
    while start.elapsed() < PATIENCE {
        let mut firsts: BTreeMap<Ipv4Addr, Instant> = BTreeMap::new();
        for heard in sniffer.announcements().iter().filter(|it| it.mac == mac) {
            firsts.entry(heard.address).or_insert(heard.at);
        }
        if firsts.len() >= count {
            return firsts.values().max().copied();
        }
        thread::sleep(Duration::from_millis(100));
    }
    None
}

impl Monitor {
    fn start(host: &Host) -> Self {
        let mut command = Command::new("ip");
        command.args(["-4", "-oneline", "monitor", "address"]).stdout(Stdio::piped());
        let mut child = host.enter(|| command.spawn()).expect("ip can be started");
        let output = child.stdout.take().expect("it is piped");
        let arrivals = Arc::<Mutex<BTreeMap<Ipv4Addr, Instant>>>::default();
        let for_thread = Arc::clone(&arrivals);
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                let now = Instant::now();
                if let Some(address) = arrived(&line) {
                    let mut all = for_thread.lock().unwrap_or_else(PoisonError::into_inner);
                    all.entry(address).or_insert(now);
                }
            }
        });
        Self { child, arrivals }
    }

    fn arrivals(&self) -> BTreeMap<Ipv4Addr, Instant> {
        self.arrivals.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        // Both fail when it has ended already.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

/// Returns the address in a line of `ip monitor`: `2: eth0    inet 10.77.0.1/32 scope global …`.
fn arrived(line: &str) -> Option<Ipv4Addr> {
    if line.starts_with("Deleted") {
        return None;
    }
    let address = line.split_whitespace().skip_while(|word| *word != "inet").nth(1)?;
    address.split('/').next()?.parse().ok()
}

/// Returns the size of the library under test, in bytes.
fn library_size() -> Option<f64> {
    let size = fs::metadata(harness::library()?).ok()?.len();
    u32::try_from(size).ok().map(f64::from)
}

/// Enough for several advertisements of 1 s.
const AFTER: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(30);
