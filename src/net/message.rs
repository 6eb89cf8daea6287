//! What the messages of the kernel mean here.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "the kernel has much to say, and more with every version"
)]

use rtnetlink::packet_route::address::{AddressAttribute, AddressHeaderFlags, AddressMessage};
use rtnetlink::packet_route::link::{LinkAttribute, LinkFlags, LinkHeader, LinkMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::net::{Carrier, Event};
use crate::types::VirtualAddress;

/// Reads one message; `None` is one about something else.
pub(super) fn event(message: RouteNetlinkMessage) -> Option<Event> {
    match message {
        RouteNetlinkMessage::NewLink(link) if is_link(&link) => Some(link_event(link)),
        RouteNetlinkMessage::DelLink(link) if is_link(&link) => {
            Some(Event::LinkGone { index: link.header.index })
        }
        RouteNetlinkMessage::NewAddress(message) => {
            let (secondary, protocol) = marks(&message);
            let address = address_of(&message)?;
            Some(Event::Address { index: message.header.index, address, secondary, protocol })
        }
        RouteNetlinkMessage::DelAddress(message) => {
            let address = address_of(&message)?;
            Some(Event::AddressGone { index: message.header.index, address })
        }
        _ => None,
    }
}

/// Tells whether a message is about the link itself: one about its part in a bridge looks alike.
fn is_link(message: &LinkMessage) -> bool {
    message.header.interface_family == AddressFamily::Unspec
}

fn link_event(message: LinkMessage) -> Event {
    let LinkHeader { index, flags, .. } = message.header;
    // Running is the operational state: with it, a bond without members or a port that still has to
    // authenticate is not up.
    let up = flags.contains(LinkFlags::Up | LinkFlags::LowerUp | LinkFlags::Running);
    let carrier = if up { Carrier::Up } else { Carrier::Down };
    let mut name = String::new();
    let mut mac = None;
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(text) => name = text,
            LinkAttribute::Address(octets) => mac = octets.try_into().ok(),
            _ => {}
        }
    }
    Event::Link { index, name, carrier, mac }
}

fn address_of(message: &AddressMessage) -> Option<VirtualAddress> {
    let mut peer = None;
    let mut local = None;
    for attribute in &message.attributes {
        match attribute {
            AddressAttribute::Local(address) => local = Some(*address),
            AddressAttribute::Address(address) => peer = Some(*address),
            _ => {}
        }
    }
    // Over a point-to-point link `Address` is the other end; IPv6 has `Address` alone.
    let address = local.or(peer)?;
    Some(VirtualAddress { address, prefix: message.header.prefix_len })
}

fn marks(message: &AddressMessage) -> (bool, u8) {
    let secondary = message.header.flags.contains(AddressHeaderFlags::Secondary);
    let protocol = message.attributes.iter().find_map(|attribute| match attribute {
        AddressAttribute::Protocol(protocol) => Some(u8::from(*protocol)),
        _ => None,
    });
    (secondary, protocol.unwrap_or(0))
}
