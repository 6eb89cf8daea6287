//! Starts and stops the thread `vrrp`, and catches its panics.

use std::collections::BTreeSet;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::backoff::Backoff;
use super::checks::{self, Check, Verdicts};
use super::clock;
use super::driver::{self, Driver, Start};
use super::failpoint::failpoint;
use super::log;
use super::probing::{self, Probing};
use super::report::panic_text;
use super::surroundings::Surroundings;
use super::will;
use super::words::address_places;
use crate::config::Config;
use crate::net::{
    Rights, SignalsBlocked, close_memory, lock_memory, make_room_for, return_free_pages,
    run_in_real_time,
};
use crate::status::{Board, EngineState};
use crate::succession::Beginning;
use crate::types::{Family, LinkName};

/// Why the threads could not be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The board was made for another configuration.
    #[error("the board has room for other virtual routers than those configured")]
    Board,
    /// The carrier lacks capabilities.
    #[error("this process lacks {0}")]
    Rights(Rights),
    /// There are more links than the process may have sockets for.
    #[error("cannot open the sockets of {links} interfaces")]
    Descriptors {
        /// How many interfaces have virtual routers.
        links: usize,
        /// What is missing.
        #[source]
        source: io::Error,
    },
    /// The capabilities of a thread cannot be read or changed.
    #[error("cannot tell what this process may do")]
    System(#[from] io::Error),
    /// A thread could not be started.
    #[error("cannot start the thread {name}")]
    Thread {
        /// Its name.
        name: &'static str,
        /// The error of the system.
        #[source]
        source: io::Error,
    },
}

/// The running threads. Dropping it stops them.
#[derive(Debug)]
pub struct Engine {
    running: Mutex<Option<Running>>,
    verdicts: Verdicts,
    /// The process that started the threads: a child made by fork has none of them.
    pid: u32,
}

#[derive(Debug)]
struct Running {
    stop: watch::Sender<bool>,
    ended: Receiver<()>,
    thread: JoinHandle<()>,
}

/// Starts the threads in this process.
///
/// # Errors
///
/// Fails when the board is not that of the configuration, when the process lacks `CAP_NET_ADMIN` or
/// `CAP_NET_RAW` or may not open a socket for each interface, or when it cannot make a thread.
pub fn start(
    config: Config,
    board: Board,
    mut surroundings: Surroundings,
) -> Result<Engine, StartError> {
    log::install();
    // No slot beyond the board is accessed.
    let addresses = address_places(&config).last().map_or(0, |last| last.end);
    if (board.instances(), board.addresses().len()) != (config.instances.len(), addresses) {
        return Err(StartError::Board);
    }
    failpoint("engine").map_err(io::Error::other)?;
    let missing = Rights::NETWORK.missing()?;
    if !missing.is_empty() {
        return Err(StartError::Rights(missing));
    }
    // Before any thread has capabilities that the rest of the process gives up.
    close_memory()?;
    make_room_for_links(&config)?;
    // The master could not check it, if worker_processes stands behind the block `http`.
    let workers = board.header().workers_total.load(Relaxed);
    if let Err(error) = config.check_workers(workers) {
        tracing::warn!("{error}");
    }
    let (stop, stopping) = watch::channel(false);
    let (ending, ended) = sync_channel(1);
    surroundings.checks.extend(probing::planned(&config));
    let verdicts = Verdicts::new(will::checks(&board, &surroundings.checks));
    let context =
        EngineContext { config, board, surroundings, stopping, verdicts: verdicts.clone() };

    // A handler of nginx that ran in this thread would set nginx's flags without waking its event
    // loop.
    let signals = SignalsBlocked::new()?;
    let thread =
        std::thread::Builder::new().name(NAME.to_owned()).spawn(move || context.run(&ending));
    drop(signals);

    let thread = thread.map_err(|source| StartError::Thread { name: NAME, source })?;
    return_free_pages();
    let running = Mutex::new(Some(Running { stop, ended, thread }));
    Ok(Engine { running, verdicts, pid: std::process::id() })
}

