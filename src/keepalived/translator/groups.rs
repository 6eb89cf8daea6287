//! `vrrp_sync_group`.

use crate::keepalived::lexer::Word;
use crate::keepalived::place::Spot;
use crate::keepalived::setting::{Placed, Setting};
use crate::keepalived::tree::Statement;
use crate::keepalived::words;

use super::checks::{CheckKind, Checks};
use super::{Translator, shown};

/// All groups.
#[derive(Debug, Default)]
pub(super) struct Groups(pub(super) Vec<Group>);

/// One group.
#[derive(Debug)]
pub(super) struct Group {
    name: Word,
    members: Vec<Word>,
    /// Interfaces that all members depend on.
    tracked: Vec<Word>,
    /// Whether weights count although the members move together.
    counts_weights: bool,
    /// What keepalived adds to the priority of all members while everything succeeds.
    raise: i64,
}

impl Groups {
    /// Returns the interfaces that the groups of an instance track.
    pub(super) fn tracked(&self, instance: &str) -> impl Iterator<Item = &Word> {
        self.of(instance).flat_map(|group| &group.tracked)
    }

    /// Tells whether weights of an instance count: keepalived ignores those of members.
    pub(super) fn counts_weights(&self, instance: &str) -> bool {
        self.of(instance).all(|group| group.counts_weights)
    }

    /// Returns what the groups of an instance add to its priority.
    pub(super) fn raise(&self, instance: &str) -> i64 {
        self.of(instance).map(|group| group.raise).sum()
    }

    fn of(&self, instance: &str) -> impl Iterator<Item = &Group> {
        self.0.iter().filter(move |it| it.members.iter().any(|member| member.text == instance))
    }

    /// Returns the option `sync_groups`.
    pub(super) fn option(
        self,
        origin: &Spot,
        translator: &mut Translator,
    ) -> Option<(&'static str, Placed)> {
        let named = |word: Word| Setting::Text(word.text).at(&word.place);
        let (several, alone): (Vec<_>, Vec<_>) =
            self.0.into_iter().partition(|group| group.members.len() > 1);
        for Group { name, members, .. } in alone {
            let members = members.iter().map(|member| member.text.as_str()).collect::<String>();
            let text = format!(
                "vrrp_sync_group {}: left out: there is nobody to move with {:?}",
                shown(&name.text),
                shown(&members)
            );
            translator.warn(&name.place, text);
        }
        let groups = several.into_iter().map(|group| {
            let place = group.name.place.clone();
            let members = group.members.into_iter().map(named).collect();
            let members = Setting::List(members).at(&place);
            Setting::Table(vec![("name", named(group.name)), ("members", members)]).at(&place)
        });
        let groups: Vec<_> = groups.collect();
        let place = groups.first().map_or(origin, Placed::place).clone();
        (!groups.is_empty()).then(|| ("sync_groups", Setting::List(groups).at(&place)))
    }
}

/// Reads one group.
pub(super) fn read(
    statement: &Statement,
    checks: &mut Checks,
    translator: &mut Translator,
) -> Option<Group> {
    let name = translator.name(statement)?.clone();
    let mut group =
        Group { name, members: Vec::new(), tracked: Vec::new(), counts_weights: false, raise: 0 };
    for line in translator.block(statement) {
        let kind = match line.head().text.as_str() {
            "group" => {
                let lines = translator.block(line).iter();
                group.members.extend(lines.flat_map(Statement::words).cloned());
                continue;
            }
            "track_interface" => {
                let lines = translator.block(line).iter();
                group.tracked.extend(lines.filter_map(|line| interface(line, translator)));
                continue;
            }
            "sync_group_tracking_weight" => {
                translator.plain(line);
                group.counts_weights = true;
                continue;
            }
            "track_script" => CheckKind::Script,
            "track_process" => CheckKind::Process,
            "track_file" => CheckKind::File,
            _ => {
                let within = "in vrrp_sync_group; members stand in group { … }";
                translator.known(line, words::SYNC_GROUP, READ, within);
                continue;
            }
        };
        for tracked in translator.block(line) {
            group.raise += checks.track(tracked, kind, true, translator);
        }
    }
    Some(group)
}

fn interface(line: &Statement, translator: &mut Translator) -> Option<Word> {
    translator.no_block(line);
    if let Some(weight) = line.rest().first() {
        let text =
            format!("{}: a sync group has no weights: see track of an instance", line.head().text);
        translator.warn(&weight.place, text);
        return None;
    }
    Some(line.head().clone())
}

const READ: &[&str] = &[
    "group",
    "track_interface",
    "track_script",
    "track_process",
    "track_file",
    "sync_group_tracking_weight",
];
