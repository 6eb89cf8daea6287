//! Traffic that the switch drops. Hosts cannot see it, and their own firewalls stay untouched.

use std::process::Command;

use crate::namespace::Namespace;
use crate::process::run;

/// What is dropped.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Traffic {
    /// Everything.
    All,
    /// IP protocol 112 over IPv4.
    Vrrp,
}

pub(crate) struct Faults<'a> {
    pub(crate) switch: &'a Namespace,
    pub(crate) port: &'a str,
}

impl Faults<'_> {
    pub(crate) fn drop_sent(&self, traffic: Traffic) {
        self.rule(&format!("iifname \"{}\" {}", self.port, traffic.matcher()));
    }

    pub(crate) fn drop_received(&self, traffic: Traffic) {
        self.rule(&format!("oifname \"{}\" {}", self.port, traffic.matcher()));
    }

    pub(crate) fn part_from(&self, other: &str) {
        self.rule(&format!("iifname \"{}\" oifname \"{other}\"", self.port));
        self.rule(&format!("iifname \"{other}\" oifname \"{}\"", self.port));
    }

    pub(crate) fn lose(&self, percent: u8) {
        let vrrp = Traffic::Vrrp.matcher();
        self.rule(&format!("oifname \"{}\" {vrrp} numgen random mod 100 < {percent}", self.port));
    }

    pub(crate) fn clear(&self) {
        self.nft(&format!("add table {0}; delete table {0}", self.table()));
    }

    fn rule(&self, matcher: &str) {
        let table = self.table();
        self.nft(&format!(
            "add table {table}; \
             add chain {table} forward {{ type filter hook forward priority 0; }}; \
             add rule {table} forward {matcher} drop"
        ));
    }

    /// One table per port; a table's name may not hold all that an interface's may.
    fn table(&self) -> String {
        format!("bridge port_{}", self.port.replace(['-', '.'], "_"))
    }

    #[track_caller]
    fn nft(&self, commands: &str) {
        self.switch.enter(|| run(Command::new("nft").arg(commands)));
    }
}

impl Traffic {
    fn matcher(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Vrrp => "ip protocol 112",
        }
    }
}
