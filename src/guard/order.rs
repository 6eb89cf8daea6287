//! What an engine tells its guard, and how that is written.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use super::door::DoorId;
use crate::types::VirtualAddress;

/// What an engine tells its guard.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Order {
    /// A virtual router is Active; replaces what was said of it before.
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
    /// The engine has the routers, and this is its door: whoever opens another one in its place
    /// has them from then on.
    Door(DoorId),
    /// The engine ends as planned: nothing is to be done.
    Bye,
}

/// What a virtual router leaves behind if nginx dies.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Claim {
    /// The index of its link.
    pub link: u32,
    /// How long peers wait for its next advertisement.
    pub active_down_interval: Duration,
    /// Its resignation: a whole datagram, IP header first. Empty if there is nothing to send.
    pub resignation: Vec<u8>,
    /// The addresses that it holds.
    pub addresses: Vec<VirtualAddress>,
}

impl Order {
    /// Writes the order down.
    pub fn emit(&self, message: &mut Vec<u8>) {
        match self {
            Self::Claim { router, claim } => {
                let millis = claim.active_down_interval.as_millis();
                let millis = u32::try_from(millis).unwrap_or(u32::MAX);
                let length = u16::try_from(claim.resignation.len()).unwrap_or(0);
                message.push(CLAIM);
                message.extend(router.to_be_bytes());
                message.extend(claim.link.to_be_bytes());
                message.extend(millis.to_be_bytes());
                message.extend(length.to_be_bytes());
                message.extend(&claim.resignation[..usize::from(length)]);
                claim.addresses.iter().for_each(|address| emit_address(address, message));
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

    /// Reads an order; `None` is one of another version.
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

fn emit_address(held: &VirtualAddress, message: &mut Vec<u8>) {
    match held.address {
        IpAddr::V4(address) => {
            message.push(IPV4);
            message.extend(address.octets());
        }
        IpAddr::V6(address) => {
            message.push(IPV6);
            message.extend(address.octets());
        }
    }
    message.push(held.prefix);
}

/// The part of a message that has not been read yet.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn claim(&mut self) -> Option<Claim> {
        let link = self.number()?;
        let active_down_interval = Duration::from_millis(self.number()?.into());
        let length = u16::from_be_bytes(self.array()?);
        let resignation = self.octets(length.into())?.to_vec();
        let mut addresses = Vec::new();
        while !self.0.is_empty() {
            addresses.push(self.address()?);
        }
        Some(Claim { link, active_down_interval, resignation, addresses })
    }

    fn door(&mut self) -> Option<DoorId> {
        let [device, inode] = [self.array()?, self.array()?].map(u64::from_be_bytes);
        Some(DoorId { device, inode })
    }

    fn address(&mut self) -> Option<VirtualAddress> {
        let address = match u8::from_be_bytes(self.array()?) {
            IPV4 => IpAddr::V4(Ipv4Addr::from(self.array::<4>()?)),
            IPV6 => IpAddr::V6(Ipv6Addr::from(self.array::<16>()?)),
            _ => return None,
        };
        Some(VirtualAddress { address, prefix: u8::from_be_bytes(self.array()?) })
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

const CLAIM: u8 = 1;
const RELEASE: u8 = 2;
const BYE: u8 = 3;
const DOOR: u8 = 4;
const IPV4: u8 = 4;
const IPV6: u8 = 6;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_reads_the_same() {
        let door = Order::Door(DoorId { device: 23, inode: 1 << 40 });
        for order in [claim(), Order::Release { router: 7 }, door, Order::Bye] {
            assert_eq!(Order::parse(&written(&order)), Some(order));
        }
    }

    #[test]
    fn an_order_that_is_cut_off_or_too_long_is_none() {
        let whole = written(&claim());
        let ends_of_addresses = [whole.len() - 24, whole.len() - 18];
        for length in (0..whole.len()).filter(|length| !ends_of_addresses.contains(length)) {
            assert_eq!(Order::parse(&whole[..length]), None, "the first {length} octets");
        }
        assert_eq!(Order::parse(&[BYE, 0]), None);
    }

    fn claim() -> Order {
        let addresses = ["192.0.2.1", "2001:db8::1"]
            .map(|address| VirtualAddress { address: address.parse().unwrap(), prefix: 24 });
        let claim = Claim {
            link: 3,
            active_down_interval: Duration::from_millis(341),
            resignation: vec![0x45, 0xc0, 0],
            addresses: addresses.to_vec(),
        };
        Order::Claim { router: 7, claim }
    }

    fn written(order: &Order) -> Vec<u8> {
        let mut message = Vec::new();
        order.emit(&mut message);
        message
    }
}
