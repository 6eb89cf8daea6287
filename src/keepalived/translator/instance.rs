//! `vrrp_instance`.

mod complete;
mod track;

use std::collections::BTreeSet;

use crate::keepalived::lexer::Word;
use crate::keepalived::place::Spot;
use crate::keepalived::setting::{Placed, Setting};
use crate::keepalived::tree::Statement;
use crate::keepalived::words;

use super::addresses::{self, Address, OwnInterface};
use super::announce::Announcing;
use super::checks::{CheckKind, Checks};
use super::globals::{self, Globals};
use super::groups::Groups;
use super::{Translator, shown};

/// What an instance depends on.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    /// Defaults.
    pub(super) globals: &'a Globals,
    /// Groups that it may be in.
    pub(super) groups: &'a Groups,
}

/// Everything that the block of an instance says.
#[derive(Debug)]
struct Instance {
    name: Word,
    is_master: Option<Spot>,
    interface: Option<Word>,
    vrid: Option<Placed>,
    priority: Option<Placed>,
    version: Option<Placed>,
    /// In microseconds.
    advert_interval: Option<(u64, Spot)>,
    dead_factor: Option<Placed>,
    nopreempt: Option<Spot>,
    /// In microseconds.
    preempt_delay: Option<(u64, Spot)>,
    is_strict: bool,
    auth: GivenAuth,
    message_checksum: Option<Spot>,
    /// The last of `accept` and `no_accept`.
    accept: Option<(bool, Spot)>,
    virtual_mac: Option<Placed>,
    /// `vmac_xmit_base`.
    advertises_as_host: Option<Spot>,
    source: Option<Word>,
    peers: Option<Peers>,
    hop_limit: Option<Placed>,
    addresses: Vec<Address>,
    excluded: Vec<Address>,
    tracked: Vec<track::Interface>,
    /// What keepalived adds to the priority while everything succeeds.
    raise: i64,
    ignores_trailer: Option<Spot>,
    needs_peers: Option<Spot>,
}

/// `authentication`.
#[derive(Debug, Default)]
struct GivenAuth {
    kind: Option<Word>,
    secret: Option<Word>,
}

/// `unicast_peer`.
#[derive(Debug)]
struct Peers {
    place: Spot,
    addresses: Vec<Word>,
    /// The lowest TTL that is accepted from each, where it is given.
    min_ttls: Vec<Placed>,
}

/// Reads one instance.
pub(super) fn read(
    statement: &Statement,
    context: Context<'_>,
    checks: &mut Checks,
    announcing: &mut Announcing,
    translator: &mut Translator,
) -> Option<Placed> {
    let name = translator.name(statement)?.clone();
    let mut instance = Instance::new(name, context);
    let mut seen = BTreeSet::new();
    for line in translator.block(statement) {
        translator.once(line, SINGLE, &mut seen);
        let is_read = instance.read_router(line, translator)
            || instance.read_network(line, translator)
            || instance.read_track(line, context, checks, translator);
        match line.head().text.as_str() {
            _ if is_read => {}
            "garp_master_repeat" => announcing.repeat(line, translator),
            "garp_master_refresh" => announcing.refresh(line, translator),
            _ => {
                let read = [SINGLE, READ].concat();
                translator.known(line, words::INSTANCE, &read, "in vrrp_instance");
            }
        }
    }
    Some(instance.option(context, translator))
}

impl Instance {
    fn new(name: Word, context: Context<'_>) -> Self {
        Self {
            is_master: None,
            interface: None,
            vrid: None,
            priority: None,
            version: None,
            advert_interval: None,
            dead_factor: context.globals.dead_factor.clone(),
            nopreempt: None,
            preempt_delay: None,
            is_strict: context.globals.is_strict,
            auth: GivenAuth::default(),
            message_checksum: context.globals.message_checksum.clone(),
            accept: None,
            virtual_mac: None,
            advertises_as_host: None,
            source: None,
            peers: None,
            hop_limit: None,
            addresses: Vec::new(),
            excluded: Vec::new(),
            tracked: Vec::new(),
            raise: context.groups.raise(&name.text),
            ignores_trailer: None,
            needs_peers: None,
            name,
        }
    }

