//! A running keepalived on a host.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::host::Host;
use crate::leftovers::interrupted;
use crate::process::{Process, all_pids, is_alive, signal, stat};
use crate::wait::eventually;

/// What keepalived is told: one instance, `VI_1`, on `eth0`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeepalivedConfig {
    /// Protocol version, 2 or 3.
    pub version: u8,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Priority, 1–255.
    pub priority: u8,
    /// Advertisement interval in seconds, as keepalived wants it: `1`, `0.1`.
    pub advert_int: String,
    /// Whether it takes over from a living router of lower priority.
    pub preempt: bool,
    /// Virtual addresses with their prefix length.
    pub addresses: Vec<String>,
    /// More lines for `global_defs`.
    pub global: String,
    /// More lines for the instance.
    pub instance: String,
}

/// A running keepalived, with files of its own. Dropping it kills it.
#[derive(Debug)]
pub struct Keepalived {
    host: Host,
    process: Process,
    directory: PathBuf,
}

/// The state of its instance, in its own words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeepalivedState {
    /// Active.
    Master,
    /// Backup.
    Backup,
    /// Held back.
    Fault,
}

impl Default for KeepalivedConfig {
    fn default() -> Self {
        Self {
            version: 3,
            vrid: 51,
            priority: 100,
            advert_int: "1".to_owned(),
            preempt: true,
            addresses: vec!["192.168.56.100/24".to_owned()],
            global: String::new(),
            instance: String::new(),
        }
    }
}

impl KeepalivedConfig {
    /// Writes it in keepalived's words.
    fn text(&self) -> String {
        let Self { version, vrid, priority, advert_int, global, instance, .. } = self;
        let nopreempt = if self.preempt { "" } else { "nopreempt" };
        let addresses = self.addresses.join("\n        ");
        format!(
            "global_defs {{
    vrrp_version {version}
    {global}
}}
vrrp_instance VI_1 {{
    state BACKUP
    interface eth0
    virtual_router_id {vrid}
    priority {priority}
    advert_int {advert_int}
    {nopreempt}
    {instance}
    virtual_ipaddress {{
        {addresses}
    }}
}}
"
        )
    }
}

impl Keepalived {
    /// Writes the configuration, starts keepalived and waits until it has taken it.
    #[must_use]
    #[track_caller]
    pub fn start(host: &Host, config: &KeepalivedConfig) -> Self {
        Self::run(host, &config.text(), &["--log-detail"])
    }

    /// Starts keepalived with a whole configuration of one's own, and a log without details.
    #[must_use]
    #[track_caller]
    pub fn start_with(host: &Host, configuration: &str) -> Self {
        Self::run(host, configuration, &[])
    }

    #[track_caller]
    fn run(host: &Host, configuration: &str, options: &[&str]) -> Self {
        let directory = host.new_directory("keepalived");
        fs::write(directory.join("conf"), configuration).expect("the lab's directory is writable");
        let log = File::create(directory.join("log")).expect("the lab's directory is writable");
        let mut command = Command::new("keepalived");
        command.args(["--dont-fork", "--log-console", "--no-syslog", "--vrrp"]).args(options);
        for (option, file) in [("-f", "conf"), ("-p", "pid"), ("-r", "vrrp.pid")] {
            command.arg(option).arg(directory.join(file));
        }
        command.stdout(log.try_clone().expect("a file can be shared")).stderr(log);
        let keepalived = Self { host: host.clone(), process: host.spawn(&mut command), directory };
        eventually("keepalived has started its instance", PATIENCE, || {
            keepalived.state().ok_or_else(|| keepalived.log())
        });
        keepalived
    }

    /// Returns the state it has last said to enter.
    #[must_use]
    pub fn state(&self) -> Option<KeepalivedState> {
        self.states().last().copied()
    }

    /// Returns every state it has said to enter, in order.
    #[must_use]
    pub fn states(&self) -> Vec<KeepalivedState> {
        let log = self.log();
        let words =
            log.lines().filter_map(|line| line.split_once(") Entering ")?.1.split(' ').next());
        words
            .filter_map(|word| match word {
                "MASTER" => Some(KeepalivedState::Master),
                "BACKUP" => Some(KeepalivedState::Backup),
                "FAULT" => Some(KeepalivedState::Fault),
                _ => None,
            })
            .collect()
    }

    /// Returns its log.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }

    /// Writes another configuration and makes keepalived read it.
    #[track_caller]
    pub fn reload(&self, config: &KeepalivedConfig) {
        self.reload_with(&config.text());
    }

    /// As [`Keepalived::reload`], with a whole configuration of one's own.
    #[track_caller]
    pub fn reload_with(&self, configuration: &str) {
        fs::write(self.directory.join("conf"), configuration).expect("the directory is writable");
        self.process.signal(Signal::SIGHUP);
    }

    /// Tells whether it still runs.
    pub fn is_running(&mut self) -> bool {
        self.process.is_running()
    }

    /// Sends a signal to parent and child.
    pub fn signal(&self, which: Signal) {
        self.pids().into_iter().for_each(|pid| signal(pid, which));
    }

    /// Stops it as systemd would, and waits for its end.
    #[track_caller]
    pub fn stop(&mut self) {
        self.process.signal(Signal::SIGTERM);
        self.process.wait(PATIENCE);
    }

    /// Kills parent and child outright. Its addresses stay behind.
    #[track_caller]
    pub fn kill9(&mut self) {
        let pids = self.pids();
        // A child whose parent dies first is told, and would clean up. Stopped, it cannot.
        for which in [Signal::SIGSTOP, Signal::SIGKILL] {
            pids.iter().rev().for_each(|&pid| signal(pid, which));
        }
        self.process.wait(PATIENCE);
        eventually("keepalived is dead", PATIENCE, || {
            if pids.iter().any(|&pid| is_alive(pid)) { Err("it lives") } else { Ok(()) }
        });
    }

    /// Returns the parent and its child, the one that speaks VRRP.
    #[must_use]
    pub fn pids(&self) -> Vec<i32> {
        let parent = self.process.pid();
        let is_child = |&pid: &i32| stat(pid).is_some_and(|(_, of)| of == parent);
        let mut pids = vec![parent];
        pids.extend(all_pids().into_iter().filter(is_child));
        pids
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        if thread::panicking() && !interrupted() {
            eprintln!("--- keepalived on {}\n{}---", self.host.name(), self.log());
        }
        self.signal(Signal::SIGKILL);
    }
}

const PATIENCE: Duration = Duration::from_secs(10);
