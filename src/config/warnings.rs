//! Options that are allowed, but cannot have the intended effect.
//!
//! Here stands only what is certain without knowing the peers. That a weight is too small to change
//! who is Active, the election finds out when it has lowered a priority.

use super::{Config, ConfigError, InstanceConfig};

impl Config {
    /// Returns the warnings about the options, each with its path; a screenful at most.
    #[must_use]
    pub fn warnings(&self) -> Vec<ConfigError> {
        let all = self.instances.iter().enumerate();
        let all = all.flat_map(|(index, one)| one.warnings(&format!("instances[{}]", index + 1)));
        let token = self.token.iter().filter(|_| !self.control).map(|_| ConfigError {
            path: "token".to_owned(),
            problem: "does nothing without control = true: no request is taken over HTTP"
                .to_owned(),
        });
        token.chain(all).take(MAX_WARNINGS).collect()
    }

    /// Returns the warnings about checks with these names and weights, which count for every
    /// instance.
    #[must_use]
    pub fn warnings_about(&self, checks: &[(String, i16)]) -> Vec<String> {
        let names: Vec<_> = checks.iter().map(|(name, _)| name.as_str()).collect();
        let weights = || checks.iter().map(|(_, weight)| *weight);
        let about = |weighs: &dyn Fn(&InstanceConfig) -> bool, what: &str| {
            let mut concerned = self.instances.iter().filter(|one| weighs(one));
            let first = &concerned.next().filter(|_| !checks.is_empty())?.name;
            let others = match concerned.count() {
                0 => String::new(),
                others => format!(" (and {others} more)"),
            };
            Some(format!("the weight of check {}: {first}{others} {what}", names.join(", ")))
        };
        let owner = about(
            &|one| one.priority.is_owner(),
            "has priority 255, which never changes: an owner does not compete",
        );
        let tolerated = about(&InstanceConfig::is_tolerated, NOT_PREEMPTED);
        let bottom = about(
            &|one| one.falls_too_low(one.weights().chain(weights())),
            "falls no lower than priority 1, although the weights add up to more: \
             what fails last changes nothing",
        );
        [owner, tolerated, bottom].into_iter().flatten().collect()
    }
}

impl InstanceConfig {
    fn warnings(&self, path: &str) -> Vec<ConfigError> {
        let mut warnings = Vec::new();
        let mut warn = |path, problem| warnings.push(ConfigError { path, problem });
        for (index, track) in self.track.iter().enumerate() {
            let path = format!("{path}.track[{}].weight", index + 1);
            if track.weight.is_none() {
                continue;
            }
            if self.priority.is_owner() {
                warn(path, "an owner's priority (255) never changes: it does nothing".to_owned());
            } else if self.is_tolerated() {
                warn(path, format!("{} {NOT_PREEMPTED}", self.name));
            }
        }
        if !self.accept && self.priority.is_owner() {
            let problem = "an owner (priority 255) accepts what is sent to its addresses, whatever \
                           this says (RFC 9568 §6.1)";
            warn(format!("{path}.accept"), problem.to_owned());
        }
        if self.falls_too_low(self.weights()) {
            let sum: i32 = self.weights().map(i32::from).sum();
            let problem = format!(
                "the weights add up to {sum}, but a priority of {} falls no lower than 1: \
                 what fails last changes nothing",
                self.priority
            );
            warn(format!("{path}.track"), problem);
        }
        warnings
    }

    fn weights(&self) -> impl Iterator<Item = i16> {
        self.track.iter().filter_map(|track| track.weight)
    }

    /// Tells whether peers that are configured likewise tolerate it at any priority.
    fn is_tolerated(&self) -> bool {
        !self.preempt && !self.priority.is_owner()
    }

    fn falls_too_low(&self, weights: impl Iterator<Item = i16>) -> bool {
        let sum: i32 = weights.map(i32::from).sum();
        !self.priority.is_owner() && i32::from(self.priority.get()) + sum < 1
    }
}

const NOT_PREEMPTED: &str = "has preempt = false: peers that say so, too, do not take over from it \
                             while it lives, whatever its priority; without a weight they do";
