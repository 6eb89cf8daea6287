//! Engines of this network namespace that cannot be met at the place of this one: those of another
//! container, of another user, or with another `run_dir`.
//!
//! Each engine listens at an abstract socket, which belongs to the network namespace as the
//! addresses do, and needs no directory. Its name has the time when it was opened, and the place
//! where its engine meets others. Whoever connects is told which virtual routers the engine has,
//! and which ones it would have, and is let go.
//!
//! Whoever comes later gives way. So an engine opens its socket first, then asks all others, and
//! decides once no socket is there that it has not asked. Of two that would have a router the one
//! whose socket is older gets it; and who has it, keeps it.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;

use crate::guard::DoorId;
use crate::net::Rights;
use crate::net::local::{self, AbstractListener};
use crate::proto::RouterKey;
use crate::succession::PATIENCE;
use crate::types::{Family, Instant, LinkName, Vrid};

/// The engine of this process among its neighbours.
#[derive(Debug)]
pub(in crate::runtime) struct Neighbours {
    /// The place where this engine meets others, which it leaves out here.
    place: Option<DoorId>,
    routers: BTreeSet<RouterKey>,
    /// Those of the routers that are this engine's.
    own: BTreeSet<RouterKey>,
    name: String,
    listener: Option<AbstractListener>,
    look: Option<Look>,
}

/// What was found out about the neighbours.
#[derive(Debug, Default)]
pub(in crate::runtime) struct Outlook {
    /// Routers that another engine has, and who that is.
    pub(in crate::runtime) taken: BTreeMap<RouterKey, String>,
    /// Another engine that does not say which routers it has.
    pub(in crate::runtime) silent: Option<String>,
    /// A process that is no engine, and has such a socket.
    pub(in crate::runtime) stranger: Option<String>,
}

/// What an engine says of itself.
#[derive(Debug, Default, Deserialize, Serialize)]
struct Claims {
    has: RouterSet,
    wants: RouterSet,
}

/// Virtual routers, in few words: what is said of thousands fits into a socket.
#[derive(Debug, Default, Deserialize, Serialize)]
struct RouterSet(BTreeMap<LinkName, BTreeMap<Family, BTreeSet<Vrid>>>);

/// A look around.
#[derive(Debug)]
struct Look {
    began: Instant,
    asked: BTreeMap<String, Neighbour>,
}

/// What is known of whoever has one of the other sockets.
#[derive(Debug)]
enum Neighbour {
    /// Its socket takes no connection at present.
    Busy,
    Asked {
        who: String,
        stream: UnixStream,
        answer: Vec<u8>,
    },
    Answered {
        who: String,
        claims: Claims,
    },
    Silent {
        who: String,
    },
    Stranger {
        who: String,
    },
    Gone,
}

impl Neighbours {
    /// Prepares to look around for an engine with these routers.
    pub(in crate::runtime) fn new(
        place: Option<DoorId>,
        routers: impl IntoIterator<Item = RouterKey>,
    ) -> Self {
        Self {
            place,
            routers: routers.into_iter().collect(),
            own: BTreeSet::new(),
            name: String::new(),
            listener: None,
            look: None,
        }
    }

    /// Begins to look around, unless a look is under way.
    pub(in crate::runtime) fn look(&mut self, now: Instant) {
        if self.look.is_some() {
            return;
        }
        self.look = Some(Look { began: now, asked: BTreeMap::new() });
        self.name = name(now, self.place);
        // A fresh socket: for what it has wanted for long, an engine does not go before others.
        // The old one is closed after that.
        match AbstractListener::open(&self.name) {
            Ok(listener) => self.listener = Some(listener),
            Err(error) => tracing::warn!("other engines do not learn of this one: {error}"),
        }
    }

    /// Answers whoever asks, and returns what a look around has found, once it is over.
    pub(in crate::runtime) fn turn(&mut self, now: Instant) -> Option<Outlook> {
        self.answer();
        let look = self.look.as_mut()?;
        look.ask(&self.name, self.place);
        look.hear(now);
        if !look.is_over() {
            return None;
        }
        let look = self.look.take()?;
        Some(look.outlook(&self.name))
    }

    /// Notes which routers are this engine's.
    pub(in crate::runtime) fn keep(&mut self, own: BTreeSet<RouterKey>) {
        self.own = own;
    }

    /// Says nothing any more: the routers are another engine's.
    pub(in crate::runtime) fn close(&mut self) {
        (self.listener, self.look) = (None, None);
    }

    fn answer(&self) {
        let Some(listener) = &self.listener else { return };
        for _ in 0..ANSWERS {
            let Ok(visitor) = listener.accept() else { return };
            let wants = self.routers.difference(&self.own).filter(|_| self.look.is_some());
            let claims = Claims { has: RouterSet::of(&self.own), wants: RouterSet::of(wants) };
            if let Ok(claims) = serde_json::to_vec(&claims) {
                local::write_at_once(&visitor, &claims);
            }
        }
    }
}

impl Look {
    /// Asks those that have not been asked yet.
    fn ask(&mut self, own_name: &str, place: Option<DoorId>) {
        let names = local::abstract_names(PREFIX).unwrap_or_default();
        let shared = place.map(suffix);
        let is_other = |name: &String| {
            name != own_name && shared.as_ref().is_none_or(|place| !name.ends_with(place))
        };
        for name in names.into_iter().filter(is_other).take(MOST_NEIGHBOURS) {
            if matches!(self.asked.get(&name), None | Some(Neighbour::Busy)) {
                let neighbour = Neighbour::ask(&name);
                self.asked.insert(name, neighbour);
            }
        }
    }

