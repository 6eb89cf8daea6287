//! A guard that is being started, until it has sent that it guards.

use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use super::super::failpoint::failpoint;
use super::super::report;
use super::process::{GuardProcess, GuardSign};
use crate::guard::GuardStart;
use crate::types::Instant;

/// The start of a guard.
#[derive(Debug)]
pub(super) struct NextGuard {
    pub(super) process: GuardProcess,
    /// The result of the execution of its program, while it is awaited.
    executed: Option<Receiver<Result<(), String>>>,
    since: Instant,
}

impl NextGuard {
    /// Starts a guard in a thread of its own: neither the election nor the addresses wait for a
    /// disk. The thread has the rights and the blocked signals of the calling one.
    pub(super) fn start(
        start: GuardStart,
        process: GuardProcess,
        now: Instant,
    ) -> Result<Self, String> {
        let (told, executed) = sync_channel(1);
        let run = move || start.run().map_err(|error| report::chain(&error));
        let thread = thread::Builder::new().name("vrrp-spawn".to_owned()).spawn(move || {
            // The receiver may have gone: it needs no guard any more.
            told.send(failpoint("guard").and_then(|()| run())).ok();
        });
        thread.map_err(|error| format!("no thread can start the guard: {error}"))?;
        Ok(Self { process, executed: Some(executed), since: now })
    }

    /// A guard whose program was executed.
    #[cfg(test)]
    pub(super) fn executed(process: GuardProcess) -> Self {
        Self { process, executed: None, since: Instant::default() }
    }

    /// Tells whether it guards now, and fails if it never will.
    pub(super) fn guards(&mut self) -> Result<bool, String> {
        match self.executed.as_ref().map(Receiver::try_recv) {
            Some(Err(TryRecvError::Empty)) => return Ok(false),
            Some(Err(TryRecvError::Disconnected)) => {
                return Err("the thread that starts the guard has ended".to_owned());
            }
            Some(Ok(outcome)) => outcome?,
            None => {}
        }
        self.executed = None;
        match self.process.sign() {
            None => Ok(false),
            Some(GuardSign::Guards) => Ok(true),
            Some(GuardSign::Ended) => Err("resty/vrrp/guard has ended before it guarded, for \
                                           the reason that it wrote into the error log"
                .to_owned()),
        }
    }

    /// Tells whether it should guard by now.
    pub(super) fn is_late(&self, now: Instant) -> bool {
        now.since(self.since) > PATIENCE
    }

    /// Returns the guard.
    pub(super) fn into_process(self) -> GuardProcess {
        self.process
    }
}

/// No working disk takes longer to read the program.
const PATIENCE: Duration = Duration::from_secs(5);
