//! What an operator's requests must show.

use std::fmt;

use serde_json::Value;

use super::table::{Read, Table, boolean};

/// The option `token`.
#[derive(Clone, Eq, PartialEq)]
pub struct RequestToken(String);

impl RequestToken {
    /// Returns the token itself.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for RequestToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RequestToken(…)")
    }
}

/// Reads whether an operator's requests are taken over HTTP, and what they must show.
pub(super) fn read(table: &mut Table<'_>) -> (bool, Option<RequestToken>) {
    (table.or("control", false, boolean), table.optional("token", token))
}

/// The token itself is never repeated in a message.
fn token(value: &Value) -> Read<RequestToken> {
    let Some(text) = value.as_str() else {
        return Err("expected a text of 16 to 128 bytes".to_owned());
    };
    if !(16..=128).contains(&text.len()) {
        return Err(format!("expected 16 to 128 bytes, got {}", text.len()));
    }
    if !text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._~+/=".contains(&octet)) {
        return Err(
            "expected letters and digits of ASCII and -._~+/= only (RFC 6750 §2.1)".to_owned()
        );
    }
    Ok(RequestToken(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::config::Config;

    #[test]
    fn a_token_is_long_enough_fits_a_header_and_is_never_repeated() {
        let read = |token: &str| {
            let instance = json!({ "name": "VI_1", "interface": "eth0", "vrid": 51,
                "addresses": ["192.0.2.1/24"] });
            let options = json!({ "control": true, "token": token, "instances": [instance] });
            Config::from_json(&options.to_string()).map_err(|error| error.to_string())
        };

        let secret = "s3cret-._~+/ABCD==";
        let config = read(secret).expect("it is long enough");
        assert_eq!(config.token.as_ref().map(super::RequestToken::as_str), Some(secret));
        assert!(!format!("{config:?}").contains(secret));
        assert_eq!(config.warnings(), []);
        assert_eq!(read("fifteen-letters"), Err("token: expected 16 to 128 bytes, got 15".into()));
        let said = read("sixteen letters!!").expect_err("it has a space");
        assert!(said.contains("letters and digits") && !said.contains("sixteen"), "{said}");
        let idle = Config { control: false, ..config };
        assert_eq!(idle.warnings()[0].path, "token");
    }
}
