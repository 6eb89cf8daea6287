//! What the doctor says of a node: what `GET …/doctor?format=json` answers. For nginx's workers
//! `lua/resty/vrrp/doctor_page.lua` makes the same, and a test compares the two.

use serde::Serialize;

use crate::status::Board;
use crate::status::board::{EngineSight, owned};
use crate::status::layout::{FindingSlot, untext, verdict};

/// What the doctor says of a node.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    /// Name of the node.
    pub router_id: String,
    /// The gravest of all findings.
    pub verdict: FindingVerdict,
    /// One for each test: first the engine, then what it has found.
    pub findings: Vec<FindingStatus>,
}

/// What one test has found.
#[derive(Clone, Debug, Serialize)]
pub struct FindingStatus {
    /// Name of the test.
    pub test: String,
    /// How grave it is.
    pub verdict: FindingVerdict,
    /// What is the case, and unless it is well what to do.
    pub text: String,
}

/// How grave a finding is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FindingVerdict {
    /// It is well.
    Ok,
    /// It needs a look.
    Warning,
    /// It keeps the node from its work.
    Fault,
}

impl Diagnosis {
    /// Reads a board at a time of the board.
    #[must_use]
    pub fn of(board: &Board, now_ms: u64) -> Self {
        Self::new(owned(&board.header().router_id), findings(board, now_ms))
    }

    /// Returns what these findings amount to.
    #[must_use]
    pub fn new(router_id: String, findings: Vec<FindingStatus>) -> Self {
        let verdict = findings.iter().map(|it| it.verdict).max().unwrap_or(FindingVerdict::Ok);
        Self { router_id, verdict, findings }
    }
}

fn findings(board: &Board, now_ms: u64) -> Vec<FindingStatus> {
    let engine = |verdict, text: &str| FindingStatus::new("engine", verdict, text);
    match board.engine(now_ms) {
        EngineSight::Runs => {}
        EngineSight::Awaited(why) => return vec![engine(FindingVerdict::Warning, &down(&why))],
        EngineSight::Down(why) => return vec![engine(FindingVerdict::Fault, &down(&why))],
    }
    let mut findings = vec![engine(FindingVerdict::Ok, RUNS)];
    findings.extend(board.findings().map(|slot| FindingStatus::of(&slot)));
    if findings.len() == 1 {
        findings.push(FindingStatus::new("examination", FindingVerdict::Warning, NOT_YET));
    }
    findings
}

fn down(why: &str) -> String {
    format!("the engine does not run: {why}. More is in resty-vrrp log, and in nginx's error log")
}

impl FindingStatus {
    /// Returns what a test has found.
    #[must_use]
    pub fn new(name: &str, verdict: FindingVerdict, text: &str) -> Self {
        Self { test: name.to_owned(), verdict, text: text.to_owned() }
    }

    fn of(slot: &FindingSlot) -> Self {
        let verdict = match slot.verdict {
            verdict::OK => FindingVerdict::Ok,
            verdict::FAULT => FindingVerdict::Fault,
            _ => FindingVerdict::Warning,
        };
        Self::new(&untext(&slot.test), verdict, &untext(&slot.text))
    }
}

const RUNS: &str = "it beats, and its threads have CAP_NET_ADMIN and CAP_NET_RAW";
const NOT_YET: &str =
    "the engine has begun a moment ago, and has yet to examine the node: ask again";
