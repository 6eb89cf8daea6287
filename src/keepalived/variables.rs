//! Variables of a file: `$NAME=value`, and how they are replaced.

use std::collections::BTreeMap;

use super::line::{SourceLine, is_blank};
use super::place::Complaint;

/// What has been defined so far.
#[derive(Debug)]
pub(super) struct Variables {
    values: BTreeMap<String, Definition>,
    /// The directory of the file that is being read.
    directory: String,
}

#[derive(Clone, Debug)]
enum Definition {
    Text(String),
    Lines(Vec<SourceLine>),
}

/// What a line says about a variable.
pub(super) enum Defining {
    /// Nothing.
    Nothing,
    /// All.
    Complete,
    /// Its first line: what follows belongs to it until a line that does not end with `\`.
    Begun(String),
}

/// What a line became.
pub(super) struct Replaced {
    /// The line.
    pub(super) line: SourceLine,
    /// Whether anything was replaced.
    pub(super) changed: bool,
    /// More lines, which follow it.
    pub(super) more: Vec<SourceLine>,
}

impl Variables {
    /// Returns those that every file has, on a host of this name.
    pub(super) fn new(host: &str) -> Self {
        let standard = [("_INSTANCE", host), ("_HASH", "#"), ("_BANG", "!")];
        let values = standard
            .into_iter()
            .map(|(name, value)| (name.to_owned(), Definition::Text(value.to_owned())))
            .collect();
        Self { values, directory: String::new() }
    }

    /// Says which directory `${_PWD}` is.
    pub(super) fn enter(&mut self, directory: String) {
        self.directory = directory;
    }

    /// Takes note of a definition: `$NAME=value`, without a blank before the `=`.
    pub(super) fn define(&mut self, line: &SourceLine) -> Defining {
        let text = line.text();
        let Some((name, value)) = text.strip_prefix('$').and_then(|rest| rest.split_once('='))
        else {
            return Defining::Nothing;
        };
        if name_length(name) != name.len() || name.is_empty() {
            return Defining::Nothing;
        }
        let begin = text.len() - value.len();
        let Some(first) = value.strip_suffix('\\') else {
            let value = value.trim_matches(is_blank).to_owned();
            self.values.insert(name.to_owned(), Definition::Text(value));
            return Defining::Complete;
        };
        let first = line.part(begin..begin + first.len());
        let lines = Some(first).filter(|first| !first.text().is_empty()).into_iter().collect();
        self.values.insert(name.to_owned(), Definition::Lines(lines));
        Defining::Begun(name.to_owned())
    }

    /// Adds a line to a definition of several lines. Returns whether another one follows.
    pub(super) fn extend(&mut self, name: &str, line: &SourceLine) -> bool {
        let text = line.text();
        let follows = text.ends_with('\\');
        let line = line.part(0..text.len() - usize::from(follows));
        if let Some(Definition::Lines(lines)) = self.values.get_mut(name)
            && !line.text().is_empty()
        {
            lines.push(line);
        }
        follows
    }

    /// Replaces every `$NAME` and `${NAME}` that is defined, also in what it is replaced with.
    pub(super) fn replace(&self, mut line: SourceLine) -> Result<Replaced, Complaint> {
        let (mut at, mut times, mut more) = (0, 0, Vec::new());
        while let Some(found) = line.text()[at..].find('$') {
            at += found;
            let Some((name, end)) = reference(line.text(), at) else {
                at += 1;
                continue;
            };
            if name == "_ENV" || name == "_RANDOM" {
                let problem = format!("${{{name} …}} is not known here: write the value");
                return Err(Complaint::new(&line.place(at), problem));
            }
            let value = match self.values.get(name) {
                _ if name == "_PWD" => self.directory.clone(),
                Some(Definition::Text(value)) => value.clone(),
                Some(Definition::Lines(lines)) if end == line.text().len() => {
                    if more.len() + lines.len() > MAX_MORE {
                        let problem = format!(
                            "variables make more than {MAX_MORE} lines of this one: does one \
                             refer to itself?"
                        );
                        return Err(Complaint::new(&line.place(at), problem));
                    }
                    more.splice(0..0, lines.iter().skip(1).cloned());
                    lines.first().map(|first| first.text().to_owned()).unwrap_or_default()
                }
                Some(Definition::Lines(_)) | None => {
                    at += 1;
                    continue;
                }
            };
            times += 1;
            if times > MAX_REPLACED || line.text().len() + value.len() > MAX_LINE {
                let problem = format!(
                    "variables make this line longer than {MAX_LINE} octets: does one refer to \
                     itself?"
                );
                return Err(Complaint::new(&line.place(at), problem));
            }
            line.replace(at..end, &value);
        }
        Ok(Replaced { line, changed: times > 0, more })
    }
}

/// Reads `$NAME` before a blank, a comma, `)` or the end; or `${NAME}`. Returns the name, and where
/// the reference ends.
fn reference(text: &str, dollar: usize) -> Option<(&str, usize)> {
    let rest = &text[dollar + 1..];
    if let Some(braced) = rest.strip_prefix('{') {
        let inside = &braced[..braced.find('}')?];
        let name = &inside[..name_length(inside)];
        let parameters = &inside[name.len()..];
        let is_reference = parameters.is_empty() || parameters.starts_with([' ', '\t']);
        return (is_reference && !name.is_empty())
            .then_some((name, dollar + "${}".len() + inside.len()));
    }
    let name = &rest[..name_length(rest)];
    let ends = rest[name.len()..].chars().next().is_none_or(|c| " \t,)".contains(c));
    (ends && !name.is_empty()).then_some((name, dollar + 1 + name.len()))
}

/// The length of the name that a text begins with.
fn name_length(text: &str) -> usize {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return 0;
    }
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.find(|c| !is_of_name(c)).unwrap_or(text.len())
}

/// The longest line that keepalived reads.
pub(super) const MAX_LINE: usize = 1023;
const MAX_REPLACED: usize = 200;
/// Most lines that take the place of one.
const MAX_MORE: usize = 10_000;
