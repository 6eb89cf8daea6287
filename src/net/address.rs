//! Adds and removes addresses until those of a link are as wanted; addresses of others are kept.
//!
//! An address is ours if this process added it, or if it bears our tag: [`PROTOCOL`] in
//! `IFA_PROTO`, which the kernel keeps and shows since 5.18.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use rtnetlink::AddressMessageBuilder;
use rtnetlink::packet_core::{DefaultNla, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE};
use rtnetlink::packet_route::address::{
    AddressAttribute, AddressFlags, AddressMessage, AddressProtocol, CacheInfo,
};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::net::netlink::Request;
use crate::net::{KernelLink, NetError, Netlink, Present};
use crate::types::{AddressLabel, AddressLook, VirtualAddress};

pub use crate::net::link::PROTOCOL;

/// The difference between the addresses wanted on a link and those present.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Changes {
    /// Wanted, and not present.
    pub add: Vec<VirtualAddress>,
    /// Wanted, and left behind by another process of ours.
    pub adopt: Vec<VirtualAddress>,
    /// Wanted and ours, but with another [look](AddressLook): to be removed and added again.
    pub renew: Vec<VirtualAddress>,
    /// Ours, but not wanted. Secondary addresses come first.
    pub remove: Vec<VirtualAddress>,
}

impl Changes {
    /// Tells whether there is no difference.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let Self { add, adopt, renew, remove } = self;
        [add, adopt, renew, remove].into_iter().all(Vec::is_empty)
    }

    /// Has those of some addresses renewed that are ours and do not look as they should: the kernel
    /// changes nothing of that while an address is there.
    pub fn renew_unlike(
        &mut self,
        wanted: &BTreeSet<VirtualAddress>,
        present: &BTreeMap<VirtualAddress, Present>,
        owned: &BTreeSet<VirtualAddress>,
        at: Target<'_>,
    ) {
        let is_ours = |held: &&VirtualAddress| owned.contains(held) || self.adopt.contains(held);
        let is_unlike = |held: &&VirtualAddress| {
            present.get(held).is_some_and(|it| !at.is_right(held, &it.look))
        };
        self.renew = wanted.iter().filter(is_unlike).filter(is_ours).copied().collect();
    }
}

/// Compares the addresses wanted on a link with those present.
///
/// `owned` are those that this process added or adopted, `leftovers` those of earlier engines. The
/// tag alone is no reason to remove an address: there may be another nginx on the link. A wanted
/// address that another program has added is kept as it is: it serves, and stays foreign.
#[must_use]
pub fn reconcile(
    wanted: &BTreeSet<VirtualAddress>,
    present: &BTreeMap<VirtualAddress, Present>,
    owned: &BTreeSet<VirtualAddress>,
    leftovers: &BTreeSet<VirtualAddress>,
) -> Changes {
    let mut changes = Changes {
        add: wanted.iter().filter(|address| !present.contains_key(address)).copied().collect(),
        ..Changes::default()
    };
    for (address, mark) in present {
        let is_leftover = leftovers.contains(address);
        let is_owned = owned.contains(address);
        if wanted.contains(address) {
            if !is_owned && (is_leftover || mark.protocol == PROTOCOL) {
                changes.adopt.push(*address);
            }
        } else if is_owned || is_leftover {
            changes.remove.push(*address);
        }
    }
    // When the first address of a network goes, the kernel writes the routes of all others anew:
    // with the first one last, a thousand addresses take milliseconds instead of seconds.
    changes.remove.sort_by_key(|address| !present[address].secondary);
    changes
}

/// Returns those addresses that are present and bear our tag.
#[must_use]
pub fn tagged<'a>(
    addresses: impl IntoIterator<Item = &'a VirtualAddress>,
    present: &BTreeMap<VirtualAddress, Present>,
) -> BTreeSet<VirtualAddress> {
    let is_tagged = |mark: &Present| mark.protocol == PROTOCOL;
    let all = addresses.into_iter().filter(|address| present.get(address).is_some_and(is_tagged));
    all.copied().collect()
}

/// What became of some [`Changes`].
#[derive(Debug, Default)]
pub struct Applied {
    /// Those that are ours from now on.
    pub gained: Vec<VirtualAddress>,
    /// Those that the kernel refused to change, and why.
    pub refused: Vec<(VirtualAddress, NetError)>,
}

