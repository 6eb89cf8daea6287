//! What engines tell each other besides who has the routers.

use super::{Driver, Role};
use crate::proto::Bequests;
use crate::runtime::handover::Message;
use crate::types::Instant;

impl Driver<'_> {
    /// Returns all that the next engine must know. `ends` says whether this process ends.
    pub(super) fn bequeath(&mut self, ends: bool, now: Instant) -> Bequests {
        let untold = self.publisher.bequeath_events(ends, now);
        let addresses = self.publisher.held_addresses(&self.node);
        Bequests { untold, addresses, ..self.node.bequeath(now) }
    }

    /// Says at the very end which events were told here: the engine that has the routers tells the
    /// others, and has waited for this.
    pub(in crate::runtime::driver) fn say_what_was_told(&mut self) {
        if let Role::Retired { holder: Some(holder) } = &mut self.succession.role {
            holder.say(&Message::Told(self.publisher.events_told()));
        }
    }
}
