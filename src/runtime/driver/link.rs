//! The interfaces that the loop listens on.

use std::io;
use std::task::{Context, Poll};
use std::time::Duration;

use super::ready::ReadyList;
use crate::net::{FrameSocket, LinkSignal, VrrpSocket};
use crate::proto::{LinkCarrier, LinkFacts, LinkId};
use crate::runtime::backoff::Backoff;
use crate::runtime::clock;
use crate::runtime::failpoint::failpoint;
use crate::runtime::kernel::LinkView;
use crate::runtime::report;
use crate::types::{Families, Family, Instant, MacAddress};
use crate::wire::ip::{Datagram, Malformed};

/// All interfaces, in the order of [`Node::links`](crate::proto::Node::links).
#[derive(Debug)]
pub(super) struct LinkSockets {
    links: Vec<LinkSocket>,
    ready: ReadyList,
}

/// One interface, with a socket of each family that its routers have.
#[derive(Debug)]
struct LinkSocket {
    /// The latest facts of `vrrp-net`.
    view: Option<LinkView>,
    families: Vec<FamilySocket>,
    /// The socket of routers with a hardware address of their own, opened with the first datagram.
    frames: Option<FrameSocket>,
}

/// The socket that receives and sends in one family on an interface.
#[derive(Debug)]
struct FamilySocket {
    family: Family,
    /// Whether some router there speaks to the group; others have peers.
    hears_group: bool,
    socket: Option<VrrpSocket>,
    /// When to try again to open the socket, after a failure.
    retry_at: Option<Instant>,
    backoff: Backoff,
    failures: Failures,
    /// The error number of the last datagram, if it could not be sent.
    refusal: Option<i32>,
    /// Why there is no socket.
    deaf: Option<String>,
}

/// The failures of a link, and which of them are logged.
#[derive(Debug, Default)]
struct Failures {
    /// The last one that was logged, while it lasts.
    current: Option<String>,
    quiet_until: Instant,
}

impl LinkSockets {
    /// Creates a link for each set of families, of which nothing is known; with each come the
    /// families whose group is heard there.
    pub(super) fn new(families: impl Iterator<Item = [Families; 2]>) -> Self {
        let links: Vec<_> = families.map(LinkSocket::new).collect();
        let ready = ReadyList::new(links.len());
        Self { links, ready }
    }

    pub(super) fn len(&self) -> usize {
        self.links.len()
    }

    /// Returns the index of a link; `None` if it does not exist.
    pub(super) fn index_of(&self, id: LinkId) -> Option<u32> {
        self.links[id.0].view.and_then(|view| view.index)
    }

    /// Closes all sockets.
    pub(super) fn close(&mut self) {
        *self = Self::new(self.links.iter().map(|it| [it.all_families(), it.groups()]));
    }

    /// Takes the facts about a link, and opens its sockets. Returns the facts for the election if
    /// they may have changed: a router must not be Active where it cannot receive.
    pub(super) fn take(&mut self, id: LinkId, view: LinkView, now: Instant) -> Option<LinkFacts> {
        let link = &mut self.links[id.0];
        let before = link.view.replace(view);
        if before == Some(view) {
            return None;
        }
        if before.is_none_or(|before| !is_same_link(&before, &view)) {
            link.families.iter_mut().for_each(|it| it.socket = None);
        }
        Some(self.listen_on(id, view, now))
    }

    /// Tries again to open sockets that failed, when their pause is over. Returns what has changed.
    pub(super) fn retry(&mut self, now: Instant) -> Vec<(LinkId, LinkFacts)> {
        let due = self.links.iter().enumerate().filter(|(_, link)| link.is_retry_due(now));
        let due: Vec<_> = due.filter_map(|(id, link)| Some((LinkId(id), link.view?))).collect();
        due.into_iter().map(|(id, view)| (id, self.listen_on(id, view, now))).collect()
    }

    /// Returns the links that are to be read before deadlines are handled.
    pub(super) fn pending(&self) -> Vec<LinkId> {
        self.ready.pending()
    }

