//! What the figures were measured on.

use std::path::Path;
use std::process::Command;
use std::{fs, thread};

use harness::Carrier;

/// The machine, and the versions of what ran on it.
#[derive(Debug)]
pub(crate) struct Machine {
    facts: Vec<(&'static str, String)>,
}

impl Machine {
    /// Looks around. What cannot be found out is left out.
    pub(crate) fn look(carrier: &Carrier) -> Self {
        let cores = thread::available_parallelism().map(|cores| cores.to_string()).ok();
        let facts = [
            ("date", said("date", &["-u", "+%Y-%m-%d %H:%M UTC"])),
            ("kernel", read("/proc/sys/kernel/osrelease")),
            ("processor", processor()),
            ("cores", cores),
            ("load before", read("/proc/loadavg")),
            ("carrier", Some(format!("{} ({:?})", carrier.version, carrier.kind))),
            ("resty.vrrp", Some(env!("CARGO_PKG_VERSION").to_owned())),
            ("commit", said("git", &["describe", "--always", "--dirty"])),
            ("keepalived", said("keepalived", &["--version"])),
            ("rustc", said("rustc", &["--version"])),
        ];
        let known = facts.into_iter().filter_map(|(name, value)| Some((name, value?)));
        Self { facts: known.collect() }
    }

    pub(crate) fn facts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.facts.iter().map(|(name, value)| (*name, value.as_str()))
    }
}

fn processor() -> Option<String> {
    let text = read("/proc/cpuinfo")?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(": ")?.1.to_owned())
}

fn read(path: impl AsRef<Path>) -> Option<String> {
    Some(fs::read_to_string(path).ok()?.trim().to_owned())
}

/// Returns the first line that a program prints; keepalived prints it to standard error.
fn said(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    let text = String::from_utf8_lossy(&text);
    text.lines().next().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty())
}
