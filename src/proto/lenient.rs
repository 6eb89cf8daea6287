//! Reads a state that a later version of this program has written.

use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

/// Reads a value, or its default if only a later version has such a value: the rest must stay
/// readable.
pub(super) fn known_or_default<'de, D, T>(from: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either<T> {
        Known(T),
        Unknown(IgnoredAny),
    }
    Either::deserialize(from).map(|either| match either {
        Either::Known(value) => value,
        Either::Unknown(_) => T::default(),
    })
}
