//! An instance with `accept = false`: nobody is answered on its addresses, at no moment.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use harness::{Host, Lab, Nginx, Role, carriers, eventually, wait_until};

use serde_json::json;

use crate::alone::killed::kill_all_of;
use crate::guard::guard_knows;
use crate::{ONE, PATIENCE, conf_with, instance_when, status_when};

#[test]
fn at_no_moment_of_its_life_or_death_is_anybody_answered() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("accept, {}", carrier.version));
        let host = lab.host("worker-01", "192.168.56.101/24");
        let client = lab.host("client", "192.168.56.10/24");
        let knocking = Knocking::start(&client);
        let nginx = Nginx::start(&host, carrier, &conf_with(&silent()));
        status_when(&host, "active");
        let own = client.get("192.168.56.101:80", "/ha/healthz").expect("that is answered");
        assert_eq!(own.status, 200);

        for change in [Nginx::reload, |nginx: &Nginx| nginx.kill9(Role::Carrier)] {
            let before = nginx.carrier_pid();
            change(&nginx);
            wait_until("another process carries the engine", PATIENCE, || {
                let now = nginx.pids(Role::Carrier);
                now.len() == 1 && now != [before]
            });
            status_when(&host, "active");
            knocking.go_on();
        }
        wait_until("the guard knows", PATIENCE, || guard_knows(&host));
        kill_all_of(&nginx);
        eventually("nothing is left", PATIENCE, || {
            let rules = host.exec("nft", &["list", "ruleset"]);
            if rules.is_empty() && !host.has("192.168.56.100") { Ok(()) } else { Err(rules) }
        });

        knocking.finish();
    }
}

#[test]
fn a_reload_changes_whether_it_answers_and_an_owner_always_does() {
    for carrier in carriers() {
        let lab = Lab::new(&format!("accept changes, {}", carrier.version));
        let host = lab.host("worker-01", "192.168.56.101/24");
        let client = lab.host("client", "192.168.56.10/24");
        let nginx = Nginx::start(&host, carrier, &conf_with(&silent()));
        let transitions = status_when(&host, "active")["instances"][0]["transitions"].clone();

        let owner = silent().replace("priority = 150", "priority = 255");
        for (options, answers) in [(ONE, true), (&silent(), false), (&owner, true)] {
            nginx.write("nginx.conf", &conf_with(options));
            nginx.reload();
            eventually("it does as it is told", PATIENCE, || {
                let outcome = knock(&client);
                if outcome.is_some() == answers { Ok(()) } else { Err(format!("{outcome:?}")) }
            });
        }

        let now = status_when(&host, "active");
        assert_eq!(now["instances"][0]["transitions"], transitions);
    }
}

#[test]
fn without_nf_tables_it_claims_nothing_and_says_what_to_do() {
    for carrier in carriers() {
        let lab = Lab::fallible(&format!("accept refused, {}", carrier.version));
        let host = lab.host("worker-01", "192.168.56.101/24");
        let nginx = Nginx::prepare(&host, carrier, &conf_with(&silent()));
        nginx.failpoints().arm("accept", "return(cannot use nf_tables: Operation not supported)");
        nginx.launch().expect("it starts");

        instance_when(&host, |one| {
            let text = one["warnings"][0]["text"].as_str().unwrap_or_default();
            let is_told = text.contains("accept = false needs rules of nf_tables")
                && text.contains("Operation not supported");
            let is_named = one["warnings"][0]["name"] == "address_refused";
            one["reason"] == "addresses_unavailable" && is_named && is_told
        });

        assert!(!host.has("192.168.56.100"));
        nginx.failpoints().disarm("accept");
        let active = status_when(&host, "active");
        assert_eq!(active["instances"][0]["warnings"], json!([]));
    }
}

/// Opens connections to the virtual address, one after the other.
struct Knocking {
    stopping: Arc<AtomicBool>,
    count: Arc<AtomicUsize>,
    thread: JoinHandle<Vec<String>>,
}

impl Knocking {
    fn start(client: &Host) -> Self {
        let stopping = Arc::<AtomicBool>::default();
        let count = Arc::<AtomicUsize>::default();
        let (stops, counts, client) = (Arc::clone(&stopping), Arc::clone(&count), client.clone());
        let thread = thread::spawn(move || {
            let mut answers = Vec::new();
            while !stops.load(Ordering::Relaxed) {
                answers.extend(knock(&client));
                counts.fetch_add(1, Ordering::Relaxed);
            }
            answers
        });
        Self { stopping, count, thread }
    }

    /// Waits for some more attempts.
    fn go_on(&self) {
        let before = self.count.load(Ordering::Relaxed);
        wait_until("it knocks", PATIENCE, || self.count.load(Ordering::Relaxed) > before + 5);
    }

    /// Checks that nobody has ever answered.
    fn finish(self) {
        self.stopping.store(true, Ordering::Relaxed);
        let answers = self.thread.join().expect("no panic");
        assert!(answers.is_empty(), "{answers:?}");
    }
}

/// Opens a connection to the virtual address, and returns what it was answered.
fn knock(client: &Host) -> Option<String> {
    let address = SocketAddr::from(([192, 168, 56, 100], 80));
    let connected = client.enter(|| TcpStream::connect_timeout(&address, KNOCK));
    let Err(error) = connected else { return Some("it is open".to_owned()) };
    let is_silence = matches!(error.kind(), ErrorKind::TimedOut | ErrorKind::HostUnreachable);
    (!is_silence).then(|| error.to_string())
}

/// Returns options of an instance on whose addresses nobody is answered.
fn silent() -> String {
    ONE.replace("vrid = 51,", "vrid = 51, accept = false,")
}

const KNOCK: Duration = Duration::from_millis(20);
