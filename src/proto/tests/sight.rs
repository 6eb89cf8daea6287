//! What is seen on a link, and a router that this host keeps deaf.

use super::*;

#[test]
fn an_advertisement_that_would_count_is_acceptable() {
    let subject = Subject::active(&config());

    let seen = subject.sees(&Advert::new(150).datagram());

    assert_eq!(seen, Some((LOWER.into(), Sighted::Acceptable { priority: Priority::new(150) })));
    let outranked = |priority, source: Ipv4Addr| {
        subject.node.is_outranked(ROUTER, Priority::new(priority), source.into())
    };
    assert!(outranked(150, LOWER) && outranked(100, HIGHER) && !outranked(100, LOWER));
}

#[test]
fn what_is_sent_elsewhere_or_otherwise_is_told_apart() {
    let subject = Subject::active(&config());
    let unicast = redirected(&Advert::new(150).datagram(), OURS);
    let clone = Advert::new(100).from(OURS).datagram();
    let other = Advert { vrid: 11, ..Advert::new(150) }.datagram();
    let authenticated = authenticated(&Advert::new(150).datagram());

    let seen = [unicast, clone, other, authenticated].map(|it| subject.sees(&it).unwrap().1);

    let vrid = Vrid::new(11).unwrap();
    let expected = [
        Sighted::To(OURS.into()),
        Sighted::OwnAddress,
        Sighted::OtherVrid(vrid),
        Sighted::Authenticated,
    ];
    assert_eq!(seen, expected);
}

#[test]
fn a_neighbour_with_other_addresses_is_nothing() {
    let subject = Subject::active(&config());
    let address = VirtualAddress { address: Ipv4Addr::new(192, 0, 2, 77).into(), prefix: 24 };
    let neighbour = Advert { vrid: 11, addresses: vec![address], ..Advert::new(150) };

    assert_eq!(subject.sees(&neighbour.datagram()), None);
    for length in 0..40 {
        subject.sees(&authenticated(&Advert::new(150).datagram())[..length]);
    }
}

#[test]
fn a_deaf_router_is_in_fault_until_it_is_not() {
    let mut subject = Subject::active(&config());
    let why = "192.0.2.200 advertises, but this host drops it";

    let done = effects(subject.handle(Input::Deaf { router: ROUTER, why: Some(why) }));

    assert_eq!(done, [advertise(0), RELEASE]);
    assert_eq!(subject.snapshot().fault.as_deref(), Some(why));
    assert_eq!(subject.reason(), Some(Reason::CannotListen));
    subject.handle(Input::Deaf { router: ROUTER, why: None });
    assert_eq!(subject.takes_over_after(), DOWN);
}

#[test]
fn a_successor_of_a_deaf_router_is_in_fault_until_it_has_looked_itself() {
    let mut subject = Subject::active(&config());
    subject.handle(Input::Deaf { router: ROUTER, why: Some("it is") });
    let state = subject.node.bequeath(subject.now);

    let mut heir = Subject::unstarted(&config(), subject.now);
    heir.node.inherit(&state, heir.now).unwrap();
    heir.run(10 * SECOND);

    assert_eq!((heir.state(), heir.timeout()), (State::Fault, None));
    assert!(heir.node.deaf().eq([ROUTER]) && heir.snapshot().fault.is_some());
    heir.handle(Input::Deaf { router: ROUTER, why: None });
    assert_eq!(heir.takes_over_after(), DOWN);
}

impl Subject {
    fn sees(&self, bytes: &[u8]) -> Option<(IpAddr, Sighted)> {
        self.node.sight(LINK, bytes).map(|it| (it.source, it.what))
    }
}

/// Returns the same datagram to another address, with the checksum that this takes.
fn redirected(datagram: &[u8], to: Ipv4Addr) -> Vec<u8> {
    let mut bytes = datagram.to_vec();
    bytes[16..20].copy_from_slice(&to.octets());
    // The message alone: the pseudo-header has the address in it.
    let sum = crate::wire::checksum::checksum(&[&bytes[20..26], &[0, 0], &bytes[28..]]);
    bytes[26..28].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// Returns the datagram with an authentication header, as keepalived's `auth_type AH` sends it.
fn authenticated(datagram: &[u8]) -> Vec<u8> {
    let header = [&[112, 4, 0, 0][..], &[0; 20]].concat();
    let mut bytes = [&datagram[..20], &header, &datagram[20..]].concat();
    let length = u16::try_from(bytes.len()).unwrap();
    bytes[2..4].copy_from_slice(&length.to_be_bytes());
    bytes[9] = 51;
    bytes
}
