//! What the two nodes of a pair are told, in the words of either side.

use std::fmt::Write as _;
use std::time::Duration;

use crate::script::Script;

/// What both nodes of a pair are told alike.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) version: u8,
    pub(crate) interval: Duration,
    pub(crate) routers: Vec<Router>,
    /// Of the node that is active at first, and of the other one.
    pub(crate) priorities: [u8; 2],
    /// Whether the router goes before ordinary threads.
    pub(crate) realtime: bool,
    /// More options of resty.vrrp.
    pub(crate) options: &'static str,
    /// What keepalived makes of nginx.
    pub(crate) script: Script,
}

/// One virtual router.
#[derive(Clone, Debug)]
pub(crate) struct Router {
    /// Number of its link: 0 is `eth0`.
    pub(crate) link: usize,
    pub(crate) vrid: u8,
    /// Carried in advertisements.
    pub(crate) addresses: Vec<String>,
    /// Moved with the others, but not carried.
    pub(crate) excluded: Vec<String>,
}

impl Plan {
    /// One virtual router with the one address that clients ask.
    pub(crate) fn single(version: u8, interval: Duration) -> Self {
        let addresses = vec![format!("{ADDRESS}/24")];
        let excluded = Vec::new();
        Self::new(version, interval, vec![Router { link: 0, vrid: VRID, addresses, excluded }])
    }

    /// So many virtual routers with one address each, the first of which clients can ask, on as few
    /// links as have room for them.
    pub(crate) fn many(routers: usize, interval: Duration) -> Self {
        let links = routers.div_ceil(MOST_ON_A_LINK);
        let router = |index: usize| {
            let link = index % links;
            let vrid = u8::try_from(index / links + 1).expect("the links have room");
            let address = match index {
                0 => format!("{ADDRESS}/24"),
                _ => format!("10.77.{link}.{vrid}/32"),
            };
            Router { link, vrid, addresses: vec![address], excluded: Vec::new() }
        };
        Self::new(3, interval, (0..routers).map(router).collect())
    }

    /// One virtual router with so many addresses. An advertisement carries at most 255 of them.
    pub(crate) fn wide(addresses: usize, interval: Duration) -> Self {
        let mut all: Vec<String> =
            (0..addresses).map(|n| format!("10.77.{}.{}/32", n / 250, n % 250 + 1)).collect();
        let excluded = all.split_off(addresses.min(250));
        Self::new(3, interval, vec![Router { link: 0, vrid: VRID, addresses: all, excluded }])
    }

    fn new(version: u8, interval: Duration, routers: Vec<Router>) -> Self {
        Self {
            version,
            interval,
            routers,
            priorities: [HIGH, LOW],
            realtime: false,
            options: "",
            script: Script::Lives,
        }
    }

    /// Returns an address that the active node has.
    pub(crate) fn some_address(&self) -> String {
        let address = &self.routers[0].addresses[0];
        address.split('/').next().unwrap_or(address).to_owned()
    }

    /// Returns how many links a host has.
    pub(crate) fn links(&self) -> usize {
        self.routers.iter().map(|router| router.link + 1).max().unwrap_or(1)
    }

    /// Returns the addresses of a host, one for each link. Their last octet is the host's number.
    pub(crate) fn host_addresses(&self, host: u8) -> Vec<String> {
        let others = (1..self.links()).map(|link| format!("10.78.{link}.{host}/24"));
        [format!("192.168.56.{host}/24")].into_iter().chain(others).collect()
    }

    /// Returns the time after which a silent active router is replaced by one of this priority.
    pub(crate) fn active_down_interval(&self, priority: u8) -> Duration {
        self.interval * 3 + self.skew_time(priority)
    }

    /// Returns the time after which one of this priority replaces an active router that resigned.
    pub(crate) fn skew_time(&self, priority: u8) -> Duration {
        let unit = if self.version == 2 { Duration::from_secs(1) } else { self.interval };
        unit * (256 - u32::from(priority)) / 256
    }

