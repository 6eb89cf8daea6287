//! The executable of the guard; see the module `guard` of the library.

use std::env::args_os;
use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<_> = args_os().skip(1).collect();
    match arguments.split_first() {
        Some((word, call)) if word == "check" => resty_vrrp::guard::check(call),
        Some((word, paths)) if word == "migrate" => resty_vrrp::runtime::migrate(paths),
        _ => resty_vrrp::guard::run(),
    }
}
