//! What an instance means when all of it is known: keepalived changes some of what was written.

use std::collections::BTreeSet;
use std::net::Ipv6Addr;

use crate::keepalived::place::Spot;
use crate::keepalived::setting::{Placed, Setting};
use crate::keepalived::translator::{Translator, shown};

use super::{Address, Context, Instance, OwnInterface, Peers};

type Fields = Vec<(&'static str, Placed)>;

impl Instance {
    /// Returns it as an element of `instances`.
    pub(super) fn option(mut self, context: Context<'_>, translator: &mut Translator) -> Placed {
        let place = self.name.place.clone();
        let is_ipv6 = self.is_ipv6();
        let own = self.own_interface(is_ipv6);
        let version = self.version(is_ipv6, context, translator);
        self.drop_other_family(is_ipv6, translator);
        self.obey_strict(translator);
        let mut fields = vec![("name", Setting::Text(self.name.text.clone()).at(&place))];
        let interface = self.interface.as_ref();
        fields.extend(
            interface.map(|name| ("interface", Setting::Text(name.text.clone()).at(&name.place))),
        );
        fields.extend(self.vrid.take().map(|vrid| ("vrid", vrid)));
        let tracked = self.track(context, translator);
        let priority = self.priority(translator);
        let is_owner = priority.as_ref().and_then(Placed::number) == Some(255);
        fields.extend(priority.map(|priority| ("priority", priority)));
        let is_v2 = version.number() == Some(2);
        fields.push(("version", version));
        fields.extend(self.advert_interval(is_v2, translator));
        fields.extend(self.dead_factor.take().map(|factor| ("dead_factor", factor)));
        self.preemption(&mut fields, translator);
        let hold = context.globals.startup_delay.as_ref();
        fields.extend(hold.map(|(time, place)| ("startup_hold_ms", milliseconds(*time).at(place))));
        fields.extend(self.auth(is_v2, translator));
        if let Some(place) = self.message_checksum.take().filter(|_| !is_v2 && !is_ipv6) {
            fields.push(("checksum", Setting::Text("rfc9568".to_owned()).at(&place)));
        }
        let ignores = self.ignores_trailer.take();
        fields.extend(
            ignores.map(|it| ("trailing_octets", Setting::Text("ignore".to_owned()).at(&it))),
        );
        fields.extend(self.acceptance(is_v2, is_owner, translator));
        // Without `use_vmac` it changes nothing.
        let as_host = self.advertises_as_host.take().filter(|_| self.virtual_mac.is_some());
        let as_host = as_host.map(|it| Setting::Text("interface".to_owned()).at(&it));
        fields.extend(self.virtual_mac.take().map(|mac| ("virtual_mac", mac)));
        fields.extend(as_host.map(|it| ("advert_mac", it)));
        self.unicast(&mut fields, translator);
        fields.extend(tracked.map(|tracked| ("track", tracked)));
        let both = [("addresses", self.addresses), ("addresses_excluded", self.excluded)];
        for (name, addresses) in both {
            fields.extend(list(addresses, &own, translator).map(|list| (name, list)));
        }
        Setting::Table(fields).at(&place)
    }

    /// The first address says which family the election has.
    fn is_ipv6(&self) -> bool {
        let source = self.source.as_ref().map(|source| source.text.contains(':'));
        let first = self.addresses.first().map(|first| first.ip.is_ipv6());
        first.or(source).unwrap_or(false)
    }

    fn own_interface(&self, is_ipv6: bool) -> OwnInterface {
        let interface = self.interface.as_ref().map(|name| name.text.clone());
        let vrid = self.vrid.as_ref().and_then(Placed::number);
        let family = if is_ipv6 { 6 } else { 4 };
        // What keepalived calls it, then what it is called here.
        let [theirs, ours] = match self.virtual_mac.as_ref().map(Placed::text) {
            None => [None, interface.clone()],
            Some(Some(name)) => [Some(name.to_owned()), Some(name.to_owned())],
            Some(None) => [
                vrid.map(|vrid| format!("vrrp.{vrid}")),
                vrid.map(|vrid| format!("vrrp{family}.{vrid}")),
            ],
        };
        OwnInterface { names: interface.into_iter().chain(theirs).collect(), of_addresses: ours }
    }

    fn version(&self, is_ipv6: bool, context: Context<'_>, translator: &mut Translator) -> Placed {
        let given = self.version.as_ref();
        if is_ipv6 {
            if let Some(two) = given.filter(|given| given.number() == Some(2)) {
                translator.warn(two.place(), "version 2: IPv6 has version 3 alone");
            }
            return Setting::Number(3).at(given.map_or(&self.name.place, Placed::place));
        }
        let given = given.or(context.globals.version.as_ref());
        given.cloned().unwrap_or_else(|| Setting::Number(2).at(&self.name.place))
    }

    fn drop_other_family(&mut self, is_ipv6: bool, translator: &mut Translator) {
        self.addresses.retain(|address| {
            let is_of_family = address.ip.is_ipv6() == is_ipv6;
            if !is_of_family {
                let text = format!(
                    "{}: keepalived ignores an address of the other family here: \
                     addresses_excluded can have it",
                    address.ip
                );
                translator.warn(address.place(), text);
            }
            is_of_family
        });
    }

    /// Strict mode has keepalived overlook some options.
    fn obey_strict(&mut self, translator: &mut Translator) {
        if !self.is_strict {
            return;
        }
        let dropped = [
            ("authentication", self.auth.kind.take().map(|kind| kind.place)),
            ("authentication", self.auth.secret.take().map(|secret| secret.place)),
            ("preempt_delay", self.preempt_delay.take().map(|(_, place)| place)),
            ("down_timer_adverts", self.dead_factor.take().map(|it| it.place().clone())),
        ];
        for (name, place) in dropped {
            if let Some(place) = place {
                let text = format!("{name}: left out: keepalived ignores it in strict mode");
                translator.warn(&place, text);
            }
        }
    }

    /// Returns whether what is sent to the addresses is answered. keepalived does that unless told
    /// otherwise, except in strict mode.
    fn acceptance(
        &mut self,
        is_v2: bool,
        is_owner: bool,
        translator: &mut Translator,
    ) -> Option<(&'static str, Placed)> {
        let place = match self.accept.take() {
            Some((true, place)) if self.is_strict && is_v2 && !is_owner => {
                translator.warn(&place, "accept: left out: keepalived ignores it in strict mode");
                place
            }
            Some((true, place)) => return Some(("accept", Setting::Flag(true).at(&place))),
            Some((false, place)) => place,
            None if self.is_strict && !is_owner => {
                let text = "accept = false: in strict mode keepalived drops what is sent to the \
                            addresses. Where nginx is to answer on them, remove vrrp_strict";
                translator.warn(&self.name.place, text);
                self.name.place.clone()
            }
            None => return None,
        };
        Some(("accept", Setting::Flag(false).at(&place)))
    }

    /// What keepalived adds while all is well is part of the priority here, and is taken off when
    /// something fails.
    fn priority(&mut self, translator: &mut Translator) -> Option<Placed> {
        if self.priority.is_none()
            && let Some(place) = &self.is_master
        {
            let text =
                "state MASTER without a priority: keepalived makes it the owner, priority 255";
            translator.warn(place, text);
            self.priority = Some(Setting::Number(255).at(place));
        }
        if self.raise == 0 {
            return self.priority.take();
        }
        let given = self.priority.as_ref();
        let number = given.map_or(Some(100), Placed::number).filter(|number| *number < 255);
        let (Some(number), raise) = (number, self.raise) else { return self.priority.take() };
        let place = given.map_or(&self.name.place, Placed::place).clone();
        let raised = (number + raise).min(254);
        let text = format!(
            "priority {number} + {raise} = {raised}: keepalived adds positive weights while all is \
             well; here weights are taken off while something fails"
        );
        translator.note(&place, text);
        Some(Setting::Number(raised).at(&place))
    }

    fn advert_interval(
        &mut self,
        is_v2: bool,
        translator: &mut Translator,
    ) -> Option<(&'static str, Placed)> {
        let (micros, place) = self.advert_interval.take()?;
        let unit = if is_v2 { 1_000_000 } else { 10_000 };
        let rounded = ((micros + unit / 2) / unit).max(1) * unit;
        if rounded != micros {
            let unit = if is_v2 { "whole seconds (version 2)" } else { "10 ms" };
            let text = format!("advert_int: {} ms: keepalived rounds to {unit}", rounded / 1000);
            translator.warn(&place, text);
        }
        Some(("advert_interval_ms", milliseconds(rounded).at(&place)))
    }

    /// `state MASTER` has keepalived overlook `nopreempt` and `preempt_delay`.
    fn preemption(&mut self, fields: &mut Fields, translator: &mut Translator) {
        let is_master = self.is_master.is_some();
        if let Some(place) = &self.nopreempt {
            if is_master {
                let text = "nopreempt: left out: keepalived ignores it with state MASTER; if it is \
                            meant, write preempt = false";
                translator.warn(place, text);
            } else {
                fields.push(("preempt", Setting::Flag(false).at(place)));
            }
        }
        let Some((time, place)) = self.preempt_delay.take() else { return };
        if is_master || self.nopreempt.is_some() {
            let with = if is_master { "state MASTER" } else { "nopreempt" };
            let text = format!("preempt_delay: left out: keepalived ignores it with {with}");
            translator.warn(&place, text);
        } else {
            fields.push(("preempt_delay_ms", milliseconds(time).at(&place)));
        }
    }

    fn auth(&mut self, is_v2: bool, translator: &mut Translator) -> Option<(&'static str, Placed)> {
        let kind = self.auth.kind.take();
        if let Some(kind) = kind.as_ref().filter(|kind| kind.text == "AH" && is_v2) {
            let problem = "auth_type AH has no counterpart: use PASS or none, on all nodes";
            translator.refuse(&kind.place, problem);
            return None;
        }
        let (Some(kind), Some(secret)) = (&kind, self.auth.secret.take()) else {
            if let Some(kind) = kind {
                let text = "authentication: left out: without auth_pass keepalived ignores it";
                translator.warn(&kind.place, text);
            }
            return None;
        };
        if !is_v2 {
            let text = "authentication: left out: version 3 has none, and keepalived ignores it";
            translator.warn(&kind.place, text);
            return None;
        }
        if kind.text != "PASS" {
            let text = format!("auth_type {}: keepalived ignores it", shown(&kind.text));
            translator.warn(&kind.place, text);
            return None;
        }
        let cut = (0..=8).rev().find(|end| secret.text.is_char_boundary(*end)).unwrap_or(0);
        let sent = &secret.text[..cut.min(secret.text.len())];
        if secret.text.len() > sent.len() {
            let text = "auth_pass: keepalived sends its first 8 octets, and so does this";
            translator.warn(&secret.place, text);
        }
        let kind = Setting::Text("simple".to_owned()).at(&kind.place);
        let sent = Setting::Text(sent.to_owned()).at(&secret.place);
        Some(("auth", Setting::Table(vec![("type", kind), ("secret", sent)]).at(&secret.place)))
    }

    /// Without a peer keepalived falls back to multicast, or to a fault.
    fn unicast(&mut self, fields: &mut Fields, translator: &mut Translator) {
        if let Some(Peers { place, addresses, .. }) = &self.peers
            && addresses.is_empty()
        {
            let text = "unicast_peer: nobody is listed, and this speaks multicast, as \
                        keepalived does";
            translator.warn(place, text);
        }
        let peers = self.peers.take().filter(|peers| !peers.addresses.is_empty());
        let Some(Peers { place, addresses, min_ttls }) = peers else {
            if let Some(place) = &self.needs_peers {
                translator.refuse(place, "unicast_fault_no_peer: expected a unicast_peer");
            }
            if let Some(source) = &self.source {
                let text = "unicast_src_ip: left out: without unicast_peer this speaks multicast, \
                            as keepalived does";
                translator.warn(&source.place, text);
            }
            if let Some(limit) = &self.hop_limit {
                translator.warn(limit.place(), "unicast_ttl: left out: there is no unicast_peer");
            }
            return;
        };
        let is_global = |peer: &super::Word| {
            peer.text.parse::<Ipv6Addr>().is_ok_and(|it| !it.is_unicast_link_local())
        };
        if self.source.is_none() && addresses.iter().any(is_global) {
            let text = "unicast_peer: keepalived speaks from a link-local address here, and this \
                        from one that reaches beyond the link: give unicast_src_ip where \
                        keepalived is still running";
            translator.warn(&place, text);
        }
        let text = |word: super::Word| Setting::Text(word.text).at(&word.place);
        fields.extend(self.source.take().map(|source| ("source", text(source))));
        let each_has_one = min_ttls.len() == addresses.len();
        let min_hop_limit = min_ttls.into_iter().min_by_key(Placed::number);
        let min_hop_limit = min_hop_limit.filter(|_| each_has_one);
        let addresses = addresses.into_iter().map(text).collect();
        fields.push(("peers", Setting::List(addresses).at(&place)));
        fields.extend(self.hop_limit.take().map(|limit| ("hop_limit", limit)));
        let min_hop_limit = min_hop_limit.unwrap_or_else(|| {
            let text = "min_hop_limit = 1: keepalived hears its peers from behind any number of \
                        routers; where they are on one link, leave it out (255)";
            translator.note(&place, text);
            Setting::Number(1).at(&place)
        });
        fields.push(("min_hop_limit", min_hop_limit));
    }

    /// Returns the option `track`. The interface of the instance itself is always watched.
    fn track(&mut self, context: Context<'_>, translator: &mut Translator) -> Option<Placed> {
        let own = self.interface.as_ref().map(|own| own.text.clone());
        let counts_weights = context.groups.counts_weights(&self.name.text);
        let mut seen = BTreeSet::new();
        let mut list = Vec::new();
        for tracked in std::mem::take(&mut self.tracked) {
            let (name, weight) = (tracked.name, tracked.weight);
            let number = weight.as_ref().and_then(Placed::number);
            if number.is_some() && !counts_weights {
                let text = format!("{}: keepalived ignores weights in a sync group", name.text);
                translator.warn(&name.place, text);
                continue;
            }
            self.raise += number.unwrap_or(0).max(0);
            if own.as_ref() == Some(&name.text) {
                let text = "track_interface: the interface of an instance is always watched: a \
                            fault when it is down";
                translator.note(&name.place, text);
                continue;
            }
            let weight = match (weight, number) {
                (Some(weight), Some(number)) => {
                    Some(Setting::Number(-number.abs()).at(weight.place()))
                }
                (weight, _) => weight,
            };
            if seen.insert(name.text.clone()) {
                let place = name.place.clone();
                let mut fields = vec![("interface", Setting::Text(name.text).at(&place))];
                fields.extend(weight.map(|weight| ("weight", weight)));
                list.push(Setting::Table(fields).at(&place));
            } else {
                translator.warn(&name.place, format!("{}: tracked twice", shown(&name.text)));
            }
        }
        for name in context.groups.tracked(&self.name.text) {
            if own.as_ref() != Some(&name.text) && seen.insert(name.text.clone()) {
                let interface = Setting::Text(name.text.clone()).at(&name.place);
                list.push(Setting::Table(vec![("interface", interface)]).at(&name.place));
            }
        }
        let place = list.first()?.place().clone();
        Some(Setting::List(list).at(&place))
    }
}

fn list(
    addresses: Vec<Address>,
    own: &OwnInterface,
    translator: &mut Translator,
) -> Option<Placed> {
    let list = addresses.into_iter().map(|address| address.option(own, translator));
    let list: Vec<_> = list.collect();
    let place: Spot = list.first()?.place().clone();
    Some(Setting::List(list).at(&place))
}

fn milliseconds(micros: u64) -> Setting {
    Setting::Number(i64::try_from(micros / 1000).unwrap_or(i64::MAX))
}
