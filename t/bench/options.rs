//! What this run is asked to do.

use std::env;

use harness::{Carrier, CarrierKind, carriers};

/// How much to measure, and with which nginx.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) carrier: Carrier,
    /// Names of the sections wanted; all if none is named.
    only: Vec<String>,
}

impl Options {
    /// Reads them: `QUICK=1` or `--quick`, and `ONLY=heal,hung` out of the names of all sections.
    ///
    /// # Panics
    ///
    /// When there is no nginx to measure with, or no section of a name.
    pub(crate) fn read(names: &[&str]) -> Self {
        let is_set = |name| env::var(name).is_ok_and(|value| !value.is_empty() && value != "0");
        let quick = is_set("QUICK") || env::args().any(|argument| argument == "--quick");
        let only = env::var("ONLY").unwrap_or_default();
        let only = only.split([',', ' ']).filter(|name| !name.is_empty());
        let only: Vec<String> = only.map(str::to_owned).collect();
        for name in &only {
            assert!(names.contains(&name.as_str()), "ONLY={name}: not one of {}", names.join(", "));
        }
        let agent = carriers().iter().find(|carrier| carrier.kind == CarrierKind::Agent);
        Self { quick, carrier: agent.unwrap_or(&carriers()[0]).clone(), only }
    }

    /// Returns how often to measure what is measured `full` times in a full run.
    pub(crate) fn runs(&self, full: u32) -> u32 {
        if self.quick { 1 } else { full }
    }

    /// Tells whether a section is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == name)
    }
}
