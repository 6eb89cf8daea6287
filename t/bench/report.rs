//! What was measured, as a table for people and as JSON for programs.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use serde_json::{Map, Value, json};

use crate::figures::{Figures, shown};
use crate::machine::Machine;

/// All that one run has measured.
#[derive(Debug)]
pub(crate) struct Report {
    pub(crate) machine: Machine,
    pub(crate) sections: Vec<Section>,
}

/// One subject: a few lines of the table, and what is to be said of them.
#[derive(Debug)]
pub(crate) struct Section {
    title: String,
    lines: Vec<Line>,
    remarks: Vec<String>,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Line {
    what: String,
    unit: &'static str,
    ours: Option<Figures>,
    theirs: Option<Figures>,
    limit: Option<Limit>,
}

/// A line's text and unit, and how to find its figure in what a side has measured.
pub(crate) type Column<T> = (&'static str, &'static str, fn(&T) -> Option<f64>);

/// What ours is held against. The bench only prints it.
#[derive(Debug)]
struct Limit {
    name: &'static str,
    value: f64,
}

impl Report {
    /// Writes `report.md` and `report.json`.
    pub(crate) fn write(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        fs::write(directory.join("report.md"), self.to_markdown())?;
        fs::write(directory.join("report.json"), format!("{:#}\n", self.to_json()))
    }

    pub(crate) fn to_markdown(&self) -> String {
        let mut text = String::from("# resty.vrrp beside keepalived, nginx and a check script\n\n");
        for (name, value) in self.machine.facts() {
            writeln!(text, "{name}: {value}  ").expect(TAKES_ALL);
        }
        for section in &self.sections {
            section.print(&mut text);
        }
        text
    }

    fn to_json(&self) -> Value {
        let machine: Map<String, Value> =
            self.machine.facts().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        let sections: Vec<Value> = self.sections.iter().map(Section::to_json).collect();
        json!({ "machine": machine, "sections": sections })
    }
}

impl Section {
    pub(crate) fn new(title: &str) -> Self {
        Self { title: title.to_owned(), lines: Vec::new(), remarks: Vec::new() }
    }

    pub(crate) fn push(&mut self, line: Line) {
        self.lines.push(line);
    }

    pub(crate) fn remark(&mut self, text: impl Into<String>) {
        self.remarks.push(text.into());
    }

    /// Takes the value, or remarks why there is none.
    pub(crate) fn note<T>(&mut self, what: &str, measured: Result<T, String>) -> Option<T> {
        measured.map_err(|reason| self.remark(format!("{what}: not measured: {reason}"))).ok()
    }

    /// Writes the section as Markdown.
    pub(crate) fn print(&self, text: &mut String) {
        writeln!(text, "\n## {}\n", self.title).expect(TAKES_ALL);
        if !self.lines.is_empty() {
            text.push_str("| | resty.vrrp | keepalived | ratio | held against |\n");
            text.push_str("|---|---|---|---|---|\n");
        }
        for line in &self.lines {
            line.print(text);
        }
        if !self.remarks.is_empty() {
            text.push('\n');
        }
        for remark in &self.remarks {
            writeln!(text, "* {remark}").expect(TAKES_ALL);
        }
    }

    fn to_json(&self) -> Value {
        let lines: Vec<Value> = self.lines.iter().map(Line::to_json).collect();
        json!({ "title": self.title, "lines": lines, "remarks": self.remarks })
    }
}

impl Line {
    pub(crate) fn new(what: impl Into<String>, unit: &'static str) -> Self {
        let what = what.into();
        Self { what, unit, ours: None, theirs: None, limit: None }
    }

    pub(crate) fn what(&self) -> &str {
        &self.what
    }

    pub(crate) fn ours(self, ours: Option<Figures>) -> Self {
        Self { ours, ..self }
    }

    pub(crate) fn theirs(self, theirs: Option<Figures>) -> Self {
        Self { theirs, ..self }
    }

    /// Says what the most of ours is held against.
    pub(crate) fn limit(self, name: &'static str, value: f64) -> Self {
        Self { limit: Some(Limit { name, value }), ..self }
    }

    /// Returns how many times as much theirs is, by the medians.
    fn ratio(&self) -> Option<f64> {
        let ours = self.ours.as_ref()?.median();
        let theirs = self.theirs.as_ref()?.median();
        (ours > 0.0 && theirs > 0.0).then(|| theirs / ours)
    }

    fn print(&self, text: &mut String) {
        let show = |it: &Option<Figures>| it.as_ref().map_or("–".to_owned(), Figures::to_string);
        let ratio = self.ratio().map_or("–".to_owned(), |ratio| format!("{} ×", shown(ratio)));
        let limit = self.limit.as_ref().map_or(String::new(), |limit| self.verdict(limit));
        let (what, unit, ours, theirs) =
            (&self.what, self.unit, show(&self.ours), show(&self.theirs));
        let unit = if unit.is_empty() { String::new() } else { format!(", {unit}") };
        writeln!(text, "| {what}{unit} | {ours} | {theirs} | {ratio} | {limit} |")
            .expect(TAKES_ALL);
    }

    fn verdict(&self, limit: &Limit) -> String {
        let over = self.ours.as_ref().is_some_and(|ours| ours.max() > limit.value);
        let mark = if over { " **(over)**" } else { "" };
        format!("{} {}{mark}", limit.name, shown(limit.value))
    }

    fn to_json(&self) -> Value {
        let figures = |it: &Option<Figures>| it.as_ref().map(Figures::to_json);
        json!({
            "what": self.what,
            "unit": self.unit,
            "resty_vrrp": figures(&self.ours),
            "keepalived": figures(&self.theirs),
            "ratio": self.ratio(),
            "held_against": self.limit.as_ref().map(|it| json!({ it.name: it.value })),
        })
    }
}

const TAKES_ALL: &str = "a string takes all";
