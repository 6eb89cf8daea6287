//! How long hundreds of addresses take to move, and how large the library is.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};
use std::{fs, thread};

use harness::{AddressWatch, Advert, Carrier, Host, Sniffer, urgently};

use crate::adverts::speaker;
use crate::figures::{Figures, ms};
use crate::network::NUMBERS;
use crate::options::Options;
use crate::pair::{Pair, attempt};
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

pub(crate) fn many_addresses(options: &Options) -> Section {
    let mut section = Section::new("Size, and many addresses in one virtual router");
    let size = library_size().map(|bytes| Figures::one(bytes / 1024.0));
    section.push(Line::new("core.so", "kB").ours(size).limit("target", 3072.0));
    let network = options.network;
    for addresses in [250, 1000] {
        let plan = Plan::wide(network, addresses, Duration::from_secs(1));
        let takeovers = Side::BOTH.map(|side| {
            let takeover = attempt(|| take_over(side, &options.carrier, &plan, addresses));
            let takeover = section.note(side.name(), takeover)?;
            if takeover.present.is_none() {
                let (name, moved) = (side.name(), takeover.addresses);
                section.remark(format!("{name}: {moved} of {addresses} addresses had moved."));
            }
            Some(takeover)
        });
        let columns = [
            Column::new("until the last is on the interface", "ms", |it: &Takeover| it.present),
            Column::new("until the last is announced", "ms", |it| it.announced),
            Column::new("longest gap between advertisements (of 1 s) meanwhile", "ms", |it| it.gap),
        ];
        let [ours, theirs] = takeovers.each_ref().map(Option::as_slice);
        let name = format!("{addresses} addresses, {}", network.name());
        section.compare(&name, columns, ours, theirs);
    }
    section.remark("From the first advertisement of the new active router, after the other's end.");
    section
}

fn take_over(side: Side, carrier: &Carrier, plan: &Plan, addresses: usize) -> Takeover {
    let pair = Pair::start(side, carrier, plan);
    let second = &pair.second.host;
    let watch = AddressWatch::start(second);
    let listener = plan.network.listener(&pair.client, second);
    let sniffer = urgently(|| Sniffer::start(listener));
    let start = Instant::now();
    pair.first.host.power_off();
    let is_its = |advert: &Advert| speaker(advert) == NUMBERS[1];
    let first = sniffer.wait_for_advert("the second node is active", start, PATIENCE, is_its);
    let announced = wait_for_all(&sniffer, second, first.at, addresses);
    thread::sleep(AFTER);

    let arrivals = arrivals(&watch, start);
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
        let mut firsts: BTreeMap<IpAddr, Instant> = BTreeMap::new();
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

/// Returns when each address came.
pub(crate) fn arrivals(watch: &AddressWatch, start: Instant) -> BTreeMap<IpAddr, Instant> {
    let mut all = BTreeMap::new();
    for event in watch.all_since(start).into_iter().filter(|event| !event.removed) {
        all.entry(event.address).or_insert(event.at);
    }
    all
}

/// Returns the size of the library under test, in bytes.
fn library_size() -> Option<f64> {
    let size = fs::metadata(harness::library()).ok()?.len();
    u32::try_from(size).ok().map(f64::from)
}

/// Enough for several advertisements of 1 s.
const AFTER: Duration = Duration::from_secs(4);
const PATIENCE: Duration = Duration::from_secs(30);
