//! What must hold of sync groups after every step: one host has all members, or none.

use std::collections::BTreeMap;
use std::time::Duration;

use resty_vrrp::proto::RouterId;

use crate::host::Host;

#[derive(Default)]
pub(crate) struct Unity {
    /// Since when a host has had some members of a group, and another one others.
    splits: BTreeMap<(usize, usize), Duration>,
}

impl Unity {
    pub(crate) fn observe(&mut self, now: Duration, hosts: &[Host], late: Duration) {
        let mut splits = BTreeMap::new();
        for (one, here) in hosts.iter().enumerate() {
            for (other, there) in hosts.iter().enumerate() {
                if is_split(here, there) {
                    let since = self.splits.get(&(one, other)).copied().unwrap_or(now);
                    let lasts = now - since;
                    let limit = patience(here).max(patience(there)) + late * 4;
                    let names = (here.name, there.name);
                    assert!(lasts <= limit, "{names:?} share a group for {lasts:?}");
                    splits.insert((one, other), since);
                }
            }
        }
        self.splits = splits;
    }
}

/// Tells whether each of two hosts that nothing keeps from serving has a member that the other one
/// has not.
fn is_split(here: &Host, there: &Host) -> bool {
    if here.groups.is_empty() || there.groups.is_empty() || !here.is_able() || !there.is_able() {
        return false;
    }
    let has = |host: &Host, router: &RouterId| host.table.contains(router);
    here.routers().any(|it| has(here, &it) && !has(there, &it))
        && here.routers().any(|it| !has(here, &it) && has(there, &it))
}

/// How long a host that has the first member waits for the others, and for what it has only just
/// begun to listen to.
fn patience(host: &Host) -> Duration {
    let slowest = host.slowest.max(Duration::from_secs(1));
    let longest =
        host.instances.iter().map(|it| u32::from(it.dead_factor)).max().unwrap_or_default();
    let hold = host.instances.iter().map(|it| it.startup_hold).max().unwrap_or_default();
    slowest * (longest + 2) + hold
}
