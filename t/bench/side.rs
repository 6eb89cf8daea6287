//! The two that are measured side by side, and what each is told.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use harness::{Carrier, Host, Keepalived, Nginx, Role, Signal};
use serde_json::Value;

use crate::plan::Plan;
use crate::usage::{self, Used};

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
    /// What nginx, or else keepalived, was told.
    configuration: String,
}

impl Side {
    pub(crate) const BOTH: [Self; 2] = [Self::Ours, Self::Theirs];

    /// Returns both, with the same plan.
    pub(crate) fn both(plan: &Plan) -> [(Self, &Plan); 2] {
        Self::BOTH.map(|side| (side, plan))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Ours => "resty.vrrp",
            Self::Theirs => "keepalived",
        }
    }
}

impl Node {
    /// Starts the first or the second node of a plan.
    pub(crate) fn start(
        side: Side,
        host: &Host,
        carrier: &Carrier,
        plan: &Plan,
        node: usize,
    ) -> Self {
        match side {
            Side::Ours => {
                let configuration = plan.nginx_conf(node);
                let nginx = Nginx::start(host, carrier, &configuration);
                Self { host: host.clone(), nginx, keepalived: None, configuration }
            }
            Side::Theirs => {
                let nginx = Nginx::start(host, carrier, &plan.plain_nginx());
                let script = plan.script.write(&nginx);
                let configuration = plan.in_keepalived(node, &script);
                let keepalived = Some(Keepalived::start_with(host, &configuration));
                Self { host: host.clone(), nginx, keepalived, configuration }
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

    /// Sends its addresses away while nginx runs on.
    pub(crate) fn drain(&mut self) {
        if let Some(keepalived) = &mut self.keepalived {
            return keepalived.stop();
        }
        let nginx = SocketAddr::from((Ipv4Addr::LOCALHOST, 80));
        let answer = self.host.enter(|| harness::request(nginx, "POST", "/ha/drain"));
        let answer = answer.expect("nginx answers");
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Reloads all of it, with what it was told before.
    pub(crate) fn reload(&self) {
        if let Some(keepalived) = &self.keepalived {
            keepalived.reload_with(&self.configuration);
        }
        self.nginx.reload();
    }

    /// Reloads the router with something changed; returns whether that was refused.
    pub(crate) fn reload_with(&self, from: &str, to: &str) -> bool {
        assert!(self.configuration.contains(from), "{from:?} is not in {}", self.configuration);
        let configuration = self.configuration.replace(from, to);
        if let Some(keepalived) = &self.keepalived {
            keepalived.reload_with(&configuration);
            // It does not answer.
            return false;
        }
        self.nginx.write("nginx.conf", &configuration);
        self.nginx.try_reload().is_err()
    }

    /// Tells whether its router runs.
    pub(crate) fn has_router(&mut self) -> bool {
        match &mut self.keepalived {
            Some(keepalived) => keepalived.is_running(),
            None => !self.nginx.pids(Role::Carrier).is_empty(),
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

    /// Returns the process that speaks VRRP.
    pub(crate) fn router_pid(&self) -> i32 {
        match &self.keepalived {
            // The parent comes first; with `--vrrp` it has one lasting child.
            Some(keepalived) => keepalived.pids()[1],
            None => self.nginx.carrier_pid(),
        }
    }

    /// Returns the processor time that it has used so far.
    pub(crate) fn used(&self) -> Used {
        let sum = |pids: &[i32], of: fn(i32) -> Duration| pids.iter().map(|&pid| of(pid)).sum();
        let nginx: Duration = sum(&self.nginx.pids(Role::All), usage::cpu);
        let carrier = usage::cpu(self.router_pid());
        let (router, all) = match &self.keepalived {
            None => {
                let guards: Duration = sum(&self.guards(), usage::cpu);
                (usage::cpu_of_threads(self.router_pid(), "vrrp") + guards, nginx + guards)
            }
            Some(keepalived) => {
                let pids = keepalived.pids();
                let router: Duration = sum(&pids, usage::cpu);
                let scripts: Duration = sum(&pids, usage::cpu_of_children);
                (router, router + scripts + nginx)
            }
        };
        Used { at: Instant::now(), router, carrier, all }
    }

    /// Returns what ours says of itself.
    fn status(&self) -> Value {
        self.host.get("127.0.0.1:80", "/ha/status").expect("nginx answers").json()
    }
}

const GUARD: &str = "vrrp-guard\n";
