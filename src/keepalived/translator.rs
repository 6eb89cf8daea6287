//! Turns statements into options: collects what is wrong and what is to be said.

mod addresses;
mod announce;
mod checks;
mod globals;
mod groups;
mod instance;

use std::collections::{BTreeMap, BTreeSet};

use super::lexer::Word;
use super::place::{Complaint, Remark, RemarkKind, Spot};
use super::setting::{Placed, Setting};
use super::tree::{Block, Statement};
use super::words::{self, Fate, Words};

use announce::Announcing;
use checks::Checks;
use globals::Globals;
use groups::Groups;

/// Returns the option table of all statements.
pub(super) fn options(
    statements: &[Statement],
    origin: &Spot,
    translator: &mut Translator,
) -> Setting {
    let mut globals = Globals::default();
    let mut checks = Checks::default();
    for statement in statements {
        match statement.head().text.as_str() {
            "global_defs" => globals.read(statement, translator),
            "vrrp_script" => checks.read_script(statement, translator),
            "vrrp_track_process" => checks.read_process(statement, translator),
            "track_file" | "vrrp_track_file" => checks.read_file(statement, translator),
            "vrrp_instance" | "vrrp_sync_group" => {}
            _ => translator.known(statement, words::ROOT, words::BLOCKS, "outside of a block"),
        }
    }
    let of = |word: &'static str| statements.iter().filter(move |it| it.head().text == word);
    let groups: Vec<_> =
        of("vrrp_sync_group").filter_map(|it| groups::read(it, &mut checks, translator)).collect();
    let groups = Groups(groups);
    let mut announcing = Announcing::of(&globals);
    let mut instances = Vec::new();
    for statement in of("vrrp_instance") {
        let context = instance::Context { globals: &globals, groups: &groups };
        let read = instance::read(statement, context, &mut checks, &mut announcing, translator);
        instances.extend(read);
    }
    if instances.is_empty() && translator.complaints.is_empty() {
        translator.refuse(origin, "there is no vrrp_instance in it");
    }
    let mut options = globals.options();
    options.push(("instances", Setting::List(instances).at(origin)));
    options.extend(groups.option(origin, translator));
    options.extend(checks.health(origin, translator));
    options.extend(announcing.option(translator));
    Setting::Table(options)
}

/// Collects complaints and remarks.
#[derive(Default)]
pub(super) struct Translator {
    complaints: Vec<Complaint>,
    remarks: Vec<Remark>,
    /// Where a remark of this kind and text stands among the remarks.
    said: BTreeMap<(RemarkKind, String), usize>,
}

impl Translator {
    /// Begins with remarks that were made before.
    pub(super) fn new(remarks: Vec<Remark>) -> Self {
        Self { remarks, ..Self::default() }
    }

    /// Returns what was collected.
    pub(super) fn finish(self) -> (Vec<Complaint>, Vec<Remark>) {
        (self.complaints, self.remarks)
    }

    fn refuse(&mut self, place: &Spot, problem: impl Into<String>) {
        if self.complaints.len() < MAX_COMPLAINTS {
            self.complaints.push(Complaint::new(place, problem));
        }
    }

    fn note(&mut self, place: &Spot, text: impl Into<String>) {
        self.remark(RemarkKind::Note, place, text.into());
    }

    fn warn(&mut self, place: &Spot, text: impl Into<String>) {
        self.remark(RemarkKind::Warning, place, text.into());
    }

    fn remark(&mut self, kind: RemarkKind, place: &Spot, text: String) {
        if let Some(said) = self.said.get(&(kind, text.clone())) {
            self.remarks[*said].elsewhere += 1;
            return;
        }
        self.said.insert((kind, text.clone()), self.remarks.len());
        self.remarks.push(Remark { kind, place: place.clone(), elsewhere: 0, text });
    }

    /// Says what becomes of a word that has no option; refuses one that keepalived does not know.
    fn known(&mut self, statement: &Statement, words: Words, read: &[&str], within: &str) {
        let head = statement.head();
        let text = |says| format!("{}: {says}", head.text);
        let is_off = statement.rest().first().is_some_and(|it| switch(&it.text) == Some(false));
        match words::fate(words, &head.text) {
            Some(Fate::Note(says)) => self.note(&head.place, text(says)),
            Some(_) if is_off => self.note(&head.place, text("off: nothing to set")),
            Some(Fate::Warn(says)) => self.warn(&head.place, text(says)),
            Some(Fate::Refuse(says)) => self.refuse(&head.place, text(says)),
            None => self.unknown(statement, words, read, within),
        }
    }

    fn unknown(&mut self, statement: &Statement, words: Words, read: &[&str], within: &str) {
        let head = statement.head();
        let is_root = words::all(words::ROOT).chain(words::BLOCKS.iter().copied());
        let is_root = is_root.into_iter().any(|root| root == head.text);
        let known = words::all(words).chain(read.iter().copied());
        let hint = if is_root {
            "it stands outside of every block: is a } missing before it?".to_owned()
        } else if let Some(likely) = likely(&head.text, known) {
            format!("did you mean {likely:?}?")
        } else {
            format!("keepalived does not know it {within}")
        };
        self.refuse(&head.place, format!("unknown word {:?}; {hint}", shown(&head.text)));
    }

