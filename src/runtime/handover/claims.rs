//! The virtual routers of an engine, as it states them to engines that it cannot meet.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::guard::DoorId;
use crate::proto::RouterKey;
use crate::types::{Family, Instant, LinkName, Vrid};

/// The answer of an engine to another one.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct Claims {
    pub(super) has: RouterSet,
    pub(super) wants: RouterSet,
}

/// A set of virtual routers, in a form in which thousands fit into the buffer of a socket.
#[derive(Debug, Default, Deserialize, Serialize)]
pub(super) struct RouterSet(BTreeMap<LinkName, BTreeMap<Family, BTreeSet<Vrid>>>);

impl RouterSet {
    pub(super) fn of<'a>(routers: impl IntoIterator<Item = &'a RouterKey>) -> Self {
        let mut set = Self::default();
        for RouterKey { interface, family, vrid } in routers {
            let families = set.0.entry(*interface).or_default();
            families.entry(*family).or_default().insert(*vrid);
        }
        set
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = RouterKey> {
        self.0.iter().flat_map(|(interface, families)| {
            families.iter().flat_map(move |(&family, vrids)| {
                vrids.iter().map(move |&vrid| RouterKey { interface: *interface, family, vrid })
            })
        })
    }
}

/// The name of an engine's socket: when it was opened, by which process, a digest of its routers,
/// and the place where the engine meets others.
#[derive(Clone, Debug, Default)]
pub(super) struct SocketName {
    text: String,
    digest: u128,
    place: String,
}

impl SocketName {
    /// Makes a name that sorts before all that are made later.
    pub(super) fn new<'a>(
        now: Instant,
        place: Option<DoorId>,
        routers: impl IntoIterator<Item = &'a RouterKey>,
    ) -> Self {
        let digest = routers.into_iter().fold(0, |digest, router| digest | bit(router));
        let place = place.map(|place| place.to_string()).unwrap_or_default();
        let pid = std::process::id();
        let text = format!("{PREFIX}{:016x}.{pid}.{digest:032x}.{place}", now.as_nanos());
        Self { text, digest, place }
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    /// Tells whether the engine of another name may have a router of this one, and meets others
    /// elsewhere.
    pub(super) fn may_concern(&self, other: &str) -> bool {
        let mut parts = other.splitn(4, '.').skip(2);
        let digest = parts.next().and_then(|digest| u128::from_str_radix(digest, 16).ok());
        let meets = !self.place.is_empty() && parts.next() == Some(self.place.as_str());
        other != self.text && !meets && digest.is_none_or(|digest| digest & self.digest != 0)
    }
}

/// Returns the bit of a router in a digest. Two VRIDs of one interface have different bits unless
/// they differ by 128.
fn bit(router: &RouterKey) -> u128 {
    // FNV-1a: every build of this program must compute the same.
    let interface = router.interface.as_str().bytes();
    let hash = interface
        .fold(0x811c_9dc5_u32, |hash, octet| (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193));
    1 << (hash.wrapping_add(router.vrid.get().into()) % u128::BITS)
}

/// The common prefix of the names of all engines' sockets.
pub(super) const PREFIX: &str = "resty-vrrp/";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_engines_with_a_router_in_common_matter_to_each_other() {
        let name = |nanos, routers: &[(&str, u8)]| {
            let routers: Vec<_> = routers.iter().map(|&(link, vrid)| key(link, vrid)).collect();
            SocketName::new(Instant::from_nanos(nanos), None, &routers)
        };
        let ours = name(7, &[("eth0", 51), ("eth1", 51)]);

        for (routers, expected) in [
            (&[("eth0", 51)][..], true),
            (&[("eth0", 52), ("eth1", 51)], true),
            (&[("eth0", 52), ("eth1", 50)], false),
            (&[], false),
        ] {
            assert_eq!(ours.may_concern(name(8, routers).as_str()), expected, "{routers:?}");
        }
        assert!(!ours.may_concern(ours.as_str()));
        assert!(ours.may_concern("resty-vrrp/what"));
        assert!(ours.may_concern("resty-vrrp/0.1.xyz."));
    }

    #[test]
    fn a_name_fits_into_a_socket_address_and_sorts_by_age() {
        let place = DoorId::at(std::path::Path::new("/")).ok();
        let names = [9, 10, u64::MAX]
            .map(|nanos| SocketName::new(Instant::from_nanos(nanos), place, &[key("eth0", 51)]));

        assert!(names.iter().map(SocketName::as_str).is_sorted());
        let place = names[0].place.len();
        // The pid may have seven digits, the place two numbers of 16.
        let longest = names[0].text.len() - place + 7 + 33;
        assert!(longest <= 107, "{longest}");
        assert!(!names[0].may_concern(names[1].as_str()), "they meet at their place");
    }

    fn key(link: &str, vrid: u8) -> RouterKey {
        let (interface, vrid) = (LinkName::new(link).unwrap(), Vrid::new(vrid).unwrap());
        RouterKey { interface, family: Family::Ipv4, vrid }
    }
}
