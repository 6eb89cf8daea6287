//! Neighbours that the kernel asks for in vain.

use std::collections::BTreeSet;
use std::io;

use rtnetlink::packet_core::{NLM_F_DUMP, Parseable};
use rtnetlink::packet_route::neighbour::{NeighbourAttribute, NeighbourMessage, NeighbourState};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use super::{Answer, Netlink, Request};
use crate::net::NetError;

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

    fn unresolved(&mut self, links: &BTreeSet<u32>) -> io::Result<Vec<NeighbourMessage>> {
        let mut ask = NeighbourMessage::default();
        // Of both families.
        ask.header.family = AddressFamily::Unspec;
        let message = RouteNetlinkMessage::GetNeighbour(ask);
        let sequence = self.send(&[Request { flags: NLM_F_DUMP, message }])?;
        let (mut found, mut end) = (Vec::new(), None);
        while end.is_none() {
            self.receive(&mut |answer| match answer {
                Answer::Neighbour(it) if is_unresolved(&it, links) => found.push(it),
                Answer::End { sequence: of, result } if of == sequence => end = Some(result),
                Answer::Record(_)
                | Answer::Neighbour(_)
                | Answer::Interrupted
                | Answer::End { .. } => {}
            })?;
        }
        end.unwrap_or(Ok(())).map(|()| found)
    }
}

/// Reads a message about a neighbour, of which only what names it is kept.
pub(super) fn neighbour(payload: &[u8]) -> Option<NeighbourMessage> {
    let mut message = NeighbourMessage::parse(payload).ok()?;
    message.attributes.retain(|it| matches!(it, NeighbourAttribute::Destination(_)));
    Some(message)
}

fn is_unresolved(neighbour: &NeighbourMessage, links: &BTreeSet<u32>) -> bool {
    let NeighbourMessage { header, .. } = neighbour;
    header.state == NeighbourState::Incomplete && links.contains(&header.ifindex)
}
