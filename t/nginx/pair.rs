//! Two nodes and a client: what peers, clients and operators see of them.

use std::fs;
use std::net::IpAddr;
use std::ops::Range;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use harness::{
    AddressWatch, Advert, Carrier, CarrierKind, Host, Lab, Nginx, Sniffer, carriers, eventually,
};
use serde_json::Value;

use crate::conf_with;

/// Two nodes that serve one address together, the first by right, and a client that listens.
pub(crate) struct Pair {
    pub(crate) one: Node,
    pub(crate) two: Node,
    pub(crate) sniffer: Sniffer,
    pub(crate) client: Host,
    lab: Lab,
}

/// One of them.
pub(crate) struct Node {
    pub(crate) nginx: Nginx,
    pub(crate) addresses: AddressWatch,
    pub(crate) host: Host,
}

/// What nothing may be seen to change of, since a moment.
pub(crate) struct Calm {
    pub(crate) started: Instant,
    before: [Value; 2],
}

/// The time between two advertisements.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Silence {
    pub(crate) began: Instant,
    pub(crate) length: Duration,
}

/// Runs a test on a fresh pair, with each nginx of this machine.
pub(crate) fn on_every_pair(name: &str, test: impl Fn(&Pair, &Carrier)) {
    on_every_pair_with(name, "", test);
}

/// Runs a test on a fresh pair with more options, in Lua, with each nginx of this machine.
pub(crate) fn on_every_pair_with(name: &str, more: &str, test: impl Fn(&Pair, &Carrier)) {
    on_every_pair_of(name, |number| conf(&options_with(number, more)), test);
}

/// Runs a test on a fresh pair of nodes of which each has its configuration, with each nginx of
/// this machine.
pub(crate) fn on_every_pair_of(
    name: &str,
    conf: impl Fn(u8) -> String,
    test: impl Fn(&Pair, &Carrier),
) {
    on_every_prepared_pair(name, |_| {}, conf, test);
}

/// Runs a test on a fresh pair whose hosts are prepared before nginx starts there, with each nginx
/// of this machine.
pub(crate) fn on_every_prepared_pair(
    name: &str,
    prepare: impl Fn(&Host),
    conf: impl Fn(u8) -> String,
    test: impl Fn(&Pair, &Carrier),
) {
    for carrier in carriers() {
        let lab = Lab::new(&format!("{name}, {}", carrier.version));
        test(&Pair::start_prepared(lab, carrier, &prepare, &conf), carrier);
    }
}

/// Runs a test on a fresh pair that can be made to fail, with more options, in Lua.
pub(crate) fn on_every_fallible_pair(name: &str, more: &str, test: impl Fn(&Pair, &Carrier)) {
    for carrier in carriers() {
        let lab = Lab::fallible(&format!("{name}, {}", carrier.version));
        let conf = |number| conf(&options_with(number, more));
        test(&Pair::start(lab, carrier, &conf), carrier);
    }
}

/// Runs a test on a fresh pair, with each nginx of this machine that has this kind of carrier.
pub(crate) fn on_pairs_carried_by(kind: CarrierKind, name: &str, test: impl Fn(&Pair)) {
    for carrier in carriers().iter().filter(|carrier| carrier.kind == kind) {
        let lab = Lab::new(&format!("{name}, {}", carrier.version));
        test(&Pair::start(lab, carrier, &|number| conf(&options(number))));
    }
}

impl Pair {
    /// Starts both nodes and waits until the first serves and the second knows it.
    pub(crate) fn start(lab: Lab, carrier: &Carrier, conf: &dyn Fn(u8) -> String) -> Self {
        Self::start_prepared(lab, carrier, &|_| {}, conf)
    }

    fn start_prepared(
        lab: Lab,
        carrier: &Carrier,
        prepare: &dyn Fn(&Host),
        conf: &dyn Fn(u8) -> String,
    ) -> Self {
        let client = lab.host("client", "192.168.56.10/24");
        let sniffer = Sniffer::start(&client);
        let one = Node::start(&lab, 1, carrier, prepare, &conf(1));
        one.wait_for("active");
        let two = Node::start(&lab, 2, carrier, prepare, &conf(2));
        let pair = Self { one, two, sniffer, client, lab };
        eventually("the second node hears the first", PATIENCE, || {
            let instance = pair.two.instance().map_err(|error| error.to_string())?;
            let knows = instance["active"]["address"] == "192.168.56.101";
            if knows && instance["state"] == "backup" { Ok(()) } else { Err(instance.to_string()) }
        });
        pair
    }

