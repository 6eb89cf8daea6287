//! Announces the addresses to the hosts of a link.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::{Corrected, Current, RouterSite, Takeover};
use crate::net::NetError;
use crate::runtime::clock;
use crate::runtime::failpoint::failpoint;
use crate::runtime::kernel::LinkView;
use crate::runtime::kernel::link_sites::AddressIndex;
use crate::types::Instant;
use crate::wire::{arp, ndisc};

impl Takeover {
    /// Announces what is due, in small batches for the sake of switches and queues.
    pub(super) fn announce(&mut self, _: &Corrected, current: &Current) {
        let now = current.at;
        if now < self.quiet_until || self.is_in_doubt(now) {
            return;
        }
        let due = self.announcements.due(now, ANNOUNCE_BATCH);
        if !due.is_empty() {
            self.quiet_until = now + ANNOUNCE_PAUSE;
        }
        for slot in due {
            if self.waits_for_others(slot, now) {
                self.announcements.postpone(slot, now + OTHERS_PAUSE);
                continue;
            }
            let sent = self.send(slot);
            let link = self.routers[slot.0].planned.addresses[slot.1].link;
            self.links[link].note_announcing(sent.as_ref().err(), now);
            let facts = &mut self.routers[slot.0].facts;
            match sent {
                Ok(sent) => {
                    facts.announcements_sent += u64::from(sent);
                    // The first announcement has opened a socket: the pause begins after it.
                    self.announcements.sent(slot, clock::now());
                }
                Err(error) => {
                    if facts.announcements_failed == 0 {
                        tracing::warn!("{}; it is tried again", error.with_cause());
                    }
                    facts.announcements_failed += 1;
                    self.announcements.put_off(slot, now);
                }
            }
            self.facts.counts_changed(slot.0, now);
        }
    }

    /// Tells whether the announcement of an address would come too early: it also moves what is
    /// sent to the other ones of the macvlan, which have the same hardware address. The kernel
    /// takes a moment longer for those of IPv6.
    pub(super) fn waits_for_others(&self, (router, place): AddressIndex, now: Instant) -> bool {
        let RouterSite { planned, claim, .. } = &self.routers[router];
        let link = &self.links[planned.addresses[place].link];
        link.macvlan.is_some()
            && now.since(claim.claimed_at) < LONGEST_WAIT
            && self.gained.iter().any(|(index, _)| link.index == Some(*index))
    }

    /// Announces one address. Returns `false` if its link has no announcements.
    fn send(&mut self, (router, place): AddressIndex) -> Result<bool, NetError> {
        let planned = &self.routers[router].planned.addresses[place];
        let link = &mut self.links[planned.link];
        let Some(LinkView { index: Some(index), mac: Some(mac), .. }) = link.view else {
            return Ok(false);
        };
        let address = planned.held.address;
        failpoint("announce").map_err(|why| {
            NetError::new("announce on", link.name.to_string(), io::Error::other(why))
        })?;
        let role = link.ipv6_role;
        let announcer = link.announcer(index)?;
        let sent = match address {
            IpAddr::V4(address) => announcer.send(&arp::gratuitous(mac, address)),
            IpAddr::V6(address) => announcer.send(&ndisc::unsolicited(mac, address, role)),
        };
        sent.map_err(|error| NetError::new("announce", address.to_string(), error))?;
        Ok(true)
    }
}

const ANNOUNCE_BATCH: usize = 64;
const ANNOUNCE_PAUSE: Duration = Duration::from_millis(1);
const OTHERS_PAUSE: Duration = Duration::from_millis(1);
pub(super) const LONGEST_WAIT: Duration = Duration::from_millis(50);
