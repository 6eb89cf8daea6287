//! Reads files line by line: follows `include`, drops what is for another host, replaces variables.
//!
//! What is read is bounded, and so is what variables make of it.

use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::vec;

use super::line::{SourceLine, is_blank};
use super::place::{Complaint, Remark, RemarkKind, Spot};
use super::variables::{Defining, MAX_LINE, Replaced, Variables};

/// The file system, as far as reading needs it.
pub trait ConfFiles {
    /// Reads a file, of which it returns one octet more than `limit` if it is longer.
    ///
    /// # Errors
    ///
    /// Says why it cannot be read.
    fn read(&self, path: &Path, limit: usize) -> Result<Vec<u8>, String>;

    /// Returns the files that a pattern names, in their order.
    ///
    /// # Errors
    ///
    /// Says what is wrong with the pattern.
    fn matching(&self, pattern: &Path) -> Result<Vec<PathBuf>, String>;
}

/// The lines that count, one after the other.
pub(super) struct Reader<'a> {
    files: &'a dyn ConfFiles,
    /// The name that `@name` is compared with.
    host: &'a str,
    frames: Vec<Frame>,
    variables: Variables,
    octets_left: usize,
    lines_left: usize,
    conditions: Conditions,
    remarks: Vec<Remark>,
}

/// What is being read: a file, or the lines of a variable.
struct Frame {
    /// The file, unless it is a variable.
    path: Option<PathBuf>,
    lines: vec::IntoIter<SourceLine>,
    /// Files of the same `include` that come after this one, with the place of that.
    next: vec::IntoIter<PathBuf>,
    from: Option<Spot>,
}

/// What was found out about lines for one host.
#[derive(Default)]
struct Conditions {
    /// The first one that is for a host of another name.
    first: Option<(Spot, String)>,
    has_matched: bool,
}

impl<'a> Reader<'a> {
    /// Begins with one file.
    pub(super) fn open(
        path: &Path,
        host: &'a str,
        files: &'a dyn ConfFiles,
    ) -> Result<Self, Complaint> {
        let mut reader = Self {
            files,
            host,
            frames: Vec::new(),
            variables: Variables::new(host),
            octets_left: MAX_OCTETS,
            lines_left: MAX_LINES,
            conditions: Conditions::default(),
            remarks: Vec::new(),
        };
        reader.enter(path.to_owned(), Vec::new().into_iter(), None)?;
        Ok(reader)
    }

