//! Checks the shape of the tree: who may import whom, and how long things may get.

mod circles;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

/// Each module of the crate, then every other one it may name through `crate::`. `lua` is a crate
/// of its own, and says `resty_vrrp::`.
const MAY_IMPORT: &[(&str, &[&str])] = &[
    ("types", &[]),
    ("wire", &["types"]),
    ("config", &["types"]),
    ("keepalived", &[]),
    ("proto", &["types", "wire", "config"]),
    ("succession", &["types", "proto"]),
    ("status", &["types"]),
    ("net", &["types", "wire"]),
    ("guard", &["types", "wire", "status", "net"]),
    (
        "runtime",
        &["types", "wire", "config", "keepalived", "proto", "succession", "status", "net", "guard"],
    ),
    ("cli", &["types", "status", "net", "guard", "runtime"]),
    ("lua", &["types", "config", "status", "runtime"]),
];

/// Each folder of tests, then the modules it may name through `resty_vrrp::`.
const MAY_TEST: &[(&str, &[&str])] = &[
    ("t/sim", &["types", "config", "proto", "succession"]),
    ("t/wire", &["types", "wire", "config", "proto"]),
    ("t/keepalived", &["config", "keepalived"]),
];

/// Modules that are functions of their arguments.
const PURE: &[&str] = &["types", "wire", "config", "keepalived", "proto", "succession"];

/// What would make such a module depend on something else.
const IMPURE: &[&str] = &[
    "libc::",
    "memmap2::",
    "mlua::",
    "nix::",
    "rtnetlink::",
    "rustix::",
    "socket2::",
    "std::env",
    "std::fs",
    "std::io",
    "std::process",
    "std::sync",
    "std::thread",
    "std::time::Instant",
    "std::time::SystemTime",
    "tokio::",
];

/// Where `unsafe` may be written.
const UNSAFE_ALLOWED: &[&str] = &["src/net", "src/status", "t/harness"];

const MAX_COLUMNS: usize = 100;
const MAX_FUNCTION_LINES: usize = 70;
const MAX_FILE_LINES: usize = 500;

#[test]
fn modules_import_only_what_the_map_allows() {
    let mut broken = Broken::default();
    for (module, allowed) in MAY_IMPORT {
        for file in rust_files(&format!("src/{module}")) {
            for (number, line) in file.code() {
                let inside = named_after(line, "crate::");
                for target in inside.into_iter().chain(named_after(line, "resty_vrrp::")) {
                    let fine = target == *module || allowed.contains(&target);
                    broken.unless(fine, &file, number, &format!("{module} must not name {target}"));
                }
            }
        }
    }
    broken.none();
}

/// Modules of one folder, each with all below it, use each other in one direction only. A module
/// and the folder of its name are one thing in several files: those may use each other.
#[test]
fn modules_form_no_circles() {
    let sources = circles::sources(&rust_files("src"));
    assert!(sources.len() > 50, "the modules are found");

    assert_eq!(circles::in_any_folder(&sources), Vec::<String>::new());
}

#[test]
fn tests_reach_only_the_modules_they_are_about() {
    let mut broken = Broken::default();
    for (folder, allowed) in MAY_TEST {
        for file in rust_files(folder) {
            for (number, line) in file.code() {
                for target in named_after(line, "resty_vrrp::") {
                    let fine = allowed.contains(&target);
                    broken.unless(fine, &file, number, &format!("{folder} must not name {target}"));
                }
            }
        }
    }
    broken.none();
}

#[test]
fn pure_modules_touch_neither_system_nor_clock() {
    let mut broken = Broken::default();
    for module in PURE {
        for file in rust_files(&format!("src/{module}")) {
            for (number, line) in file.code() {
                for word in IMPURE {
                    let fine = !line.contains(word);
                    broken.unless(fine, &file, number, &format!("{module} must not use {word}"));
                }
            }
        }
    }
    broken.none();
}

#[test]
fn only_the_lua_module_knows_lua() {
    let mut broken = Broken::default();
    for file in rust_files("src").iter().filter(|file| !file.is_under("src/lua")) {
        for (number, line) in file.code() {
            broken.unless(!line.contains("mlua"), file, number, "mlua belongs to src/lua");
        }
    }
    broken.none();
}

