//! One pair of nodes at one size: started, left alone, reloaded, and its active node killed.

use std::thread;
use std::time::{Duration, Instant};

use harness::{AddressWatch, Carrier, Sniffer, urgently};

use crate::addresses::arrivals;
use crate::adverts::{Rhythm, first_alone_since, taken_over};
use crate::figures::{Figures, count, ms};
use crate::pair::{Hosts, Pair};
use crate::plan::{LOW, Plan};
use crate::side::{Node, Side};
use crate::usage::{Footprint, Share, Used};

/// A pair that was started, and what hears it.
pub(super) struct Trial<'a> {
    // Dropped before the hosts that it listens on.
    sniffer: Sniffer,
    pair: Pair,
    plan: &'a Plan,
}

/// What a node has cost while nothing happened.
pub(super) struct NodeCost {
    pub(super) share: Share,
    /// Of the process that speaks VRRP.
    pub(super) footprint: Option<Footprint>,
}

/// Some time in which nothing happened to either node.
pub(super) struct Rest {
    pub(super) active: NodeCost,
    pub(super) backup: NodeCost,
    pub(super) calm: Calm,
}

/// What the advertisements and the two nodes tell of a time in which no address should move.
pub(super) struct Calm {
    pub(super) rhythm: Rhythm,
    /// Changes of state that the nodes count themselves.
    pub(super) transitions: f64,
}

/// The second node's takeover, in ms from the end of the first one.
pub(super) struct Failover {
    /// Until it advertised half of the routers.
    pub(super) half_advertised: Option<f64>,
    /// Until it advertised the last router.
    pub(super) all_advertised: Option<f64>,
    /// Until the last address was on its interface.
    pub(super) all_assigned: Option<f64>,
}

impl<'a> Trial<'a> {
    /// Starts both nodes. Returns also how long it took until the first alone advertised each
    /// router and had each address, if that was ever so.
    pub(super) fn start(side: Side, carrier: &Carrier, plan: &'a Plan) -> (Self, Option<f64>) {
        let hosts = Hosts::new(side, plan);
        let listener = plan.network.listener(&hosts.client, &hosts.second);
        let sniffer = urgently(|| Sniffer::start_on_all_links(listener));
        let watch = AddressWatch::start(&hosts.first);
        let start = Instant::now();
        let pair = hosts.start(side, carrier, plan);
        let trial = Self { sniffer, pair, plan };
        let settled = trial.settle(&watch, start);
        (trial, settled)
    }

    fn settle(&self, watch: &AddressWatch, start: Instant) -> Option<f64> {
        let routers = self.plan.routers.len();
        let calm = self.plan.interval * 5 + Duration::from_secs(1);
        let patience = self.plan.active_down_interval(LOW) * 2 + PATIENCE;
        while start.elapsed() < patience {
            thread::sleep(POLL);
            let alone = self.sniffer.look_at_adverts(|all| first_alone_since(all, routers));
            let Some(alone) = alone.filter(|since| since.elapsed() > calm) else { continue };
            let arrivals = arrivals(watch, start);
            if arrivals.len() >= self.plan.addresses() {
                let last = arrivals.into_values().max().unwrap_or(alone);
                return Some(ms(last.max(alone) - start));
            }
        }
        None
    }

    /// Leaves both nodes alone for some time.
    pub(super) fn rest(&self, long: Duration) -> Rest {
        let nodes = [&self.pair.first, &self.pair.second];
        let mut used = None;
        let calm = self.watch(|| {
            let before = nodes.map(Node::used);
            thread::sleep(long);
            used = Some((before, nodes.map(Node::used)));
        });
        let (before, after) = used.expect("it was watched");
        let cost = |node: usize| NodeCost {
            share: Used::since(&after[node], &before[node]),
            footprint: Footprint::of(nodes[node].router_pid()),
        };
        Rest { active: cost(0), backup: cost(1), calm }
    }

    /// Reloads the active node.
    pub(super) fn reload(&self) -> Calm {
        self.watch(|| {
            self.pair.first.reload();
            thread::sleep(self.plan.interval * 5 + AFTERMATH);
        })
    }

    /// Finds out what happens on the wire and to the nodes meanwhile.
    fn watch(&self, work: impl FnOnce()) -> Calm {
        let transitions = || self.pair.first.transitions() + self.pair.second.transitions();
        let before = transitions();
        let start = Instant::now();
        work();
        let end = Instant::now();
        let transitions = count(transitions().saturating_sub(before));
        // What the kernel has seen by then is read a little later.
        thread::sleep(POLL);
        let routers = self.plan.routers.len();
        let rhythm = self.sniffer.look_at_adverts(|all| Rhythm::of(all, routers, start, end));
        Calm { rhythm, transitions }
    }

    /// Switches the first node's host off, and waits until the second has everything.
    pub(super) fn fail_over(&self) -> Failover {
        let (routers, addresses) = (self.plan.routers.len(), self.plan.addresses());
        let watch = AddressWatch::start(&self.pair.second.host);
        let start = Instant::now();
        self.pair.first.host.power_off();
        let patience = self.plan.active_down_interval(LOW) * 2 + PATIENCE;
        let (mut spoken_for, mut present) = (Vec::new(), None);
        while start.elapsed() < patience && (spoken_for.len() < routers || present.is_none()) {
            thread::sleep(POLL);
            spoken_for = self.sniffer.look_at_adverts(|all| taken_over(all, start));
            let arrivals = arrivals(&watch, start);
            present = arrivals.values().max().copied().filter(|_| arrivals.len() >= addresses);
        }
        let is_complete = spoken_for.len() >= routers;
        let spoken_for = Figures::new(spoken_for);
        Failover {
            half_advertised: spoken_for.as_ref().map(Figures::median),
            all_advertised: spoken_for.filter(|_| is_complete).map(|all| all.max()),
            all_assigned: present.map(|at| ms(at - start)),
        }
    }

    /// Returns how many frames went by unheard.
    pub(super) fn frames_lost(&self) -> u32 {
        self.sniffer.lost()
    }
}

const POLL: Duration = Duration::from_millis(250);
/// Enough for a reload of the largest size.
const AFTERMATH: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(40);