/// The link whose addresses are changed.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: &'a str,
    /// Whether it is one of a virtual router, whose parent has the routes to its networks.
    pub is_virtual: bool,
    /// The looks of addresses that are not the usual ones.
    pub looks: Option<&'a BTreeMap<VirtualAddress, AddressLook>>,
}

impl<'a> Target<'a> {
    /// Returns a link as the target of changes.
    #[must_use]
    pub fn of(index: u32, link: &'a KernelLink) -> Self {
        let is_virtual = link.macvlan().is_some_and(|macvlan| macvlan.tag.is_some());
        Self { index, name: link.name(), is_virtual, looks: None }
    }

    fn look_of(&self, held: &VirtualAddress) -> AddressLook {
        let said = self.looks.and_then(|looks| looks.get(held)).copied();
        said.unwrap_or_else(|| AddressLook::usual(held))
    }

    /// Tells whether an address looks as it should.
    fn is_right(&self, held: &VirtualAddress, look: &AddressLook) -> bool {
        let wanted = self.look_of(held);
        let label = wanted.label.or_else(|| AddressLabel::new(self.name));
        held.address.is_ipv6() || (label, wanted.broadcast) == (look.label, look.broadcast)
    }
}

/// Makes the changes on a link in one batch of requests.
///
/// With a `lifetime` the kernel removes the addresses by itself that long (in whole seconds) after
/// they were added or last given to [`refresh`].
///
/// # Errors
///
/// When the socket failed.
pub fn apply(
    netlink: &mut Netlink,
    link: Target<'_>,
    changes: &Changes,
    lifetime: Option<Duration>,
) -> Result<Applied, NetError> {
    let removals = changes.remove.iter().map(|address| (Step::Remove, *address));
    let renewals = changes.renew.iter();
    let renewals = renewals.flat_map(|held| [(Step::Remove, *held), (Step::Add, *held)]);
    let additions = changes.add.iter().map(|address| (Step::Add, *address));
    let adoptions = changes.adopt.iter().filter(|held| !changes.renew.contains(held));
    let adoptions = adoptions.map(|address| (Step::Replace, *address));
    let steps: Vec<_> = removals.chain(renewals).chain(additions).chain(adoptions).collect();
    let requests: Vec<_> =
        steps.iter().map(|(step, address)| step.request(link, *address, lifetime)).collect();

    let mut applied = Applied::default();
    for ((step, address), answer) in steps.into_iter().zip(netlink.request(&requests)?) {
        match (step, answer) {
            (Step::Remove, Ok(())) => {}
            (Step::Add | Step::Replace, Ok(())) => applied.gained.push(address),
            (step, Err(error)) if step.is_moot(&address, &error) => {}
            (step, Err(error)) => {
                let object = format!("{address} {} {}", step.preposition(), link.name);
                let error = explained(&address, error, link.name);
                applied.refused.push((address, NetError::new(step.name(), object, error)));
            }
        }
    }
    Ok(applied)
}

/// Starts the lifetime of addresses of ours anew.
///
/// # Errors
///
/// When the socket failed.
pub fn refresh(
    netlink: &mut Netlink,
    link: Target<'_>,
    addresses: impl IntoIterator<Item = VirtualAddress>,
    lifetime: Duration,
) -> Result<Applied, NetError> {
    let changes = Changes { adopt: addresses.into_iter().collect(), ..Changes::default() };
    apply(netlink, link, &changes, Some(lifetime))
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Add,
    Replace,
    Remove,
}

impl Step {
    fn request(
        self,
        link: Target<'_>,
        address: VirtualAddress,
        lifetime: Option<Duration>,
    ) -> Request {
        let mut bare = bare_message(link.index, address);
        let added = |flags, bare| added(flags, bare, lifetime, link.is_virtual);
        if !matches!(self, Self::Remove) {
            set_look(&mut bare, link.look_of(&address));
        }
        match self {
            // Without `NLM_F_REPLACE` an identical address of another program does not become ours.
            Self::Add => added(NLM_F_CREATE | NLM_F_EXCL, bare),
            Self::Replace => added(NLM_F_CREATE | NLM_F_REPLACE, bare),
            Self::Remove => Request::new(0, RouteNetlinkMessage::DelAddress(bare)),
        }
    }

