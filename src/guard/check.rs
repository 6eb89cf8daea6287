//! The check of a configuration: `guard check nginx -c nginx.conf`. Nothing is started.
#![expect(
    clippy::disallowed_methods,
    reason = "this process is no nginx: its children are its own"
)]

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitCode, Stdio};

use crate::net::{forbid_serving, keep_owners};

/// Checks the configuration that this call of nginx names: `nginx -t`, then the options of `setup`.
///
/// Succeeds if both accept it. Fails with 1 if `setup` refuses its options, and with 2 if nginx
/// refuses the rest or never calls `setup`. Nginx prints its own message.
///
/// A start ends in `setup`, before any socket is opened. One that never calls `setup` would go on,
/// beside the nginx that runs or in its place: so it is killed when it binds the first socket, or
/// without a socket when it becomes a daemon or opens its pid file.
///
/// An nginx of root gives its directories for temporary files away, also in a test, to the user
/// that it takes for its own. The one that runs may be another user's: nothing is given away here.
#[must_use]
pub fn check(call: &[OsString]) -> ExitCode {
    match try_check(call) {
        Ok(code) => code,
        Err(error) => refuse(&format!("resty.vrrp: cannot check: {error}")),
    }
}

fn try_check(call: &[OsString]) -> io::Result<ExitCode> {
    let Some((program, arguments)) = call.split_first() else {
        return Ok(refuse("usage: guard check nginx [-c nginx.conf]"));
    };
    keep_owners()?;
    let mut nginx = Command::new(program);
    // nginx itself reads NGINX, as a list of inherited sockets.
    nginx.args(arguments).env_remove("NGINX");
    nginx.args(["-t", "-q"]);
    if !nginx.status().map_err(|error| named(program, &error))?.success() {
        return Ok(ExitCode::from(REFUSED));
    }
    forbid_serving()?;
    let mut start = Command::new(program);
    start.args(arguments).env_remove("NGINX").env("RESTY_VRRP_CHECK", "1");
    // Without a socket, nginx exits as if all were well, and its daemon is killed.
    let ended = start.stdout(Stdio::inherit()).output()?;
    io::stderr().write_all(&ended.stderr)?;
    let accepted = String::from_utf8_lossy(&ended.stderr).contains("configuration is valid");
    Ok(match (ended.status.code(), ended.status.signal()) {
        (Some(0), _) if accepted => ExitCode::SUCCESS,
        (Some(0), _) | (_, Some(libc::SIGSYS)) => {
            refuse("resty.vrrp: this configuration never calls setup")
        }
        (Some(_), _) => ExitCode::FAILURE,
        _ => refuse(&format!("resty.vrrp: the check has ended with {}", ended.status)),
    })
}

fn named(program: &OsStr, error: &io::Error) -> io::Error {
    io::Error::other(format!("{}: {error}", program.to_string_lossy()))
}

fn refuse(reason: &str) -> ExitCode {
    eprintln!("{reason}");
    ExitCode::from(REFUSED)
}

const REFUSED: u8 = 2;
