//! When addresses come and go, told by the kernel.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::IpAddr;
use std::process::Command;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::unistd::pipe2;

use crate::host::Host;
use crate::process::Process;
use crate::wait::eventually;

/// Listens to what the kernel of a host tells about addresses, until it is dropped.
#[derive(Debug)]
pub struct AddressWatch {
    events: Arc<Mutex<Vec<AddressEvent>>>,
    _monitor: Process,
}

/// An address was added, refreshed or removed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct AddressEvent {
    /// When it was read.
    pub at: Instant,
    /// Which one.
    pub address: IpAddr,
    /// Whether it has gone.
    pub removed: bool,
}

impl AddressWatch {
    /// Listens on a host.
    ///
    /// # Panics
    ///
    /// When `ip monitor` does not work there.
    #[must_use]
    #[track_caller]
    pub fn start(host: &Host) -> Self {
        let (reader, writer) = pipe2(OFlag::O_CLOEXEC).expect("a pipe can be made");
        let mut command = Command::new("ip");
        command.args(["-o", "monitor", "address"]).stdout(writer);
        let monitor = host.spawn(&mut command);
        // Else the pipe would never end.
        drop(command);
        let events = Arc::<Mutex<Vec<AddressEvent>>>::default();
        let for_thread = Arc::clone(&events);
        thread::spawn(move || {
            for line in BufReader::new(File::from(reader)).lines().map_while(Result::ok) {
                let event = AddressEvent::read(&line, Instant::now());
                for_thread.lock().unwrap_or_else(PoisonError::into_inner).extend(event);
            }
        });
        let watch = Self { events, _monitor: monitor };
        watch.see_that_it_works(host);
        watch
    }

    /// Returns what happened since a moment.
    #[must_use]
    pub fn all_since(&self, start: Instant) -> Vec<AddressEvent> {
        let sign: IpAddr = SIGN.parse().expect("a valid address");
        self.heard(|event| event.at >= start && event.address != sign)
    }

    /// Returns what happened to an address since a moment.
    #[must_use]
    pub fn since(&self, start: Instant, address: &str) -> Vec<AddressEvent> {
        let address: IpAddr = address.parse().expect("a valid address");
        self.heard(|event| event.at >= start && event.address == address)
    }

    fn heard(&self, wanted: impl Fn(&AddressEvent) -> bool) -> Vec<AddressEvent> {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().filter(|event| wanted(event)).copied().collect()
    }

    /// Returns when an address has gone for the first time since a moment, if it has.
    #[must_use]
    pub fn removal(&self, start: Instant, address: &str) -> Option<Instant> {
        let events = self.since(start, address);
        events.iter().find(|event| event.removed).map(|event| event.at)
    }

    /// Waits for the moment at which an address goes.
    #[track_caller]
    pub fn wait_for_removal(&self, start: Instant, address: &str, within: Duration) -> Instant {
        eventually(&format!("{address} goes"), within, || {
            self.removal(start, address).ok_or_else(|| format!("{:?}", self.since(start, address)))
        })
    }

    /// `ip` needs a moment until it listens.
    #[track_caller]
    fn see_that_it_works(&self, host: &Host) {
        let start = Instant::now();
        eventually("addresses are watched", Duration::from_secs(5), || {
            host.ip(&format!("address add {SIGN}/32 dev lo"));
            host.ip(&format!("address delete {SIGN}/32 dev lo"));
            if self.since(start, SIGN).is_empty() { Err("nothing is told") } else { Ok(()) }
        });
    }
}

impl AddressEvent {
    /// Reads `2: eth0    inet 192.168.56.100/24 …`, or `inet6`, with `Deleted ` in front of what
    /// has gone.
    fn read(line: &str, at: Instant) -> Option<Self> {
        let is_family = |word: &&str| matches!(*word, "inet" | "inet6");
        let mut words = line.split_whitespace().skip_while(|word| !is_family(word)).skip(1);
        let (address, _) = words.next()?.split_once('/')?;
        Some(Self { at, address: address.parse().ok()?, removed: line.contains("Deleted ") })
    }
}

/// An address that comes and goes to see whether that is told.
const SIGN: &str = "192.0.2.255";
