//! How the guard withdraws the routers: it resigns, then removes the addresses.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::io::{self, Write as _};
use std::time::Duration;

use tokio::time::sleep;

use super::order::Claim;
use crate::net::{KernelEvent, Links, NetError, Netlink, SendSocket};
use crate::net::{address, macvlan};
use crate::status::on_one_line;
use crate::types::VirtualAddress;

/// Why the guard withdraws the routers of an engine.
#[derive(Clone, Copy, Debug)]
pub(super) enum Cause {
    Killed,
    /// It lives, but has been silent for so long.
    Hangs(Duration),
}

impl Cause {
    /// Returns for how long peers have certainly heard nothing.
    fn silence(self) -> Duration {
        match self {
            Self::Killed => Duration::ZERO,
            Self::Hangs(silence) => silence,
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Killed => f.write_str("nginx was killed"),
            Self::Hangs(silence) => {
                write!(f, "nginx lives, but its engine hangs since {} ms", silence.as_millis())
            }
        }
    }
}

/// Withdraws every claimed router, and returns whether all addresses were removed.
pub(super) async fn withdraw(
    claims: &BTreeMap<u32, Claim>,
    socket: &SendSocket,
    cause: Cause,
) -> bool {
    // Resignations first: peers take over as soon as they have them.
    let resigned = resign(claims, socket, cause.silence());
    for _ in 0..ATTEMPTS {
        match remove(claims) {
            Ok(removed) => {
                say(&format!(
                    "{cause}: resigned for {resigned} virtual routers, removed {removed} addresses"
                ));
                return true;
            }
            Err(error) => say(&error.with_cause()),
        }
        sleep(PAUSE).await;
    }
    false
}

/// Informs the operator, in nginx's error log if that is its error output.
pub(super) fn say(text: &str) {
    // A full log, say, must not prevent the withdrawal.
    let text = on_one_line(text);
    writeln!(io::stderr(), "vrrp: guard {}: {text}", std::process::id()).ok();
}

/// Sends the resignations, and returns how many. After a long `silence` peers have taken over
/// already: a resignation would disturb them.
fn resign(claims: &BTreeMap<u32, Claim>, socket: &SendSocket, silence: Duration) -> usize {
    let mut resigned = 0;
    for claim in claims.values().filter(|claim| claim.active_down_interval > silence) {
        let mut is_sent = false;
        for resignation in &claim.resignations {
            let (link, datagram) = (claim.speaks_on, resignation.datagram());
            let is_to_group = datagram.envelope.endpoints.destination().is_multicast();
            let sent = match claim.virtual_mac.filter(|_| is_to_group) {
                Some(mac) => socket.send_from(link, mac, datagram),
                None => socket.send(link, datagram),
            };
            match sent {
                Ok(()) => is_sent = true,
                Err(error) => say(&format!("cannot resign on link {link}: {error}")),
            }
        }
        resigned += usize::from(is_sent);
    }
    resigned
}

/// Removes the claimed addresses that carry our tag, and returns how many.
fn remove(claims: &BTreeMap<u32, Claim>) -> Result<usize, NetError> {
    let mut kernel = Netlink::open()?;
    let dump = kernel.dump()?;
    let tags_are_kept = dump.iter().any(KernelEvent::is_tagged);
    let mut links = Links::default();
    links.reset(dump);

    // What one link refuses keeps nothing on the others.
    let (mut removed, mut refused) = (0, None);
    for (index, claimed) in by_link(claims) {
        let Some(link) = links.at(index) else { continue };
        let nothing = BTreeSet::new();
        let present = link.addresses();
        let ours = if tags_are_kept { address::tagged(&claimed, present) } else { claimed };
        let changes = address::reconcile(&nothing, present, &nothing, &ours);
        let target = address::Target::of(index, link);
        let applied = address::apply(&mut kernel, target, &changes, None)?;
        removed += changes.remove.len() - applied.refused.len();
        refused = refused.or_else(|| applied.refused.into_iter().next());
    }
    macvlan::delete(&mut kernel, &links, &ours_among(&links, claims))?;
    refused.map_or(Ok(removed), |(_, error)| Err(error))
}

/// Returns the macvlans of the claims; if there are any, with all others of the same engine, which
/// has to be dead or hangs.
fn ours_among(links: &Links, claims: &BTreeMap<u32, Claim>) -> BTreeSet<u32> {
    let place_of = |index| Some(&links.at(index)?.macvlan()?.tag.as_ref()?.place);
    let claimed = claims.values().flat_map(|claim| &claim.places);
    let places: BTreeSet<_> = claimed.filter_map(|it| place_of(it.link)).collect();
    let all = links.iter().map(|(index, _)| index);
    all.filter(|index| place_of(*index).is_some_and(|place| places.contains(place))).collect()
}

fn by_link(claims: &BTreeMap<u32, Claim>) -> BTreeMap<u32, BTreeSet<VirtualAddress>> {
    let mut all: BTreeMap<u32, BTreeSet<_>> = BTreeMap::new();
    for place in claims.values().flat_map(|claim| &claim.places) {
        all.entry(place.link).or_default().extend(&place.addresses);
    }
    all
}

const ATTEMPTS: usize = 5;
const PAUSE: Duration = Duration::from_millis(20);
