//! The smallest web client that can be trusted with a stopwatch.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

/// What a web server has answered.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// Names in lower case, and values, in the order sent.
    pub headers: Vec<(String, String)>,
    /// The body, which is text in all we ask for.
    pub body: String,
}

impl Response {
    /// Returns the first header of this name, which is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(other, _)| other == name).map(|(_, value)| value.as_str())
    }

    /// Reads the body as JSON.
    #[must_use]
    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body)
            .unwrap_or_else(|error| panic!("no JSON ({error}): {}", self.body))
    }

    /// Reads a whole answer, up to the end of the connection.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n")?;
        let mut lines = head.lines();
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let length = headers.iter().find(|(name, _)| name == "content-length");
        let expected = length.and_then(|(_, value)| value.parse::<usize>().ok());
        let complete = expected.is_none_or(|expected| body.len() >= expected);
        complete.then(|| Self { status, headers, body: body.to_owned() })
    }
}

/// Asks a web server once, on a new connection.
pub fn get(server: SocketAddr, path: &str) -> io::Result<Response> {
    request(server, "GET", path)
}

/// Sends a request without a body.
pub fn request(server: SocketAddr, method: &str, path: &str) -> io::Result<Response> {
    let mut stream = TcpStream::connect_timeout(&server, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(head(method, server, path).as_bytes())?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Response::parse(&answer).ok_or_else(|| io::Error::other("the answer broke off"))
}

/// Returns a request that asks for the connection to be closed after the answer.
///
/// It speaks HTTP/1.0 so that the body always comes in one piece.
pub(crate) fn head(method: &str, server: SocketAddr, path: &str) -> String {
    format!("{method} {path} HTTP/1.0\r\nHost: {server}\r\nConnection: close\r\n\r\n")
}

const PATIENCE: Duration = Duration::from_secs(3);
