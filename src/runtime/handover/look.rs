//! Asks the other engines of this network namespace. That waits for the kernel and for answers, so
//! it runs in a thread of its own.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::net::UnixStream;

use super::claims::{Claims, PREFIX, SocketName};
use crate::net::{ForeignListener, abstract_listeners, clock, local};
use crate::proto::RouterKey;
use crate::succession::HANG_TIMEOUT;
use crate::types::Instant;

/// The result of asking the neighbours.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Outlook {
    /// Routers that another engine has, and that engine.
    pub(in crate::runtime) taken: BTreeMap<RouterKey, String>,
    /// Another engine that does not answer which routers it has.
    pub(in crate::runtime) silent: Option<String>,
    /// A process that is no engine, but has a socket with such a name.
    pub(in crate::runtime) stranger: Option<String>,
}

/// The owners of the sockets that were seen. Each is judged once: that reads the state of all its
/// threads.
pub(super) type KnownSockets = BTreeMap<ForeignListener, KnownSocket>;

/// The owner of a socket.
#[derive(Clone, Debug)]
pub(super) struct KnownSocket {
    owner: String,
    is_engine: bool,
}

/// One round of questions.
#[derive(Debug)]
pub(super) struct Look {
    own: SocketName,
    late_at: Instant,
    known: KnownSockets,
    engines: BTreeMap<ForeignListener, Neighbour>,
    /// A stranger whose socket takes no connection.
    busy: Option<String>,
}

/// What is known of the engine behind another socket.
#[derive(Debug)]
enum Neighbour {
    /// Its socket takes no connection at present.
    Busy,
    Asked {
        owner: String,
        stream: UnixStream,
    },
    Answered {
        owner: String,
        claims: Claims,
    },
    Silent {
        owner: String,
    },
    Gone,
}

impl Look {
    pub(super) fn new(own: SocketName, known: KnownSockets) -> Self {
        let late_at = clock::now() + HANG_TIMEOUT;
        Self { own, late_at, known, engines: BTreeMap::new(), busy: None }
    }

    /// Asks every other engine, until there is no socket that was not asked.
    pub(super) fn run(mut self) -> (Outlook, KnownSockets) {
        while self.ask() {
            self.hear();
        }
        (self.outlook(), self.known)
    }

    /// Asks those that have not been asked yet, and returns whether there were any.
    fn ask(&mut self) -> bool {
        let mut listeners = abstract_listeners(PREFIX).unwrap_or_default();
        listeners.retain(|it| self.own.may_concern(&it.name));
        self.known.retain(|listener, _| listeners.contains(listener));
        // A stranger may have many sockets, and must not hide an engine behind them.
        listeners.sort_by_key(|it| !is_trusted(it));
        let mut has_asked = false;
        for listener in listeners {
            let is_known_stranger = self.known.get(&listener).is_some_and(|it| !it.is_engine);
            if is_known_stranger || self.engines.contains_key(&listener) {
                continue;
            }
            let is_late = clock::now() >= self.late_at && !is_trusted(&listener);
            if is_late || self.engines.len() >= MOST_NEIGHBOURS {
                break;
            }
            if let Some(engine) = self.approach(&listener) {
                self.engines.insert(listener, engine);
                has_asked = true;
            }
        }
        has_asked
    }

    /// Asks the owner of a socket; `None` if that is no engine.
    fn approach(&mut self, listener: &ForeignListener) -> Option<Neighbour> {
        let stream = match local::connect_abstract(&listener.name, None) {
            Ok(stream) => stream,
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => return None,
            Err(_) if is_trusted(listener) => return Some(Neighbour::Busy),
            Err(_) => {
                self.busy = Some(busy(listener));
                return None;
            }
        };
        let known = match self.known.get(listener) {
            Some(known) => known.clone(),
            None => self.judge(listener, &stream)?,
        };
        let KnownSocket { owner, is_engine } = known;
        is_engine.then_some(Neighbour::Asked { owner, stream })
    }

