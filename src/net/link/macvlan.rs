//! The interfaces that are made for virtual routers, and the tag by which they are known.

use std::fmt;

/// What the kernel tells of a macvlan.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Macvlan {
    /// The index of the link that it is on; `None` if the kernel does not tell.
    pub parent: Option<u32>,
    /// Whether it is switched on.
    pub is_on: bool,
    /// Our tag, if it bears one.
    pub tag: Option<Tag>,
}

/// The tag of a macvlan of ours: its alias.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Tag {
    /// The place where engines of the host meet, of the one that has made it.
    pub place: String,
    /// The settings that its parent had before.
    pub before: ArpSettings,
}

/// How a link answers and asks for addresses (`/proc/sys/net/ipv4/conf/*`).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ArpSettings {
    /// `arp_ignore`; from 1 on a link answers only for addresses that it has itself.
    pub ignore: u32,
    /// `arp_announce`; with 2 it asks only from addresses that it has itself.
    pub announce: u32,
}

impl Tag {
    /// Reads an alias.
    #[must_use]
    pub fn parse(alias: &str) -> Option<Self> {
        let mut words = alias.strip_prefix(TAG)?.strip_prefix(' ')?.splitn(3, ' ');
        let mut number = |name: &str| words.next()?.strip_prefix(name)?.parse().ok();
        let (ignore, announce) = (number("arp_ignore=")?, number("arp_announce=")?);
        let place = words.next()?.to_owned();
        Some(Self { place, before: ArpSettings { ignore, announce } })
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, before: ArpSettings { ignore, announce } } = self;
        write!(f, "{TAG} arp_ignore={ignore} arp_announce={announce} {place}")
    }
}

impl ArpSettings {
    /// The parent answers and asks for its own addresses alone: those of the virtual router are on
    /// another link, and belong to another hardware address.
    pub const OF_A_PARENT: Self = Self { ignore: 1, announce: 2 };

    /// Returns these settings, each as strict as a parent's has to be.
    #[must_use]
    pub(in crate::net) fn raised(self) -> Self {
        let Self { ignore, announce } = Self::OF_A_PARENT;
        Self { ignore: self.ignore.max(ignore), announce: self.announce.max(announce) }
    }

    /// Returns these settings, with those of before in place of what [`raised`](Self::raised) has
    /// made of them, unless somebody else has changed them since.
    #[must_use]
    pub(in crate::net) fn restored(self, before: Self) -> Self {
        let raised = before.raised();
        let of = |now, raised, before| if now == raised { before } else { now };
        Self {
            ignore: of(self.ignore, raised.ignore, before.ignore),
            announce: of(self.announce, raised.announce, before.announce),
        }
    }
}

/// The first word of our tag.
const TAG: &str = "resty.vrrp";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_reads_as_it_was_written_and_nothing_else_is_one() {
        let before = ArpSettings { ignore: 0, announce: 2 };
        let tag = Tag { place: "1a-2f".to_owned(), before };

        assert_eq!(tag.to_string(), "resty.vrrp arp_ignore=0 arp_announce=2 1a-2f");
        assert_eq!(Tag::parse(&tag.to_string()), Some(tag));
        for alias in ["", "uplink", "resty.vrrp", "resty.vrrp arp_ignore=x arp_announce=2 1a"] {
            assert_eq!(Tag::parse(alias), None, "{alias}");
        }
    }

    #[test]
    fn what_was_raised_is_restored_unless_somebody_else_has_changed_it() {
        for (before, now, restored) in [
            ((0, 0), (1, 2), (0, 0)),
            ((0, 1), (1, 2), (0, 1)),
            ((2, 2), (2, 2), (2, 2)),
            ((0, 0), (2, 2), (2, 0)),
            ((1, 0), (0, 0), (0, 0)),
        ] {
            let settings = |(ignore, announce)| ArpSettings { ignore, announce };
            assert_eq!(settings(now).restored(settings(before)), settings(restored));
        }
    }
}
