//! Functions, states, reasons, members, warnings and log lines: each is documented, and what is
//! documented exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use resty_vrrp::proto::{Reason, State};

use crate::markdown::{Document, files, spans, words};

const REFERENCE: &str = "lua/README.md";
const OPERATION: &str = "nginx-conf/README.md";

#[test]
fn every_function_of_the_api_is_documented() {
    let code = read("lua/resty/vrrp.lua");
    let functions: BTreeSet<_> = quoted(&code, "\nfunction _M.", "(");

    let documented: BTreeSet<_> = first_spans(REFERENCE, "Functions")
        .iter()
        .filter_map(|span| Some(span.strip_prefix("vrrp.")?.split('(').next()?.to_owned()))
        .collect();

    assert!(functions.len() > 5, "the functions are found");
    assert_eq!(documented, functions);
}

#[test]
fn every_state_is_documented() {
    let states = [State::Initialize, State::Backup, State::Active, State::Fault];
    let states: BTreeSet<_> = states.iter().map(|state| state.name().to_owned()).collect();

    assert_eq!(first_spans(REFERENCE, "States"), states);
}

#[test]
fn every_reason_of_a_transition_is_documented() {
    let reasons: BTreeSet<_> = Reason::ALL.iter().map(|it| it.name().to_owned()).collect();

    assert_eq!(first_spans(REFERENCE, "Reasons"), reasons);
}

#[test]
fn every_member_of_the_status_is_documented() {
    let code = read("lua/resty/vrrp/json.lua");
    let order = code.split("local order = [[").nth(1).and_then(|rest| rest.split("]]").next());
    let members: BTreeSet<&str> = order.expect("it names the members").split_whitespace().collect();
    let code = Document::read(REFERENCE).code();
    let documented: BTreeSet<&str> = code.iter().flat_map(|span| words(span)).collect();
    let rows = first_spans(REFERENCE, "Status");

    let missing: Vec<_> = members.difference(&documented).collect();
    assert!(missing.is_empty(), "{REFERENCE} does not mention {missing:?}");
    let headings = ["node", "counters"];
    let unknown = rows.iter().filter(|name| !members.contains(name.as_str()));
    let unknown: Vec<_> = unknown.filter(|name| !headings.contains(&name.as_str())).collect();
    assert!(unknown.is_empty(), "the status has no {unknown:?}");
}

#[test]
fn every_request_is_documented() {
    let code = read("lua/resty/vrrp/endpoint.lua");
    let table = code.split("local REQUESTS = {").nth(1).and_then(|rest| rest.split("\n}").next());
    let requests = quoted(table.expect("the requests stand in a table"), "\n    { \"", "\"");

    let documented: BTreeSet<_> = first_spans(REFERENCE, "HTTP")
        .iter()
        .filter_map(|span| span.split('/').nth(1)?.split('?').next().map(str::to_owned))
        .collect();

    assert_eq!(documented, requests);
}

#[test]
fn every_test_of_the_doctor_is_documented() {
    let code = [
        "src/runtime/doctor.rs",
        "src/runtime/doctor/routers.rs",
        "src/status/document/diagnosis.rs",
        "src/cli/doctor.rs",
    ];
    let code: String = code.iter().map(read).collect::<String>().split_whitespace().collect();
    let mut tests = BTreeSet::new();
    for (start, end) in [
        ("constTEST:&str=\"", "\""),
        ("Finding::ok(\"", "\""),
        ("FindingStatus::new(\"", "\""),
        ("(\"", "\",&["),
        ("Finding::warning(\"", "\""),
    ] {
        tests.append(&mut quoted(&code, start, end));
    }
    tests.retain(|test| test.chars().all(|c| c.is_ascii_lowercase() || c == '_'));

    assert!(tests.len() > 15, "the tests are found");
    let members = ["router_id", "verdict", "findings"];
    let mut documented = first_spans(REFERENCE, "The doctor");
    documented.retain(|name| !members.contains(&name.as_str()));
    assert_eq!(documented, tests);
}

