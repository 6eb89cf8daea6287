//! The orders of an engine to its guard, and their encoding.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::door::DoorId;
use crate::types::{Family, LinkName, MacAddress, VirtualAddress, Vrid};
use crate::wire::advertisement::CHECKSUM;
use crate::wire::ip::{Datagram, Endpoints, Envelope};

/// An order of an engine to its guard.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Order {
    /// A virtual router is Active; replaces its previous claim.
    Claim {
        /// Its place in the configuration.
        router: u32,
        /// What to do for it if nginx dies.
        claim: Claim,
    },
    /// A virtual router is not Active any more.
    Release {
        /// Its place in the configuration.
        router: u32,
    },
    /// The engine has the routers, and this is its door: an engine that replaces it has them from
    /// then on.
    Door(DoorId),
    /// The engine ends as planned: nothing is to be done.
    Bye,
}

/// What has to be withdrawn for a virtual router if nginx dies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    /// The interface that it runs on; with family and VRID it identifies the router to the next
    /// engine.
    pub interface: LinkName,
    /// Its address family.
    pub family: Family,
    /// Its virtual router identifier.
    pub vrid: Vrid,
    /// The index of the link on which it advertises.
    pub speaks_on: u32,
    /// The hardware address from which it advertises, if it is not that of the link.
    pub virtual_mac: Option<MacAddress>,
    /// `Active_Down_Interval` of the least patient peers, those of its own priority.
    pub active_down_interval: Duration,
    /// `Active_Down_Interval` of the most patient peers.
    pub longest_down_interval: Duration,
    /// Its resignation, one for each destination.
    pub resignations: Vec<Resignation>,
    /// The links that have its addresses.
    pub places: Vec<ClaimedPlace>,
}

/// A link that has addresses of a virtual router.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClaimedPlace {
    /// Its index.
    pub link: u32,
    /// Its name.
    pub name: LinkName,
    /// The addresses.
    pub addresses: Vec<VirtualAddress>,
}

/// An advertisement of priority 0, ready to be sent.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resignation {
    /// Its envelope.
    pub envelope: Envelope,
    /// The message.
    pub message: Vec<u8>,
}

impl Resignation {
    /// Returns the datagram to send.
    #[must_use]
    pub fn datagram(&self) -> Datagram<'_> {
        Datagram { envelope: self.envelope, payload: &self.message }
    }
}

impl Order {
    /// Encodes the order.
    pub fn emit(&self, message: &mut Vec<u8>) {
        match self {
            Self::Claim { router, claim } => {
                let count = u8::try_from(claim.resignations.len()).unwrap_or(u8::MAX);
                message.push(CLAIM);
                message.extend(router.to_be_bytes());
                emit_name(&claim.interface, message);
                message.push(match claim.family {
                    Family::Ipv4 => IPV4,
                    Family::Ipv6 => IPV6,
                });
                message.push(claim.vrid.get());
                message.extend(claim.speaks_on.to_be_bytes());
                message.extend(claim.virtual_mac.unwrap_or_default());
                emit_millis(claim.active_down_interval, message);
                emit_millis(claim.longest_down_interval, message);
                message.push(count);
                let mut before = None;
                for resignation in claim.resignations.iter().take(count.into()) {
                    emit_resignation(resignation, before, message);
                    before = Some(resignation);
                }
                claim.places.iter().for_each(|place| emit_place(place, message));
            }
            Self::Release { router } => {
                message.push(RELEASE);
                message.extend(router.to_be_bytes());
            }
            Self::Door(door) => {
                message.push(DOOR);
                message.extend(door.device.to_be_bytes());
                message.extend(door.inode.to_be_bytes());
            }
            Self::Bye => message.push(BYE),
        }
    }

    /// Decodes an order; `None` is one of another version.
    #[must_use]
    pub fn parse(message: &[u8]) -> Option<Self> {
        let (kind, rest) = message.split_first()?;
        let mut rest = Rest(rest);
        let order = match *kind {
            CLAIM => Self::Claim { router: rest.number()?, claim: rest.claim()? },
            RELEASE => Self::Release { router: rest.number()? },
            DOOR => Self::Door(rest.door()?),
            BYE => Self::Bye,
            _ => return None,
        };
        rest.0.is_empty().then_some(order)
    }
}

fn emit_millis(duration: Duration, message: &mut Vec<u8>) {
    let millis = u32::try_from(duration.as_millis()).unwrap_or(u32::MAX);
    message.extend(millis.to_be_bytes());
}