    /// Returns the next line that counts, or `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<SourceLine>, Complaint> {
        while let Some(line) = self.next_raw()? {
            if let Some(line) = self.resolve(line)?
                && !self.include(&line)?
            {
                return Ok(Some(line));
            }
        }
        Ok(None)
    }

    /// Returns what was found on the way.
    pub(super) fn into_remarks(mut self) -> Vec<Remark> {
        if let Some((place, name)) = self.conditions.first
            && !self.conditions.has_matched
        {
            let text = format!(
                "@{name}: no line is for a host named {:?}, which is this one's name up to the \
                 first dot; what keepalived's option -i said cannot be known here",
                self.host
            );
            self.remarks.push(Remark { kind: RemarkKind::Warning, place, elsewhere: 0, text });
        }
        self.remarks
    }

    fn next_raw(&mut self) -> Result<Option<SourceLine>, Complaint> {
        while let Some(frame) = self.frames.last_mut() {
            if let Some(line) = frame.lines.next() {
                return match self.lines_left.checked_sub(1) {
                    Some(left) => {
                        self.lines_left = left;
                        Ok(Some(line))
                    }
                    None => Err(Complaint::new(
                        &line.place(0),
                        format!("more than {MAX_LINES} lines, with those of variables"),
                    )),
                };
            }
            self.leave()?;
        }
        Ok(None)
    }

    fn leave(&mut self) -> Result<(), Complaint> {
        let Some(mut left) = self.frames.pop() else { return Ok(()) };
        if let Some(path) = left.next.next() {
            return self.enter(path, left.next, left.from);
        }
        if left.path.is_some() {
            let directory = self.directory().map(|it| it.display().to_string());
            self.variables.enter(directory.unwrap_or_default());
        }
        Ok(())
    }

    fn enter(
        &mut self,
        path: PathBuf,
        next: vec::IntoIter<PathBuf>,
        from: Option<Spot>,
    ) -> Result<(), Complaint> {
        let name: Rc<str> = path.display().to_string().into();
        let place = from.clone().unwrap_or(Spot { file: name.clone(), line: 1, column: 1 });
        self.refuse_loop(&path, &place)?;
        let octets = self.files.read(&path, self.octets_left).map_err(|error| {
            let what = if from.is_some() { &*name } else { "it" };
            Complaint::new(&place, format!("cannot read {what}: {error}"))
        })?;
        self.octets_left = self.octets_left.checked_sub(octets.len()).ok_or_else(|| {
            let limit =
                format!("{} MiB are the limit, with all that is included", MAX_OCTETS >> 20);
            Complaint::new(&place, format!("{name} is too long: {limit}"))
        })?;
        let lines = lines_of(&octets, &name)?.into_iter();
        let directory = path.parent().map(|it| it.display().to_string()).unwrap_or_default();
        self.variables.enter(directory);
        self.frames.push(Frame { path: Some(path), lines, next, from });
        Ok(())
    }

    fn refuse_loop(&self, path: &Path, place: &Spot) -> Result<(), Complaint> {
        let mut open = self.frames.iter().filter_map(|frame| frame.path.as_deref());
        if open.clone().count() >= MAX_INCLUDED {
            let problem = format!("include nested deeper than {MAX_INCLUDED} files");
            return Err(Complaint::new(place, problem));
        }
        if open.any(|open| open == path) {
            let problem = format!("include loop: {} is being read", path.display());
            return Err(Complaint::new(place, problem));
        }
        Ok(())
    }

    fn directory(&self) -> Option<&Path> {
        self.frames.iter().rev().find_map(|frame| frame.path.as_ref())?.parent()
    }

    /// Returns what a line means on this host, if anything.
    fn resolve(&mut self, mut line: SourceLine) -> Result<Option<SourceLine>, Complaint> {
        loop {
            match self.condition(line) {
                Some(kept) if !kept.text().is_empty() => line = kept,
                _ => return Ok(None),
            }
            match self.variables.define(&line) {
                Defining::Nothing => {}
                Defining::Complete => return Ok(None),
                Defining::Begun(name) => {
                    while let Some(next) = self.next_raw()? {
                        if !next.is_comment() && !self.variables.extend(&name, &next) {
                            break;
                        }
                    }
                    return Ok(None);
                }
            }
            if line.text().starts_with("~SEQ") || line.text().starts_with("~LST") {
                let problem =
                    "~SEQ and ~LST are not known here: write the lines that they stand for";
                return Err(Complaint::new(&line.place(0), problem));
            }
            let Replaced { line: replaced, changed, more } = self.variables.replace(line)?;
            line = replaced;
            if !more.is_empty() {
                self.expand(more)?;
            }
            let is_new = line.text().starts_with(['@', '~']);
            if !(changed && is_new) {
                return Ok(Some(line).filter(|line| !line.text().is_empty()));
            }
        }
    }

    fn expand(&mut self, lines: Vec<SourceLine>) -> Result<(), Complaint> {
        if self.frames.len() >= MAX_FRAMES {
            let problem = format!("variables nested deeper than {MAX_FRAMES}");
            return Err(Complaint::new(&lines[0].place(0), problem));
        }
        let next = Vec::new().into_iter();
        self.frames.push(Frame { path: None, lines: lines.into_iter(), next, from: None });
        Ok(())
    }

    /// Drops a line that is for another host: `@name …` is for that one alone, `@^name …` for all
    /// others.
    fn condition(&mut self, line: SourceLine) -> Option<SourceLine> {
        let Some(condition) = line.text().strip_prefix('@') else { return Some(line) };
        let (is_inverted, condition) = match condition.strip_prefix('^') {
            Some(condition) => (true, condition),
            None => (false, condition),
        };
        let name = condition.split(is_blank).next().unwrap_or_default();
        let is_this = name == self.host;
        self.conditions.has_matched |= is_this;
        if !is_this && !is_inverted && self.conditions.first.is_none() {
            self.conditions.first = Some((line.place(0), name.to_owned()));
        }
        let begin = line.text().len() - condition.len() + name.len();
        (is_this != is_inverted).then(|| line.part(begin..line.text().len()))
    }

    /// Follows a line that includes files. Returns whether it is one.
    fn include(&mut self, line: &SourceLine) -> Result<bool, Complaint> {
        let Some((word, pattern)) = line.text().split_once(is_blank) else { return Ok(false) };
        let is_lenient = word == "include";
        if !is_lenient && !STRICT_INCLUDES.contains(&word) {
            return Ok(false);
        }
        let pattern = pattern.trim_matches(is_blank).trim_matches('"');
        let place = line.place(0);
        if pattern.contains(['{', '}']) {
            let problem = format!("{word}: write one line for each file instead of {{…}}");
            return Err(Complaint::new(&place, problem));
        }
        let pattern = self.directory().unwrap_or(Path::new("")).join(pattern);
        let found = self.files.matching(&pattern).map_err(|problem| {
            Complaint::new(&place, format!("{word} {}: {problem}", pattern.display()))
        })?;
        let mut found = found.into_iter();
        let Some(first) = found.next() else {
            let text = format!("{word}: no file is named {}", pattern.display());
            if !is_lenient {
                return Err(Complaint::new(&place, text));
            }
            let text = text + "; keepalived goes on, too";
            self.remarks.push(Remark { kind: RemarkKind::Warning, place, elsewhere: 0, text });
            return Ok(true);
        };
        self.enter(first, found, Some(place))?;
        Ok(true)
    }
}

/// Splits a file into lines.
fn lines_of(octets: &[u8], name: &Rc<str>) -> Result<Vec<SourceLine>, Complaint> {
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let lines = octets.split(|octet| *octet == b'\n').zip(1..);
    let lines = lines.map(|(raw, number)| SourceLine::read(raw, name, number));
    let lines: Vec<_> = lines.collect::<Result<_, _>>()?;
    match lines.iter().find(|line| line.text().len() > MAX_LINE) {
        Some(long) => Err(Complaint::new(
            &long.place(0),
            format!("a line of more than {MAX_LINE} octets, which keepalived ignores"),
        )),
        None => Ok(lines),
    }
}

/// Words that include files, and refuse what is missing.
const STRICT_INCLUDES: [&str; 5] = ["includer", "includem", "includew", "includeb", "includea"];
/// What is read at most, with all that is included.
pub(super) const MAX_OCTETS: usize = 4 << 20;
/// Lines at most, with those of variables.
const MAX_LINES: usize = 200_000;
const MAX_INCLUDED: usize = 16;
const MAX_FRAMES: usize = 64;
