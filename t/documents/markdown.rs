//! As much of Markdown as the documents use.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// One document of the project.
pub(crate) struct Document {
    /// Relative to the root of the project.
    pub(crate) path: PathBuf,
    pub(crate) text: String,
}

/// Folders that may have documents.
const FOLDERS: [&str; 5] = [".", "src", "lua", "nginx-conf", "t"];

impl Document {
    pub(crate) fn read(path: impl Into<PathBuf>) -> Self {
        let path = path.into();
        let text =
            fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        Self { path, text }
    }

    /// Reads every document of the project.
    pub(crate) fn all() -> Vec<Self> {
        let files = FOLDERS.iter().flat_map(|folder| fs::read_dir(folder).into_iter().flatten());
        let paths = files.map(|file| file.expect("a folder of the project can be read").path());
        let mut paths: Vec<_> = paths.filter(|path| has_extension(path, "md")).collect();
        paths.sort();
        paths.iter().map(|path| Self::read(path.strip_prefix("./").unwrap_or(path))).collect()
    }

    /// Returns the lines outside of code blocks (`false`) or inside of them (`true`).
    fn lines(&self, in_code: bool) -> impl Iterator<Item = &str> {
        let mut fenced = false;
        self.text.lines().filter(move |line| {
            let is_fence = line.starts_with("```");
            fenced ^= is_fence;
            !is_fence && fenced == in_code
        })
    }

    /// Returns the text under a heading, up to the next heading that is not below it.
    pub(crate) fn section(&self, title: &str) -> String {
        let heading = |line: &&str| level(line) > 0 && line.trim_start_matches('#').trim() == title;
        let mut lines = self.lines(false).skip_while(|line| !heading(line));
        let first = lines.next();
        let first = first.unwrap_or_else(|| panic!("{}: no heading {title}", self.path.display()));
        let inside = |line: &&str| level(line) == 0 || level(line) > level(first);
        lines.take_while(inside).collect::<Vec<_>>().join("\n")
    }

    /// Returns the rows of the tables directly under a heading.
    pub(crate) fn rows(&self, title: &str) -> Vec<Vec<String>> {
        let section = self.section(title);
        let own: Vec<&str> = section.lines().take_while(|line| level(line) == 0).collect();
        let is_rule = |line: &str| line.starts_with("|---");
        let rows = own.iter().enumerate().filter(|(at, line)| {
            let is_head = own.get(at + 1).is_some_and(|next| is_rule(next));
            line.starts_with('|') && !is_rule(line) && !is_head
        });
        rows.map(|(_, line)| cells(line)).collect()
    }

    /// Returns the code spans, and the lines of the code blocks.
    pub(crate) fn code(&self) -> Vec<String> {
        let spans = self.lines(false).flat_map(spans);
        spans.chain(self.lines(true).map(str::to_owned)).collect()
    }

    /// Returns the lines of the code blocks.
    pub(crate) fn blocks(&self) -> impl Iterator<Item = &str> {
        self.lines(true)
    }

    /// Returns the targets of the links.
    pub(crate) fn links(&self) -> Vec<&str> {
        let starts = self.lines(false).flat_map(|line| line.split("](").skip(1));
        starts.filter_map(|rest| rest.split(')').next()).collect()
    }

    /// Returns the anchors of the headings, as GitHub makes them.
    pub(crate) fn anchors(&self) -> BTreeSet<String> {
        self.lines(false).filter(|line| level(line) > 0).map(anchor).collect()
    }
}

/// Returns the code spans of a line.
pub(crate) fn spans(line: &str) -> Vec<String> {
    line.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Returns the words in a text: letters, digits and underscores.
pub(crate) fn words(text: &str) -> impl Iterator<Item = &str> {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    text.split(move |c| !is_word(c)).filter(|word| !word.is_empty())
}

/// Returns every file below a folder whose name ends so.
pub(crate) fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::from(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of the project can be read") {
            let path = entry.expect("a folder of the project can be read").path();
            if path.is_dir() {
                folders.push(path);
            } else if has_extension(&path, extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn has_extension(path: &Path, extension: &str) -> bool {
    path.extension().is_some_and(|found| found == extension)
}

fn level(line: &str) -> usize {
    let hashes = line.chars().take_while(|c| *c == '#').count();
    if line[hashes..].starts_with(' ') { hashes } else { 0 }
}

fn cells(row: &str) -> Vec<String> {
    let row = row.trim().trim_start_matches('|').trim_end_matches('|').replace("\\|", "\u{1}");
    row.split('|').map(|cell| cell.trim().replace('\u{1}', "|")).collect()
}

fn anchor(heading: &str) -> String {
    let title = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = title.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}
