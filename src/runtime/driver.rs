//! The loop of the thread `vrrp`: waits for one event, hands it to the core, carries out the
//! actions.

mod attend;
mod examine;
mod guarding;
mod known_links;
mod link;
mod look;
mod neighbours;
mod nginx;
mod plan;
mod pulse;
mod ready;
mod sending;
mod show;
mod succession;
mod turn;

use std::collections::BTreeSet;
use std::future::poll_fn;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use self::known_links::{PATIENCE_WITH_NET, state_given, state_in};
use self::link::LinkSockets;
use self::look::Looks;
use self::neighbours::Neighbourhood;
use self::plan::{families, node_of, plan};
use self::pulse::Pulse;
use self::sending::Unreachable;
pub(super) use self::succession::Start;
use self::turn::Suspensions;
use super::attendance::Attendance;
use super::board_writer::BoardWriter;
use super::checks::{Check, PlannedCheck, Weighing};
use super::clock;
use super::events;
use super::failpoint::failpoint;
use super::guard::{self, Guard};
use super::handover::{Meeting, Neighbours, Outlook, Place};
use super::health::{self, Liveness};
use super::kernel::{AcceptFilter, KernelThread, LinkView, PlannedRouter};
use super::log;
use super::report;
use super::surroundings::Surroundings;
use super::tracking::Tracking;
use super::view::View;
use super::warnings::Warnings;
use super::will;
use crate::config::Config;
use crate::net::{Process, Timer};
use crate::proto::{Action, Input, LinkId, Node, RouterId, State, Transition};
use crate::status::Board;
use crate::succession::{Incident, Succession, Will};
use crate::types::{Family, Instant, LinkName};

/// Everything the loop owns.
pub(super) struct Driver<'a> {
    node: Node,
    kernel: KernelThread,
    /// For the addresses on which this host does not answer.
    filter: Option<Arc<AcceptFilter>>,
    guard: Guard,
    links: LinkSockets,
    /// What `vrrp-net` knows of each router.
    planned_routers: Vec<PlannedRouter>,
    /// The links that `vrrp-net` watches.
    watched: Vec<LinkName>,
    /// The facts about each of them; empty until the first facts.
    known_links: Vec<LinkView>,
    /// The predecessor's facts about them, used if `vrrp-net` has none until `links_awaited_until`.
    links_before: Vec<LinkView>,
    links_awaited_until: Instant,
    timer: Timer,
    /// The deadline that the timer is set to; it may be earlier than the core's, never later.
    armed: Option<Instant>,
    /// The last turn of the loop.
    awake_at: Instant,
    /// The end of the wait that it began then.
    wake_by: Instant,
    suspensions: Suspensions,
    pulse: Pulse,
    master: Option<Process>,
    liveness: Liveness,
    checks: watch::Receiver<Vec<Check>>,
    planned: Vec<PlannedCheck>,
    weighing: Weighing,
    tracking: Tracking,
    succession: Succession,
    meeting: Meeting,
    neighbourhood: Neighbourhood,
    board: &'a mut Board,
    view: View,
    board_writer: BoardWriter,
    warnings: Warnings,
    /// When to examine the node next.
    examine_at: Instant,
    attendance: Attendance,
    looks: Looks,
    unreachable: Unreachable,
    /// Routers whose addresses the core knows to be unavailable.
    troubled: BTreeSet<RouterId>,
    /// The message being sent; kept so that sending allocates nothing.
    outgoing: Vec<u8>,
    incoming: Box<[u8; MAX_DATAGRAM]>,
}

/// What woke the loop.
enum Event {
    Stop,
    Deadline,
    Readable(LinkId),
    Facts,
    KernelEnded,
    MasterDied,
    Checked,
    Incident(Incident),
    LookedAround(Outlook),
}

/// Why the loop ended.
pub(super) enum End {
    /// nginx wanted it to stop.
    Stopped,
    /// It has to run again: the routers come back, or another engine has to be found.
    Again(Start),
}

