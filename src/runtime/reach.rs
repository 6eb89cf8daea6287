//! Another host that has to answer an ICMP echo request: a node that is cut off serves nobody.

use std::convert::Infallible;

use super::checks::{PlannedCheck, Verdicts};
use super::repeat::repeat;
use crate::config::ReachConfig;
use crate::net::echo;

/// Returns it as one of the checks.
pub(super) fn planned(config: &ReachConfig) -> PlannedCheck {
    let ReachConfig { weight, timing, .. } = *config;
    let name = format!("reach {}", config.name);
    PlannedCheck { name, weight, timeout: timing.timeout, in_lua: false }
}

/// Asks for ever; only a failure of its own ends it.
pub(super) async fn run(config: ReachConfig, verdicts: Verdicts) -> Result<Infallible, String> {
    let ask = || async {
        let answer = echo(config.address, config.interface.as_ref()).await;
        answer.map_err(|error| error.to_string())
    };
    repeat(planned(&config), &config.address.to_string(), config.timing, verdicts, ask).await
}
