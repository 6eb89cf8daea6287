//! The files for Prometheus and Grafana that are shipped, with a real Prometheus that reads a pair.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::time::Duration;

use harness::{Host, Lab, Nginx, Process, Role, best_carrier, conf, eventually, project};
use serde_json::Value;

use crate::{ONE, conf_with, status_when};

#[test]
fn the_alerts_fire_when_they_have_to() {
    let place = project().join("nginx-conf/monitoring");

    let mut promtool = Command::new("promtool");
    promtool.args(["test", "rules", "alerts-test.yml"]).current_dir(place);
    let output = promtool.output().expect("it is installed");

    let said = [output.stdout, output.stderr].concat();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn every_query_of_the_dashboard_and_of_the_alerts_finds_what_it_asks_for() {
    let carrier = best_carrier();
    let lab = Lab::new("monitoring");
    let one = lab.host("worker-01", "192.168.56.101/24");
    let two = lab.host("worker-02", "192.168.56.102/24");
    let monitor = lab.host("monitor", "192.168.56.9/24");
    let nginx = Nginx::start(&one, &carrier, &conf_with(ONE));
    let _other = Nginx::start(&two, &carrier, &conf_with(&ONE.replace("150", "100")));
    status_when(&one, "active");
    status_when(&two, "backup");
    let prometheus = Prometheus::start(&lab, &monitor);
    prometheus.has("count(vrrp_state == 2) == 1 and count(vrrp_state) == 2");
    // A rate takes two samples.
    prometheus.has("count(rate(vrrp_transitions_total[1m])) == 2");

    let known = prometheus.metrics();
    for query in dashboard().iter().chain(&alerts()) {
        for name in names(query) {
            assert!(known.contains(&name) || name == "vrrp_warning", "no {name}: {query}");
        }
    }
    for query in dashboard() {
        let found = prometheus.ask(&query);
        assert!(found.as_array().is_some_and(|found| !found.is_empty()), "nothing: {query}");
    }
    for query in alerts() {
        let found = prometheus.ask(&query);
        // The pair has just begun, by a takeover from nobody.
        let is_news = query.contains("no_response") || query.contains("late_seconds");
        assert!(is_news || found == Value::Array(Vec::new()), "{query}: {found}");
    }

    nginx.kill9(Role::All);
    prometheus.alerts_of("VrrpNodeUnreachable");
    prometheus.alerts_of("VrrpNoBackup");
}

/// A Prometheus that reads both nodes.
struct Prometheus<'a> {
    host: &'a Host,
    _process: Process,
}

impl<'a> Prometheus<'a> {
    #[track_caller]
    fn start(lab: &Lab, host: &'a Host) -> Self {
        let place = lab.directory().join("prometheus");
        fs::create_dir(&place).expect("the lab's directory is writable");
        fs::write(place.join("alerts.yml"), conf("monitoring/alerts.yml")).expect("it is new");
        fs::write(place.join("prometheus.yml"), CONFIGURATION).expect("it is new");
        let log = fs::File::create(place.join("log")).expect("it is new");
        let mut command = Command::new("prometheus");
        command
            .arg(option("config.file", &place.join("prometheus.yml")))
            .arg(option("storage.tsdb.path", &place.join("data")))
            .arg("--web.listen-address=127.0.0.1:9090")
            .stdout(log.try_clone().expect("a file can be shared"))
            .stderr(log);
        let process = host.spawn(&mut command);
        let prometheus = Self { host, _process: process };
        eventually("Prometheus is ready", PATIENCE, || {
            let answer = host.get("127.0.0.1:9090", "/-/ready").map_err(|it| it.to_string())?;
            if answer.status == 200 { Ok(()) } else { Err(answer.body) }
        });
        prometheus
    }

    /// Returns the samples that a query finds now.
    #[track_caller]
    fn ask(&self, query: &str) -> Value {
        let query = format!("query={query}");
        let arguments = ["-sS", "http://127.0.0.1:9090/api/v1/query", "--data-urlencode", &query];
        let answer = self.host.exec("curl", &arguments);
        let answer: Value = serde_json::from_str(&answer).expect("Prometheus speaks JSON");
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        answer["data"]["result"].clone()
    }

    /// Waits until a query finds something.
    #[track_caller]
    fn has(&self, query: &str) {
        eventually(&format!("Prometheus has {query}"), PATIENCE, || {
            let found = self.ask(query);
            if found.as_array().is_some_and(|found| !found.is_empty()) {
                Ok(())
            } else {
                Err(found)
            }
        });
    }

    /// Returns the names of all metrics.
    fn metrics(&self) -> BTreeSet<String> {
        let path = "/api/v1/label/__name__/values";
        let answer = self.host.get("127.0.0.1:9090", path).expect("it runs").json();
        serde_json::from_value(answer["data"].clone()).expect("they are texts")
    }

    /// Waits until an alert waits to be one, or is one.
    #[track_caller]
    fn alerts_of(&self, name: &str) {
        self.has(&format!("ALERTS{{alertname=\"{name}\"}}"));
    }
}

fn option(name: &str, path: &std::path::Path) -> String {
    format!("--{name}={}", path.display())
}

/// Returns the queries of all panels, with the variables replaced.
fn dashboard() -> Vec<String> {
    let dashboard = conf("monitoring/dashboard.json");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("a dashboard is JSON");
    let panels = dashboard["panels"].as_array().expect("it has panels").clone();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries = targets.map(|target| target["expr"].as_str().expect("it asks").to_owned());
    let replaced = queries.map(|query| {
        let values = [("$job", "vrrp"), ("$instance", ".*"), ("$name", ".*")];
        let query = query.replace("$__rate_interval", "1m");
        values.iter().fold(query, |query, (name, value)| query.replace(name, value))
    });
    let queries: Vec<_> = replaced.collect();
    assert!(queries.len() > 20 && !queries.concat().contains('$'), "{queries:?}");
    queries
}

/// Returns the expressions of all alerts.
fn alerts() -> Vec<String> {
    let rules = conf("monitoring/alerts.yml");
    let expressions: Vec<_> = rules
        .split("expr: ")
        .skip(1)
        .filter_map(|rest| rest.split("\n        for:").next())
        .filter_map(|rest| rest.split("\n        labels:").next())
        .map(|text| text.trim_start_matches(">-").trim().to_owned())
        .collect();
    assert!(expressions.len() > 10, "{expressions:?}");
    expressions
}

/// Returns the metrics that a query names.
fn names(query: &str) -> BTreeSet<String> {
    let words = query.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("vrrp_")).map(str::to_owned).collect()
}

const PATIENCE: Duration = Duration::from_secs(15);
const CONFIGURATION: &str = r#"
global: { scrape_interval: 200ms, evaluation_interval: 200ms }
rule_files: [ alerts.yml ]
scrape_configs:
  - job_name: vrrp
    metrics_path: /ha/metrics
    static_configs: [ { targets: [ "192.168.56.101:80", "192.168.56.102:80" ] } ]
"#;
