//! Files that people have, and the options that they become. Beside each `NAME.conf` stands what is
//! expected: the remarks, as comments, and the call of `setup`. `BLESS=1` writes it anew.
//!
//! The files were written for these tests, after the structure of public ones.

mod damage;

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use resty_vrrp::config::Config;
use resty_vrrp::keepalived::{Complaint, ConfFiles, RemarkKind, Translation, translate};

const FOLDER: &str = "t/keepalived";

/// The files of the working directory, one of them with another text, if so wished.
#[derive(Default)]
struct Disk {
    other: Option<(PathBuf, Vec<u8>)>,
}

impl ConfFiles for Disk {
    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, String> {
        let octets = match &self.other {
            Some((other, octets)) if other == path => octets.clone(),
            _ => fs::read(path).map_err(|error| error.to_string())?,
        };
        Ok(octets.into_iter().take(limit + 1).collect())
    }

    fn matching(&self, pattern: &Path) -> Result<Vec<PathBuf>, String> {
        let pattern = pattern.to_str().ok_or("not valid UTF-8")?;
        let found = glob::glob(pattern).map_err(|error| error.to_string())?;
        Ok(found.flatten().collect())
    }
}

/// All files that are samples, in order.
fn samples() -> Vec<PathBuf> {
    let files = fs::read_dir(FOLDER).expect("tests run in the root of the package");
    let files = files.map(|file| file.expect("it is readable").path());
    let mut samples: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "conf")).collect();
    samples.sort();
    assert!(samples.len() >= 20, "they are found");
    samples
}

fn translated(sample: &Path) -> Result<Translation, Vec<Complaint>> {
    translate(sample, "worker-01", &Disk::default())
}

fn right(sample: &Path) -> Translation {
    translated(sample).unwrap_or_else(|complaints| {
        let complaints = complaints.iter().map(ToString::to_string);
        panic!("{}", complaints.collect::<Vec<_>>().join("\n"))
    })
}

/// The remarks as comments, then the call.
fn shown(translation: &Translation) -> String {
    let remarks = translation.remarks.iter().map(|remark| {
        let kind = if remark.kind == RemarkKind::Note { "note: " } else { "" };
        format!("-- {kind}{}\n", remark.to_string().replace(&format!("{FOLDER}/"), ""))
    });
    remarks.collect::<String>() + &translation.to_lua()
}

#[test]
fn every_sample_becomes_the_setup_beside_it() {
    let is_blessed = env::var_os("BLESS").is_some();
    for sample in samples() {
        let became = shown(&right(&sample));
        let expected = sample.with_extension("lua");
        if is_blessed {
            fs::write(&expected, &became).expect("it can be written");
        }
        let expected = fs::read_to_string(&expected).unwrap_or_default();

        assert_eq!(became, expected, "{}: BLESS=1 writes it anew", sample.display());
    }
}

#[test]
fn the_options_of_every_sample_are_accepted() {
    for sample in samples() {
        if let Err(refused) = Config::from_json(&right(&sample).to_json()) {
            panic!("{}: {refused}", sample.display());
        }
    }
}

/// A line that could be left out without a trace would have been dropped without a word.
#[test]
fn every_line_of_a_sample_leaves_a_trace() {
    let mut seen = BTreeSet::new();
    let mut dropped = Vec::new();
    for sample in samples() {
        let text = fs::read_to_string(&sample).expect("it is readable");
        let whole = shown(&right(&sample));
        let lines: Vec<_> = text.split_inclusive('\n').collect();
        for (index, line) in lines.iter().enumerate() {
            if !says_something(line) || is_within_what_is_named(&lines[..index]) {
                continue;
            }
            let blank = line.chars().filter(|c| *c == '\n').collect::<String>();
            let others = lines.iter().enumerate();
            let others: String =
                others.map(|(at, other)| if at == index { &blank } else { *other }).collect();
            let files = Disk { other: Some((sample.clone(), others.into_bytes())) };
            let without = translate(&sample, "worker-01", &files);
            let without = without.map_or_else(|it| format!("{it:?}"), |it| shown(&it));

            if without == whole {
                dropped.push(format!("{}:{}: {line}", sample.display(), index + 1));
            }
            seen.insert(line.split_whitespace().next().unwrap_or_default().to_owned());
        }
    }
    assert_eq!(dropped, [] as [String; 0]);
    assert!(seen.len() > 100, "{} words", seen.len());
}

/// Tells whether a line has more than braces, a comment, or what is for another host.
fn says_something(line: &str) -> bool {
    let line = line.split(['#', '!']).next().unwrap_or_default().trim();
    if DEFAULTS.contains(&line) {
        return false;
    }
    let other = ["@worker-02", "@worker-03", "@^worker-01"];
    !other.iter().any(|host| line.starts_with(host)) && line.contains(char::is_alphanumeric)
}

/// Tells whether lines end inside of a block of which the whole is named in a remark.
fn is_within_what_is_named(before: &[&str]) -> bool {
    let mut open = Vec::new();
    let mut last = "";
    for line in before {
        let line = line.split(['#', '!']).next().unwrap_or_default();
        let mut words = line.split_whitespace();
        let first = words.next().unwrap_or_default();
        for c in line.chars() {
            match c {
                '{' if first.starts_with('{') => open.push(last.to_owned()),
                '{' => open.push(first.trim_end_matches('{').to_owned()),
                '}' => drop(open.pop()),
                _ => {}
            }
        }
        last = if first.is_empty() { last } else { first };
    }
    open.iter().any(|block| NAMED.contains(&block.as_str()))
}

/// Lines that say what is so anyway.
const DEFAULTS: &[&str] =
    &["vrrp_version 2", "vrrp_mcast_group4 224.0.0.18", "vrrp_mcast_group6 ff02::12"];

/// Blocks of which one remark is made.
const NAMED: &[&str] = &[
    "bfd_instance",
    "garp_group",
    "interface_up_down_delays",
    "linkbeat_interfaces",
    "notification_email",
    "static_ipaddress",
    "static_routes",
    "track_bfd",
    "track_file",
    "virtual_routes",
    "virtual_rules",
    "virtual_server",
    "vrrp_script",
    "vrrp_track_process",
];
