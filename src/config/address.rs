//! Reads virtual addresses, and tells what to write instead of what was pasted from elsewhere.

pub(super) mod list;
pub(super) mod placement;
#[cfg(test)]
mod table_tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde_json::Value;

use super::table::{Read, shown};
use crate::types::VirtualAddress;

/// Reads an address with its prefix length: `"192.168.56.100/24"`.
pub(super) fn virtual_address(value: &Value) -> Read<VirtualAddress> {
    let text = value.as_str().unwrap_or_default();
    let expected = || {
        let hint = instead_of(text).map(|hint| format!(": {hint}")).unwrap_or_default();
        let example = "an address with prefix length, such as \"192.168.56.100/24\"";
        format!("expected {example}, got {}{hint}", shown(value))
    };
    let (address, prefix) = text.split_once('/').ok_or_else(expected)?;
    let address: IpAddr = address.parse().map_err(|_| expected())?;
    let longest = if address.is_ipv4() { 32 } else { 128 };
    let prefix = prefix.parse().ok().filter(|prefix| *prefix <= longest).ok_or_else(expected)?;
    let reason = match address {
        IpAddr::V4(address) => why_not(address, prefix),
        IpAddr::V6(address) => why_not_ipv6(address, prefix),
    };
    match reason {
        Some(reason) => Err(format!("{address}/{prefix} {reason}")),
        None => Ok(VirtualAddress { address, prefix }),
    }
}

/// Tells whether an address can be that of one other host.
pub(super) fn may_be_another_host(address: &IpAddr) -> bool {
    let is_of_many = address.is_multicast() || *address == Ipv4Addr::BROADCAST;
    let is_mapped = address.to_canonical() != *address;
    !is_of_many && !is_mapped && !address.is_unspecified() && !address.is_loopback()
}

/// Returns what to write instead of a text that names an address in another program's notation.
fn instead_of(text: &str) -> Option<String> {
    let words: Vec<_> = text.split_whitespace().collect();
    let (address, length) = match words.first()?.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (*words.first()?, None),
    };
    let after = |name| words.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1]);
    let Ok(address) = address.parse::<Ipv4Addr>() else {
        return instead_of_ipv6(address, length, after("dev"));
    };
    let masks = [length, after("netmask"), words.get(1).copied()];
    let known = masks.into_iter().flatten().find_map(prefix_length);
    let remark = if known.is_none() { " in a network of 256 addresses" } else { "" };
    let fields = [
        ("address", Some(format!("{address}/{}", known.unwrap_or(24)))),
        ("interface", after("dev").map(str::to_owned)),
        ("label", after("label").map(str::to_owned)),
        ("broadcast", after("brd").or(after("broadcast")).map(str::to_owned)),
    ];
    Some(format!("write {}{remark}", written(fields)))
}

/// Returns an address as it is written in an option: alone, if there is nothing to say of it.
fn written(fields: [(&str, Option<String>); 4]) -> String {
    let given = fields.into_iter().filter_map(|(name, value)| Some((name, value?)));
    let given: Vec<_> = given.collect();
    if let [(_, address)] = &given[..] {
        return format!("{address:?}");
    }
    let given: Vec<_> = given.iter().map(|(name, value)| format!("{name} = {value:?}")).collect();
    format!("{{ {} }}", given.join(", "))
}

fn instead_of_ipv6(text: &str, length: Option<&str>, device: Option<&str>) -> Option<String> {
    let (text, zone) = match text.split_once('%') {
        Some((text, zone)) => (text, Some(zone)),
        None => (text, None),
    };
    let address: Ipv6Addr = text.parse().ok()?;
    let length = length.and_then(|text| text.split('%').next()?.parse().ok());
    let prefix = length.filter(|prefix| *prefix <= 128).unwrap_or(64);
    let interface = zone.or(device).map(str::to_owned);
    let address = Some(format!("{address}/{prefix}"));
    let fields = [("address", address), ("interface", interface), ("", None), ("", None)];
    Some(format!("write {}", written(fields)))
}

/// Reads a prefix length, also one that is written as a netmask.
fn prefix_length(text: &str) -> Option<u32> {
    if let Ok(mask) = text.parse::<Ipv4Addr>() {
        let bits = mask.to_bits();
        return (bits.leading_ones() + bits.trailing_zeros() == 32).then(|| bits.leading_ones());
    }
    text.parse().ok().filter(|prefix| *prefix <= 32)
}

/// Returns why no host can have this address, if so.
fn why_not(address: Ipv4Addr, prefix: u8) -> Option<&'static str> {
    let hosts = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
    let host = address.to_bits() & hosts;
    match address.octets()[0] {
        0 => Some("cannot be an address of a host: 0.0.0.0/8 means this network"),
        127 => Some("cannot be a virtual address: 127.0.0.0/8 never leaves a host"),
        224..=239 => Some("cannot be an address of a host: it is a multicast address"),
        240.. => Some("cannot be an address of a host: 240.0.0.0/4 is reserved"),
        _ if prefix < SHORTEST_PREFIX => Some(
            "would send most of the Internet to this interface: write 8 to 32 behind the slash",
        ),
        _ if prefix <= 30 && host == 0 => {
            Some("is the address of its network, not of a host in it")
        }
        _ if prefix <= 30 && host == hosts => Some("is the broadcast address of its network"),
        _ => None,
    }
}

