//! What is listed as shown by a test, is shown by a test that exists.

use std::fs;

use crate::markdown::{Document, spans};

const LIST: &str = "t/conformance.md";
const BEHAVIOURS: [&str; 3] = ["Packets", "States and timers", "Host and network"];

#[test]
fn every_behaviour_has_its_row() {
    let document = Document::read(LIST);
    let numbers = |title| {
        let rows = document.rows(title).into_iter();
        rows.map(|row| row[0].parse::<u32>().expect("a row begins with its number"))
    };
    let shown: Vec<u32> = BEHAVIOURS.into_iter().flat_map(numbers).collect();
    assert!(shown.into_iter().eq(1..=115), "{LIST} has each once, in order");
}

#[test]
fn every_test_that_shows_a_behaviour_exists() {
    let document = Document::read(LIST);
    let rows: Vec<_> = BEHAVIOURS.into_iter().flat_map(|title| document.rows(title)).collect();
    assert_shown(&rows);
}

#[test]
fn every_test_that_shows_a_decision_exists() {
    let rows = Document::read("src/ARCHITECTURE.md").rows("Decisions");
    assert_eq!(rows.len(), 8, "D1 to D8");
    assert_shown(&rows);
}

/// Checks that the last cell of each row names tests, and that there are such tests.
fn assert_shown(rows: &[Vec<String>]) {
    let mut missing = Vec::new();
    for row in rows {
        let tests = row.last().map(|cell| spans(cell)).unwrap_or_default();
        if tests.is_empty() {
            missing.push(format!("{row:?} names no test"));
        }
        let unknown = tests.into_iter().filter(|test| !is_test(test));
        missing.extend(unknown.map(|test| format!("{}: there is no test {test}", row[0])));
    }
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}

/// Tells whether there is a test of this name: its suite, its module, and what it is called there.
fn is_test(name: &str) -> bool {
    let Some((suite, path)) = name.split_once("::") else { return false };
    let Some((module, test)) = path.rsplit_once("::") else { return false };
    let module = module.replace("::", "/");
    let base = match suite {
        "lib" => format!("src/{module}"),
        _ => format!("t/{suite}/{module}"),
    };
    // Unit tests may stand at the end of what they are about.
    let bases = [base.as_str()].into_iter().chain(base.strip_suffix("/tests"));
    let mut files = bases.flat_map(|base| [format!("{base}.rs"), format!("{base}/mod.rs")]);
    files.any(|file| fs::read_to_string(file).is_ok_and(|code| has_test(&code, test)))
}

fn has_test(code: &str, name: &str) -> bool {
    let lines: Vec<&str> = code.lines().map(str::trim).collect();
    let declared = format!("fn {name}(");
    lines.iter().enumerate().filter(|(_, line)| line.starts_with(&declared)).any(|(at, _)| {
        let above = lines[..at].iter().rev();
        above.take_while(|line| line.starts_with("#[")).any(|line| *line == "#[test]")
    })
}