    /// Returns the directory of its lab.
    pub(crate) fn directory(&self) -> PathBuf {
        self.lab.directory()
    }

    /// Returns where nginx finds the native library.
    pub(crate) fn library(&self) -> PathBuf {
        self.lab.directory().join("lualib/resty/vrrp/core.so")
    }

    /// Begins to watch whether anybody notices anything.
    #[track_caller]
    pub(crate) fn calm(&self) -> Calm {
        let before = [&self.one, &self.two].map(|node| node.wait_for_instance());
        Calm { started: Instant::now(), before }
    }

    /// Checks that nobody can have noticed anything, and returns the longest silence.
    #[track_caller]
    pub(crate) fn assert_calm(&self, calm: &Calm) -> Duration {
        let longest = self.assert_steady_adverts(calm.started);
        let gone = self.one.addresses.since(calm.started, ADDRESS);
        assert!(gone.iter().all(|event| !event.removed), "the address left the link: {gone:?}");
        let came = self.two.addresses.since(calm.started, ADDRESS);
        assert!(came.is_empty(), "the second node had the address: {came:?}");
        for (node, before) in [&self.one, &self.two].into_iter().zip(&calm.before) {
            assert_goes_on(before, &node.wait_for_instance());
        }
        longest
    }

    /// Waits until the first node serves again, and has been alone for a while.
    #[track_caller]
    pub(crate) fn wait_until_settled(&self) {
        let start = Instant::now();
        eventually("the first node serves alone", PATIENCE, || {
            let mut heard = self.sniffer.adverts_since(start);
            heard.retain(|it| it.at.elapsed() < INTERVAL * 5);
            let ours = heard.iter().filter(|it| it.source == self.one.source()).count();
            let count = heard.len();
            if ours > 3 && ours == count { Ok(()) } else { Err(format!("{ours} of {count}")) }
        });
        self.two.wait_for("backup");
    }

    /// Checks that the first node advertises steadily and alone; returns the longest silence.
    #[track_caller]
    pub(crate) fn assert_steady_adverts(&self, since: Instant) -> Duration {
        let heard = self.heard_since(since);
        let strange = heard.iter().find(|it| it.priority == 0 || it.source != self.one.source());
        assert_eq!(strange, None, "of {} advertisements", heard.len());
        let silences = self.silences(since);
        let longest = silences.iter().map(|it| it.length).max().unwrap_or_default();
        assert!(longest <= INTERVAL * 5 / 2, "a silence of {longest:?}");
        longest
    }

    /// Returns the times between two advertisements of the first virtual router.
    pub(crate) fn silences(&self, since: Instant) -> Vec<Silence> {
        let now = Instant::now();
        let heard = self.heard_since(since).into_iter().map(|it| it.at);
        let moments: Vec<_> = [since].into_iter().chain(heard).chain([now]).collect();
        let silence = |pair: &[Instant]| Silence {
            began: pair[0],
            length: pair[1].saturating_duration_since(pair[0]),
        };
        moments.windows(2).map(silence).collect()
    }

    fn heard_since(&self, since: Instant) -> Vec<Advert> {
        let mut heard = self.sniffer.adverts_since(since);
        heard.retain(|it| it.vrid == VRID);
        heard
    }
}

impl Node {
    /// Starts node number one, two, ….
    fn start(
        lab: &Lab,
        number: u8,
        carrier: &Carrier,
        prepare: &dyn Fn(&Host),
        conf: &str,
    ) -> Self {
        let address = format!("192.168.56.10{number}/24");
        let host = lab.host(&format!("worker-0{number}"), &address);
        prepare(&host);
        let addresses = AddressWatch::start(&host);
        let nginx = Nginx::start(&host, carrier, conf);
        Self { nginx, addresses, host }
    }

    /// Returns the names of the processes on its host, but for the test's own.
    pub(crate) fn processes(&self) -> Vec<String> {
        let name = |pid| fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        let names = self.host.pids().into_iter().map(|pid| name(pid).trim().to_owned());
        names.filter(|name| name != "ip" && !name.is_empty()).collect()
    }

    /// Returns the source of its advertisements.
    pub(crate) fn source(&self) -> IpAddr {
        self.host.address()
    }

    /// Tells whether it has the address.
    pub(crate) fn has(&self) -> bool {
        self.host.has(ADDRESS)
    }

