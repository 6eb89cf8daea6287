//! What the operator wrote becomes what the program means.
//!
//! [`Config::from_json`] is the only way in: it checks everything and names every option it
//! refuses by its path.

mod address;
mod conflicts;
mod error;
mod groups;
mod lifetime;
mod probe;
mod reach;
mod read;
mod table;
#[cfg(test)]
mod tests;
mod timing;
mod token;
mod unicast;
mod virtual_mac;
mod warnings;

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

pub use address::placement::{Broadcast, Placement};
pub use error::{ConfigError, ConfigErrors};
pub use token::RequestToken;

use crate::types::{
    AddressList, Centiseconds, ChecksumPolicy, Family, HOP_LIMIT, LinkName, Priority,
    SimplePassword, Sources, TrailingOctets, Version, VirtualAddress, Vrid, is_link_local,
};

/// The options of `setup { … }`, checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// Name of this node in logs and status; the host's name unless given.
    pub router_id: Option<String>,
    /// Which nginx process should carry the thread.
    pub carrier: Carrier,
    /// Where engines of this host meet to hand over; a usual place unless given.
    pub run_dir: Option<PathBuf>,
    /// Whether an operator's requests are taken over HTTP, too.
    pub control: bool,
    /// What such a request must show.
    pub token: Option<RequestToken>,
    /// Whether the thread `vrrp` runs before all ordinary ones.
    pub realtime: bool,
    /// The virtual routers, in the order written.
    pub instances: Vec<InstanceConfig>,
    /// Virtual routers that are Active on one node together.
    pub sync_groups: Vec<SyncGroupConfig>,
    /// When nginx counts as serving.
    pub health: HealthConfig,
    /// The request that nginx has to answer.
    pub probe: Option<ProbeConfig>,
    /// Other hosts that a node which serves can reach.
    pub reach: Vec<ReachConfig>,
    /// How often addresses are announced.
    pub announce: AnnounceConfig,
    /// The kernel removes an address that was not refreshed for so long; `None` is never.
    pub address_lifetime: Option<Duration>,
    /// Whether to serve, at the lowest priority, although nginx does not, if no other node does.
    pub last_one_standing: bool,
}

impl Config {
    /// Refuses what an nginx of so many workers can never be.
    ///
    /// # Errors
    ///
    /// If fewer workers are started than must be alive.
    pub fn check_workers(&self, workers: u32) -> Result<(), ConfigErrors> {
        let min_workers = self.health.min_workers;
        if u32::from(min_workers) <= workers {
            return Ok(());
        }
        let problem = format!(
            "{min_workers} workers must be alive, but nginx starts only {workers}: \
             see worker_processes"
        );
        Err(ConfigErrors(vec![ConfigError { path: "health.min_workers".to_owned(), problem }]))
    }
}

/// One virtual router.
#[derive(Clone, Debug, PartialEq)]
pub struct InstanceConfig {
    /// Name in Lua, logs and status.
    pub name: String,
    /// The interface it runs on.
    pub interface: LinkName,
    /// Protocol version.
    pub version: Version,
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// Configured priority, 1–255.
    pub priority: Priority,
    /// Addresses carried in advertisements.
    pub addresses: Vec<VirtualAddress>,
    /// Addresses that move with the others but are not carried in advertisements.
    pub addresses_excluded: Vec<VirtualAddress>,
    /// Where, and how, addresses are put of which that is said.
    pub placements: BTreeMap<IpAddr, Placement>,
    /// Time between two of our advertisements while Active.
    pub adver_interval: Centiseconds,
    /// Advertisements missed before the Active router is taken for dead, 1–100 (the RFC's
    /// constant 3).
    pub dead_factor: u8,
    /// Whether a router of higher priority takes over from a living one (RFC 9568 §6.1
    /// `Preempt_Mode`).
    pub preempt: bool,
    /// How long a lower-priority Active router is tolerated before it is preempted.
    pub preempt_delay: Duration,
    /// How long the router listens after its start before it may claim anything.
    pub startup_hold: Duration,
    /// Version 2 simple text password.
    pub auth: Option<SimplePassword>,
    /// Checksum form of version 3.
    pub checksum: ChecksumPolicy,
    /// What octets behind a received message mean.
    pub trailing_octets: TrailingOctets,
    /// What another list of addresses than ours means.
    pub address_list: AddressList,
    /// Whether packets to its addresses are answered (RFC 9568 §6.1 `Accept_Mode`).
    pub accept: bool,
    /// Other interfaces that it is told to depend on; see [`tracked`](Self::tracked).
    pub track: Vec<TrackConfig>,
    /// The peers that it speaks to, if it does not speak to the group.
    pub unicast: Option<UnicastConfig>,
    /// The interface to be made that has the hardware address of the virtual router, and its
    /// addresses (RFC 9568 §7.3); without one, its addresses are on `interface`.
    pub macvlan: Option<LinkName>,
    /// With such an interface: from which hardware address it advertises.
    pub advert_mac: AdvertMac,
}

