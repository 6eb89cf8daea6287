//! `vrrp_script`, `vrrp_track_process` and `track_file`: what looks whether nginx runs is built in,
//! anything else becomes a function in Lua.

mod subject;

use std::collections::BTreeMap;
use std::net::IpAddr;

use crate::keepalived::lexer::Word;
use crate::keepalived::place::Spot;
use crate::keepalived::setting::{Placed, Setting};
use crate::keepalived::tree::Statement;
use crate::keepalived::words::{self, Words};

use super::{Translator, shown};
use subject::CheckSubject;

/// All checks that are defined.
#[derive(Debug, Default)]
pub(super) struct Checks {
    defined: BTreeMap<(CheckKind, String), DefinedCheck>,
    /// A request that becomes the probe.
    probe: Option<Placed>,
    /// Other hosts that have to answer, by the name of the check.
    reach: BTreeMap<String, Placed>,
}

/// What a check runs or reads.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum CheckKind {
    /// A command.
    Script,
    /// A process.
    Process,
    /// A file.
    File,
}

/// An option that does what a check did.
enum Became {
    /// `health.probe`.
    Probe(Placed),
    /// An element of `health.reach`.
    Reach(Placed),
}

/// What other checks have become before.
struct Taken<'a> {
    probe: Option<&'a Placed>,
    /// Whether there is no room in `health.reach`.
    is_full: bool,
}

#[derive(Debug)]
struct DefinedCheck {
    place: Spot,
    /// The command, the process or the file.
    what: String,
    /// In microseconds.
    interval: Option<u64>,
    /// In microseconds.
    timeout: Option<u64>,
    fall: Option<Placed>,
    rise: Option<Placed>,
    weight: Weight,
    is_used: bool,
}

/// How a check changes the priority.
#[derive(Clone, Copy, Debug, Default)]
struct Weight {
    number: i64,
    is_reverse: bool,
}

impl CheckKind {
    fn defined_by(self) -> &'static str {
        match self {
            Self::Script => "vrrp_script",
            Self::Process => "vrrp_track_process",
            Self::File => "track_file",
        }
    }

    fn says(self) -> &'static str {
        match self {
            Self::Script => "script",
            Self::Process => "process",
            Self::File => "file",
        }
    }
}

impl Checks {
    /// Reads a `vrrp_script`.
    pub(super) fn read_script(&mut self, statement: &Statement, translator: &mut Translator) {
        self.read(statement, CheckKind::Script, words::TRACKED_SCRIPT, translator);
    }

    /// Reads a `vrrp_track_process`.
    pub(super) fn read_process(&mut self, statement: &Statement, translator: &mut Translator) {
        self.read(statement, CheckKind::Process, words::TRACKED_PROCESS, translator);
    }

    /// Reads a `track_file`.
    pub(super) fn read_file(&mut self, statement: &Statement, translator: &mut Translator) {
        if statement.block().is_none() && statement.rest().is_empty() {
            return translator.plain(statement);
        }
        self.read(statement, CheckKind::File, words::TRACKED_FILE, translator);
    }

    fn read(
        &mut self,
        statement: &Statement,
        kind: CheckKind,
        known: Words,
        translator: &mut Translator,
    ) {
        let Some(name) = translator.name(statement) else { return };
        let mut check = DefinedCheck {
            place: statement.place().clone(),
            what: String::new(),
            interval: None,
            timeout: None,
            fall: None,
            rise: None,
            weight: Weight::default(),
            is_used: false,
        };
        for line in translator.block(statement) {
            let word = line.head().text.as_str();
            let is_script = kind == CheckKind::Script;
            match word {
                _ if word == kind.says() => {
                    translator.no_block(line);
                    let words = line.rest().iter().map(|word| word.text.as_str());
                    check.what = words.collect::<Vec<_>>().join(" ");
                }
                "interval" if is_script => check.interval = seconds(line, translator),
                "timeout" if is_script => check.timeout = seconds(line, translator),
                "rise" if is_script => check.rise = translator.whole(line),
                "fall" if is_script => check.fall = translator.whole(line),
                "weight" => check.weight = weight(line.rest(), line.place(), translator),
                _ => {
                    let read = [kind.says(), "weight", "interval", "timeout", "rise", "fall"];
                    let read = if is_script { &read[..] } else { &read[..2] };
                    translator.known(line, known, read, &format!("in {}", kind.defined_by()));
                }
            }
        }
        let defined_by = kind.defined_by();
        if check.what.is_empty() {
            let text = format!("{defined_by} {}: without a {}", name.text, kind.says());
            return translator.warn(&name.place, text + " keepalived ignores it");
        }
        let before = self.defined.insert((kind, name.text.clone()), check);
        if before.is_some() {
            let text = format!("{defined_by} {}: defined twice: the last one counts", name.text);
            translator.warn(&name.place, text);
        }
    }

