//! The two that are measured side by side, and what each is told.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use harness::{Carrier, Host, Keepalived, Nginx, Role, Signal};
use serde_json::Value;

use crate::plan::{self, Plan};

/// Which of the two.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Side {
    /// nginx with resty.vrrp.
    Ours,
    /// keepalived, the same nginx without resty.vrrp, and a script that looks after nginx.
    Theirs,
}

/// One node of a pair, running. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) host: Host,
    pub(crate) nginx: Nginx,
    pub(crate) keepalived: Option<Keepalived>,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Ours, Self::Theirs];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "resty.vrrp",
            Self::Theirs => "keepalived",
        }
    }
}

impl Node {
    pub(crate) fn start(
        side: Side,
        host: &Host,
        carrier: &Carrier,
        plan: &Plan,
        priority: u8,
    ) -> Self {
        match side {
            Side::Ours => {
                let nginx = Nginx::start(host, carrier, &plan.nginx_conf(priority));
                Self { host: host.clone(), nginx, keepalived: None }
            }
            Side::Theirs => {
                let nginx = Nginx::start(host, carrier, plan::PLAIN_NGINX);
                let script = check_script(&nginx);
                let configuration = plan.in_keepalived(priority, &script);
                let keepalived = Some(Keepalived::start_with(host, &configuration));
                Self { host: host.clone(), nginx, keepalived }
            }
        }
    }

    /// Stops it as an administrator would: of keepalived, its own service and not nginx.
    pub(crate) fn stop(&mut self) {
        match &mut self.keepalived {
            Some(keepalived) => keepalived.stop(),
            None => self.nginx.signal(Role::Master, Signal::SIGTERM),
        }
    }

    /// As [`Node::stop`]; nginx finishes the requests that it has begun.
    pub(crate) fn quit(&mut self) {
        match &mut self.keepalived {
            Some(keepalived) => keepalived.stop(),
            None => self.nginx.signal(Role::Master, Signal::SIGQUIT),
        }
    }

    /// Returns how often its virtual routers have changed their states, all together.
    pub(crate) fn transitions(&self) -> u64 {
        match &self.keepalived {
            Some(keepalived) => {
                let count = keepalived.log().matches(") Entering ").count();
                u64::try_from(count).expect("a count fits")
            }
            None => self.status()["instances"]
                .as_array()
                .expect("the status has instances")
                .iter()
                .filter_map(|instance| instance["transitions"].as_u64())
                .sum(),
        }
    }

    /// Returns the processes that stand beside nginx to guard it, if it is ours.
    pub(crate) fn guards(&self) -> Vec<i32> {
        let mut pids = self.host.pids();
        pids.retain(|pid| {
            fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm == GUARD)
        });
        pids
    }

    /// Returns what ours says of itself.
    fn status(&self) -> Value {
        self.host.get("127.0.0.1:80", "/ha/status").expect("nginx answers").json()
    }
}

/// Writes the script that keepalived runs: does nginx's master live?
///
/// The usual `killall -0 nginx` or `pidof nginx` looks at every process of the machine; hosts of a
/// lab share one table of processes, so it would find the other host's nginx. This one starts no
/// further process, and does not take for alive what waits to be reaped, as `kill -0` does.
fn check_script(nginx: &Nginx) -> String {
    let path = nginx.prefix().join("check_nginx.sh");
    let pid = nginx.prefix().join("nginx.pid");
    let pid = pid.display();
    let text = format!("#!/bin/sh\nread -r pid < {pid} && [ -e /proc/$pid/exe ]\n");
    fs::write(&path, text).expect("the prefix is writable");
    fs::set_permissions(&path, Permissions::from_mode(0o755)).expect("it is ours");
    path.display().to_string()
}

const GUARD: &str = "vrrp-guard\n";