    /// Waits for a datagram, and returns which link it came from.
    pub(super) fn poll_readable(&self, cx: &mut Context<'_>) -> Poll<LinkId> {
        self.ready.poll_next(cx, |id, cx| {
            // Every socket that is not ready has to be left a waker.
            let ready = self.links[id.0].sockets().filter(|it| it.poll_recv_ready(cx).is_ready());
            ready.count() > 0
        })
    }

    /// Returns the families that are listened to on a link.
    pub(super) fn families_on(&self, id: LinkId) -> Families {
        self.links[id.0].all_families()
    }

    /// Receives one datagram of a family on a link.
    pub(super) fn receive<'a>(
        &self,
        id: LinkId,
        family: Family,
        buffer: &'a mut [u8],
    ) -> io::Result<Result<Datagram<'a>, Malformed>> {
        match self.links[id.0].of(family).and_then(|it| it.socket.as_ref()) {
            Some(socket) => socket.try_recv(buffer),
            None => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    /// Sends a datagram.
    pub(super) fn send(&self, id: LinkId, datagram: Datagram<'_>) -> io::Result<()> {
        let family = datagram.envelope.endpoints.family();
        match self.links[id.0].of(family).and_then(|it| it.socket.as_ref()) {
            Some(socket) => socket.send(datagram),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Sends a datagram from the hardware address of a virtual router.
    pub(super) fn send_from(
        &mut self,
        id: LinkId,
        mac: MacAddress,
        datagram: Datagram<'_>,
    ) -> io::Result<()> {
        let LinkSocket { view, frames, .. } = &mut self.links[id.0];
        let index = view.and_then(|view| view.index).ok_or(io::ErrorKind::NotConnected)?;
        let frames = match frames {
            Some(frames) => frames,
            none => none.insert(FrameSocket::open()?),
        };
        frames.send(index, mac, datagram)
    }

    /// Notes what became of an advertisement of a family that was to be sent on a link.
    pub(super) fn note_sent(&mut self, id: LinkId, family: Family, outcome: &io::Result<()>) {
        let Some(link) = self.links[id.0].of_mut(family) else { return };
        match outcome {
            Ok(()) => {
                link.failures.end();
                link.refusal = None;
            }
            // The link is not there: that is known.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => {}
            Err(error) => {
                link.failures.log(&format!("cannot send advertisements: {error}"), clock::now());
                link.refusal = error.raw_os_error();
            }
        }
    }

    /// Returns why the kernel refused the last datagram of a family on a link, if it did.
    pub(super) fn refusal(&self, id: LinkId, family: Family) -> Option<io::Error> {
        self.links[id.0].of(family)?.refusal.map(io::Error::from_raw_os_error)
    }

    /// Returns a link that cannot be listened on, why not, and how many others cannot.
    pub(super) fn deafness(&self) -> Option<(LinkId, &str, usize)> {
        let all = self.links.iter().enumerate().filter(|(_, link)| {
            link.view.is_some_and(|view| view.index.is_some() && view.carrier == LinkSignal::Up)
        });
        let mut deaf = all.filter_map(|(id, link)| {
            let why = link.families.iter().find_map(|it| it.deaf.as_deref());
            Some((LinkId(id), why?))
        });
        let (first, why) = deaf.next()?;
        Some((first, why, deaf.count()))
    }

    /// Opens the sockets of a link as far as possible.
    fn listen_on(&mut self, id: LinkId, view: LinkView, now: Instant) -> LinkFacts {
        let link = &mut self.links[id.0];
        for of_family in &mut link.families {
            of_family.retry_at = None;
            if let (Some(index), None) = (view.index, &of_family.socket) {
                of_family.open(index, now);
                self.ready.add(id);
            }
        }
        let carrier = match view.carrier {
            _ if view.index.is_none() => LinkCarrier::Missing,
            LinkSignal::Up => LinkCarrier::Up,
            LinkSignal::Down => LinkCarrier::Down,
        };
        let deaf_to = link.families.iter().filter(|it| it.socket.is_none());
        let deaf_to = deaf_to.map(|it| it.family).collect();
        let LinkView { sources, no_link_local, .. } = view;
        LinkFacts { carrier, deaf_to, sources, no_link_local }
    }
}

/// Tells whether the socket of a link still belongs to it.
fn is_same_link(before: &LinkView, now: &LinkView) -> bool {
    let generations = before.generation.zip(now.generation);
    before.index == now.index && generations.is_none_or(|(before, now)| before == now)
}

impl LinkSocket {
    fn new([families, groups]: [Families; 2]) -> Self {
        let of_family = |family| FamilySocket::new(family, groups.has(family));
        Self { view: None, families: families.iter().map(of_family).collect(), frames: None }
    }

    fn groups(&self) -> Families {
        self.families.iter().filter(|it| it.hears_group).map(|it| it.family).collect()
    }

    fn all_families(&self) -> Families {
        self.families.iter().map(|it| it.family).collect()
    }

    fn of(&self, family: Family) -> Option<&FamilySocket> {
        self.families.iter().find(|it| it.family == family)
    }

    fn of_mut(&mut self, family: Family) -> Option<&mut FamilySocket> {
        self.families.iter_mut().find(|it| it.family == family)
    }

    fn sockets(&self) -> impl Iterator<Item = &VrrpSocket> {
        self.families.iter().filter_map(|it| it.socket.as_ref())
    }

    fn is_retry_due(&self, now: Instant) -> bool {
        self.families.iter().any(|it| it.retry_at.is_some_and(|at| at <= now))
    }
}

impl FamilySocket {
    fn new(family: Family, hears_group: bool) -> Self {
        Self {
            family,
            hears_group,
            socket: None,
            retry_at: None,
            backoff: Backoff::up_to(LONGEST_PAUSE),
            failures: Failures::default(),
            refusal: None,
            deaf: None,
        }
    }

    /// Opens a socket, or notes why that is not possible.
    fn open(&mut self, index: u32, now: Instant) {
        let opened = failpoint("listen").and_then(|()| {
            let socket = VrrpSocket::open(index, self.family);
            let joined = socket.and_then(|socket| {
                if self.hears_group {
                    socket.join_group()?;
                }
                Ok(socket)
            });
            joined.map_err(|error| report::chain(&error))
        });
        match opened {
            Ok(socket) => {
                (self.socket, self.deaf) = (Some(socket), None);
                self.backoff = Backoff::up_to(LONGEST_PAUSE);
                self.failures.end();
            }
            Err(error) => {
                self.retry_at = Some(now + self.backoff.after_a_run_of(Duration::ZERO));
                self.failures.log(&error, now);
                self.deaf = Some(error);
            }
        }
    }
}

impl Failures {
    /// Logs a failure when it begins, and at most one every [`QUIET`]: a link may fail and work in
    /// turn, with every advertisement.
    fn log(&mut self, failure: &str, now: Instant) {
        if self.is_worth_a_line(failure, now) {
            tracing::error!("{failure}");
        }
    }

    fn is_worth_a_line(&mut self, failure: &str, now: Instant) -> bool {
        if self.current.as_deref() == Some(failure) || now < self.quiet_until {
            return false;
        }
        self.current = Some(failure.to_owned());
        self.quiet_until = now + QUIET;
        true
    }

    fn end(&mut self) {
        self.current = None;
    }
}

/// The longest pause between two attempts to listen on a link.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// Time between two lines of the log about one link.
const QUIET: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_logged_once_however_long_it_lasts() {
        let mut failures = Failures::default();

        let lines = (0..600).filter(|second| failures.is_worth_a_line("no buffers", at(*second)));

        assert_eq!(lines.collect::<Vec<_>>(), [0]);
    }

    #[test]
    fn a_link_that_fails_and_works_in_turn_is_logged_every_ten_seconds() {
        let mut failures = Failures::default();

        let lines = (0..30).filter(|second| {
            failures.end();
            failures.is_worth_a_line("no buffers", at(*second))
        });

        assert_eq!(lines.collect::<Vec<_>>(), [0, 10, 20]);
    }

    #[test]
    fn another_failure_is_logged_as_soon_as_it_may_be() {
        let mut failures = Failures::default();
        failures.is_worth_a_line("no buffers", at(0));

        let lines = (1..30).filter(|second| failures.is_worth_a_line("not permitted", at(*second)));

        assert_eq!(lines.collect::<Vec<_>>(), [10]);
    }

    fn at(second: u64) -> Instant {
        Instant::from_nanos(second * 1_000_000_000)
    }
}