#[test]
fn every_metric_is_documented() {
    let code = read("lua/resty/vrrp/metrics.lua");
    let table = code.split("local METRICS = {").nth(1).and_then(|rest| rest.split("\n}").next());
    let metrics = quoted(table.expect("the metrics stand in a table"), "\n    { \"", "\"");

    let documented: BTreeSet<_> = first_spans(REFERENCE, "Metrics")
        .iter()
        .filter_map(|span| span.split('{').next().map(str::to_owned))
        .collect();

    assert!(metrics.len() > 30, "the metrics are found");
    assert_eq!(documented, metrics);
}

#[test]
fn every_reason_to_become_active_is_one_in_the_metrics() {
    let code = read("lua/resty/vrrp/metrics.lua");
    let table = code.split("local ACTIVE_REASONS = {").nth(1).and_then(|it| it.split('}').next());
    let known: BTreeSet<_> = words(table.expect("the reasons stand in a table"))
        .filter(|word| *word != "true")
        .map(str::to_owned)
        .collect();

    let rows = Document::read(REFERENCE).rows("Reasons");
    let active = rows.iter().filter(|row| row[1].trim() == "active");

    assert_eq!(active.flat_map(|row| spans(&row[0])).collect::<BTreeSet<_>>(), known);
}

#[test]
fn the_page_has_words_for_every_reason_and_every_warning() {
    let page = read("lua/resty/vrrp/page.html");
    let names_in = |start: &str| -> BTreeSet<String> {
        let table = page.split(start).nth(1).and_then(|rest| rest.split("\n};").next());
        let lines = table.expect("the words stand in a table").lines();
        let named = lines.filter_map(|line| line.strip_prefix("    ")?.split_once(": "));
        named.map(|(name, _)| name.to_owned()).filter(|name| !name.contains(' ')).collect()
    };
    let mut reasons = first_spans(REFERENCE, "Reasons");
    reasons.insert("engine_not_running".to_owned());

    assert_eq!(names_in("const REASONS = {"), reasons);
    assert_eq!(names_in("const WARNINGS = {"), first_spans(OPERATION, "Warnings"));
}

#[test]
fn every_warning_is_documented() {
    let mut warnings = BTreeSet::new();
    for file in files("src", "rs") {
        for constant in quoted(&read(&file), "const WARNING_", ";") {
            warnings.extend(constant.split('"').nth(1).map(str::to_owned));
        }
    }
    warnings.append(&mut quoted(&read("lua/resty/vrrp/status.lua"), "ENGINE_DOWN = \"", "\""));

    assert!(warnings.len() > 2, "the warnings are found");
    assert_eq!(first_spans(OPERATION, "Warnings"), warnings);
}

#[test]
fn every_log_line_that_is_shown_can_be_logged() {
    let sources = files("src", "rs").into_iter().chain(files("lua", "lua"));
    let sources: Vec<_> = sources.map(|file| joined(&read(file))).collect();
    let lines = first_spans(OPERATION, "Log lines");

    assert!(lines.len() > 15, "the lines are found");
    for line in lines {
        for part in line.split('…').filter(|part| !part.trim().is_empty()) {
            let is_logged = sources.iter().any(|source| source.contains(part));
            assert!(is_logged, "{OPERATION} shows {line:?}: no message has {part:?}");
        }
    }
}

/// Returns the code spans in the first cells of the tables under a heading.
fn first_spans(path: &str, title: &str) -> BTreeSet<String> {
    let rows = Document::read(path).rows(title);
    rows.iter().flat_map(|row| spans(&row[0])).collect()
}

/// Returns what stands between `start` and `end`, each time.
fn quoted(text: &str, start: &str, end: &str) -> BTreeSet<String> {
    let rests = text.split(start).skip(1);
    rests.filter_map(|rest| rest.split(end).next().map(str::to_owned)).collect()
}

/// Puts texts together that the code has on several lines.
fn joined(code: &str) -> String {
    let mut joined = String::new();
    for line in code.lines() {
        let line = line.trim();
        let goes_on = joined.ends_with('\\') || line.starts_with(".. \"") && joined.ends_with('"');
        if !goes_on {
            joined += "\n";
            joined += line;
            continue;
        }
        joined.pop();
        joined += line.strip_prefix(".. \"").unwrap_or(line);
    }
    joined
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).expect("tests run in the root of the package")
}
