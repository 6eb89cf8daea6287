//! Reads a table of options: knows the path of each, and names unknown options.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use super::error::ConfigError;
use crate::types::LinkName;

/// All problems found so far. Reading goes on after one, so that a single start shows them all.
#[derive(Debug, Default)]
pub(super) struct Problems(RefCell<Vec<ConfigError>>);

impl Problems {
    /// Notes one problem.
    pub(super) fn add(&self, path: impl Into<String>, problem: impl Into<String>) {
        let mut problems = self.0.borrow_mut();
        if problems.len() < MAX_PROBLEMS {
            problems.push(ConfigError { path: path.into(), problem: problem.into() });
        }
    }

    /// Returns what was noted, in order.
    pub(super) fn into_vec(self) -> Vec<ConfigError> {
        self.0.into_inner()
    }
}

/// One table of options.
///
/// Each option is asked for once, by name; [`Table::finish`] then refuses the rest.
#[derive(Debug)]
pub(super) struct Table<'a> {
    path: String,
    /// `None` is an empty table.
    fields: Option<&'a Map<String, Value>>,
    asked: Vec<&'static str>,
    problems: &'a Problems,
}

/// What a reader makes of a value: the value meant, or what is wrong and what is allowed.
pub(super) type Read<T> = Result<T, String>;

impl<'a> Table<'a> {
    /// Begins to read `value`, which must be a table. An empty Lua table may arrive as an empty
    /// list.
    pub(super) fn new(value: &'a Value, path: &str, problems: &'a Problems) -> Option<Self> {
        let fields = match value {
            Value::Object(fields) => Some(fields),
            Value::Array(list) if list.is_empty() => None,
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Array(_) => {
                problems.add(path, format!("expected a table of options, got {}", shown(value)));
                return None;
            }
        };
        Some(Self { path: path.to_owned(), fields, asked: Vec::new(), problems })
    }

    /// Returns the path of one of this table's options.
    pub(super) fn path_of(&self, name: &str) -> String {
        if self.path.is_empty() { name.to_owned() } else { format!("{}.{name}", self.path) }
    }

    /// Notes a problem with one of this table's options.
    pub(super) fn refuse(&self, name: &str, problem: impl Into<String>) {
        self.problems.add(self.path_of(name), problem);
    }

    /// Returns what was written; an option that is null was not.
    fn given(&self, name: &str) -> Option<&'a Value> {
        self.fields?.get(name).filter(|value| !value.is_null())
    }

    /// Tells whether an option was written at all, right or wrong.
    pub(super) fn has(&self, name: &str) -> bool {
        self.given(name).is_some()
    }

    /// Reads an option that may be left out.
    pub(super) fn optional<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Read<T>,
    ) -> Option<T> {
        self.asked.push(name);
        let value = self.given(name)?;
        read(value).map_err(|problem| self.refuse(name, problem)).ok()
    }

    /// Reads an option that has a default.
    pub(super) fn or<T>(
        &mut self,
        name: &'static str,
        default: T,
        read: impl FnOnce(&Value) -> Read<T>,
    ) -> T {
        self.optional(name, read).unwrap_or(default)
    }

    /// Reads an option that must be there. `None` means that a problem was noted.
    pub(super) fn required<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&Value) -> Read<T>,
    ) -> Option<T> {
        if self.given(name).is_none() {
            self.asked.push(name);
            self.refuse(name, "required, but not given");
            return None;
        }
        self.optional(name, read)
    }

    /// Reads a list of at most `max` elements, each with its own path.
    pub(super) fn list<T>(
        &mut self,
        name: &'static str,
        max: usize,
        mut element: impl FnMut(&'a Value, &str, &'a Problems) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.asked.push(name);
        let value = self.given(name)?;
        let path = self.path_of(name);
        let list = match value {
            Value::Array(list) => list.as_slice(),
            Value::Object(fields) if fields.is_empty() => &[],
            Value::Null
            | Value::Bool(_)
            | Value::Number(_)
            | Value::String(_)
            | Value::Object(_) => {
                self.problems.add(path, format!("expected a list, got {}", shown(value)));
                return None;
            }
        };
        if list.len() > max {
            self.problems.add(path, format!("at most {max} elements, got {}", list.len()));
            return None;
        }
        let read =
            |(index, value)| element(value, &format!("{path}[{}]", index + 1), self.problems);
        list.iter().enumerate().map(read).collect::<Vec<_>>().into_iter().collect()
    }

    /// Reads a table within this one.
    pub(super) fn table(&mut self, name: &'static str) -> Option<Table<'a>> {
        self.asked.push(name);
        let value = self.given(name)?;
        Table::new(value, &self.path_of(name), self.problems)
    }

    /// Refuses every unknown option, and names the one that was probably meant.
    pub(super) fn finish(self) {
        let names = self.fields.iter().flat_map(|fields| fields.keys());
        for name in names.filter(|name| !self.asked.contains(&name.as_str())) {
            let hint = match similar(name, self.asked.iter().copied()) {
                Some(known) => format!("did you mean {known:?}?"),
                None => format!("known here: {}", self.asked.join(", ")),
            };
            self.refuse(name, format!("unknown option; {hint}"));
        }
    }
}

