//! Where something stands in a file, and what is to be said of it.

use std::fmt;
use std::rc::Rc;

/// A place in a file. Lines and columns are counted from 1, columns in characters.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Spot {
    /// The path of the file, as it was opened.
    pub file: Rc<str>,
    /// The line.
    pub line: u32,
    /// The column.
    pub column: u32,
}

impl fmt::Display for Spot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// What cannot be translated, and where it stands.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Complaint {
    /// Where.
    pub place: Spot,
    /// What is wrong, and what was expected.
    pub problem: String,
}

impl Complaint {
    /// Returns a complaint about one place.
    pub(super) fn new(place: &Spot, problem: impl Into<String>) -> Self {
        Self { place: place.clone(), problem: problem.into() }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.problem)
    }
}

/// Whether a remark asks for something to be done.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum RemarkKind {
    /// Nothing is lost: the engine does that anyway, or it concerns keepalived alone.
    Note,
    /// Something that keepalived does, and that the translation does not.
    Warning,
}

/// What is to be said of something that has no option of its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Remark {
    /// Whether something should be done.
    pub kind: RemarkKind,
    /// Where it stands for the first time.
    pub place: Spot,
    /// How often the same stands elsewhere.
    pub elsewhere: u32,
    /// What it is, and what replaces it.
    pub text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)?;
        match self.elsewhere {
            0 => {}
            1 => f.write_str(" (and once more)")?,
            times => write!(f, " (and {times} times more)")?,
        }
        write!(f, ": {}", self.text)
    }
}
