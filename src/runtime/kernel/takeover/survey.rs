//! Surveys this host from time to time, for what would do harm silently.

use std::net::IpAddr;
use std::time::Duration;

use super::Takeover;
use crate::net::{HardwareAddress, addresses_listened_on, other_speakers, sysctl};
use crate::runtime::kernel::HostFinding;
use crate::runtime::kernel::reverse_path::rival;
use crate::types::{Family, Instant};

impl Takeover {
    /// Surveys the host, when it is due.
    pub(super) fn survey(&mut self, now: Instant) {
        if self.kernel.is_none() || now < self.survey_at {
            return;
        }
        self.survey_at = now + SURVEY_PAUSE;
        let count = self.links.len();
        for place in 0..count.min(LINKS_AT_ONCE) {
            self.survey_link((self.surveyed + place) % count);
        }
        self.surveyed = (self.surveyed + LINKS_AT_ONCE) % count.max(1);
        self.look_for_other_speakers();
        self.look_for_bound_addresses();
    }

    fn survey_link(&mut self, link: usize) {
        let Self { links, kernel_links, .. } = self;
        let site = &mut links[link];
        if site.macvlan.is_some() {
            return self.survey_macvlan(link);
        }
        let found = site.index.and_then(|index| Some((index, kernel_links.at(index)?)));
        let Some((index, kernel_link)) = found.filter(|_| !site.speakers.is_empty()) else {
            return;
        };
        if !site.owned.is_empty() {
            site.look_at_settings();
        }
        if let HardwareAddress::Other(octets @ LONG..) = kernel_link.hardware() {
            let text = format!(
                "{} has hardware addresses of {octets} octets (InfiniBand): addresses are not \
                 announced there, and hosts find them when their ARP entries have aged",
                site.name
            );
            site.note(HostFinding::CannotAnnounce, Some(text));
        }
        let filters = sysctl::filters_reverse_path(site.name.as_str());
        let rival = if filters { rival(kernel_links, index) } else { None };
        let text = rival.map(|(other, network)| {
            format!(
                "rp_filter is 1 on {0}, and {other} has an address of the same network, {network}: \
                 the kernel may drop what peers send to {0}. Set net.ipv4.conf.{0}.rp_filter and \
                 net.ipv4.conf.all.rp_filter to 2 or 0",
                site.name
            )
        });
        site.note(HostFinding::ReversePath, text);
    }

    /// Looks for other programs that speak VRRP. One that is seen twice in a row is no engine that
    /// hands over.
    fn look_for_other_speakers(&mut self) {
        // Without /proc there is no answer.
        let mut speakers = other_speakers().unwrap_or_default();
        speakers.sort_unstable();
        let lasting = speakers.iter().filter(|it| self.speakers.contains(it));
        let mut users: Vec<_> = lasting.map(|it| it.uid).collect();
        users.dedup();
        let text = users.first().map(|uid| {
            format!(
                "another program of this host has a socket for VRRP (IP protocol 112, user {uid}): \
                 a keepalived that was forgotten? Two routers on one host take the addresses from \
                 each other. Look with ss -0wp, or lsof -i raw"
            )
        });
        self.speakers = speakers;
        if self.other_speaker != text {
            self.other_speaker = text;
            self.links.look_at_findings();
        }
    }

    /// Looks for programs that listen on a virtual address itself, and could not do so while
    /// another node has it.
    fn look_for_bound_addresses(&mut self) {
        let listened_on = addresses_listened_on().unwrap_or_default();
        let is_bound = |address: &&IpAddr| {
            let holders = &self.holders;
            holders.looks_for(**address) && !sysctl::binds_foreign(Family::of(**address))
        };
        let text = listened_on.iter().find(is_bound).map(|address| {
            let family = if address.is_ipv4() { "ipv4" } else { "ipv6" };
            format!(
                "a program listens on {address}, and net.{family}.ip_nonlocal_bind is 0: it cannot \
                 start while that address is on another node. Set it to 1 (60-resty-vrrp.conf), or \
                 listen on the wildcard address"
            )
        });
        if self.bound_address != text {
            self.bound_address = text;
            self.links.look_at_findings();
        }
    }

    /// Publishes the findings, if they have changed.
    pub(super) fn report_findings(&mut self) {
        let Some(mut findings) = self.links.new_findings() else { return };
        findings.extend(self.other_speaker.clone().map(|text| (HostFinding::OtherSpeaker, text)));
        findings.extend(self.bound_address.clone().map(|text| (HostFinding::BoundAddress, text)));
        self.facts.set_findings(findings);
    }
}

/// The findings of a survey do not change within seconds.
const SURVEY_PAUSE: Duration = Duration::from_secs(10);
/// The time that one survey may take from the addresses.
const LINKS_AT_ONCE: usize = 32;
/// Octets of a hardware address that is longer than Ethernet's.
const LONG: usize = 7;
