//! When to announce which address.

use std::time::Duration;

use crate::config::AnnounceConfig;
use crate::types::Instant;

/// The announcements due for every address of every virtual router.
///
/// An address is announced when the kernel has confirmed it, then after 1, 5, 9 … s until it was
/// announced `count` times, then every `refresh`.
#[derive(Debug)]
pub(super) struct Announcements {
    config: AnnounceConfig,
    routers: Vec<Router>,
}

/// An address: virtual router, then place in its list.
pub(super) type Slot = (usize, usize);

#[derive(Debug)]
struct Router {
    addresses: Vec<Option<Series>>,
    /// When each address was last announced.
    sent_at: Vec<Option<Instant>>,
    repeated_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Series {
    sent: u8,
    next: Option<Instant>,
    extra: Option<Instant>,
}

impl Announcements {
    /// Makes room for virtual routers of so many addresses each.
    pub(super) fn new(config: AnnounceConfig, sizes: impl Iterator<Item = usize>) -> Self {
        let router = |size| Router {
            addresses: vec![None; size],
            sent_at: vec![None; size],
            repeated_at: None,
        };
        Self { config, routers: sizes.map(router).collect() }
    }

    /// Begins to announce an address, but not until `pause` after it was announced last. Once
    /// begun, nothing changes.
    pub(super) fn begin(&mut self, (router, place): Slot, pause: Duration, now: Instant) {
        let router = &mut self.routers[router];
        let first = router.sent_at[place].map_or(now, |sent_at| now.max(sent_at + pause));
        let count = self.config.count;
        let next = if count == 0 { after(now, self.config.refresh) } else { Some(first) };
        router.addresses[place].get_or_insert(Series { sent: 0, next, extra: None });
    }

    /// Ceases to announce an address.
    pub(super) fn cease(&mut self, (router, place): Slot) {
        self.routers[router].addresses[place] = None;
    }

    /// Ceases to announce all addresses of a virtual router.
    pub(super) fn cease_all(&mut self, router: usize) {
        self.routers[router].addresses.fill(None);
    }

    /// Announces all addresses of a virtual router once more, at most every [`REPEAT_PAUSE`].
    pub(super) fn repeat(&mut self, router: usize, now: Instant) {
        let router = &mut self.routers[router];
        let at = match router.repeated_at {
            // One is still on its way.
            Some(last) if last >= now => return,
            Some(last) => now.max(last + REPEAT_PAUSE),
            None => now,
        };
        router.repeated_at = Some(at);
        for series in router.addresses.iter_mut().flatten() {
            series.extra = Some(at);
        }
    }

    /// Returns when the next announcement is due.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let all = self.routers.iter().flat_map(|router| router.addresses.iter().flatten());
        all.filter_map(Series::due).min()
    }

    /// Returns up to `most` addresses that are due. Say of each whether it was [`sent`](Self::sent)
    /// or [`put_off`](Self::put_off).
    pub(super) fn due(&self, now: Instant, most: usize) -> Vec<Slot> {
        let routers = self.routers.iter().enumerate();
        let all = routers.flat_map(|(router, held)| {
            held.addresses.iter().enumerate().map(move |(place, series)| ((router, place), series))
        });
        let is_due = |series: &Option<Series>| {
            series.as_ref().and_then(Series::due).is_some_and(|due| due <= now)
        };
        all.filter(|(_, series)| is_due(series)).map(|(slot, _)| slot).take(most).collect()
    }

    /// Notes that an address was announced.
    pub(super) fn sent(&mut self, (router, place): Slot, now: Instant) {
        let AnnounceConfig { count, refresh } = self.config;
        let router = &mut self.routers[router];
        router.sent_at[place] = Some(now);
        let Some(series) = &mut router.addresses[place] else { return };
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
    }

    /// Notes that an address could not be announced, and tries again soon.
    pub(super) fn put_off(&mut self, (router, place): Slot, now: Instant) {
        let Some(series) = &mut self.routers[router].addresses[place] else { return };
        for due in [&mut series.next, &mut series.extra].into_iter().flatten() {
            *due = (*due).max(now + RETRY_PAUSE);
        }
    }
}

impl Series {
    fn due(&self) -> Option<Instant> {
        match (self.next, self.extra) {
            (Some(next), Some(extra)) => Some(next.min(extra)),
            (next, extra) => next.or(extra),
        }
    }
}

fn after(now: Instant, pause: Option<Duration>) -> Option<Instant> {
    pause.map(|pause| now + pause)
}

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LATER_PAUSE: Duration = Duration::from_secs(4);
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How often a virtual router may ask for more: every advertisement of a rival makes it ask.
const REPEAT_PAUSE: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut announcements = Announcements::new(config, [2, 1].into_iter());
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
        let mut announcements = Announcements::new(config, [1_000].into_iter());
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

    const SLOT: Slot = (0, 0);
    const NO_PAUSE: Duration = Duration::ZERO;

    fn one_address(count: u8, refresh: Option<Duration>) -> Announcements {
        Announcements::new(AnnounceConfig { count, refresh }, [1].into_iter())
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
