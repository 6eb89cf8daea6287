//! The thread `vrrp-net`: makes the kernel's addresses what the election wants.
//!
//! It is level-triggered: it reads what is claimed now, compares that with what the kernel has, and
//! corrects the difference, whoever caused it. So it may be slow, fail and start again without ever
//! replaying anything. What it has achieved it tells in [`Facts`]; when they close, it is dead.

mod announcements;
mod fight;
mod orders;
mod passage;
mod place;
mod retry;
mod takeover;

use std::io;
use std::net::Ipv4Addr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::sync::watch;

pub(super) use self::fight::accusation;
use self::orders::{Confirmed, Orders};
use self::takeover::Takeover;
use super::clock;
use super::failpoint::failpoint;
use super::report::panic_text;
use crate::config::AnnounceConfig;
use crate::net::{LinkSignal, Rights, SignalsBlocked, Timer};
use crate::types::{HeldAddress, Instant, LinkName, VirtualAddress};

/// What never changes while the thread lives.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The links to watch.
    pub links: Vec<LinkName>,
    /// The virtual routers.
    pub routers: Vec<PlannedRouter>,
    /// How often addresses are announced.
    pub announce: AnnounceConfig,
    /// How long the kernel keeps an address that is no longer refreshed; `None` is for ever.
    pub lifetime: Option<Duration>,
}

/// A virtual router and what it moves.
#[derive(Clone, Debug)]
pub struct PlannedRouter {
    /// Its link: the place in [`Plan::links`].
    pub link: usize,
    /// Everything that belongs on the link while the router is Active.
    pub addresses: Arc<[VirtualAddress]>,
    /// How old a claim may be that nobody has [confirmed](KernelThread::confirm): after that long
    /// without a word, peers may have taken over, or the guard may have given the addresses away.
    pub patience: Duration,
}

/// What the kernel has. Empty until it was asked for the first time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// In the order of [`Plan::links`].
    pub links: Vec<LinkView>,
    /// In the order of [`Plan::routers`].
    pub routers: Vec<RouterFacts>,
    /// Why nothing can be read or changed at present.
    pub problem: Option<String>,
}

/// A link as it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct LinkView {
    /// Its index; `None` if there is no such link.
    pub index: Option<u32>,
    /// Whether frames can pass.
    pub carrier: LinkSignal,
    /// Its hardware address.
    pub mac: Option<[u8; 6]>,
    /// The address to speak from.
    pub primary: Option<Ipv4Addr>,
}

/// What became of the claim of a virtual router.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RouterFacts {
    /// In the order of [`PlannedRouter::addresses`].
    pub addresses: Vec<AddressFacts>,
    /// Announcements sent, one per address and time.
    pub announcements_sent: u64,
    /// Announcements that the link did not take; each is tried again.
    pub announcements_failed: u64,
    /// What the kernel refused last, as long as it does.
    pub problem: Option<String>,
}

/// What became of one address.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AddressFacts {
    /// Whether the link has it.
    pub assigned: bool,
    /// Whether it is of our doing that the link has it: else it is somebody else's.
    pub ours: bool,
    /// How often somebody else removed it while it was wanted here.
    pub lost: u64,
    /// Whether somebody else keeps removing it.
    pub contested: bool,
}

/// A handle on the thread. Dropping it releases every address and ends the thread.
#[derive(Debug)]
pub struct KernelThread {
    wanted: watch::Sender<Wanted>,
    confirmed: Confirmed,
    facts: watch::Receiver<Facts>,
    ended: mpsc::Receiver<()>,
}

#[derive(Clone, Debug)]
struct Wanted {
    claims: Vec<Claim>,
    /// Known as soon as what another engine left behind, and nobody claims, is to go: what it said
    /// that it held.
    inherited: Option<Arc<[HeldAddress]>>,
    end: Option<End>,
}

/// How the thread ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    /// What is ours goes.
    Release,
    /// What is ours stays: it is another engine's now.
    Abandon,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Claim {
    claimed: bool,
    claimed_at: Instant,
    /// The addresses were claimed, and may stay a little although another host has them.
    yields: Option<Yield>,
    /// Another host had the addresses, and keeps them a little, too.
    relays: Option<Relay>,
    announce_epoch: u64,
}

/// Addresses that another host has taken over.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Yield {
    since: Instant,
    until: Instant,
}

/// Addresses that were taken over from another host.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Relay {
    to: Ipv4Addr,
    until: Instant,
}

