//! `resty-vrrp doctor`: what the engine has found on its node, and what only this program can know.

use std::io;

use anstyle::Style;

use super::nodes::{Choice, now};
use super::table::{GREEN, RED, YELLOW, styled};
use super::words::{json, shown};
use super::{Exit, nodes_of, print};
use crate::status::document::{Diagnosis, FindingStatus, FindingVerdict};

/// Prints what is known of the nodes that are meant.
pub(super) fn examine(choice: &Choice, as_json: bool) -> io::Result<Exit> {
    let machine = match nodes_of(choice)? {
        Ok(machine) => machine,
        Err(exit) => return Ok(exit),
    };
    let mut exit = Exit::Well;
    for node in &machine.nodes {
        let Diagnosis { router_id, mut findings, .. } = node.diagnosis(now());
        findings.push(version(&node.module()));
        let diagnosis = Diagnosis::new(router_id, findings);
        if diagnosis.verdict == FindingVerdict::Fault {
            exit = Exit::Wrong;
        }
        if as_json {
            print(&(json(&diagnosis)? + "\n"))?;
            continue;
        }
        let lines = diagnosis.findings.iter().map(line);
        print(&format!("{}\n{}", shown(&diagnosis.router_id), lines.collect::<String>()))?;
    }
    Ok(exit)
}

fn version(theirs: &str) -> FindingStatus {
    let ours = env!("CARGO_PKG_VERSION");
    if theirs == ours {
        let text = "the engine is of the version that is installed";
        return FindingStatus::new("version", FindingVerdict::Ok, text);
    }
    let text = format!("the engine is of version {theirs}, and {ours} is installed: reload nginx");
    FindingStatus::new("version", FindingVerdict::Warning, &text)
}

/// As `GET …/doctor` shows it, in colour.
fn line(finding: &FindingStatus) -> String {
    let (word, style): (_, Style) = match finding.verdict {
        FindingVerdict::Ok => ("ok     ", GREEN),
        FindingVerdict::Warning => ("warning", YELLOW),
        FindingVerdict::Fault => ("fault  ", RED),
    };
    let (name, text) = (shown(&finding.test), shown(&finding.text));
    format!("{}  {name:16}  {text}\n", styled(word, style))
}
