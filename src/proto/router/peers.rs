//! A router that speaks to each of its peers, and hears nobody else.

use super::{InstanceConfig, Instant, IpAddr, PeerRouter, VirtualRouter};

/// Returns the peers of a router that has heard none of them.
pub(super) fn unheard(config: &InstanceConfig) -> Vec<PeerRouter> {
    let unheard = |address: &IpAddr| PeerRouter { address: *address, last_heard: None };
    config.peers().iter().map(unheard).collect()
}

impl VirtualRouter {
    /// Notes that an advertisement of a peer has counted.
    pub(super) fn note_peer(&mut self, source: IpAddr, now: Instant) {
        if let Some(peer) = self.peers.iter_mut().find(|peer| peer.address == source) {
            peer.last_heard = Some(now);
        }
    }

    /// Takes over when each peer was last heard, if it still is one.
    pub(super) fn inherit_peers(&mut self, heard: &[PeerRouter]) {
        for peer in &mut self.peers {
            let known = heard.iter().find(|it| it.address == peer.address);
            peer.last_heard = known.and_then(|known| known.last_heard);
        }
    }

    /// Tells whether a router that we outrank is to be answered at once. With peers, that is an
    /// answer to each of them, so there is one an interval at most: whoever can forge the source of
    /// one peer must not have this host send a hundred times as much.
    pub(super) fn is_to_answer(&mut self, now: Instant) -> bool {
        if self.config.unicast.is_none() {
            return true;
        }
        let is_due = now >= self.unanswered_until;
        if is_due {
            self.unanswered_until = now + self.config.adver_interval.duration();
        }
        is_due
    }
}
