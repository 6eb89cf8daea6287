//! Several measurements of one thing.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

/// What was measured, from the least to the most. There is at least one value.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    sorted: Vec<f64>,
}

impl Figures {
    /// Returns nothing where nothing was measured.
    pub(crate) fn new(values: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        (!sorted.is_empty()).then_some(Self { sorted })
    }

    pub(crate) fn one(value: f64) -> Self {
        Self { sorted: vec![value] }
    }

    pub(crate) fn min(&self) -> f64 {
        self.sorted[0]
    }

    pub(crate) fn median(&self) -> f64 {
        let upper = self.sorted.len() / 2;
        let lower = (self.sorted.len() - 1) / 2;
        f64::midpoint(self.sorted[lower], self.sorted[upper])
    }

    pub(crate) fn max(&self) -> f64 {
        self.sorted[self.sorted.len() - 1]
    }

    pub(crate) fn to_json(&self) -> Value {
        let (min, median, max) = (self.min(), self.median(), self.max());
        json!({ "min": min, "median": median, "max": max, "values": self.sorted })
    }
}

/// One value as it is, several as least / median / most.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.sorted.len() {
            1 => f.write_str(&shown(self.median())),
            _ => write!(
                f,
                "{} / **{}** / {}",
                shown(self.min()),
                shown(self.median()),
                shown(self.max())
            ),
        }
    }
}

/// Writes a number with three digits that mean something.
pub(crate) fn shown(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        size if size >= 99.95 => format!("{value:.0}"),
        size if size >= 9.995 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Returns a time in milliseconds.
pub(crate) fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
