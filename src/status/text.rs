//! Texts on the board and in the log.

use std::borrow::Cow;

/// Returns `text` as a field of the board: ended by at least one NUL, cut between two characters
/// if too long.
#[must_use]
pub fn text<const N: usize>(text: &str) -> [u8; N] {
    let kept = cut(text, N - 1);
    let mut field = [0; N];
    field[..kept.len()].copy_from_slice(kept.as_bytes());
    field
}

/// Returns what a field of the board holds as text.
#[must_use]
pub fn untext(field: &[u8]) -> String {
    let length = field.iter().position(|&octet| octet == 0).unwrap_or(field.len());
    String::from_utf8_lossy(&field[..length]).into_owned()
}

/// Returns a text with spaces for control characters: it can neither begin another line of the log
/// nor speak to a terminal.
#[must_use]
pub fn on_one_line(text: &str) -> Cow<'_, str> {
    if text.contains(char::is_control) {
        Cow::Owned(text.replace(char::is_control, " "))
    } else {
        Cow::Borrowed(text)
    }
}

/// Returns as many whole characters of `text` as fit into `size` bytes.
pub(super) fn cut(text: &str, size: usize) -> &str {
    let mut end = text.len().min(size);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
