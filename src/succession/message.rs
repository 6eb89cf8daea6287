//! What engines of one host say to each other.

use serde::{Deserialize, Serialize};

use crate::proto::{Bequests, RouterKey};

/// What engines say to each other. The version stands in [`Bequests`].
#[derive(Debug, Deserialize, Serialize)]
pub enum HandoverMessage {
    /// I am the next one; I shall ask when I am ready.
    Hello,
    /// I was the one before; keep me in mind.
    Standby,
    /// I am ready.
    Take,
    /// Here are my routers; to an engine that had them before: those that have changed.
    State(Box<Bequests>),
    /// I stop, and you were there before me: take them back.
    Return(Box<Bequests>),
    /// I have them, but for these, which are none of mine.
    Took {
        /// Routers that only the sender of the state had.
        #[serde(rename = "left")]
        heirless: Vec<RouterKey>,
    },
    /// I stop before I had anything, and no later configuration is about to come.
    Over,
    /// An operator asked at my side: to drain, or to take part again.
    Drain(bool),
    /// I end, and have told events up to this number.
    Told(u64),
    /// Something that only a later version says. It is never said.
    #[serde(skip_serializing, other)]
    Unknown,
}

impl HandoverMessage {
    /// Reads a message.
    ///
    /// # Errors
    ///
    /// What no version of this program can have written. A kind of message that this version does
    /// not know is [`Unknown`](Self::Unknown), so that it refuses nothing else that is said.
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
    /// None of what the program says.
    pub fn emit(&self) -> serde_json::Result<Vec<u8>> {
        serde_json::to_vec(self)
    }
}

/// Kinds of messages that carry something.
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
