//! What a `keepalived.conf` becomes, printed: `guard migrate /etc/keepalived/keepalived.conf`.

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use super::written::Written;

/// Prints the call of `setup` that does what a `keepalived.conf` does, and on standard error the
/// notes about it. Nothing is started.
///
/// Fails with 1 if the file cannot be translated, or if its options are refused.
#[must_use]
pub fn migrate(paths: &[OsString]) -> ExitCode {
    let [path] = paths else {
        eprintln!("usage: guard migrate /etc/keepalived/keepalived.conf");
        return ExitCode::from(2);
    };
    let written = match Written::file(Path::new(path)) {
        Ok(written) => written,
        Err(errors) => {
            eprintln!("{errors}");
            return ExitCode::FAILURE;
        }
    };
    for remark in written.remarks() {
        eprintln!("{remark}");
    }
    if let Some(setup) = written.setup() {
        print!("{setup}");
    }
    match written.config() {
        Ok(_) => ExitCode::SUCCESS,
        Err(errors) => {
            eprintln!("{errors}");
            ExitCode::FAILURE
        }
    }
}
