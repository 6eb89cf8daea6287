//! A real request to this nginx, again and again: what its workers' beats cannot tell.

use std::convert::Infallible;
use std::future;
use std::io;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::checks::{self, Check, PlannedCheck, Verdicts};
use super::failpoint::failpoint;
use super::report::panic_text;
use crate::config::ProbeConfig;

/// The probe, which has no end but a failure.
pub(super) type Probing = JoinHandle<Result<Infallible, String>>;

/// Returns the probe as one of the checks.
pub(super) fn planned(config: &ProbeConfig) -> PlannedCheck {
    let timeout = config.timeout;
    PlannedCheck { name: NAME.to_owned(), weight: None, timeout, in_lua: false }
}

/// Probes for ever; only a failure of its own ends it.
pub(super) async fn run(config: ProbeConfig, verdicts: Verdicts) -> Result<Infallible, String> {
    let mut tick = interval(config.interval);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let before = verdicts.borrow().iter().find(|check| check.name == NAME).map(|check| check.ok);
    let mut verdict = Verdict { ok: before, streak: 0 };
    loop {
        tick.tick().await;
        failpoint("probe")?;
        let answer = match timeout(config.timeout, ask(&config)).await {
            Ok(Ok(status)) if (200..400).contains(&status) => Ok(()),
            Ok(Ok(status)) => Err(format!("{} answers with status {status}", config.url)),
            Ok(Err(error)) => Err(format!("{}: {error}", config.url)),
            Err(_) => Err(format!("{}: no answer within {:?}", config.url, config.timeout)),
        };
        if verdict.turns(answer.is_ok(), config.fall, config.rise) {
            let detail = answer.err().unwrap_or_default();
            if detail.is_empty() {
                tracing::info!("the probe is answered");
            } else {
                tracing::warn!("the probe fails: {detail}");
            }
            let ok = detail.is_empty();
            checks::tell(&verdicts, Check { name: NAME.to_owned(), ok, weight: None, detail });
        }
    }
}

/// Waits until the probe has failed itself, and tells why. It never does if there is none.
pub(super) async fn failed(probing: &mut Option<Probing>) -> String {
    let Some(probing) = probing else { return future::pending().await };
    match probing.await {
        Ok(Err(error)) => error,
        Err(ended) => match ended.try_into_panic() {
            Ok(panic) => panic_text(&*panic),
            Err(cancelled) => cancelled.to_string(),
        },
    }
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

/// What single answers add up to.
#[derive(Debug, Default)]
struct Verdict {
    ok: Option<bool>,
    /// Answers in a row that say otherwise.
    streak: u8,
}

impl Verdict {
    /// Tells whether the verdict turns with this answer. The first one ever counts at once.
    fn turns(&mut self, ok: bool, fall: u8, rise: u8) -> bool {
        if self.ok == Some(ok) {
            self.streak = 0;
            return false;
        }
        self.streak += 1;
        let needed = if ok { rise } else { fall };
        if self.ok.is_some() && self.streak < needed {
            return false;
        }
        *self = Self { ok: Some(ok), streak: 0 };
        true
    }
}

/// Its name among the checks.
const NAME: &str = "probe";
/// Octets of an answer that are read; the first line is all that counts.
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

    #[test]
    fn a_verdict_takes_answers_in_a_row_but_for_the_first() {
        let mut verdict = Verdict::default();

        let turned =
            [true, false, true, false, false, true, true, true].map(|ok| verdict.turns(ok, 2, 3));

        assert_eq!(turned, [true, false, false, false, true, false, false, true]);
    }
}
