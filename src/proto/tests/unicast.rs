//! A router that speaks to each of its peers, and hears nobody else.

use super::*;
use crate::config::UnicastConfig;

const STRANGER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 66);

#[test]
fn each_peer_gets_an_advertisement_of_its_own() {
    let subject = active(&unicast());

    let sent: Vec<_> = subject
        .node
        .destinations(ROUTER)
        .map(|destination| {
            let mut message = Vec::new();
            let priority = Priority::new(100);
            let sent = subject.node.encode(ROUTER, priority, destination, &mut message);
            (sent.unwrap(), message)
        })
        .collect();

    let expected = [LOWER, HIGHER].map(|peer| Advert::new(100).from(OURS).to(peer).sent());
    assert_eq!(sent, expected);
}

#[test]
fn source_and_hop_limit_are_those_that_are_configured() {
    let other = Ipv4Addr::new(198, 51, 100, 7);
    let config = with(UnicastConfig { source: Some(other.into()), hop_limit: 64, ..peers() });
    let mut subject = Subject::stopped(&config);
    subject.has(&[other]);
    subject.handle(Input::Startup);
    subject.run(DOWN);

    let mut message = Vec::new();
    let envelope = subject.node.encode(ROUTER, Priority::new(100), LOWER.into(), &mut message);

    let expected = Advert { hop_limit: 64, ..Advert::new(100).from(other).to(LOWER) };
    assert_eq!((envelope.unwrap(), message), expected.sent());
    assert_eq!(subject.snapshot().active.unwrap().address, other);
}

#[test]
fn only_what_a_peer_sends_to_this_node_counts() {
    let mut subject = active(&unicast());
    let better = Advert::new(200);

    subject.hears(&better.clone().from(STRANGER).to(OURS));
    subject.hears(&better.clone().from(STRANGER));
    subject.hears(&better.clone().from(LOWER));
    subject.hears(&better.clone().from(LOWER).to(Ipv4Addr::BROADCAST));
    subject.hears(&better.clone().from(OURS).to(OURS));
    assert_eq!(subject.state(), State::Active);
    let counted = [Discard::Unlisted, Discard::Martian, Discard::OwnSource];
    assert_eq!(counted.map(|discard| subject.discarded(discard)), [2, 2, 1]);

    subject.hears(&better.from(LOWER).to(OURS));
    assert_eq!(subject.state(), State::Backup);
}

#[test]
fn a_router_of_the_group_does_not_hear_what_is_sent_to_it_alone() {
    let mut subject = Subject::active(&config());

    subject.hears(&Advert::new(200).to(OURS));

    assert_eq!((subject.state(), subject.discarded(Discard::Martian)), (State::Active, 1));
}

/// The one that is named is the first: a flood of forged sources is one warning.
#[test]
fn whoever_is_ignored_is_named_until_it_is_gone() {
    for (advert, why) in [
        (Advert::new(200).from(STRANGER).to(OURS), Discard::Unlisted),
        (Advert::new(200).from(LOWER), Discard::Martian),
        (Advert { hop_limit: 254, ..Advert::new(200).to(OURS) }, Discard::Ttl),
    ] {
        let mut subject = active(&unicast());

        subject.hears(&advert);
        assert_eq!(subject.snapshot().discarded_peer, None, "one may be a mistake");
        subject.hears(&advert);
        for last in 100..200 {
            let forged = Ipv4Addr::new(203, 0, 113, last);
            subject.hears(&Advert::new(200).from(forged).to(OURS));
        }
        assert_eq!(subject.snapshot().discarded_peer, Some((advert.source, why)));
        subject.run(60 * SECOND);
        assert_eq!(subject.snapshot().discarded_peer, None);
    }
}

#[test]
fn what_has_crossed_more_routers_than_is_allowed_is_discarded() {
    let hears = |min_hop_limit, hop_limit| {
        let mut subject = active(&with(UnicastConfig { min_hop_limit, ..peers() }));
        subject.hears(&Advert { hop_limit, ..Advert::new(200).to(OURS) });
        subject.state() == State::Backup
    };

    assert!(hears(255, 255) && hears(254, 254) && hears(254, 255) && hears(1, 1));
    assert!(!hears(255, 254) && !hears(254, 253));
}

#[test]
fn without_its_source_on_this_host_a_router_is_in_fault() {
    let source = Ipv4Addr::new(198, 51, 100, 7);
    let mut subject =
        Subject::stopped(&with(UnicastConfig { source: Some(source.into()), ..peers() }));
    subject.handle(Input::Startup);
    assert_eq!(subject.state(), State::Initialize, "nothing is known yet");

    subject.has(&[]);
    assert_eq!(subject.reason(), Some(Reason::NoPrimaryAddress));
    let fault = "source 198.51.100.7 is not an address of this host";
    assert_eq!(subject.snapshot().fault.as_deref(), Some(fault));

    subject.has(&[source]);
    assert_eq!(subject.takes_over_after(), DOWN);

    subject.has(&[]);
    assert_eq!(subject.state(), State::Active, "for a moment nobody can have taken over");
    assert_eq!(effects(subject.has(&[source])), [advertise(100), ANNOUNCE]);
    subject.has(&[]);
    let done = timed_effects(subject.run(3 * SECOND));
    assert_eq!(done.iter().map(|(_, it)| it.clone()).collect::<Vec<_>>(), [advertise(0), RELEASE]);
}