    /// Reads a line of `track_script`, `track_process` or `track_file`. Returns what keepalived
    /// adds to the priority while the check succeeds.
    pub(super) fn track(
        &mut self,
        line: &Statement,
        kind: CheckKind,
        counts_weights: bool,
        translator: &mut Translator,
    ) -> i64 {
        translator.no_block(line);
        let name = line.head();
        let key = (kind, name.text.clone());
        let Some(check) = self.defined.get_mut(&key) else {
            let defined_by = kind.defined_by();
            let name = shown(&name.text);
            let text = format!("{name}: there is no {defined_by} {name}: keepalived ignores it");
            translator.warn(line.place(), text);
            return 0;
        };
        check.is_used = true;
        let mut weight = check.weight;
        match line.rest().first() {
            Some(word) if word.text == "weight" => {
                weight = self::weight(&line.rest()[1..], &word.place, translator);
            }
            Some(word) => {
                let text = format!(
                    "{}: expected weight or the end of the line: keepalived ignores {} then",
                    shown(&word.text),
                    name.text
                );
                translator.warn(&word.place, text);
                return 0;
            }
            None => {}
        }
        if !counts_weights && weight.number != 0 {
            let text = format!("{}: keepalived ignores weights in a sync group", name.text);
            translator.warn(line.place(), text);
            return 0;
        }
        let raise = if kind == CheckKind::File || weight.is_reverse { 0 } else { weight.number };
        let is_full = self.reach.len() >= MAX_REACH && !self.reach.contains_key(&name.text);
        let taken = Taken { probe: self.probe.as_ref(), is_full };
        match check.say(&name.text, kind, weight, &taken, translator) {
            Some(Became::Probe(probe)) => self.probe = Some(probe),
            Some(Became::Reach(host)) => {
                let kept = self.reach.entry(name.text.clone()).or_insert_with(|| host.clone());
                if *kept != host {
                    let text = format!("{}: counts for all instances alike", name.text);
                    translator.warn(line.place(), text);
                }
            }
            None => {}
        }
        raise.max(0)
    }

    /// Returns the option `health`, and names the checks that nobody uses.
    pub(super) fn health(
        self,
        origin: &Spot,
        translator: &mut Translator,
    ) -> Option<(&'static str, Placed)> {
        for ((kind, name), check) in self.defined.iter().filter(|(_, check)| !check.is_used) {
            let text = format!("{} {name}: nothing tracks it", kind.defined_by());
            translator.note(&check.place, text);
        }
        let reach: Vec<_> = self.reach.into_values().collect();
        let place = reach.first().map(|first| first.place().clone());
        let reach = place.map(|place| ("reach", Setting::List(reach).at(&place)));
        let probe = self.probe.map(|probe| ("probe", probe));
        let health: Vec<_> = probe.into_iter().chain(reach).collect();
        (!health.is_empty()).then(|| ("health", Setting::Table(health).at(origin)))
    }
}

impl DefinedCheck {
    /// Says what becomes of it. Returns the option that does the same, if there is one.
    fn say(
        &self,
        name: &str,
        kind: CheckKind,
        weight: Weight,
        taken: &Taken<'_>,
        translator: &mut Translator,
    ) -> Option<Became> {
        let what = format!("{} {name} ({})", kind.defined_by(), shown(&self.what));
        if weight.is_reverse {
            let text = format!("{what}: a reversed weight has no counterpart: see check(name, fn)");
            translator.warn(&self.place, text);
            return None;
        }
        let subject = match kind {
            CheckKind::Script => CheckSubject::of_command(name, &self.what),
            CheckKind::Process => CheckSubject::of_process(&self.what),
            CheckKind::File => CheckSubject::Maintenance,
        };
        match subject {
            CheckSubject::Nginx => {
                let text = format!(
                    "{what}: built in: a node whose nginx does not serve resigns, without a \
                     script and without a weight"
                );
                translator.note(&self.place, text);
            }
            CheckSubject::Request(url)
                if taken.probe.is_none_or(|taken| *taken == self.probe(&url)) =>
            {
                let text = format!(
                    "{what}: becomes health.probe: while nginx does not answer, the node resigns, \
                     without a weight"
                );
                translator.note(&self.place, text);
                return Some(Became::Probe(self.probe(&url)));
            }
            CheckSubject::Reach(address, interface) if !taken.is_full => {
                let text = format!("{what}: becomes health.reach: the engine itself asks");
                translator.note(&self.place, text);
                return Some(Became::Reach(self.reach(name, address, interface, weight)));
            }
            CheckSubject::Maintenance => {
                let text = format!(
                    "{what}: POST /ha/drain gives the addresses away; or a check(name, fn) looks \
                     at what this looks at"
                );
                translator.warn(&self.place, text);
            }
            CheckSubject::Request(_) | CheckSubject::Reach(..) | CheckSubject::Other => {
                let text = format!(
                    "{what}: becomes a function in Lua, unless it looks whether nginx runs: \
                     vrrp.check({name:?}, function() … end{})",
                    self.lua_options(weight)
                );
                translator.warn(&self.place, text);
            }
        }
        None
    }

