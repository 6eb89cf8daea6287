//! What a document points at is there.

use std::fs;
use std::path::{Path, PathBuf};

use crate::markdown::Document;

const MAX_README_LINES: usize = 200;

#[test]
fn the_readme_is_what_a_newcomer_reads_in_ten_minutes() {
    let lines = Document::read("README.md").text.lines().count();

    assert!(lines <= MAX_README_LINES, "README.md has {lines} lines");
}

#[test]
fn every_folder_introduces_itself_and_the_readme_leads_there() {
    let readme = Document::read("README.md");
    let links = readme.links();
    for folder in ["lua/README.md", "nginx-conf/README.md", "t/README.md", "src/ARCHITECTURE.md"] {
        assert!(Path::new(folder).exists(), "there is no {folder}");
        assert!(links.contains(&folder), "README.md has no link to {folder}");
    }
}

/// What is typed and pasted is the same in every language.
#[test]
fn the_chinese_readme_has_the_code_of_the_english_one() {
    let (english, chinese) =
        (Document::read("README.md"), Document::read("nginx-conf/README.zh-CN.md"));
    let of_english: Vec<_> = english.blocks().collect();

    assert_eq!(chinese.blocks().collect::<Vec<_>>(), of_english);
}

#[test]
fn every_link_leads_to_a_file_and_a_heading_that_exist() {
    let mut broken = Vec::new();
    for document in Document::all() {
        for link in document.links().into_iter().filter(|link| !link.contains("://")) {
            if let Err(problem) = follow(&document, link) {
                broken.push(format!("{}: ({link}): {problem}", document.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

#[test]
fn every_file_that_is_shipped_to_be_copied_is_introduced() {
    let document = Document::read("nginx-conf/README.md");
    let introduced: Vec<_> =
        document.links().into_iter().map(|link| Path::new("nginx-conf").join(link)).collect();
    for file in crate::markdown::files("nginx-conf", "conf") {
        assert!(introduced.contains(&file), "{} is not introduced", file.display());
    }
}

#[test]
fn every_source_file_that_is_named_exists() {
    let mut broken = Vec::new();
    for document in Document::all() {
        let places = [folder_of(&document), PathBuf::new(), "src".into(), "lua".into()];
        for name in document.code().iter().filter(|name| is_source_file(name)) {
            if !places.iter().any(|place| place.join(name).exists()) {
                broken.push(format!("{}: there is no {name}", document.path.display()));
            }
        }
    }
    assert!(broken.is_empty(), "\n{}", broken.join("\n"));
}

fn follow(document: &Document, link: &str) -> Result<(), String> {
    let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
    let path = if file.is_empty() { document.path.clone() } else { folder_of(document).join(file) };
    let path = fs::canonicalize(&path).map_err(|error| error.to_string())?;
    let exists = anchor.is_empty() || Document::read(path).anchors().contains(anchor);
    if exists { Ok(()) } else { Err("there is no such heading".to_owned()) }
}

fn folder_of(document: &Document) -> PathBuf {
    document.path.parent().map_or_else(PathBuf::new, Path::to_owned)
}

fn is_source_file(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-".contains(c);
    let known = [".rs", ".lua", ".conf"].iter().any(|end| name.ends_with(end));
    known && name.contains('/') && !name.starts_with('/') && name.chars().all(plain)
}
