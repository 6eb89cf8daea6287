//! What is wrong with a configuration, and where.

use std::fmt;

/// One option that cannot be accepted, or that is not what it seems.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    /// Where: `instances[2].priority`. Elements are counted from 1, as in Lua.
    pub path: String,
    /// What is wrong, and what is allowed.
    pub problem: String,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.problem);
        }
        write!(f, "{}: {}", self.path, self.problem)
    }
}

/// Everything that is wrong with a configuration, in the order of the options; never empty.
///
/// Displayed as one problem per line.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            error.fmt(f)?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}
