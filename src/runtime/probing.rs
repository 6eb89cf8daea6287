//! All checks that the engine makes itself.

use std::convert::Infallible;
use std::future;

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use super::checks::{PlannedCheck, Verdicts};
use super::report::panic_text;
use super::{probe, reach};
use crate::config::Config;

/// Returns them as they are planned.
pub(super) fn planned(config: &Config) -> impl Iterator<Item = PlannedCheck> {
    let probe = config.probe.iter().map(probe::planned);
    probe.chain(config.reach.iter().map(reach::planned))
}

/// The checks, each in a task of its own: a flood of datagrams must not keep it from its turn.
#[derive(Debug)]
pub(super) struct Probing {
    tasks: JoinSet<Result<Infallible, String>>,
}

impl Probing {
    /// Begins to make them.
    pub(super) fn start(config: &Config, runtime: &Runtime, verdicts: &Verdicts) -> Self {
        let mut tasks = JoinSet::new();
        if let Some(probe) = &config.probe {
            tasks.spawn_on(probe::run(probe.clone(), verdicts.clone()), runtime.handle());
        }
        for reach in &config.reach {
            tasks.spawn_on(reach::run(reach.clone(), verdicts.clone()), runtime.handle());
        }
        Self { tasks }
    }

    /// Waits until one of them has failed itself, and tells why. It never does if there is none.
    pub(super) async fn failed(&mut self) -> String {
        match self.tasks.join_next().await {
            None => future::pending().await,
            Some(Ok(Err(error))) => error,
            Some(Err(ended)) => match ended.try_into_panic() {
                Ok(panic) => panic_text(&*panic),
                Err(cancelled) => cancelled.to_string(),
            },
        }
    }
}
