//! The life of the guard: follows orders until the carrier ends, then checks whether another engine
//! is in charge.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::fs::File;
use std::io::{
    self,
    ErrorKind::{ConnectionRefused, NotFound},
};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use super::calls;
use super::door::DoorId;
use super::memory::{Memory, Telling};
use super::order::{Claim, Order};
use super::silence::Silence;
use super::withdraw::{Cause, say, withdraw};
use super::{GIVEN, GUARDS, PROTOCOL};
use crate::net::spawn::{self, FIRST_FD};
use crate::net::{
    Channel, HolderWatch, Lock, Process, Rights, SendSocket, SignalsBlocked, Timer, clock,
};
use crate::status::Board;
use crate::types::Instant;

/// Runs the guard, from the start of its process to its end.
#[must_use]
pub fn run() -> ExitCode {
    match try_run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("cannot guard: {error}"));
            ExitCode::FAILURE
        }
    }
}

fn try_run() -> Result<(), Box<dyn Error>> {
    let mut arguments = env::args_os().skip(1);
    let (protocol, door) = (arguments.next(), arguments.next());
    let protocol = protocol.ok_or("it is started by nginx, not by hand")?;
    if protocol.as_bytes() != PROTOCOL.to_bytes() {
        return Err("the engine that started it is of another version".into());
    }
    let fds = spawn::given::<GIVEN>()?;
    spawn::close_from(fds.iter().map(AsRawFd::as_raw_fd).fold(FIRST_FD, RawFd::max) + 1)?;
    // A signal to all processes of nginx is not meant for the guard.
    let _signals = SignalsBlocked::new()?;
    Rights::NETWORK.keep_only()?;
    spawn::stand_alone(c"vrrp-guard")?;

    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        // The filter is closed with this process, after the addresses were removed.
        let [orders, carrier, master, board, mutex, _filter] = fds;
        let file = File::from(board);
        let board = Board::of(&file)?;
        let worker_timeout = board.header().worker_timeout_ms.load(Relaxed);
        let worker_timeout = Duration::from_millis(worker_timeout.into());
        let mut watch = Watch {
            orders: Channel::of(orders)?,
            engine: HolderWatch::start(mutex)?,
            carrier: Process::of(carrier)?,
            master: Process::of(master)?,
            board,
            lock: Lock::from(file),
            silence: Silence::new(worker_timeout, clock::now()),
            place: door.filter(|path| !path.is_empty()).map(PathBuf::from),
            door: None,
            claims: BTreeMap::new(),
            memory: Memory::default(),
            telling: None,
            buffer: Vec::with_capacity(LONGEST_ORDER),
            socket: SendSocket::open()?,
            timer: Timer::new()?,
        };
        if let Err(error) = calls::give_up_others() {
            say(&format!("cannot give up the system calls that it does not need: {error}"));
        }
        // The orders of an engine that has ended are still in the buffer.
        watch.orders.send(GUARDS).ok();
        if watch.carrier_is_killed().await? {
            if watch.nobody_is_in_charge().await {
                watch.memory.clear();
                watch.mark();
                withdraw(&watch.claims, &watch.socket, Cause::Killed).await;
            } else {
                // The engine in charge may die before its own guard has started.
                sleep(START_OF_A_GUARD).await;
            }
        }
        Ok(())
    })
}

struct Watch {
    orders: Channel,
    /// The thread that gives the orders.
    engine: HolderWatch,
    carrier: Process,
    master: Process,
    board: Board,
    lock: Lock,
    silence: Silence,
    /// The place where engines meet.
    place: Option<PathBuf>,
    /// The door of the engine that is guarded, since it has the routers.
    door: Option<DoorId>,
    claims: BTreeMap<u32, Claim>,
    /// Gives the claims to the next engine.
    memory: Memory,
    telling: Option<Telling>,
    buffer: Vec<u8>,
    /// Open from the start: when nginx is killed there is no time to lose.
    socket: SendSocket,
    /// For the next check: tokio's own timers would wake the guard twice as often.
    timer: Timer,
}

impl Watch {
    /// Follows orders until there is nothing left to guard, or the carrier dies without a bye.
    async fn carrier_is_killed(&mut self) -> io::Result<bool> {
        loop {
            self.timer.set(self.next_look())?;
            let received = tokio::select! {
                biased;
                received = self.orders.recv(&mut self.buffer) => received,
                () = self.engine.holder_died() => return Ok(self.take_last_orders()),
                expired = self.timer.expired() => {
                    expired?;
                    if !self.look().await {
                        return Ok(false);
                    }
                    continue;
                }
            };
            if received.is_err() || self.buffer.is_empty() {
                // The engine ended without a bye: its process is about to end, or runs another one.
                return Ok(timeout(DEATH_THROES, self.carrier.exited()).await.is_ok());
            }
            if !self.take_order() {
                return Ok(false);
            }
        }
    }

    /// Takes the orders that were sent before the engine died. It does not wait for the end of the
    /// stream: the kernel closes the files of a process late. Returns whether the engine is still
    /// to be guarded.
    fn take_last_orders(&mut self) -> bool {
        while self.orders.try_recv(&mut self.buffer).is_ok() && !self.buffer.is_empty() {
            if !self.take_order() {
                return false;
            }
        }
        true
    }

