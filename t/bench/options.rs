//! What this run is asked to do.

use std::env;

use harness::{Carrier, CarrierKind, carriers};

/// How much to measure, and with which nginx.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) carrier: Carrier,
    /// Numbers of the rows wanted; all if none is named.
    rows: Vec<usize>,
}

impl Options {
    /// Reads them from the command line and the environment: `QUICK=1`, `--quick`, `ROWS=1,4`.
    pub(crate) fn read() -> Self {
        let is_set = |name| env::var(name).is_ok_and(|value| !value.is_empty() && value != "0");
        let quick = is_set("QUICK") || env::args().any(|argument| argument == "--quick");
        let rows = env::var("ROWS").unwrap_or_default();
        let rows = rows.split(',').filter_map(|row| row.trim().parse().ok()).collect();
        let agent = carriers().iter().find(|carrier| carrier.kind == CarrierKind::Agent);
        Self { quick, carrier: agent.unwrap_or(&carriers()[0]).clone(), rows }
    }

    /// Returns how often to measure what is measured `full` times in a full run.
    pub(crate) fn runs(&self, full: u32) -> u32 {
        if self.quick { 1 } else { full }
    }

    /// Tells whether a row is wanted.
    pub(crate) fn wants(&self, row: usize) -> bool {
        self.rows.is_empty() || self.rows.contains(&row)
    }
}
