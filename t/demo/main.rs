//! Shows a pair of nginx that takes over from each other, and measures it.
#![expect(clippy::disallowed_methods, reason = "a demo reads clocks and starts processes")]

use std::any::Any;
use std::io::{IsTerminal, stdout};
use std::panic;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use harness::{
    Carrier, CarrierKind, Host, Lab, Nginx, Probe, Report, best_carrier, conf, eventually, why_not,
};
use serde_json::Value;

/// A host with nginx as reverse proxy, and the application behind it.
struct Node {
    host: Host,
    proxy: Nginx,
    application: Nginx,
}

fn main() -> ExitCode {
    if let Some(reason) = why_not() {
        eprintln!("demo: {reason}");
        return ExitCode::FAILURE;
    }
    // A panic still unwinds, which removes the namespaces; but it is told like any other message.
    panic::set_hook(Box::new(|panic| {
        eprintln!("demo: {}", message(panic.payload()));
    }));
    match panic::catch_unwind(show) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}

fn message(payload: &dyn Any) -> &str {
    let text = payload.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| payload.downcast_ref::<&str>().copied()).unwrap_or("failed")
}

fn show() {
    let begun = Instant::now();
    let carrier = best_carrier();
    let lab = Lab::new("demo");
    let hosts =
        [lab.host("worker-01", "192.168.56.101/24"), lab.host("worker-02", "192.168.56.102/24")];
    let client = lab.host("client", "192.168.56.10/24");
    introduce(&carrier);

    let [first, second] = hosts.map(|host| Node::start(host, &carrier));
    first.wait_for("active");
    second.wait_for("backup");
    second.wait_until_it_hears(&first);
    heading("Both are up");
    table(&[&first, &second]);
    pointer();

    heading("worker-01 loses power");
    let probe = begin(&client, "worker-01");
    first.host.power_off();
    finish(probe, "worker-02");
    second.explain_limit();
    table(&[&first, &second]);

    heading("worker-01 comes back, and takes over again");
    let probe = begin(&client, "worker-02");
    let first = first.start_again(&carrier);
    finish(probe, "worker-01");
    second.wait_until_it_hears(&first);
    table(&[&first, &second]);

    heading("nginx is stopped on worker-01, as by systemctl stop");
    let probe = begin(&client, "worker-01");
    first.proxy.quit();
    finish(probe, "worker-02");
    table(&[&first, &second]);

    drop((first, second, client, lab));
    println!("\nEverything is removed again. It took {:.0} s.", begun.elapsed().as_secs_f32());
}

impl Node {
    fn start(host: Host, carrier: &Carrier) -> Self {
        let application = Nginx::start(&host, carrier, &conf("two-nodes/application.conf"));
        let proxy = Nginx::start(&host, carrier, &conf(&format!("two-nodes/{}.conf", host.name())));
        Self { host, proxy, application }
    }

    fn start_again(self, carrier: &Carrier) -> Self {
        let Self { host, proxy, application } = self;
        drop((proxy, application));
        host.power_on();
        Self::start(host, carrier)
    }

    fn status(&self) -> Option<Value> {
        self.host.get("127.0.0.1:80", "/ha/status").ok().map(|answer| answer.json())
    }

    fn wait_for(&self, state: &str) {
        eventually(&format!("{} is {state}", self.host.name()), PATIENCE, || {
            let status = self.status().ok_or("no answer")?;
            let instance = &status["instances"][0];
            if instance["state"] == state { Ok(()) } else { Err(instance.to_string()) }
        });
    }

    fn wait_until_it_hears(&self, active: &Self) {
        let address = active.host.address().to_string();
        eventually("the node that stands by hears the active one", PATIENCE, || {
            let status = self.status().ok_or("no answer")?;
            let instance = &status["instances"][0];
            let hears = instance["active"]["address"] == address.as_str();
            if hears { Ok(()) } else { Err(instance.to_string()) }
        });
    }

    fn explain_limit(&self) {
        let status = self.status().expect("it serves");
        let limit = &status["instances"][0]["active_down_interval_ms"];
        println!("   The protocol waits up to {limit} ms until a silent node counts as dead.");
    }
}

fn introduce(carrier: &Carrier) {
    let process = match carrier.kind {
        CarrierKind::Agent => "the privileged agent carries the router",
        CarrierKind::Worker => "worker 0 carries the router",
    };
    println!("{}: two nodes serve 192.168.56.100 together", bold("resty.vrrp"));
    println!();
    println!("   client ──┬── worker-01   192.168.56.101   nginx-conf/two-nodes/worker-01.conf");
    println!("            └── worker-02   192.168.56.102   nginx-conf/two-nodes/worker-02.conf");
    println!();
    println!("   {}, {process}; network namespaces stand for the hosts.", carrier.version);
}

/// Shows a line for each node, as its own `/ha/status` has it.
fn table(nodes: &[&Node]) {
    let row = |cells: [&str; 5]| {
        let [node, state, reason, priority, active] = cells;
        println!("   {node:<11} {state:<9} {reason:<16} {priority:>8}   {active}");
    };
    row(["node", "state", "reason", "priority", "active router"]);
    for node in nodes {
        let Some(status) = node.status() else {
            row([node.host.name(), "–", "no answer", "–", "–"]);
            continue;
        };
        let instance = &status["instances"][0];
        let text = |value: &Value| value.as_str().unwrap_or("–").to_owned();
        row([
            node.host.name(),
            &text(&instance["state"]),
            &text(&instance["reason"]),
            &instance["priority"].to_string(),
            &text(&instance["active"]["address"]),
        ]);
    }
}

fn pointer() {
    println!(
        "   This is from `curl http://127.0.0.1/ha/status` on each node: JSON, with addresses,"
    );
    println!("   counters, checks and the history of transitions as well.");
}

/// Lets a client ask for a page every 2 ms, until a second of it is seen.
fn begin(client: &Host, who: &str) -> Probe {
    let probe = Probe::start(client, "192.168.56.100:80", "/");
    probe.wait_for(who, PATIENCE);
    thread::sleep(STEADY);
    probe
}

/// Lets it ask on until another node has answered for a second, and tells what it saw.
fn finish(probe: Probe, who: &str) {
    probe.wait_for(who, PATIENCE);
    thread::sleep(STEADY);
    tell(&probe.finish());
}

fn tell(report: &Report) {
    let dark = report.outage().as_secs_f64() * 1000.0;
    let failed = match report.failures().len() {
        0 => "none".to_owned(),
        failures => failures.to_string(),
    };
    let all = report.samples.len();
    let served = report.served_by();
    let now = served.last().map_or("nobody", |(who, _, _)| who);
    println!("   The client was without a page for {}.", bold(&format!("{dark:.0} ms")));
    println!("   It opened {all} connections, one every 2 ms; {failed} failed. Now {now} answers.");
}

fn heading(text: &str) {
    println!("\n{}", bold(text));
}

fn bold(text: &str) -> String {
    if stdout().is_terminal() { format!("\x1b[1m{text}\x1b[0m") } else { text.to_owned() }
}

const PATIENCE: Duration = Duration::from_secs(10);
const STEADY: Duration = Duration::from_secs(1);
