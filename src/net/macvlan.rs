//! The interface of a virtual router: a macvlan that has its hardware address.
//!
//! It is made on the interface on which the router speaks, its parent, and bears a [`Tag`] in its
//! alias (`ip link show`). The mode is VEPA: in mode private the kernel would hide from the parent
//! what another router sends from the same hardware address.

use std::collections::BTreeSet;
use std::io;

use rtnetlink::packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL};
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{
    InfoData, InfoKind, InfoMacVlan, LinkAttribute, LinkFlags, LinkInfo, LinkMessage, MacVlanMode,
};

use crate::net::netlink::Request;
use crate::net::{ArpSettings, Links, NetError, Netlink, Tag, sysctl};
use crate::types::MacAddress;

/// Returns how a link answers and asks for addresses now.
#[must_use]
pub fn arp_settings(link: &str) -> ArpSettings {
    let read = |setting| sysctl::own_ipv4(link, setting).unwrap_or_default();
    ArpSettings { ignore: read("arp_ignore"), announce: read("arp_announce") }
}

/// Makes a macvlan, switched off, with its tag and settings.
///
/// # Errors
///
/// When the socket failed; within, when the kernel refuses.
pub fn make(
    netlink: &mut Netlink,
    name: &str,
    parent: (u32, &str),
    mac: MacAddress,
    tag: &Tag,
) -> Result<Result<(), NetError>, NetError> {
    let vepa = InfoData::MacVlan(vec![InfoMacVlan::Mode(MacVlanMode::Vepa)]);
    let mut made = LinkMessage::default();
    made.attributes = vec![
        LinkAttribute::IfName(name.to_owned()),
        LinkAttribute::Link(parent.0),
        LinkAttribute::Address(mac.to_vec()),
        LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::MacVlan), LinkInfo::Data(vepa)]),
    ];
    let mut requests = vec![Request::new(NLM_F_CREATE | NLM_F_EXCL, new_link(made))];
    // In the same datagram: an engine that is killed does not leave one without a tag.
    requests.extend(settings(Named::Name(name), tag));
    let mut answers = netlink.request(&requests)?.into_iter();
    let error = |error| {
        let error = explained(error, parent.1);
        NetError::new("make", format!("the macvlan {name} on {}", parent.1), error)
    };
    // A kernel without IPv6 refuses the request about that alone.
    Ok(answers.by_ref().take(2).collect::<io::Result<()>>().map_err(error))
}

/// Gives a macvlan its tag and settings anew.
///
/// # Errors
///
/// When the socket failed.
pub fn keep(netlink: &mut Netlink, index: u32, tag: &Tag) -> Result<(), NetError> {
    netlink.request(&settings(Named::Index(index), tag)).map(drop)
}

/// Switches a link on or off.
///
/// # Errors
///
/// When the socket failed; within, when the kernel refuses.
pub fn switch(netlink: &mut Netlink, index: u32, on: bool) -> Result<io::Result<()>, NetError> {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = if on { LinkFlags::Up } else { LinkFlags::empty() };
    message.header.change_mask = LinkFlags::Up;
    one(netlink, message)
}

/// Has a parent answer and ask for its own addresses alone.
///
/// # Errors
///
/// When the socket failed; within, when the kernel refuses.
pub fn prepare_parent(
    netlink: &mut Netlink,
    index: u32,
    name: &str,
) -> Result<io::Result<()>, NetError> {
    let present = arp_settings(name);
    set_arp(netlink, index, present, present.raised())
}

/// Deletes macvlans of ours, and gives each parent that has none any more its settings back.
/// Returns how many were deleted.
///
/// # Errors
///
/// When the socket failed.
pub fn delete(
    netlink: &mut Netlink,
    links: &Links,
    indices: &BTreeSet<u32>,
) -> Result<usize, NetError> {
    let tagged = |index: u32| {
        let macvlan = links.at(index)?.macvlan()?;
        Some((macvlan.parent?, macvlan.tag.as_ref()?.before))
    };
    let deleted = delete_links(netlink, indices)?;
    let remaining = links.iter().filter(|(index, _)| !indices.contains(index));
    let remaining: BTreeSet<_> =
        remaining.filter_map(|(index, _)| Some(tagged(index)?.0)).collect();
    for (parent, before) in indices.iter().filter_map(|index| tagged(*index)) {
        if let (Some(link), false) = (links.at(parent), remaining.contains(&parent)) {
            let present = arp_settings(link.name());
            set_arp(netlink, parent, present, present.restored(before))?.ok();
        }
    }
    Ok(deleted)
}

/// Deletes links, and returns how many. For each request the kernel waits some 15 ms until no
/// processor uses the link any more, so all are deleted by one: as a group.
fn delete_links(netlink: &mut Netlink, indices: &BTreeSet<u32>) -> Result<usize, NetError> {
    let link = |index, attributes: &[LinkAttribute]| {
        let mut message = LinkMessage::default();
        message.header.index = index;
        message.attributes.extend_from_slice(attributes);
        message
    };
    let group = [LinkAttribute::Group(DELETED)];
    if indices.len() > 1 {
        let marks = indices.iter().map(|index| Request::new(0, new_link(link(*index, &group))));
        let marked = netlink.request(&marks.collect::<Vec<_>>())?;
        let all = Request::new(0, RouteNetlinkMessage::DelLink(link(0, &group)));
        if netlink.request(&[all])?.iter().all(Result::is_ok) {
            return Ok(marked.into_iter().flatten().count());
        }
    }
    let mut deleted = 0;
    for &index in indices {
        let one = Request::new(0, RouteNetlinkMessage::DelLink(link(index, &[])));
        deleted += netlink.request(&[one])?.into_iter().flatten().count();
    }
    Ok(deleted)
}

