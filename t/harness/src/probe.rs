//! A client that never stops asking: how long was it dark, and who answered when.

use std::collections::VecDeque;
use std::fmt;
use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use socket2::{Domain, Socket, Type};

use crate::host::Host;
use crate::http::{Response, head};
use crate::wait::eventually;

/// Opens a new connection every 2 ms, whatever has become of the ones before.
#[derive(Debug)]
pub struct Probe {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
struct Shared {
    stop: AtomicBool,
    samples: Mutex<Vec<Sample>>,
}

/// One connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Sample {
    /// When it was begun.
    pub begun: Instant,
    /// When its outcome was known.
    pub ended: Instant,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// A page came, and this is who sent it: its header `X-Served-By`, else its first line.
    Answered(String),
    /// An answer came that is no page.
    Refused(u16),
    /// The connection failed.
    Failed(io::ErrorKind),
    /// Nothing came in time.
    TimedOut,
}

/// All the connections of a probe.
#[derive(Clone, Debug)]
pub struct Report {
    /// By the moment their outcome was known.
    pub samples: Vec<Sample>,
}

impl Probe {
    /// Starts asking a web server for a page, from a host.
    #[must_use]
    #[track_caller]
    pub fn start(host: &Host, server: &str, path: &str) -> Self {
        let server: SocketAddr = server.parse().expect("an address and a port");
        let request = head("GET", server, path);
        let shared = Arc::new(Shared { stop: AtomicBool::new(false), samples: Mutex::default() });
        let (for_thread, host) = (Arc::clone(&shared), host.clone());
        let thread = thread::spawn(move || {
            host.join();
            Client { server, request, shared: &for_thread, flights: VecDeque::new() }.run();
        });
        Self { shared, thread: Some(thread) }
    }

    /// Returns what has become known so far.
    #[must_use]
    pub fn so_far(&self) -> Report {
        Report { samples: self.shared.samples().clone() }
    }

    /// Returns who has answered last.
    #[must_use]
    pub fn last_answer(&self) -> Option<String> {
        self.shared.samples().iter().rev().find_map(|it| it.outcome.who().map(str::to_owned))
    }

    /// Waits until a connection begun from now on is answered by `who`.
    #[track_caller]
    pub fn wait_for(&self, who: &str, within: Duration) {
        let start = Instant::now();
        eventually(&format!("{who} answers"), within, || {
            let samples = self.shared.samples();
            let mut new = samples.iter().rev().take_while(|it| it.ended >= start);
            let found = new.any(|it| it.begun >= start && it.outcome.who() == Some(who));
            if found { Ok(()) } else { Err(format!("{:?}", samples.last())) }
        });
    }

    /// Stops asking, waits for the connections under way, and reports.
    #[must_use]
    pub fn finish(mut self) -> Report {
        self.stop();
        self.so_far()
    }

    fn stop(&mut self) {
        self.shared.stop.store(true, Ordering::Relaxed);
        self.thread.take().map(JoinHandle::join);
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        self.stop();
    }
}

impl Shared {
    fn samples(&self) -> MutexGuard<'_, Vec<Sample>> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Report {
    /// Returns the longest time between two pages, and when it began.
    #[must_use]
    pub fn longest_gap(&self) -> Option<(Instant, Duration)> {
        let answers: Vec<Instant> = self.answered().map(|(at, _)| at).collect();
        let gaps = answers.windows(2).map(|pair| (pair[0], pair[1] - pair[0]));
        gaps.max_by_key(|(_, gap)| *gap)
    }

    /// Returns how long it was dark at most: the longest time between two pages.
    ///
    /// # Panics
    ///
    /// Panics when fewer than two pages came.
    #[must_use]
    #[track_caller]
    pub fn outage(&self) -> Duration {
        self.longest_gap().unwrap_or_else(|| panic!("no two pages came: {self}")).1
    }

    /// Returns the connections that brought no page.
    #[must_use]
    pub fn failures(&self) -> Vec<&Sample> {
        self.samples.iter().filter(|it| it.outcome.who().is_none()).collect()
    }

    /// Returns who served, from when to when, in order; a new entry at every change.
    #[must_use]
    pub fn served_by(&self) -> Vec<(String, Instant, Instant)> {
        let mut turns: Vec<(String, Instant, Instant)> = Vec::new();
        for (at, who) in self.answered() {
            match turns.last_mut() {
                Some(turn) if turn.0 == who => turn.2 = at,
                _ => turns.push((who.to_owned(), at, at)),
            }
        }
        turns
    }

