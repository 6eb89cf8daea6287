//! A node of a thousand virtual routers: what it costs grows with what changes.

use std::time::Duration;

use resty_vrrp::config::InstanceConfig;
use resty_vrrp::proto::{
    Action, Health, Input, LinkCarrier, LinkFacts, LinkId, Node, RouterId, State,
};
use resty_vrrp::types::{Instant, LinkName, Sources};

use crate::setup::{US, Vary as _, b3, ms, secs};

#[test]
fn a_link_that_changes_settles_its_own_routers_and_no_others() {
    let mut crowd = Crowd::active();

    let settled = crowd.settled_by(Input::Link { link: LinkId(2), facts: link_down() });

    assert_eq!(settled, u64::from(PER_LINK));
    let blinks = |router: &RouterId| crowd.node.snapshot(*router).interruption.is_some();
    let interrupted = crowd.node.routers().filter(blinks);
    let links = interrupted.map(|router| crowd.node.link_of(router));
    assert_eq!(links.collect::<Vec<_>>(), [LinkId(2); PER_LINK as usize]);
}

#[test]
fn facts_that_are_not_new_cost_nothing_and_change_nothing() {
    let mut crowd = Crowd::active();
    crowd.handle(Input::Tracked { router: RouterId(7), down: Some("interface eth9 is down") });

    let mut settled = 0;
    for link in 0..LINKS {
        settled += crowd.settled_by(Input::Link { link: LinkId(link), facts: link_up() });
    }
    for router in crowd.node.routers() {
        let down = (router == RouterId(7)).then_some("interface eth9 is down");
        settled += crowd.settled_by(Input::Tracked { router, down });
    }

    assert_eq!((settled, crowd.node.poll_action()), (0, None));
}

#[test]
fn a_tracked_interface_settles_the_router_that_tracks_it() {
    let mut crowd = Crowd::active();
    let down = Some("interface eth9 is down");

    let settled = crowd.settled_by(Input::Tracked { router: RouterId(600), down });

    assert_eq!(settled, 1);
    let faults = crowd.node.routers().filter(|router| crowd.state(*router) == State::Fault);
    assert_eq!(faults.collect::<Vec<_>>(), [RouterId(600)]);
}

/// Each turn of the loop takes longer than the interval, whatever the reason.
#[test]
fn an_engine_that_is_late_for_all_routers_announces_once_for_each_of_them() {
    let mut crowd = Crowd::active();

    let announced = crowd.run_in_turns_of(ms(150), secs(60));

    assert_eq!(announced, CROWD);
}

#[test]
fn after_each_pause_of_an_engine_that_is_in_time_all_is_announced_once() {
    let mut crowd = Crowd::active();

    for _ in 0..3 {
        assert_eq!(crowd.run_in_turns_of(ms(1), secs(2)), 0, "in time");
        assert_eq!(crowd.run_in_turns_of(ms(250), ms(250)), CROWD, "after a pause");
    }
}

/// Announcing takes time, too: more of it than there is until the next advertisement.
#[test]
fn announcements_for_a_lateness_do_not_make_the_next_one() {
    let mut crowd = Crowd::active();
    let mut announced = Vec::new();

    for _ in 0..100 {
        let before = announced.last().copied().unwrap_or(CROWD);
        let busy = ms(10) + Duration::from_micros(200) * u32::try_from(before).unwrap();
        announced.push(crowd.run_in_turns_of(busy, busy));
    }

    assert_eq!(announced[1..], [0; 99], "the first turn is late, and no other one");
}

/// The node with the clock of its host.
struct Crowd {
    node: Node,
    now: Instant,
}

impl Crowd {
    /// All routers are Active, and have done what Active routers do at first.
    fn active() -> Self {
        let mut crowd = Self { node: Node::new(&instances()), now: Instant::from_nanos(1) };
        for link in 0..LINKS {
            crowd.handle(Input::Link { link: LinkId(link), facts: link_up() });
        }
        crowd.handle(Input::Health(Health::Serving));
        crowd.handle(Input::Startup);
        crowd.run_in_turns_of(ms(1), secs(1));
        assert!(crowd.node.routers().all(|router| crowd.state(router) == State::Active));
        crowd
    }

    fn handle(&mut self, input: Input<'_>) {
        self.node.handle(input, self.now);
        while self.node.poll_action().is_some() {}
    }

    /// Returns how often a router is settled because of an input.
    fn settled_by(&mut self, input: Input<'_>) -> u64 {
        let before = self.node.settled();
        self.node.handle(input, self.now);
        self.node.settled() - before
    }

    /// Has the loop turn again and again, and returns how many announcements that asks for.
    fn run_in_turns_of(&mut self, turn: Duration, time: Duration) -> usize {
        let end = self.now + time;
        let mut announced = 0;
        while self.now < end {
            self.now = self.now + turn;
            self.node.handle_timeout(self.now);
            while let Some(action) = self.node.poll_action() {
                announced += usize::from(matches!(action, Action::Announce(_)));
            }
        }
        announced
    }

    fn state(&self, router: RouterId) -> State {
        self.node.snapshot(router).state
    }
}

fn instances() -> Vec<InstanceConfig> {
    let on_link = |link| {
        let interface = LinkName::new(&format!("eth{link}")).unwrap();
        let router = b3().every_cs(10);
        (1..=PER_LINK).map(move |vrid| InstanceConfig { interface, ..router.clone().vrid(vrid) })
    };
    (0..LINKS).flat_map(on_link).collect()
}

fn link_up() -> LinkFacts {
    LinkFacts::new(LinkCarrier::Up, Sources { ipv4: Some(US), ..Sources::default() })
}

fn link_down() -> LinkFacts {
    LinkFacts::new(LinkCarrier::Down, Sources::default())
}

const LINKS: usize = 4;
const PER_LINK: u8 = 250;
const CROWD: usize = LINKS * PER_LINK as usize;
