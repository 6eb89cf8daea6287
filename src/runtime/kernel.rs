//! The thread `vrrp-net`: adds and removes addresses until the kernel matches what the election
//! wants.
//!
//! It is level-triggered: it reads what is claimed now, compares that with what the kernel has, and
//! corrects the difference, whatever its cause. So it may be slow, fail and start again without
//! replaying anything. It compares only what may differ: the addresses of claims that have changed,
//! and those about which the kernel has sent a message. It publishes the result as [`Facts`]; when
//! that channel closes, the thread has ended.

mod accept;
mod announcements;
mod facts;
mod fight;
mod holders;
mod link_sites;
mod networks;
mod orders;
mod passage;
mod plan;
mod publication;
mod refusals;
mod retry;
mod reverse_path;
mod router_site;
mod takeover;
mod unsettled;

use std::io;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

pub use self::accept::AcceptFilter;
pub use self::facts::{AddressFacts, Facts, ForeignAddress, HostFinding, LinkView, RouterFacts};
pub(super) use self::fight::accusation;
pub(in crate::runtime) use self::networks::Networks;
pub use self::orders::NetSigns;
use self::orders::{Disposal, OrderReader, OrderWriter, Relay, Yield, orders};
pub use self::plan::{KernelPlan, PlannedAddress, PlannedRouter, Site};
use self::publication::FactsWriter;
use self::takeover::Takeover;
use super::clock;
use super::failpoint::failpoint;
use super::report::panic_text;
use crate::net::{Rights, SignalsBlocked, Timer};
use crate::types::{HeldAddress, Instant};

/// A handle on the thread. Dropping it releases every address and ends the thread.
#[derive(Debug)]
pub struct KernelThread {
    orders: OrderWriter,
    facts: watch::Receiver<Facts>,
    ended: mpsc::Receiver<()>,
}

impl KernelThread {
    /// Starts the thread, with nothing claimed, in the network namespace of the caller.
    ///
    /// It keeps addresses that another engine may have added until
    /// [`clear_leftovers`](Self::clear_leftovers).
    ///
    /// # Errors
    ///
    /// When the thread cannot be started.
    pub fn start(plan: KernelPlan) -> io::Result<Self> {
        let (orders, received) = orders(plan.routers.len(), clock::now());
        let routers = plan.routers.iter().map(|it| Arc::new(RouterFacts::of(it.addresses.len())));
        let facts = Facts { routers: routers.collect(), ..Facts::default() };
        let (readers, facts) = watch::channel(facts);
        let (end, ended) = mpsc::channel();
        let _signals = SignalsBlocked::new()?;
        thread::Builder::new().name("vrrp-net".to_owned()).spawn(move || {
            live(&plan, &received, FactsWriter::new(readers), end);
        })?;
        Ok(Self { orders, facts, ended })
    }

    /// Claims the addresses of a virtual router for this host, or releases them.
    pub fn claim(&self, router: usize, claimed: bool) {
        self.orders.change(router, |claim| {
            claim.claimed_at = clock::now();
            claim.relays = claim.relays.filter(|_| claimed);
            let yielded = claim.yields.take().is_some();
            std::mem::replace(&mut claim.claimed, claimed) != claimed || yielded
        });
    }

    /// Releases the addresses of a virtual router, which another host has now, once open
    /// connections have had the time to end. Until then this host does not answer ARP for them.
    pub fn yield_until(&self, router: usize, until: Instant) {
        self.orders.change(router, |claim| {
            (claim.claimed, claim.relays) = (false, None);
            claim.yields = Some(Yield { since: clock::now(), until });
            true
        });
    }

    /// Relays segments of connections of the other host, which keeps the addresses for a moment,
    /// once they are [claimed](Self::claim) on this one.
    pub fn relay(&self, router: usize, to: IpAddr, until: Instant) {
        self.orders.change(router, |claim| {
            claim.relays = Some(Relay { to, until });
            // Without a claim there is nothing to do yet.
            false
        });
    }

    /// Tells whether this host keeps addresses only for open connections.
    #[must_use]
    pub fn lingers(&self, now: Instant) -> bool {
        let facts = self.facts.borrow();
        self.orders.any(|router, claim| {
            let yields = claim.yields.is_some_and(|yielded| now < yielded.until);
            yields && facts.routers[router].addresses.iter().any(|held| held.ours)
        })
    }

    /// Confirms all claims of the election at this moment.
    ///
    /// After a pause a peer may have the addresses, and `vrrp-net` must not add them back before
    /// the election has noticed: old claims add and announce nothing.
    pub fn confirm(&self, at: Instant) {
        self.orders.confirm(at);
    }

    /// Returns the sign of life of the thread's last turn.
    #[must_use]
    pub fn signs(&self) -> NetSigns {
        self.orders.signs()
    }

    /// Asks the thread for a turn, and so for a sign of life.
    pub fn ask(&self) {
        self.orders.ask();
    }

    /// Announces the addresses of a virtual router once more, if this host has them.
    pub fn announce(&self, router: usize) {
        self.orders.change(router, |claim| {
            claim.announce_epoch += 1;
            true
        });
    }

    /// Removes the addresses that another engine left behind, now that the claims are known.
    ///
    /// These are the addresses in its list `held`, and those of the configuration with our tag.
    /// Claimed ones of the list are adopted.
    pub fn clear_leftovers(&self, held: Vec<HeldAddress>) {
        self.orders.inherit(held);
    }