/// Makes room for the sockets first: without its socket a router cannot receive.
fn make_room_for_links(config: &Config) -> Result<(), StartError> {
    let instances = config.instances.iter();
    let (links, needed) = descriptors_for(instances.map(|it| (it.interface, it.family())));
    make_room_for(needed).map_err(|source| StartError::Descriptors { links, source })
}

/// Returns how many links there are, and how many descriptors they need with everything else: on
/// each link one to announce addresses, and one of each family to hear and to advertise.
fn descriptors_for(routers: impl Iterator<Item = (LinkName, Family)>) -> (usize, u64) {
    let sockets: BTreeSet<_> = routers.collect();
    let links: BTreeSet<_> = sockets.iter().map(|(link, _)| link).collect();
    (links.len(), (links.len() + sockets.len()) as u64 + OTHER_DESCRIPTORS)
}

impl Engine {
    /// Takes a verdict about a check: it counts until the next one of the same name.
    pub fn set_check(&self, check: Check) {
        checks::tell(&self.verdicts, check);
    }

    /// Returns the valid verdict of a check: without one of this engine, the predecessor's.
    #[must_use]
    pub fn verdict(&self, name: &str) -> Option<Check> {
        self.verdicts.borrow().iter().find(|check| check.name == name).cloned()
    }

    /// Begins to end the threads, without waiting.
    pub fn leave(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = running.as_ref() {
            running.stop.send_replace(true);
        }
    }

