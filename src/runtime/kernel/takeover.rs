//! Compares what is wanted with what the kernel has, and corrects it.

mod announce;
mod moving;

use std::collections::{BTreeMap, BTreeSet};
use std::future;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::announcements::{Announcements, Slot};
use super::fight::Fights;
use super::passage::Passage;
use super::place::Place;
use super::retry::Retry;
use super::{AddressFacts, Claim, Facts, LinkView, Plan, RouterFacts, Wanted};
use crate::net::address::{self, PROTOCOL};
use crate::net::{KernelEvent, KernelLink, Links, NetError, Netlink};
use crate::types::{HeldAddress, Instant, VirtualAddress};

/// The state of the thread between two looks at the kernel.
#[derive(Debug)]
pub(super) struct Takeover {
    plan: Plan,
    virtual_addresses: BTreeSet<IpAddr>,
    claims: Vec<Claim>,
    /// Which virtual routers have their addresses here: those that claim them, and for a little
    /// those that have yielded them.
    here: Vec<bool>,
    /// When the election last stood by all claims; `None` if they are another engine's now.
    confirmed_at: Option<Instant>,
    kernel: Option<Netlink>,
    links: Links,
    places: Vec<Place>,
    /// What this process added or adopted, by index of the link.
    owned: BTreeMap<u32, BTreeSet<VirtualAddress>>,
    /// An address with our tag was seen: this kernel keeps it.
    tags_are_kept: bool,
    /// What an earlier engine held. As soon as that is known, what it left behind is removed.
    inherited: Option<Arc<[HeldAddress]>>,
    announcements: Announcements,
    passage: Passage,
    fights: Fights,
    quiet_until: Instant,
    refresh_at: Option<Instant>,
    retry: Retry,
    /// What the kernel refused first at the last attempt, and how many others with it.
    refusal: Option<(String, usize)>,
    /// Something changed since the last comparison.
    stale: bool,
    facts: Facts,
    told: watch::Sender<Facts>,
    news: bool,
}

impl Takeover {
    pub(super) fn new(plan: Plan, told: watch::Sender<Facts>) -> Self {
        let sizes = plan.routers.iter().map(|router| router.addresses.len());
        let all = plan.routers.iter().flat_map(|router| router.addresses.iter());
        let routers = plan.routers.iter().map(|router| {
            let addresses = vec![AddressFacts::default(); router.addresses.len()];
            RouterFacts { addresses, ..RouterFacts::default() }
        });
        let routers = routers.collect();
        Self {
            virtual_addresses: all.map(|held| held.address).collect(),
            claims: vec![Claim::default(); plan.routers.len()],
            here: vec![false; plan.routers.len()],
            confirmed_at: Some(Instant::default()),
            kernel: None,
            links: Links::default(),
            places: plan.links.iter().map(|_| Place::default()).collect(),
            owned: BTreeMap::new(),
            tags_are_kept: false,
            inherited: None,
            announcements: Announcements::new(plan.announce, sizes),
            passage: Passage::default(),
            fights: Fights::default(),
            quiet_until: Instant::default(),
            refresh_at: None,
            retry: Retry::default(),
            refusal: None,
            stale: true,
            facts: Facts { routers, ..Facts::default() },
            told,
            news: false,
            plan,
        }
    }

    /// Takes over what the election wants now.
    pub(super) fn want(&mut self, wanted: &Wanted, confirmed_at: Instant, now: Instant) {
        self.confirmed_at = Some(confirmed_at);
        if self.inherited.is_none() && wanted.inherited.is_some() {
            self.inherited.clone_from(&wanted.inherited);
            self.stale = true;
        }
        for (router, claim) in wanted.claims.iter().enumerate() {
            let before = std::mem::replace(&mut self.claims[router], *claim);
            let yielded = claim.yields.is_some_and(|it| now < self.passage.end_of(&it));
            let here = claim.claimed || yielded;
            let was_here = std::mem::replace(&mut self.here[router], here);
            self.stale |= here != was_here || claim.claimed != before.claimed;
            if before.claimed && !claim.claimed {
                self.announcements.cease_all(router);
            }
            if claim.announce_epoch != before.announce_epoch {
                self.announcements.repeat(router, now);
            }
        }
    }

    /// Makes the kernel's addresses what is wanted; what fails is tried again later.
    pub(super) fn correct(&mut self, now: Instant) {
        // Without a rest, a kernel that refuses everything would be asked all the time.
        if self.kernel.is_none() && self.retry.at.is_some_and(|at| now < at) {
            return;
        }
        let result = self.try_correct(now);
        let problem = result.as_ref().err().map(NetError::with_cause);
        if result.is_err() {
            // The next attempt opens another socket and reads everything anew.
            self.kernel = None;
        }
        self.retry.after(problem.is_some() || self.refusal.is_some(), now);
        self.note_problem(problem);
    }