impl<'a> Driver<'a> {
    /// Starts the thread `vrrp-net` and everything the loop needs. Must be called within a runtime.
    pub(super) fn new(
        config: &Config,
        board: &'a mut Board,
        surroundings: &Surroundings,
        checks: watch::Receiver<Vec<Check>>,
        start: Start,
    ) -> io::Result<Self> {
        let place = Place::find(config.run_dir.as_deref());
        board.set_run_dir(place.as_ref().map_or(Path::new(""), Place::directory));
        let will = will::read(board, &guard::recall(place.as_ref().ok()));
        let (node, place_id) = (node_of(config), place.as_ref().ok().and_then(Place::id));
        let mut plan = plan(config, &node, place_id);
        let (tracking, filter) = (Tracking::new(config, &mut plan.links), plan.filter.clone());
        let (watched, planned_routers) = (plan.links.clone(), plan.routers.clone());
        let guard = Guard::new(surroundings, place.as_ref().ok(), filter.clone(), clock::now());
        let kernel = KernelThread::start(plan)?;
        let went_on = will.as_ref().is_some_and(Will::has_running_routers);
        let liveness = Liveness::new(config.health, &surroundings.checks, went_on, clock::now());
        let routers: Vec<_> = node.routers().map(|router| node.key_of(router)).collect();
        let neighbours = Neighbours::new(place_id, routers.iter().cloned());
        let meeting = Meeting::new(place, start.holder);
        let given = state_given(&start.beginning).cloned();
        let succession =
            Succession::new(start.beginning, will, meeting.is_possible(), clock::now());
        let mut driver = Self {
            links: LinkSockets::new(families(&node)),
            unreachable: Unreachable::new(),
            planned_routers,
            watched,
            known_links: Vec::new(),
            links_before: Vec::new(),
            links_awaited_until: clock::now() + PATIENCE_WITH_NET,
            view: View::new(board, config),
            board_writer: BoardWriter::new(board, config),
            warnings: Warnings::new(board, clock::now()),
            examine_at: Instant::default(),
            attendance: Attendance::new(config.address_lifetime, clock::now()),
            looks: Looks::default(),
            troubled: BTreeSet::new(),
            board,
            liveness,
            checks,
            planned: surroundings.checks.clone(),
            tracking,
            weighing: Weighing::new(config.instances.iter().map(|it| it.priority)),
            succession,
            meeting,
            neighbourhood: Neighbourhood::new(neighbours, routers, clock::now()),
            node,
            kernel,
            filter,
            guard,
            timer: Timer::new()?,
            armed: None,
            awake_at: clock::now(),
            wake_by: clock::now(),
            suspensions: Suspensions::new(clock::suspended()),
            pulse: Pulse::new(BEAT.min(health::pace(config.health)), clock::now()),
            master: None,
            outgoing: Vec::with_capacity(MAX_DATAGRAM),
            incoming: Box::new([0; MAX_DATAGRAM]),
        };
        if let Some(state) = given {
            driver.take_given(&state, clock::now());
        }
        driver.watch_master(surroundings.master_pid);
        driver.perform_commands();
        failpoint("start").map_err(io::Error::other)?;
        Ok(driver)
    }

    /// Runs until nginx wants it to stop. An error means that something has failed which this
    /// thread cannot do without.
    pub(super) async fn run(&mut self, stopping: watch::Receiver<bool>) -> Result<End, String> {
        let mut stopping = Some(stopping);
        loop {
            if let Some(end) = self.settle() {
                return Ok(end);
            }
            if self.pulse.is_due(clock::now(), self.next_deadline()) {
                failpoint("vrrp")?;
                self.take_beat();
                if let Some(problem) = self.is_blind() {
                    return Err(problem);
                }
                continue;
            }
            self.arm().map_err(|error| format!("cannot set the timer: {error}"))?;
            let event = self.next_event(&mut stopping).await;
            if let Some(end) = self.catch_up() {
                return Ok(end);
            }
            let ended = match event {
                Event::Stop => {
                    stopping = None;
                    self.tell(Incident::StopAsked)
                }
                Event::Incident(incident) => {
                    failpoint("incident")?;
                    if let Some(state) = state_in(&incident) {
                        self.take_given(state, clock::now());
                    }
                    self.tell(incident)
                }
                Event::Deadline => {
                    self.armed = None;
                    None
                }
                Event::Readable(link) => {
                    self.receive(link);
                    None
                }
                Event::Facts => {
                    self.take_facts();
                    None
                }
                Event::LookedAround(outlook) => {
                    self.take_outlook(outlook, clock::now());
                    None
                }
                Event::KernelEnded if self.succession.is_retired() => {
                    self.tell(Incident::KernelEnded)
                }
                Event::KernelEnded => return Err(self.kernel.failure()),
                Event::Checked => {
                    self.judge_health(clock::now());
                    None
                }
                Event::MasterDied => {
                    self.master = None;
                    self.liveness.master_died();
                    self.judge_health(clock::now());
                    None
                }
            };
            if let Some(end) = ended {
                return Ok(end);
            }
        }
    }