/// Encodes a resignation. One that differs from the one before only in its checksum is encoded as
/// that checksum: 254 messages of 1 KiB would not fit into an order.
fn emit_resignation(
    Resignation { envelope, message }: &Resignation,
    before: Option<&Resignation>,
    order: &mut Vec<u8>,
) {
    emit_ip(envelope.endpoints.source(), order);
    emit_ip(envelope.endpoints.destination(), order);
    order.push(envelope.hop_limit);
    let checksum = checksum_of(message);
    if let (Some(checksum), Some(before)) = (checksum, before)
        && with_checksum(&before.message, checksum).is_some_and(|same| same == *message)
    {
        order.extend(SAME_MESSAGE.to_be_bytes());
        order.extend(checksum);
        return;
    }
    let length = u16::try_from(message.len()).unwrap_or(0);
    order.extend(length.to_be_bytes());
    order.extend(&message[..usize::from(length)]);
}

fn checksum_of(message: &[u8]) -> Option<[u8; 2]> {
    message.get(CHECKSUM)?.try_into().ok()
}

/// Returns a message with another checksum, if it is long enough to have one.
fn with_checksum(message: &[u8], checksum: [u8; 2]) -> Option<Vec<u8>> {
    let mut message = message.to_vec();
    message.get_mut(CHECKSUM)?.copy_from_slice(&checksum);
    Some(message)
}

fn emit_name(name: &LinkName, order: &mut Vec<u8>) {
    let octets = name.as_str().as_bytes();
    // It has 15 octets at most.
    order.push(u8::try_from(octets.len()).unwrap_or(0));
    order.extend(octets);
}

fn emit_place(place: &ClaimedPlace, order: &mut Vec<u8>) {
    let count = u16::try_from(place.addresses.len()).unwrap_or(u16::MAX);
    order.extend(place.link.to_be_bytes());
    emit_name(&place.name, order);
    order.extend(count.to_be_bytes());
    let addresses = place.addresses.iter().take(count.into());
    addresses.for_each(|address| emit_address(address, order));
}

fn emit_address(held: &VirtualAddress, order: &mut Vec<u8>) {
    emit_ip(held.address, order);
    order.push(held.prefix);
}

fn emit_ip(address: IpAddr, message: &mut Vec<u8>) {
    match address {
        IpAddr::V4(address) => {
            message.push(IPV4);
            message.extend(address.octets());
        }
        IpAddr::V6(address) => {
            message.push(IPV6);
            message.extend(address.octets());
        }
    }
}

/// The rest of a message.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn claim(&mut self) -> Option<Claim> {
        let interface = self.name()?;
        let family = match u8::from_be_bytes(self.array()?) {
            IPV4 => Family::Ipv4,
            IPV6 => Family::Ipv6,
            _ => return None,
        };
        let vrid = Vrid::new(u8::from_be_bytes(self.array()?))?;
        let speaks_on = self.number()?;
        let virtual_mac = Some(self.array()?).filter(|mac| *mac != MacAddress::default());
        let active_down_interval = Duration::from_millis(self.number()?.into());
        let longest_down_interval = Duration::from_millis(self.number()?.into());
        let count = u8::from_be_bytes(self.array()?);
        let mut resignations = Vec::new();
        for _ in 0..count {
            resignations.push(self.resignation(resignations.last())?);
        }
        let mut places = Vec::new();
        while !self.0.is_empty() {
            places.push(self.place()?);
        }
        Some(Claim {
            interface,
            family,
            vrid,
            speaks_on,
            virtual_mac,
            active_down_interval,
            longest_down_interval,
            resignations,
            places,
        })
    }

    fn name(&mut self) -> Option<LinkName> {
        let length = u8::from_be_bytes(self.array()?);
        LinkName::new(std::str::from_utf8(self.octets(length.into())?).ok()?)
    }

    fn resignation(&mut self, before: Option<&Resignation>) -> Option<Resignation> {
        let endpoints = Endpoints::new(self.ip()?, self.ip()?)?;
        let hop_limit = u8::from_be_bytes(self.array()?);
        let message = match u16::from_be_bytes(self.array()?) {
            SAME_MESSAGE => with_checksum(&before?.message, self.array()?)?,
            length => self.octets(length.into())?.to_vec(),
        };
        Some(Resignation { envelope: Envelope { endpoints, hop_limit }, message })
    }

    fn door(&mut self) -> Option<DoorId> {
        let [device, inode] = [self.array()?, self.array()?].map(u64::from_be_bytes);
        Some(DoorId { device, inode })
    }

    fn place(&mut self) -> Option<ClaimedPlace> {
        let (link, name) = (self.number()?, self.name()?);
        let count = u16::from_be_bytes(self.array()?);
        let addresses = (0..count).map(|_| self.address()).collect::<Option<_>>()?;
        Some(ClaimedPlace { link, name, addresses })
    }

    fn address(&mut self) -> Option<VirtualAddress> {
        Some(VirtualAddress { address: self.ip()?, prefix: u8::from_be_bytes(self.array()?) })
    }

    fn ip(&mut self) -> Option<IpAddr> {
        match u8::from_be_bytes(self.array()?) {
            IPV4 => Some(IpAddr::V4(Ipv4Addr::from(self.array::<4>()?))),
            IPV6 => Some(IpAddr::V6(Ipv6Addr::from(self.array::<16>()?))),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        self.octets(N)?.try_into().ok()
    }

    fn octets(&mut self, length: usize) -> Option<&'a [u8]> {
        let (octets, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(octets)
    }
}

