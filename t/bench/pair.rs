//! A pair of nodes on a switch, and a client.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;
use std::time::{Duration, Instant};

use harness::{Carrier, Host, Lab, Report};

use crate::figures::count;
use crate::network::{ADDRESS, CLIENT_NUMBER, NUMBERS};
use crate::plan::Plan;
use crate::report::Section;
use crate::side::{Node, Side};

/// Two nodes that have settled: the first is active. Dropping it removes everything.
#[derive(Debug)]
pub(crate) struct Pair {
    // Fields are dropped in this order: nodes before the network under them.
    pub(crate) first: Node,
    pub(crate) second: Node,
    pub(crate) client: Host,
    _lab: Lab,
}

/// Two hosts and a client on a switch, with nothing running on them.
#[derive(Debug)]
pub(crate) struct Hosts {
    pub(crate) first: Host,
    pub(crate) second: Host,
    pub(crate) client: Host,
    lab: Lab,
}

impl Hosts {
    /// Makes them, with the links that a plan wants.
    pub(crate) fn new(side: Side, plan: &Plan) -> Self {
        let lab = Lab::new(side.name());
        let host = |name, number| {
            let host = lab.host_on_links(name, &plan.host_addresses(number));
            plan.network.set_up(&host, plan.links(), number);
            host
        };
        let client = host("client", CLIENT_NUMBER);
        let [first, second] = [host(FIRST, NUMBERS[0]), host(SECOND, NUMBERS[1])];
        Self { first, second, client, lab }
    }

    /// Starts the node on each host, the one that is to be active first.
    pub(crate) fn start(self, side: Side, carrier: &Carrier, plan: &Plan) -> Pair {
        let first = Node::start(side, &self.first, carrier, plan, 0);
        let second = Node::start(side, &self.second, carrier, plan, 1);
        Pair { first, second, client: self.client, _lab: self.lab }
    }
}

impl Pair {
    /// Starts both nodes at once and waits until the first holds an address.
    pub(crate) fn start(side: Side, carrier: &Carrier, plan: &Plan) -> Self {
        let pair = Hosts::new(side, plan).start(side, carrier, plan);
        let address = plan.some_address();
        let patience = plan.active_down_interval(plan.priorities[1]) * 2 + PATIENCE;
        harness::wait_until("the first node alone is active", patience, || {
            pair.first.host.has(&address) && !pair.second.host.has(&address)
        });
        // The second may have been active for a moment if it was faster to start.
        thread::sleep(plan.interval + SETTLING);
        pair
    }

    /// Returns where clients ask.
    pub(crate) fn server() -> String {
        format!("{ADDRESS}:80")
    }
}

/// Measures everyone several times, in turn, so that a change of the machine's mood meets all.
///
/// What goes wrong is noted in the section under the name of the case.
pub(crate) fn in_turn<T, const N: usize>(
    section: &mut Section,
    name: &str,
    runs: u32,
    all: [(Side, &Plan); N],
    measure: impl Fn(Side, &Plan, u32) -> T,
) -> [Vec<T>; N] {
    let mut measured = [const { Vec::new() }; N];
    for run in 0..runs {
        for ((side, plan), measured) in all.into_iter().zip(&mut measured) {
            let one = attempt(|| measure(side, plan, run));
            measured.extend(section.note(&format!("{name}, {}", side.name()), one));
        }
    }
    measured
}

/// Does something that may panic with a reason, and returns the reason if it does.
pub(crate) fn attempt<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(work)).map_err(|panic| reason(panic.as_ref()))
}

/// Waits until something is found, but not for ever.
pub(crate) fn comes<T>(deadline: Instant, find: impl Fn() -> Option<T>) -> Option<T> {
    loop {
        let found = find();
        if found.is_some() || Instant::now() >= deadline {
            return found;
        }
        thread::sleep(Duration::from_millis(3));
    }
}

/// Counts the connections that have brought no page since a moment.
pub(crate) fn failed(report: &Report, since: Instant) -> f64 {
    let failures = report.failures();
    count(failures.into_iter().filter(|it| it.ended >= since).count())
}

fn reason(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked");
    // The first line says what; the rest is logs, which went to the terminal.
    text.lines().next().unwrap_or_default().chars().take(LONGEST_REASON).collect()
}

pub(crate) const FIRST: &str = "worker-01";
pub(crate) const SECOND: &str = "worker-02";

const PATIENCE: Duration = Duration::from_secs(20);
const SETTLING: Duration = Duration::from_millis(300);
const LONGEST_REASON: usize = 200;
