//! The link between the hosts, and what it does to a frame.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::time::Duration;

use harness::Rng;
use resty_vrrp::types::Vrid;

/// Hosts are numbered in the order they were added.
#[derive(Clone, Debug)]
pub(crate) struct Network {
    /// From whom to whom nothing passes.
    pub(crate) cuts: BTreeSet<(usize, usize)>,
    /// The same for one virtual router: as if its link was broken.
    pub(crate) broken: BTreeSet<(Vrid, usize, usize)>,
    pub(crate) loss_percent: u64,
    pub(crate) duplicate_percent: u64,
    pub(crate) delay: RangeInclusive<Duration>,
    /// Every frame also comes back to its sender, as in a bridge loop.
    pub(crate) reflects: bool,
    /// How many routers a datagram crosses.
    pub(crate) routers: u8,
}

/// What becomes of one frame for one receiver.
pub(crate) enum Fate {
    Cut,
    Lost,
    /// It arrives after each of these delays.
    Arrives(Vec<Duration>),
}

impl Network {
    pub(crate) fn perfect() -> Self {
        Self {
            cuts: BTreeSet::new(),
            broken: BTreeSet::new(),
            loss_percent: 0,
            duplicate_percent: 0,
            delay: Duration::ZERO..=Duration::ZERO,
            reflects: false,
            routers: 0,
        }
    }

    pub(crate) fn passes(&self, from: usize, to: usize) -> bool {
        !self.cuts.contains(&(from, to))
    }

    /// Tells whether what one host sends for a virtual router can reach another one.
    pub(crate) fn carries(&self, vrid: Vrid, from: usize, to: usize) -> bool {
        self.passes(from, to) && !self.broken.contains(&(vrid, from, to))
    }

    pub(crate) fn fate(&self, from: usize, to: usize, rng: &mut Rng) -> Fate {
        if !self.passes(from, to) {
            return Fate::Cut;
        }
        if rng.chance(self.loss_percent) {
            return Fate::Lost;
        }
        let copies = if rng.chance(self.duplicate_percent) { 2 } else { 1 };
        let spread = *self.delay.end() - *self.delay.start();
        Fate::Arrives((0..copies).map(|_| *self.delay.start() + rng.up_to(spread)).collect())
    }
}