/// Returns the known name that was probably meant.
pub(super) fn similar<'a>(name: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let all = known.map(|known| (strsim::damerau_levenshtein(name, known), known));
    let likely = all.filter(|(distance, known)| *distance <= 1 + known.len() / 4).min();
    likely.map(|(_, known)| known)
}

/// Reads a text of `length` bytes.
pub(super) fn text(length: RangeInclusive<usize>) -> impl Fn(&Value) -> Read<String> {
    move |value| match value.as_str() {
        Some(text) if length.contains(&text.len()) && !text.contains(char::is_control) => {
            Ok(text.to_owned())
        }
        _ => Err(format!(
            "expected a text of {} to {} bytes without control characters, got {}",
            length.start(),
            length.end(),
            shown(value)
        )),
    }
}

/// Reads `true` or `false`.
pub(super) fn boolean(value: &Value) -> Read<bool> {
    value.as_bool().ok_or_else(|| format!("expected true or false, got {}", shown(value)))
}

/// Reads a whole number; `meaning` is its unit, or a remark: `"ms"`.
pub(super) fn whole(
    range: RangeInclusive<u64>,
    meaning: &'static str,
) -> impl Fn(&Value) -> Read<u64> {
    move |value| match exact(value) {
        Some(number) if range.contains(&number) => Ok(number),
        _ => {
            let (start, end) = (range.start(), range.end());
            let range = format!("{start} to {end} {meaning}");
            let is_text = value.as_str().is_some_and(|text| text.parse::<f64>().is_ok());
            let hint = if is_text { ", which is a text: use tonumber()" } else { "" };
            let shown = shown(value);
            Err(format!("expected a whole number from {}, got {shown}{hint}", range.trim_end()))
        }
    }
}

/// Reads one of a few words.
pub(super) fn one_of<T: Copy>(words: &'static [(&'static str, T)]) -> impl Fn(&Value) -> Read<T> {
    move |value| {
        let found = words.iter().find(|(word, _)| value.as_str() == Some(word));
        found.map(|(_, meaning)| *meaning).ok_or_else(|| {
            let known: Vec<_> = words.iter().map(|(word, _)| format!("{word:?}")).collect();
            format!("expected {}, got {}", known.join(" or "), shown(value))
        })
    }
}

/// Reads what is added to a priority.
pub(super) fn weight(value: &Value) -> Read<i16> {
    let whole = (-253_i16..=-1).find(|weight| value.as_f64() == Some(f64::from(*weight)));
    whole.ok_or_else(|| format!("expected a whole number from -253 to -1, got {}", shown(value)))
}

/// Reads the name of a link, and tells what to write instead of a label.
pub(super) fn interface(value: &Value) -> Read<LinkName> {
    let name = value.as_str().unwrap_or_default();
    if let Some(end) = name.find(['@', ':']).filter(|end| *end > 0) {
        let (real, rest) = name.split_at(end);
        let what =
            if rest.starts_with('@') { "what ip link shows" } else { "the label of an address" };
        return Err(format!("{name:?} is {what}, the interface is called {real:?}: write that"));
    }
    LinkName::new(name).ok_or_else(|| {
        format!("expected the name of a network interface (1 to 15 bytes), got {}", shown(value))
    })
}

/// Shows a value in a message, shortened.
pub(super) fn shown(value: &Value) -> String {
    let text = match value {
        Value::Array(list) => return format!("a list of {} elements", list.len()),
        Value::Object(_) => return "a table".to_owned(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.to_string(),
    };
    if text.chars().count() <= MAX_SHOWN {
        return text;
    }
    format!("{}…", text.chars().take(MAX_SHOWN).collect::<String>())
}

/// Returns a whole number. One such as `1e3` or `50.0` is whole although it was not written so:
/// LuaJIT's numbers are doubles.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the value was just found to be whole, not negative and below 2^53"
)]
pub(super) fn exact(value: &Value) -> Option<u64> {
    if let Some(number) = value.as_u64() {
        return Some(number);
    }
    let number = value.as_f64()?;
    let whole = number.fract() == 0.0 && (0.0..9_007_199_254_740_992.0).contains(&number);
    whole.then_some(number as u64)
}

/// Problems listed before the rest is left out: a screenful.
const MAX_PROBLEMS: usize = 50;
/// Characters of a value that a message repeats.
const MAX_SHOWN: usize = 60;