    /// Says that of two statements with one word the last one counts.
    fn once<'s>(
        &mut self,
        statement: &'s Statement,
        single: &[&str],
        seen: &mut BTreeSet<&'s str>,
    ) {
        let head = statement.head();
        if single.contains(&head.text.as_str()) && !seen.insert(&head.text) {
            self.warn(&head.place, format!("{}: written twice: the last one counts", head.text));
        }
    }

    /// Returns the statements of the block behind a statement.
    fn block<'s>(&mut self, statement: &'s Statement) -> &'s [Statement] {
        if let Some(Block { statements, .. }) = statement.block() {
            return statements;
        }
        let last = &statement.words()[statement.words().len() - 1];
        self.refuse(&last.place, format!("expected a {{ behind {:?}", shown(&last.text)));
        &[]
    }

    /// Returns the name of a block: `vrrp_instance NAME {`.
    fn name<'s>(&mut self, statement: &'s Statement) -> Option<&'s Word> {
        let name = statement.rest().first();
        if name.is_none() {
            let head = statement.head();
            self.refuse(&head.place, format!("expected a name behind {}", head.text));
        }
        self.ignored(statement.rest().get(1..).unwrap_or_default());
        name
    }

    /// Returns the one value of a statement.
    fn value<'s>(&mut self, statement: &'s Statement) -> Option<&'s Word> {
        self.no_block(statement);
        let value = statement.rest().first();
        if value.is_none() {
            let head = statement.head();
            self.refuse(&head.place, format!("expected a value behind {}", head.text));
        }
        self.ignored(statement.rest().get(1..).unwrap_or_default());
        value
    }

    /// Reads a word that has no value.
    fn plain(&mut self, statement: &Statement) {
        self.no_block(statement);
        self.ignored(statement.rest());
    }

    /// Reads a word that is on unless its value says otherwise.
    fn on(&mut self, statement: &Statement) -> bool {
        self.no_block(statement);
        let Some(value) = statement.rest().first() else { return true };
        self.ignored(&statement.rest()[1..]);
        switch(&value.text).unwrap_or_else(|| {
            let problem = format!(
                "expected on or off, true or false, yes or no; got {:?}",
                shown(&value.text)
            );
            self.refuse(&value.place, problem);
            true
        })
    }

    /// Reads a whole number. What is none goes on as a text, and the check of the options says what
    /// is wrong with it.
    fn whole(&mut self, statement: &Statement) -> Option<Placed> {
        let value = self.value(statement)?;
        let setting = match value.text.parse() {
            Ok(number) => Setting::Number(number),
            Err(_) => Setting::Text(value.text.clone()),
        };
        Some(setting.at(&value.place))
    }

    /// Reads a time in seconds with a fraction, in microseconds.
    fn seconds(&mut self, statement: &Statement) -> Option<(u64, Spot)> {
        let value = self.value(statement)?;
        let micros = microseconds(&value.text);
        if micros.is_none() {
            let problem =
                format!("expected seconds, such as 1 or 0.25, got {:?}", shown(&value.text));
            self.refuse(&value.place, problem);
        }
        Some((micros?, value.place.clone()))
    }

    /// Says that keepalived pays no attention to words.
    fn ignored(&mut self, words: &[Word]) {
        if let Some(first) = words.first() {
            let text = format!("{}: keepalived ignores the rest of this line", shown(&first.text));
            self.warn(&first.place, text);
        }
    }

    fn no_block(&mut self, statement: &Statement) {
        if let Some(Block { open, .. }) = statement.block() {
            let problem = format!("expected no {{: {} has no block", statement.head().text);
            self.refuse(open, problem);
        }
    }
}

/// Reads `on`, `off` and their like.
fn switch(text: &str) -> Option<bool> {
    match text {
        "on" | "true" | "yes" => Some(true),
        "off" | "false" | "no" => Some(false),
        _ => None,
    }
}

/// Reads seconds with a fraction.
fn microseconds(text: &str) -> Option<u64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let is_number = |digits: &str| digits.bytes().all(|digit| digit.is_ascii_digit());
    if whole.len() + fraction.len() == 0 || !is_number(whole) || !is_number(fraction) {
        return None;
    }
    let fraction: String = fraction.chars().chain("000000".chars()).take(6).collect();
    let whole: u64 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    whole.checked_mul(1_000_000)?.checked_add(fraction.parse().ok()?)
}

/// Returns the word that was probably meant.
fn likely<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > MAX_SHOWN {
        return None;
    }
    let known: Vec<_> = known.collect();
    let is_begun = |known: &&str| word.len() >= MIN_BEGUN && known.starts_with(word);
    if let Some(begun) = known.iter().copied().filter(is_begun).min_by_key(|known| known.len()) {
        return Some(begun);
    }
    let distances =
        known.into_iter().map(|known| (strsim::damerau_levenshtein(word, known), known));
    let close = distances.filter(|(distance, known)| *distance <= 1 + known.len() / 4);
    close.min().map(|(_, known)| known)
}

/// Shortens a text for a message.
fn shown(text: &str) -> String {
    if text.chars().count() <= MAX_SHOWN {
        return text.to_owned();
    }
    format!("{}…", text.chars().take(MAX_SHOWN).collect::<String>())
}

const MAX_COMPLAINTS: usize = 50;
const MAX_SHOWN: usize = 60;
/// Letters of a word that somebody began.
const MIN_BEGUN: usize = 5;
