//! One line of a file without its comment, which knows the column of each of its octets.

use std::ops::Range;
use std::rc::Rc;

use super::place::{Complaint, Spot};

/// A line, or what became of it when variables were replaced.
#[derive(Clone, Debug)]
pub(super) struct SourceLine {
    text: String,
    /// The column of each octet of the text.
    columns: Vec<u32>,
    file: Rc<str>,
    number: u32,
    is_comment: bool,
}

impl SourceLine {
    /// Reads a line as it stands in a file: without its comment, and without blanks around it.
    ///
    /// `!` and `#` begin a comment unless they stand between quotation marks or behind a `\`.
    pub(super) fn read(raw: &[u8], file: &Rc<str>, number: u32) -> Result<Self, Complaint> {
        let mut octets = Vec::with_capacity(raw.len());
        let mut columns = Vec::with_capacity(raw.len());
        let (mut is_quoted, mut is_escaped, mut column) = (false, false, 0);
        for &octet in raw {
            column += u32::from(octet & 0xC0 != 0x80);
            let is_control = octet.is_ascii_control() && !octet.is_ascii_whitespace();
            if is_control && octet != VERTICAL_TAB {
                let place = Spot { file: file.clone(), line: number, column };
                return Err(Complaint::new(
                    &place,
                    format!("this is no text: octet 0x{octet:02x}; expected a keepalived.conf"),
                ));
            }
            match octet {
                b'#' | b'!' if is_escaped && !is_quoted => {
                    octets.pop();
                    columns.pop();
                }
                b'#' | b'!' if !is_quoted => break,
                b'"' if !is_escaped => is_quoted = !is_quoted,
                _ => {}
            }
            is_escaped = octet == b'\\' && !is_escaped;
            octets.push(octet);
            columns.push(column);
        }
        let text = String::from_utf8(octets).map_err(|error| {
            let at = error.utf8_error().valid_up_to();
            let column = columns.get(at).copied().unwrap_or(1);
            let place = Spot { file: file.clone(), line: number, column };
            Complaint::new(&place, "not valid UTF-8 (which only comments need not be)")
        })?;
        let is_comment = text.trim_matches(is_blank).is_empty() && text.len() < raw.len();
        let line = Self { text, columns, file: file.clone(), number, is_comment };
        Ok(line.trimmed())
    }

    /// Returns what it says.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// Tells whether it is a comment and nothing else.
    pub(super) fn is_comment(&self) -> bool {
        self.is_comment
    }

    /// Returns the place of an octet, or of the end of the line.
    pub(super) fn place(&self, offset: usize) -> Spot {
        let behind = || self.columns.last().map_or(1, |last| last + 1);
        let column = self.columns.get(offset).copied().unwrap_or_else(behind);
        Spot { file: self.file.clone(), line: self.number, column }
    }

    /// Returns a part of it, without blanks around it.
    pub(super) fn part(&self, range: Range<usize>) -> Self {
        let text = self.text.get(range.clone()).unwrap_or_default().to_owned();
        let columns = self.columns.get(range).unwrap_or_default().to_vec();
        let (file, number) = (self.file.clone(), self.number);
        Self { text, columns, file, number, is_comment: false }.trimmed()
    }

    /// Puts another text in the place of a part. All of it has the column where the part began.
    pub(super) fn replace(&mut self, range: Range<usize>, text: &str) {
        let column = self.place(range.start).column;
        self.columns.splice(range.clone(), std::iter::repeat_n(column, text.len()));
        self.text.replace_range(range, text);
    }

    fn trimmed(mut self) -> Self {
        let start = self.text.len() - self.text.trim_start_matches(is_blank).len();
        let end = self.text.trim_end_matches(is_blank).len().max(start);
        self.text.truncate(end);
        self.columns.truncate(end);
        self.text.drain(..start);
        self.columns.drain(..start);
        self
    }
}

/// Tells what separates words.
pub(super) fn is_blank(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\x0b' | '\x0c' | '\r')
}

const VERTICAL_TAB: u8 = 0x0b;