#[test]
fn lines_fit_a_hundred_columns() {
    let mut broken = Broken::default();
    for file in all_files() {
        for (number, line) in file.lines() {
            let columns = line.chars().count();
            broken.unless(columns <= MAX_COLUMNS, &file, number, &format!("{columns} columns"));
        }
    }
    broken.none();
}

#[test]
fn functions_fit_a_screen() {
    let mut broken = Broken::default();
    for file in all_files() {
        let lines: Vec<&str> = file.text.lines().collect();
        for (start, line) in lines.iter().enumerate().filter(|(_, line)| begins_function(line)) {
            let end = indent(line) + "}";
            let length = lines[start..].iter().position(|line| *line == end).map_or(1, |at| at + 1);
            let message = format!("a function of {length} lines");
            broken.unless(length <= MAX_FUNCTION_LINES, &file, start + 1, &message);
        }
    }
    broken.none();
}

#[test]
fn files_can_be_read_in_one_sitting() {
    let mut broken = Broken::default();
    for file in all_files() {
        let length = file.text.lines().count();
        broken.unless(length <= MAX_FILE_LINES, &file, length, "a file too long");
    }
    broken.none();
}

#[test]
fn files_begin_by_saying_what_they_are() {
    let mut broken = Broken::default();
    for file in all_files().iter().filter(|file| !file.path.ends_with("/tests.rs")) {
        let introduced = file.text.starts_with("//! ") || file.text.starts_with("#![doc");
        broken.unless(introduced, file, 1, "no module documentation");
    }
    broken.none();
}

#[test]
fn unsafe_code_stays_at_the_edge_and_says_why_it_is_sound() {
    let mut broken = Broken::default();
    for file in all_files() {
        let at_the_edge = UNSAFE_ALLOWED.iter().any(|folder| file.is_under(folder));
        let lines: Vec<&str> = file.text.lines().collect();
        for (number, line) in file.code().filter(|(_, line)| has_word(&unquoted(line), "unsafe")) {
            broken.unless(at_the_edge, &file, number, "unsafe outside of src/net and src/status");
            let reasoned = is_reasoned(&lines[..number - 1]);
            broken.unless(reasoned, &file, number, &format!("no SAFETY comment: {}", line.trim()));
        }
    }
    broken.none();
}

#[test]
fn nothing_is_left_for_later() {
    let later = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];
    let mut broken = Broken::default();
    for file in all_files() {
        for (number, line) in file.lines() {
            for word in later {
                broken.unless(!has_word(line, word), &file, number, word);
            }
        }
    }
    broken.none();
}

#[test]
fn no_test_is_skipped_and_no_lint_silenced_without_a_reason() {
    let forbidden = [concat!("#[ig", "nore"), concat!("#[al", "low("), concat!("#![al", "low(")];
    let mut broken = Broken::default();
    for file in all_files() {
        for (number, line) in file.code() {
            for attribute in forbidden {
                broken.unless(!line.contains(attribute), &file, number, attribute);
            }
        }
    }
    broken.none();
}

#[test]
fn no_two_types_share_a_name() {
    let mut broken = Broken::default();
    let mut places: BTreeMap<String, String> = BTreeMap::new();
    for file in rust_files("src").iter().filter(|file| !file.path.contains("/tests")) {
        for (number, name) in file.code().filter_map(|(at, line)| Some((at, type_name(line)?))) {
            let place = format!("{}:{number}", file.path);
            let before = places.insert(name.to_owned(), place);
            let message = format!("{name} is a type in {before:?}, too");
            broken.unless(before.is_none(), file, number, &message);
        }
    }
    assert!(places.len() > 100, "the types are found");
    broken.none();
}

#[test]
fn names_of_tests_are_sentences() {
    let mut broken = Broken::default();
    for file in all_files() {
        let mut marked = false;
        for (number, line) in file.code() {
            let line = line.trim();
            if let Some(name) = function_name(line).filter(|_| marked) {
                let words: Vec<&str> = name.split('_').collect();
                let sentence = words.len() > 2 && words[0] != "test" && !words.contains(&"should");
                broken.unless(sentence, &file, number, &format!("{name} is not a sentence"));
            }
            marked =
                line == "#[test]" || line.ends_with("::test]") || marked && line.starts_with('#');
        }
    }
    broken.none();
}

