//! What a dead engine has left on this host.

use std::fs;

use super::words::shown;
use crate::net::address::PROTOCOL;
use crate::net::{Links, Netlink};

/// Returns lines about the virtual addresses that are still here, and about guards that still run;
/// empty if there are none.
pub(super) fn text() -> String {
    let mut text = String::new();
    for (address, link) in addresses() {
        text += &format!(
            "{address} is on {link} still: a killed engine has left it. The kernel removes it at \
             the end of its lifetime. If address_lifetime_s is 0, start nginx, or ip address del \
             {address} dev {link}\n"
        );
    }
    for pid in guards() {
        text += &format!(
            "process {pid} is a guard, which ends by itself: its engine has just ended, or runs \
             where this program cannot look\n"
        );
    }
    text
}

/// Returns the addresses with our tag in this network namespace, and their links.
fn addresses() -> Vec<(String, String)> {
    let Some(links) = links() else { return Vec::new() };
    let each = links.iter().flat_map(|(_, link)| {
        let tagged = link.addresses().iter().filter(|(_, mark)| mark.protocol == PROTOCOL);
        tagged.map(move |(address, _)| (address.to_string(), shown(link.name())))
    });
    each.collect()
}

fn links() -> Option<Links> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let _context = runtime.enter();
    let mut links = Links::default();
    links.reset(Netlink::open().ok()?.dump().ok()?);
    Some(links)
}

fn guards() -> Vec<String> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = processes.filter_map(|process| process.file_name().into_string().ok());
    let is_guard = |pid: &String| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name.trim() == GUARD)
    };
    names.filter(is_guard).collect()
}

const GUARD: &str = "vrrp-guard";
