//! Looks at the link layer for a moment, for a router that may not hear its peers.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, TryRecvError, sync_channel};
use std::thread;
use std::time::Duration;

use super::Driver;
use crate::net::{NetError, Observer, Rights, SignalsBlocked};
use crate::proto::{Input, LinkId, RouterId, Sighted, Sighting};
use crate::runtime::lookout::{LookVerdict, Lookout, Reception};
use crate::runtime::report;
use crate::runtime::warnings::{WARNING_PEER_DROPPED, WARNING_PEER_OTHERWISE, WarningScope};
use crate::types::{Families, Instant};

/// The looks of this engine: one at a time.
#[derive(Debug, Default)]
pub(super) struct Looks {
    lookout: Lookout,
    under_way: Option<LinkLook>,
    /// When to check next whether a look is needed.
    due_at: Instant,
}

/// A look that a thread of its own takes.
#[derive(Debug)]
struct LinkLook {
    link: LinkId,
    /// How many datagrams had reached each router of the link when it began.
    received: BTreeMap<RouterId, u64>,
    seen: Receiver<Result<Seen, String>>,
}

/// Datagrams, each once, and how often it was seen.
type Seen = BTreeMap<Vec<u8>, usize>;

impl Driver<'_> {
    /// Begins and ends looks for routers that hear nobody.
    pub(super) fn look_out(&mut self, now: Instant) {
        if now < self.looks.due_at || !self.succession.is_holding() {
            return;
        }
        self.looks.due_at = now + PACE;
        let node = &self.node;
        let all = node.routers().map(|router| {
            let (received, accepted) = node.received(router);
            let reception = Reception {
                link: node.link_of(router),
                is_active: node.holds(router),
                received,
                accepted,
                patience: node.patience_of(router),
            };
            (router, reception)
        });
        self.looks.lookout.note(all, now);
        self.finish_look(now);
        if self.looks.under_way.is_none()
            && let Some(link) = self.looks.lookout.next_link(now)
        {
            self.begin_look(link, now);
        }
        self.tell_of_looks(now);
    }

    /// Looks first at the links of routers that were deaf in the engine before this one.
    pub(super) fn suspect_the_deaf(&mut self) {
        self.node.deaf().for_each(|router| self.looks.lookout.suspect(router));
    }

    fn begin_look(&mut self, link: LinkId, now: Instant) {
        let of_link = |router: &RouterId| self.node.link_of(*router) == link;
        let routers: Vec<_> = self.node.routers().filter(of_link).collect();
        let longest = routers.iter().map(|router| self.node.patience_of(*router)).max();
        let within = longest.unwrap_or_default().clamp(SHORTEST_LOOK, LONGEST_LOOK);
        let families = self.links.families_on(link);
        let seen = self.links.index_of(link).map(|index| look(index, families, within));
        let Some(Ok(seen)) = seen else { return self.looks.lookout.put_off(link, routers, now) };
        let received = routers.into_iter().map(|it| (it, self.node.received(it).0)).collect();
        self.looks.under_way = Some(LinkLook { link, received, seen });
    }

    fn finish_look(&mut self, now: Instant) {
        let Some(look) = &self.looks.under_way else { return };
        let seen = match look.seen.try_recv() {
            Err(TryRecvError::Empty) => return,
            Err(TryRecvError::Disconnected) => None,
            Ok(seen) => seen.inspect_err(|error| tracing::info!("{error}")).ok(),
        };
        let Some(look) = self.looks.under_way.take() else { return };
        let Some(seen) = seen else {
            return self.looks.lookout.put_off(look.link, look.received.into_keys(), now);
        };
        let mut sighted = BTreeMap::new();
        for (datagram, times) in seen {
            if let Some(sighting) = self.node.sight(look.link, &datagram) {
                *sighted.entry(sighting).or_default() += times;
            }
        }
        let node = &self.node;
        let routers = look.received.into_iter();
        let routers = routers.map(|(router, before)| (router, node.received(router).0 > before));
        let outranks = |sighting: &Sighting| match sighting.what {
            Sighted::Acceptable { priority } => {
                node.is_outranked(sighting.router, priority, sighting.source)
            }
            Sighted::To(_)
            | Sighted::Authenticated
            | Sighted::OwnAddress
            | Sighted::OtherVrid(_) => false,
        };
        self.looks.lookout.conclude(look.link, &routers.collect(), &sighted, outranks, now);
    }

    /// Informs the core which routers are deaf, and warns of the findings.
    fn tell_of_looks(&mut self, now: Instant) {
        let Self { node, looks, warnings, .. } = self;
        for router in looks.lookout.take_judged() {
            let (dropped, otherwise) = match looks.lookout.verdicts().get(&router) {
                Some(it @ (LookVerdict::Dropped { .. } | LookVerdict::DroppedBefore)) => {
                    (Some(it), None)
                }
                Some(it @ LookVerdict::Otherwise { .. }) => (None, Some(it)),
                None => (None, None),
            };
            let source = node.source_of(router);
            let [dropped, otherwise] =
                [dropped, otherwise].map(|verdict| verdict.map(|it| it.text(source)));
            let why = dropped.as_deref().filter(|_| looks.lookout.is_deaf(router));
            node.handle(Input::Deaf { router, why }, now);
            let scope = WarningScope::Router(router);
            warnings.set(scope, WARNING_PEER_DROPPED, dropped, now);
            warnings.set(scope, WARNING_PEER_OTHERWISE, otherwise, now);
        }
    }
}

/// Looks at a link in a thread of its own: to open a packet socket, and to close it, takes as long
/// as the kernel likes.
fn look(
    index: u32,
    families: Families,
    within: Duration,
) -> std::io::Result<Receiver<Result<Seen, String>>> {
    let (sender, seen) = sync_channel(1);
    let _signals = SignalsBlocked::new()?;
    thread::Builder::new().name("vrrp-look".to_owned()).spawn(move || {
        if Rights::NETWORK.keep_only().is_ok() {
            let seen = watch(index, families, within).map_err(|error| report::chain(&error));
            // An engine that has ended needs no answer.
            sender.send(seen).ok();
        }
    })?;
    Ok(seen)
}

fn watch(index: u32, families: Families, within: Duration) -> Result<Seen, NetError> {
    let observer = Observer::open(index, families)?;
    let mut seen = Seen::new();
    let watched = observer.watch(within, |datagram| {
        *seen.entry(datagram.to_vec()).or_default() += 1;
        seen.len() >= MOST_SEEN
    });
    watched.map_err(|error| NetError::new("look at", format!("link {index}"), error))?;
    Ok(seen)
}

/// Time between two checks whether a look is needed.
const PACE: Duration = Duration::from_millis(500);
const SHORTEST_LOOK: Duration = Duration::from_secs(1);
const LONGEST_LOOK: Duration = Duration::from_secs(10);
/// Most different datagrams that are kept; a stranger may send any number.
const MOST_SEEN: usize = 64;
