//! `track_interface`.

use crate::keepalived::lexer::Word;
use crate::keepalived::setting::{Placed, Setting};
use crate::keepalived::translator::{Translator, shown};
use crate::keepalived::tree::Statement;

/// An interface that an instance depends on.
#[derive(Debug)]
pub(super) struct Interface {
    /// Its name.
    pub(super) name: Word,
    /// Its weight, unless it is a fault.
    pub(super) weight: Option<Placed>,
}

/// Reads a line: `eth1`, or `eth1 weight -50`.
pub(super) fn read(line: &Statement, translator: &mut Translator) -> Option<Interface> {
    translator.no_block(line);
    let name = line.head().clone();
    let Some(word) = line.rest().first() else { return Some(Interface { name, weight: None }) };
    if word.text != "weight" {
        let text = format!(
            "{}: expected weight or the end of the line: keepalived ignores {} then",
            shown(&word.text),
            shown(&name.text)
        );
        translator.warn(&word.place, text);
        return None;
    }
    let Some(weight) = line.rest().get(1) else {
        translator.refuse(&word.place, "expected a weight from -253 to 253 behind weight");
        return None;
    };
    if let Some(reverse) = line.rest().get(2) {
        let text =
            format!("{}: no counterpart: {} is not tracked", shown(&reverse.text), name.text);
        translator.warn(&reverse.place, text);
        return None;
    }
    let weight = match weight.text.parse() {
        Ok(0) => None,
        Ok(number) => Some(Setting::Number(number).at(&weight.place)),
        Err(_) => Some(Setting::Text(weight.text.clone()).at(&weight.place)),
    };
    Some(Interface { name, weight })
}
