//! Compares a configuration with this host before an engine runs: do the interfaces exist, under
//! these names, and in which networks are they?

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

use super::kernel::Networks;
use crate::config::{Config, ConfigError, InstanceConfig};
use crate::net::{KernelLink, Links, Netlink, index_by_any_name};
use crate::types::{LinkName, is_link_local};
use crate::wire::advertisement::most_addresses;

/// The result for a configuration on this host.
#[derive(Debug, Default)]
pub struct Survey {
    /// Options that can never work on this host.
    pub refused: Vec<ConfigError>,
    /// Options that do not work yet, or have an effect beyond their purpose.
    pub warnings: Vec<ConfigError>,
}

/// Compares a configuration with the links of this host. Without an answer of the kernel in time
/// there is no result.
#[must_use]
pub fn survey(config: &Config) -> Survey {
    let (told, links) = sync_channel(1);
    // Another program may hold the kernel's lock of all links for seconds.
    thread::spawn(move || told.send(links_of_this_host()));
    conclude(config, links.recv_timeout(PATIENCE).map(Option::unwrap_or_default))
}

fn conclude(config: &Config, answer: Result<Links, RecvTimeoutError>) -> Survey {
    let in_time = answer.is_ok();
    let mut survey = compare(config, &answer.unwrap_or_default(), index_by_any_name);
    if !in_time {
        let problem = format!(
            "the kernel has not told of its interfaces within {PATIENCE:?}: their other names, and \
             the prefixes of the addresses, are not compared. Something holds the kernel's lock of \
             all interfaces"
        );
        survey.warn("instances".to_owned(), problem);
    }
    survey
}

fn links_of_this_host() -> Option<Links> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
    let _context = runtime.enter();
    let mut links = Links::default();
    links.reset(Netlink::open().ok()?.dump().ok()?);
    Some(links)
}

fn compare(config: &Config, links: &Links, index_of: impl Fn(&LinkName) -> Option<u32>) -> Survey {
    let mut survey = Survey::default();
    let all = config.instances.iter();
    let moving: BTreeSet<_> = all.flat_map(InstanceConfig::moving).map(|it| it.address).collect();
    for (index, instance) in config.instances.iter().enumerate() {
        let path = format!("instances[{}]", index + 1);
        let mut look = |name: &LinkName, path: String| {
            survey.look_at_name(name, path, &instance.name, links, &index_of);
        };
        look(&instance.interface, format!("{path}.interface"));
        for (index, track) in instance.track.iter().enumerate() {
            look(&track.interface, format!("{path}.track[{}].interface", index + 1));
        }
        for interface in instance.placements.values().filter_map(|it| it.interface) {
            look(&interface, format!("{path}.addresses"));
        }
        survey.look_at_length(instance, &path, links);
        survey.look_at_endpoints(instance, &path, links);
        let carried = instance.addresses.iter().map(|held| ("addresses", held));
        let excluded = instance.addresses_excluded.iter().map(|held| ("addresses_excluded", held));
        for (list, held) in carried.chain(excluded) {
            let Some((_, link)) = links.named(&instance.interface_of(held)) else { continue };
            let networks = Networks::of(link, |address| moving.contains(&address));
            if let Some(problem) = networks.complaint(held, link.name()) {
                survey.warn(format!("{path}.{list}"), problem);
            }
        }
    }
    survey.look_at_reach(config, links);
    survey
}

impl Survey {
    fn look_at_name(
        &mut self,
        name: &LinkName,
        path: String,
        instance: &str,
        links: &Links,
        index_of: impl Fn(&LinkName) -> Option<u32>,
    ) {
        if links.named(name).is_some() {
            return;
        }
        let Some(index) = index_of(name) else {
            let until = "it is in fault until there is one";
            let problem = format!("{instance}: there is no interface {name} yet; {until}");
            return self.warn(path, problem);
        };
        if let Some(link) = links.at(index) {
            let problem = format!("{name} is another name of {:?}: write that", link.name());
            self.refused.push(ConfigError { path, problem });
        }
    }

    /// Compares the length of an advertisement with the MTU: the kernel sends no longer one.
    fn look_at_length(&mut self, instance: &InstanceConfig, path: &str, links: &Links) {
        let link = links.named(&instance.interface).map(|(_, link)| link);
        let Some(mtu) = link.and_then(KernelLink::mtu) else { return };
        let octets = usize::try_from(mtu).unwrap_or(usize::MAX);
        let most = most_addresses(octets, instance.family(), instance.version);
        let all = instance.advertised().count();
        if all > most {
            let problem = format!(
                "{all} do not fit into an advertisement on {}, at most {most} do (MTU {mtu}): \
                 write the others under addresses_excluded, on all nodes",
                instance.interface
            );
            self.refused.push(ConfigError { path: format!("{path}.addresses"), problem });
        }
    }

