//! Whether `vrrp-net` can carry out the claims of the election: it runs, and the kernel does not
//! refuse.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::kernel::{NetSigns, RouterFacts};
use crate::proto::RouterId;
use crate::types::Instant;

/// Judges the thread `vrrp-net` by its signs of life.
#[derive(Debug)]
pub(super) struct Attendance {
    /// How long it may stall; `None` where the kernel keeps addresses for ever.
    longest: Option<Duration>,
    started_at: Instant,
    looked_at: Instant,
    /// When it was asked for a sign of life that is still missing.
    asked_at: Option<Instant>,
    /// When it was last found stalled for too long.
    missed_at: Option<Instant>,
    last: Attends,
    refused: BTreeMap<RouterId, Refused>,
    /// When routers took addresses over that the thread has yet to add.
    taken_over: BTreeMap<RouterId, Instant>,
}

/// The state of `vrrp-net`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Attends {
    /// It runs.
    Yes,
    /// It has stalled for so long that an operator should know.
    Late,
    /// It has stalled for so long that the kernel may have removed addresses.
    No,
}

/// A router whose addresses the kernel refuses.
#[derive(Debug)]
struct Refused {
    problem: String,
    /// Pause until the next attempt, in which other nodes have the addresses.
    pause: Duration,
    until: Instant,
}

impl Attendance {
    /// `lifetime` is how long the kernel keeps an address that is not refreshed.
    pub(super) fn new(lifetime: Option<Duration>, now: Instant) -> Self {
        let longest = lifetime.map(|lifetime| lifetime.saturating_sub(MARGIN).max(lifetime / 2));
        Self {
            longest,
            started_at: now,
            looked_at: now,
            asked_at: Some(now),
            missed_at: None,
            last: Attends::Yes,
            refused: BTreeMap::new(),
            taken_over: BTreeMap::new(),
        }
    }

    /// Tells whether it is time to ask for a sign of life.
    pub(super) fn is_to_ask(&mut self, signs: NetSigns, now: Instant) -> bool {
        let paused = now.since(self.looked_at) > LONGEST_LOOK;
        self.looked_at = now;
        let turned_at = signs.turned_at.unwrap_or(self.started_at);
        if self.asked_at.is_some_and(|asked_at| signs.turned_at > Some(asked_at)) {
            self.asked_at = None;
        }
        // After a pause of the whole process it gets the time to answer.
        if paused || self.asked_at.is_none() && now >= turned_at + ASK_AFTER {
            self.asked_at = Some(now);
            return true;
        }
        false
    }

    /// Judges by the last signs. `can_read` says whether the kernel lets it read links and
    /// addresses.
    ///
    /// A stalled thread counts as running again when it has answered at once for [`STEADY`].
    pub(super) fn judge(&mut self, signs: NetSigns, can_read: bool, now: Instant) -> Attends {
        let attends = self.judge_now(signs, can_read, now);
        let was_missed = self.missed_at.is_some_and(|missed_at| now < missed_at + STEADY);
        self.last = match attends {
            Attends::Late if !was_missed => Attends::Late,
            Attends::Yes if !was_missed => Attends::Yes,
            Attends::Yes => Attends::No,
            Attends::Late | Attends::No => {
                self.missed_at = Some(now);
                Attends::No
            }
        };
        self.last
    }

    /// Tells whether the thread was stalled at the last judgement.
    pub(super) fn is_missed(&self) -> bool {
        self.last == Attends::No
    }

    /// Notes that a router has taken over.
    pub(super) fn note_takeover(&mut self, router: RouterId, now: Instant) {
        self.taken_over.insert(router, now);
    }

    /// Returns the routers that took over while the thread stood still, and have no addresses yet.
    /// No node serves as long as they advertise.
    pub(super) fn empty_handed(&mut self, signs: NetSigns, now: Instant) -> BTreeSet<RouterId> {
        self.taken_over.retain(|_, at| signs.turned_at <= Some(*at));
        let late = self.taken_over.iter().filter(|(_, at)| now >= **at + LONGEST_TAKEOVER);
        late.map(|(router, _)| *router).collect()
    }

    fn judge_now(&self, signs: NetSigns, can_read: bool, now: Instant) -> Attends {
        let Some(asked_at) = self.asked_at else { return Attends::Yes };
        let waits = now.since(asked_at);
        if waits < LATE {
            return Attends::Yes;
        }
        let Some(longest) = self.longest else { return Attends::Late };
        // The addresses that were handed over live until then.
        let longest = if signs.turned_at.is_none() && can_read { BEQUEATHED } else { longest };
        let expires = signs.held_until.is_some_and(|until| now + MARGIN >= until);
        if expires || waits + ASK_AFTER >= longest { Attends::No } else { Attends::Late }
    }

