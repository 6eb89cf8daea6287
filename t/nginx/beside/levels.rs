//! What nginx's default level of the error log shows: what clients have noticed.

use harness::{Lab, Nginx, Role, carriers};

use crate::{ONE, conf_with, logs, lua, status_when};

#[test]
fn a_takeover_that_clients_noticed_is_an_error_and_a_planned_one_is_none() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("levels, {}", carrier.version));
        let one = lab.host("worker-01", "192.168.56.101/24");
        let two = lab.host("worker-02", "192.168.56.102/24");
        let better = Nginx::start(&one, carrier, &conf_with(ONE));
        status_when(&one, "active");
        let other = Nginx::start(&two, carrier, &conf_with(&ONE.replace("150", "100")));
        status_when(&two, "backup");

        assert_eq!(lua(&one, "return vrrp.drain()"), "true");
        status_when(&two, "active");
        status_when(&one, "initialize");
        assert_eq!(lua(&one, "return vrrp.undrain()"), "true");
        status_when(&two, "backup");
        assert_eq!(errors(&better), Vec::<String>::new());
        assert_eq!(errors(&other), Vec::<String>::new());

        // The host is gone: not even its guard can resign.
        one.link_down();
        status_when(&two, "active");
        let why = "reason: no_response (before: 192.168.56.101), priority 100";
        let what = format!("vrrp: VI_1 (vrid 51 on eth0): backup -> active, {why}; it adds");
        logs(&other, &what);
        assert_eq!(errors(&other).len(), 1, "{:?}", errors(&other));
        status_when(&one, "fault");
        logs(&better, "active -> fault, reason: link_down (");
        assert_eq!(errors(&better).len(), 1, "{:?}", errors(&better));
        assert!(!better.pids(Role::Worker).is_empty());
    }
}

/// Returns the lines that nginx's default level shows.
fn errors(nginx: &Nginx) -> Vec<String> {
    let log = nginx.error_log();
    log.lines().filter(|line| line.contains("[error]")).map(str::to_owned).collect()
}
