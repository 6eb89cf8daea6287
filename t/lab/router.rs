//! An nginx with the module, seen from outside.

use std::time::Duration;

use harness::{Carrier, Host, Nginx, eventually};
use serde_json::Value;

/// What a node is told of its one instance, `VI_1`, on `eth0`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) version: u8,
    pub(crate) priority: u8,
    pub(crate) interval_ms: u32,
    /// Virtual addresses with the lengths of their prefixes.
    pub(crate) addresses: &'static [&'static str],
    /// More options, in Lua.
    pub(crate) more: &'static str,
}

/// A host whose nginx has the module.
#[derive(Debug)]
pub(crate) struct Router {
    pub(crate) host: Host,
    pub(crate) nginx: Nginx,
    /// The address that everything is about.
    pub(crate) address: &'static str,
}

/// Version 3 with ten advertisements a second.
pub(crate) const fn v3(priority: u8) -> Setup {
    Setup { version: 3, priority, interval_ms: 100, addresses: &["192.168.56.100/24"], more: "" }
}

/// Version 2, whose shortest interval is a second.
pub(crate) const fn v2(priority: u8) -> Setup {
    Setup { version: 2, interval_ms: 1000, ..v3(priority) }
}

/// Version 3 over IPv6, with the link-local address that RFC 9568 wants first.
pub(crate) const fn v6(priority: u8) -> Setup {
    Setup { addresses: &["fe80::100/64", "2001:db8::100/64"], ..v3(priority) }
}

/// Version 3 over IPv6, without it.
pub(crate) const fn v6_without_link_local(priority: u8) -> Setup {
    Setup { addresses: &["2001:db8::100/64"], ..v3(priority) }
}

impl Setup {
    /// Returns the address that everything is about.
    pub(crate) fn address(self) -> &'static str {
        let last = self.addresses.last().expect("there is one");
        last.split('/').next().expect("it has a prefix")
    }

    /// Adds options, in Lua.
    pub(crate) const fn with(self, more: &'static str) -> Self {
        Self { more, ..self }
    }

    /// Returns how much longer than its peers' silence it waits (RFC 9568 §6.1, RFC 3768 §6.1).
    pub(crate) fn skew_time(self) -> Duration {
        let unit_ms = if self.version == 2 { 1000 } else { self.interval_ms };
        Duration::from_millis(u64::from(unit_ms * (256 - u32::from(self.priority)) / 256))
    }

    /// Returns how long a silent router counts as alive, at equal intervals on both sides.
    pub(crate) fn active_down_interval(self) -> Duration {
        Duration::from_millis(u64::from(3 * self.interval_ms)) + self.skew_time()
    }

    pub(crate) fn conf(self) -> String {
        let Self { version, priority, interval_ms, more, .. } = self;
        let addresses = self.addresses.join("', '");
        format!(
            "worker_processes 2;
events {{ worker_connections 1024; }}
http {{
    init_by_lua_block {{
        require('resty.vrrp').setup {{ instances = {{ {{
            name = 'VI_1', interface = 'eth0', vrid = 51, version = {version},
            priority = {priority}, advert_interval_ms = {interval_ms},
            addresses = {{ '{addresses}' }}, {more}
        }} }} }}
    }}
    init_worker_by_lua_block {{ require('resty.vrrp').init_worker() }}
    server {{
        listen 80;
        add_header X-Served-By $hostname;
        location / {{ return 200 'page'; }}
        location /ha/ {{ content_by_lua_block {{ require('resty.vrrp').serve() }} }}
    }}
}}
"
        )
    }
}

impl Router {
    /// Starts nginx on a host.
    #[track_caller]
    pub(crate) fn start(host: &Host, carrier: &Carrier, setup: Setup) -> Self {
        let nginx = Nginx::start(host, carrier, &setup.conf());
        Self { host: host.clone(), nginx, address: setup.address() }
    }

    /// Returns what the status says of the instance.
    pub(crate) fn instance(&self) -> Result<Value, String> {
        let answer = self.host.get("127.0.0.1:80", "/ha/status").map_err(|it| it.to_string())?;
        Ok(answer.json()["instances"][0].clone())
    }

    /// Returns the state that the status shows, and the address where it is.
    pub(crate) fn state(&self) -> String {
        match self.instance() {
            Ok(instance) => instance["state"].as_str().unwrap_or("no state").to_owned(),
            Err(error) => error,
        }
    }

    /// Returns how many transitions there were.
    #[track_caller]
    pub(crate) fn transitions(&self) -> u64 {
        let instance = self.instance().expect("nginx answers");
        instance["transitions"].as_u64().expect("it is a number")
    }

    /// Waits until an advertisement was discarded for a reason.
    #[track_caller]
    pub(crate) fn wait_until_counted(&self, reason: &str) {
        eventually(&format!("{reason} is counted"), PATIENCE, || {
            let instance = self.instance()?;
            let counted = instance["counters"]["errors"][reason].as_u64();
            if counted > Some(0) { Ok(()) } else { Err(instance.to_string()) }
        });
    }

    /// Waits until the status shows a state and the address is where it then belongs.
    #[track_caller]
    pub(crate) fn wait_for(&self, state: &str) {
        let what = format!("{} is {state}", self.host.name());
        eventually(&what, PATIENCE, || {
            let (is, has) = (self.state(), self.host.has(self.address));
            let settled = is == state && has == (state == "active");
            if settled { Ok(()) } else { Err(format!("{is}, has the address: {has}")) }
        });
    }
}

/// The address that everything is about.
pub(crate) const ADDRESS: &str = "192.168.56.100";
/// Where a client finds it.
pub(crate) const SERVICE: &str = "192.168.56.100:80";
/// How long anything may take that is not being measured.
pub(crate) const PATIENCE: Duration = Duration::from_secs(15);
/// What a measured time may be off by, on a machine that does other things, too.
pub(crate) const SLACK: Duration = Duration::from_millis(400);
