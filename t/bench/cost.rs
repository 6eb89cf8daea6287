//! Processor time and memory of a pair that has settled.

use std::thread;
use std::time::{Duration, Instant};

use harness::{CarrierKind, Lab, Nginx, Role};

use crate::network::Network;
use crate::options::Options;
use crate::pair::{Pair, attempt};
use crate::plan::Plan;
use crate::report::{Column, Section};
use crate::side::{Node, Side};
use crate::usage::{Memory, Share};

/// What a node has cost.
#[derive(Clone, Copy, Debug)]
struct Cost {
    /// Of the router alone, in percent of a core.
    router: f64,
    /// Of all that runs on the node, nginx and the check script included.
    all: f64,
    /// Of the process that speaks VRRP.
    speaker: Option<Memory>,
    /// Of its other processes: a guard; keepalived's parent.
    others: Option<Memory>,
}

/// What the two nodes of a pair have cost.
struct Costs {
    active: Cost,
    backup: Cost,
    /// Changes of state while it was measured, and whether there was a time without any before.
    restless: u64,
    settled: bool,
}

pub(crate) fn processor_and_memory(options: &Options) -> Section {
    let mut section = Section::new("Processor time and memory, advertisements every 100 ms");
    let carrier = &options.carrier;
    let bare = section.note("nginx without the module", attempt(|| bare_memory(options)));
    for routers in [1, 250] {
        let plan = Plan::many(Network::Ipv4, routers, Duration::from_millis(100));
        let [ours, theirs] = Side::BOTH.map(|side| {
            let costs = attempt(|| measure(&Pair::start(side, carrier, &plan), options));
            let costs = section.note(side.name(), costs)?;
            remark(&mut section, side, routers, &costs);
            Some(costs)
        });
        for (role, of) in ROLES {
            let [ours, theirs] = [&ours, &theirs].map(|costs| Some(*of(costs.as_ref()?)));
            push(&mut section, &format!("{routers} × {role}"), ours, theirs, bare.flatten());
        }
    }
    section.remark(
        "Router alone: the threads `vrrp*` and the guard; keepalived's processes. Carrier: what it \
         has more than the same process of an nginx without the module; keepalived's VRRP process. \
         All: with the guard; with keepalived's parent.",
    );
    section
}

fn push(
    section: &mut Section,
    name: &str,
    ours: Option<Cost>,
    theirs: Option<Cost>,
    bare: Option<Memory>,
) {
    let ours = ours.map(|cost| Cost { speaker: cost.speaker.zip(bare).map(less), ..cost });
    let columns = [
        Column::new("router alone", "% of a core", |it: &Cost| Some(it.router)),
        Column::new("with nginx and what watches it", "% of a core", |it| Some(it.all)),
        Column::new("carrier, resident", "kB", |it: &Cost| Some(it.speaker?.resident))
            .limit("target", 4096.0),
        Column::new("carrier, proportional", "kB", |it| Some(it.speaker?.proportional)),
        Column::new("all, proportional", "kB", |it| {
            Some(it.speaker?.proportional + it.others?.proportional)
        }),
    ];
    section.compare(name, columns, ours.as_slice(), theirs.as_slice());
}

fn less((with, without): (Memory, Memory)) -> Memory {
    with - without
}

fn remark(section: &mut Section, side: Side, routers: usize, costs: &Costs) {
    let name = side.name();
    if !costs.settled {
        section.remark(format!("{name} with {routers} routers never came to rest."));
    }
    if costs.restless > 0 {
        let count = costs.restless;
        section.remark(format!("{name} with {routers} routers: {count} transitions meanwhile."));
    }
}

fn measure(pair: &Pair, options: &Options) -> Costs {
    let nodes = [&pair.first, &pair.second];
    let settled = settles(nodes);
    let before = transitions(nodes);
    let used = nodes.map(Node::used);
    thread::sleep(Duration::from_secs(if options.quick { 3 } else { 10 }));
    let used_then = nodes.map(Node::used);
    let restless = transitions(nodes) - before;

    let cost = |index: usize| {
        let Share { router, all, .. } = used_then[index].since(&used[index]);
        let (speaker, others) = memory(nodes[index]);
        Cost { router, all, speaker, others }
    };
    Costs { active: cost(0), backup: cost(1), restless, settled }
}

/// Waits for some seconds without a transition; tells whether there were any.
fn settles(nodes: [&Node; 2]) -> bool {
    let start = Instant::now();
    let (mut seen, mut since) = (transitions(nodes), start);
    while since.elapsed() < CALM {
        if start.elapsed() > PATIENCE {
            return false;
        }
        thread::sleep(Duration::from_millis(250));
        let now = transitions(nodes);
        if now != seen {
            (seen, since) = (now, Instant::now());
        }
    }
    true
}

fn transitions(nodes: [&Node; 2]) -> u64 {
    nodes.map(Node::transitions).iter().sum()
}

/// Returns the memory of the process that speaks VRRP, and of the others.
fn memory(node: &Node) -> (Option<Memory>, Option<Memory>) {
    let others = node.keepalived.as_ref().map_or_else(|| node.guards(), |it| it.pids()[..1].into());
    let others = others.into_iter().filter_map(Memory::of).reduce(|a, b| a + b);
    (Memory::of(node.router_pid()), others)
}

/// Returns the memory of the process that would be the carrier, in an nginx without the module.
pub(crate) fn bare_memory(options: &Options) -> Option<Memory> {
    let lab = Lab::new("bare");
    let host = lab.host("worker-01", "192.168.56.101/24");
    let (role, init) = match options.carrier.kind {
        CarrierKind::Agent => (Role::Agent, AGENT),
        CarrierKind::Worker => (Role::Worker, ""),
    };
    let conf = crate::plan::PLAIN_NGINX.replace("http {\n", &format!("http {{\n{init}"));
    let nginx = Nginx::start(&host, &options.carrier, &conf);
    thread::sleep(Duration::from_secs(1));
    nginx.pids(role).first().and_then(|&pid| Memory::of(pid))
}

type Of = fn(&Costs) -> &Cost;
const ROLES: [(&str, Of); 2] = [("active", |costs| &costs.active), ("backup", |it| &it.backup)];

const AGENT: &str = "init_by_lua_block { require(\"ngx.process\").enable_privileged_agent(512) }\n";
const CALM: Duration = Duration::from_secs(3);
const PATIENCE: Duration = Duration::from_secs(30);