    /// Resigns and waits until the addresses are removed, for at most [`RELEASE_TIMEOUT`]; unless
    /// another engine has them now. Returns how to start again after a failure.
    pub(super) fn leave(mut self) -> Start {
        self.tell(Incident::LoopEnded);
        if self.succession.is_retired() {
            return self.succession.after_a_failure().into();
        }
        if self.succession.is_waiting() {
            // What was claimed a moment ago still belongs to the predecessor.
            self.kernel.abandon();
            self.guard.dismiss();
            return self.succession.after_a_failure().into();
        }
        self.node.handle(Input::Shutdown, clock::now());
        self.perform_actions();
        if self.kernel.stop(RELEASE_TIMEOUT) {
            self.guard.dismiss();
        } else {
            tracing::warn!("addresses are not released yet; the guard is to remove them");
            self.guard.let_go();
        }
        let changed = self.view.take_facts(&self.kernel.facts());
        self.show_addresses(changed);
        self.succession.after_a_failure().into()
    }

    /// Handles the deadlines that have passed, and carries out the actions.
    fn settle(&mut self) -> Option<End> {
        let now = clock::now();
        // Handling the last event may have taken long.
        if let Some(end) = self.notice_a_pause(now) {
            return Some(end);
        }
        self.beat(now);
        if !self.succession.is_retired() {
            self.node.handle_timeout(now);
        }
        self.perform_actions();
        let end = self.settle_succession(now);
        self.perform_actions();
        if !self.succession.is_retired() {
            self.kernel.confirm(now);
        }
        end
    }

    fn next_deadline(&self) -> Option<Instant> {
        let election = self.node.poll_timeout().filter(|_| !self.succession.is_retired());
        election.into_iter().chain(self.succession.poll_timeout()).min()
    }

    /// Sets the timer to the next deadline.
    fn arm(&mut self) -> io::Result<()> {
        let beat = self.pulse.wake_at();
        let due = self.next_deadline().map_or(beat, |deadline| deadline.min(beat));
        self.wake_by = due;
        // A deadline that moved away needs no new timer: the old one wakes us once for nothing,
        // which is cheaper than a system call for every advertisement heard.
        if self.armed.is_none_or(|armed| due < armed) {
            self.timer.set(Some(due))?;
            self.armed = Some(due);
        }
        Ok(())
    }

    async fn next_event(&mut self, stopping: &mut Option<watch::Receiver<bool>>) -> Event {
        let Self { kernel, links, timer, master, checks, succession, meeting, .. } = self;
        let neighbourhood = &mut self.neighbourhood;
        let facts = kernel.facts_mut();
        let busy = !succession.is_retired();
        let needs_the_kernel = succession.needs_the_kernel();
        tokio::select! {
            biased;
            _ = timer.expired() => Event::Deadline,
            changed = facts.changed(), if needs_the_kernel => match changed {
                Ok(()) => Event::Facts,
                Err(_) => Event::KernelEnded,
            },
            () = exited(master.as_ref()) => Event::MasterDied,
            incident = poll_fn(|cx| meeting.poll_incident(cx)) => Event::Incident(incident),
            // Whoever has come to the door before that can have the routers.
            () = stop_requested(stopping.as_mut()) => Event::Stop,
            outlook = poll_fn(|cx| neighbourhood.poll_look(cx)) => Event::LookedAround(outlook),
            Ok(()) = checks.changed(), if busy => Event::Checked,
            link = poll_fn(|cx| links.poll_readable(cx)) => Event::Readable(link),
        }
    }

    fn receive_all(&mut self) {
        for link in self.links.pending() {
            self.receive(link);
        }
    }