#[test]
fn a_node_is_no_peer_of_itself() {
    let mut subject = active(&unicast());

    let done = effects(subject.has(&[LOWER]));

    assert_eq!(done, [advertise(0), RELEASE]);
    assert_eq!(subject.reason(), Some(Reason::OwnPeer));
    let fault = "peer 192.0.2.2 is an address of this host: peers are the other nodes alone";
    assert_eq!(subject.snapshot().fault.as_deref(), Some(fault));
    subject.has(&[]);
    assert_eq!(subject.takes_over_after(), DOWN);
}

/// One forged datagram must not have this host send one to each of 254 peers.
#[test]
fn a_router_with_peers_answers_a_lower_one_once_an_interval() {
    let mut subject = active(&unicast());
    let lower = Advert::new(50).to(OURS);

    let mut answers = || {
        let done = effects(subject.hears(&lower));
        done.iter().filter(|it| **it == advertise(100)).count()
    };
    assert_eq!([(); 4].map(|()| answers()), [1, 0, 0, 0]);

    subject.run(SECOND);
    assert!(effects(subject.hears(&lower)).contains(&advertise(100)));
}

#[test]
fn a_successor_knows_when_each_peer_was_heard() {
    let mut subject = Subject::started_with_peers(&unicast());
    subject.hears(&Advert::new(200).to(OURS));
    let heard_at = subject.now;
    subject.run(SECOND);
    let bequests = subject.node.bequeath(subject.now);

    let mut heir = Subject::stopped(&with(UnicastConfig {
        peers: [HIGHER, LOWER, STRANGER].map(IpAddr::from).to_vec(),
        ..peers()
    }));
    heir.now = subject.now;
    heir.has(&[]);
    heir.node.inherit(&bequests, heir.now).unwrap();

    let heard = heir.snapshot().peers.iter().map(|peer| peer.last_heard).collect::<Vec<_>>();
    assert_eq!(heard, [None, Some(heard_at), None]);
}

#[test]
fn of_what_is_seen_on_the_link_only_the_group_tells_that_peers_are_configured_otherwise() {
    let subject = active(&unicast());
    let sees = |advert: &Advert| subject.node.sight(LINK, &advert.datagram()).map(|it| it.what);
    let better = Advert::new(150);

    let acceptable = Sighted::Acceptable { priority: Priority::new(150) };
    assert_eq!(sees(&better.clone().to(OURS)), Some(acceptable));
    assert_eq!(sees(&better), Some(Sighted::To(GROUP_IPV4.into())));
    let stranger = better.clone().from(STRANGER);
    assert_eq!(sees(&stranger), Some(Sighted::To(GROUP_IPV4.into())));
    assert_eq!(sees(&stranger.to(OURS)), None, "it is received, counted and named");
    assert_eq!(sees(&better.to(HIGHER)), None, "a switch shows what is for another peer");
}

#[test]
fn the_group_is_joined_only_where_a_router_hears_it() {
    let elsewhere = InstanceConfig { interface: LinkName::new("eth1").unwrap(), ..config() };
    let node = Node::new(&[unicast(), elsewhere]);

    let joined = [LINK, LinkId(1)].map(|link| node.groups_on(link).has(Family::Ipv4));
    assert_eq!(joined, [false, true]);
}

/// A router with two peers.
fn unicast() -> InstanceConfig {
    with(peers())
}

fn with(unicast: UnicastConfig) -> InstanceConfig {
    InstanceConfig { unicast: Some(unicast), ..config() }
}

fn peers() -> UnicastConfig {
    UnicastConfig {
        peers: [LOWER, HIGHER].map(IpAddr::from).to_vec(),
        source: None,
        hop_limit: HOP_LIMIT,
        min_hop_limit: HOP_LIMIT,
    }
}

/// An Active router on a host that has none of the addresses it speaks to.
fn active(config: &InstanceConfig) -> Subject {
    let mut subject = Subject::started_with_peers(config);
    subject.run(DOWN);
    assert_eq!(subject.state(), State::Active);
    subject
}

impl Subject {
    fn started_with_peers(config: &InstanceConfig) -> Self {
        let mut subject = Self::stopped(config);
        subject.has(&[]);
        subject.handle(Input::Startup);
        subject
    }

    /// Tells which of the addresses of the router this host has.
    fn has(&mut self, own: &[Ipv4Addr]) -> Vec<Action> {
        let addresses: Vec<_> = own.iter().copied().map(IpAddr::from).collect();
        self.handle(Input::OwnAddresses { router: ROUTER, addresses: &addresses })
    }
}
