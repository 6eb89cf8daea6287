//! What a document tells the reader to type exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::markdown::{Document, files, words};

#[test]
fn every_target_of_make_that_is_named_exists() {
    let makefile = read("Makefile");
    let mut named = 0;
    for document in Document::all() {
        for code in document.code() {
            for target in after(&code, "make ").filter(|name| is_name(name)) {
                let exists = makefile.lines().any(|line| line.starts_with(&format!("{target}:")));
                assert!(exists, "{}: make {target}", document.path.display());
                named += 1;
            }
        }
    }
    assert!(named > 10, "the commands are found");
}

#[test]
fn every_suite_that_is_named_exists_and_every_suite_is_named() {
    let cargo = read("Cargo.toml");
    let suites: BTreeSet<&str> = cargo
        .split("[[test]]\nname = \"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let makefile = read("Makefile");
    let document = Document::read("t/README.md");
    let code = document.code();
    let named: BTreeSet<&str> = code.iter().flat_map(|code| after(code, "--test ")).collect();

    assert_eq!(named, suites, "t/README.md and Cargo.toml");
    for suite in suites {
        assert!(makefile.contains(&format!("--test {suite}")), "make test leaves out {suite}");
    }
}

#[test]
fn every_test_that_is_shown_as_an_example_exists() {
    let document = Document::read("t/README.md");
    let mut shown = 0;
    for line in document.blocks().filter(|line| line.contains("::")) {
        let suite = after(line, "--test ").next().expect("an example names its suite");
        let name = line.split(' ').find(|word| word.contains("::")).expect("it names a test");
        let (module, test) = name.split_once("::").expect("a test is in a module");
        let code = read(format!("t/{suite}/{module}.rs"));
        assert!(test.is_empty() || code.contains(&format!("fn {test}()")), "{line}");
        shown += 1;
    }
    assert!(shown >= 4, "the examples are found");
}

#[test]
fn every_variable_that_tests_read_is_introduced() {
    let asks = ["var(\"", "var_os(\"", "number(\"", "is_set(\""];
    let code: Vec<_> = files("t", "rs").iter().map(read).collect();
    let read: BTreeSet<&str> = code
        .iter()
        .flat_map(|code| asks.iter().flat_map(|ask| code.split(ask).skip(1)))
        .filter_map(|rest| words(rest).next())
        .filter(|name| name.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .filter(|name| !["PATH", "CARGO", "CARGO_MANIFEST_DIR"].contains(name))
        .collect();
    let rows = Document::read("t/README.md").rows("Environment");
    let shown = rows.iter().map(|row| row[0].as_str()).collect::<Vec<_>>().join(" ");
    let shown: BTreeSet<&str> =
        words(&shown).filter(|word| word.chars().all(|c| !c.is_ascii_lowercase())).collect();

    let introduced = shown.iter().copied().filter(|word| word.len() > 1 && *word != "1");
    assert_eq!(introduced.collect::<BTreeSet<_>>(), read);
}

/// Returns the words that directly follow each `prefix`.
fn after<'a>(text: &'a str, prefix: &'a str) -> impl Iterator<Item = &'a str> {
    text.match_indices(prefix).filter_map(move |(at, _)| {
        let starts_a_word = !text[..at].ends_with(|c: char| c.is_alphanumeric());
        let word = text[at + prefix.len()..].split([' ', '`', '\n']).next()?;
        starts_a_word.then_some(word)
    })
}

fn is_name(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase())
}

fn read(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).expect("tests run in the root of the package")
}
