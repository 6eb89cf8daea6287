//! What the advertisements of many virtual routers tell, router by router.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Instant;

use harness::Advert;

use crate::figures::{count, ms};
use crate::network::NUMBERS;

/// A virtual router on the wire: the interface it was heard on, and its identifier.
type RouterKey = (usize, u8);

/// How regularly routers advertised between two moments.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rhythm {
    /// The longest time in which a router was not heard.
    pub(crate) longest_gap_ms: f64,
    /// How many routers were not heard at all.
    pub(crate) silent: f64,
    /// How often another node than before spoke for a router.
    pub(crate) takeovers: f64,
    /// Advertisements of priority 0.
    pub(crate) resignations: f64,
}

impl Rhythm {
    /// Finds it in what was heard of so many routers.
    pub(crate) fn of(adverts: &[Advert], routers: usize, start: Instant, end: Instant) -> Self {
        let mut heard: BTreeMap<RouterKey, (Instant, u8)> = BTreeMap::new();
        let (mut longest, mut takeovers, mut resignations) = (0.0_f64, 0_usize, 0_usize);
        for advert in adverts.iter().filter(|it| start <= it.at && it.at <= end) {
            let speaker = speaker(advert);
            let (last, before) = *heard.entry(key(advert)).or_insert((start, speaker));
            longest = longest.max(ms(advert.at.saturating_duration_since(last)));
            takeovers += usize::from(before != speaker);
            resignations += usize::from(advert.priority == 0);
            heard.insert(key(advert), (advert.at, speaker));
        }
        for (last, _) in heard.values() {
            longest = longest.max(ms(end - *last));
        }
        Self {
            longest_gap_ms: longest,
            silent: count(routers.saturating_sub(heard.len())),
            takeovers: count(takeovers),
            resignations: count(resignations),
        }
    }
}

/// Returns since when the first node alone has spoken for each of so many routers, if it does.
pub(crate) fn first_alone_since(adverts: &[Advert], routers: usize) -> Option<Instant> {
    let mut since: BTreeMap<RouterKey, Option<Instant>> = BTreeMap::new();
    for advert in adverts {
        let begun = since.entry(key(advert)).or_default();
        let is_active = speaker(advert) == NUMBERS[0] && advert.priority > 0;
        *begun = is_active.then(|| begun.unwrap_or(advert.at));
    }
    let all: Option<Vec<Instant>> = since.into_values().collect();
    all.filter(|all| all.len() == routers)?.into_iter().max()
}

/// Returns for each router how long after a moment the second node spoke for it first, in ms.
pub(crate) fn taken_over(adverts: &[Advert], start: Instant) -> Vec<f64> {
    let mut firsts: BTreeMap<RouterKey, f64> = BTreeMap::new();
    for advert in adverts.iter().filter(|it| it.at >= start && speaker(it) == NUMBERS[1]) {
        firsts.entry(key(advert)).or_insert_with(|| ms(advert.at - start));
    }
    firsts.into_values().collect()
}

fn key(advert: &Advert) -> RouterKey {
    (advert.link, advert.vrid)
}

/// Returns the number of the host that has sent it.
pub(crate) fn speaker(advert: &Advert) -> u8 {
    match advert.source {
        IpAddr::V4(source) => source.octets()[3],
        IpAddr::V6(source) => source.octets()[15],
    }
}