    fn judge(&mut self, listener: &ForeignListener, stream: &UnixStream) -> Option<KnownSocket> {
        let owner = local::SocketOwner::of_peer(stream).ok()?;
        let is_engine = owner.may_be_an_engine().ok()?;
        let known = KnownSocket { owner: owner.to_string(), is_engine };
        if self.known.len() < MOST_KNOWN {
            self.known.insert(listener.clone(), known.clone());
        } else if !is_engine {
            self.busy = Some(known.owner.clone());
        }
        Some(known)
    }

    /// Reads the answers; then asks those again that took no connection.
    fn hear(&mut self) {
        let late_at = self.late_at;
        for neighbour in self.engines.values_mut() {
            neighbour.hear(late_at);
        }
        for (listener, neighbour) in &mut self.engines {
            if matches!(neighbour, Neighbour::Busy) {
                neighbour.insist(listener, late_at);
            }
        }
    }

    fn outlook(&mut self) -> Outlook {
        let mut strangers =
            self.known.values().filter(|it| !it.is_engine).map(|it| it.owner.clone());
        let stranger = self.busy.take().or(strangers.next_back());
        let mut outlook = Outlook { stranger, ..Outlook::default() };
        for (listener, neighbour) in std::mem::take(&mut self.engines) {
            match neighbour {
                Neighbour::Answered { owner, claims } => {
                    let goes_before = listener.name.as_str() < self.own.as_str();
                    let wants = goes_before.then(|| claims.wants.keys());
                    let all = claims.has.keys().chain(wants.into_iter().flatten());
                    outlook.taken.extend(all.map(|router| (router, owner.clone())));
                }
                Neighbour::Silent { owner } => outlook.silent = Some(owner),
                Neighbour::Busy | Neighbour::Asked { .. } | Neighbour::Gone => {}
            }
        }
        outlook
    }
}

impl Neighbour {
    /// Waits for an answer.
    fn hear(&mut self, late_at: Instant) {
        let Self::Asked { owner, stream } = self else { return };
        let owner = std::mem::take(owner);
        *self = match read_to_end(stream, late_at) {
            Ok(answer) if answer.is_empty() => Self::Gone,
            Ok(answer) => match serde_json::from_slice(&answer) {
                Ok(claims) => Self::Answered { owner, claims },
                Err(_) => Self::Silent { owner },
            },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Self::Silent { owner },
            Err(_) => Self::Gone,
        };
    }

    /// Asks again an engine that took no connection.
    fn insist(&mut self, listener: &ForeignListener, late_at: Instant) {
        let owner = busy(listener);
        *self = match local::connect_abstract(&listener.name, Some(local::rest_until(late_at))) {
            Ok(stream) => Self::Asked { owner, stream },
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Self::Silent { owner },
            Err(_) => Self::Gone,
        };
        self.hear(late_at);
    }
}

/// Tells whether a socket belongs to root or to our own user, as far as the kernel knows.
fn is_trusted(listener: &ForeignListener) -> bool {
    listener.user.is_some_and(local::is_trusted)
}

fn busy(listener: &ForeignListener) -> String {
    let user = listener.user.map(|user| format!(" of user {user}")).unwrap_or_default();
    format!("a busy process{user}")
}

fn read_to_end(stream: &mut UnixStream, late_at: Instant) -> io::Result<Vec<u8>> {
    stream.set_nonblocking(false)?;
    let (mut answer, mut chunk) = (Vec::new(), [0; 4096]);
    loop {
        match local::read_until(stream, &mut chunk, late_at)? {
            0 => return Ok(answer),
            length if answer.len() + length <= LONGEST_ANSWER => {
                answer.extend_from_slice(&chunk[..length]);
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Engines of one network namespace: one is usual.
const MOST_NEIGHBOURS: usize = 64;
/// Sockets that are judged once; more than these are judged each time.
const MOST_KNOWN: usize = 4096;
/// Far more than the keys of [`MAX_INSTANCES`](crate::config::MAX_INSTANCES) routers.
const LONGEST_ANSWER: usize = 1 << 20;