    /// Tells whether a refusal means that nothing is left to do.
    fn is_moot(self, address: &VirtualAddress, error: &io::Error) -> bool {
        match self {
            // The link has gone, and its event follows.
            Self::Add | Self::Replace if error.raw_os_error() == Some(libc::ENODEV) => true,
            // Another program was faster. A link has an IPv6 address once: there it may be one with
            // another prefix.
            Self::Add | Self::Replace => {
                address.address.is_ipv4() && error.raw_os_error() == Some(libc::EEXIST)
            }
            Self::Remove => {
                matches!(error.raw_os_error(), Some(libc::EADDRNOTAVAIL | libc::ENODEV))
            }
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Replace => "refresh",
            Self::Remove => "remove",
        }
    }

    fn preposition(self) -> &'static str {
        match self {
            Self::Add => "to",
            Self::Replace => "on",
            Self::Remove => "from",
        }
    }
}

fn bare_message(index: u32, virtual_address: VirtualAddress) -> AddressMessage {
    let VirtualAddress { address, prefix } = virtual_address;
    match address {
        IpAddr::V4(address) => {
            AddressMessageBuilder::<Ipv4Addr>::new().index(index).address(address, prefix).build()
        }
        IpAddr::V6(address) => {
            AddressMessageBuilder::<Ipv6Addr>::new().index(index).address(address, prefix).build()
        }
    }
}

fn set_look(message: &mut AddressMessage, look: AddressLook) {
    let all = &mut message.attributes;
    all.retain(|it| !matches!(it, AddressAttribute::Broadcast(_)));
    all.extend(look.broadcast.map(AddressAttribute::Broadcast));
    all.extend(look.label.map(|label| AddressAttribute::Label(label.as_str().to_owned())));
}

/// Returns what the kernel means by a refusal.
fn explained(address: &VirtualAddress, error: io::Error, link: &str) -> io::Error {
    let why = match error.raw_os_error() {
        Some(libc::EACCES) if address.address.is_ipv6() => {
            format!("IPv6 is disabled: set net.ipv6.conf.{link}.disable_ipv6 to 0")
        }
        Some(libc::EEXIST) => "it is there with another prefix".to_owned(),
        _ => return error,
    };
    io::Error::new(error.kind(), why)
}

fn added(
    flags: u16,
    mut message: AddressMessage,
    lifetime: Option<Duration>,
    is_virtual: bool,
) -> Request {
    message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(PROTOCOL)));
    // The kernel counts whole seconds, takes 0 for a mistake and the largest value for ever.
    let seconds = lifetime.map(|it| u32::try_from(it.as_secs()).unwrap_or(u32::MAX).max(1));
    let mut validity = CacheInfo::default();
    validity.ifa_valid = seconds.unwrap_or(u32::MAX);
    validity.ifa_preferred = validity.ifa_valid;
    let is_ipv6 = message.header.family == AddressFamily::Inet6;
    if is_ipv6 {
        // The election proves that no other host has the address (RFC 9568 §8.2.2).
        message.attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        // This host does not begin to speak from it: it may be another one's a moment later.
        validity.ifa_preferred = 0;
    }
    if is_ipv6 || is_virtual {
        // Its lifetime would become that of the route that the network has already; and this host
        // would speak to the network of its own address from the virtual one.
        let metric = DefaultNla::new(IFA_RT_PRIORITY, METRIC.to_ne_bytes().to_vec());
        message.attributes.push(AddressAttribute::Other(metric));
    }
    message.attributes.push(AddressAttribute::CacheInfo(validity));
    Request::new(flags, RouteNetlinkMessage::NewAddress(message))
}

