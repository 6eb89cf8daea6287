//! `resty-vrrp doctor`: what is well on a node, how that is known, what is not, and what helps.

use std::fs;
use std::io;
use std::sync::atomic::Ordering::Relaxed;

use anstyle::Style;
use serde::Serialize;

use super::nodes::{Choice, FoundNode};
use super::table::{GREEN, RED, YELLOW, styled};
use super::words::{count, json, shown};
use super::{Exit, nodes_of, print};
use crate::net::clock;
use crate::status::Status;
use crate::status::document::{InstanceStatus, WarningStatus};

/// What was found by one test.
#[derive(Debug, Serialize)]
struct DoctorFinding {
    test: &'static str,
    verdict: DoctorVerdict,
    text: String,
}

/// How grave it is.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum DoctorVerdict {
    Ok,
    Warning,
    Fault,
}

/// Examines the nodes that are meant, and prints what was found.
pub(super) fn examine(choice: &Choice, as_json: bool) -> io::Result<Exit> {
    let machine = match nodes_of(choice)? {
        Ok(machine) => machine,
        Err(exit) => return Ok(exit),
    };
    let mut exit = Exit::Well;
    for node in &machine.nodes {
        let status = node.status();
        let findings = findings(node, &status);
        if findings.iter().any(|it| it.verdict == DoctorVerdict::Fault) {
            exit = Exit::Wrong;
        }
        if as_json {
            print(&(json(&findings)? + "\n"))?;
            continue;
        }
        let lines = findings.iter().map(DoctorFinding::line);
        print(&format!("{}\n{}", shown(&status.node.router_id), lines.collect::<String>()))?;
    }
    Ok(exit)
}

fn findings(node: &FoundNode, status: &Status) -> Vec<DoctorFinding> {
    let mut findings = vec![version(status), nginx(status), time()];
    findings.extend(listening(node, status));
    if let Some(why) = status.engine.problem() {
        let text = format!("the engine does not run: {why}");
        findings.insert(0, DoctorFinding { test: "engine", verdict: DoctorVerdict::Fault, text });
        return findings;
    }
    let runs = "the engine beats, so its threads have CAP_NET_ADMIN and CAP_NET_RAW";
    findings.insert(0, DoctorFinding::ok("engine", runs));
    findings.push(late_turns(node, status));
    findings.extend(status.instances.iter().map(state));
    findings.extend(status.instances.iter().filter_map(hearing));
    let of_node = status.node.warnings.iter().map(|it| (None, it));
    let of_each = status
        .instances
        .iter()
        .flat_map(|one| one.warnings.iter().map(|it| (Some(one.name.as_str()), it)));
    let warnings: Vec<_> = of_node.chain(of_each).collect();
    for (test, names, well) in TESTS {
        let found: Vec<_> = warnings.iter().filter(|(_, it)| names.contains(&&*it.name)).collect();
        findings.extend(found.iter().map(|(about, it)| DoctorFinding::warned(test, *about, it)));
        if found.is_empty() {
            findings.push(DoctorFinding::ok(test, well));
        }
    }
    let is_known = |name: &str| TESTS.iter().any(|(_, names, _)| names.contains(&name));
    let others = warnings.iter().filter(|(_, it)| !is_known(&it.name));
    findings.extend(others.map(|(about, it)| DoctorFinding::warned("other", *about, it)));
    findings
}

fn version(status: &Status) -> DoctorFinding {
    let (theirs, ours) = (&status.node.module, env!("CARGO_PKG_VERSION"));
    if theirs == ours {
        return DoctorFinding::ok("version", "the engine is of the version that is installed");
    }
    let text = format!("the engine is of version {theirs}, and {ours} is installed: reload nginx");
    DoctorFinding::warning("version", text)
}

fn nginx(status: &Status) -> DoctorFinding {
    let workers = status.node.workers;
    let text = format!("{} of {} workers beat", workers.alive, workers.total);
    if workers.alive == workers.total {
        return DoctorFinding::ok("workers", &text);
    }
    let help = "look for what blocks or kills the others: the error log of nginx, dmesg";
    DoctorFinding::warning("workers", format!("{text}: {help}"))
}

