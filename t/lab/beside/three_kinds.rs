//! The module, keepalived and FRR as routers of one link.

use harness::{
    Frr, Host, Keepalived, KeepalivedConfig, KeepalivedState, Lab, Role, carriers, eventually,
    holds_for,
};

use super::frr;
use crate::keepalived::like;
use crate::router::{PATIENCE, Router, SLACK, Setup, v2, v3, v6};

#[test]
fn of_three_kinds_each_is_active_in_turn_and_the_others_follow() {
    for setup in [v3, v6] {
        each_in_turn(setup);
    }
}

#[test]
fn of_three_kinds_of_version_2_each_is_active_in_turn_and_the_others_follow() {
    each_in_turn(v2);
}

/// Stops them from the best to the last, has them come back, and kills them in the same order.
fn each_in_turn(setup: fn(u8) -> Setup) {
    for carrier in carriers() {
        let name = format!("three kinds, version {}, {}", setup(1).version, carrier.version);
        let lab = Lab::new(&name);
        let [a, b, c] = [101, 102, 103].map(|number| {
            let host = lab.host(&format!("worker-{number}"), &format!("192.168.56.{number}/24"));
            host.set_ipv6(number);
            host
        });
        let config = like(setup(120));
        let mut kinds = Kinds {
            frr: Frr::start(&c, frr::like(setup(100))),
            keepalived: Keepalived::start(&b, &config),
            ours: Router::start(&a, carrier, setup(150)),
        };
        kinds.assert_settled(["active", "Backup", "Backup"]);

        kinds.ours.nginx.quit();
        kinds.assert_settled(["", "Master", "Backup"]);
        kinds.keepalived.stop();
        kinds.assert_settled(["", "", "Master"]);
        kinds.come_back(&b, &config);

        kinds.ours.nginx.kill9(Role::All);
        kinds.assert_settled(["", "Master", "Backup"]);
        kinds.keepalived.kill9();
        kinds.assert_settled(["", "", "Master"]);
        kinds.come_back(&b, &config);
        kinds.frr.kill9();
        kinds.assert_settled(["active", "Backup", ""]);
        kinds.ours.nginx.assert_no_complaints();
    }
}

struct Kinds {
    ours: Router,
    keepalived: Keepalived,
    frr: Frr,
}

impl Kinds {
    /// keepalived preempts FRR, and then the module preempts keepalived.
    #[track_caller]
    fn come_back(&mut self, host: &Host, config: &KeepalivedConfig) {
        self.keepalived = Keepalived::start(host, config);
        self.assert_settled(["", "Master", "Backup"]);
        self.ours.nginx.launch().expect("it starts again");
        self.assert_settled(["active", "Backup", "Backup"]);
    }

    /// Waits until each is in a state, in its own words, and checks that they stay so. Of one that
    /// does not run nothing is known.
    #[track_caller]
    fn assert_settled(&self, wanted: [&str; 3]) {
        let right = || {
            let ours = self.ours.state();
            let keepalived = match self.keepalived.state() {
                Some(KeepalivedState::Master) => "Master",
                Some(KeepalivedState::Backup) => "Backup",
                Some(KeepalivedState::Fault) | None => "none",
            };
            let frr = self.frr.state().unwrap_or_default();
            let are = [ours.as_str(), keepalived, &frr];
            let is_so =
                wanted.iter().zip(are).all(|(wanted, is)| wanted.is_empty() || *wanted == is);
            let has = self.ours.host.has(self.ours.address);
            if is_so && has == (wanted[0] == "active") { Ok(()) } else { Err(format!("{are:?}")) }
        };
        eventually(&format!("they are {wanted:?}"), PATIENCE, right);
        holds_for("it stays so", SLACK, right);
    }
}
