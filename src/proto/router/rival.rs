//! A router that stays Active beside this one, although this one outranks it.

use super::{Accepted, Duration, Instant, IpAddr, Priority, VirtualRouter};

/// A router that is heard while this one is Active.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rival {
    source: IpAddr,
    since: Instant,
    last_heard: Instant,
    /// How long it may be silent, and how long it takes a peer to step down.
    patience: Duration,
}

impl VirtualRouter {
    /// Tells which of two Active routers stays.
    pub(in crate::proto) fn is_outranked_by(
        &self,
        priority: Priority,
        source: IpAddr,
        own_source: Option<IpAddr>,
    ) -> bool {
        (priority, Some(source)) > (self.effective_priority(), own_source)
    }

    /// Notes that a router is Active beside this one.
    pub(super) fn note_rival(&mut self, heard: &Accepted<'_>, now: Instant) {
        let patience = self.patience(heard.adver_interval);
        let known = self.rival.filter(|it| it.source == heard.source && now <= it.ends_at());
        let since = known.map_or(now, |known| known.since);
        self.rival = Some(Rival { source: heard.source, since, last_heard: now, patience });
    }

    /// Returns who has been Active beside this router for so long that it cannot hear this one.
    pub(in crate::proto) fn unheeded_by(&self, now: Instant) -> Option<IpAddr> {
        let rival = self.rival.filter(|it| self.holds() && now <= it.ends_at())?;
        (now >= rival.since + rival.patience).then_some(rival.source)
    }
}

impl Rival {
    fn ends_at(&self) -> Instant {
        self.last_heard + self.patience
    }
}