    /// Reads what the election needs. Returns whether the line was such a one.
    fn read_router(&mut self, line: &Statement, translator: &mut Translator) -> bool {
        let place = || line.place().clone();
        match line.head().text.as_str() {
            "state" => self.read_state(line, translator),
            "virtual_router_id" => self.vrid = translator.whole(line),
            "priority" => self.priority = translator.whole(line),
            "version" => self.version = translator.whole(line),
            "advert_int" => self.advert_interval = translator.seconds(line),
            "down_timer_adverts" => self.dead_factor = translator.whole(line),
            "nopreempt" => {
                translator.plain(line);
                self.nopreempt = Some(place());
            }
            "preempt_delay" => self.preempt_delay = translator.seconds(line),
            "strict_mode" => {
                self.is_strict = translator.on(line);
                if self.is_strict {
                    translator.warn(line.place(), globals::STRICT);
                }
            }
            "v3_checksum_as_v2" => self.message_checksum = translator.on(line).then(place),
            "authentication" => self.read_auth(line, translator),
            "auth_hmac" => self.read_hmac(line, translator),
            _ => return false,
        }
        true
    }

    /// Reads what stands on the network. Returns whether the line was such a one.
    fn read_network(&mut self, line: &Statement, translator: &mut Translator) -> bool {
        match line.head().text.as_str() {
            "interface" => self.interface = translator.value(line).cloned(),
            "use_vmac" => self.virtual_mac = Some(virtual_mac(line, translator)),
            "vmac_xmit_base" => {
                translator.plain(line);
                self.advertises_as_host = Some(line.place().clone());
            }
            word @ ("accept" | "no_accept") => {
                translator.plain(line);
                self.accept = Some((word == "accept", line.place().clone()));
            }
            "unicast_src_ip" => self.source = translator.value(line).map(without_mask),
            "unicast_ttl" => self.hop_limit = translator.whole(line),
            "unicast_peer" => self.read_peers(line, translator),
            "unicast_fault_no_peer" => {
                translator.plain(line);
                self.needs_peers = Some(line.place().clone());
            }
            "mcast_dst_ip" => globals::group(line, "224.0.0.18", translator),
            "virtual_ipaddress" => self.addresses.extend(addresses::read(line, translator)),
            "virtual_ipaddress_excluded" => {
                self.excluded.extend(addresses::read(line, translator));
            }
            _ => return false,
        }
        true
    }

    /// Reads `ADDRESS [min_ttl N] [max_ttl N]`, one a line.
    fn read_peers(&mut self, line: &Statement, translator: &mut Translator) {
        translator.ignored(line.rest());
        let peers = self.peers.get_or_insert_with(|| Peers {
            place: line.place().clone(),
            addresses: Vec::new(),
            min_ttls: Vec::new(),
        });
        for peer in translator.block(line) {
            translator.no_block(peer);
            peers.addresses.push(without_mask(peer.head()));
            for pair in peer.rest().chunks(2) {
                let number = pair.get(1).and_then(|number| number.text.parse::<i64>().ok());
                match (pair[0].text.as_str(), number) {
                    // A TTL of 0 never arrives.
                    ("min_ttl", Some(ttl)) => {
                        peers.min_ttls.push(Setting::Number(ttl.max(1)).at(&pair[1].place));
                    }
                    ("max_ttl", Some(_)) => {
                        translator.warn(&pair[0].place, "max_ttl: no counterpart");
                    }
                    _ => {
                        let problem = format!(
                            "expected min_ttl or max_ttl with a number, got {:?}; each peer has a \
                             line of its own",
                            shown(&pair[0].text)
                        );
                        translator.refuse(&pair[0].place, problem);
                    }
                }
            }
        }
    }