/// One file of the tree.
struct File {
    path: String,
    text: String,
}

impl File {
    fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }

    /// Lines that are not comments, and only the part before a comment that ends them.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.lines()
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
            .map(|(number, line)| (number, line.split(" // ").next().unwrap_or(line)))
    }

    fn is_under(&self, folder: &str) -> bool {
        Path::new(&self.path).starts_with(folder)
    }
}

/// What was found wrong, one line each.
#[derive(Default)]
struct Broken(String);

impl Broken {
    fn unless(&mut self, allowed: bool, file: &File, line: usize, message: &str) {
        if !allowed {
            writeln!(self.0, "{}:{line}: {message}", file.path).expect("a string takes all");
        }
    }

    fn none(self) {
        assert!(self.0.is_empty(), "\n{}", self.0);
    }
}

fn all_files() -> Vec<File> {
    let mut files = rust_files("src");
    files.append(&mut rust_files("t"));
    assert!(files.len() > 5, "tests run in the root of the package");
    files
}

/// Every `.rs` file that is `root.rs` or lies below `root`, in the order of their paths.
fn rust_files(root: &str) -> Vec<File> {
    let mut paths = vec![format!("{root}.rs")];
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.expect("a readable folder").path();
            let name = path.to_string_lossy().into_owned();
            if path.is_dir() {
                folders.push(name);
            } else {
                paths.push(name);
            }
        }
    }
    paths.retain(|path| Path::new(path).extension().is_some_and(|end| end == "rs"));
    paths.sort();
    paths
        .into_iter()
        .filter_map(|path| fs::read_to_string(&path).ok().map(|text| File { path, text }))
        .collect()
}

/// The names that directly follow each `prefix` in a line; those of a group too, if on that line.
fn named_after<'a>(line: &'a str, prefix: &str) -> Vec<&'a str> {
    let mut names = Vec::new();
    for (at, _) in line.match_indices(prefix) {
        let preceding = line[..at].chars().next_back();
        if preceding.is_some_and(|c| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &line[at + prefix.len()..];
        match rest.strip_prefix('{') {
            Some(group) => names.extend(group.split(',').map(|name| first_word(name.trim()))),
            None => names.push(first_word(rest)),
        }
    }
    names
}

/// The name of the type that a line begins to define. Types of a function, of an `impl` or of the
/// tests at the end of a file are indented, and their own affair.
fn type_name(line: &str) -> Option<&str> {
    let visible = ["pub ", "pub(super) ", "pub(crate) ", "pub(in crate::runtime) ", "    pub "];
    let item = visible.iter().find_map(|prefix| line.strip_prefix(prefix)).unwrap_or(line);
    let kinds = ["struct ", "enum ", "trait ", "type ", "union "];
    kinds.iter().find_map(|kind| item.strip_prefix(kind)).map(first_word)
}

fn first_word(text: &str) -> &str {
    text.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("")
}

fn has_word(line: &str, word: &str) -> bool {
    line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word)
}

/// A line without what its string literals say.
fn unquoted(line: &str) -> String {
    line.split('"').step_by(2).collect::<Vec<_>>().join("\"")
}

fn begins_function(line: &str) -> bool {
    let line = line.trim_start();
    !line.starts_with("//") && function_name(line).is_some() && !line.ends_with(['}', ';'])
}

/// The name of the function that a line of code declares.
fn function_name(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    let qualifiers =
        ["pub", "pub(crate)", "pub(super)", "async", "const", "unsafe", "extern", "\"C\""];
    words.find(|word| !qualifiers.contains(word)).filter(|word| *word == "fn")?;
    words.next().map(first_word)
}

fn indent(line: &str) -> String {
    line.chars().take_while(|c| *c == ' ').collect()
}

/// Tells whether the comment or the attributes right above a line contain `// SAFETY:`.
fn is_reasoned(above: &[&str]) -> bool {
    above
        .iter()
        .rev()
        .map(|line| line.trim_start())
        .take_while(|line| line.starts_with("//") || line.starts_with('#'))
        .any(|line| line.starts_with("// SAFETY:") || line.starts_with("/// # Safety"))
}
