//! Tests that may run side by side: they wait until something is so, and measure nothing.

mod accept;
mod frr;
mod mute;
mod places;
mod seen;
pub(crate) mod sync;
mod three_kinds;
mod unheard;
mod unicast;
mod unicast_ipv6;
mod virtual_mac;

use std::time::Duration;

use harness::{Host, eventually};
use serde_json::Value;

use crate::router::Router;

/// Has the host's own firewall drop VRRP at a hook: `input` or `output`.
fn drop_vrrp(host: &Host, hook: &str) {
    let rules = format!(
        "add table inet vrrp_{hook}; \
         add chain inet vrrp_{hook} dropped {{ type filter hook {hook} priority 0; }}; \
         add rule inet vrrp_{hook} dropped meta l4proto 112 drop"
    );
    host.exec("nft", &[&rules]);
}

fn allow_vrrp(host: &Host, hook: &str) {
    host.exec("nft", &[&format!("delete table inet vrrp_{hook}")]);
}

/// Waits for a warning of the instance, and returns its text.
#[track_caller]
fn warning(router: &Router, name: &str, patience: Duration) -> String {
    eventually(&format!("there is the warning {name}"), patience, || {
        let all = warnings(router)?;
        let found = all.iter().find(|it| it["name"] == name).and_then(|it| it["text"].as_str());
        found.map(str::to_owned).ok_or(format!("{all:?}"))
    })
}

/// Waits until there is no warning of the instance.
#[track_caller]
fn no_warning(router: &Router, patience: Duration) {
    eventually("there is no warning", patience, || {
        let left = warnings(router)?;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    });
}

fn warnings(router: &Router) -> Result<Vec<Value>, String> {
    let instance = router.instance()?;
    instance["warnings"].as_array().cloned().ok_or(instance.to_string())
}
