//! `garp_*`: how often addresses are announced. keepalived says it for each instance, the options
//! for the node.

use crate::keepalived::place::Spot;
use crate::keepalived::setting::{Placed, Setting};
use crate::keepalived::tree::Statement;

use super::Translator;
use super::globals::Globals;

/// What was said about announcements so far.
#[derive(Debug)]
pub(super) struct Announcing {
    repeat: Option<Placed>,
    refresh: Option<Placed>,
    /// A second, different value.
    other: Option<Spot>,
}

impl Announcing {
    /// Begins with what `global_defs` says.
    pub(super) fn of(globals: &Globals) -> Self {
        let (repeat, refresh) = (globals.repeat.clone(), globals.refresh.clone());
        Self { repeat, refresh, other: None }
    }

    /// Takes `garp_master_repeat` of an instance.
    pub(super) fn repeat(&mut self, statement: &Statement, translator: &mut Translator) {
        let given = translator.whole(statement);
        Self::more_often(&mut self.repeat, given, |new, old| new > old, &mut self.other);
    }

    /// Takes `garp_master_refresh` of an instance.
    pub(super) fn refresh(&mut self, statement: &Statement, translator: &mut Translator) {
        let given = translator.whole(statement);
        let is_more = |new, old| new != 0 && (old == 0 || new < old);
        Self::more_often(&mut self.refresh, given, is_more, &mut self.other);
    }

    /// Keeps what announces more often.
    fn more_often(
        kept: &mut Option<Placed>,
        given: Option<Placed>,
        is_more: impl Fn(i64, i64) -> bool,
        other: &mut Option<Spot>,
    ) {
        let Some(given) = given else { return };
        let (new, old) = (given.number(), kept.as_ref().and_then(Placed::number));
        if kept.is_some() && new != old {
            *other = Some(given.place().clone());
        }
        let is_kept = kept.is_some() && new.zip(old).is_some_and(|(new, old)| !is_more(new, old));
        if !is_kept {
            *kept = Some(given);
        }
    }

    /// Returns the option `announce`.
    pub(super) fn option(self, translator: &mut Translator) -> Option<(&'static str, Placed)> {
        let mut fields = Vec::new();
        let first = self.repeat.as_ref().or(self.refresh.as_ref()).map(|it| it.place().clone());
        if let Some(place) = &self.other {
            let text =
                "garp_*: announce counts for the whole node; it has what announces most often";
            translator.warn(place, text);
        }
        if let Some(repeat) = self.repeat {
            let place = repeat.place().clone();
            if let Some(number) = repeat.number().filter(|number| !(1..=20).contains(number)) {
                translator
                    .warn(&place, format!("{number} announcements: announce.count is 1 to 20"));
            }
            let clamped = repeat.number().map(|number| Setting::Number(number.clamp(1, 20)));
            fields.push(("count", clamped.map_or(repeat, |count| count.at(&place))));
        }
        if let Some(refresh) = self.refresh {
            let place = refresh.place().clone();
            let ms = refresh.number().map(|number| Setting::Number(number.saturating_mul(1000)));
            fields.push(("refresh_ms", ms.map_or(refresh, |ms| ms.at(&place))));
        }
        Some(("announce", Setting::Table(fields).at(&first?)))
    }
}
