//! What the guard does when nobody is left: resign, then remove the addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::sleep;

use super::order::Claim;
use crate::net::address;
use crate::net::{Event, Links, NetError, Netlink, VrrpSocket};
use crate::types::VirtualAddress;
use crate::wire::ip::Ipv4Datagram;

/// Withdraws every virtual router that is claimed.
pub(super) async fn withdraw(claims: &BTreeMap<u32, Claim>) {
    // The peers come first: the sooner they know, the sooner somebody serves.
    let resigned = resign(claims);
    for _ in 0..ATTEMPTS {
        match remove(claims) {
            Ok(removed) => {
                say(&format!(
                    "nginx was killed: resigned for {resigned} virtual routers, removed \
                     {removed} addresses"
                ));
                return;
            }
            Err(error) => say(&error.with_cause()),
        }
        sleep(PAUSE).await;
    }
}

/// Tells the operator, in nginx's error log where that is its error output.
pub(super) fn say(text: &str) {
    eprintln!("vrrp: guard {}: {text}", std::process::id());
}

/// Sends the resignations, and returns how many.
fn resign(claims: &BTreeMap<u32, Claim>) -> usize {
    let mut sockets = BTreeMap::new();
    let mut resigned = 0;
    for claim in claims.values() {
        let Ok(datagram) = Ipv4Datagram::parse(&claim.resignation) else { continue };
        let socket = sockets.entry(claim.link).or_insert_with(|| VrrpSocket::open(claim.link));
        match socket {
            Ok(socket) => {
                let sent = socket.send_to(&claim.resignation, datagram.destination);
                resigned += usize::from(sent.is_ok());
            }
            Err(error) => say(&error.with_cause()),
        }
    }
    resigned
}

/// Removes the addresses that are claimed and ours, and returns how many.
fn remove(claims: &BTreeMap<u32, Claim>) -> Result<usize, NetError> {
    let mut kernel = Netlink::open()?;
    let dump = kernel.dump()?;
    let tags_are_kept = dump.iter().any(is_tagged);
    let mut links = Links::default();
    links.reset(dump);

    let mut removed = 0;
    for (index, claimed) in by_link(claims) {
        let Some(link) = links.at(index) else { continue };
        let nothing = BTreeSet::new();
        let present = link.addresses();
        let ours = if tags_are_kept { address::tagged(&claimed, present) } else { claimed };
        let changes = address::reconcile(&nothing, present, &nothing, &ours);
        let applied = address::apply(&mut kernel, (index, link.name()), &changes, None)?;
        removed += changes.remove.len() - applied.refused.len();
        if let Some((_, error)) = applied.refused.into_iter().next() {
            return Err(error);
        }
    }
    Ok(removed)
}

/// Tells whether an address bears any tag, as 127.0.0.1 does wherever the kernel keeps them.
fn is_tagged(event: &Event) -> bool {
    matches!(event, Event::Address { protocol, .. } if *protocol != 0)
}

fn by_link(claims: &BTreeMap<u32, Claim>) -> BTreeMap<u32, BTreeSet<VirtualAddress>> {
    let mut all: BTreeMap<u32, BTreeSet<_>> = BTreeMap::new();
    for claim in claims.values() {
        all.entry(claim.link).or_default().extend(&claim.addresses);
    }
    all
}

const ATTEMPTS: usize = 5;
const PAUSE: Duration = Duration::from_millis(20);
