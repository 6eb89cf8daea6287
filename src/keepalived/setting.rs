//! The option table that a file becomes, in the order in which people would write it.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

use super::place::Spot;

/// One value of the table.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Setting {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
    /// `true` or `false`.
    Flag(bool),
    /// A list.
    List(Vec<Placed>),
    /// A table of options.
    Table(Vec<(&'static str, Placed)>),
}

/// A value, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Placed {
    place: Spot,
    setting: Setting,
}

impl Setting {
    /// Says where it comes from.
    pub(super) fn at(self, place: &Spot) -> Placed {
        Placed { place: place.clone(), setting: self }
    }

    /// Returns it as JSON.
    pub(super) fn to_json(&self) -> Value {
        match self {
            Self::Text(text) => Value::from(text.as_str()),
            Self::Number(number) => Value::from(*number),
            Self::Flag(flag) => Value::from(*flag),
            Self::List(list) => list.iter().map(|one| one.setting.to_json()).collect(),
            Self::Table(fields) => {
                let fields =
                    fields.iter().map(|(name, one)| ((*name).to_owned(), one.setting.to_json()));
                Value::Object(fields.collect::<Map<_, _>>())
            }
        }
    }

    /// Returns it as Lua. A table stands on one line where it fits.
    pub(super) fn to_lua(&self) -> String {
        self.lua(0, 0)
    }

    fn lua(&self, indent: usize, before: usize) -> String {
        match self {
            Self::Text(text) => quoted(text),
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::List(list) => {
                let list = list.iter().map(|one| ("", &one.setting));
                braced(&list.collect::<Vec<_>>(), indent, before)
            }
            Self::Table(fields) => {
                let fields = fields.iter().map(|(name, one)| (*name, &one.setting));
                braced(&fields.collect::<Vec<_>>(), indent, before)
            }
        }
    }

    fn has_fields(&self) -> bool {
        matches!(self, Self::List(_) | Self::Table(_))
    }

    /// Notes where each value comes from, by its path as errors name it.
    pub(super) fn note_places(&self, path: &str, places: &mut BTreeMap<String, Spot>) {
        let mut note = |path: String, one: &Placed| {
            one.setting.note_places(&path, places);
            places.insert(path, one.place.clone());
        };
        match self {
            Self::Text(_) | Self::Number(_) | Self::Flag(_) => {}
            Self::List(list) => {
                for (index, one) in (1..).zip(list) {
                    note(format!("{path}[{index}]"), one);
                }
            }
            Self::Table(fields) => {
                for (name, one) in fields {
                    let dot = if path.is_empty() { "" } else { "." };
                    note(format!("{path}{dot}{name}"), one);
                }
            }
        }
    }
}

impl Placed {
    /// Returns where it comes from.
    pub(super) fn place(&self) -> &Spot {
        &self.place
    }

    /// Returns the number that it is, if so.
    pub(super) fn number(&self) -> Option<i64> {
        match self.setting {
            Setting::Number(number) => Some(number),
            Setting::Text(_) | Setting::Flag(_) | Setting::List(_) | Setting::Table(_) => None,
        }
    }

    /// Returns the text that it is, if so.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.setting {
            Setting::Text(text) => Some(text),
            Setting::Number(_) | Setting::Flag(_) | Setting::List(_) | Setting::Table(_) => None,
        }
    }
}

/// Writes a table or a list whose first line already has `before` columns.
fn braced(fields: &[(&str, &Setting)], indent: usize, before: usize) -> String {
    let named = |(name, setting): &(&str, &Setting), indent: usize| {
        let name = if name.is_empty() { String::new() } else { format!("{name} = ") };
        let before = indent + name.len();
        name + &setting.lua(indent, before)
    };
    let one_line: Vec<_> = fields.iter().map(|field| named(field, indent)).collect();
    let one_line = format!("{{ {} }}", one_line.join(", "));
    if fields.is_empty() {
        return "{}".to_owned();
    }
    let is_simple = fields.len() == 1 && fields[0].0.is_empty()
        || !fields.iter().any(|(_, setting)| setting.has_fields());
    if is_simple && before + one_line.len() < MAX_COLUMNS && !one_line.contains('\n') {
        return one_line;
    }
    let inner = indent + STEP;
    let mut text = "{\n".to_owned();
    for field in fields {
        let line = format!("{:inner$}{},\n", "", named(field, inner));
        text.push_str(&line);
    }
    text + &format!("{:indent$}}}", "")
}

/// Writes a text as Lua reads it.
fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_ascii_control() => {
                write!(quoted, "\\{:03}", u32::from(c)).expect("a string takes all");
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

const STEP: usize = 4;
const MAX_COLUMNS: usize = 100;
