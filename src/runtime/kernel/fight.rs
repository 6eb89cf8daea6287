//! Removals of our addresses by other programs: single ones, or a fight that an operator has to
//! end.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::link_sites::AddressIndex;
use crate::types::{Instant, LinkName, VirtualAddress};

/// Addresses that other programs have removed lately, although they were wanted.
///
/// An address that is removed [`ENOUGH`] times within [`WINDOW`] is contested, until it was not
/// removed for that long. The log gets one line for each link and [`WINDOW`] about other removals;
/// a contested address is a warning.
#[derive(Debug, Default)]
pub(super) struct Fights {
    /// Addresses that were removed within the last [`WINDOW`]: usually there are none.
    lost: BTreeMap<AddressIndex, Losses>,
    /// The lines of the log about each link, by its place in the plan.
    reports: BTreeMap<usize, LinkReport>,
}

#[derive(Debug)]
struct Losses {
    link: usize,
    /// The last removals, [`ENOUGH`] at most.
    moments: VecDeque<Instant>,
    contested: bool,
}

#[derive(Debug, Default)]
struct LinkReport {
    /// The first address that was removed since the last line, and the number of removals.
    fresh: Option<(AddressIndex, u64)>,
    quiet_until: Instant,
    suppressed: u64,
}

/// Removals for one line of the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Removals {
    /// The link: its place in the plan.
    pub(super) link: usize,
    /// The address, or the first of several.
    pub(super) slot: AddressIndex,
    /// How many more removals there were since the last line.
    pub(super) more: u64,
}

impl Fights {
    /// Notes that another program removed an address.
    pub(super) fn lose(&mut self, slot: AddressIndex, link: usize, now: Instant) {
        let empty = || Losses { link, moments: VecDeque::new(), contested: false };
        self.lost.entry(slot).or_insert_with(empty).add(now);
        let fresh = &mut self.reports.entry(link).or_default().fresh;
        fresh.get_or_insert((slot, 0)).1 += 1;
    }

    /// Notes that an address is not wanted any more: its removal is none to count.
    pub(super) fn forget(&mut self, slot: AddressIndex) {
        self.lost.remove(&slot);
    }

    /// Forgets the addresses that were not removed for a while, and returns them.
    pub(super) fn age(&mut self, now: Instant) -> Vec<AddressIndex> {
        let mut calm = Vec::new();
        self.lost.retain(|slot, losses| {
            let is_calm = losses.calm_at().is_none_or(|calm_at| calm_at <= now);
            calm.extend(is_calm.then_some(*slot));
            !is_calm
        });
        calm
    }

    /// Tells whether an address is removed again and again.
    pub(super) fn is_contested(&self, slot: AddressIndex) -> bool {
        self.lost.get(&slot).is_some_and(|losses| losses.contested)
    }

    /// Returns when the first fight ends if nothing more is removed.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let contested = self.lost.values().filter(|losses| losses.contested);
        contested.filter_map(Losses::calm_at).min()
    }

    /// Returns the removals to log now.
    pub(super) fn lines(&mut self, now: Instant) -> Vec<Removals> {
        let mut lines = Vec::new();
        for (&link, report) in &mut self.reports {
            let Some((slot, times)) = report.fresh.take() else { continue };
            let mut losses = self.lost.values().filter(|losses| losses.link == link);
            if losses.any(|losses| losses.contested) {
                report.suppressed = 0;
            } else if let Some(more) = report.admit(times, now) {
                lines.push(Removals { link, slot, more });
            }
        }
        lines
    }
}

impl Losses {
    fn add(&mut self, now: Instant) {
        self.moments.retain(|moment| now.since(*moment) < WINDOW);
        self.moments.push_back(now);
        self.contested |= self.moments.len() >= ENOUGH;
        if self.moments.len() > ENOUGH {
            self.moments.pop_front();
        }
    }

    fn calm_at(&self) -> Option<Instant> {
        self.moments.back().map(|last| *last + WINDOW)
    }
}

impl LinkReport {
    /// Returns how many other removals a line stands for; `None` if there is no line now.
    fn admit(&mut self, times: u64, now: Instant) -> Option<u64> {
        self.suppressed += times;
        if now < self.quiet_until {
            return None;
        }
        self.quiet_until = now + WINDOW;
        Some(std::mem::take(&mut self.suppressed) - 1)
    }
}

impl Removals {
    /// Writes them into the log, with the names of the address and of the link.
    pub(super) fn log(&self, address: &VirtualAddress, link: &LinkName) {
        match self.more {
            0 => tracing::warn!("somebody removed {address} from {link}; it is put back"),
            more => tracing::warn!(
                "somebody removed {address} from {link}; it is put back ({more} more like this)"
            ),
        }
    }
}

