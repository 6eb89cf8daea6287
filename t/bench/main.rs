//! Side by side: resty.vrrp in nginx, and keepalived with nginx and a check script.
//!
//! Measures, and asserts nothing. What cannot be measured is left out, with the reason. Takes root;
//! `QUICK=1` measures everything once, `ONLY=heal,hung` some sections alone. Results go to the
//! terminal and to `target/bench`.
#![expect(
    clippy::disallowed_methods,
    reason = "a bench reads clocks, waits and starts processes; nothing of it runs in nginx"
)]

mod addresses;
mod adverts;
mod blink;
mod cost;
mod curve;
mod figures;
mod gate;
mod jitter;
mod loss;
mod machine;
mod network;
mod networks;
mod options;
mod outage;
mod pair;
mod partition;
mod plan;
mod reload;
mod report;
mod requests;
mod scale;
mod script;
mod side;
mod usage;

use std::process::ExitCode;

use crate::machine::Machine;
use crate::options::Options;
use crate::pair::attempt;
use crate::report::{Report, Section};

fn main() -> ExitCode {
    if let Some(reason) = harness::why_not() {
        eprintln!("bench: {reason}");
        return ExitCode::FAILURE;
    }
    let names: Vec<&str> = SECTIONS.iter().map(|(name, _, _)| *name).collect();
    let options = match attempt(|| Options::read(&names)) {
        Ok(options) => options,
        Err(reason) => {
            eprintln!("bench: {reason}");
            return ExitCode::FAILURE;
        }
    };
    let mut report = Report { machine: Machine::look(&options.carrier), sections: Vec::new() };
    for (name, what, measure) in SECTIONS {
        if options.wants(name) {
            eprintln!("bench: {name}: {what}");
            report.sections.push(section(what, *measure, &options));
        }
    }
    println!("{}", report.to_markdown());
    match report.write(&harness::project().join(RESULTS)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: cannot write to {RESULTS}: {error}");
            ExitCode::FAILURE
        }
    }
}

fn section(what: &str, measure: Measure, options: &Options) -> Section {
    attempt(|| measure(options)).unwrap_or_else(|reason| {
        let mut section = Section::new(what);
        section.remark(format!("not measured: {reason}"));
        section
    })
}

type Measure = fn(&Options) -> Section;

/// What `ONLY` calls it, what it is about, and how to measure it.
const SECTIONS: &[(&str, &str, Measure)] = &[
    ("death", "the active host dies", outage::host_dies),
    ("stop", "it is stopped gracefully", outage::stopped),
    ("drain", "it is drained", outage::drained),
    ("killed", "all of nginx is killed", outage::nginx_killed),
    ("hung", "nginx hangs", outage::nginx_hung),
    ("reload", "a reload", reload::reloaded),
    ("typo", "a reload with a typo", reload::mistyped),
    ("ipv6", "the network has IPv6", networks::over_ipv6),
    ("unicast", "the nodes speak to each other one by one", networks::unicast),
    ("dual", "addresses of both families", networks::dual_stack),
    ("heal", "a partition heals", partition::healed),
    ("blink", "link or primary address blink", blink::blinked),
    ("gate", "is_active()", gate::is_active),
    ("cost", "processor time and memory", cost::processor_and_memory),
    ("jitter", "all cores are busy", jitter::busy_cores),
    ("requests", "many ask for the state", requests::many_requests),
    ("loss", "advertisements are lost", loss::lost_advertisements),
    ("addresses", "hundreds of addresses", addresses::many_addresses),
    ("scale", "thousands of virtual routers", scale::many_routers),
];

const RESULTS: &str = "target/bench";
