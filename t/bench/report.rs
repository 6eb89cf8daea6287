//! What was measured, as a table for people and as JSON for programs.

use std::fmt::{self, Write as _};
use std::path::Path;
use std::time::Duration;
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
    /// Each with how often it was made.
    remarks: Vec<(String, u32)>,
    picture: Option<Picture>,
}

/// A drawing that is written beside the report.
#[derive(Debug)]
struct Picture {
    file: &'static str,
    caption: &'static str,
    svg: String,
}

/// One line of the table.
#[derive(Debug)]
pub(crate) struct Line {
    what: String,
    unit: &'static str,
    ours: Option<Cell>,
    theirs: Option<Cell>,
    limit: Option<Limit>,
}

/// What one side has come to.
#[derive(Clone, Debug)]
enum Cell {
    Figures(Figures),
    /// What no figure says.
    Words(String),
}

/// How to make a line out of what either side has measured, once or several times.
pub(crate) struct Column<T> {
    what: &'static str,
    unit: &'static str,
    /// Finds the figure in a measurement. What never happened took infinitely long.
    of: fn(&T) -> Option<f64>,
    watched: Duration,
    limit: Option<Limit>,
}

/// How many times as much theirs is as ours.
struct Ratio {
    value: f64,
    /// Theirs would have been more still, had it been watched for longer.
    is_least: bool,
}

/// What ours is held against. The bench only prints it.
#[derive(Debug)]
struct Limit {
    name: &'static str,
    value: f64,
}

impl Report {
    /// Writes `report.md`, `report.json` and the pictures.
    pub(crate) fn write(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        fs::write(directory.join("report.md"), self.to_markdown())?;
        for Picture { file, svg, .. } in self.sections.iter().filter_map(|it| it.picture.as_ref()) {
            fs::write(directory.join(file), svg)?;
        }
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
        Self { title: title.to_owned(), lines: Vec::new(), remarks: Vec::new(), picture: None }
    }

    pub(crate) fn push(&mut self, line: Line) {
        self.lines.push(line);
    }

    /// Adds a line for every column.
    pub(crate) fn compare<T>(
        &mut self,
        name: &str,
        columns: impl IntoIterator<Item = Column<T>>,
        ours: &[T],
        theirs: &[T],
    ) {
        for column in columns {
            let [ours, theirs] = [ours, theirs].map(|all| column.cell(all));
            let Column { what, unit, limit, .. } = column;
            let what = if what.is_empty() { name.to_owned() } else { format!("{name}: {what}") };
            self.push(Line { what, unit, ours, theirs, limit });
        }
    }

    /// Writes a picture beside the report, and shows it there.
    pub(crate) fn show(&mut self, file: &'static str, caption: &'static str, svg: String) {
        self.picture = Some(Picture { file, caption, svg });
    }

    pub(crate) fn remark(&mut self, text: impl Into<String>) {
        let text = text.into();
        match self.remarks.iter_mut().find(|(said, _)| *said == text) {
            Some((_, times)) => *times += 1,
            None => self.remarks.push((text, 1)),
        }
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
        if let Some(Picture { file, caption, .. }) = &self.picture {
            writeln!(text, "\n![{caption}]({file})").expect(TAKES_ALL);
        }
        if !self.remarks.is_empty() {
            text.push('\n');
        }
        for remark in self.remarks() {
            writeln!(text, "* {remark}").expect(TAKES_ALL);
        }
    }

    fn to_json(&self) -> Value {
        let lines: Vec<Value> = self.lines.iter().map(Line::to_json).collect();
        let remarks: Vec<String> = self.remarks().collect();
        json!({ "title": self.title, "lines": lines, "remarks": remarks })
    }

    fn remarks(&self) -> impl Iterator<Item = String> {
        self.remarks.iter().map(|(text, times)| match times {
            1 => text.clone(),
            _ => format!("{text} ({times} times)"),
        })
    }
}

impl Line {
    pub(crate) fn new(what: impl Into<String>, unit: &'static str) -> Self {
        let what = what.into();
        Self { what, unit, ours: None, theirs: None, limit: None }
    }

    pub(crate) fn ours(self, ours: Option<Figures>) -> Self {
        Self { ours: ours.map(Cell::Figures), ..self }
    }

