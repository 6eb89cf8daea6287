//! `virtual_ipaddress` and `virtual_ipaddress_excluded`.

use std::net::{IpAddr, Ipv4Addr};

use crate::keepalived::lexer::Word;
use crate::keepalived::place::Spot;
use crate::keepalived::setting::{Placed, Setting};
use crate::keepalived::tree::Statement;

use super::{Translator, shown};

/// One virtual address.
#[derive(Debug)]
pub(super) struct Address {
    /// The address itself.
    pub(super) ip: IpAddr,
    prefix: u8,
    place: Spot,
    interface: Option<Word>,
    label: Option<Word>,
    broadcast: Option<Placed>,
}

/// The interface of an instance, as its addresses may name it.
#[derive(Debug)]
pub(super) struct OwnInterface {
    /// Its name, and what keepalived calls the one with the virtual MAC address.
    pub(super) names: Vec<String>,
    /// The name of the one that has the addresses here.
    pub(super) of_addresses: Option<String>,
}

/// Reads the addresses of a block, one a line.
pub(super) fn read(statement: &Statement, translator: &mut Translator) -> Vec<Address> {
    translator.ignored(statement.rest());
    let lines = translator.block(statement).iter();
    lines.filter_map(|line| address(line, translator)).collect()
}

impl Address {
    /// Returns where it stands.
    pub(super) fn place(&self) -> &Spot {
        &self.place
    }

    /// Returns it as an option of an instance on an interface: alone, if nothing is said of it.
    pub(super) fn option(self, own: &OwnInterface, translator: &mut Translator) -> Placed {
        let text = Setting::Text(format!("{}/{}", self.ip, self.prefix)).at(&self.place);
        let elsewhere = self.interface.filter(|name| !own.names.contains(&name.text));
        if let Some(Word { place, .. }) = &elsewhere {
            let says = "dev: while that interface is down or missing, the instance is in fault";
            translator.note(place, says);
        }
        let interface = elsewhere.as_ref().map(|name| &name.text).or(own.of_addresses.as_ref());
        let label = self.label.filter(|label| {
            let is_label = interface.is_none_or(|name| is_label(&label.text, name));
            if let (false, Some(name)) = (is_label, interface) {
                let says = format!(
                    "label {}: left out: it has to be {name}, or {name}: and something behind it, \
                     in 15 bytes",
                    shown(&label.text)
                );
                translator.warn(&label.place, says);
            }
            is_label
        });
        let word = |word: Word| Setting::Text(word.text).at(&word.place);
        let mut fields = vec![("address", text)];
        fields.extend(elsewhere.map(|name| ("interface", word(name))));
        fields.extend(label.map(|label| ("label", word(label))));
        fields.extend(self.broadcast.map(|broadcast| ("broadcast", broadcast)));
        match &fields[..] {
            [(_, alone)] => alone.clone(),
            _ => Setting::Table(fields).at(&self.place),
        }
    }
}

/// Tells whether an address on an interface can have a label.
fn is_label(label: &str, interface: &str) -> bool {
    let rest = label.strip_prefix(interface);
    label.len() <= LONGEST_LABEL && rest.is_some_and(|it| it.is_empty() || it.starts_with(':'))
}

fn address(line: &Statement, translator: &mut Translator) -> Option<Address> {
    translator.no_block(line);
    let head = line.head();
    let (ip, prefix) = parts(head, translator)?;
    let place = head.place.clone();
    let mut address = Address { ip, prefix, place, interface: None, label: None, broadcast: None };
    let mut words = line.rest().iter();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "dev" => address.interface = parameter(word, &mut words, translator).cloned(),
            "label" if ip.is_ipv6() => {
                parameter(word, &mut words, translator);
                translator
                    .warn(&word.place, "label: an IPv6 address has none; keepalived ignores it");
            }
            "label" => address.label = parameter(word, &mut words, translator).cloned(),
            "brd" | "broadcast" => {
                let given = parameter(word, &mut words, translator)?;
                address.broadcast = broadcast(&address, given, translator);
            }
            "scope" => {
                let scope = parameter(word, &mut words, translator)?;
                if scope.text != "global" && scope.text != "0" {
                    let text = "scope: no counterpart: addresses are global; src of a route says \
                                from which one this host speaks";
                    translator.warn(&word.place, text);
                }
            }
            "preferred_lft" => {
                parameter(word, &mut words, translator);
                let text = "preferred_lft: an IPv6 address is never chosen as a source";
                translator.note(&word.place, text);
            }
            "-nodad" | "no_track" | "home" | "mngtmpaddr" | "noprefixroute" | "autojoin"
            | "use_vmac" => flag(word, translator),
            "peer" => {
                parameter(word, &mut words, translator);
                translator.refuse(&word.place, "peer: no counterpart: an address is of a network");
            }
            _ => {
                let problem = format!(
                    "expected dev, brd, label or scope, got {:?}; each address has a line of its \
                     own",
                    shown(&word.text)
                );
                translator.refuse(&word.place, problem);
                break;
            }
        }
    }
    Some(address)
}