fn set_arp(
    netlink: &mut Netlink,
    index: u32,
    present: ArpSettings,
    wanted: ArpSettings,
) -> Result<io::Result<()>, NetError> {
    if present == wanted {
        return Ok(Ok(()));
    }
    let ArpSettings { ignore, announce } = wanted;
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.attributes = vec![ipv4(&[(ARP_IGNORE, ignore), (ARP_ANNOUNCE, announce)])];
    one(netlink, message)
}

fn one(netlink: &mut Netlink, message: LinkMessage) -> Result<io::Result<()>, NetError> {
    let answers = netlink.request(&[Request::new(0, new_link(message))])?;
    Ok(answers.into_iter().collect())
}

/// How a request names its link.
#[derive(Clone, Copy)]
enum Named<'a> {
    Index(u32),
    Name(&'a str),
}

/// Returns what gives a macvlan its tag and its settings of both families.
///
/// It answers for its own addresses alone (`arp_ignore`), from whichever link the route to the
/// asking host leaves (`rp_filter`; the kernel takes the higher one of the link's and that of all
/// links, and 2 is loose), and what comes from an address of this host is delivered
/// (`accept_local`). No IPv6 address is made of a hardware address that other hosts have, too.
///
/// The kernel sends no event about a link that is switched off: it is asked what it has now.
fn settings(link: Named<'_>, tag: &Tag) -> [Request; 3] {
    let of_all = sysctl::own_ipv4("all", "rp_filter").unwrap_or_default();
    let rp_filter = if of_all == 0 { 0 } else { 2 };
    let of_ipv4 =
        [(ARP_IGNORE, 1), (RP_FILTER, rp_filter), (PROMOTE_SECONDARIES, 1), (ACCEPT_LOCAL, 1)];
    let of_ipv6 = octets(IFLA_INET6_ADDR_GEN_MODE, &[IN6_ADDR_GEN_MODE_NONE]);
    let of_ipv6 = octets(u16::try_from(libc::AF_INET6).unwrap_or_default(), &of_ipv6);
    let message = |attributes: &[LinkAttribute]| {
        let mut message = LinkMessage::default();
        match link {
            Named::Index(index) => message.header.index = index,
            Named::Name(name) => message.attributes.push(LinkAttribute::IfName(name.to_owned())),
        }
        message.attributes.extend_from_slice(attributes);
        message
    };
    let set = |attributes| Request::new(0, new_link(message(attributes)));
    [
        // An engine that ended while it deleted the macvlan may have left it in the group of those.
        set(&[LinkAttribute::IfAlias(tag.to_string()), LinkAttribute::Group(0), ipv4(&of_ipv4)]),
        set(&[LinkAttribute::Other(DefaultNla::new(libc::IFLA_AF_SPEC, of_ipv6))]),
        Request::new(0, RouteNetlinkMessage::GetLink(message(&[]))),
    ]
}

fn new_link(message: LinkMessage) -> RouteNetlinkMessage {
    RouteNetlinkMessage::NewLink(message)
}

/// Returns settings of IPv4, each with its number (`IPV4_DEVCONF_*`).
fn ipv4(settings: &[(u16, u32)]) -> LinkAttribute {
    let all: Vec<_> =
        settings.iter().flat_map(|(which, value)| octets(*which, &value.to_ne_bytes())).collect();
    let all = octets(IFLA_INET_CONF, &all);
    let all = octets(u16::try_from(libc::AF_INET).unwrap_or_default(), &all);
    LinkAttribute::Other(DefaultNla::new(libc::IFLA_AF_SPEC, all))
}

/// Encodes an attribute.
fn octets(kind: u16, value: &[u8]) -> Vec<u8> {
    let length = u16::try_from(4 + value.len()).unwrap_or(u16::MAX);
    let mut all = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    all.extend_from_slice(value);
    all.resize(all.len().next_multiple_of(4), 0);
    all
}

/// Returns what the kernel means by a refusal to make a macvlan on a link.
fn explained(error: io::Error, parent: &str) -> io::Error {
    let why = match error.raw_os_error() {
        Some(libc::EOPNOTSUPP) => "this kernel has no macvlan: load the module of that name",
        Some(libc::EBUSY) => "it is a port of a bridge or a bond: name that as the interface",
        Some(libc::EINVAL) => "it is no link of Ethernet",
        _ => return error,
    };
    io::Error::new(error.kind(), format!("{parent}: {why}"))
}

/// The group (`ip link show group`) in which links are for the moment until they are deleted.
const DELETED: u32 = u32::from_be_bytes(*b"VRRP");
/// The settings of IPv4 within `IFLA_AF_SPEC`.
const IFLA_INET_CONF: u16 = 1;
const IFLA_INET6_ADDR_GEN_MODE: u16 = 8;
const IN6_ADDR_GEN_MODE_NONE: u8 = 1;
/// `IPV4_DEVCONF_*`.
const RP_FILTER: u16 = 8;
const ARP_ANNOUNCE: u16 = 18;
const ARP_IGNORE: u16 = 19;
const PROMOTE_SECONDARIES: u16 = 20;
const ACCEPT_LOCAL: u16 = 23;
