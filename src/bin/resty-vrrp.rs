//! The command line; see the module `cli` of the library.

fn main() -> std::process::ExitCode {
    resty_vrrp::cli::run()
}