    /// Releases every address, whatever was wanted.
    pub(super) fn release(&mut self, now: Instant) {
        self.claims.fill(Claim::default());
        self.here.fill(false);
        self.stale = true;
        self.retry = Retry::default();
        self.correct(now);
    }

    /// Removes what was released and yielded last, and leaves what is claimed to another engine.
    pub(super) fn abandon(&mut self, now: Instant) {
        self.here = self.claims.iter().map(|claim| claim.claimed).collect();
        self.stale = true;
        self.confirmed_at = None;
        self.correct(now);
    }

    /// Forgets all but what is ours: a panic has left the rest as nobody knows.
    pub(super) fn start_over(&mut self) {
        let fresh = Self::new(self.plan.clone(), self.told.clone());
        let before = std::mem::replace(self, fresh);
        self.owned = before.owned;
        self.tags_are_kept = before.tags_are_kept;
        // An address that was being added may be there, although nobody has noted it.
        self.inherited = before.inherited;
        self.facts = before.facts;
    }

    /// Says why this is the end.
    pub(super) fn fail(&mut self, failure: String) {
        self.facts.problem = Some(failure);
        self.news = true;
        self.tell();
    }

    /// Tells whether nothing on this host is ours.
    pub(super) fn holds_nothing(&self) -> bool {
        self.kernel.is_some() && self.owned.values().all(BTreeSet::is_empty)
    }

    /// Tells the election what is new, if anything is.
    pub(super) fn tell(&mut self) {
        if std::mem::take(&mut self.news) {
            self.told.send_replace(self.facts.clone());
        }
    }

    /// Returns when there is something to do although nothing happened.
    pub(super) fn next_due(&self, now: Instant) -> Option<Instant> {
        let announcement = self.announcements.next_due().map(|due| due.max(self.quiet_until));
        // Without the kernel only the next attempt to reach it makes sense.
        let reached = self.kernel.is_some();
        let unsettled = (reached && self.stale).then_some(Instant::default());
        let refresh = self.refresh_at.filter(|_| reached);
        let calm = self.fights.next_due().filter(|_| reached);
        let all = [unsettled, announcement, refresh, calm, self.retry.at, self.end_of_move(now)];
        let rest = if self.is_in_doubt(now) { now + DOUBT_PAUSE } else { Instant::default() };
        all.into_iter().flatten().min().map(|due| due.max(rest))
    }