const MAX_WARNINGS: usize = 50;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a_weight_that_can_change_the_winner_is_no_reason_for_a_warning() {
        assert_eq!(said(&json!({ "priority": 150, "track": track(&[-60]) })), [] as [&str; 0]);
        assert_eq!(
            said(&json!({ "priority": 150, "track": track(&[-100, -49]) })),
            [] as [&str; 0]
        );
        let fault = json!([{ "interface": "eth1" }]);
        assert_eq!(said(&json!({ "preempt": false, "track": fault })), [] as [&str; 0]);
    }

    #[test]
    fn an_owner_accepts_whatever_is_configured() {
        let told = said(&json!({ "priority": 255, "accept": false }));

        assert_eq!(told.len(), 1, "{told:?}");
        assert!(told[0].starts_with("instances[1].accept: an owner"), "{told:?}");
        assert!(said(&json!({ "priority": 254, "accept": false })).is_empty());
        assert!(said(&json!({ "priority": 255, "accept": true })).is_empty());
    }

    #[test]
    fn the_weight_of_an_owner_does_nothing() {
        let said = said(&json!({ "priority": 255, "preempt": false, "track": track(&[-253]) }));

        assert_eq!(
            said,
            ["instances[1].track[1].weight: an owner's priority (255) never changes: \
              it does nothing"]
        );
    }

    #[test]
    fn a_weight_where_nobody_preempts_moves_nothing() {
        let said = said(&json!({ "preempt": false, "track": track(&[-10, -20]) }));

        assert_eq!(said.len(), 2);
        assert!(said[0].starts_with("instances[1].track[1].weight: VI_1 has preempt = false: "));
        assert!(said[1].starts_with("instances[1].track[2].weight: VI_1 has preempt = false: "));
    }

    #[test]
    fn weights_beyond_the_lowest_priority_are_lost() {
        let said = said(&json!({ "priority": 150, "track": track(&[-100, -50]) }));

        let expected = "instances[1].track: the weights add up to -150, but a priority of 150 \
                        falls no lower than 1: what fails last changes nothing";
        assert_eq!(said, [expected]);
    }

    #[test]
    fn a_thousand_warnings_are_a_screenful() {
        let one = |index| {
            let changes = json!({ "name": format!("VI_{index}"), "vrid": 1,
                "interface": format!("eth{index}"), "addresses": [format!("10.0.0.{index}/24")],
                "preempt": false, "track": track(&[-10]) });
            instance(&changes)
        };

        let config = config(&(1..=200).map(one).collect::<Vec<_>>());

        assert_eq!(config.warnings().len(), MAX_WARNINGS);
        let said = config.warnings_about(&[("db".to_owned(), -5)]);
        assert_eq!(said.len(), 1);
        assert!(said[0].starts_with("the weight of check db: VI_1 (and 199 more) has preempt"));
    }

    #[test]
    fn the_weight_of_a_check_is_judged_for_every_instance_with_what_that_tracks() {
        let names = |name, vrid, more: Value| {
            let mut changes = json!({ "name": name, "vrid": vrid,
                "addresses": [format!("192.0.2.{vrid}/24")] });
            for (name, value) in more.as_object().expect("a table") {
                changes[name] = value.clone();
            }
            instance(&changes)
        };
        let config = config(&[
            names("owner", 1, json!({ "priority": 255 })),
            names("low", 2, json!({ "priority": 50, "track": track(&[-30]) })),
            names("well", 3, json!({ "priority": 150 })),
        ]);
        let checks = |weights: &[i16]| {
            let names = ["db", "disk"].map(str::to_owned);
            names.into_iter().zip(weights.iter().copied()).collect::<Vec<_>>()
        };

        let few = config.warnings_about(&checks(&[-10, -9]));
        let many = config.warnings_about(&checks(&[-10, -10]));

        assert_eq!(few.len(), 1);
        assert!(few[0].starts_with("the weight of check db, disk: owner has priority 255"));
        assert_eq!(many.len(), 2);
        assert!(many[1].starts_with("the weight of check db, disk: low falls no lower than"));
        assert_eq!(config.warnings_about(&[]), [] as [&str; 0]);
    }

    fn said(changes: &Value) -> Vec<String> {
        let warnings = config(&[instance(changes)]).warnings();
        warnings.iter().map(ToString::to_string).collect()
    }

    fn config(instances: &[Value]) -> Config {
        let options = json!({ "instances": instances });
        Config::from_json(&options.to_string()).expect("it is valid")
    }

    fn instance(changes: &Value) -> Value {
        let mut instance = json!({ "name": "VI_1", "interface": "eth0", "vrid": 51,
            "addresses": ["192.0.2.1/24"] });
        for (name, value) in changes.as_object().expect("changes are a table") {
            instance[name] = value.clone();
        }
        instance
    }

    fn track(weights: &[i16]) -> Value {
        let one = |(index, weight)| json!({ "interface": format!("eth{index}"), "weight": weight });
        (1..).zip(weights).map(one).collect()
    }
}
