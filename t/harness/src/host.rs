//! One host: a namespace with one interface or more on the switch.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::{fs, io};

use nix::ifaddrs::getifaddrs;
use nix::sys::socket::SockaddrStorage;

use crate::faults::{Faults, Traffic};
use crate::http::{self, Response};
use crate::leftovers::end_all;
use crate::namespace::Namespace;
use crate::process::{Process, on_its_own, output, verdict};

/// A host on the switch. Clones are the same host.
#[derive(Clone, Debug)]
pub struct Host {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    name: String,
    /// The first is `eth0`.
    links: Vec<HostLink>,
    namespace: Namespace,
    switch: Arc<Namespace>,
    directory: PathBuf,
}

/// An interface of the host, the port of the switch at the other end, and its segment.
#[derive(Debug)]
struct HostLink {
    interface: String,
    port: String,
    bridge: String,
    /// With the length of its prefix.
    address: String,
}

/// An entry of the ARP table.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Neighbour {
    /// Whose it is.
    pub address: IpAddr,
    /// Where it is believed to be; absent while it is being asked for.
    pub mac: Option<String>,
}

impl Host {
    /// Makes an interface for each address. The bridges of their segments exist already.
    pub(crate) fn plug_in(
        name: &str,
        addresses: &[impl AsRef<str>],
        namespace: Namespace,
        switch: Arc<Namespace>,
        directory: PathBuf,
    ) -> Self {
        let numbered = addresses.iter().enumerate();
        let links = numbered.map(|(number, address)| HostLink::new(name, number, address.as_ref()));
        let (name, links) = (name.to_owned(), links.collect());
        let host = Self { inner: Arc::new(Inner { name, links, namespace, switch, directory }) };
        host.make_links();
        host
    }

    /// Returns the name, which is also its host name and the name of its port on the switch.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// Returns the address that `eth0` was plugged in with.
    #[must_use]
    pub fn address(&self) -> IpAddr {
        let address = &self.inner.links[0].address;
        let (address, _) = address.split_once('/').expect("an address has a prefix");
        address.parse().expect("the kernel has accepted the address")
    }

    /// Returns the MAC address of `eth0`, which is there.
    #[must_use]
    #[track_caller]
    pub fn mac(&self) -> [u8; 6] {
        self.enter(|| {
            let mut all = getifaddrs().expect("interfaces can be listed");
            let mac = all.find_map(|one| {
                let mac = one.address.as_ref()?.as_link_addr()?.addr()?;
                (one.interface_name == INTERFACE).then_some(mac)
            });
            mac.expect("eth0 is there")
        })
    }

