//! The orders of the election to the thread, and their last confirmation.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::types::{HeldAddress, Instant};

/// The order for one virtual router.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct RouterClaim {
    pub(super) claimed: bool,
    pub(super) claimed_at: Instant,
    /// The addresses were claimed, and may stay until then although another host has them.
    pub(super) yields: Option<Yield>,
    /// Another host had the addresses, and keeps them for a moment, too.
    pub(super) relays: Option<Relay>,
    /// Grows with each request to announce the addresses once more.
    pub(super) announce_epoch: u64,
}

/// Addresses that another host has taken over.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Yield {
    pub(super) since: Instant,
    pub(super) until: Instant,
}

/// Addresses that were taken over from another host.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Relay {
    pub(super) to: IpAddr,
    pub(super) until: Instant,
}

/// What becomes of the addresses when the thread ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Disposal {
    /// It removes the addresses that are ours.
    Release,
    /// It leaves them where they are: another engine has them now.
    Abandon,
}

/// The election's end. Dropping it is an order to release all addresses.
#[derive(Debug)]
pub(super) struct OrderWriter(Arc<Orders>);

/// The end of the thread `vrrp-net`.
#[derive(Debug)]
pub(super) struct OrderReader(Arc<Orders>);

/// What is new in the orders.
#[derive(Debug)]
pub(super) struct NewOrders {
    /// A moment at which the election confirmed all of its orders.
    pub(super) confirmed_at: Instant,
    /// Each router whose order may have changed since the last read.
    pub(super) claims: Vec<(usize, RouterClaim)>,
    /// The addresses that another engine held, as soon as the unclaimed ones may be removed.
    pub(super) inherited: Option<Arc<[HeldAddress]>>,
}

#[derive(Debug)]
struct Orders {
    /// When the election last confirmed its orders.
    ///
    /// It is written in every turn of the election's loop, which must not wait for a reader of the
    /// rest.
    confirmed_at: AtomicU64,
    latest: Mutex<Latest>,
    woken: Notify,
    /// The other direction: whether the orders are carried out.
    signs: LifeSigns,
}

/// The sign of life that `vrrp-net` leaves with each turn.
#[derive(Debug)]
struct LifeSigns {
    turned_at: AtomicU64,
    held_until: AtomicU64,
}

/// The sign of life of the last turn.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct NetSigns {
    /// When it last had the kernel's answers to everything; `None` before the first time.
    pub turned_at: Option<Instant>,
    /// Until when the kernel keeps the addresses of this engine; `None` if there are none, or for
    /// ever.
    pub held_until: Option<Instant>,
}

#[derive(Debug)]
struct Latest {
    claims: Vec<RouterClaim>,
    unread: BTreeSet<usize>,
    inherited: Option<Arc<[HeldAddress]>>,
    disposal: Option<Disposal>,
}

/// Creates both ends for so many virtual routers, without claims.
pub(super) fn orders(routers: usize, now: Instant) -> (OrderWriter, OrderReader) {
    let claims = vec![RouterClaim::default(); routers];
    let latest = Latest { claims, unread: BTreeSet::new(), inherited: None, disposal: None };
    let orders = Arc::new(Orders {
        confirmed_at: AtomicU64::new(now.as_nanos()),
        latest: Mutex::new(latest),
        woken: Notify::new(),
        signs: LifeSigns { turned_at: AtomicU64::new(0), held_until: AtomicU64::new(0) },
    });
    (OrderWriter(Arc::clone(&orders)), OrderReader(orders))
}

impl OrderWriter {
    /// Changes the order of a router; the closure returns whether `vrrp-net` has to be woken.
    ///
    /// After the end nothing changes: the addresses are another engine's.
    pub(super) fn change(&self, router: usize, change: impl FnOnce(&mut RouterClaim) -> bool) {
        let mut latest = self.0.latest();
        if latest.disposal.is_some() {
            return;
        }
        latest.unread.insert(router);
        if change(&mut latest.claims[router]) {
            self.0.woken.notify_one();
        }
    }

    /// Passes the addresses that another engine held.
    pub(super) fn inherit(&self, held: Vec<HeldAddress>) {
        self.0.latest().inherited = Some(held.into());
        self.0.woken.notify_one();
    }

