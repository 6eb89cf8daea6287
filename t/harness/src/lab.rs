//! A switch and the hosts on it.

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

use nix::unistd::Uid;

use crate::carrier::install_with;
use crate::failpoints::fallible_library;
use crate::host::Host;
use crate::leftovers::{directory, erase, new_prefix};
use crate::namespace::Namespace;
use crate::process::try_run;

/// A switch with hosts, in network namespaces of its own. Dropping it removes everything.
///
/// Two labs exist at a time in a process: more would disturb what is measured. Of tests in a module
/// `beside`, which measure nothing, there are four; a test in a module `alone` has no other lab
/// beside its own. [`Lab::new`] waits until it may, so a test must not have two labs at once.
#[derive(Debug)]
pub struct Lab {
    name: String,
    prefix: String,
    switch: Arc<Namespace>,
    /// How many segments the switch has, each a bridge of its own.
    segments: Mutex<usize>,
    _turn: Turn,
}

impl Lab {
    /// Makes a lab with a switch and nothing on it.
    ///
    /// # Panics
    ///
    /// Panics with the reason of [`why_not`] where no lab can be made.
    #[must_use]
    #[track_caller]
    pub fn new(name: &str) -> Self {
        if let Some(reason) = why_not() {
            panic!("no lab {name:?}: {reason}");
        }
        let turn = Turn::take();
        let prefix = new_prefix();
        let switch = Arc::new(Namespace::new(&format!("{prefix}-switch")));
        let (name, segments) = (name.to_owned(), Mutex::new(0));
        let lab = Self { name, prefix, switch, segments, _turn: turn };
        lab.make_segments(1);
        lab
    }

    /// Makes a lab whose engines can be made to fail: see [`Failpoints`](crate::Failpoints).
    #[must_use]
    #[track_caller]
    pub fn fallible(name: &str) -> Self {
        let library = fallible_library();
        let lab = Self::new(name);
        install_with(&library, &lab.directory());
        lab
    }

    /// Plugs in a host with one interface, `eth0`.
    ///
    /// Its address is written with the length of its prefix: `192.168.56.101/24`.
    #[must_use]
    #[track_caller]
    pub fn host(&self, name: &str, address: &str) -> Host {
        self.host_on_links(name, &[address])
    }

    /// Plugs in a host with an interface for each address: `eth0`, `eth1` and so on.
    ///
    /// Interfaces of the same name are on one segment; no frame passes from one to another.
    #[must_use]
    #[track_caller]
    pub fn host_on_links(&self, name: &str, addresses: &[impl AsRef<str>]) -> Host {
        self.make_segments(addresses.len());
        let namespace = Namespace::with_host_view(&format!("{}-{name}", self.prefix), name);
        Host::plug_in(name, addresses, namespace, Arc::clone(&self.switch), self.directory())
    }

    /// Returns the name that was given.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns a directory for files, which goes away with the lab.
    #[must_use]
    pub fn directory(&self) -> std::path::PathBuf {
        directory(&self.prefix)
    }

    /// Runs `ip` on the switch, with its arguments separated by single spaces.
    #[track_caller]
    pub fn switch_ip(&self, arguments: &str) -> String {
        self.switch.ip(arguments)
    }

    /// Makes bridges until the switch has so many segments.
    #[track_caller]
    fn make_segments(&self, wanted: usize) {
        let mut segments = self.segments.lock().unwrap_or_else(PoisonError::into_inner);
        for number in *segments..wanted {
            // Snooping holds back multicast from hosts that nobody has seen asking for it.
            self.switch.ip(&format!("link add br{number} type bridge mcast_snooping 0"));
            self.switch.ip(&format!("link set br{number} up"));
            *segments += 1;
        }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        erase(&self.prefix);
    }
}

/// Returns why no lab can be made here, if so.
#[must_use]
pub fn why_not() -> Option<String> {
    if !Uid::effective().is_root() {
        return Some("network namespaces take root: run it with sudo".to_owned());
    }
    for (program, package) in [("ip", "iproute2"), ("nft", "nftables"), ("setpriv", "util-linux")] {
        if !is_installed(program) {
            return Some(format!("`{program}` is missing: install the package {package}"));
        }
    }
    // A container may be root and still not be allowed to.
    try_run(Command::new("unshare").args(["--net", "--mount", "--uts", "true"]))
        .err()
        .map(|problem| format!("this root may not make namespaces ({problem})"))
}

/// Tells whether a program is on the search path or where root's programs are.
fn is_installed(program: &str) -> bool {
    let path = std::env::var("PATH").unwrap_or_default();
    path.split(':')
        .chain(["/usr/sbin", "/sbin"])
        .any(|place| Path::new(place).join(program).exists())
}

/// The right to have a lab, for as long as it is held: so many shares of the machine.
#[derive(Debug)]
struct Turn(usize);

impl Turn {
    /// Waits until so many shares are free as the test needs that this thread runs.
    fn take() -> Self {
        // A thread that runs a test has its name.
        let needed = match thread::current().name().and_then(|test| test.split_once("::")) {
            Some(("beside", _)) => 1,
            Some(("alone", _)) => SHARES,
            _ => SHARES / 2,
        };
        let free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let enough = FREED.wait_while(free, |free| *free < needed);
        *enough.unwrap_or_else(PoisonError::into_inner) -= needed;
        Self(needed)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *FREE.lock().unwrap_or_else(PoisonError::into_inner) += self.0;
        FREED.notify_all();
    }
}

const SHARES: usize = 4;
static FREE: Mutex<usize> = Mutex::new(SHARES);
static FREED: Condvar = Condvar::new();
