//! Configurations the tests start from, and short words for what they say all the time.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use resty_vrrp::config::{Config, InstanceConfig, UnicastConfig};
use resty_vrrp::types::{Centiseconds, ChecksumForm, Priority, Version, VirtualAddress, Vrid};

use crate::packet::{GROUP, Packet, link_local};

/// Primary addresses: two peers with lower ones than ours, ours, and a peer with a higher one.
pub(crate) const A: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(crate) const US: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 3);
pub(crate) const C: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 4);
pub(crate) const HIGHEST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 200);

/// Version 3, VRID 10, priority 100, one second, preempting, two addresses.
pub(crate) fn b3() -> InstanceConfig {
    let options = r#"{ "instances": [{ "name": "VI_10", "interface": "eth0", "vrid": 10,
        "addresses": ["192.0.2.1/24", "192.0.2.9/24"] }] }"#;
    Config::from_json(options).expect("it is valid").instances.remove(0)
}

/// Version 2, VRID 1, priority 100, one second, one address.
pub(crate) fn b2() -> InstanceConfig {
    InstanceConfig {
        name: "VI_1".to_owned(),
        version: Version::V2,
        vrid: Vrid::new(1).unwrap(),
        addresses: vec![vip(1)],
        ..b3()
    }
}

/// Small changes to a configuration, in the order they are read.
pub(crate) trait Vary: Sized {
    fn priority(self, priority: u8) -> Self;
    fn every_cs(self, centiseconds: u16) -> Self;
    fn vrid(self, vrid: u8) -> Self;
    fn dead_factor(self, dead_factor: u8) -> Self;
    fn no_preempt(self) -> Self;
    fn preempt_delay(self, delay: Duration) -> Self;
    fn startup_hold(self, hold: Duration) -> Self;
    fn peers(self, peers: &[Ipv4Addr]) -> Self;
    fn over(self, stack: Stack) -> Self;
}

/// Which families the addresses of a virtual router have, that of the election first.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stack {
    Ipv4,
    Ipv6,
    Ipv4AndIpv6,
    Ipv6AndIpv4,
}

impl Stack {
    /// Each of them in turn.
    pub(crate) const fn of(seed: u64) -> Self {
        match seed % 4 {
            0 => Self::Ipv4,
            1 => Self::Ipv6,
            2 => Self::Ipv4AndIpv6,
            _ => Self::Ipv6AndIpv4,
        }
    }
}

impl Vary for InstanceConfig {
    fn priority(self, priority: u8) -> Self {
        Self { priority: Priority::new(priority), ..self }
    }

    fn every_cs(self, centiseconds: u16) -> Self {
        Self { adver_interval: Centiseconds::new(centiseconds).unwrap(), ..self }
    }

    fn vrid(self, vrid: u8) -> Self {
        Self { vrid: Vrid::new(vrid).unwrap(), name: format!("VI_{vrid}"), ..self }
    }

    fn dead_factor(self, dead_factor: u8) -> Self {
        Self { dead_factor, ..self }
    }

    fn no_preempt(self) -> Self {
        Self { preempt: false, ..self }
    }

    fn preempt_delay(self, preempt_delay: Duration) -> Self {
        Self { preempt_delay, ..self }
    }

    fn startup_hold(self, startup_hold: Duration) -> Self {
        Self { startup_hold, ..self }
    }

    fn peers(self, peers: &[Ipv4Addr]) -> Self {
        let peers = peers.iter().copied().map(IpAddr::from).collect();
        let unicast = UnicastConfig { peers, source: None, hop_limit: 255, min_hop_limit: 255 };
        Self { unicast: Some(unicast), ..self }
    }

    fn over(mut self, stack: Stack) -> Self {
        let other = |address| match address {
            IpAddr::V4(address) => IpAddr::from(link_local(address)),
            IpAddr::V6(address) => panic!("{address} has no counterpart"),
        };
        let ipv4 = self.addresses.clone();
        let ipv6 = ipv4.iter().map(|it| VirtualAddress { address: other(it.address), prefix: 64 });
        let ipv6: Vec<_> = ipv6.collect();
        self.addresses = match stack {
            Stack::Ipv4 => ipv4,
            Stack::Ipv6 => ipv6,
            Stack::Ipv4AndIpv6 => [ipv4, ipv6].concat(),
            Stack::Ipv6AndIpv4 => [ipv6, ipv4].concat(),
        };
        if let (Stack::Ipv6 | Stack::Ipv6AndIpv4, Some(unicast)) = (stack, &mut self.unicast) {
            unicast.peers.iter_mut().for_each(|peer| *peer = other(*peer));
        }
        self
    }
}

/// A valid advertisement for [`b3`], from [`A`].
pub(crate) fn adv(priority: u8) -> Packet {
    Packet {
        source: A,
        destination: GROUP,
        ttl: 255,
        version: 3,
        vrid: 10,
        priority,
        interval: 100,
        addresses: vec![Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 9)],
        form: ChecksumForm::PseudoHeader,
    }
}

/// A valid advertisement for [`b2`], from [`A`].
pub(crate) fn adv2(priority: u8) -> Packet {
    Packet {
        version: 2,
        vrid: 1,
        interval: 1,
        addresses: vec![Ipv4Addr::new(192, 0, 2, 1)],
        form: ChecksumForm::Message,
        ..adv(priority)
    }
}

pub(crate) const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

pub(crate) const fn ms(milliseconds: u64) -> Duration {
    Duration::from_millis(milliseconds)
}

pub(crate) const fn us(microseconds: u64) -> Duration {
    Duration::from_micros(microseconds)
}

pub(crate) const fn ns(nanoseconds: u64) -> Duration {
    Duration::from_nanos(nanoseconds)
}

pub(crate) fn vip(last: u8) -> VirtualAddress {
    VirtualAddress { address: IpAddr::V4(Ipv4Addr::new(192, 0, 2, last)), prefix: 24 }
}
