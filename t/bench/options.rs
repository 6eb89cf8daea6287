//! What this run is asked to do.

use std::env::{self, VarError};

use harness::{Carrier, CarrierKind, carriers};

use crate::network::Network;

/// How much to measure, and with which nginx.
#[derive(Debug)]
pub(crate) struct Options {
    pub(crate) quick: bool,
    pub(crate) carrier: Carrier,
    /// Names of the sections wanted; all if none is named.
    only: Vec<String>,
    /// Numbers of virtual routers wanted in the section `scale`; all if none is named.
    sizes: Vec<usize>,
    /// Over which network the sections `scale` and `addresses` go.
    pub(crate) network: Network,
}

impl Options {
    /// Reads them: `QUICK=1` or `--quick`, `ONLY=heal,hung` out of the names of all sections,
    /// `SIZES=1,1000`, and `NETWORK=ipv6`.
    ///
    /// # Panics
    ///
    /// When there is no nginx to measure with, no section or network of a name, or a size is no
    /// number.
    pub(crate) fn read(names: &[&str]) -> Self {
        let is_set = |name| env::var(name).is_ok_and(|value| !value.is_empty() && value != "0");
        let quick = is_set("QUICK") || env::args().any(|argument| argument == "--quick");
        let only = listed(env::var("ONLY"));
        let sizes = listed(env::var("SIZES"));
        let sizes = sizes.iter().map(|size| size.parse().expect("SIZES are numbers")).collect();
        for name in &only {
            assert!(names.contains(&name.as_str()), "ONLY={name}: not one of {}", names.join(", "));
        }
        let network = env::var("NETWORK").unwrap_or_default();
        let network = if network.is_empty() { Network::Ipv4 } else { named(&network) };
        let agent = carriers().iter().find(|carrier| carrier.kind == CarrierKind::Agent);
        Self { quick, carrier: agent.unwrap_or(&carriers()[0]).clone(), only, sizes, network }
    }

    /// Returns how often to measure what is measured `full` times in a full run.
    pub(crate) fn runs(&self, full: u32) -> u32 {
        if self.quick { 1 } else { full }
    }

    /// Tells whether a section is wanted.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|wanted| wanted == name)
    }

    /// Tells whether a number of virtual routers is wanted.
    pub(crate) fn wants_size(&self, routers: usize) -> bool {
        self.sizes.is_empty() || self.sizes.contains(&routers)
    }
}

fn named(name: &str) -> Network {
    let found = Network::ALL.into_iter().find(|network| network.name() == name);
    let names = || Network::ALL.map(Network::name).join(", ");
    found.unwrap_or_else(|| panic!("NETWORK={name}: not one of {}", names()))
}

/// Returns the words of a variable between commas or spaces; none if it is absent.
fn listed(variable: Result<String, VarError>) -> Vec<String> {
    let text = variable.unwrap_or_default();
    text.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect()
}