/// Returns what an operator should know, and do, about addresses that are contested.
pub(in crate::runtime) fn accusation(
    address: &VirtualAddress,
    others: usize,
    link: &LinkName,
) -> String {
    let what = match others {
        0 => address.to_string(),
        others => format!("{address} and {others} more"),
    };
    format!(
        "something else on this host keeps removing {what} from {link}, and each time it is put \
         back: is {link} managed by NetworkManager, systemd-networkd, another VRRP daemon?"
    )
}

/// Removals that make a fight, unless they are spread over more than [`WINDOW`].
const ENOUGH: usize = 3;
const WINDOW: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_removed_three_times_within_ten_seconds_is_contested() {
        let mut fights = Fights::default();

        let contested = [0, 5_000, 9_999].map(|ms| {
            fights.lose(SLOT, LINK, at(ms));
            fights.is_contested(SLOT)
        });

        assert_eq!(contested, [false, false, true]);
    }

    #[test]
    fn removals_further_apart_are_no_fight() {
        let mut fights = Fights::default();

        for ms in [0, 5_000, 10_000, 15_000, 20_000] {
            fights.age(at(ms));
            fights.lose(SLOT, LINK, at(ms));
            assert!(!fights.is_contested(SLOT), "{ms}");
        }
    }

    #[test]
    fn a_fight_lasts_until_nobody_has_removed_the_address_for_ten_seconds() {
        let mut fights = fighting(at(0));
        fights.lose(SLOT, LINK, at(8_000));

        assert_eq!(fights.next_due(), Some(at(18_000)));
        fights.age(at(17_999));
        assert!(fights.is_contested(SLOT));
        fights.age(at(18_000));

        assert!(!fights.is_contested(SLOT));
        assert_eq!(fights.next_due(), None);
    }

    #[test]
    fn removals_are_told_of_until_they_are_a_fight() {
        let mut fights = Fights::default();
        let mut logged = Vec::new();

        for ms in (0..60_000).step_by(10) {
            fights.age(at(ms));
            if ms < 30_000 {
                fights.lose(SLOT, LINK, at(ms));
            }
            logged.extend(fights.lines(at(ms)).into_iter().map(|line| (ms, line.more)));
        }

        assert_eq!(logged, [(0, 0)]);
    }

    #[test]
    fn a_thousand_addresses_that_go_at_once_are_one_line_for_their_link() {
        let mut fights = Fights::default();
        for place in 0..1_000 {
            fights.lose((0, place), LINK, at(0));
        }
        fights.lose((1, 0), LINK + 1, at(0));

        let logged = fights.lines(at(0));

        let first = Removals { link: LINK, slot: (0, 0), more: 999 };
        assert_eq!(logged, [first, Removals { link: LINK + 1, slot: (1, 0), more: 0 }]);
        assert_eq!(fights.lines(at(0)), []);
    }

    #[test]
    fn removals_that_were_not_told_of_are_told_of_with_the_next_one() {
        let mut fights = Fights::default();
        let mut logged = Vec::new();

        for ms in [0, 6_000, 12_000] {
            fights.age(at(ms));
            fights.lose(SLOT, LINK, at(ms));
            logged.extend(fights.lines(at(ms)).into_iter().map(|line| (ms, line.more)));
        }

        assert_eq!(logged, [(0, 0), (12_000, 1)]);
    }

    #[test]
    fn who_gives_an_address_away_does_not_fight_for_it() {
        let mut fights = fighting(at(0));

        fights.forget(SLOT);

        assert!(!fights.is_contested(SLOT));
        fights.lose(SLOT, LINK, at(2));
        assert!(!fights.is_contested(SLOT), "what was before does not count");
    }

    #[test]
    fn the_accusation_names_all_that_an_operator_must_know() {
        let address = VirtualAddress { address: [192, 0, 2, 1].into(), prefix: 24 };
        let link = LinkName::new("eth0").expect("a valid name");

        let one = accusation(&address, 0, &link);
        let many = accusation(&address, 2, &link);

        assert!(one.starts_with("something else on this host keeps removing 192.0.2.1/24 from"));
        assert!(many.contains("keeps removing 192.0.2.1/24 and 2 more from eth0"), "{many}");
    }

    const SLOT: AddressIndex = (0, 0);
    const LINK: usize = 0;

    fn at(ms: u64) -> Instant {
        Instant::from_nanos((100_000 + ms) * 1_000_000)
    }

    /// A fight that has just begun.
    fn fighting(now: Instant) -> Fights {
        let mut fights = Fights::default();
        for _ in 0..ENOUGH {
            fights.lose(SLOT, LINK, now);
        }
        assert_eq!(fights.lines(now), []);
        fights
    }
}
