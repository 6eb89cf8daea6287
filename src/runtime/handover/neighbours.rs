//! Engines of this network namespace that do not use the door of this one: those of another
//! container, of another user, or with another `run_dir`.
//!
//! Each engine listens at an abstract socket, which belongs to the network namespace as the
//! addresses do, and needs no directory. Its name has the time when it was opened, a digest of the
//! virtual routers of its engine, and the place where that meets others. To each connection the
//! engine answers which virtual routers it has, and which ones it wants, and closes it.
//!
//! The later engine yields. So an engine opens its socket first, then asks all others that may have
//! a router of its own, and decides once there is no such socket that it has not asked. Of two
//! engines that want a router the one with the older socket gets it; an engine that has it keeps
//! it.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::thread;

use tokio::sync::oneshot;

use super::claims::{Claims, RouterSet, SocketName};
use super::look::{KnownSockets, Look, Outlook};
use crate::guard::DoorId;
use crate::net::local::{self, AbstractListener};
use crate::proto::RouterKey;
use crate::types::Instant;

/// The socket of this engine, and its questions to its neighbours.
#[derive(Debug)]
pub(in crate::runtime) struct Neighbours {
    /// The place where this engine meets others: those are not asked.
    place: Option<DoorId>,
    routers: BTreeSet<RouterKey>,
    /// Those of the routers that this engine has.
    own: BTreeSet<RouterKey>,
    listener: Option<AbstractListener>,
    /// The round of questions under way.
    look: Option<oneshot::Receiver<(Outlook, KnownSockets)>>,
    known: KnownSockets,
}

impl Neighbours {
    /// Prepares the questions of an engine with these routers.
    pub(in crate::runtime) fn new(
        place: Option<DoorId>,
        routers: impl IntoIterator<Item = RouterKey>,
    ) -> Self {
        Self {
            place,
            routers: routers.into_iter().collect(),
            own: BTreeSet::new(),
            listener: None,
            look: None,
            known: KnownSockets::new(),
        }
    }

    /// Begins to ask, unless a round is under way.
    pub(in crate::runtime) fn look(&mut self, now: Instant) {
        if self.look.is_some() {
            return;
        }
        let name = SocketName::new(now, self.place, &self.routers);
        // A new socket: an engine that has wanted a router for long does not get it before others.
        // The old one is closed after that.
        match AbstractListener::open(name.as_str()) {
            Ok(listener) => self.listener = Some(listener),
            Err(error) => tracing::warn!("other engines do not learn of this one: {error}"),
        }
        let (found, look) = oneshot::channel();
        self.look = Some(look);
        let known = std::mem::take(&mut self.known);
        let started = thread::Builder::new().name("vrrp-ask".to_owned()).spawn(move || {
            // The receiver may have gone.
            found.send(Look::new(name, known).run()).ok();
        });
        if let Err(error) = started {
            tracing::warn!("cannot look for other engines: {error}");
        }
    }

    /// Waits for the end of the round under way, and returns its result.
    pub(in crate::runtime) fn poll_look(&mut self, cx: &mut Context<'_>) -> Poll<Outlook> {
        let Some(look) = &mut self.look else { return Poll::Pending };
        let found = ready!(Pin::new(look).poll(cx));
        self.look = None;
        Poll::Ready(match found {
            Ok((outlook, known)) => {
                self.known = known;
                outlook
            }
            // The thread could not start: the engine goes on without an answer.
            Err(_) => Outlook::default(),
        })
    }

    /// Notes which routers this engine has.
    pub(in crate::runtime) fn keep(&mut self, own: BTreeSet<RouterKey>) {
        self.own = own;
    }

    /// Stops answering: the routers are another engine's.
    pub(in crate::runtime) fn close(&mut self) {
        (self.listener, self.look) = (None, None);
    }

    /// Answers the engines that ask.
    pub(in crate::runtime) fn answer(&self) {
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

/// Connections that are answered in one turn.
const ANSWERS: usize = 8;

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use super::*;
    use crate::net::clock;
    use crate::types::{Family, LinkName, Vrid};

    #[tokio::test]
    async fn an_engine_that_hangs_matters_to_those_with_its_routers_alone() {
        let _hung = socket_of(51);
        for (vrid, is_told_of) in [(51, true), (52, false)] {
            let mut neighbours = Neighbours::new(None, [router(vrid)]);

            neighbours.look(clock::now());

            let outlook = poll_fn(|cx| neighbours.poll_look(cx)).await;
            assert_eq!(outlook.silent.is_some(), is_told_of, "{outlook:?}");
        }
    }

    #[tokio::test]
    async fn an_engine_is_told_which_routers_another_one_has() {
        let mut first = Neighbours::new(None, [router(71), router(72)]);
        first.look(clock::now());
        poll_fn(|cx| first.poll_look(cx)).await;
        first.keep([router(72)].into());
        let mut second = Neighbours::new(None, [router(71), router(72)]);

        second.look(clock::now());

        let outlook = poll_fn(|cx| {
            first.answer();
            cx.waker().wake_by_ref();
            second.poll_look(cx)
        });
        assert_eq!(outlook.await.taken.into_keys().collect::<Vec<_>>(), [router(72)]);
    }

    fn socket_of(vrid: u8) -> AbstractListener {
        let name = SocketName::new(clock::now(), None, &[router(vrid)]);
        AbstractListener::open(name.as_str()).unwrap()
    }

    /// A router of this process alone: the tests of two builds may run at the same time.
    fn router(vrid: u8) -> RouterKey {
        let interface = LinkName::new(&format!("t{}", std::process::id())).unwrap();
        RouterKey { interface, family: Family::Ipv4, vrid: Vrid::new(vrid).unwrap() }
    }
}