    /// Notes what the kernel has refused to a router that is Active.
    ///
    /// An address that is refused twice counts as unavailable: the router leaves its addresses to
    /// other nodes, and tries again after a pause that doubles.
    pub(super) fn note_refusals(
        &mut self,
        router: RouterId,
        facts: &RouterFacts,
        now: Instant,
    ) -> bool {
        let Some(problem) = facts.problem.as_ref().filter(|_| facts.refusals >= ENOUGH) else {
            return false;
        };
        let known = self.refused.entry(router).or_insert_with(|| Refused {
            problem: problem.clone(),
            pause: SHORTEST_PAUSE,
            until: now,
        });
        let is_news = now >= known.until;
        if is_news {
            known.problem.clone_from(problem);
            known.until = now + known.pause;
            known.pause = (known.pause * 2).min(LONGEST_PAUSE);
        }
        is_news
    }

    /// Returns what was refused to a router that leaves its addresses to other nodes now.
    pub(super) fn refusal(&self, router: RouterId, now: Instant) -> Option<&str> {
        let refused = self.refused.get(&router).filter(|it| now < it.until)?;
        Some(&refused.problem)
    }

    /// Returns each router that has to leave its addresses to other nodes, with the reason.
    pub(super) fn refused(&mut self, now: Instant) -> BTreeMap<RouterId, &str> {
        self.refused.retain(|_, it| now < it.until + FORGOTTEN);
        let held = self.refused.iter().filter(|(_, it)| now < it.until);
        held.map(|(router, it)| (*router, it.problem.as_str())).collect()
    }
}

