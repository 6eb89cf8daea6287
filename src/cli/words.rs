//! Texts of the board on a terminal.

use std::io;

use serde::Serialize;
use serde_json::ser::{Formatter, Serializer};

/// Returns a text as a terminal may show it: what would steer the terminal, or the direction of
/// writing, is shown by its number. Any process of nginx can have written a text of the board.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '"' | '\'' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown
}

/// Returns a value as one line of JSON without what would steer a terminal.
pub(super) fn json(value: &impl Serialize) -> serde_json::Result<String> {
    let mut octets = Vec::new();
    value.serialize(&mut Serializer::with_formatter(&mut octets, ForTerminals))?;
    Ok(String::from_utf8_lossy(&octets).into_owned())
}

struct ForTerminals;

impl Formatter for ForTerminals {
    fn write_string_fragment<W: ?Sized + io::Write>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        for c in fragment.chars() {
            if c == '\'' || c.escape_debug().len() == 1 {
                write!(writer, "{c}")?;
                continue;
            }
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(writer, "\\u{unit:04x}")?;
            }
        }
        Ok(())
    }
}

/// Returns so many things: `1 worker`, `2 workers`.
pub(super) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Returns a time that has passed, in its largest unit: `45 s`, `12 min`, `3 h`, `5 d`.
pub(super) fn age(ms: u64) -> String {
    let seconds = ms / 1000;
    let units = [(86_400, "d"), (3_600, "h"), (60, "min")];
    let unit = units.into_iter().find(|(length, _)| seconds >= 2 * length);
    let (length, name) = unit.unwrap_or((1, "s"));
    format!("{} {name}", seconds / length)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOSTILE: &str = "a\u{1b}[31m\u{9b}\u{202e}\u{7f}\n\"\\'ä\u{10ffff}";

    #[test]
    fn nothing_that_steers_a_terminal_reaches_it() {
        let text = shown(HOSTILE);

        assert_eq!(text, "a\\u{1b}[31m\\u{9b}\\u{202e}\\u{7f}\\n\"\\'ä\\u{10ffff}");
    }

    #[test]
    fn json_for_a_terminal_means_the_same() {
        let text = json(&HOSTILE).unwrap();

        assert!(text.chars().all(|c| !c.is_control() && c != '\u{202e}'), "{text}");
        assert_eq!(serde_json::from_str::<String>(&text).unwrap(), HOSTILE);
    }

    #[test]
    fn an_age_has_one_unit() {
        let texts = [0, 119_999, 120_000, 7_199_000, 7_200_000, 172_800_000].map(age);

        assert_eq!(texts, ["0 s", "119 s", "2 min", "119 min", "2 h", "2 d"]);
    }
}
