//! The schedule of announcements.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::link_sites::AddressIndex;
use crate::config::AnnounceConfig;
use crate::types::Instant;

/// The announcements of every address that this host has.
///
/// An address is announced when the kernel has confirmed it, then after 1, 5, 9 … s until it was
/// announced `count` times, then every `refresh`.
#[derive(Debug)]
pub(super) struct Announcements {
    config: AnnounceConfig,
    addresses: BTreeMap<AddressIndex, Announced>,
    /// The last request of each virtual router for a repetition.
    repeated_at: BTreeMap<usize, Instant>,
    /// The addresses that are to be announced, by the time of their next announcement.
    schedule: BTreeSet<(Instant, AddressIndex)>,
}

/// The announcements of one address.
#[derive(Clone, Copy, Debug, Default)]
struct Announced {
    series: Option<Series>,
    last_sent: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Series {
    sent: u8,
    next: Option<Instant>,
    extra: Option<Instant>,
}

impl Announcements {
    pub(super) fn new(config: AnnounceConfig) -> Self {
        Self {
            config,
            addresses: BTreeMap::new(),
            repeated_at: BTreeMap::new(),
            schedule: BTreeSet::new(),
        }
    }

    /// Begins to announce an address, `pause` after its last announcement at the earliest. No
    /// effect while it is announced.
    pub(super) fn begin(&mut self, slot: AddressIndex, pause: Duration, now: Instant) {
        let AnnounceConfig { count, refresh } = self.config;
        self.change(slot, |Announced { series, last_sent }| {
            let first = last_sent.map_or(now, |sent_at| now.max(sent_at + pause));
            let next = if count == 0 { after(now, refresh) } else { Some(first) };
            series.get_or_insert(Series { sent: 0, next, extra: None });
        });
    }

    /// Stops announcing an address.
    pub(super) fn cease(&mut self, slot: AddressIndex) {
        if self.addresses.contains_key(&slot) {
            self.change(slot, |announced| announced.series = None);
        }
    }

    /// Stops announcing all addresses of a virtual router.
    pub(super) fn cease_all(&mut self, router: usize) {
        for slot in self.slots_of(router) {
            self.cease(slot);
        }
    }

    /// Announces all addresses of a virtual router once more, at most every [`REPEAT_PAUSE`].
    pub(super) fn repeat(&mut self, router: usize, now: Instant) {
        let at = match self.repeated_at.get(&router) {
            // An announcement is due anyway.
            Some(last) if *last >= now => return,
            Some(last) => now.max(*last + REPEAT_PAUSE),
            None => now,
        };
        self.repeated_at.insert(router, at);
        for slot in self.slots_of(router) {
            self.change(slot, |Announced { series, .. }| {
                if let Some(series) = series {
                    series.extra = Some(at);
                }
            });
        }
    }

    /// Returns when the next announcement is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        self.schedule.first().map(|(due, _)| *due)
    }

    /// Returns up to `most` addresses that are due. Call [`sent`](Self::sent),
    /// [`put_off`](Self::put_off) or [`postpone`](Self::postpone) for each.
    pub(super) fn due(&self, now: Instant, most: usize) -> Vec<AddressIndex> {
        let due = self.schedule.iter().take_while(|(due, _)| *due <= now);
        due.map(|(_, slot)| *slot).take(most).collect()
    }

    /// Notes that an address was announced.
    pub(super) fn sent(&mut self, slot: AddressIndex, now: Instant) {
        let AnnounceConfig { count, refresh } = self.config;
        self.change(slot, |Announced { series, last_sent }| {
            *last_sent = Some(now);
            let Some(series) = series else { return };
            series.extra = None;
            if series.next.is_some_and(|next| next <= now) {
                series.sent = series.sent.saturating_add(1);
                let pause = match series.sent {
                    sent if sent >= count => refresh,
                    1 => Some(FIRST_PAUSE),
                    _ => Some(LATER_PAUSE),
                };
                series.next = after(now, pause);
            }
        });
    }

    /// Notes that an address could not be announced, and tries again soon.
    pub(super) fn put_off(&mut self, slot: AddressIndex, now: Instant) {
        self.postpone(slot, now + RETRY_PAUSE);
    }

    /// Announces an address at that time at the earliest.
    pub(super) fn postpone(&mut self, slot: AddressIndex, until: Instant) {
        self.change(slot, |Announced { series, .. }| {
            let Some(series) = series else { return };
            for due in [&mut series.next, &mut series.extra].into_iter().flatten() {
                *due = (*due).max(until);
            }
        });
    }

    fn slots_of(&self, router: usize) -> Vec<AddressIndex> {
        self.addresses.range((router, 0)..(router + 1, 0)).map(|(slot, _)| *slot).collect()
    }

    /// Changes an address, and its place in the schedule.
    fn change(&mut self, slot: AddressIndex, change: impl FnOnce(&mut Announced)) {
        let announced = self.addresses.entry(slot).or_default();
        let before = announced.due();
        change(announced);
        let after = announced.due();
        if before != after {
            if let Some(due) = before {
                self.schedule.remove(&(due, slot));
            }
            self.schedule.extend(after.map(|due| (due, slot)));
        }
    }
}

impl Announced {
    fn due(&self) -> Option<Instant> {
        let Series { next, extra, .. } = self.series?;
        next.into_iter().chain(extra).min()
    }
}