impl KernelThread {
    /// Starts the thread, with nothing claimed, in the network namespace of the caller.
    ///
    /// It leaves alone what another engine may have put there until
    /// [`clear_leftovers`](Self::clear_leftovers).
    ///
    /// # Errors
    ///
    /// When the kernel gives no thread.
    pub fn start(plan: Plan) -> io::Result<Self> {
        let claims = vec![Claim::default(); plan.routers.len()];
        let wanted = Wanted { claims, inherited: None, end: None };
        let confirmed = Confirmed::default();
        confirmed.set(clock::now());
        let (wanted, heard) = watch::channel(wanted);
        let orders = Orders { wanted: heard, confirmed: confirmed.clone() };
        let (told, facts) = watch::channel(Facts::default());
        let (end, ended) = mpsc::channel();
        let _signals = SignalsBlocked::new()?;
        thread::Builder::new().name("vrrp-net".to_owned()).spawn(move || {
            // The facts close with it, so that whoever waits for the end finds them final.
            live(plan, orders, told);
            drop(end);
        })?;
        Ok(Self { wanted, confirmed, facts, ended })
    }

    /// Claims the addresses of a virtual router for this host, or releases them.
    pub fn claim(&self, router: usize, claimed: bool) {
        self.wanted.send_if_modified(|wanted| {
            // What is said after the end is not meant for the addresses: they are another's.
            if wanted.end.is_some() {
                return false;
            }
            let claim = &mut wanted.claims[router];
            claim.claimed_at = clock::now();
            claim.relays = claim.relays.filter(|_| claimed);
            let yielded = claim.yields.take().is_some();
            std::mem::replace(&mut claim.claimed, claimed) != claimed || yielded
        });
    }

    /// Releases the addresses of a virtual router, which another host has now, but only when the
    /// connections that are open here have had the time to end. Until then nobody hears that they
    /// are here.
    pub fn yield_until(&self, router: usize, until: Instant) {
        self.wanted.send_if_modified(|wanted| {
            if wanted.end.is_some() {
                return false;
            }
            let claim = &mut wanted.claims[router];
            (claim.claimed, claim.relays) = (false, None);
            claim.yields = Some(Yield { since: clock::now(), until });
            true
        });
    }

    /// Passes on what belongs to connections of the host that has the addresses of a virtual router
    /// until they are [claimed](Self::claim) here.
    pub fn relay(&self, router: usize, to: Ipv4Addr, until: Instant) {
        self.wanted.send_if_modified(|wanted| {
            wanted.claims[router].relays = Some(Relay { to, until });
            // There is nothing to do before they are.
            false
        });
    }

    /// Tells whether any addresses are here only for the connections that are open.
    #[must_use]
    pub fn lingers(&self, now: Instant) -> bool {
        let (wanted, facts) = (self.wanted.borrow(), self.facts.borrow());
        wanted.claims.iter().zip(&facts.routers).any(|(claim, facts)| {
            let yields = claim.yields.is_some_and(|yielded| now < yielded.until);
            yields && facts.addresses.iter().any(|held| held.ours)
        })
    }

    /// Says that at this moment the election stood by everything that it claims.
    ///
    /// A host that was paused has lost its addresses to a peer, and must not take them back before
    /// the election has noticed: so old claims add and announce nothing.
    pub fn confirm(&self, at: Instant) {
        self.confirmed.set(at);
    }

    /// Announces the addresses of a virtual router once more, if they are here.
    pub fn announce(&self, router: usize) {
        self.wanted.send_modify(|wanted| wanted.claims[router].announce_epoch += 1);
    }

    /// Removes what another engine left behind, now that it is known what of it is claimed here.
    ///
    /// That is what it said that it `held`, and what is planned here and bears our tag. The former
    /// that is claimed is ours from now on.
    pub fn clear_leftovers(&self, held: Vec<HeldAddress>) {
        self.wanted.send_modify(|wanted| wanted.inherited = Some(held.into()));
    }

    /// Ends the thread and leaves every address that is claimed where it is: another engine has
    /// them now.
    pub fn abandon(&mut self) {
        self.wanted.send_modify(|wanted| wanted.end = Some(End::Abandon));
    }

    /// Returns the facts as they are now.
    #[must_use]
    pub fn facts(&self) -> Facts {
        self.facts.borrow().clone()
    }

    /// Returns the facts, to wait for their next change; closed means that the thread has died.
    pub fn facts_mut(&mut self) -> &mut watch::Receiver<Facts> {
        &mut self.facts
    }

    /// Returns why the thread has ended, although nobody wanted it to.
    #[must_use]
    pub fn failure(&self) -> String {
        let problem = self.facts.borrow().problem.clone();
        format!("the thread vrrp-net has ended: {}", problem.as_deref().unwrap_or("no reason"))
    }