/// Reads an address with its prefix length: without one it is /32 or /128.
fn parts(word: &Word, translator: &mut Translator) -> Option<(IpAddr, u8)> {
    let (ip, prefix) = word.text.split_once('/').map_or((&*word.text, None), |(a, b)| (a, Some(b)));
    let Ok(ip) = ip.parse::<IpAddr>() else {
        let problem =
            format!("expected an address such as 192.168.56.100/24, got {:?}", shown(&word.text));
        translator.refuse(&word.place, problem);
        return None;
    };
    let longest = if ip.is_ipv4() { 32 } else { 128 };
    let Some(prefix) = prefix else { return Some((ip, longest)) };
    let length = prefix.parse().ok().filter(|length| *length <= longest);
    if length.is_none() {
        let problem = format!(
            "expected a prefix length up to {longest} behind the slash, got {:?}",
            shown(prefix)
        );
        translator.refuse(&word.place, problem);
    }
    Some((ip, length?))
}

fn parameter<'w>(
    word: &Word,
    words: &mut impl Iterator<Item = &'w Word>,
    translator: &mut Translator,
) -> Option<&'w Word> {
    let parameter = words.next();
    if parameter.is_none() {
        translator.refuse(&word.place, format!("expected a value behind {}", word.text));
    }
    parameter
}

/// Returns the option `broadcast`. Unless it says something else, `brd +` counts here: all bits of
/// the host are set, where the network has such an address.
fn broadcast(address: &Address, given: &Word, translator: &mut Translator) -> Option<Placed> {
    let IpAddr::V4(ip) = address.ip else {
        translator.refuse(&given.place, "an IPv6 address has no broadcast address");
        return None;
    };
    let hosts = u32::MAX.checked_shr(address.prefix.into()).unwrap_or(0);
    let usual = (hosts > 1).then(|| Ipv4Addr::from_bits(ip.to_bits() | hosts));
    match (given.text.as_str(), given.text.parse::<Ipv4Addr>()) {
        ("+", _) if usual.is_none() => {
            let text = format!("brd: /{} has no broadcast address", address.prefix);
            translator.warn(&given.place, text);
        }
        ("-", _) if usual.is_none() => translator.note(&given.place, "brd: always so"),
        ("+", _) => translator.note(&given.place, "brd: always so"),
        (_, Ok(other)) if Some(other) == usual => translator.note(&given.place, "brd: always so"),
        ("-", _) | (_, Ok(_)) => return Some(Setting::Text(given.text.clone()).at(&given.place)),
        (text, Err(_)) => {
            let problem = format!("expected a broadcast address, + or -, got {:?}", shown(text));
            translator.refuse(&given.place, problem);
        }
    }
    None
}

fn flag(word: &Word, translator: &mut Translator) {
    let says = match word.text.as_str() {
        "-nodad" => "duplicate address detection is never waited for",
        "no_track" => "an address that something else removes is always put back",
        "use_vmac" => "virtual_mac is an option of the instance",
        "noprefixroute" => "no counterpart: of a /32 or /128, the kernel makes no route",
        "autojoin" => "no counterpart: a virtual address is no multicast address",
        "mngtmpaddr" => "no counterpart: no temporary addresses are made of a virtual one",
        _ => "no counterpart: it is for Mobile IPv6",
    };
    let text = format!("{}: {says}", word.text);
    match word.text.as_str() {
        "-nodad" | "no_track" => translator.note(&word.place, text),
        _ => translator.warn(&word.place, text),
    }
}

/// Bytes of the longest label.
const LONGEST_LABEL: usize = 15;