    fn hear(&mut self, now: Instant) {
        let is_late = now.since(self.began) >= PATIENCE;
        for neighbour in self.asked.values_mut() {
            neighbour.hear(is_late);
        }
    }

    fn is_over(&self) -> bool {
        let is_open = |it: &Neighbour| matches!(it, Neighbour::Busy | Neighbour::Asked { .. });
        !self.asked.values().any(is_open)
    }

    fn outlook(self, own_name: &str) -> Outlook {
        let mut outlook = Outlook::default();
        for (name, neighbour) in self.asked {
            match neighbour {
                Neighbour::Answered { who, claims } => {
                    let goes_before = name.as_str() < own_name;
                    let wants = goes_before.then(|| claims.wants.keys());
                    let all = claims.has.keys().chain(wants.into_iter().flatten());
                    outlook.taken.extend(all.map(|router| (router, who.clone())));
                }
                Neighbour::Silent { who } => outlook.silent = Some(who),
                Neighbour::Stranger { who } => outlook.stranger = Some(who),
                Neighbour::Busy | Neighbour::Asked { .. } | Neighbour::Gone => {}
            }
        }
        outlook
    }
}

impl Neighbour {
    fn ask(name: &str) -> Self {
        let stream = match local::connect_abstract(name).and_then(UnixStream::from_std) {
            Ok(stream) => stream,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Self::Busy,
            Err(_) => return Self::Gone,
        };
        match who(&stream) {
            Ok((who, true)) => Self::Asked { who, stream, answer: Vec::new() },
            Ok((who, false)) => Self::Stranger { who },
            Err(_) => Self::Gone,
        }
    }

    /// Hears what it answers, if it does. One that `is_late` is waited for no longer.
    fn hear(&mut self, is_late: bool) {
        let heard = match self {
            Self::Asked { who, stream, answer } => {
                let end = read_to_end(stream, answer);
                match end.map(|()| serde_json::from_slice(answer)) {
                    Ok(Ok(claims)) => Some(Self::Answered { who: who.clone(), claims }),
                    Ok(Err(_)) if answer.is_empty() => Some(Self::Gone),
                    Ok(Err(_)) => Some(Self::Silent { who: who.clone() }),
                    Err(error) if error.kind() != io::ErrorKind::WouldBlock => Some(Self::Gone),
                    Err(_) if is_late => Some(Self::Silent { who: who.clone() }),
                    Err(_) => None,
                }
            }
            Self::Busy if is_late => Some(Self::Silent { who: "a busy process".to_owned() }),
            Self::Busy
            | Self::Answered { .. }
            | Self::Silent { .. }
            | Self::Stranger { .. }
            | Self::Gone => None,
        };
        if let Some(heard) = heard {
            *self = heard;
        }
    }
}

impl RouterSet {
    fn of<'a>(routers: impl IntoIterator<Item = &'a RouterKey>) -> Self {
        let mut set = Self::default();
        for RouterKey { interface, family, vrid } in routers {
            let families = set.0.entry(interface.clone()).or_default();
            families.entry(*family).or_default().insert(*vrid);
        }
        set
    }

    fn keys(&self) -> impl Iterator<Item = RouterKey> {
        self.0.iter().flat_map(|(interface, families)| {
            families.iter().flat_map(move |(&family, vrids)| {
                vrids.iter().map(move |&vrid| RouterKey {
                    interface: interface.clone(),
                    family,
                    vrid,
                })
            })
        })
    }
}

/// Returns who is at the other end, and whether it is an engine: root's, or one that may change
/// addresses.
fn who(stream: &UnixStream) -> io::Result<(String, bool)> {
    let peer = stream.peer_cred()?;
    let is_engine = peer.uid() == 0
        || peer.pid().is_some_and(|pid| Rights::NETWORK.are_held_by(pid).unwrap_or(false));
    let who = match peer.pid().filter(|pid| *pid > 0) {
        Some(pid) => format!("process {pid} of user {}", peer.uid()),
        None => format!("a process of user {} in another container", peer.uid()),
    };
    Ok((who, is_engine))
}

fn read_to_end(stream: &UnixStream, answer: &mut Vec<u8>) -> io::Result<()> {
    let mut chunk = [0; 4096];
    loop {
        match stream.try_read(&mut chunk)? {
            0 => return Ok(()),
            length if answer.len() + length <= LONGEST_ANSWER => {
                answer.extend_from_slice(&chunk[..length]);
            }
            _ => return Err(io::ErrorKind::InvalidData.into()),
        }
    }
}

/// Returns a name for the socket of this engine, which sorts before all that are given later.
fn name(now: Instant, place: Option<DoorId>) -> String {
    let place = place.map_or_else(|| ".".to_owned(), suffix);
    format!("{PREFIX}{:016x}.{}{place}", now.as_nanos(), std::process::id())
}

fn suffix(place: DoorId) -> String {
    format!(".{place}")
}

const PREFIX: &str = "resty-vrrp/";
/// Engines of one network namespace: one is usual.
const MOST_NEIGHBOURS: usize = 64;
/// Visitors that are answered in one turn.
const ANSWERS: usize = 8;
/// Far more than the keys of [`MAX_INSTANCES`](crate::config::MAX_INSTANCES) routers.
const LONGEST_ANSWER: usize = 1 << 20;