impl InstanceConfig {
    /// Returns the addresses that are advertised: those of the family of the election.
    pub fn advertised(&self) -> impl Iterator<Item = IpAddr> + Clone {
        let all = self.addresses.iter().map(|held| held.address);
        let family = self.family();
        all.filter(move |address| Family::of(*address) == family)
    }

    /// Returns all addresses that move, advertised or not.
    pub fn moving(&self) -> impl Iterator<Item = &VirtualAddress> + Clone {
        self.addresses.iter().chain(&self.addresses_excluded)
    }

    /// Returns where, and how, an address is put.
    #[must_use]
    pub fn placement(&self, held: &VirtualAddress) -> Placement {
        self.placements.get(&held.address).copied().unwrap_or_default()
    }

    /// Returns the interface that an address is on; with a macvlan, the one below that.
    #[must_use]
    pub fn interface_of(&self, held: &VirtualAddress) -> LinkName {
        self.placement(held).interface.unwrap_or(self.interface)
    }

    /// Returns the interfaces that it depends on besides its own: those that it is told to track,
    /// then those of its addresses, without which it cannot be Active.
    #[must_use]
    pub fn tracked(&self) -> Vec<TrackConfig> {
        let mut tracked = self.track.clone();
        for interface in self.placements.values().filter_map(|it| it.interface) {
            if tracked.iter().all(|known| known.interface != interface) {
                tracked.push(TrackConfig { interface, weight: None });
            }
        }
        tracked
    }

    /// Returns the family of the election, which is that of the first address.
    #[must_use]
    pub fn family(&self) -> Family {
        self.addresses.first().map_or(Family::Ipv4, |first| Family::of(first.address))
    }

    /// Returns where its advertisements go.
    pub fn destinations(&self) -> impl Iterator<Item = IpAddr> {
        let group = self.unicast.is_none().then(|| self.family().group());
        self.peers().iter().copied().chain(group)
    }

    /// Returns the address that it speaks from: the one that is configured, or one of its link.
    ///
    /// A link-local one reaches no peer beyond the link.
    #[must_use]
    pub fn source_among(&self, of_the_link: Sources) -> Option<IpAddr> {
        let of_the_link = if self.speaks_globally() {
            of_the_link.global.map(IpAddr::V6)
        } else {
            of_the_link.of(self.family())
        };
        self.source().or(of_the_link)
    }

    /// Tells whether some peer has an IPv6 address that is not link-local.
    #[must_use]
    pub fn speaks_globally(&self) -> bool {
        self.peers().iter().any(|peer| peer.is_ipv6() && !is_link_local(peer))
    }

    /// Returns the peers that it speaks to one by one; none if it speaks to the group.
    #[must_use]
    pub fn peers(&self) -> &[IpAddr] {
        self.unicast.as_ref().map_or(&[], |unicast| &unicast.peers)
    }

    /// Tells whether packets to its addresses are answered: an owner always does.
    #[must_use]
    pub fn accepts(&self) -> bool {
        self.accept || self.priority.is_owner()
    }

    /// Returns the address that it is told to speak from.
    #[must_use]
    pub fn source(&self) -> Option<IpAddr> {
        self.unicast.as_ref().and_then(|unicast| unicast.source)
    }

    /// Returns Time to Live, or Hop Limit, of what it sends.
    #[must_use]
    pub fn hop_limit(&self) -> u8 {
        self.unicast.as_ref().map_or(HOP_LIMIT, |unicast| unicast.hop_limit)
    }

