//! What the kernel refused.

use std::io;

use thiserror::Error;

/// An operation that the kernel refused: `cannot add 192.0.2.1/24 to eth0`.
#[derive(Debug, Error)]
#[error("cannot {op} {object}")]
pub struct NetError {
    /// What was to be done.
    pub op: &'static str,
    /// To what.
    pub object: String,
    /// The error of the kernel.
    #[source]
    pub source: io::Error,
}

impl NetError {
    /// Builds the error of an operation on an object.
    pub fn new(op: &'static str, object: impl Into<String>, source: impl Into<io::Error>) -> Self {
        Self { op, object: object.into(), source: source.into() }
    }

    /// Returns the message with its cause, on one line.
    #[must_use]
    pub fn with_cause(&self) -> String {
        format!("{self}: {}", self.source)
    }
}