/// The election needs no wall clock, but who compares the logs of two nodes does.
fn time() -> DoctorFinding {
    if clock::is_synchronised() {
        return DoctorFinding::ok("clock", "the kernel says that the clock is synchronised");
    }
    DoctorFinding::warning(
        "clock",
        "the clock is not synchronised, and times in the logs of two nodes cannot be compared: run \
         chrony or systemd-timesyncd"
            .to_owned(),
    )
}

/// Looks for sockets that listen on a virtual address. Only here: `/proc/sys` is of our namespace.
fn listening(node: &FoundNode, status: &Status) -> Option<DoctorFinding> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    if !node.is_in_this_namespace {
        return None;
    }
    let table = read("/proc/self/net/tcp");
    let listening: Vec<_> = table.lines().filter_map(listener).collect();
    let addresses = status.instances.iter().flat_map(|one| &one.addresses);
    let bare = addresses.filter_map(|it| it.address.split('/').next());
    let bound = bare.into_iter().find(|address| listening.iter().any(|it| it == address));
    let may_bind = read("/proc/sys/net/ipv4/ip_nonlocal_bind").trim() == "1";
    Some(match bound {
        Some(address) if !may_bind => DoctorFinding::warning(
            "listen",
            format!(
                "a program listens on {address}, and net.ipv4.ip_nonlocal_bind is 0: it cannot \
                 start while that address is on another node. Set it to 1, or listen on the \
                 wildcard address"
            ),
        ),
        Some(_) => DoctorFinding::ok("listen", "net.ipv4.ip_nonlocal_bind is 1"),
        None => {
            DoctorFinding::ok("listen", "no program listens on a virtual address of IPv4 itself")
        }
    })
}

/// Returns the address of a line of `/proc/net/tcp`, if a program listens there.
fn listener(line: &str) -> Option<String> {
    let mut columns = line.split_ascii_whitespace().skip(1);
    let (address, _) = columns.next()?.split_once(':')?;
    let is_listening = columns.nth(1)? == "0A";
    let octets = u32::from_str_radix(address, 16).ok()?.to_ne_bytes();
    is_listening.then(|| std::net::Ipv4Addr::from(octets).to_string())
}

fn late_turns(node: &FoundNode, status: &Status) -> DoctorFinding {
    let header = node.header();
    let (turns, late_us) = (header.late_turns.load(Relaxed), header.late_us.load(Relaxed));
    let average_ms = late_us.checked_div(turns).unwrap_or_default() / 1000;
    let shortest = status.instances.iter().map(|one| u64::from(one.advert_interval_ms)).min();
    let text = format!("{turns} turns of the engine came late, by {average_ms} ms on average");
    if turns == 0 || average_ms < shortest.unwrap_or_default() / 4 {
        return DoctorFinding::ok("late turns", &text);
    }
    let help = "give nginx more of the processor, or set realtime = true";
    DoctorFinding::warning("late turns", format!("{text}: {help}"))
}

fn state(one: &InstanceStatus) -> DoctorFinding {
    let state = one.state.unwrap_or("unknown");
    let reason = one.reason.as_deref().map(|it| format!(" ({it})")).unwrap_or_default();
    let fault = one.fault.as_deref().map(|it| format!(": {it}")).unwrap_or_default();
    let verdict = if state == "fault" { DoctorVerdict::Fault } else { DoctorVerdict::Ok };
    DoctorFinding { test: "state", verdict, text: format!("{}: {state}{reason}{fault}", one.name) }
}

