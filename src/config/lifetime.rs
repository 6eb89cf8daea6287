//! How long the kernel keeps addresses that nobody refreshes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::InstanceConfig;
use super::table::{Table, whole};
use crate::types::LinkName;

/// Reads how long; `None` is for ever.
pub(super) fn read(table: &mut Table<'_>, instances: &[InstanceConfig]) -> Option<Duration> {
    let range = whole(0..=LONGEST_S, "s (0 = permanent)");
    let seconds = table.or("address_lifetime_s", default_s(instances), range);
    (seconds > 0).then(|| Duration::from_secs(seconds))
}

/// Returns how many seconds if nothing else is asked for.
///
/// To add or to refresh an address of IPv6 costs the kernel some 0.2 µs for each that the link has
/// (`ipv6_find_idev` joins their multicast groups anew): a thousand on a link, refreshed as often
/// as one, would need a tenth of a core.
fn default_s(instances: &[InstanceConfig]) -> u64 {
    let mut on_links: BTreeMap<LinkName, usize> = BTreeMap::new();
    for instance in instances {
        for held in instance.moving().filter(|held| held.address.is_ipv6()) {
            *on_links.entry(instance.interface_of(held)).or_default() += 1;
        }
    }
    let most = on_links.into_values().max().unwrap_or_default();
    let seconds = u64::try_from(most.div_ceil(IPV6_ADDRESSES_A_SECOND)).unwrap_or(LONGEST_S);
    seconds.clamp(OF_FEW_S, LONGEST_S)
}

/// As long as they are few on each link.
const OF_FEW_S: u64 = 4;
const LONGEST_S: u64 = 3600;
/// For so many addresses of IPv6 on a link all of them live for a second longer.
const IPV6_ADDRESSES_A_SECOND: usize = 10;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::config::Config;

    #[test]
    fn many_addresses_of_ipv6_on_a_link_are_refreshed_less_often_unless_it_is_said_how_often() {
        let of_link = |interface: &str, vrid: u8, count: usize| {
            let all: Vec<_> =
                (1..=count).map(|n| format!("2001:db8:{vrid:x}::{n:x}/128")).collect();
            json!({
                "name": format!("VI_{vrid}"), "interface": interface, "vrid": vrid,
                "addresses": [format!("2001:db8:ffff::{vrid:x}/64")], "addresses_excluded": all,
            })
        };
        let lifetime = |mut options: Value, instances: &[Value]| {
            options["instances"] = instances.into();
            let config = Config::from_json(&options.to_string()).expect("it is valid");
            config.address_lifetime.map(|it| it.as_secs())
        };
        let apart = [of_link("eth0", 1, 39), of_link("eth1", 2, 39)];
        let together = [of_link("eth0", 1, 39), of_link("eth0", 2, 39)];

        assert_eq!(lifetime(json!({}), &apart), Some(4));
        assert_eq!(lifetime(json!({}), &together), Some(8));
        assert_eq!(lifetime(json!({}), &[of_link("eth0", 1, 999)]), Some(100));
        assert_eq!(lifetime(json!({ "address_lifetime_s": 2 }), &together), Some(2));
        assert_eq!(lifetime(json!({ "address_lifetime_s": 0 }), &together), None);
    }
}