/// Peers must have a resignation before the kernel removes the addresses.
const MARGIN: Duration = Duration::from_secs(1);
/// How long the thread may be idle before it is asked for a sign of life.
const ASK_AFTER: Duration = Duration::from_secs(1);
/// How long it may take to answer.
const LATE: Duration = Duration::from_millis(500);
/// How long the thread may take for the addresses of all routers that take over together.
const LONGEST_TAKEOVER: Duration = Duration::from_secs(2);
/// An engine that judges less often was paused itself.
const LONGEST_LOOK: Duration = Duration::from_millis(500);
/// How long it must have answered at once after a stall.
const STEADY: Duration = Duration::from_secs(3);
/// Lifetime of addresses that were handed over, less the margin.
const BEQUEATHED: Duration = Duration::from_secs(9);
/// Failed attempts in a row after which the router resigns.
const ENOUGH: u32 = 2;
const SHORTEST_PAUSE: Duration = Duration::from_secs(5);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Time without a refusal after which pauses are short again.
const FORGOTTEN: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_has_nothing_to_do_is_asked_once_a_second() {
        let mut attendance = Attendance::new(LIFETIME, at(0));

        let mut answered = 1;

        let asked = (0..5_000).step_by(100).filter(|ms| {
            let asks = attendance.is_to_ask(turned(answered), at(*ms));
            assert_eq!(attendance.judge(turned(answered), true, at(*ms)), Attends::Yes);
            answered = if asks { ms + 1 } else { answered };
            asks
        });

        assert_eq!(asked.collect::<Vec<_>>(), [1_100, 2_200, 3_300, 4_400]);
    }

    #[test]
    fn a_thread_that_stands_still_is_late_then_not_there_before_its_addresses_go() {
        let mut attendance = Attendance::new(LIFETIME, at(0));

        let (_, seen) = run(&mut attendance, 0..10_000, |ms| turned(ms.min(5_000)));

        let late = (6_500, Attends::Late);
        assert_eq!(seen, [(0, Attends::Yes), late, (8_000, Attends::No)]);
    }

    #[test]
    fn a_thread_that_stands_still_again_and_again_is_not_there_until_it_goes_steadily() {
        let mut attendance = Attendance::new(LIFETIME, at(0));
        // It stands for four seconds of five, three times.
        let signs = |ms: u64| match ms {
            20_000.. => turned(ms),
            ms if ms % 5_000 < 1_000 => turned(ms),
            ms => turned(ms / 5_000 * 5_000 + 1_000),
        };

        let (_, seen) = run(&mut attendance, 5_000..30_000, signs);

        let late = (7_500, Attends::Late);
        let expected = [(5_000, Attends::Yes), late, (9_000, Attends::No), (22_900, Attends::Yes)];
        assert_eq!(seen, expected);
    }

    #[test]
    fn addresses_that_go_earlier_are_given_up_earlier() {
        let mut attendance = Attendance::new(LIFETIME, at(0));
        let signs = |ms: u64| NetSigns { held_until: Some(at(7_600)), ..turned(ms.min(5_000)) };

        let (_, seen) = run(&mut attendance, 0..10_000, signs);

        assert_eq!(seen.last(), Some(&(6_600, Attends::No)));
    }

    #[test]
    fn a_pause_of_the_whole_process_is_no_standstill() {
        let mut attendance = Attendance::new(LIFETIME, at(0));
        run(&mut attendance, 0..5_000, turned);

        let (asked, seen) = run(&mut attendance, 60_000..62_000, |ms| match ms {
            ..60_200 => turned(4_900),
            ms => turned(ms),
        });

        assert_eq!(asked, [60_000]);
        assert_eq!(seen, [(60_000, Attends::Yes)]);
    }

    #[test]
    fn a_first_turn_may_take_as_long_as_handed_over_addresses_live() {
        let never = |_| NetSigns::default();

        let (_, seen) = run(&mut Attendance::new(LIFETIME, at(0)), 0..10_000, never);

        assert_eq!(seen.last(), Some(&(8_000, Attends::No)));
    }

    #[test]
    fn addresses_that_the_kernel_keeps_for_ever_are_no_reason_to_give_them_up() {
        let mut attendance = Attendance::new(None, at(0));

        let (_, seen) = run(&mut attendance, 0..60_000, |ms| turned(ms.min(5_000)));

        assert_eq!(seen.last(), Some(&(6_500, Attends::Late)));
    }

    #[test]
    fn a_router_that_takes_over_while_the_thread_stands_still_is_empty_handed_until_it_goes() {
        let mut attendance = Attendance::new(LIFETIME, at(0));
        attendance.note_takeover(ROUTER, at(5_000));

        let seen = [(4_900, 6_900), (4_900, 7_000), (4_900, 9_000), (9_001, 9_002)]
            .map(|(turn, now)| attendance.empty_handed(turned(turn), at(now)).len());
        attendance.note_takeover(ROUTER, at(20_000));
        let quick = attendance.empty_handed(turned(20_001), at(23_000));

        assert_eq!((seen, quick.len()), ([0, 1, 1, 0], 0));
    }

    #[test]
    fn a_refused_router_tries_again_after_pauses_that_double() {
        let mut attendance = Attendance::new(LIFETIME, at(0));
        let facts = |refusals| {
            let problem = Some("cannot add".to_owned());
            RouterFacts { problem, refusals, ..RouterFacts::default() }
        };
        attendance.note_refusals(ROUTER, &facts(1), at(0));
        assert!(attendance.refused(at(0)).is_empty(), "it may pass");

        let mut tries = Vec::new();
        for ms in (0..100_000).step_by(100) {
            if attendance.refused(at(ms)).is_empty() {
                attendance.note_refusals(ROUTER, &facts(2), at(ms));
                tries.push(ms / 1_000);
            }
        }

        assert_eq!(tries, [0, 5, 15, 35, 75]);
    }

    const LIFETIME: Option<Duration> = Some(Duration::from_secs(4));
    const ROUTER: RouterId = RouterId(0);

    /// Looks every tenth of a second. Returns when it was asked, and each new verdict.
    fn run(
        attendance: &mut Attendance,
        ms: std::ops::Range<u64>,
        signs: impl Fn(u64) -> NetSigns,
    ) -> (Vec<u64>, Vec<(u64, Attends)>) {
        let (mut asked, mut seen) = (Vec::new(), Vec::<(u64, Attends)>::new());
        for ms in ms.step_by(100) {
            if attendance.is_to_ask(signs(ms), at(ms)) {
                asked.push(ms);
            }
            let verdict = attendance.judge(signs(ms), true, at(ms));
            if seen.last().is_none_or(|(_, last)| *last != verdict) {
                seen.push((ms, verdict));
            }
        }
        (asked, seen)
    }

    fn turned(ms: u64) -> NetSigns {
        NetSigns { turned_at: Some(at(ms)), held_until: None }
    }

    fn at(ms: u64) -> Instant {
        Instant::from_nanos((1_000_000 + ms) * 1_000_000)
    }
}