    fn probe(&self, url: &str) -> Placed {
        let url = Setting::Text(url.to_owned()).at(&self.place);
        let fields = [("url", url)].into_iter().chain(self.timing());
        Setting::Table(fields.collect()).at(&self.place)
    }

    fn reach(
        &self,
        name: &str,
        address: IpAddr,
        interface: Option<String>,
        weight: Weight,
    ) -> Placed {
        let at = |setting: Setting| setting.at(&self.place);
        let text = |text: String| at(Setting::Text(text));
        let mut fields = Vec::new();
        if name.len() <= MAX_REACH_NAME {
            fields.push(("name", text(name.to_owned())));
        }
        fields.push(("address", text(address.to_string())));
        fields.extend(interface.map(|interface| ("interface", text(interface))));
        fields.extend(self.timing());
        if weight.number != 0 {
            fields.push(("weight", at(Setting::Number(-weight.number.abs()))));
        }
        at(Setting::Table(fields))
    }

    /// How often it asks, and what the answers add up to.
    fn timing(&self) -> impl Iterator<Item = (&'static str, Placed)> {
        let ms = |micros: u64| Setting::Number(i64::try_from(micros / 1000).unwrap_or(i64::MAX));
        let timing = [
            ("interval_ms", self.interval.map(|time| ms(time).at(&self.place))),
            ("timeout_ms", self.timeout.map(|time| ms(time).at(&self.place))),
            ("fall", self.fall.clone()),
            ("rise", self.rise.clone()),
        ];
        timing.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// The options of `check` that do what the script did.
    fn lua_options(&self, weight: Weight) -> String {
        let ms = |name, time: u64| format!("{name} = {}", time / 1000);
        let times = |name, number: &Placed| Some(format!("{name} = {}", number.number()?));
        let options = [
            self.interval.map(|time| ms("interval_ms", time)),
            self.timeout.map(|time| ms("timeout_ms", time)),
            self.fall.as_ref().and_then(|fall| times("fall", fall)),
            self.rise.as_ref().and_then(|rise| times("rise", rise)),
            (weight.number != 0).then(|| format!("weight = {}", -weight.number.abs())),
        ];
        let options: Vec<_> = options.into_iter().flatten().collect();
        if options.is_empty() { String::new() } else { format!(", {{ {} }}", options.join(", ")) }
    }
}

fn seconds(line: &Statement, translator: &mut Translator) -> Option<u64> {
    translator.seconds(line).map(|(micros, _)| micros)
}

/// Reads `-20`, or `-20 reverse`.
fn weight(words: &[Word], place: &Spot, translator: &mut Translator) -> Weight {
    let number = words.first().and_then(|word| word.text.parse().ok());
    if number.is_none_or(|number: i64| !(-254..=254).contains(&number)) {
        let place = words.first().map_or(place, |word| &word.place);
        translator.refuse(place, "expected a weight from -253 to 253 behind weight");
    }
    let is_reverse = match words.get(1) {
        Some(word) if word.text == "reverse" => true,
        Some(word) if word.text == "noreverse" => false,
        Some(_) => {
            translator.ignored(&words[1..]);
            false
        }
        None => false,
    };
    Weight { number: number.unwrap_or(0), is_reverse }
}

/// Elements of `health.reach`, and octets of their names.
const MAX_REACH: usize = 4;
const MAX_REACH_NAME: usize = 25;
