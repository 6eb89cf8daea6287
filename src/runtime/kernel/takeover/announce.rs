//! Tells the hosts of a link where the addresses are.

use std::net::IpAddr;
use std::time::Duration;

use super::{Slot, Takeover};
use crate::net::{Announcer, NetError};
use crate::runtime::kernel::LinkView;
use crate::types::Instant;
use crate::wire::arp;

impl Takeover {
    /// Announces what is due, a small batch at a time so that switches and queues can follow.
    pub(in crate::runtime::kernel) fn announce(&mut self, now: Instant) {
        if now < self.quiet_until || self.is_in_doubt(now) {
            return;
        }
        let due = self.announcements.due(now, ANNOUNCE_BATCH);
        if !due.is_empty() {
            self.quiet_until = now + ANNOUNCE_PAUSE;
            self.news = true;
        }
        for slot in due {
            match self.send(slot) {
                Ok(sent) => {
                    self.facts.routers[slot.0].announcements_sent += u64::from(sent);
                    self.announcements.sent(slot, now);
                }
                Err(error) => {
                    let failed = &mut self.facts.routers[slot.0].announcements_failed;
                    if *failed == 0 {
                        tracing::warn!("{}; it is tried again", error.with_cause());
                    }
                    *failed += 1;
                    self.announcements.put_off(slot, now);
                }
            }
        }
    }

    /// Announces one address, and returns whether its link has announcements at all.
    fn send(&mut self, (router, place): Slot) -> Result<bool, NetError> {
        let planned = &self.plan.routers[router];
        let LinkView { index: Some(index), mac: Some(mac), .. } = self.facts.links[planned.link]
        else {
            return Ok(false);
        };
        let IpAddr::V4(address) = planned.addresses[place].address else { return Ok(false) };
        let announcer = &mut self.places[planned.link].announcer;
        let announcer = match announcer {
            Some(announcer) => announcer,
            None => announcer.insert(Announcer::open(index)?),
        };
        let sent = announcer.send(&arp::gratuitous(mac, address));
        sent.map_err(|error| NetError::new("announce", address.to_string(), error))?;
        Ok(true)
    }
}

const ANNOUNCE_BATCH: usize = 64;
const ANNOUNCE_PAUSE: Duration = Duration::from_millis(1);
