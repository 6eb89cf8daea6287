//! The earliest deadline among all routers of a node.

use super::event::RouterId;
use crate::types::Instant;

/// A knockout tournament of deadlines: the routers are the leaves, each inner node holds the
/// earlier of its two children, and the root is the earliest of all.
///
/// A change costs one comparison per level, and nothing is allocated after [`new`](Self::new).
#[derive(Debug)]
pub(super) struct Deadlines {
    /// The root is at 1; the children of `i` are at `2i` and `2i + 1`; the leaves are the second
    /// half.
    rounds: Vec<Option<(Instant, RouterId)>>,
}

impl Deadlines {
    /// Creates a tournament of `routers` routers, none of which has a deadline.
    pub(super) fn new(routers: usize) -> Self {
        Self { rounds: vec![None; 2 * routers.next_power_of_two()] }
    }

    /// Returns the earliest deadline and whose it is; of equal ones, that of the first router.
    pub(super) fn earliest(&self) -> Option<(Instant, RouterId)> {
        self.rounds[1]
    }

    /// Replaces the deadline of a router.
    pub(super) fn set(&mut self, router: RouterId, deadline: Option<Instant>) {
        let mut place = self.rounds.len() / 2 + router.0;
        self.rounds[place] = deadline.map(|at| (at, router));
        while place > 1 {
            place /= 2;
            let players = [self.rounds[2 * place], self.rounds[2 * place + 1]];
            self.rounds[place] = players.into_iter().flatten().min();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..Default::default() })]

        #[test]
        fn the_earliest_deadline_wins_whatever_came_before(
            changes in prop::collection::vec((0_usize..13, prop::option::of(0_u64..50)), 0..200)
        ) {
            let mut deadlines = Deadlines::new(13);
            let mut expected = BTreeMap::new();

            for (router, nanos) in changes {
                deadlines.set(RouterId(router), nanos.map(Instant::from_nanos));
                expected.remove(&router);
                expected.extend(nanos.map(|nanos| (router, nanos)));

                let earliest = expected.iter().map(|(&router, &nanos)| (nanos, router)).min();
                let seen = deadlines.earliest().map(|(at, router)| (at.as_nanos(), router.0));
                prop_assert_eq!(seen, earliest);
            }
        }
    }

    #[test]
    fn a_node_without_routers_has_no_deadline() {
        assert_eq!(Deadlines::new(0).earliest(), None);
    }
}
