//! Several measurements of one thing.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

/// What was measured, from the least to the most. There is at least one value.
///
/// A time without end is that of something that had not happened when the watch for it ended.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    sorted: Vec<f64>,
    watched: Duration,
}

impl Figures {
    /// Returns nothing where nothing was measured.
    pub(crate) fn new(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        (!sorted.is_empty()).then_some(Self { sorted, watched: Duration::MAX })
    }

    pub(crate) fn one(value: f64) -> Self {
        Self { sorted: vec![value], watched: Duration::MAX }
    }

    /// Says how long it was watched.
    pub(crate) fn watched(self, watched: Duration) -> Self {
        Self { watched, ..self }
    }

    pub(crate) fn min(&self) -> f64 {
        self.sorted[0]
    }

    pub(crate) fn median(&self) -> f64 {
        self.median_up_to(f64::INFINITY)
    }

    /// Returns what the median is at least, if it has no end.
    pub(crate) fn median_at_least(&self) -> Option<f64> {
        self.median().is_infinite().then(|| self.median_up_to(ms(self.watched)))
    }

    fn median_up_to(&self, most: f64) -> f64 {
        let upper = self.sorted.len() / 2;
        let lower = (self.sorted.len() - 1) / 2;
        f64::midpoint(self.sorted[lower].min(most), self.sorted[upper].min(most))
    }

    pub(crate) fn max(&self) -> f64 {
        self.sorted[self.sorted.len() - 1]
    }

    /// Counts what had not happened when the watch ended.
    fn never(&self) -> usize {
        self.sorted.iter().filter(|value| value.is_infinite()).count()
    }

    pub(crate) fn to_json(&self) -> Value {
        let (min, median, max) = (self.min(), self.median(), self.max());
        // JSON has no infinity: what never happened is null.
        let watched = (self.never() > 0).then_some(self.watched.as_secs());
        json!({
            "min": min, "median": median, "max": max, "values": self.sorted, "watched_s": watched
        })
    }
}

/// One value as it is, several as least / median / most.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (min, median, max) = (shown(self.min()), shown(self.median()), shown(self.max()));
        let (all, never, seconds) = (self.sorted.len(), self.never(), self.watched.as_secs());
        if all == 1 || never == all {
            f.write_str(&median)?;
        } else {
            write!(f, "{min} / **{median}** / {max}")?;
        }
        match never {
            0 => Ok(()),
            _ if never == all => write!(f, " (stopped watching after {seconds} s)"),
            _ => write!(f, " ({never} of {all}; stopped watching after {seconds} s)"),
        }
    }
}

/// Writes a number with three digits that mean something; a whole one as it is.
pub(crate) fn shown(value: f64) -> String {
    match value.abs() {
        f64::INFINITY => "never".to_owned(),
        size if size >= 99.95 || size.fract() == 0.0 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Returns a time in milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// Returns how many there are.
pub(crate) fn count(number: impl TryInto<u32>) -> f64 {
    number.try_into().map_or(f64::INFINITY, f64::from)
}
