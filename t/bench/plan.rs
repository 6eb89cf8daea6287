//! What the two nodes of a pair are told, in the words of either side.

use std::fmt::Write as _;
use std::time::Duration;

use crate::network::{NUMBERS, Network};
use crate::script::Script;

/// What both nodes of a pair are told alike.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) network: Network,
    pub(crate) version: u8,
    pub(crate) interval: Duration,
    /// How many missed advertisements make an active router a dead one.
    pub(crate) dead_factor: u32,
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
        Self { version, ..Self::single_over(Network::Ipv4, interval) }
    }

    /// One virtual router, over any network, with the addresses that clients ask.
    pub(crate) fn single_over(network: Network, interval: Duration) -> Self {
        let mut addresses: Vec<String> = network.services().iter().copied().map(served).collect();
        let excluded = addresses.split_off(1);
        Self::new(network, interval, vec![Router { link: 0, vrid: VRID, addresses, excluded }])
    }

    /// So many virtual routers with one address each, or one of each family. Clients can ask the
    /// first. They are on as few links as have room for them.
    pub(crate) fn many(network: Network, routers: usize, interval: Duration) -> Self {
        let links = routers.div_ceil(MOST_ON_A_LINK);
        let router = |index: usize| {
            let link = index % links;
            let vrid = u8::try_from(index / links + 1).expect("the links have room");
            let mut addresses = match index {
                0 => network.services().iter().copied().map(served).collect(),
                _ => network.router_addresses(link, vrid),
            };
            let excluded = addresses.split_off(1);
            Router { link, vrid, addresses, excluded }
        };
        Self::new(network, interval, (0..routers).map(router).collect())
    }

    /// One virtual router with so many addresses, of which an advertisement carries what it can.
    pub(crate) fn wide(network: Network, addresses: usize, interval: Duration) -> Self {
        let (mut addresses, carried) = network.addresses(addresses);
        let excluded = addresses.split_off(carried);
        Self::new(network, interval, vec![Router { link: 0, vrid: VRID, addresses, excluded }])
    }

    fn new(network: Network, interval: Duration, routers: Vec<Router>) -> Self {
        Self {
            network,
            version: 3,
            interval,
            dead_factor: 3,
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

    /// Returns how many addresses the active node has.
    pub(crate) fn addresses(&self) -> usize {
        self.routers.iter().map(|router| router.addresses.len() + router.excluded.len()).sum()
    }

    /// Returns how many links a host has.
    pub(crate) fn links(&self) -> usize {
        self.routers.iter().map(|router| router.link + 1).max().unwrap_or(1)
    }

    /// Returns the addresses of a host, one for each link. Their last octet is the host's number.
    pub(crate) fn host_addresses(&self, host: u8) -> Vec<String> {
        let address = |link| format!("{}/24", Network::host_address(link, host));
        (0..self.links()).map(address).collect()
    }

    /// Returns the time after which a silent active router is replaced by one of this priority.
    pub(crate) fn active_down_interval(&self, priority: u8) -> Duration {
        self.interval * self.dead_factor + self.skew_time(priority)
    }

    /// Returns the time after which one of this priority replaces an active router that resigned.
    pub(crate) fn skew_time(&self, priority: u8) -> Duration {
        let unit = if self.version == 2 { Duration::from_secs(1) } else { self.interval };
        unit * (256 - u32::from(priority)) / 256
    }

    /// Returns the `nginx.conf` of one of the two nodes, if it is ours.
    pub(crate) fn nginx_conf(&self, node: usize) -> String {
        let begin = "http {\n";
        let lua = format!("{begin}init_by_lua_block {{ {} }}\n{INIT_WORKER}", self.in_lua(node));
        let plain = self.plain_nginx();
        plain.replace(begin, &lua).replace("location / ", &format!("{STATUS}location / "))
    }

    /// Returns the `nginx.conf` of a node that is keepalived's.
    pub(crate) fn plain_nginx(&self) -> String {
        let more = if self.network.has_ipv6() { "listen [::]:80;" } else { "" };
        PLAIN_NGINX.replace("listen 80;", &format!("listen 80; {more}"))
    }

    /// Returns the options of resty.vrrp.
    fn in_lua(&self, node: usize) -> String {
        let priority = self.priorities[node];
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
                 dead_factor = {}, addresses = {{ {} }}{}{} }},",
                self.version,
                self.interval.as_millis(),
                self.dead_factor,
                quoted(addresses),
                if excluded.is_empty() {
                    String::new()
                } else {
                    format!(", addresses_excluded = {{ {} }}", quoted(excluded))
                },
                if self.network.is_unicast() {
                    let peer = self.network.peer_address(*link, NUMBERS[1 - node]);
                    format!(", peers = {{ \"{peer}\" }}")
                } else {
                    String::new()
                }
            )
            .expect("a string takes all");
        }
        text + "} }"
    }

    /// Returns the configuration of keepalived: its defaults, and a script.
    pub(crate) fn in_keepalived(&self, node: usize, script: &str) -> String {
        let priority = self.priorities[node];
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
                 down_timer_adverts {}\n    {}\n    virtual_ipaddress {{\n{}\n    }}\n    \
                 virtual_ipaddress_excluded {{\n{}\n    }}\n    \
                 track_script {{\n        check_nginx\n    }}\n}}",
                self.interval.as_secs_f64(),
                self.dead_factor,
                if self.network.is_unicast() {
                    let [own, peer] =
                        [node, 1 - node].map(|it| self.network.peer_address(*link, NUMBERS[it]));
                    format!("unicast_src_ip {own}\n    unicast_peer {{\n{peer}\n    }}")
                } else {
                    String::new()
                },
                addresses.join("\n"),
                excluded.join("\n")
            )
            .expect("a string takes all");
        }
        text
    }
}

/// Returns an address that clients ask, with its prefix.
fn served(address: &str) -> String {
    let length = if address.contains(':') { 64 } else { 24 };
    format!("{address}/{length}")
}

fn quoted(all: &[String]) -> String {
    let quoted: Vec<String> = all.iter().map(|one| format!("\"{one}\"")).collect();
    quoted.join(", ")
}

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