    fn answered(&self) -> impl Iterator<Item = (Instant, &str)> {
        self.samples.iter().filter_map(|it| Some((it.ended, it.outcome.who()?)))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.samples.len();
        write!(f, "{all} connections, {} without a page", self.failures().len())?;
        if let Some((_, gap)) = self.longest_gap() {
            write!(f, ", longest gap {gap:.1?}")?;
        }
        for (who, from, to) in self.served_by() {
            write!(f, "; {who} for {:.2?}", to - from)?;
        }
        let Some(start) = self.samples.iter().map(|it| it.begun).min() else { return Ok(()) };
        for Sample { begun, ended, outcome } in self.failures().into_iter().take(MOST_SHOWN) {
            let (after, took) = (*begun - start, *ended - *begun);
            write!(f, "; {outcome:?} {took:.1?} after it was begun at {after:.2?}")?;
        }
        Ok(())
    }
}

impl Outcome {
    /// Returns who sent the page, if one came.
    #[must_use]
    pub fn who(&self) -> Option<&str> {
        match self {
            Self::Answered(who) => Some(who),
            Self::Refused(_) | Self::Failed(_) | Self::TimedOut => None,
        }
    }

    fn of(answer: &[u8]) -> Self {
        let Some(answer) = Response::parse(answer) else {
            return Self::Failed(io::ErrorKind::UnexpectedEof);
        };
        if answer.status != 200 {
            return Self::Refused(answer.status);
        }
        let who = answer.header("x-served-by").or_else(|| answer.body.lines().next());
        Self::Answered(who.unwrap_or_default().to_owned())
    }
}

struct Client<'a> {
    server: SocketAddr,
    request: String,
    shared: &'a Shared,
    /// Connections under way, oldest first; at most [`PATIENCE`] / [`PACE`].
    flights: VecDeque<Flight>,
}

struct Flight {
    begun: Instant,
    socket: Socket,
    asked: bool,
    answer: Vec<u8>,
}

impl Client<'_> {
    fn run(&mut self) {
        let mut next = Instant::now();
        loop {
            let stopping = self.shared.stop.load(Ordering::Relaxed);
            if stopping && self.flights.is_empty() {
                return;
            }
            if !stopping && Instant::now() >= next {
                self.begin();
                // After a pause of our own, the connections missed are not made up for.
                next = (next + PACE).max(Instant::now());
            }
            self.wait();
            self.advance();
        }
    }

    fn begin(&mut self) {
        let begun = Instant::now();
        match connect(self.server) {
            Ok(socket) => {
                let flight = Flight { begun, socket, asked: false, answer: Vec::new() };
                self.flights.push_back(flight);
            }
            Err(error) => self.end(begun, Outcome::Failed(error.kind())),
        }
    }

    fn wait(&self) {
        let mut all: Vec<PollFd<'_>> = self.flights.iter().map(Flight::poll_fd).collect();
        // Whether it is ready or not, every connection is tried: an error shows there.
        poll(&mut all, PollTimeout::from(1_u8)).ok();
    }

    fn advance(&mut self) {
        let flights = std::mem::take(&mut self.flights);
        for mut flight in flights {
            match flight.advance(&self.request) {
                Some(outcome) => self.end(flight.begun, outcome),
                None if flight.begun.elapsed() > PATIENCE => {
                    self.end(flight.begun, Outcome::TimedOut);
                }
                None => self.flights.push_back(flight),
            }
        }
    }

    fn end(&self, begun: Instant, outcome: Outcome) {
        self.shared.samples().push(Sample { begun, ended: Instant::now(), outcome });
    }
}

impl Flight {
    fn poll_fd(&self) -> PollFd<'_> {
        let fd: BorrowedFd<'_> = self.socket.as_fd();
        PollFd::new(fd, if self.asked { PollFlags::POLLIN } else { PollFlags::POLLOUT })
    }

    /// Goes on as far as possible without waiting.
    fn advance(&mut self, request: &str) -> Option<Outcome> {
        match self.try_advance(request) {
            Ok(outcome) => outcome,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
            Err(error) => Some(Outcome::Failed(error.kind())),
        }
    }

    fn try_advance(&mut self, request: &str) -> io::Result<Option<Outcome>> {
        if let Some(error) = self.socket.take_error()? {
            return Err(error);
        }
        if !self.asked {
            match self.socket.write(request.as_bytes()) {
                // Still connecting.
                Err(error) if error.raw_os_error() == Some(libc::EAGAIN) => return Ok(None),
                Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(None),
                written => written.map(|_| self.asked = true)?,
            }
        }
        let mut buffer = [0; 4096];
        loop {
            match self.socket.read(&mut buffer)? {
                0 => return Ok(Some(Outcome::of(&self.answer))),
                length => self.answer.extend_from_slice(&buffer[..length]),
            }
        }
    }
}

fn connect(server: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(server), Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    match socket.connect(&server.into()) {
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => Ok(socket),
        done => done.map(|()| socket),
    }
}

/// Most connections without a page of which a report tells more.
const MOST_SHOWN: usize = 5;
/// Time between two new connections.
const PACE: Duration = Duration::from_millis(2);
/// Below the second after which a lost SYN is sent again: a connection begun in the dark fails.
const PATIENCE: Duration = Duration::from_millis(900);