    /// Returns the `nginx.conf` of a node of ours.
    pub(crate) fn nginx_conf(&self, priority: u8) -> String {
        let begin = "http {\n";
        let lua =
            format!("{begin}init_by_lua_block {{ {} }}\n{INIT_WORKER}", self.in_lua(priority));
        PLAIN_NGINX.replace(begin, &lua).replace("location / ", &format!("{STATUS}location / "))
    }

    /// Returns the options of resty.vrrp.
    fn in_lua(&self, priority: u8) -> String {
        let mut text = format!(
            "require(\"resty.vrrp\").setup {{ realtime = {}, {} instances = {{\n",
            self.realtime, self.options
        );
        for (index, router) in self.routers.iter().enumerate() {
            let name = index + 1;
            let Router { link, vrid, addresses, excluded } = router;
            writeln!(
                text,
                "{{ name = \"VI_{name}\", interface = \"eth{link}\", vrid = {vrid}, \
                 priority = {priority}, version = {}, advert_interval_ms = {}, \
                 addresses = {{ {} }}{} }},",
                self.version,
                self.interval.as_millis(),
                quoted(addresses),
                if excluded.is_empty() {
                    String::new()
                } else {
                    format!(", addresses_excluded = {{ {} }}", quoted(excluded))
                }
            )
            .expect("a string takes all");
        }
        text + "} }"
    }

    /// Returns the configuration of keepalived: its defaults, and a script.
    pub(crate) fn in_keepalived(&self, priority: u8, script: &str) -> String {
        let mut text = format!(
            "global_defs {{\n    vrrp_version {}\n    script_user root\n    {}\n}}\n\
             vrrp_script check_nginx {{\n    script \"{script}\"\n    {}\n}}\n",
            self.version,
            if self.realtime { "vrrp_rt_priority 10" } else { "" },
            self.script.options()
        );
        for (index, router) in self.routers.iter().enumerate() {
            let name = index + 1;
            let Router { link, vrid, addresses, excluded } = router;
            writeln!(
                text,
                "vrrp_instance VI_{name} {{\n    state BACKUP\n    interface eth{link}\n    \
                 virtual_router_id {vrid}\n    priority {priority}\n    advert_int {}\n    \
                 virtual_ipaddress {{\n{}\n    }}\n    \
                 virtual_ipaddress_excluded {{\n{}\n    }}\n    \
                 track_script {{\n        check_nginx\n    }}\n}}",
                self.interval.as_secs_f64(),
                addresses.join("\n"),
                excluded.join("\n")
            )
            .expect("a string takes all");
        }
        text
    }
}

fn quoted(all: &[String]) -> String {
    let quoted: Vec<String> = all.iter().map(|one| format!("\"{one}\"")).collect();
    quoted.join(", ")
}

/// The address that clients ask.
pub(crate) const ADDRESS: &str = "192.168.56.100";
/// A link has no more virtual router identifiers.
const MOST_ON_A_LINK: usize = 255;
/// Virtual router identifier where there is one router.
pub(crate) const VRID: u8 = 51;
/// Priority of the node that is active at first, where nothing else is said.
pub(crate) const HIGH: u8 = 200;
/// Priority of the other one, where nothing else is said.
pub(crate) const LOW: u8 = 100;

/// An nginx whose page says who has sent it.
pub(crate) const PLAIN_NGINX: &str = r#"
worker_processes 2;
events {}
http {
    server {
        listen 80;
        add_header X-Served-By $hostname;
        location / { return 200 "page\n"; }
    }
}
"#;

const INIT_WORKER: &str = "init_worker_by_lua_block { require(\"resty.vrrp\").init_worker() }\n";
const STATUS: &str = "location /ha/ { content_by_lua_block { require(\"resty.vrrp\").serve() } }\n";