    /// Returns the least Time to Live, or Hop Limit, of what it hears.
    #[must_use]
    pub fn min_hop_limit(&self) -> u8 {
        self.unicast.as_ref().map_or(HOP_LIMIT, |unicast| unicast.min_hop_limit)
    }
}

/// The peers of a virtual router, each of which is spoken to by its address.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UnicastConfig {
    /// All of them, each once, in the order written: 1–[`MAX_PEERS`].
    pub peers: Vec<IpAddr>,
    /// The address to speak from; that of the interface unless given.
    pub source: Option<IpAddr>,
    /// Time to Live, or Hop Limit, of what is sent, 1–255.
    pub hop_limit: u8,
    /// The least that counts of what is received, 1–255: 255 has crossed no router.
    pub min_hop_limit: u8,
}

/// Virtual routers of which all are Active, or none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct SyncGroupConfig {
    /// Name in logs and status.
    pub name: String,
    /// The places of its members in [`Config::instances`]: two at least, each in no other group.
    pub members: Vec<usize>,
}

/// An interface that a virtual router depends on besides its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TrackConfig {
    /// Its name.
    pub interface: LinkName,
    /// How the priority changes while it is down; `None` holds the router in fault.
    pub weight: Option<i16>,
}

/// When nginx counts as serving.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct HealthConfig {
    /// Workers that must beat, 1–[`MAX_WORKERS`].
    pub min_workers: u16,
    /// Silence after which a worker counts as dead, stopped or hung.
    pub worker_timeout: Duration,
}

/// A request that nginx has to answer, again and again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ProbeConfig {
    /// As it was written.
    pub url: String,
    /// Where to connect to.
    pub server: SocketAddr,
    /// The header `Host`.
    pub host: String,
    /// What is asked for.
    pub path: String,
    /// How often, and what the answers add up to.
    pub timing: Timing,
}

/// Another host that has to answer an ICMP echo request, again and again.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ReachConfig {
    /// Its name among the checks, behind the word `reach`.
    pub name: String,
    /// Its address.
    pub address: IpAddr,
    /// The only link on which it counts as reached; any that the routes say unless given.
    pub interface: Option<LinkName>,
    /// How often, and what the answers add up to.
    pub timing: Timing,
    /// How the priority changes while it cannot be reached; `None` holds the node in fault.
    pub weight: Option<i16>,
}

/// How often something is asked, and what its answers add up to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Timing {
    /// Time between two questions.
    pub interval: Duration,
    /// Time that an answer may take.
    pub timeout: Duration,
    /// Failures in a row that turn the verdict.
    pub fall: u8,
    /// Answers in a row that turn it back.
    pub rise: u8,
}

/// How often addresses are announced (gratuitous ARP).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AnnounceConfig {
    /// Announcements of each address after a takeover: at 0, 1, 5, 9 … s.
    pub count: u8,
    /// Time between two announcements of an Active router's addresses afterwards; `None` is never.
    pub refresh: Option<Duration>,
}

/// The hardware address from which advertisements come.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AdvertMac {
    /// That of the virtual router (RFC 9568 §7.2).
    Virtual,
    /// That of the interface.
    Interface,
}

/// The `carrier` option.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Carrier {
    /// The privileged agent where the core has one, else worker 0.
    Auto,
    /// OpenResty's privileged agent.
    Agent,
    /// Worker 0.
    Worker,
}

/// Workers that the board has room for.
pub const MAX_WORKERS: u16 = 1024;
/// Virtual routers of one node.
pub const MAX_INSTANCES: usize = 4096;
/// Addresses that one advertisement can carry (RFC 9568 §5.2.5).
pub const MAX_ADDRESSES: usize = 255;
/// Addresses of IPv6 that one advertisement can carry without fragments, at an MTU of 1500: 40
/// octets are the header of IPv6, 8 that of the message.
pub const MAX_IPV6_ADDRESSES: usize = 90;
/// Interfaces that one virtual router may track.
pub const MAX_TRACKED: usize = 8;
/// Peers of one virtual router: the others of 255 nodes.
pub const MAX_PEERS: usize = 254;
/// Excluded addresses of one virtual router.
pub const MAX_EXCLUDED: usize = 4096;
