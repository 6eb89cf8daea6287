//! A peer whose advertisements are discarded, time and again: it is not configured as this router.

use super::{Discard, Duration, Instant, IpAddr, VirtualRouter};

/// Such a peer, for as long as it is heard.
#[derive(Clone, Copy, Debug)]
pub(super) struct DiscardedPeer {
    source: IpAddr,
    discard: Discard,
    /// One datagram may be damaged.
    is_certain: bool,
    /// When it counts as gone if it is not heard again.
    ends_at: Instant,
}

impl VirtualRouter {
    /// Notes who sends what is discarded. Of several such peers the first one is shown until it is
    /// gone.
    pub(super) fn note_discarded(&mut self, discard: Discard, source: IpAddr, now: Instant) {
        if !self.phase.is_running() || !is_of_a_peer(discard, self.config.unicast.is_some()) {
            return;
        }
        let is_certain = match self.discarded {
            Some(known) if known.source != source => return,
            known => known.is_some_and(|known| known.is_certain || known.discard == discard),
        };
        let ends_at = now + QUIET;
        self.discarded = Some(DiscardedPeer { source, discard, is_certain, ends_at });
    }

    /// Forgets the peer if it has not been heard for long enough.
    pub(super) fn end_discarded(&mut self, now: Instant) {
        self.discarded = self.discarded.filter(|known| now < known.ends_at);
    }

    /// Returns when to [end](Self::end_discarded) that.
    pub(super) fn end_of_discarded(&self) -> Option<Instant> {
        self.discarded.map(|known| known.ends_at)
    }

    /// Returns the peer that is not heard, and why.
    pub(in crate::proto) fn discarded_peer(&self) -> Option<(IpAddr, Discard)> {
        let known = self.discarded.filter(|known| known.is_certain)?;
        Some((known.source, known.discard))
    }
}

/// Tells whether it is a host that is configured otherwise whose datagram is discarded. One that
/// speaks to a router with peers, and is not heard, is such a host, too.
fn is_of_a_peer(discard: Discard, is_unicast: bool) -> bool {
    match discard {
        Discard::Version
        | Discard::Checksum
        | Discard::AuthType
        | Discard::AuthMismatch
        | Discard::AuthFailure
        | Discard::NoAddresses
        | Discard::ZeroInterval
        | Discard::Interval
        | Discard::AddressList
        | Discard::Unlisted => true,
        Discard::Ttl | Discard::Martian => is_unicast,
        Discard::Runt
        | Discard::Type
        | Discard::Length
        | Discard::Vrid
        | Discard::Owner
        | Discard::OwnSource
        | Discard::NotRunning => false,
    }
}

/// No advertisement interval of version 3 is longer, and hardly one of version 2.
const QUIET: Duration = Duration::from_secs(60);