    /// Checks that in that time it neither claimed the address nor said that it did.
    #[track_caller]
    pub(crate) fn assert_quiet(&self, sniffer: &Sniffer, when: Range<Instant>) {
        let mut adverts = sniffer.adverts_since(when.start);
        adverts.retain(|it| it.source == self.source() && when.contains(&it.at));
        assert!(adverts.is_empty(), "it advertised: {adverts:?}");
        let mut said = sniffer.announcements();
        said.retain(|it| it.mac == self.host.mac() && when.contains(&it.at));
        assert!(said.is_empty(), "it announced: {said:?}");
        let mut events = self.addresses.since(when.start, ADDRESS);
        events.retain(|event| !event.removed && when.contains(&event.at));
        assert!(events.is_empty(), "the address came: {events:?}");
    }

    /// Asks for the status.
    pub(crate) fn status(&self) -> std::io::Result<Value> {
        self.host.get("127.0.0.1:80", "/ha/status").map(|answer| answer.json())
    }

    /// Asks for the status of the first instance.
    pub(crate) fn instance(&self) -> std::io::Result<Value> {
        self.status().map(|status| status["instances"][0].clone())
    }

    /// Returns the status of the first instance, once there is an answer.
    #[track_caller]
    pub(crate) fn wait_for_instance(&self) -> Value {
        eventually("the status is told", PATIENCE, || self.instance())
    }

    /// Returns the status once the first instance is in a state.
    #[track_caller]
    pub(crate) fn wait_for(&self, state: &str) -> Value {
        crate::status_when(&self.host, state)
    }

    /// Waits until an engine of this configuration answers.
    #[track_caller]
    pub(crate) fn wait_for_generation(&self, generation: u64) {
        eventually("the new configuration answers", PATIENCE, || {
            let status = self.status().map_err(|error| error.to_string())?;
            let node = &status["node"];
            if node["generation"] == generation { Ok(()) } else { Err(node.to_string()) }
        });
    }
}

/// Checks that a router is where it was, and remembers what it knew.
#[track_caller]
fn assert_goes_on(before: &Value, after: &Value) {
    for name in ["state", "reason", "transitions"] {
        assert_eq!(before[name], after[name], "{name} was {before}, is {after}");
    }
    let (since, now) = (millis(&before["since"]), millis(&after["since"]));
    assert!(since.abs_diff(now) < 10, "since {} and {}", before["since"], after["since"]);
    let steps = |status: &Value| {
        let history = status["history"].as_array().expect("a list").clone();
        let step = |it: &Value| (it["from"].clone(), it["to"].clone(), it["reason"].clone());
        history.iter().map(step).collect::<Vec<_>>()
    };
    assert_eq!(steps(before), steps(after));
    for name in ["advertisements_sent", "advertisements_received", "announcements_sent"] {
        let count = |status: &Value| status["counters"][name].as_u64().expect("a number");
        assert!(count(before) <= count(after), "{name} was {before}, is {after}");
    }
}

/// Returns the milliseconds since the hour, of a time as in `2026-01-31T23:59:59.999Z`.
fn millis(time: &Value) -> u64 {
    let text = time.as_str().expect("a time").trim_end_matches('Z');
    let mut parts = text.rsplit([':', '.']).map(|part| part.parse::<u64>().expect("digits"));
    let mut part = || parts.next().expect("a time has parts");
    part() + 1000 * (part() + 60 * part())
}

/// Returns a configuration that tells a client at `/` who serves.
pub(crate) fn conf(options: &str) -> String {
    let page = "location / { return 200 \"$hostname\\n\"; }
                location /ha/";
    conf_with(options).replacen("location /ha/", page, 1)
}

/// Returns the options of node number one, two, ….
pub(crate) fn options(number: u8) -> String {
    options_with(number, "")
}

/// Returns the options of node number one, two, …, and more.
pub(crate) fn options_with(number: u8, more: &str) -> String {
    let instance = instance("VI_1", VRID, 200 - 50 * number, &["192.168.56.100/24"]);
    format!("{{ {more} instances = {{ {instance} }} }}")
}

/// Returns the options of one instance.
pub(crate) fn instance(name: &str, vrid: u8, priority: u8, addresses: &[&str]) -> String {
    format!(
        "{{ name = '{name}', interface = 'eth0', vrid = {vrid}, priority = {priority},
            addresses = {{ '{}' }}, advert_interval_ms = 100 }}",
        addresses.join("', '")
    )
}

pub(crate) const VRID: u8 = 51;
pub(crate) const ADDRESS: &str = "192.168.56.100";
pub(crate) const SERVER: &str = "192.168.56.100:80";
pub(crate) const INTERVAL: Duration = Duration::from_millis(100);
/// Of priority 100 at that interval, rounded up.
pub(crate) const SKEW: Duration = Duration::from_millis(61);
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);
