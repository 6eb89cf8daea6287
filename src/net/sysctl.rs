//! Settings of a link under `/proc/sys`.

use std::fs;

use crate::net::NetError;
use crate::types::{Family, Ipv6Role};

/// Has the kernel promote secondary addresses when a primary one goes.
///
/// By default the kernel removes with the first address of a network all others of that network:
/// the virtual addresses would go with the primary one, or with each other.
///
/// # Errors
///
/// When the setting is not already in force and cannot be written, as in a container whose
/// `/proc/sys` is read-only.
pub fn promote_secondaries(link: &str) -> Result<(), NetError> {
    switch_on(link, "promote_secondaries")
}

/// Has the kernel deliver what comes from an address of this host.
///
/// The owner of virtual addresses advertises from one of them. By default, the router that has
/// taken over for it would not hear that it is back.
///
/// # Errors
///
/// As those of [`promote_secondaries`].
pub fn accept_local(link: &str) -> Result<(), NetError> {
    switch_on(link, "accept_local")
}

/// Tells whether the kernel drops what arrives on a link from a source that it would answer over
/// another one (strict reverse path filtering, RFC 3704).
#[must_use]
pub fn filters_reverse_path(link: &str) -> bool {
    highest(link, "rp_filter") == Some(1)
}

/// Returns what this host is to its IPv6 neighbours on a link.
#[must_use]
pub fn ipv6_role(link: &str) -> Ipv6Role {
    if ipv6(link, "forwarding") == Some(1) { Ipv6Role::Router } else { Ipv6Role::Host }
}

/// Tells whether IPv6 is disabled on a link, or the host is without it.
#[must_use]
pub fn disables_ipv6(link: &str) -> bool {
    ipv6(link, "disable_ipv6") != Some(0)
}

/// Tells whether a program may listen on an address that this host does not have.
#[must_use]
pub fn binds_foreign(family: Family) -> bool {
    let family = match family {
        Family::Ipv4 => "ipv4",
        Family::Ipv6 => "ipv6",
    };
    read(&format!("/proc/sys/net/{family}/ip_nonlocal_bind")) == Some(1)
}

/// Switches IPv6 off on a link, or has it take no address or route from a router.
///
/// # Errors
///
/// As those of [`promote_secondaries`].
pub fn quiet_ipv6(link: &str, is_used: bool) -> Result<(), NetError> {
    for (setting, value) in [("accept_ra", 0), ("disable_ipv6", u32::from(!is_used))] {
        // Without the setting, there is no IPv6.
        if ipv6(link, setting).is_some_and(|present| present != value) {
            write(ipv6_path(link, setting), value)?;
        }
    }
    Ok(())
}

/// The kernel heeds such a setting of the link or that of all links, whichever is on.
fn switch_on(link: &str, setting: &str) -> Result<(), NetError> {
    if highest(link, setting) > Some(0) {
        return Ok(());
    }
    write(path(link, setting), 1)
}

fn write(path: String, value: u32) -> Result<(), NetError> {
    fs::write(&path, value.to_string()).map_err(|error| NetError::new("write", path, error))
}

/// Returns a setting of which the kernel takes the higher one of the link's and that of all links.
fn highest(link: &str, setting: &str) -> Option<u32> {
    own_ipv4("all", setting).max(own_ipv4(link, setting))
}

/// Returns a setting of IPv4 of a link, whatever that of all links is.
pub(super) fn own_ipv4(link: &str, setting: &str) -> Option<u32> {
    read(&path(link, setting))
}

fn ipv6(link: &str, setting: &str) -> Option<u32> {
    read(&ipv6_path(link, setting))
}

fn read(path: &str) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn path(scope: &str, setting: &str) -> String {
    format!("/proc/sys/net/ipv4/conf/{scope}/{setting}")
}

fn ipv6_path(link: &str, setting: &str) -> String {
    format!("/proc/sys/net/ipv6/conf/{link}/{setting}")
}