    /// Compares peers and source with the addresses of this host.
    fn look_at_endpoints(&mut self, instance: &InstanceConfig, path: &str, links: &Links) {
        let link_with = |address| link_with(links, address, Some(&instance.interface));
        for (index, peer) in instance.peers().iter().enumerate() {
            if let Some(link) = link_with(*peer) {
                let path = format!("{path}.peers[{}]", index + 1);
                let name = link.name();
                let problem = format!(
                    "{peer} is an address of this host ({name}): list the other nodes alone"
                );
                self.refused.push(ConfigError { path, problem });
            }
        }
        if let Some(source) = instance.source().filter(|source| link_with(*source).is_none()) {
            let name = &instance.name;
            let problem = format!(
                "{name}: {source} is not an address of this host yet; it is in fault until it is"
            );
            self.warn(format!("{path}.source"), problem);
        }
    }

    /// Looks for hosts to reach that are this one, which reaches itself whatever is broken.
    fn look_at_reach(&mut self, config: &Config, links: &Links) {
        for (index, reach) in config.reach.iter().enumerate() {
            let Some(link) = link_with(links, reach.address, reach.interface.as_ref()) else {
                continue;
            };
            let problem = format!(
                "{} is an address of this host ({}), which always answers itself: name another \
                 host",
                reach.address,
                link.name()
            );
            self.warn(format!("health.reach[{}].address", index + 1), problem);
        }
    }

    fn warn(&mut self, path: String, problem: String) {
        if self.warnings.len() < MAX_WARNINGS {
            self.warnings.push(ConfigError { path, problem });
        }
    }
}

/// Returns the link that has an address. A link-local one means something on one link alone.
fn link_with<'a>(
    links: &'a Links,
    address: IpAddr,
    interface: Option<&LinkName>,
) -> Option<&'a KernelLink> {
    let mut all = links.iter().map(|(_, link)| link);
    all.find(|link| {
        let is_it = interface.is_some_and(|name| link.name() == name.as_str());
        let counts = !is_link_local(&address) || is_it;
        counts && link.addresses().keys().any(|held| held.address == address)
    })
}