    /// Reads what it depends on. Returns whether the line was such a one.
    fn read_track(
        &mut self,
        line: &Statement,
        context: Context<'_>,
        checks: &mut Checks,
        translator: &mut Translator,
    ) -> bool {
        let kind = match line.head().text.as_str() {
            "track_interface" => {
                let lines = translator.block(line).iter();
                self.tracked.extend(lines.filter_map(|line| track::read(line, translator)));
                return true;
            }
            "track_script" => CheckKind::Script,
            "track_process" => CheckKind::Process,
            "track_file" => CheckKind::File,
            _ => return false,
        };
        let counts_weights = context.groups.counts_weights(&self.name.text);
        for tracked in translator.block(line) {
            self.raise += checks.track(tracked, kind, counts_weights, translator);
        }
        true
    }

    fn read_state(&mut self, line: &Statement, translator: &mut Translator) {
        let Some(state) = translator.value(line) else { return };
        match state.text.as_str() {
            "MASTER" => self.is_master = Some(line.place().clone()),
            "BACKUP" => {}
            other => {
                let text = format!("state {}: keepalived takes it for BACKUP", shown(other));
                translator.warn(&state.place, text);
                return;
            }
        }
        translator.note(line.place(), "state: nothing to set: the election decides");
    }

    fn read_auth(&mut self, line: &Statement, translator: &mut Translator) {
        translator.ignored(line.rest());
        for line in translator.block(line) {
            match line.head().text.as_str() {
                "auth_type" => self.auth.kind = translator.value(line).cloned(),
                "auth_pass" => self.auth.secret = translator.value(line).cloned(),
                _ => translator.known(line, &[], words::AUTHENTICATION, "in authentication"),
            }
        }
    }

    /// A trailer cannot be written, but can be overlooked.
    fn read_hmac(&mut self, line: &Statement, translator: &mut Translator) {
        let lines = translator.block(line);
        let mut modes = lines.iter().filter(|line| line.head().text == "mode");
        let mode = modes.next().and_then(|line| line.rest().first());
        if mode.is_some_and(|mode| mode.text == "permissive" || mode.text == "receive-only") {
            let text = "auth_hmac: no counterpart: the trailer of peers is ignored";
            translator.warn(line.place(), text);
            self.ignores_trailer = Some(line.place().clone());
            return;
        }
        let problem = "auth_hmac: peers that enforce it drop advertisements without it: set mode \
                       permissive on all of them first, and here";
        translator.refuse(line.place(), problem);
    }
}

/// Reads `use_vmac [NAME] [MAC]`.
fn virtual_mac(line: &Statement, translator: &mut Translator) -> Placed {
    translator.no_block(line);
    let mut name = None;
    let mut words = line.rest().iter();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "name" => name = words.next(),
            "netlink_notify_msg" => {}
            "group" => {
                words.next();
                translator.warn(&word.place, "group: no counterpart");
            }
            text if text.contains(':') => {
                let text = "use_vmac: no counterpart for another MAC address: virtual_mac has that \
                            of RFC 9568 §7.3";
                translator.warn(&word.place, text);
            }
            _ => name = Some(word),
        }
    }
    match name {
        Some(name) => Setting::Text(name.text.clone()).at(&name.place),
        None => Setting::Flag(true).at(line.place()),
    }
}

/// keepalived pays no attention to a mask behind the address of a peer.
fn without_mask(word: &Word) -> Word {
    let text = word.text.split('/').next().unwrap_or_default().to_owned();
    Word { text, place: word.place.clone() }
}

/// Words that are read, of which the last one counts.
const SINGLE: &[&str] = &[
    "state",
    "interface",
    "virtual_router_id",
    "priority",
    "version",
    "advert_int",
    "down_timer_adverts",
    "preempt_delay",
    "strict_mode",
    "v3_checksum_as_v2",
    "use_vmac",
    "unicast_src_ip",
    "unicast_ttl",
    "garp_master_repeat",
    "garp_master_refresh",
];
/// All other words that are read.
const READ: &[&str] = &[
    "nopreempt",
    "accept",
    "no_accept",
    "vmac_xmit_base",
    "authentication",
    "auth_hmac",
    "unicast_peer",
    "unicast_fault_no_peer",
    "mcast_dst_ip",
    "virtual_ipaddress",
    "virtual_ipaddress_excluded",
    "track_interface",
    "track_script",
    "track_process",
    "track_file",
];
