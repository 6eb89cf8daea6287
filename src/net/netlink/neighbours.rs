//! The hardware addresses of hosts on a link, as far as the kernel knows them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rtnetlink::MulticastGroup;
use rtnetlink::packet_core::{NLM_F_CREATE, NLM_F_DUMP, Parseable};
use rtnetlink::packet_route::neighbour::{
    NeighbourAttribute, NeighbourFlags, NeighbourMessage, NeighbourState,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::net::{RecvFlags, recv};
use rustix::time::Timespec;

use super::{Answer, Netlink, Request, open};
use crate::net::{NetError, clock};
use crate::types::{Instant, MacAddress};

/// A host, behind the index of the link on which it is.
pub type HostOnLink = (u32, IpAddr);

impl Netlink {
    /// Has the kernel ask anew for the neighbours on some links whose hardware addresses it has
    /// asked for and not been told.
    ///
    /// A question that was asked while the link had no signal is lost, and the kernel repeats it
    /// only after a second (`retrans_time_ms`): for so long nothing would be sent to that host.
    ///
    /// # Errors
    ///
    /// When the socket failed.
    pub fn ask_anew_for_neighbours(&mut self, links: &BTreeSet<u32>) -> Result<(), NetError> {
        let found = self.unresolved(links);
        let found = found.map_err(|error| NetError::new("read", "neighbours", error))?;
        let forget = |it| Request::new(0, RouteNetlinkMessage::DelNeighbour(it));
        // An entry may have been resolved, or have gone, meanwhile.
        self.request(&found.into_iter().map(forget).collect::<Vec<_>>()).map(drop)
    }

    /// Returns the hardware addresses of some hosts, each on the link of that index, as far as the
    /// kernel knows them or learns them within a time. Blocks the calling thread.
    ///
    /// # Errors
    ///
    /// When the socket failed.
    pub fn find_neighbours(
        &mut self,
        hosts: &BTreeSet<HostOnLink>,
        within: Duration,
    ) -> Result<BTreeMap<HostOnLink, MacAddress>, NetError> {
        let end = clock::now() + within;
        self.find_until(hosts, end).map_err(|error| NetError::new("read", "neighbours", error))
    }

    fn find_until(
        &mut self,
        hosts: &BTreeSet<HostOnLink>,
        end: Instant,
    ) -> io::Result<BTreeMap<HostOnLink, MacAddress>> {
        let mut found = BTreeMap::new();
        self.read_known(hosts, &mut found)?;
        if found.len() == hosts.len() {
            return Ok(found);
        }
        // From here on no answer is missed. Who has no room for another socket does not wait.
        let Ok(changes) = open(&[MulticastGroup::Neigh]) else { return Ok(found) };
        for host in hosts.iter().filter(|host| !found.contains_key(host)) {
            let mut used = entry(*host);
            used.header.flags = NeighbourFlags::Use;
            let message = RouteNetlinkMessage::NewNeighbour(used);
            // One that cannot be asked for is not found.
            self.neighbours(Request::new(NLM_F_CREATE, message), &mut |_| {})?.ok();
        }
        while found.len() < hosts.len() && has_changed(&changes, end) {
            self.read_known(hosts, &mut found)?;
        }
        Ok(found)
    }

    /// Adds those of the hosts whose hardware address the kernel knows.
    fn read_known(
        &mut self,
        hosts: &BTreeSet<HostOnLink>,
        known: &mut BTreeMap<HostOnLink, MacAddress>,
    ) -> io::Result<()> {
        for host in hosts {
            if !known.contains_key(host) {
                let message = RouteNetlinkMessage::GetNeighbour(entry(*host));
                let mut answer = |it| known.extend(hardware_address(&it).map(|mac| (*host, mac)));
                // A host of which the kernel knows nothing is an error.
                self.neighbours(Request::new(0, message), &mut answer)?.ok();
            }
        }
        Ok(())
    }

    fn unresolved(&mut self, links: &BTreeSet<u32>) -> io::Result<Vec<NeighbourMessage>> {
        let mut ask = NeighbourMessage::default();
        // Of both families.
        ask.header.family = AddressFamily::Unspec;
        let message = RouteNetlinkMessage::GetNeighbour(ask);
        let mut found = Vec::new();
        let all = Request { flags: NLM_F_DUMP, message };
        self.neighbours(all, &mut |it| {
            if is_unresolved(&it, links) {
                found.push(it);
            }
        })??;
        Ok(found)
    }

    /// Sends a request for neighbours, and returns the kernel's answer after the last of them.
    fn neighbours(
        &mut self,
        request: Request,
        found: &mut dyn FnMut(NeighbourMessage),
    ) -> io::Result<io::Result<()>> {
        let sequence = self.send(&[request])?;
        loop {
            let mut end = None;
            self.receive(&mut |answer| match answer {
                Answer::Neighbour(it) => found(it),
                Answer::End { sequence: of, result } if of == sequence => end = Some(result),
                Answer::Record(_) | Answer::Interrupted | Answer::End { .. } => {}
            })?;
            if let Some(end) = end {
                return Ok(end);
            }
        }
    }
}

/// Returns what names a host on a link.
fn entry((link, host): HostOnLink) -> NeighbourMessage {
    let mut entry = NeighbourMessage::default();
    entry.header.ifindex = link;
    entry.header.family = match host {
        IpAddr::V4(_) => AddressFamily::Inet,
        IpAddr::V6(_) => AddressFamily::Inet6,
    };
    entry.attributes.push(NeighbourAttribute::Destination(host.into()));
    entry
}

/// Waits for a change that the kernel tells of on a socket, and returns whether there was one.
fn has_changed(socket: &OwnedFd, end: Instant) -> bool {
    let left = Timespec::try_from(end.since(clock::now())).ok();
    let ready = poll(&mut [PollFd::new(socket, PollFlags::IN)], left.as_ref());
    // What it was does not matter: the question is asked again.
    while recv(socket, &mut [0; 64][..], RecvFlags::empty()).is_ok() {}
    ready.is_ok_and(|ready| ready > 0)
}

/// Reads a message about a neighbour, of which only the addresses are kept.
pub(super) fn neighbour(payload: &[u8]) -> Option<NeighbourMessage> {
    let mut message = NeighbourMessage::parse(payload).ok()?;
    let is_kept = |it: &NeighbourAttribute| {
        matches!(it, NeighbourAttribute::Destination(_) | NeighbourAttribute::LinkLayerAddress(_))
    };
    message.attributes.retain(is_kept);
    Some(message)
}

fn is_unresolved(neighbour: &NeighbourMessage, links: &BTreeSet<u32>) -> bool {
    let NeighbourMessage { header, .. } = neighbour;
    header.state == NeighbourState::Incomplete && links.contains(&header.ifindex)
}

/// Returns the hardware address of a neighbour that has answered.
fn hardware_address(neighbour: &NeighbourMessage) -> Option<MacAddress> {
    let NeighbourMessage { header, attributes, .. } = neighbour;
    let (unanswered, failed) = (NeighbourState::Incomplete, NeighbourState::Failed);
    if [unanswered, failed, NeighbourState::None].contains(&header.state) {
        return None;
    }
    attributes.iter().find_map(|it| {
        let NeighbourAttribute::LinkLayerAddress(octets) = it else { return None };
        octets.as_slice().try_into().ok()
    })
}
