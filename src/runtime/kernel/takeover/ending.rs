//! How the thread ends: it releases the addresses, or leaves them to another engine.

use std::time::Duration;

use super::{Current, RouterClaim, Takeover};
use crate::runtime::clock;
use crate::runtime::kernel::orders::OrderReader;
use crate::runtime::kernel::retry::Retry;

impl Takeover {
    /// Releases every address, whatever was wanted. Does not publish the facts.
    pub(in crate::runtime::kernel) fn release(&mut self) {
        for router in &mut self.routers {
            router.claim = RouterClaim::default();
            router.keeps_addresses = false;
        }
        self.unsettle_everything();
        self.is_ending = true;
        self.retry = Retry::default();
        self.correct(&Current { at: clock::now() });
        self.remove_macvlans();
        // Nothing of them is left, and the facts say so.
        self.correct(&Current { at: clock::now() });
    }

    /// Removes what was released and yielded last, and extends the lifetime of claimed addresses
    /// until another engine can refresh them.
    pub(in crate::runtime::kernel) fn abandon(&mut self, orders: &OrderReader) {
        let orders = orders.read();
        let confirmed_at = orders.confirmed_at;
        self.note_orders(orders, clock::now());
        for router in &mut self.routers {
            router.claim.yields = None;
            router.keeps_addresses = router.claim.claimed;
        }
        self.confirmed_at = None;
        self.unsettle_everything();
        self.correct(&Current { at: clock::now() });
        if clock::now().since(confirmed_at) < LATE {
            // The next engine adds what this one cannot refresh.
            self.bequeath_lifetime().ok();
        }
    }
}

/// How long after the last confirmation claimed addresses are refreshed for the next engine. Later
/// that one may have released them, and a refresh would add them again.
const LATE: Duration = Duration::from_millis(300);
