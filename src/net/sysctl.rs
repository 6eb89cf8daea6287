//! Settings of a link under `/proc/sys`.

use std::fs;

use crate::net::NetError;

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

/// The kernel heeds such a setting of the link or that of all links, whichever is on.
fn switch_on(link: &str, setting: &str) -> Result<(), NetError> {
    let path = |scope| format!("/proc/sys/net/ipv4/conf/{scope}/{setting}");
    let is_on = |scope| fs::read_to_string(path(scope)).is_ok_and(|value| value.trim() != "0");
    if is_on("all") || is_on(link) {
        return Ok(());
    }
    fs::write(path(link), "1").map_err(|error| NetError::new("write", path(link), error))
}