    /// Ends the thread, unless its end was ordered before. Returns how it ends.
    pub(super) fn end(&self, disposal: Disposal) -> Disposal {
        let disposal = *self.0.latest().disposal.get_or_insert(disposal);
        self.0.woken.notify_one();
        disposal
    }

    /// Confirms all orders. Call it after the last order of a turn.
    pub(super) fn confirm(&self, at: Instant) {
        self.0.confirmed_at.store(at.as_nanos(), Release);
    }

    /// Asks for a turn without an order.
    pub(super) fn ask(&self) {
        self.0.woken.notify_one();
    }

    /// Returns the sign of life of the thread's last turn.
    pub(super) fn signs(&self) -> NetSigns {
        let read = |word: &AtomicU64| match word.load(Acquire) {
            0 => None,
            nanos => Some(Instant::from_nanos(nanos)),
        };
        let LifeSigns { turned_at, held_until } = &self.0.signs;
        NetSigns { turned_at: read(turned_at), held_until: read(held_until) }
    }

    /// Tells whether the claim of any router is such.
    pub(super) fn any(&self, mut is_such: impl FnMut(usize, &RouterClaim) -> bool) -> bool {
        self.0.latest().claims.iter().enumerate().any(|(router, claim)| is_such(router, claim))
    }
}

impl Drop for OrderWriter {
    fn drop(&mut self) {
        self.end(Disposal::Release);
    }
}

impl OrderReader {
    /// Returns the changes since the last call.
    pub(super) fn read(&self) -> NewOrders {
        // In this order: all orders before that confirmation are read. In the other order, a new
        // confirmation would seem to confirm orders that it has changed.
        let confirmed_at = Instant::from_nanos(self.0.confirmed_at.load(Acquire));
        let mut latest = self.0.latest();
        let unread = std::mem::take(&mut latest.unread);
        let claims = unread.into_iter().map(|router| (router, latest.claims[router])).collect();
        NewOrders { confirmed_at, claims, inherited: latest.inherited.clone() }
    }

    /// Notes that every order is carried out, as far as the kernel can.
    pub(super) fn note_turn(&self, signs: NetSigns) {
        let write = |word: &AtomicU64, at: Option<Instant>| {
            word.store(at.map_or(0, Instant::as_nanos), Release);
        };
        write(&self.0.signs.held_until, signs.held_until);
        write(&self.0.signs.turned_at, signs.turned_at);
    }

    /// Returns how the thread has to end, if it has to.
    pub(super) fn disposal(&self) -> Option<Disposal> {
        self.0.latest().disposal
    }

    /// Waits for an order since the last call. Cancel-safe.
    pub(super) async fn changed(&self) {
        self.0.woken.notified().await;
    }
}

impl Orders {
    fn latest(&self) -> MutexGuard<'_, Latest> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_said_since_the_last_reading_is_read() {
        let (writer, reader) = orders(3, at(0));
        for router in [2, 0, 2] {
            writer.change(router, |claim| {
                claim.announce_epoch += 1;
                true
            });
        }

        let epoch_of = |(router, claim): (usize, RouterClaim)| (router, claim.announce_epoch);
        let read = || reader.read().claims.into_iter().map(epoch_of).collect::<Vec<_>>();

        assert_eq!(read(), [(0, 1), (2, 2)]);
        assert_eq!(read(), []);
    }

    #[test]
    fn after_the_end_nothing_is_wanted_any_more() {
        let (writer, reader) = orders(1, at(0));

        assert_eq!(writer.end(Disposal::Abandon), Disposal::Abandon);
        writer.change(0, |claim| std::mem::replace(&mut claim.claimed, true));

        assert!(reader.read().claims.is_empty());
        assert_eq!(writer.end(Disposal::Release), Disposal::Abandon);
        drop(writer);
        assert_eq!(reader.disposal(), Some(Disposal::Abandon));
    }

    #[test]
    fn who_goes_away_without_a_word_wants_everything_released() {
        let (writer, reader) = orders(1, at(0));

        drop(writer);

        assert_eq!(reader.disposal(), Some(Disposal::Release));
    }

    fn at(nanos: u64) -> Instant {
        Instant::from_nanos(nanos)
    }
}
