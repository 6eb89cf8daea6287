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

    /// Returns it as an option of an instance on an interface of these names.
    pub(super) fn option(self, own: &[String]) -> Placed {
        let text = Setting::Text(format!("{}/{}", self.ip, self.prefix)).at(&self.place);
        match self.interface.filter(|name| !own.contains(&name.text)) {
            None => text,
            Some(Word { text: name, place }) => {
                let interface = Setting::Text(name).at(&place);
                let fields = vec![("address", text), ("interface", interface)];
                Setting::Table(fields).at(&self.place)
            }
        }
    }
}

fn address(line: &Statement, translator: &mut Translator) -> Option<Address> {
    translator.no_block(line);
    let head = line.head();
    let (ip, prefix) = parts(head, translator)?;
    let mut address = Address { ip, prefix, place: head.place.clone(), interface: None };
    let mut words = line.rest().iter();
    while let Some(word) = words.next() {
        match word.text.as_str() {
            "dev" => address.interface = parameter(word, &mut words, translator).cloned(),
            "label" if ip.is_ipv6() => {
                parameter(word, &mut words, translator);
                translator
                    .warn(&word.place, "label: an IPv6 address has none; keepalived ignores it");
            }
            "label" => {
                let label = parameter(word, &mut words, translator)?;
                let text = format!("label {}: no counterpart: left out", shown(&label.text));
                translator.warn(&word.place, text);
            }
            "brd" | "broadcast" => {
                let given = parameter(word, &mut words, translator)?;
                broadcast(&address, given, translator);
            }
            "scope" => {
                let scope = parameter(word, &mut words, translator)?;
                if scope.text != "global" && scope.text != "0" {
                    let text = "scope: no counterpart: addresses are global";
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

/// `brd +` sets all bits of the host, as the kernel does, and `brd -` none.
fn broadcast(address: &Address, given: &Word, translator: &mut Translator) {
    let IpAddr::V4(ip) = address.ip else {
        return translator.refuse(&given.place, "an IPv6 address has no broadcast address");
    };
    let hosts = u32::MAX.checked_shr(address.prefix.into()).unwrap_or(0);
    let usual = Ipv4Addr::from_bits(ip.to_bits() | hosts);
    match (given.text.as_str(), given.text.parse::<Ipv4Addr>()) {
        ("+" | "-", _) if address.prefix > 30 => {
            let text = format!("brd: /{} has no broadcast address", address.prefix);
            translator.warn(&given.place, text);
        }
        ("+", _) => translator.note(&given.place, "brd: always so"),
        (_, Ok(other)) if other == usual => translator.note(&given.place, "brd: always so"),
        ("-", _) | (_, Ok(_)) => {
            let text = format!("brd: no counterpart: that of the network is {usual}");
            translator.warn(&given.place, text);
        }
        (text, Err(_)) => {
            let problem = format!("expected a broadcast address, + or -, got {:?}", shown(text));
            translator.refuse(&given.place, problem);
        }
    }
}

fn flag(word: &Word, translator: &mut Translator) {
    let says = match word.text.as_str() {
        "-nodad" => "duplicate address detection is never waited for",
        "no_track" => "an address that something else removes is always put back",
        "use_vmac" => "virtual_mac is an option of the instance",
        _ => "no counterpart",
    };
    let text = format!("{}: {says}", word.text);
    match word.text.as_str() {
        "-nodad" | "no_track" => translator.note(&word.place, text),
        _ => translator.warn(&word.place, text),
    }
}