    /// Hands the routers over or gives them to a peer, and ends the threads; waits for that, at
    /// most [`STOP_TIMEOUT`].
    ///
    /// Harmless when called twice, and in a process that was forked from the one with the threads.
    pub fn stop(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(running) = running else { return };
        if self.pid != std::process::id() {
            // The handle is of another process's thread: joining would wait for ever.
            std::mem::forget(running);
            return;
        }
        running.stop.send_replace(true);
        match running.ended.recv_timeout(STOP_TIMEOUT) {
            Ok(()) | Err(RecvTimeoutError::Disconnected) => {
                running.thread.join().ok();
            }
            // The library stays mapped (-z nodelete), so a thread may end late.
            Err(RecvTimeoutError::Timeout) => {
                tracing::error!("the thread vrrp has not ended within {STOP_TIMEOUT:?}");
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // Lua's collector drops it, and a panic there would abort nginx's process.
        drop(catch_unwind(AssertUnwindSafe(|| self.stop())));
    }
}

/// Everything the thread needs to start, and to start again.
struct EngineContext {
    config: Config,
    board: Board,
    surroundings: Surroundings,
    stopping: watch::Receiver<bool>,
    verdicts: Verdicts,
}

/// How a run of the driver ended.
enum RunOutcome {
    Stopped,
    Again(Start),
    Failed {
        error: String,
        /// How to start after the pause.
        next: Start,
    },
}

impl RunOutcome {
    /// A failure of which nothing is left.
    fn failed(error: String) -> Self {
        Self::Failed { error, next: Beginning::AfterFailure.into() }
    }
}

impl EngineContext {
    fn run(mut self, ending: &SyncSender<()>) {
        if self.config.realtime {
            be_punctual();
        }
        if let Err(error) = Rights::NETWORK.keep_only() {
            tracing::error!("cannot give up the rights that are not needed: {error}");
        }
        let mut start = Start::from(Beginning::First);
        let mut backoff = Backoff::default();
        loop {
            let began = clock::now();
            let end = catch_unwind(AssertUnwindSafe(|| self.run_on_a_new_loop(start)))
                .unwrap_or_else(|panic| RunOutcome::failed(panic_text(&*panic)));
            let RunOutcome::Failed { error, next } = end else { break };
            let pause = backoff.after_a_run_of(clock::now().since(began));
            tracing::error!("failed, next attempt in {pause:?}: {error}");
            self.board.set_engine(EngineState::Failed, &error);
            log::show(&mut self.board);
            if self.stopped_within(pause) {
                break;
            }
            start = next;
        }
        self.board.set_engine(EngineState::Stopped, "");
        log::show(&mut self.board);
        // The receiver may have gone: the carrier waits for a limited time.
        ending.send(()).ok();
    }

    fn run_on_a_new_loop(&mut self, mut start: Start) -> RunOutcome {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_io();
        if probing::planned(&self.config).next().is_some() {
            // Nothing else needs it, and it reads the clock three times in each turn of the loop.
            builder.enable_time();
        }
        let runtime = match builder.build() {
            Ok(runtime) => runtime,
            Err(error) => return RunOutcome::failed(format!("cannot make an event loop: {error}")),
        };
        let mut probing = Probing::start(&self.config, &runtime, &self.verdicts);
        loop {
            match self.run_once(&runtime, &mut probing, start) {
                RunOutcome::Again(next) => start = next,
                end @ (RunOutcome::Stopped | RunOutcome::Failed { .. }) => return end,
            }
        }
    }

    fn run_once(&mut self, runtime: &Runtime, probing: &mut Probing, start: Start) -> RunOutcome {
        let stopping = self.stopping.clone();
        let checks = self.verdicts.subscribe();
        let _context = runtime.enter();
        let driver = Driver::new(&self.config, &mut self.board, &self.surroundings, checks, start);
        let mut driver = match driver {
            Ok(driver) => driver,
            Err(error) => return RunOutcome::failed(format!("cannot start: {error}")),
        };
        let run = async {
            tokio::select! {
                biased;
                error = probing.failed() => Err(error),
                end = driver.run(stopping) => end,
            }
        };
        let run = catch_unwind(AssertUnwindSafe(|| runtime.block_on(run)));
        // Also after a panic: peers take over at once, and the addresses are removed before.
        let start = catch_unwind(AssertUnwindSafe(|| driver.leave()));
        match (run, start) {
            (Ok(Ok(driver::End::Stopped)), Ok(_)) => RunOutcome::Stopped,
            (Ok(Ok(driver::End::Again(start))), Ok(_)) => RunOutcome::Again(start),
            (Ok(Err(error)), Ok(next)) => RunOutcome::Failed { error, next },
            (Err(panic), Ok(next)) => RunOutcome::Failed { error: panic_text(&*panic), next },
            (_, Err(panic)) => RunOutcome::failed(panic_text(&*panic)),
        }
    }

    /// Waits, and tells whether a stop was requested meanwhile.
    fn stopped_within(&mut self, time: Duration) -> bool {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_time().build()
        else {
            return true;
        };
        let stopping = self.stopping.wait_for(|stop| *stop);
        // An error means that the engine is gone, which is a stop, too.
        runtime.block_on(async { tokio::time::timeout(time, stopping).await.is_ok() })
    }
}

/// Must be called before the capabilities are given up.
fn be_punctual() {
    if let Err(error) = run_in_real_time() {
        tracing::warn!("realtime: no such priority, CAP_SYS_NICE is needed: {error}");
    }
    if let Err(error) = lock_memory() {
        tracing::warn!("realtime: memory is not locked, CAP_IPC_LOCK is needed: {error}");
    }
}

/// Both loops with their timers, netlink and `nf_tables`, the guard, the door and the engines that
/// may come in, the checks that the engine makes itself.
const OTHER_DESCRIPTORS: u64 = 32;
const NAME: &str = "vrrp";
/// How long the carrier waits for the threads, which hand the routers over meanwhile, or give them
/// to a peer. nginx begins to lose patience after a second, and kills after three.
const STOP_TIMEOUT: Duration = Duration::from_millis(2500);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_with_routers_of_both_families_has_room_for_both_sockets() {
        let [eth0, eth1] = ["eth0", "eth1"].map(|name| LinkName::new(name).unwrap());
        let needed = |routers: &[(LinkName, Family)]| {
            let (links, needed) = descriptors_for(routers.iter().copied());
            (links, needed - OTHER_DESCRIPTORS)
        };

        assert_eq!(needed(&[(eth0, Family::Ipv4), (eth0, Family::Ipv4)]), (1, 2));
        assert_eq!(needed(&[(eth0, Family::Ipv4), (eth0, Family::Ipv6)]), (1, 3));
        assert_eq!(needed(&[(eth0, Family::Ipv4), (eth1, Family::Ipv6)]), (2, 4));
    }
}