    /// Ends the thread without removing claimed addresses: another engine has them now.
    pub fn abandon(&mut self) {
        self.orders.end(Disposal::Abandon);
    }

    /// Returns the facts as they are now.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.facts.borrow().clone()
    }

    /// Returns the channel of the facts, to wait for their next change; it closes when the thread
    /// ends.
    pub fn facts_mut(&mut self) -> &mut watch::Receiver<Facts> {
        &mut self.facts
    }

    /// Returns why the thread has ended unexpectedly.
    #[must_use]
    pub fn failure(&self) -> String {
        let problem = self.facts.borrow().problem.clone();
        format!("the thread vrrp-net has ended: {}", problem.as_deref().unwrap_or("no reason"))
    }

    /// Releases every address, ends the thread, and returns whether that was done in time.
    ///
    /// Afterwards the facts show which addresses remain.
    #[must_use]
    pub fn stop(&mut self, deadline: Duration) -> bool {
        let abandoned = self.orders.end(Disposal::Release) == Disposal::Abandon;
        let ended = self.ended.recv_timeout(deadline) != Err(mpsc::RecvTimeoutError::Timeout);
        let facts = self.facts.borrow();
        let mut addresses = facts.routers.iter().flat_map(|router| &router.addresses);
        ended && (abandoned || !addresses.any(|held| held.ours))
    }
}

/// The main function of the thread: no panic leaves it, and it removes what it has added. `end` is
/// dropped once everything is released, and the facts say so.
fn live(plan: &KernelPlan, orders: &OrderReader, facts: FactsWriter, end: mpsc::Sender<()>) {
    if let Err(error) = Rights::NETWORK.keep_only() {
        tracing::warn!(%error, "the thread keeps more rights than it needs");
    }
    let mut takeover = Takeover::new(plan.clone(), facts);
    let (runtime, timer) = match runtime() {
        Ok(both) => both,
        Err(error) => return takeover.fail(format!("cannot watch the kernel: {error}")),
    };
    let worked =
        catch_unwind(AssertUnwindSafe(|| runtime.block_on(work(&mut takeover, orders, &timer))));
    let failure = match worked {
        Ok(Ok(Disposal::Abandon)) => return,
        Ok(Ok(Disposal::Release)) => None,
        Ok(Err(error)) => Some(error),
        Err(panic) => Some(panic_text(&*panic)),
    };
    // Whatever failed: the addresses of another engine are not ours any more.
    if orders.disposal() != Some(Disposal::Abandon) {
        release(&mut takeover, plan, &runtime, &timer, failure.is_some());
    }
    // One that has failed says so with the first word about anything.
    match failure {
        Some(failure) => takeover.fail(failure),
        None => takeover.publish(),
    }
    // The sockets close after that: the kernel takes some 13 ms for each.
    drop(end);
}

/// Releases everything; after a failure only what is known to be ours.
fn release(
    takeover: &mut Takeover,
    plan: &KernelPlan,
    runtime: &Runtime,
    timer: &Timer,
    mut failed: bool,
) {
    for _ in 0..2 {
        let released = catch_unwind(AssertUnwindSafe(|| {
            if failed {
                takeover.start_over(plan.clone());
            }
            runtime.block_on(stop(takeover, timer));
        }));
        if released.is_ok() {
            return;
        }
        failed = true;
    }
    tracing::error!("the addresses could not be released");
}

fn runtime() -> io::Result<(Runtime, Timer)> {
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let timer = {
        let _context = runtime.enter();
        Timer::new()?
    };
    Ok((runtime, timer))
}

/// Works until the end is ordered. An error means that the thread cannot go on.
async fn work(
    takeover: &mut Takeover,
    orders: &OrderReader,
    timer: &Timer,
) -> Result<Disposal, String> {
    loop {
        match orders.disposal() {
            Some(Disposal::Abandon) => {
                takeover.abandon(orders);
                return Ok(Disposal::Abandon);
            }
            Some(Disposal::Release) => return Ok(Disposal::Release),
            None => {}
        }
        failpoint("vrrp-net")?;
        takeover.turn(orders);
        let waited = wait(orders, takeover, timer).await;
        waited.map_err(|error| format!("cannot set the timer: {error}"))?;
    }
}

/// Releases everything, again and again until it has succeeded or [`STOP_PATIENCE`] is over.
async fn stop(takeover: &mut Takeover, timer: &Timer) {
    let started = clock::now();
    loop {
        takeover.release();
        if takeover.owns_nothing() || clock::now().since(started) > STOP_PATIENCE {
            return;
        }
        if sleep_until(timer, clock::now() + STOP_PAUSE).await.is_err() {
            return;
        }
    }
}

/// Waits until there may be something to do.
async fn wait(orders: &OrderReader, takeover: &Takeover, timer: &Timer) -> io::Result<()> {
    timer.set(takeover.next_due(clock::now()))?;
    tokio::select! {
        () = orders.changed() => Ok(()),
        // An error shows again when the events are read, and is handled there.
        _ = takeover.readable() => Ok(()),
        expired = timer.expired() => expired,
    }
}

async fn sleep_until(timer: &Timer, deadline: Instant) -> io::Result<()> {
    timer.set(Some(deadline))?;
    timer.expired().await
}

/// nginx waits for the end, even where the kernel refuses to remove an address.
const STOP_PATIENCE: Duration = Duration::from_millis(250);
const STOP_PAUSE: Duration = Duration::from_millis(20);