    /// Returns the addresses of `eth0`, and of interfaces of virtual routers: `vrrp4.51`.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        self.enter(|| {
            let all = getifaddrs().expect("interfaces can be listed");
            let is_here =
                |name: &str| name == INTERFACE || name.starts_with("vrrp") && name.contains('.');
            let here = all.filter(|one| is_here(&one.interface_name));
            here.filter_map(|one| ip(one.address.as_ref()?)).collect()
        })
    }

    /// Tells whether an address is among the [`addresses`](Self::addresses).
    #[must_use]
    pub fn has(&self, address: &str) -> bool {
        let address: IpAddr = address.parse().expect("a valid address");
        self.addresses().contains(&address)
    }

    /// Returns the ARP table.
    #[must_use]
    #[track_caller]
    pub fn neighbours(&self) -> Vec<Neighbour> {
        let text = self.ip("-j neigh show dev eth0");
        let all: serde_json::Value = serde_json::from_str(&text).expect("ip -j prints JSON");
        let all = all.as_array().expect("it is a list");
        all.iter()
            .map(|one| Neighbour {
                address: one["dst"].as_str().and_then(|it| it.parse().ok()).expect("an address"),
                mac: one["lladdr"].as_str().map(str::to_owned),
            })
            .collect()
    }

    /// Runs `work` in a thread inside the host. Processes that it starts stay inside.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        self.inner.namespace.enter(work)
    }

    /// Moves the calling thread inside the host, for good.
    pub fn join(&self) {
        self.inner.namespace.join();
    }

    /// Runs a program to its end and returns its standard output.
    #[track_caller]
    pub fn exec(&self, program: &str, arguments: &[&str]) -> String {
        self.try_exec(Command::new(program).args(arguments))
            .unwrap_or_else(|problem| panic!("on {}: {problem}", self.name()))
    }

    /// Runs a command to its end and returns its standard output, or what went wrong.
    pub fn try_exec(&self, command: &mut Command) -> Result<String, String> {
        // To nginx that variable of a test run would mean that it inherits sockets.
        command.env_remove("NGINX");
        let ended = self.enter(|| output(command));
        verdict(command, ended)
    }

    /// Starts a program. It ends when the returned value is dropped.
    #[track_caller]
    pub fn spawn(&self, command: &mut Command) -> Process {
        let child = self.enter(|| on_its_own(command).spawn());
        match child {
            Ok(child) => Process::new(child),
            Err(error) => panic!("on {}: cannot start {command:?}: {error}", self.name()),
        }
    }

    /// Runs `ip`, with its arguments separated by single spaces.
    #[track_caller]
    pub fn ip(&self, arguments: &str) -> String {
        self.inner.namespace.ip(arguments)
    }

    /// Sets a parameter of the kernel's network: `net.ipv4.ip_nonlocal_bind`, `1`.
    #[track_caller]
    pub fn sysctl(&self, name: &str, value: &str) {
        let path = format!("/proc/sys/{}", name.replace('.', "/"));
        self.enter(|| fs::write(&path, value))
            .unwrap_or_else(|error| panic!("cannot set {name} to {value}: {error}"));
    }

    /// Gives `eth0` the IPv6 addresses `fe80::NUMBER` and `2001:db8::NUMBER`, and no others.
    #[track_caller]
    pub fn set_ipv6(&self, number: u16) {
        self.sysctl("net.ipv6.conf.eth0.addr_gen_mode", "1");
        self.ip("-6 address flush dev eth0 scope link");
        self.ip(&format!("address add fe80::{number}/64 dev eth0 nodad"));
        self.ip(&format!("address add 2001:db8::{number}/64 dev eth0 nodad"));
    }

    /// Asks a web server, as seen from this host.
    pub fn get(&self, server: &str, path: &str) -> io::Result<Response> {
        let server: SocketAddr = server.parse().map_err(io::Error::other)?;
        self.enter(|| http::get(server, path))
    }

    /// Pulls every cable out of the switch: no traffic any more, and no interface notices.
    pub fn cut(&self) {
        for HostLink { port, .. } in &self.inner.links {
            self.switch_ip(&format!("link set {port} nomaster"));
        }
    }

    /// Puts everything right on the switch: cables, carrier, and no traffic is dropped any more.
    pub fn heal(&self) {
        for HostLink { port, bridge, .. } in &self.inner.links {
            self.switch_ip(&format!("link set {port} master {bridge} up"));
        }
        self.faults().clear();
    }

    /// Drops what this host sends from `eth0`, on the switch.
    pub fn drop_sent(&self, traffic: Traffic) {
        self.faults().drop_sent(traffic);
    }

    /// Drops what the others send to `eth0` of this host, on the switch.
    pub fn drop_received(&self, traffic: Traffic) {
        self.faults().drop_received(traffic);
    }

    /// Drops what this host and another one send to each other; both reach the rest.
    pub fn part_from(&self, other: &Self) {
        self.faults().part_from(other.name());
    }

    /// Drops so many percent of the advertisements that others send to this host.
    pub fn lose(&self, percent: u8) {
        self.faults().lose(percent);
    }

    /// Takes `eth0` down, as an administrator would.
    pub fn link_down(&self) {
        self.ip("link set eth0 down");
    }

    /// Takes `eth0` up again.
    pub fn link_up(&self) {
        self.ip("link set eth0 up");
    }

    /// Takes the carrier of `eth0` away: the switch's side of the cable goes down.
    pub fn unplug(&self) {
        self.switch_ip(&format!("link set {} down", self.name()));
    }

    /// Gives the carrier back.
    pub fn plug(&self) {
        self.switch_ip(&format!("link set {} up", self.name()));
    }

    /// Deletes `eth0`.
    pub fn delete_link(&self) {
        self.ip("link delete eth0");
    }

    /// Makes `eth0`, with its own address, and brings it up.
    #[track_caller]
    pub fn make_link(&self) {
        self.inner.make(&self.inner.links[0]);
    }

    /// Switches the host off: every process is killed at once, and nothing goes in or out.
    pub fn power_off(&self) {
        self.cut();
        end_all(self.inner.namespace.name());
    }

    /// Switches the host on again: the cable is in, and nothing is left of what was before.
    pub fn power_on(&self) {
        for HostLink { interface, .. } in &self.inner.links {
            self.ip(&format!("link delete {interface}"));
        }
        self.make_links();
        self.faults().clear();
    }

    /// Returns the processes on this host.
    #[must_use]
    pub fn pids(&self) -> Vec<i32> {
        self.inner.namespace.pids()
    }

    /// Returns a new directory for files of this host, which goes away with the lab.
    #[track_caller]
    pub(crate) fn new_directory(&self, purpose: &str) -> PathBuf {
        let place = |n: usize| self.inner.directory.join(format!("{}-{purpose}-{n}", self.name()));
        let path = (1..10_000).map(place).find(|path| !path.exists()).expect("one is free");
        fs::create_dir(&path).expect("the lab's directory is writable");
        path
    }

    /// Returns the lab's directory.
    pub(crate) fn lab_directory(&self) -> &Path {
        &self.inner.directory
    }

    #[track_caller]
    fn make_links(&self) {
        self.inner.links.iter().for_each(|link| self.inner.make(link));
    }

    #[track_caller]
    fn switch_ip(&self, arguments: &str) {
        self.inner.switch.ip(arguments);
    }

    fn faults(&self) -> Faults<'_> {
        Faults { switch: &self.inner.switch, port: self.name() }
    }
}

impl Inner {
    #[track_caller]
    fn make(&self, link: &HostLink) {
        let (HostLink { interface, port, bridge, address }, host) = (link, self.namespace.name());
        self.switch.ip(&format!("link add {port} type veth peer name {interface} netns {host}"));
        self.switch.ip(&format!("link set {port} master {bridge} up"));
        self.namespace.ip(&format!("address add {address} brd + dev {interface}"));
        self.namespace.ip(&format!("link set {interface} up"));
    }
}

impl HostLink {
    fn new(host: &str, number: usize, address: &str) -> Self {
        let port = if number == 0 { host.to_owned() } else { format!("{host}-{number}") };
        let (interface, bridge) = (format!("eth{number}"), format!("br{number}"));
        Self { interface, port, bridge, address: address.to_owned() }
    }
}

fn ip(address: &SockaddrStorage) -> Option<IpAddr> {
    let v4 = address.as_sockaddr_in().map(|it| IpAddr::V4(it.ip()));
    v4.or_else(|| address.as_sockaddr_in6().map(|it| IpAddr::V6(it.ip())))
}

const INTERFACE: &str = "eth0";