    /// Releases every address, ends the thread, and returns whether that was done in time.
    ///
    /// The facts tell afterwards what was left.
    #[must_use]
    pub fn stop(&mut self, deadline: Duration) -> bool {
        let mut abandoned = false;
        self.wanted.send_modify(|wanted| {
            abandoned = *wanted.end.get_or_insert(End::Release) == End::Abandon;
        });
        let ended = self.ended.recv_timeout(deadline) != Err(mpsc::RecvTimeoutError::Timeout);
        let facts = self.facts.borrow();
        let mut addresses = facts.routers.iter().flat_map(|router| &router.addresses);
        ended && (abandoned || !addresses.any(|held| held.ours))
    }
}

/// The whole life of the thread: no panic leaves it, and what it added goes with it.
fn live(plan: Plan, mut orders: Orders, told: watch::Sender<Facts>) {
    if let Err(error) = Rights::NETWORK.keep_only() {
        tracing::warn!(%error, "the thread keeps more rights than it needs");
    }
    let (runtime, timer) = match runtime() {
        Ok(both) => both,
        Err(error) => {
            let problem = Some(format!("cannot watch the kernel: {error}"));
            return told.send_modify(|facts| facts.problem = problem);
        }
    };
    let mut takeover = Takeover::new(plan, told);
    let worked = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(work(&mut takeover, &mut orders, &timer))
    }));
    let failure = match worked {
        Ok(Ok(End::Abandon)) => return,
        Ok(Ok(End::Release)) => None,
        Ok(Err(error)) => Some(error),
        Err(panic) => Some(panic_text(&*panic)),
    };
    // Whatever failed: what another engine has is not ours any more.
    if orders.wanted.borrow().end != Some(End::Abandon) {
        release(&mut takeover, &runtime, &timer, failure.is_some());
    }
    if let Some(failure) = failure {
        takeover.fail(failure);
    }
}

/// Releases everything; after a failure with a fresh mind.
fn release(takeover: &mut Takeover, runtime: &Runtime, timer: &Timer, mut failed: bool) {
    for _ in 0..2 {
        let released = catch_unwind(AssertUnwindSafe(|| {
            if failed {
                takeover.start_over();
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

/// Works until told how to end; an error is something that this thread cannot do without.
async fn work(takeover: &mut Takeover, orders: &mut Orders, timer: &Timer) -> Result<End, String> {
    loop {
        orders.wanted.mark_unchanged();
        let (wanted, confirmed_at) = orders.read();
        match wanted.end {
            Some(End::Abandon) => {
                takeover.want(&wanted, confirmed_at, clock::now());
                takeover.abandon(clock::now());
                return Ok(End::Abandon);
            }
            Some(End::Release) => return Ok(End::Release),
            None => {}
        }
        failpoint("vrrp-net")?;
        takeover.want(&wanted, confirmed_at, clock::now());
        // What is relayed must be noted from the first connection that is opened here.
        takeover.let_pass(clock::now());
        takeover.correct(clock::now());
        // The kernel may have taken its time: what is announced must be claimed now.
        let (wanted, confirmed_at) = orders.read();
        takeover.want(&wanted, confirmed_at, clock::now());
        takeover.let_pass(clock::now());
        takeover.announce(clock::now());
        takeover.tell();
        takeover.prepare_to_move(clock::now());
        let has_orders = wait(&mut orders.wanted, takeover, timer).await;
        if !has_orders.map_err(|error| format!("cannot set the timer: {error}"))? {
            return Ok(End::Release);
        }
    }
}

/// Releases everything, again and again until it has succeeded or [`STOP_PATIENCE`] is over.
async fn stop(takeover: &mut Takeover, timer: &Timer) {
    let started = clock::now();
    loop {
        takeover.release(clock::now());
        takeover.tell();
        if takeover.holds_nothing() || clock::now().since(started) > STOP_PATIENCE {
            return;
        }
        if sleep_until(timer, clock::now() + STOP_PAUSE).await.is_err() {
            return;
        }
    }
}

/// Waits for a reason to look again, and tells whether anybody is left to give orders.
async fn wait(
    orders: &mut watch::Receiver<Wanted>,
    takeover: &Takeover,
    timer: &Timer,
) -> io::Result<bool> {
    timer.set(takeover.next_due(clock::now()))?;
    tokio::select! {
        changed = orders.changed() => Ok(changed.is_ok()),
        // An error will show again when the events are read, and is dealt with there.
        _ = takeover.readable() => Ok(true),
        expired = timer.expired() => expired.map(|()| true),
    }
}

async fn sleep_until(timer: &Timer, deadline: Instant) -> io::Result<()> {
    timer.set(Some(deadline))?;
    timer.expired().await
}

/// The end must not wait for a kernel that refuses: nginx waits for us.
const STOP_PATIENCE: Duration = Duration::from_millis(250);
const STOP_PAUSE: Duration = Duration::from_millis(20);
