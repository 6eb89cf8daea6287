//! The name of a network interface.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The name of a network interface: 1–15 bytes, no `/`, no white space (Linux's `dev_valid_name`).
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct LinkName {
    /// Zeros follow the name.
    octets: [u8; Self::LONGEST],
}

impl LinkName {
    const LONGEST: usize = 15;

    /// Returns the name, or `None` if no interface can be called so.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let valid = (1..=Self::LONGEST).contains(&name.len())
            && name != "."
            && name != ".."
            && !name
                .contains(|c: char| c == '/' || c == ':' || c == '\0' || c.is_ascii_whitespace());
        let mut octets = [0; Self::LONGEST];
        octets.get_mut(..name.len())?.copy_from_slice(name.as_bytes());
        valid.then_some(Self { octets })
    }

    /// Returns the name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let length = self.octets.iter().position(|&octet| octet == 0).unwrap_or(Self::LONGEST);
        std::str::from_utf8(&self.octets[..length]).unwrap_or_default()
    }
}

impl TryFrom<String> for LinkName {
    type Error = &'static str;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        Self::new(&name).ok_or("no interface can be called so")
    }
}

impl From<LinkName> for String {
    fn from(name: LinkName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Debug for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LinkName").field(&self.as_str()).finish()
    }
}

impl fmt::Display for LinkName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_str().fmt(f)
    }
}
