//! The executable of the guard; see the module `guard` of the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    resty_vrrp::guard::run()
}
