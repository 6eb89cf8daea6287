//! Interfaces that a virtual router depends on besides its own.

use std::collections::BTreeMap;

use super::checks::Check;
use super::kernel::LinkView;
use crate::config::Config;
use crate::net::LinkSignal;
use crate::proto::RouterId;
use crate::types::LinkName;

/// What each router tracks, of those that track anything.
#[derive(Debug)]
pub(super) struct Tracking {
    routers: BTreeMap<RouterId, Vec<Tracked>>,
}

#[derive(Debug)]
struct Tracked {
    /// Its place among the links that are watched.
    link: usize,
    name: LinkName,
    weight: Option<i16>,
    /// Its last known state.
    last: Option<Condition>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Condition {
    Missing,
    Down,
    Up,
}

impl Tracking {
    /// Adds the tracked interfaces to `links`.
    pub(super) fn new(config: &Config, links: &mut Vec<LinkName>) -> Self {
        let known = links.iter().enumerate().map(|(place, name)| (*name, place));
        let mut places: BTreeMap<_, _> = known.collect();
        let mut routers = BTreeMap::new();
        for (router, instance) in config.instances.iter().enumerate() {
            let all = instance.tracked();
            let tracked = all.iter().map(|track| Tracked {
                link: *places.entry(track.interface).or_insert_with(|| {
                    links.push(track.interface);
                    links.len() - 1
                }),
                name: track.interface,
                weight: track.weight,
                last: None,
            });
            if !all.is_empty() {
                routers.insert(RouterId(router), tracked.collect());
            }
        }
        Self { routers }
    }

    /// Returns the tracked interfaces of each router for which one of them has changed.
    pub(super) fn look(&mut self, links: &[LinkView]) -> Vec<(RouterId, Vec<Check>)> {
        let mut news = Vec::new();
        for (router, tracked) in &mut self.routers {
            let mut is_new = false;
            for one in tracked.iter_mut() {
                is_new |= one.look(links.get(one.link));
            }
            if is_new {
                news.push((*router, tracked.iter().map(Tracked::check).collect()));
            }
        }
        news
    }
}

impl Tracked {
    /// Updates the interface, and tells whether it has changed.
    fn look(&mut self, link: Option<&LinkView>) -> bool {
        let condition = match link {
            Some(LinkView { index: Some(_), carrier: LinkSignal::Up, .. }) => Condition::Up,
            Some(LinkView { index: Some(_), carrier: LinkSignal::Down, .. }) => Condition::Down,
            Some(LinkView { index: None, .. }) | None => Condition::Missing,
        };
        self.last.replace(condition) != Some(condition)
    }

    fn check(&self) -> Check {
        let is = if self.last == Some(Condition::Missing) { "does not exist" } else { "is down" };
        Check {
            name: format!("track {}", self.name),
            ok: self.last == Some(Condition::Up),
            weight: self.weight,
            detail: format!("interface {} {is}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_routers_whose_tracked_interfaces_have_changed_are_named() {
        let mut links = vec![LinkName::new("eth0").unwrap()];
        let mut tracking = Tracking::new(&config(), &mut links);
        let mut views = vec![up(1), up(2), up(3)];

        let first = named(&mut tracking, &views);
        let unchanged = named(&mut tracking, &views);
        views[2].carrier = LinkSignal::Down;
        let changed = named(&mut tracking, &views);

        let names: Vec<_> = links.iter().map(LinkName::as_str).collect();
        assert_eq!(names, ["eth0", "eth1", "eth2"]);
        let fine = |name: &str| (name.to_owned(), true);
        let all = [fine("track eth1"), fine("track eth2")].to_vec();
        assert_eq!(first, [(1, all.clone()), (2, all[..1].to_vec())]);
        assert_eq!(unchanged, []);
        assert_eq!(changed, [(1, vec![fine("track eth1"), ("track eth2".to_owned(), false)])]);
    }

    /// Of three routers, the second one tracks eth1 and eth2, the third one eth1.
    fn config() -> Config {
        let instance = |vrid: u8, track: &[&str]| {
            let track: Vec<_> =
                track.iter().map(|name| serde_json::json!({ "interface": name })).collect();
            serde_json::json!({ "name": format!("VI_{vrid}"), "interface": "eth0", "vrid": vrid,
                "addresses": [format!("192.0.2.{vrid}/24")], "track": track })
        };
        let all = [instance(1, &[]), instance(2, &["eth1", "eth2"]), instance(3, &["eth1"])];
        Config::from_json(&serde_json::json!({ "instances": all }).to_string()).unwrap()
    }

    fn named(tracking: &mut Tracking, views: &[LinkView]) -> Vec<(usize, Vec<(String, bool)>)> {
        let of = |checks: Vec<Check>| checks.into_iter().map(|it| (it.name, it.ok)).collect();
        tracking.look(views).into_iter().map(|(router, checks)| (router.0, of(checks))).collect()
    }

    fn up(index: u32) -> LinkView {
        LinkView { index: Some(index), carrier: LinkSignal::Up, ..LinkView::default() }
    }
}