    /// Waits until the kernel has something to tell.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match &self.kernel {
            Some(kernel) => kernel.readable().await,
            None => future::pending().await,
        }
    }

    /// Tells whether peers may have taken over without the election here having noticed yet: it
    /// has said nothing for too long. Then nothing is added, refreshed or announced.
    fn is_in_doubt(&self, now: Instant) -> bool {
        let Some(confirmed_at) = self.confirmed_at else { return true };
        self.plan.routers.iter().zip(&self.claims).any(|(planned, claim)| {
            let said_at = confirmed_at.max(claim.claimed_at);
            claim.claimed && now.since(said_at) > planned.patience
        })
    }

    fn try_correct(&mut self, now: Instant) -> Result<(), NetError> {
        if self.kernel.is_none() {
            self.connect()?;
        }
        self.follow()?;
        let due = [self.retry.at, self.fights.next_due()];
        self.stale |= due.into_iter().flatten().any(|at| at <= now);
        // What the corrections caused is read at once, so that it can be announced at once.
        for _ in 0..2 {
            if std::mem::take(&mut self.stale) {
                self.observe(now);
                self.apply(now)?;
                self.follow()?;
            }
        }
        self.refresh(now)
    }

    fn connect(&mut self) -> Result<(), NetError> {
        let mut kernel = Netlink::open()?;
        self.links.reset(kernel.dump()?);
        self.kernel = Some(kernel);
        self.stale = true;
        let Self { links, owned, tags_are_kept, .. } = self;
        owned.retain(|index, owned| {
            let Some(link) = links.at(*index) else { return false };
            // While nobody listened, an address of ours may have become somebody else's.
            owned.retain(|address| {
                let mark = link.addresses().get(address);
                mark.is_some_and(|mark| mark.protocol == PROTOCOL || !*tags_are_kept)
            });
            true
        });
        Ok(())
    }

    /// Learns what happened in the kernel.
    fn follow(&mut self) -> Result<(), NetError> {
        let Some(kernel) = &mut self.kernel else { return Ok(()) };
        for event in kernel.events()? {
            match &event {
                KernelEvent::Address { protocol, .. } => {
                    self.tags_are_kept |= *protocol == PROTOCOL
                }
                KernelEvent::AddressGone { index, address } => {
                    self.owned.entry(*index).or_default().remove(address);
                }
                KernelEvent::LinkGone { index } => drop(self.owned.remove(index)),
                KernelEvent::Link { .. } => {}
            }
            self.links.handle(event);
            self.stale = true;
        }
        Ok(())
    }

    /// Draws the conclusions from what is known of the kernel.
    fn observe(&mut self, now: Instant) {
        let views: Vec<_> = (0..self.places.len()).map(|link| self.observe_link(link)).collect();
        for (router, planned) in self.plan.routers.iter().enumerate() {
            let before = self.facts.links.get(planned.link).and_then(|view| view.mac);
            if before.is_some() && before != views[planned.link].mac {
                self.announcements.repeat(router, now);
            }
        }
        if self.facts.links != views {
            self.facts.links = views;
            self.news = true;
        }
        self.fights.age(now);
        let in_doubt = self.is_in_doubt(now);
        for router in 0..self.plan.routers.len() {
            self.observe_router(router, in_doubt, now);
        }
        for news in self.fights.news(now) {
            news.log(&self.plan);
        }
    }

    fn observe_link(&mut self, link: usize) -> LinkView {
        let found = self.links.named(&self.plan.links[link]);
        let index = found.map(|(index, _)| index);
        if self.places[link].index != index {
            self.places[link] = Place { index, ..Place::default() };
            let routers = self.plan.routers.iter().zip(&mut self.facts.routers);
            for (_, facts) in routers.filter(|(planned, _)| planned.link == link) {
                // They were assigned to another link of that name: this is no loss.
                facts.addresses.iter_mut().for_each(|held| held.assigned = false);
            }
        }
        let Some((index, link)) = found else { return LinkView::default() };
        let nothing = BTreeSet::new();
        let ours = self.owned.get(&index).unwrap_or(&nothing);
        LinkView {
            index: Some(index),
            carrier: link.carrier(),
            mac: link.mac(),
            primary: link.sources(ours, |held| self.virtual_addresses.contains(&held)).ipv4,
        }
    }

    fn observe_router(&mut self, router: usize, in_doubt: bool, now: Instant) {
        let planned = &self.plan.routers[router];
        let facts = &mut self.facts.routers[router];
        let claimed = self.claims[router].claimed;
        let index = self.places[planned.link].index;
        let link = index.and_then(|index| self.links.at(index));
        let owned = index.and_then(|index| self.owned.get(&index));
        for (place, address) in planned.addresses.iter().enumerate() {
            let slot = (router, place);
            let held = &mut facts.addresses[place];
            let before = *held;
            held.assigned = link.is_some_and(|link| link.addresses().contains_key(address));
            held.ours = held.assigned && owned.is_some_and(|owned| owned.contains(address));
            if !claimed {
                self.fights.forget(slot);
            } else if before.assigned && !held.assigned && !in_doubt {
                held.lost += 1;
                self.places[planned.link].lost += 1;
                self.fights.lose(slot, planned.link, now);
            }
            held.contested = self.fights.is_contested(slot);
            self.news |= *held != before;
            if claimed && held.assigned {
                let pause = if held.contested { FIGHT_PAUSE } else { Duration::ZERO };
                self.announcements.begin(slot, pause, now);
            } else {
                self.announcements.cease(slot);
            }
        }
    }

    /// Makes the difference good.
    fn apply(&mut self, now: Instant) -> Result<(), NetError> {
        let mut refused = Vec::new();
        let in_doubt = self.is_in_doubt(now);
        let claimed = self.claimed();
        for (index, wanted) in self.wanted() {
            let Some(link) = self.links.at(index) else { continue };
            let left = self.left_on(index, link);
            let mut nameless = Place::default();
            let place = self.places.iter_mut().find(|place| place.index == Some(index));
            let place = place.unwrap_or(&mut nameless);
            let lost = std::mem::take(&mut place.lost);
            let owned = self.owned.entry(index).or_default();
            let mut changes = address::reconcile(&wanted, link.addresses(), owned, &left);
            // What is only yielded may stay, not come.
            changes.add.retain(|address| claimed.contains(&(index, *address)));
            if in_doubt && !changes.add.is_empty() {
                changes.add.clear();
                self.stale = true;
            }
            let Some(kernel) = self.kernel.as_mut().filter(|_| !changes.is_empty()) else {
                place.leftovers_are_gone |= self.inherited.is_some();
                continue;
            };
            if !changes.add.is_empty() {
                place.keep_secondaries(link.name());
            }
            let applied =
                address::apply(kernel, (index, link.name()), &changes, self.plan.lifetime)?;
            owned.extend(&applied.gained);
            if let (Some(lifetime), None) = (self.plan.lifetime, self.refresh_at) {
                self.refresh_at = Some(now + lifetime / REFRESHES_PER_LIFETIME);
            }
            place.leftovers_are_gone |= self.inherited.is_some();
            // What was only put back has been spoken of, as often as is good.
            let (added, removed) = (applied.gained.len(), changes.remove.len());
            if added > lost || removed > 0 {
                tracing::info!(link = link.name(), added, removed, "addresses changed");
            }
            refused.extend(applied.refused.into_iter().map(|(held, error)| (index, held, error)));
        }
        self.note_refusals(&refused);
        Ok(())
    }

    /// Returns what an earlier engine left on a link. Looking once is enough: what comes later is
    /// somebody else's.
    fn left_on(&self, index: u32, link: &KernelLink) -> BTreeSet<VirtualAddress> {
        let place = self.places.iter().position(|place| place.index == Some(index));
        let (Some(inherited), Some(place)) = (&self.inherited, place) else {
            return BTreeSet::new();
        };
        if self.places[place].leftovers_are_gone {
            return BTreeSet::new();
        }
        let routers = self.plan.routers.iter().filter(|planned| planned.link == place);
        let planned = routers.flat_map(|planned| planned.addresses.iter());
        let mut left = address::tagged(planned, link.addresses());
        let here = inherited.iter().filter(|held| held.link == self.plan.links[place]);
        left.extend(here.map(|held| held.address));
        left
    }

    /// Returns the addresses wanted on each link that may have one of ours.
    fn wanted(&self) -> BTreeMap<u32, BTreeSet<VirtualAddress>> {
        // A link that has lost its name to another one keeps nothing of ours.
        let mut wanted: BTreeMap<_, BTreeSet<_>> =
            self.owned.keys().map(|index| (*index, BTreeSet::new())).collect();
        for index in self.places.iter().filter_map(|place| place.index) {
            wanted.entry(index).or_default();
        }
        for (planned, here) in self.plan.routers.iter().zip(&self.here) {
            if let (true, Some(index)) = (*here, self.places[planned.link].index) {
                wanted.entry(index).or_default().extend(planned.addresses.iter());
            }
        }
        wanted
    }

    /// Tells the kernel that its addresses are still wanted, before their lifetime ends.
    fn refresh(&mut self, now: Instant) -> Result<(), NetError> {
        // To refresh an address that has just expired would bring it back.
        if self.refresh_at.is_none_or(|at| now < at) || self.is_in_doubt(now) {
            return Ok(());
        }
        let (Some(lifetime), Some(kernel)) = (self.plan.lifetime, &mut self.kernel) else {
            return Ok(());
        };
        for (index, owned) in &self.owned {
            if let Some(link) = self.links.at(*index) {
                let owned = owned.iter().copied();
                let refreshed = address::refresh(kernel, (*index, link.name()), owned, lifetime)?;
                // If that goes on, the address is lost, put back and counted.
                if let Some((_, error)) = refreshed.refused.first() {
                    tracing::warn!("{}", error.with_cause());
                }
            }
        }
        let holds_any = self.owned.values().any(|owned| !owned.is_empty());
        self.refresh_at = holds_any.then(|| now + lifetime / REFRESHES_PER_LIFETIME);
        Ok(())
    }

    fn note_problem(&mut self, problem: Option<String>) {
        if self.facts.problem != problem {
            if let Some(problem) = &problem {
                tracing::error!("{problem}");
            } else {
                tracing::info!("links and addresses can be read again");
            }
            self.facts.problem = problem;
            self.news = true;
        }
    }

    /// Tells each virtual router what was refused to it, and the log when that changes.
    fn note_refusals(&mut self, refused: &[(u32, VirtualAddress, NetError)]) {
        for (planned, facts) in self.plan.routers.iter().zip(&mut self.facts.routers) {
            let index = self.places[planned.link].index;
            let problem = refused
                .iter()
                .find(|(on, address, _)| Some(*on) == index && planned.addresses.contains(address));
            let problem = problem.map(|(_, _, error)| error.with_cause());
            if facts.problem != problem {
                facts.problem = problem;
                self.news = true;
            }
        }
        let first = refused.first().map(|(_, _, error)| (error.with_cause(), refused.len() - 1));
        if self.refusal != first {
            if let Some((problem, others)) = &first {
                tracing::error!(others, "{problem}");
            }
            self.refusal = first;
        }
    }
}

/// Time between two announcements of an address that comes and goes all the time.
const FIGHT_PAUSE: Duration = Duration::from_secs(1);

/// How soon the election is asked again whether it still stands by its claims.
const DOUBT_PAUSE: Duration = Duration::from_millis(10);

/// Two refreshes may fail before an address is lost.
const REFRESHES_PER_LIFETIME: u32 = 3;
