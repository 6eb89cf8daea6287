//! A router that listens on one link, and has its addresses on another one.

use super::*;

const PARENT: LinkId = LinkId(0);
const VIRTUAL: LinkId = LinkId(1);

#[test]
fn a_router_hears_where_it_listens_and_sends_from_where_it_speaks() {
    let mut subject = subject();
    subject.tell(PARENT, LinkCarrier::Up, Some(HIGHER));
    subject.tell(VIRTUAL, LinkCarrier::Up, Some(OURS));
    subject.run(DOWN);
    let site = Site { listens_on: PARENT, speaks_on: VIRTUAL };
    assert_eq!((subject.state(), subject.node.site_of(ROUTER)), (State::Active, site));
    assert_eq!(subject.encoded(100), Advert::new(100).from(OURS).datagram());

    let better = Advert::new(200).datagram();
    subject.handle(arrival(VIRTUAL, &better));
    assert_eq!(subject.state(), State::Active, "it does not listen there");
    subject.handle(arrival(PARENT, &better));
    assert_eq!(subject.state(), State::Backup);
}

#[test]
fn a_router_needs_both_of_its_links() {
    let mut subject = subject();
    let mut seen = Vec::new();
    for (link, carrier) in [
        (VIRTUAL, LinkCarrier::Up),
        (PARENT, LinkCarrier::Up),
        (VIRTUAL, LinkCarrier::Missing),
        (VIRTUAL, LinkCarrier::Up),
        (PARENT, LinkCarrier::Down),
    ] {
        subject.tell(link, carrier, Some(OURS));
        seen.push((subject.state(), subject.snapshot().fault.map(String::from)));
    }

    let fault = |text: &str| (State::Fault, Some(text.to_owned()));
    assert_eq!(
        seen,
        [
            (State::Initialize, None),
            (State::Backup, None),
            fault("interface vrrp10 does not exist"),
            (State::Backup, None),
            fault("interface eth0 is down"),
        ]
    );
}

impl Subject {
    fn tell(&mut self, link: LinkId, carrier: LinkCarrier, source: Option<Ipv4Addr>) {
        let facts = LinkFacts::new(carrier, over_ipv4(source));
        self.handle(Input::Link { link, facts });
    }
}

/// Returns a node that has started, and has yet to be told of its links.
fn subject() -> Subject {
    let mut node = Node::with_room_for(1);
    let [parent, child] = ["eth0", "vrrp10"].map(|name| LinkName::new(name).unwrap());
    node.add(&config(), &parent, &child);
    let mut subject = Subject { node, now: Instant::from_nanos(1) };
    subject.handle(Input::Health(Health::Serving));
    subject.handle(Input::Startup);
    subject
}
