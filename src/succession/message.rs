//! The messages between engines of one host.

use serde::{Deserialize, Serialize};

use crate::proto::{Bequests, RouterKey};

/// A message between two engines. The version stands in [`Bequests`].
#[derive(Debug, Deserialize, Serialize)]
pub enum HandoverMessage {
    /// A successor has connected. It asks with [`Take`](Self::Take) once its nginx serves.
    Hello,
    /// The predecessor has removed nothing and keeps nothing: it can take the routers back.
    Standby,
    /// The successor asks for the state.
    Take,
    /// The state of all routers; to a predecessor, of those that have changed.
    State(Box<Bequests>),
    /// The sender stops, and gives the state of all routers back to its predecessor.
    Return(Box<Bequests>),
    /// The sender has the routers now.
    Took {
        /// Routers of the state that are not configured at the sender.
        #[serde(rename = "left")]
        not_inherited: Vec<RouterKey>,
    },
    /// The sender stops before it has the routers, and no engine comes in its place.
    #[serde(rename = "Over")]
    NotComing,
    /// An operator asked the sender to drain, or to take part again.
    Drain(bool),
    /// The sender ends. Its nginx has delivered events up to this number.
    #[serde(rename = "Told")]
    Delivered(u64),
    /// A message of a later version. It is never sent.
    #[serde(skip_serializing, other)]
    Unknown,
}

impl HandoverMessage {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// If no version of this program can have written it. A kind of message that this version does
    /// not know is [`Unknown`](Self::Unknown), so that the connection goes on.
    pub fn parse(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text).or_else(|error| {
            let tagged: serde_json::Map<_, _> = serde_json::from_slice(text).unwrap_or_default();
            let mut kinds = tagged.keys();
            let is_unknown = |kind: &String| !WITH_CONTENT.contains(&kind.as_str());
            match (kinds.next(), kinds.next()) {
                (Some(kind), None) if is_unknown(kind) => Ok(Self::Unknown),
                _ => Err(error),
            }
        })
    }

    /// Writes the message.
    ///
    /// # Errors
    ///
    /// Never for a message of this program.
    pub fn emit(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }
}

/// The kinds of messages that have content.
const WITH_CONTENT: [&str; 5] = ["State", "Return", "Took", "Drain", "Told"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_reads_the_same() {
        for text in [r#""Hello""#, r#"{"Took":{"left":[]}}"#, r#"{"Drain":true}"#, r#"{"Told":7}"#]
        {
            let message = HandoverMessage::parse(text.as_bytes()).unwrap();

            assert_eq!(message.emit().unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn a_kind_of_message_of_a_later_version_is_no_error() {
        for text in [r#""Wait""#, r#"{"Group":{"members":[1,2]}}"#, r#"{"Weight":-7}"#] {
            let message = HandoverMessage::parse(text.as_bytes());

            assert!(matches!(message, Ok(HandoverMessage::Unknown)), "{text}: {message:?}");
        }
    }

    #[test]
    fn what_no_version_can_have_written_is_an_error() {
        for text in ["", "{}", "7", r#""a"#, r#"{"Took":7}"#, r#"{"Told":"a"}"#, r#"{"a":1,"b":2}"#]
        {
            assert!(HandoverMessage::parse(text.as_bytes()).is_err(), "{text}");
        }
    }
}
