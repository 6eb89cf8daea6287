//! The same as over IPv4 multicast, over other networks: the active host dies, its nginx is killed,
//! it is drained.

use std::time::Duration;

use crate::figures::ms;
use crate::network::Network;
use crate::options::Options;
use crate::outage::{Case, Event, dark, kept, unanswered};
use crate::plan::{LOW, Plan};
use crate::report::Section;
use crate::side::Side;

pub(crate) fn over_ipv6(options: &Options) -> Section {
    let mut section = Section::new("Outages over IPv6");
    measure(&mut section, options, Network::Ipv6);
    section
}

pub(crate) fn unicast(options: &Options) -> Section {
    let mut section = Section::new("Outages between nodes that speak to each other one by one");
    for network in [Network::Unicast, Network::UnicastIpv6] {
        measure(&mut section, options, network);
    }
    section.remark("`peers`; of keepalived, `unicast_peer`.");
    section
}

pub(crate) fn dual_stack(options: &Options) -> Section {
    let mut section = Section::new("Outages of a pair with addresses of both families");
    measure(&mut section, options, Network::Dual);
    section.remark(
        "IPv4 has the election. The client asks both addresses, and the one that was dark for \
         longer counts.",
    );
    section
}

fn measure(section: &mut Section, options: &Options, network: Network) {
    for (interval, interval_ms) in [("100 ms", 100), ("1 s", 1000)] {
        if options.quick && interval_ms > 100 {
            continue;
        }
        let name = &format!("{}, {interval}", network.name());
        let plan = Plan::single_over(network, Duration::from_millis(interval_ms));
        host_dies(section, options, name, &plan);
        drained(section, options, name, &plan);
        for priorities in [[150, 100], [254, 253]] {
            killed(section, options, name, &Plan { priorities, ..plan.clone() });
        }
    }
}

fn host_dies(section: &mut Section, options: &Options, name: &str, plan: &Plan) {
    let name = &format!("the active host dies, {name}");
    let bound = ms(plan.active_down_interval(LOW)) + 5.0;
    let case = Case { event: Event::HostDies, name, runs: runs(options, plan) };
    let [ours, theirs] = case.measure(section, options, Side::both(plan));
    let dark = dark("").limit("Active_Down_Interval + 5 ms:", bound);
    section.compare(name, [dark], &ours, &theirs);
}

fn drained(section: &mut Section, options: &Options, name: &str, plan: &Plan) {
    let name = &format!("it is drained, {name}");
    let plan = Plan { options: "control = true,", ..plan.clone() };
    let case = Case { event: Event::Drain, name, runs: runs(options, &plan) };
    let [ours, theirs] = case.measure(section, options, Side::both(&plan));
    section.compare(name, [dark("outage"), unanswered()], &ours, &theirs);
}

fn killed(section: &mut Section, options: &Options, name: &str, plan: &Plan) {
    let [high, low] = plan.priorities;
    let name = &format!("all of nginx is killed, {name}, priorities {high} and {low}");
    let case = Case { event: Event::NginxKilled, name, runs: runs(options, plan) };
    let [ours, theirs] = case.measure(section, options, Side::both(plan));
    let bound = ms(plan.skew_time(low)) + 8.0;
    let dark = dark("outage").limit("Skew_Time + 8 ms:", bound);
    section.compare(name, [dark, kept()], &ours, &theirs);
}

fn runs(options: &Options, plan: &Plan) -> u32 {
    options.runs(if plan.interval < Duration::from_secs(1) { 5 } else { 3 })
}