fn after(now: Instant, pause: Option<Duration>) -> Option<Instant> {
    pause.map(|pause| now + pause)
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LATER_PAUSE: Duration = Duration::from_secs(4);
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// Time between two repetitions: a virtual router asks for one at every advertisement of a rival.
const REPEAT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn the_schedule_is_that_of_the_addresses_whatever_came_before(
            steps in prop::collection::vec((0_u8..6, 0_usize..3, 0_usize..3, 0_u64..2_000), 0..100)
        ) {
            let config = AnnounceConfig { count: 3, refresh: Some(Duration::from_secs(60)) };
            let mut announcements = Announcements::new(config);
            let mut now = 0;

            for (step, router, place, pause) in steps {
                now += pause;
                match step {
                    0 => announcements.begin((router, place), NO_PAUSE, at(now)),
                    1 => announcements.cease((router, place)),
                    2 => announcements.cease_all(router),
                    3 => announcements.repeat(router, at(now)),
                    4 => announcements.sent((router, place), at(now)),
                    _ => announcements.put_off((router, place), at(now)),
                }

                let all = announcements.addresses.iter();
                let due = all.filter_map(|(slot, announced)| Some((announced.due()?, *slot)));
                prop_assert_eq!(&announcements.schedule, &due.collect::<BTreeSet<_>>());
            }
        }
    }

    #[test]
    fn an_address_is_announced_at_0_1_5_and_9_seconds_then_refreshed() {
        let mut announcements = one_address(4, Some(Duration::from_secs(60)));

        announcements.begin(SLOT, NO_PAUSE, at(0));

        assert_eq!(moments(&mut announcements, 6), [0, 1_000, 5_000, 9_000, 69_000, 129_000]);
    }

    #[test]
    fn without_refresh_the_last_announcement_is_the_last() {
        let mut announcements = one_address(2, None);

        announcements.begin(SLOT, NO_PAUSE, at(0));

        assert_eq!(moments(&mut announcements, 6), [0, 1_000]);
    }

    #[test]
    fn who_is_hushed_announces_nothing_more_and_the_others_go_on() {
        let config = AnnounceConfig { count: 3, refresh: Some(Duration::from_secs(60)) };
        let mut announcements = Announcements::new(config);
        for slot in [(0, 0), (0, 1), (1, 0)] {
            announcements.begin(slot, NO_PAUSE, at(0));
        }

        announcements.cease_all(0);

        assert_eq!(announcements.due(at(0), 3), [(1, 0)]);
    }

    #[test]
    fn a_release_cancels_what_is_left() {
        let mut announcements = one_address(3, Some(Duration::from_secs(60)));
        announcements.begin(SLOT, NO_PAUSE, at(0));
        announcements.sent(SLOT, at(0));

        announcements.cease(SLOT);

        assert_eq!(announcements.next_due(), None);
    }

    #[test]
    fn a_repetition_comes_at_once_and_takes_none_of_the_others_away() {
        let mut announcements = one_address(3, None);
        announcements.begin(SLOT, NO_PAUSE, at(0));
        announcements.sent(SLOT, at(0));

        announcements.repeat(0, at(300));

        assert_eq!(moments(&mut announcements, 6), [300, 1_000, 5_000]);
    }

    #[test]
    fn repetitions_are_a_tenth_of_a_second_apart_however_often_they_are_asked_for() {
        let mut announcements = one_address(1, None);
        announcements.begin(SLOT, NO_PAUSE, at(0));
        announcements.sent(SLOT, at(0));

        let mut sent = Vec::new();
        for ms in 100..=500 {
            announcements.repeat(0, at(ms));
            if announcements.due(at(ms), 1) == [SLOT] {
                announcements.sent(SLOT, at(ms));
                sent.push(ms);
            }
        }

        assert_eq!(sent, [100, 200, 300, 400, 500]);
    }

    #[test]
    fn what_could_not_be_sent_is_tried_again_and_still_counts_as_due() {
        let mut announcements = one_address(2, None);
        announcements.begin(SLOT, NO_PAUSE, at(0));

        announcements.put_off(SLOT, at(0));

        assert_eq!(announcements.due(at(99), 1), []);
        assert_eq!(moments(&mut announcements, 6), [100, 1_100]);
    }

    #[test]
    fn a_thousand_addresses_are_handed_out_in_batches_until_none_is_left() {
        let config = AnnounceConfig { count: 1, refresh: None };
        let mut announcements = Announcements::new(config);
        for place in 0..1_000 {
            announcements.begin((0, place), NO_PAUSE, at(0));
        }

        let mut sizes = Vec::new();
        while announcements.next_due().is_some() {
            let batch = announcements.due(at(0), 300);
            sizes.push(batch.len());
            for slot in batch {
                announcements.sent(slot, at(0));
            }
        }

        assert_eq!(sizes, [300, 300, 300, 100]);
    }

    #[test]
    fn an_address_that_comes_and_goes_is_announced_at_its_pace() {
        let mut announcements = one_address(3, None);
        let mut sent = Vec::new();

        for ms in 0..=3_000 {
            announcements.cease(SLOT);
            announcements.begin(SLOT, Duration::from_secs(1), at(ms));
            if announcements.due(at(ms), 1) == [SLOT] {
                announcements.sent(SLOT, at(ms));
                sent.push(ms);
            }
        }

        assert_eq!(sent, [0, 1_000, 2_000, 3_000]);
    }

    const SLOT: AddressIndex = (0, 0);
    const NO_PAUSE: Duration = Duration::ZERO;

    fn one_address(count: u8, refresh: Option<Duration>) -> Announcements {
        Announcements::new(AnnounceConfig { count, refresh })
    }

    fn at(ms: u64) -> Instant {
        Instant::from_nanos(ms * 1_000_000)
    }

    /// Sends everything on time and returns when, in milliseconds.
    fn moments(announcements: &mut Announcements, most: usize) -> Vec<u64> {
        let mut moments = Vec::new();
        while let Some(due) = announcements.next_due().filter(|_| moments.len() < most) {
            moments.push(due.as_millis());
            announcements.sent(SLOT, due);
        }
        moments
    }
}