/// The kernel answers within a millisecond. nginx does not go on meanwhile.
const PATIENCE: Duration = Duration::from_millis(500);
const MAX_WARNINGS: usize = 50;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{KernelEvent, samples};

    #[test]
    fn another_name_of_an_interface_is_refused_and_an_interface_that_is_not_there_is_not() {
        let mut links = Links::default();
        links.handle(samples::link(2, "eth0"));
        let config = Config::from_json(
            r#"{ "instances": [ { "name": "VI_1", "interface": "lan0", "vrid": 51,
                "addresses": ["192.0.2.1/24"],
                "track": [{ "interface": "eth0" }, { "interface": "eth9" }] } ] }"#,
        );
        let index_of = |name: &LinkName| (name.as_str() == "lan0").then_some(2);

        let survey = compare(&config.expect("it is valid"), &links, index_of);

        let told = |all: &[ConfigError]| all.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(
            told(&survey.refused),
            ["instances[1].interface: lan0 is another name of \"eth0\": write that"]
        );
        assert_eq!(
            told(&survey.warnings),
            ["instances[1].track[2].interface: VI_1: there is no interface eth9 yet; it is in \
              fault until there is one"]
        );
    }

    #[test]
    fn a_kernel_that_does_not_answer_in_time_is_a_warning() {
        let config = Config::from_json(
            r#"{ "instances": [ { "name": "VI_1", "interface": "lo", "vrid": 51,
                "addresses": ["192.0.2.1/24"] } ] }"#,
        );

        let survey = conclude(&config.expect("it is valid"), Err(RecvTimeoutError::Timeout));

        let told: Vec<_> = survey.warnings.iter().map(ToString::to_string).collect();
        assert!(survey.refused.is_empty());
        assert!(
            matches!(&told[..], [it] if it.contains("not told of its interfaces within 500ms"))
        );
    }

    #[test]
    fn a_peer_on_this_host_is_refused_and_a_source_that_is_not_there_is_not() {
        let mut links = Links::default();
        links.handle(samples::link(3, "eth1"));
        links.handle(samples::address(3, "198.51.100.7/24"));
        let compared = |source, peer| {
            let config = Config::from_json(&format!(
                r#"{{ "instances": [ {{ "name": "VI_1", "interface": "eth1", "vrid": 51,
                    "addresses": ["192.0.2.1/32"], "source": "{source}",
                    "peers": ["192.0.2.3", "{peer}"] }} ] }}"#,
            ));
            let survey = compare(&config.expect("it is valid"), &links, |_| None);
            let told = survey.refused.iter().chain(&survey.warnings);
            told.map(ToString::to_string).collect::<Vec<_>>()
        };

        assert_eq!(
            compared("192.0.2.2", "198.51.100.7"),
            [
                "instances[1].peers[2]: 198.51.100.7 is an address of this host (eth1): list the \
                 other nodes alone",
                "instances[1].source: VI_1: 192.0.2.2 is not an address of this host yet; it is \
                 in fault until it is",
            ]
        );
        assert_eq!(compared("198.51.100.7", "192.0.2.4"), Vec::<String>::new());
    }

    #[test]
    fn a_host_to_reach_that_is_this_one_is_a_warning() {
        let mut links = Links::default();
        for event in [
            samples::link(2, "eth0"),
            samples::link(3, "eth1"),
            samples::address(2, "192.0.2.2/24"),
            samples::address(2, "fe80::2/64"),
        ] {
            links.handle(event);
        }
        let warned = |reach: serde_json::Value| {
            let options = serde_json::json!({ "health": { "reach": [reach] }, "instances": [ {
                "name": "VI_1", "interface": "eth0", "vrid": 51,
                "addresses": ["192.0.2.1/24"] } ] });
            let config = Config::from_json(&options.to_string()).expect("it is valid");
            let survey = compare(&config, &links, |_| None);
            survey.warnings.iter().map(ToString::to_string).collect::<String>()
        };

        assert_eq!(
            warned(serde_json::json!({ "address": "192.0.2.2" })),
            "health.reach[1].address: 192.0.2.2 is an address of this host (eth0), which always \
             answers itself: name another host"
        );
        assert_eq!(warned(serde_json::json!({ "address": "192.0.2.254" })), "");
        let link_local =
            |interface| warned(serde_json::json!({ "address": "fe80::2", "interface": interface }));
        assert!(link_local("eth0").contains("fe80::2 is an address of this host"));
        assert_eq!(link_local("eth1"), "");
    }

    /// An advertisement has 40 or 20 octets of IP and 8 of its own; of version 2, 8 more.
    #[test]
    fn more_addresses_than_the_mtu_has_room_for_are_refused_with_the_number_that_fits() {
        let said = |mtu, version: u8, addresses: &[String]| {
            let mut links = Links::default();
            let mut link = samples::link(2, "eth0");
            if let KernelEvent::Link { mtu: it, .. } = &mut link {
                *it = mtu;
            }
            links.handle(link);
            let options = serde_json::json!({ "instances": [ { "name": "VI_1", "vrid": 51,
                "interface": "eth0", "version": version, "addresses": addresses } ] });
            let config = Config::from_json(&options.to_string()).expect("it is valid");
            let survey = compare(&config, &links, |_| None);
            survey.refused.iter().map(ToString::to_string).collect::<String>()
        };
        let ipv6: Vec<_> = (1..=90).map(|host| format!("2001:db8::{host:x}/64")).collect();
        let ipv4: Vec<_> = (1..=255).map(|host| format!("10.0.0.{host}/8")).collect();

        assert_eq!(
            said(Some(1280), 3, &ipv6),
            "instances[1].addresses: 90 do not fit into an advertisement on eth0, at most \
             77 do (MTU 1280): write the others under addresses_excluded, on all nodes"
        );
        assert_eq!(said(Some(1280), 3, &ipv6[..77]), "");
        assert_eq!(said(Some(1488), 3, &ipv6), "");
        assert_eq!(said(None, 3, &ipv6), "");
        assert!(said(Some(1055), 2, &ipv4).contains("255 do not fit"));
        assert_eq!(said(Some(1056), 2, &ipv4), "");
        assert_eq!(said(Some(1048), 3, &ipv4), "");
        // Those of the other family are not advertised.
        let dual: Vec<_> = ipv4[..1].iter().chain(&ipv6).cloned().collect();
        assert_eq!(said(Some(1280), 3, &dual), "");
    }
}