/// Tells whether peers are heard, and whether one has the priority of this node.
fn hearing(one: &InstanceStatus) -> Option<DoctorFinding> {
    let (name, active) = (&one.name, one.active.as_ref()?);
    if !active.is_self {
        if active.priority == one.effective_priority {
            return Some(DoctorFinding::warning(
                "peers",
                format!(
                    "{name}: {} has priority {}, too: the higher address decides. Give each node \
                     another priority",
                    active.address, active.priority
                ),
            ));
        }
        let ago = active.last_advert_age_ms.unwrap_or_default();
        return Some(DoctorFinding::ok(
            "peers",
            &format!("{name}: {} was heard {ago} ms ago", active.address),
        ));
    }
    let heard = one.counters.advertisements_received;
    if heard == 0 {
        return Some(DoctorFinding::warning(
            "peers",
            format!(
                "{name}: this node is active, and has never heard a peer. If a peer is active, \
                 too, IP protocol 112 does not pass: a firewall, or the switch. tcpdump -ni {} \
                 proto 112 on both",
                one.interface
            ),
        ));
    }
    let adverts = count(usize::try_from(heard).unwrap_or(usize::MAX), "advertisement");
    Some(DoctorFinding::ok("peers", &format!("{name}: {adverts} of peers have arrived")))
}

impl DoctorFinding {
    fn ok(name: &'static str, text: &str) -> Self {
        Self { test: name, verdict: DoctorVerdict::Ok, text: text.to_owned() }
    }

    fn warning(name: &'static str, text: String) -> Self {
        Self { test: name, verdict: DoctorVerdict::Warning, text }
    }

    fn warned(test: &'static str, about: Option<&str>, warning: &WarningStatus) -> Self {
        let about = about.map(|name| format!("{name}: ")).unwrap_or_default();
        Self::warning(test, format!("{about}{}: {}", warning.name, warning.text))
    }

    fn line(&self) -> String {
        let (word, style): (_, Style) = match self.verdict {
            DoctorVerdict::Ok => ("ok     ", GREEN),
            DoctorVerdict::Warning => ("warning", YELLOW),
            DoctorVerdict::Fault => ("fault  ", RED),
        };
        format!("{}  {:13}  {}\n", styled(word, style), self.test, shown(&self.text))
    }
}

/// A test of what the engine watches: its name, the warnings of which none may be there, and what
/// their absence says.
const TESTS: &[(&str, &[&str], &str)] = &[
    ("run_dir", &["no_place_to_meet"], "a reload hands over: engines meet there"),
    ("guard", &["no_guard"], "a guard withdraws the routers if nginx dies or hangs"),
    ("sockets", &["cannot_listen", "cannot_announce"], "the kernel refuses no socket"),
    (
        "firewall",
        &["cannot_send", "peer_unreachable", "peer_dropped_here"],
        "the kernel sends, and no look at a link has seen a peer that this host drops",
    ),
    (
        "addresses",
        &[
            "address_refused",
            "address_is_foreign",
            "address_contested",
            "prefix_differs",
            "vrrp_net_stalled",
            "kernel_unreadable",
        ],
        "the kernel takes the addresses, and nothing else touches them",
    ),
    ("rp_filter", &["rp_filter_in_the_way"], "it drops nothing that peers send"),
    ("sysctl", &["sysctl_not_set"], "the settings that the engine needs are on"),
    (
        "this host",
        &["other_vrrp", "already_here", "strange_neighbour"],
        "nothing else speaks VRRP here, or has these routers",
    ),
    (
        "other nodes",
        &["peer_speaks_otherwise", "peer_discarded", "peer_does_not_hear_us", "vrid_conflict"],
        "what other routers send fits: version, interval, addresses, VRID",
    ),
    ("weights", &["weight_in_vain"], "no priority was lowered in vain"),
    ("sync groups", &["sync_group_waits"], "no instance waits for another one"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_listens_is_told_from_a_connection() {
        let listens = "   0: 0100007F:0050 00000000:0000 0A 00000000:00000000 00:00000000 00000000";
        let connected = listens.replace(" 0A ", " 01 ");

        let octets = u32::from_be_bytes([1, 0, 0, 127]).to_ne_bytes();
        assert_eq!(listener(listens), Some(std::net::Ipv4Addr::from(octets).to_string()));
        assert_eq!(listener(&connected), None);
        assert_eq!(listener("  sl  local_address rem_address   st tx_queue rx_queue"), None);
    }
}
