//! Side by side: resty.vrrp in nginx, and keepalived with nginx and a check script.
//!
//! Measures, and asserts nothing. What cannot be measured is left out, with the reason. Takes root;
//! `QUICK=1` measures everything once. Results go to the terminal and to `target/bench`.
#![expect(
    clippy::disallowed_methods,
    reason = "a bench reads clocks, waits and starts processes; nothing of it runs in nginx"
)]

mod cost;
mod figures;
mod gate;
mod jitter;
mod machine;
mod options;
mod outage;
mod pair;
mod plan;
mod report;
mod scale;
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
    let options = match attempt(Options::read) {
        Ok(options) => options,
        Err(reason) => {
            eprintln!("bench: {reason}");
            return ExitCode::FAILURE;
        }
    };
    let mut report = Report { machine: Machine::look(&options.carrier), sections: Vec::new() };
    for (index, (name, measure)) in ROWS.iter().enumerate() {
        if options.wants(index + 1) {
            eprintln!("bench: {name}");
            report.sections.push(section(name, *measure, &options));
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

fn section(name: &str, measure: Measure, options: &Options) -> Section {
    attempt(|| measure(options)).unwrap_or_else(|reason| {
        let mut section = Section::new(name);
        section.remark(format!("not measured: {reason}"));
        section
    })
}

type Measure = fn(&Options) -> Section;

const ROWS: &[(&str, Measure)] = &[
    ("the active host dies", outage::host_dies),
    ("it is stopped gracefully", outage::stopped),
    ("all of nginx is killed", outage::nginx_killed),
    ("is_active()", gate::is_active),
    ("processor time and memory", cost::processor_and_memory),
    ("all cores are busy", jitter::busy_cores),
    ("size and scale", scale::size_and_scale),
];

const RESULTS: &str = "target/bench";