/// The metric of the route to the network of an IPv6 address: every other route comes first.
const METRIC: u32 = 65_536;
/// The metric of that route, since Linux 4.18.
const IFA_RT_PRIORITY: u16 = 9;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wanted_and_absent_is_added() {
        let changes = reconcile(&wanted(&[1, 2]), &present(&[(1, PROTOCOL)]), &wanted(&[1]), &NONE);

        assert_eq!(changes, Changes { add: vec![vip(2)], ..Changes::default() });
    }

    #[test]
    fn what_is_ours_and_not_wanted_is_removed() {
        let changes = reconcile(&NONE, &present(&[(1, PROTOCOL)]), &wanted(&[1]), &NONE);

        assert_eq!(changes, Changes { remove: vec![vip(1)], ..Changes::default() });
    }

    #[test]
    fn what_this_process_added_is_removed_although_the_kernel_dropped_the_tag() {
        let changes = reconcile(&NONE, &present(&[(1, 0)]), &wanted(&[1]), &NONE);

        assert_eq!(changes.remove, [vip(1)]);
    }

    #[test]
    fn an_address_of_somebody_else_is_left_alone_wanted_or_not() {
        let theirs = present(&[(1, 0), (2, 4)]);

        assert!(reconcile(&wanted(&[1]), &theirs, &NONE, &NONE).is_empty());
    }

    #[test]
    fn what_another_process_of_ours_left_is_removed_tag_or_not() {
        let held = present(&[(1, PROTOCOL), (2, 0)]);

        let changes = reconcile(&NONE, &held, &NONE, &wanted(&[1, 2, 3]));

        assert_eq!(changes, Changes { remove: vec![vip(1), vip(2)], ..Changes::default() });
    }

    #[test]
    fn what_only_bears_our_tag_may_be_of_another_nginx_and_stays() {
        assert!(reconcile(&NONE, &present(&[(1, PROTOCOL)]), &NONE, &NONE).is_empty());
    }

    #[test]
    fn what_is_ours_by_its_tag_is_here_and_bears_it() {
        let held = present(&[(1, PROTOCOL), (2, 0), (3, PROTOCOL)]);

        assert_eq!(tagged(&wanted(&[1, 2, 4]), &held), wanted(&[1]));
    }

    #[test]
    fn what_another_process_of_ours_left_is_adopted_when_wanted() {
        let held = present(&[(1, PROTOCOL), (2, 0)]);

        let changes = reconcile(&wanted(&[1, 2]), &held, &NONE, &wanted(&[2]));

        assert_eq!(changes, Changes { adopt: vec![vip(1), vip(2)], ..Changes::default() });
    }

    #[test]
    fn the_first_address_of_a_network_is_removed_last() {
        let mut held = present(&[(1, PROTOCOL), (2, PROTOCOL), (3, PROTOCOL)]);
        for later in [1, 3] {
            held.get_mut(&vip(later)).unwrap().secondary = true;
        }

        let changes = reconcile(&NONE, &held, &wanted(&[1, 2, 3]), &NONE);

        assert_eq!(changes.remove, [vip(1), vip(3), vip(2)]);
    }

    #[test]
    fn what_is_ours_and_looks_unlike_what_is_planned_is_renewed() {
        let (label, broadcast) = (AddressLabel::new("eth0:web"), Some([192, 0, 2, 255].into()));
        let looks = BTreeMap::from([(vip(3), AddressLook { label, broadcast: None })]);
        let at = Target { index: 2, name: "eth0", is_virtual: false, looks: Some(&looks) };
        let eth0 = AddressLabel::new("eth0");
        let seen = |last, label, broadcast| {
            let look = AddressLook { label, broadcast };
            let mut present = Present::default();
            present.look = look;
            (vip(last), present)
        };
        let ipv6 = VirtualAddress { address: "2001:db8::1".parse().unwrap(), prefix: 64 };
        let present = BTreeMap::from([
            seen(1, eth0, broadcast),
            seen(2, label, broadcast),
            seen(3, label, broadcast),
            seen(4, eth0, None),
            seen(5, label, broadcast),
            (ipv6, Present::default()),
        ]);
        let mut all = wanted(&[1, 2, 3, 4, 5]);
        all.insert(ipv6);
        let owned = &all - &wanted(&[4, 5]);
        let mut changes = Changes { adopt: vec![vip(4)], ..Changes::default() };

        changes.renew_unlike(&all, &present, &owned, at);

        assert_eq!(changes.renew, [vip(2), vip(3), vip(4)], "the fifth is somebody else's");
    }

    const NONE: BTreeSet<VirtualAddress> = BTreeSet::new();

    fn vip(last: u8) -> VirtualAddress {
        VirtualAddress { address: IpAddr::from([192, 0, 2, last]), prefix: 24 }
    }

    fn wanted(last: &[u8]) -> BTreeSet<VirtualAddress> {
        last.iter().map(|last| vip(*last)).collect()
    }

    fn present(marks: &[(u8, u8)]) -> BTreeMap<VirtualAddress, Present> {
        let mark = |protocol| {
            let mut mark = Present::default();
            mark.protocol = protocol;
            mark
        };
        marks.iter().map(|(last, protocol)| (vip(*last), mark(*protocol))).collect()
    }
}
