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
    // The kernel heeds the setting of the link or that of all links, whichever is on.
    if is_on("all") || is_on(link) {
        return Ok(());
    }
    let path = path(link);
    fs::write(&path, "1").map_err(|error| NetError::new("write", path, error))
}

fn is_on(scope: &str) -> bool {
    fs::read_to_string(path(scope)).is_ok_and(|value| value.trim() != "0")
}

fn path(scope: &str) -> String {
    format!("/proc/sys/net/ipv4/conf/{scope}/promote_secondaries")
}