const CLAIM: u8 = 5;
const RELEASE: u8 = 2;
const BYE: u8 = 3;
const DOOR: u8 = 4;
const IPV4: u8 = 4;
const IPV6: u8 = 6;
/// In place of a length: the message of the resignation before, with the checksum that follows.
const SAME_MESSAGE: u16 = u16::MAX;

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    #[test]
    fn what_was_written_reads_the_same() {
        let door = Order::Door(DoorId { device: 23, inode: 1 << 40 });
        for order in [claim(), Order::Release { router: 7 }, door, Order::Bye] {
            assert_eq!(Order::parse(&written(&order)), Some(order));
        }
    }

    #[test]
    fn the_message_to_many_peers_is_written_once() {
        let message: Vec<u8> = (0..1028).map(|place: u32| place.to_be_bytes()[3]).collect();
        let Order::Claim { router, claim } = claim() else { unreachable!() };
        let envelope = claim.resignations[0].envelope;
        let resignation = |peer: u8| Resignation {
            envelope,
            message: with_checksum(&message, [peer, 0]).unwrap(),
        };
        let order = Order::Claim {
            router,
            claim: Claim { resignations: (0..254).map(resignation).collect(), ..claim },
        };

        let written = written(&order);

        assert!(written.len() < 10_000, "{} octets", written.len());
        assert_eq!(Order::parse(&written), Some(order));
    }

    #[test]
    fn an_order_that_is_cut_off_or_too_long_is_none() {
        let whole = written(&claim());
        let ends_of_places = [whole.len() - 50, whole.len() - 29];
        for length in (0..whole.len()).filter(|length| !ends_of_places.contains(length)) {
            assert_eq!(Order::parse(&whole[..length]), None, "the first {length} octets");
        }
        assert_eq!(Order::parse(&[BYE, 0]), None);
    }

    pub(in crate::guard) fn claim() -> Order {
        let place = |link, name, address: &str| ClaimedPlace {
            link,
            name: LinkName::new(name).unwrap(),
            addresses: vec![VirtualAddress { address: address.parse().unwrap(), prefix: 24 }],
        };
        let endpoints = [("192.0.2.2", "224.0.0.18"), ("fe80::2", "ff02::12")]
            .map(|(from, to)| Endpoints::new(from.parse().unwrap(), to.parse().unwrap()).unwrap());
        let claim = Claim {
            interface: LinkName::new("eth0").unwrap(),
            family: Family::Ipv4,
            vrid: Vrid::new(51).unwrap(),
            speaks_on: 3,
            virtual_mac: Some([0, 0, 0x5e, 0, 1, 51]),
            active_down_interval: Duration::from_millis(341),
            longest_down_interval: Duration::from_millis(399),
            resignations: endpoints
                .map(|endpoints| Resignation {
                    envelope: Envelope { endpoints, hop_limit: 255 },
                    message: vec![0x31, 51, 0],
                })
                .to_vec(),
            places: vec![place(4, "vrrp4.51", "192.0.2.1"), place(5, "eth1", "2001:db8::1")],
        };
        Order::Claim { router: 7, claim }
    }

    pub(in crate::guard) fn written(order: &Order) -> Vec<u8> {
        let mut message = Vec::new();
        order.emit(&mut message);
        message
    }
}
