//! A real HTTP request to this nginx, periodically: it finds faults that heartbeats do not show.

use std::convert::Infallible;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::checks::{PlannedCheck, Verdicts};
use super::repeat::repeat;
use crate::config::ProbeConfig;

/// Returns the probe as one of the checks.
pub(super) fn planned(config: &ProbeConfig) -> PlannedCheck {
    let timeout = config.timing.timeout;
    PlannedCheck { name: NAME.to_owned(), weight: None, timeout, in_lua: false }
}

/// Probes for ever; only a failure of its own ends it.
pub(super) async fn run(config: ProbeConfig, verdicts: Verdicts) -> Result<Infallible, String> {
    let ProbeConfig { url, timing, .. } = &config;
    let probe = || async {
        match ask(&config).await {
            Ok(status) if (200..400).contains(&status) => Ok(()),
            Ok(status) => Err(format!("answers with status {status}")),
            Err(error) => Err(error.to_string()),
        }
    };
    repeat(planned(&config), url, *timing, verdicts, probe).await
}

/// Asks once, and returns the status.
async fn ask(config: &ProbeConfig) -> io::Result<u16> {
    let mut stream = TcpStream::connect(config.server).await?;
    let ProbeConfig { host, path, .. } = config;
    let request = format!(
        "GET {path} HTTP/1.0\r\nHost: {host}\r\nUser-Agent: resty.vrrp\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.take(MAX_ANSWER).read_to_end(&mut answer).await?;
    status(&answer).ok_or_else(|| io::Error::other("the answer is not HTTP"))
}

/// Reads the status of `HTTP/1.1 200 OK`.
fn status(answer: &[u8]) -> Option<u16> {
    let line = answer.split(|&octet| octet == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?.strip_prefix("HTTP/")?;
    line.split(' ').nth(1)?.parse().ok()
}

/// Its name among the checks.
const NAME: &str = "probe";
/// Octets of an answer that are read; only the first line matters.
const MAX_ANSWER: u64 = 65_536;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_is_read_from_the_first_line() {
        assert_eq!(status(b"HTTP/1.1 200 OK\r\nServer: nginx\r\n\r\n"), Some(200));
        assert_eq!(status(b"HTTP/1.0 503\r\n"), Some(503));
        assert_eq!(status(b"SSH-2.0-OpenSSH\r\n"), None);
        assert_eq!(status(b""), None);
    }
}
