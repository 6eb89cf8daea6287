//! A running FRR on a host: its vrrpd, and the zebra that it needs.

use std::fs::{self, File};
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::Group;

use crate::host::Host;
use crate::process::Process;
use crate::wait::eventually;

/// What FRR is told: virtual router 51 on `eth0`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FrrConfig {
    /// Protocol version, 2 or 3.
    pub version: u8,
    /// Priority, 1–254.
    pub priority: u8,
    /// Advertisement interval.
    pub interval_ms: u32,
    /// Virtual addresses of one family, with the lengths of their prefixes.
    pub addresses: &'static [&'static str],
}

/// A running FRR. Dropping it kills it.
#[derive(Debug)]
pub struct Frr {
    vrrpd: Process,
    _zebra: Process,
    directory: PathBuf,
}

impl Frr {
    /// Gives the host the virtual MAC address, as FRR wants it, and starts FRR.
    #[must_use]
    #[track_caller]
    pub fn start(host: &Host, config: FrrConfig) -> Self {
        let directory = host.new_directory("frr");
        let FrrConfig { version, priority, interval_ms, addresses } = config;
        let is_ipv6 = addresses[0].contains(':');
        let lines: String = addresses.iter().map(|it| line(it, is_ipv6)).collect();
        let text = format!(
            "interface eth0
 vrrp 51 version {version}
 vrrp 51 priority {priority}
 vrrp 51 advertisement-interval {interval_ms}
{lines}exit
"
        );
        fs::write(directory.join("vrrpd.conf"), text).expect("the lab's directory is writable");
        fs::write(directory.join("zebra.conf"), "").expect("the lab's directory is writable");
        host.enter(make_meeting_place);
        if !host.ip("link show").contains(MACVLAN) {
            host.ip(&format!("link add {MACVLAN} link eth0 type macvlan mode bridge"));
            let number = if is_ipv6 { 2 } else { 1 };
            host.ip(&format!("link set {MACVLAN} address 00:00:5e:00:0{number}:33"));
            // All routers would make the same link-local address of the same MAC address.
            host.sysctl(&format!("net.ipv6.conf.{MACVLAN}.addr_gen_mode"), "1");
            host.ip(&format!("address add fe80::7777/64 dev {MACVLAN} nodad"));
            for address in addresses {
                let nodad = if is_ipv6 { " nodad" } else { "" };
                host.ip(&format!("address add {address} dev {MACVLAN}{nodad}"));
            }
            host.ip(&format!("link set {MACVLAN} up"));
        }
        let zebra = spawn(host, &directory, "zebra");
        eventually("zebra listens", PATIENCE, || {
            let is_there = host.enter(|| Path::new(MEETING_PLACE).join("zserv.api").exists());
            is_there.then_some(()).ok_or_else(|| log(&directory, "zebra"))
        });
        let frr = Self { vrrpd: spawn(host, &directory, "vrrpd"), _zebra: zebra, directory };
        eventually("FRR has started its instance", PATIENCE, || frr.state().ok_or(frr.log()));
        frr
    }

    /// Returns the state that it has last said to enter, in its own words: `Master`, `Backup`.
    #[must_use]
    pub fn state(&self) -> Option<String> {
        let log = self.log();
        let state = |line: &str| {
            let (_, said) = line.split_once("[IPv4] ").or(line.split_once("[IPv6] "))?;
            said.split_once(" -> ").map(|(_, state)| state.to_owned())
        };
        log.lines().rev().find_map(state)
    }

    /// Returns what it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        log(&self.directory, "vrrpd")
    }

    /// Ends it in order: it resigns.
    #[track_caller]
    pub fn stop(&mut self) {
        self.vrrpd.signal(Signal::SIGTERM);
        self.vrrpd.wait(PATIENCE);
    }

    /// Kills it: it says nothing.
    #[track_caller]
    pub fn kill9(&mut self) {
        self.vrrpd.signal(Signal::SIGKILL);
        self.vrrpd.wait(PATIENCE);
    }
}

/// Returns the line that tells it of an address.
fn line(address: &str, is_ipv6: bool) -> String {
    let (address, _) = address.split_once('/').expect("an address has a prefix");
    let family = if is_ipv6 { "ipv6" } else { "ip" };
    format!(" vrrp 51 {family} {address}\n")
}

/// Makes the directory in which the programs of FRR meet.
fn make_meeting_place() {
    let group = Group::from_name(GROUP).expect("groups can be read").expect("FRR is installed");
    fs::create_dir_all(MEETING_PLACE).expect("/run is the host's own");
    chown(MEETING_PLACE, None, Some(group.gid.as_raw())).expect("root may give it away");
    let mode = fs::Permissions::from_mode(0o775);
    fs::set_permissions(MEETING_PLACE, mode).expect("it is root's");
}

#[track_caller]
fn spawn(host: &Host, directory: &Path, program: &str) -> Process {
    let log = File::create(directory.join(format!("{program}.log")));
    let log = log.expect("the lab's directory is writable");
    let mut command = Command::new(format!("/usr/lib/frr/{program}"));
    command.arg("-f").arg(directory.join(format!("{program}.conf")));
    command.args(["--log", "stdout", "-u", "root", "-g", GROUP]);
    command.stdout(log.try_clone().expect("a file can be shared")).stderr(log);
    host.spawn(&mut command)
}

fn log(directory: &Path, program: &str) -> String {
    fs::read_to_string(directory.join(format!("{program}.log"))).unwrap_or_default()
}

/// The interface with the virtual MAC address.
const MACVLAN: &str = "vrrp0";
const MEETING_PLACE: &str = "/run/frr";
/// The group that FRR's programs insist on.
const GROUP: &str = "frrvty";
const PATIENCE: Duration = Duration::from_secs(15);
