//! Two nodes, and a client where the browser runs.

use harness::{Carrier, Host, Lab, Nginx, best_carrier, eventually};

use crate::PATIENCE;
use crate::browser::Browser;

/// Two nodes, of which the first is active by right.
pub(crate) struct Pair {
    pub(crate) one: Node,
    pub(crate) two: Node,
    pub(crate) browser: Browser,
    // Last, so that the others are dropped before it.
    _lab: Lab,
}

/// One of them.
pub(crate) struct Node {
    pub(crate) nginx: Nginx,
    pub(crate) host: Host,
}

impl Pair {
    /// Starts both with more configuration of the server.
    #[track_caller]
    pub(crate) fn start(name: &str, server: &str) -> Self {
        Self::start_with(name, "VI_1", "", server)
    }

    /// Starts both with names for the instance and for each of the nodes.
    #[track_caller]
    pub(crate) fn start_named(name: &str, instance: &str, node: &str) -> Self {
        Self::start_with(name, instance, &format!("router_id = [==[{node}]==],"), "")
    }

    /// Starts both with a token for drain and undrain.
    #[track_caller]
    pub(crate) fn start_with_token(name: &str, token: &str) -> Self {
        Self::start_with(name, "VI_1", &format!("token = '{token}',"), "")
    }

    #[track_caller]
    fn start_with(name: &str, called: &str, more: &str, server: &str) -> Self {
        let lab = Lab::new(name);
        let client = lab.host("client", "192.168.56.10/24");
        let carrier = best_carrier();
        let node = |number: u8| {
            let instance = instance(called, 200 - 50 * number, "192.168.56.100/24");
            let options = format!("{{ control = true, {more} instances = {{ {instance} }} }}");
            Node::start(&lab, number, &carrier, &conf(&options, server))
        };
        let (one, two) = (node(1), node(2));
        one.wait_for("active");
        two.wait_for("backup");
        let browser = Browser::start(&lab, &client);
        Self { one, two, browser, _lab: lab }
    }
}

impl Node {
    pub(crate) fn start(lab: &Lab, number: u8, carrier: &Carrier, conf: &str) -> Self {
        let address = format!("192.168.56.10{number}/24");
        let host = lab.host(&format!("worker-0{number}"), &address);
        Self { nginx: Nginx::start(&host, carrier, conf), host }
    }

    /// Starts the first node with an interface for each address.
    pub(crate) fn start_on(lab: &Lab, links: &[String], carrier: &Carrier, conf: &str) -> Self {
        let host = lab.host_on_links("worker-01", links);
        Self { nginx: Nginx::start(&host, carrier, conf), host }
    }

    /// Waits until the first instance is in a state.
    #[track_caller]
    pub(crate) fn wait_for(&self, state: &str) {
        eventually(&format!("{} is {state}", self.host.name()), PATIENCE, || {
            let answer = self.host.get("127.0.0.1:80", "/ha/status");
            let status = answer.map_err(|error| error.to_string())?.json();
            if status["instances"][0]["state"] == state { Ok(()) } else { Err(status.to_string()) }
        });
    }
}

/// Returns a virtual router, in Lua.
pub(crate) fn instance(name: &str, priority: u8, address: &str) -> String {
    format!(
        "{{ name = [==[{name}]==], interface = 'eth0', vrid = 51, priority = {priority},
            addresses = {{ '{address}' }}, advert_interval_ms = 200 }}"
    )
}

/// Returns a configuration with a check that fails where the file `broken` exists.
pub(crate) fn conf(options: &str, server: &str) -> String {
    format!(
        "worker_processes 2;
        events {{}}
        http {{
            init_by_lua_block {{
                local vrrp = require('resty.vrrp')
                vrrp.setup({options})
                vrrp.check('database', function()
                    local file = io.open(ngx.config.prefix() .. 'broken')
                    if file then
                        file:close()
                        return nil, '192.168.56.20:5432: connection refused'
                    end
                    return true
                end, {{ interval_ms = 200 }})
            }}
            init_worker_by_lua_block {{ require('resty.vrrp').init_worker() }}
            server {{
                listen 80;
                {server}
                location /ha/ {{ content_by_lua_block {{ require('resty.vrrp').serve() }} }}
            }}
        }}"
    )
}