    /// Says of either side what no figure does.
    pub(crate) fn words(self, [ours, theirs]: [Option<String>; 2]) -> Self {
        Self { ours: ours.map(Cell::Words), theirs: theirs.map(Cell::Words), ..self }
    }

    /// Says what the most of ours is held against.
    pub(crate) fn limit(self, name: &'static str, value: f64) -> Self {
        Self { limit: Some(Limit { name, value }), ..self }
    }

    /// Returns how many times as much theirs is, by the medians.
    fn ratio(&self) -> Option<Ratio> {
        let ours = self.ours.as_ref()?.figures()?;
        let theirs = self.theirs.as_ref()?.figures()?;
        let at_least = theirs.median_at_least();
        let (ours, theirs) = (ours.median(), at_least.unwrap_or(theirs.median()));
        let comparable = ours > 0.0 && ours.is_finite() && theirs > 0.0;
        comparable.then_some(Ratio { value: theirs / ours, is_least: at_least.is_some() })
    }

    fn print(&self, text: &mut String) {
        let show = |it: &Option<Cell>| it.as_ref().map_or("–".to_owned(), Cell::to_string);
        let ratio = self.ratio().map_or("–".to_owned(), |ratio| ratio.to_string());
        let limit = self.limit.as_ref().map_or(String::new(), |limit| self.verdict(limit));
        let (what, unit, ours, theirs) =
            (&self.what, self.unit, show(&self.ours), show(&self.theirs));
        let unit = if unit.is_empty() { String::new() } else { format!(", {unit}") };
        writeln!(text, "| {what}{unit} | {ours} | {theirs} | {ratio} | {limit} |")
            .expect(TAKES_ALL);
    }

    fn verdict(&self, limit: &Limit) -> String {
        let figures = self.ours.as_ref().and_then(Cell::figures);
        let over = figures.is_some_and(|ours| ours.max() > limit.value);
        let mark = if over { " **(over)**" } else { "" };
        format!("{} {}{mark}", limit.name, shown(limit.value))
    }

    fn to_json(&self) -> Value {
        let figures = |it: &Option<Cell>| it.as_ref().map(Cell::to_json);
        json!({
            "what": self.what,
            "unit": self.unit,
            "resty_vrrp": figures(&self.ours),
            "keepalived": figures(&self.theirs),
            "ratio": self.ratio().map(|ratio| ratio.value),
            "held_against": self.limit.as_ref().map(|it| json!({ it.name: it.value })),
        })
    }
}

impl Cell {
    fn figures(&self) -> Option<&Figures> {
        match self {
            Self::Figures(figures) => Some(figures),
            Self::Words(_) => None,
        }
    }

    fn to_json(&self) -> Value {
        match self {
            Self::Figures(figures) => figures.to_json(),
            Self::Words(words) => json!(words),
        }
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Figures(figures) => figures.fmt(f),
            Self::Words(words) => words.fmt(f),
        }
    }
}

impl fmt::Display for Ratio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.is_least { "> " } else { "" };
        write!(f, "{sign}{} ×", shown(self.value))
    }
}

impl<T> Column<T> {
    pub(crate) fn new(what: &'static str, unit: &'static str, of: fn(&T) -> Option<f64>) -> Self {
        Self { what, unit, of, watched: Duration::MAX, limit: None }
    }

    /// Says how long it was watched whether it happens.
    pub(crate) fn watched(self, watched: Duration) -> Self {
        Self { watched, ..self }
    }

    /// Says what the most of ours is held against.
    pub(crate) fn limit(self, name: &'static str, value: f64) -> Self {
        Self { limit: Some(Limit { name, value }), ..self }
    }

    /// Says what the most of ours should be, where that is agreed.
    pub(crate) fn target(self, value: Option<f64>) -> Self {
        let limit = value.map(|value| Limit { name: "target", value });
        Self { limit, ..self }
    }

    fn cell(&self, all: &[T]) -> Option<Cell> {
        let figures = Figures::new(all.iter().filter_map(self.of))?;
        Some(Cell::Figures(figures.watched(self.watched)))
    }
}

const TAKES_ALL: &str = "a string takes all";