    /// Takes the order in the buffer, and returns whether the engine is still to be guarded.
    fn take_order(&mut self) -> bool {
        match Order::parse(&self.buffer) {
            Some(Order::Claim { router, claim }) => {
                if self.claims.is_empty() {
                    self.silence.begin(clock::now());
                }
                self.memory.note(router, &self.buffer);
                self.claims.insert(router, claim);
            }
            Some(Order::Release { router }) => {
                self.memory.forget(router);
                self.claims.remove(&router);
            }
            Some(Order::Door(door)) => {
                self.door = Some(door);
                self.begin_to_tell();
            }
            Some(Order::Bye) => return false,
            None => say("an order is not understood"),
        }
        let longest = self.claims.values().map(|claim| claim.longest_down_interval).max();
        self.silence.set_active_down_interval(longest);
        true
    }

    /// Answers the next engine from now on: this one has the routers.
    fn begin_to_tell(&mut self) {
        let Some(place) = &self.place else { return };
        self.telling = None;
        match self.memory.tell_beside(place) {
            Ok(telling) => self.telling = Some(telling),
            Err(error) => say(&format!("cannot tell the next engine what this one holds: {error}")),
        }
    }

    /// Returns when to check the heartbeat of the engine, if it has claims.
    fn next_look(&self) -> Option<Instant> {
        let last = self.board.last_beat().filter(|_| !self.claims.is_empty())?;
        Some(self.silence.next_look(last.at()))
    }

    /// Withdraws the routers of the engine if it hangs. Returns whether the engine is still to be
    /// guarded.
    async fn look(&mut self) -> bool {
        let Some(last) = self.board.last_beat() else { return true };
        let Some(silence) = self.silence.look(last.at(), clock::now()) else { return true };
        if self.is_replaced() {
            return false;
        }
        // Addresses that could not be removed now go at the end of their lifetime, or with nginx.
        if last.is_withdrawn() || !self.board.withdraw(last) {
            return true;
        }
        self.memory.clear();
        if withdraw(&self.claims, &self.socket, Cause::Hangs(silence)).await {
            self.claims.clear();
        }
        true
    }

    /// Tells whether another engine has the routers, or may have them, while the process of this
    /// one exists. It has sent no bye, but an engine that hangs or was killed sends none.
    fn is_replaced(&self) -> bool {
        match (&self.place, self.door) {
            (Some(_), Some(_)) => self.other_door().is_some(),
            // They cannot meet.
            (None, _) | (_, None) => self.board.is_superseded(),
        }
    }

    /// Returns the place where engines meet if the door there is not the one of this engine.
    fn other_door(&self) -> Option<&Path> {
        let place = self.place.as_deref()?;
        let found = DoorId::at(place).ok()?;
        (Some(found) != self.door).then_some(place)
    }

    /// Marks the heartbeat, by which the next engine knows that the routers were withdrawn.
    fn mark(&self) {
        while self.board.last_beat().is_some_and(|last| !self.board.withdraw(last)) {}
    }

    /// Waits for another engine, as long as there is a master to start one, and checks that there
    /// is none.
    async fn nobody_is_in_charge(&self) -> bool {
        let shortest = self.claims.values().map(|claim| claim.active_down_interval).min();
        let Some(shortest) = shortest else { return false };
        let patience = shortest.max(SHORTEST_PATIENCE);
        tokio::select! {
            biased;
            _ = self.master.killed() => {}
            _ = self.carrier.exited() => {}
            () = sleep(patience) => {}
        }
        // In this order: first the master must be known to start nothing more, then the carrier is
        // checked. A door counts, too, if it is not known which one this engine opened.
        if !self.carrier.has_exited() && self.other_door().is_none() && !self.is_replaced() {
            return true;
        }
        timeout(DEATH_THROES, self.carrier.exited()).await.ok();
        tokio::select! {
            _ = self.master.killed() => {}
            // The engine that opened the door has the routers.
            () = until(async || self.is_answered().await) => return false,
            () = sleep(patience) => return self.is_alone().await,
        }
        // An engine that the master started just before may be about to die, too.
        timeout(patience, until(async || self.is_alone().await)).await.is_ok()
    }

    async fn is_alone(&self) -> bool {
        // A file system without locks reports none.
        self.lock.try_take().unwrap_or(true) && !self.is_answered().await
    }

    /// Tells whether another engine answers where engines meet.
    async fn is_answered(&self) -> bool {
        let Some(place) = self.other_door() else { return false };
        let answer = timeout(SHORTEST_PATIENCE, UnixStream::connect(place)).await;
        // A full queue is a sign of a living engine, too.
        !matches!(answer, Ok(Err(error)) if matches!(error.kind(), NotFound | ConnectionRefused))
    }
}

/// Waits until a condition holds, by polling it.
async fn until(is_so: impl AsyncFn() -> bool) {
    while !is_so().await {
        sleep(PAUSE).await;
    }
}

/// More than ten thousand addresses.
const LONGEST_ORDER: usize = 256 << 10;
/// Longer than a kernel takes from closing the files of a process to its end.
const DEATH_THROES: Duration = Duration::from_secs(2);
/// Until then, the guard before it gives the claims to the next engine.
const START_OF_A_GUARD: Duration = Duration::from_millis(500);
/// nginx starts another carrier within some milliseconds, on a busy machine within some more.
const SHORTEST_PATIENCE: Duration = Duration::from_millis(50);
const PAUSE: Duration = Duration::from_millis(1);