    fn receive(&mut self, link: LinkId) {
        for family in self.links.families_on(link).iter() {
            self.receive_of(link, family);
        }
    }

    /// Receives at most [`BATCH`] datagrams of a family on a link, so that a flood delays no
    /// deadline.
    fn receive_of(&mut self, link: LinkId, family: Family) {
        for _ in 0..BATCH {
            match self.links.receive(link, family, &mut self.incoming[..]) {
                Ok(received) => {
                    self.node.handle(Input::Datagram { link, received }, clock::now());
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // ENETDOWN and the like: the facts about the link show that, too.
                Err(_) => return,
            }
        }
    }

    fn take_beat(&mut self) {
        let now = clock::now();
        log::show(self.board);
        self.pulse.note(now);
        self.armed = None;
        let unsent = self.meeting.beat();
        self.succession.handle(Incident::Beat { unsent }, now);
        self.look_around(now);
        if self.succession.is_retired() {
            return self.refer(now);
        }
        self.judge_health(now);
        self.judge_addresses(now);
        self.take_links_before(now);
        self.retry_links(now);
        self.try_mute_routers(now);
        self.look_out(now);
        self.tell_guard(Some(now));
        if !self.succession.is_waiting() {
            self.show_all(now);
            self.examine(now);
        }
    }

    fn drain(&mut self, draining: bool, now: Instant) {
        tracing::info!("{}", if draining { "drains" } else { "takes part again" });
        self.node.handle(Input::Drain(draining), now);
        // At once: if this engine fails before the next beat, its successor drains, too.
        self.board.set_draining(draining);
        self.succession.handle(Incident::Drained, now);
    }

    fn perform_actions(&mut self) {
        while let Some(action) = self.node.poll_action() {
            match action {
                Action::Advertise { router, priority } => self.advertise(router, priority),
                Action::Claim(router) => {
                    self.guard.claim(router);
                    self.kernel.claim(router.0, true);
                }
                Action::Release(router) => {
                    self.guard.release(router);
                    self.kernel.claim(router.0, false);
                }
                Action::Announce(router) => self.kernel.announce(router.0),
                Action::Yield { router, until } => {
                    self.guard.release(router);
                    self.kernel.yield_until(router.0, until);
                }
                Action::Relay { router, to, until } => self.kernel.relay(router.0, to, until),
                Action::Transition(transition) => {
                    self.show_transition(&transition);
                    let changed = Incident::Changed(transition.router);
                    self.succession.handle(changed, transition.at);
                }
                // Logged as a warning.
                Action::Report(report) if report.problem.lasts() => {}
                Action::Report(report) => report::report(&self.node, &report),
            }
        }
        self.guard.forget(|router| !self.view.holds_any(router));
        // Until the takeover is confirmed, the predecessor's guard guards the routers.
        if !self.succession.is_waiting() {
            self.tell_guard(None);
        }
    }

    fn show_transition(&mut self, transition: &Transition) {
        if transition.to == State::Active {
            self.attendance.note_takeover(transition.router, transition.at);
        }
        report::transition(&self.node, transition);
        self.board_writer.show(self.board, &self.view, &self.node, transition.router);
        events::push(self.board, self.node.snapshot(transition.router).name, transition);
    }
}

/// Waits for the request to stop. Dropping the engine is one, too.
async fn stop_requested(stopping: Option<&mut watch::Receiver<bool>>) {
    match stopping {
        Some(stopping) => drop(stopping.wait_for(|stop| *stop).await),
        None => std::future::pending().await,
    }
}

async fn exited(process: Option<&Process>) {
    match process {
        Some(process) => drop(process.exited().await),
        None => std::future::pending().await,
    }
}

/// The interval of the heartbeat on the board, and of the check of the workers.
const BEAT: Duration = Duration::from_millis(100);
/// Datagrams received before deadlines are checked again.
const BATCH: usize = 64;
/// Room for the largest advertisement, of 255 IPv6 addresses. A longer datagram is cut, and refused
/// for its length.
const MAX_DATAGRAM: usize = 4352;
/// Less than the second after which nginx kills its carrier.
const RELEASE_TIMEOUT: Duration = Duration::from_millis(300);