/// Returns why no host can have this address, if so.
fn why_not_ipv6(address: Ipv6Addr, prefix: u8) -> Option<&'static str> {
    let hosts = u128::MAX.checked_shr(prefix.into()).unwrap_or(0);
    match address.segments()[0] {
        _ if address.is_unspecified() => Some("cannot be an address of a host"),
        _ if address.is_loopback() => Some("cannot be a virtual address: it never leaves a host"),
        _ if address.to_ipv4_mapped().is_some() => {
            Some("stands for an address of IPv4: write that")
        }
        0xff00.. => Some("cannot be an address of a host: it is a multicast address"),
        0xfe80..=0xfebf if prefix < 10 => {
            Some("is link-local (fe80::/10): write 64 behind the slash")
        }
        _ if prefix < SHORTEST_PREFIX_IPV6 => Some(
            "would send most of the Internet to this interface: write 16 to 128 behind the slash",
        ),
        _ if prefix <= 126 && address.to_bits() & hosts == 0 => {
            Some("is the anycast address of all routers of its network (RFC 4291 §2.6.1)")
        }
        _ => None,
    }
}

/// The prefix length of the largest network that was ever assigned.
const SHORTEST_PREFIX: u8 = 8;
const SHORTEST_PREFIX_IPV6: u8 = 16;

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match virtual_address(&Value::from(text)) {
            Ok(address) => address.to_string(),
            Err(problem) => problem,
        }
    }

    #[test]
    fn an_address_in_the_notation_of_another_program_is_answered_with_ours() {
        for (pasted, instead) in [
            (
                "10.0.0.1/24 dev eth1 label eth1:0",
                "write { address = \"10.0.0.1/24\", interface = \"eth1\", label = \"eth1:0\" }",
            ),
            (
                "10.0.0.1/24 brd + scope global",
                "write { address = \"10.0.0.1/24\", broadcast = \"+\" }",
            ),
            ("10.0.0.1/255.255.255.0", "write \"10.0.0.1/24\""),
            ("10.0.0.1 255.255.254.0", "write \"10.0.0.1/23\""),
            (
                "10.0.0.1 netmask 255.255.0.0 dev lan",
                "write { address = \"10.0.0.1/16\", interface = \"lan\" }",
            ),
            ("10.0.0.1", "write \"10.0.0.1/24\" in a network of 256 addresses"),
            ("10.0.0.1/255.0.255.0", "write \"10.0.0.1/24\" in a network of 256 addresses"),
            ("2001:db8::1", "write \"2001:db8::1/64\""),
            (
                "2001:db8::1/48 dev lan",
                "write { address = \"2001:db8::1/48\", interface = \"lan\" }",
            ),
            ("fe80::1%eth0", "write { address = \"fe80::1/64\", interface = \"eth0\" }"),
            ("fe80::1%eth0/64", "write { address = \"fe80::1/64\", interface = \"eth0\" }"),
            ("2001:db8::1/129", "write \"2001:db8::1/64\""),
        ] {
            let said = said(pasted);
            assert!(said.starts_with("expected an address with prefix length"), "{said}");
            assert!(said.contains(&format!("got \"{pasted}\": {instead}")), "{said}");
        }
        assert!(said("virtual/24").ends_with("got \"virtual/24\""));
    }

    #[test]
    fn addresses_that_no_host_can_have_are_refused_with_the_reason() {
        for (address, reason) in [
            ("0.1.2.3/24", "0.0.0.0/8 means this network"),
            ("127.1.0.1/32", "127.0.0.0/8 never leaves a host"),
            ("224.0.0.18/32", "it is a multicast address"),
            ("240.0.0.1/24", "240.0.0.0/4 is reserved"),
            ("255.255.255.255/32", "240.0.0.0/4 is reserved"),
            ("192.0.2.1/7", "would send most of the Internet to this interface"),
            ("192.0.2.1/0", "would send most of the Internet to this interface"),
            ("192.0.2.0/24", "is the address of its network"),
            ("192.0.2.255/24", "is the broadcast address of its network"),
            ("192.0.2.3/30", "is the broadcast address of its network"),
            ("::/128", "cannot be an address of a host"),
            ("::1/128", "it never leaves a host"),
            ("::ffff:192.0.2.1/120", "stands for an address of IPv4"),
            ("ff02::12/128", "it is a multicast address"),
            ("fe80::1/9", "is link-local"),
            ("2001:db8::1/15", "would send most of the Internet to this interface"),
            ("2001:db8::/64", "is the anycast address of all routers of its network"),
        ] {
            assert!(said(address).starts_with(address) && said(address).contains(reason));
        }
        for address in [
            "192.0.2.0/31",
            "192.0.2.255/32",
            "192.0.2.255/23",
            "10.0.0.1/8",
            "2001:db8::1/64",
            "2001:db8::/127",
            "fe80::1/64",
            "fd00::1/48",
        ] {
            assert_eq!(said(address), address);
        }
    }
}
